"""Figures of clips: film strips, pictures side by side, holes, error maps, time slices, scores of several methods.

Made and shown as `page.py` says. `choices.py` draws the weights of groups.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.figures.page import MAP, WIDTH, bare, blank, grid, save, show

STRIPE = 10  # pixels from one stripe of an unknown region to the next
PINK = (0.95, 0.70, 0.80)
PLUM = (0.60, 0.30, 0.50)

Clips = Mapping[str, Float[Tensor, "t 3 h w"]]
Pictures = Mapping[str, Float[Tensor, "3 h w"]]


def picks(length: int, count: int) -> list[int]:
    """`count` frame numbers spread evenly over a clip, first and last included; all frames of a shorter clip."""
    return sorted({round(i) for i in np.linspace(0, length - 1, min(count, length))})


def film_strip(rows: Clips, alt: str, *, columns: int = 5, path: str | Path | None = None) -> None:
    """Clips of the same length below each other, a few frames of each, frame numbers on top."""
    show(strip(rows, columns), alt, path=path, photo=True)


def strip(rows: Clips, columns: int) -> Figure:
    """The figure behind `film_strip`."""
    chosen = picks(len(next(iter(rows.values()))), columns)
    return grid([[clip[t] for t in chosen] for clip in rows.values()], list(rows), [f"frame {t}" for t in chosen])


def poster(path: str | Path, rows: Clips, *, columns: int = 5) -> Path:
    """Write a film strip as PNG without showing it: the picture at the head of README."""
    return save(strip(rows, columns), path)


def panels(pictures: Pictures, alt: str, *, columns: int = 4, path: str | Path | None = None) -> None:
    """Pictures of one size beside each other, each with its name above it."""
    flat: list[Tensor | None] = list(pictures.values())
    rows = [flat[i : i + columns] for i in range(0, len(flat), columns)]
    show(grid(rows, [], list(pictures)), alt, path=path, photo=True)


def outlined(frames: Float[Tensor, "*t 3 h w"], masks: Float[Tensor, "*t 1 h w"]) -> Float[Tensor, "*t 3 h w"]:
    """Frames with a line around their holes: white next to the hole, black outside, visible on any background."""
    near, far = grown(masks, 1), grown(masks, 2)
    lined = frames * (1 - (far - masks)) + (near - masks)
    return lined.clamp(0, 1)


def framed(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """A picture with a thin grey line along its edges, for a map that is white to its rim."""
    inner = functional.pad(torch.ones_like(picture[:1, 2:, 2:]), (1, 1, 1, 1))
    return picture * inner + 0.5 * (1 - inner)


def tinted(frames: Float[Tensor, "*t 3 h w"], masks: Float[Tensor, "*t 1 h w"]) -> Float[Tensor, "*t 3 h w"]:
    """Frames with striped holes and a line around each hole. The pixels under a hole are not visible any more."""
    height, width = frames.shape[-2:]
    return outlined(frames * (1 - masks) + masks * stripes((height, width)).to(frames), masks)


def stripes(size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """Slanting stripes in plum and pink: nothing is known here. No photograph has them, and a grey print shows them."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    dark = ((x + y) % STRIPE < STRIPE // 2).float()
    plum, pink = (rearrange(torch.tensor(colour), "c -> c 1 1") for colour in (PLUM, PINK))
    return dark * plum + (1 - dark) * pink


def grown(masks: Float[Tensor, "*t 1 h w"], radius: int) -> Float[Tensor, "*t 1 h w"]:
    """Holes grown by `radius` pixels in all eight directions."""
    return functional.max_pool2d(masks, 2 * radius + 1, stride=1, padding=radius)


def side_by_side(*clips: Float[Tensor, "_ 3 h _"], gap: int = 4) -> Iterator[Float[Tensor, "3 h _"]]:
    """Frames of several clips beside each other, `gap` white columns between them: a before/after video.

    Raises ValueError unless the clips are equally long.
    """
    for frames in zip(*clips, strict=True):
        parts = [frames[0]]
        for frame in frames[1:]:
            parts += [torch.ones_like(frame[:, :, :gap]), frame]
        yield torch.cat(parts, dim=-1)


def error(output: Float[Tensor, "*t 3 h w"], truth: Float[Tensor, "*t 3 h w"]) -> Float[Tensor, "*t 1 h w"]:
    """Mean absolute difference over RGB, in [0, 1]."""
    return reduce((output - truth).abs(), "... c h w -> ... 1 h w", "mean")


def error_maps(outputs: Clips, truth: Float[Tensor, "t 3 h w"], frame: int, alt: str, *, top: float = 0.3) -> None:
    """|output - truth| of one frame for several methods on one scale that ends at `top`."""
    height, width = truth.shape[-2:]
    each = (WIDTH - 1.0) / len(outputs)
    figure = blank(WIDTH, each * height / width + 0.35)
    axes = figure.subplots(1, len(outputs), squeeze=False)[0]
    for axis, (name, output) in zip(axes, outputs.items(), strict=True):
        bare(axis)
        values = rearrange(error(output[frame], truth[frame]), "1 h w -> h w").numpy()
        drawn = axis.imshow(values, cmap=MAP, vmin=0, vmax=top, interpolation="nearest")
        axis.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes), fraction=0.02, extend="max", label="mean |error|")
    show(figure, alt)


def time_slices(clips: Clips, row: int, alt: str) -> None:
    """x-t pictures, two in a row: line `row` of every frame, time downwards.

    A thing that does not move draws a straight line; flicker draws a jagged line.
    """
    length, width = next(iter(clips.values())).shape[0], next(iter(clips.values())).shape[-1]
    stretch = max(1, round(width / 2.5 / length))  # a frame of time is shown as several lines
    pictures = {
        name: rearrange(clip[:, :, row].repeat_interleave(stretch, dim=0), "t c w -> c t w")
        for name, clip in clips.items()
    }
    flat: list[Tensor | None] = list(pictures.values())
    rows = [flat[i : i + 2] for i in range(0, len(flat), 2)]
    show(grid(rows, [f"time: {length} frames"] * len(rows), list(pictures)), alt, photo=True)


def scores(table: Mapping[str, Mapping[str, float]], columns: Mapping[str, str], alt: str) -> None:
    """A dot for each method (rows) and score (panels; `columns` maps keys to axis labels).

    Rows are ordered by the first score. The dots of the first method are filled black, the others are open.
    """
    first = next(iter(columns))
    order = sorted(table, key=lambda name: table[name][first])
    figure = blank(WIDTH, 0.28 * len(table) + 0.75)
    axes = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
    for axis, (key, label) in zip(axes, columns.items(), strict=True):
        for place, name in enumerate(order):
            fill = "black" if name == next(iter(table)) else "white"
            axis.plot(table[name][key], place, "o", markerfacecolor=fill, markeredgecolor="black")
        axis.set_yticks(range(len(order)), order, fontsize=9)
        axis.set_xlabel(label, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(axis="both", color="0.85", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.margins(0.12)
        axis.xaxis.set_major_locator(MaxNLocator(max(4, 7 - len(columns))))
        axis.xaxis.set_major_formatter("{x:g}")  # no power of ten beside the label, where it would read as a factor
    show(figure, alt)
