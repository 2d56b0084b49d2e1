"""Figures of a training run: its sample pictures over time, and the blocks that its samples were drawn from.

Made and shown as `figures/page.py` says. `figures/curves.py` draws the curves of its log.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from vinpaint_lib.figures import clips, page

COLUMNS = ("with hole", "guess", "output", "truth")  # of the pictures that `run_log.validate` writes


def sample_pictures(folder: str | Path) -> dict[int, Float[Tensor, "r n 3 h w"]]:
    """Step -> the pictures that a run wrote at that step (folder/step_000030.png): r samples, n = 4 as in COLUMNS."""
    found = {}
    for path in sorted(Path(folder).glob("step_*.png")):
        step = int(re.findall(r"\d+", path.stem)[-1])
        grid = torch.from_numpy(np.array(Image.open(path).convert("RGB"))) / 255
        side = grid.shape[1] // len(COLUMNS)
        found[step] = rearrange(grid, "(r h) (n w) c -> r n c h w", h=side, w=side)
    return found


def samples_over_time(pictures: dict[int, Float[Tensor, "r n 3 h w"]], alt: str) -> None:
    """One row for each sample: input with a striped hole, guess, the output at each step, truth.

    Raises ValueError without steps.
    """
    if not pictures:
        raise ValueError("there are no sample pictures: the run wrote none yet")
    last = pictures[max(pictures)]
    rows: list[list[Tensor | None]] = []
    for r in range(len(last)):
        outputs: list[Tensor | None] = [pictures[step][r, 2] for step in sorted(pictures)]
        given = clips.tinted(last[r, 0], blanked(last[r, 0], last[r, 3]))
        rows.append([given, last[r, 1], *outputs, last[r, 3]])
    titles = ["with hole", "guess", *(f"step {step}" for step in sorted(pictures)), "truth"]
    page.show(page.grid(rows, [], titles), alt, photo=True)


def blanked(given: Float[Tensor, "3 h w"], truth: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 h w"]:
    """The hole (1) of an input whose hole is black.

    A pixel is in the hole if the input is black and the truth is not. Near such pixels, pixels that are black in both
    count too.
    """
    black = rearrange((given == 0).all(dim=0).float(), "h w -> 1 h w")
    differs = black * rearrange((truth > 0).any(dim=0).float(), "h w -> 1 h w")
    return black * clips.grown(differs, 3)


def draws(steps: Sequence[int], blocks: Sequence[Sequence[int]], allowed: Sequence[int], alt: str) -> None:
    """A dot for each sample: its step along x, its block along y. `blocks[i]` has one block for each slot of steps[i].

    A line shows `allowed[i]`, the first block that the step may not draw from; so all dots lie below the line.
    """
    figure = page.blank(0.62 * page.WIDTH, 2.4)
    axis = figure.subplots()
    across = [step for step, drawn in zip(steps, blocks, strict=True) for _ in drawn]
    upwards = [block for drawn in blocks for block in drawn]
    axis.plot(across, upwards, ".", color=page.COLOURS[0], markersize=3, label="block of a sample")
    axis.plot(steps, allowed, color=page.COLOURS[2], label="blocks that may be drawn")
    axis.set_xlabel("step", fontsize=9)
    axis.set_ylabel("block", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(color="0.88", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.legend(fontsize=8, frameon=False, loc="upper left")
    page.show(figure, alt)
