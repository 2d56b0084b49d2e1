"""What a training run writes for its reader: a JSONL log, TensorBoard, scores on held-back clips, sample pictures."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.losses import pixels
from vinpaint_lib.training.pools import BlockPool
from vinpaint_lib.training.task import Task

LOG, SAMPLES = "log.jsonl", "samples"  # a line for each step; a folder of pictures
BOARD = "tensorboard"  # a folder
FIRST = "first_batch.png"
PICTURED = 6  # every sixth block is shown in the pictures


def log(path: Path, board: SummaryWriter | None, row: dict[str, Any]) -> None:
    """Write one line of JSON, and the same numbers to TensorBoard."""
    with path.open("a") as file:
        file.write(json.dumps({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()}) + "\n")
    if board is not None:
        for name, value in row.items():
            if name != "step":
                board.add_scalar(name.replace(" ", "_"), value, row["step"])


def cut_back(out: Path, step: int) -> None:
    """Drop the log lines and pictures after `step`: the run that goes on from there writes them again."""
    for picture in (out / SAMPLES).glob("step_*.png"):
        number = picture.stem.removeprefix("step_")
        if number.isdecimal() and int(number) > step:
            picture.unlink()
    if step == 0:
        (out / SAMPLES / FIRST).unlink(missing_ok=True)
    path = out / LOG
    if not path.exists():
        return
    kept = [line for line in path.read_text(errors="replace").splitlines() if step_of(line) <= step]
    with draft_of(path) as draft:
        draft.write_text("".join(line + "\n" for line in kept))


def step_of(line: str) -> float:
    """The step of a line of the log; infinite for a line that a killed run left half written."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return math.inf


def check_names(out: Path, files: Sequence[str]) -> None:
    """Raises UserError if a folder lies where the run writes a file (the log, or one of `files`), or the reverse."""
    for name in (LOG, *files):
        if (out / name).is_dir():
            raise UserError(f"{out / name}: is a folder where the training writes a file; move it away")
    for name in (SAMPLES, BOARD):
        if os.path.lexists(out / name) and not (out / name).is_dir():
            raise UserError(f"{out / name}: is a file where the training needs a folder; move it away")


@torch.inference_mode()
def validate(
    task: Task, model: Inpainter, pools: dict[str, BlockPool], out: Path, step: int, bf16: bool
) -> dict[str, float]:
    """Mean hole PSNR (dB) of the model and of the task's rival over the held-back pool; also saves sample pictures.

    Without held-back clips only the pictures are made, from the training pool.
    """
    pool: Any = pools.get("held back", pools["train"])
    device = next(model.parameters()).device
    names = "held-back PSNR", f"held-back PSNR of {task.rival}"
    scores: dict[str, list[float]] = {name: [] for name in names}
    rows = []
    # Without scores only the blocks that are pictured count, and of those the first are on disk.
    numbers = range(min(pool.blocks, 24)) if "held back" in pools else range(0, min(pool.blocks, 8), PICTURED)
    for number in numbers:
        batch = {k: v.to(device) for k, v in pool.whole(number).items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            output, beside, truth, mask = task.show(model, batch, number)
        output = output.clamp(0, 1)
        for name, picture in zip(names, (output, beside), strict=True):
            scores[name] += hole_psnr(picture, truth, mask).tolist()
        if number % PICTURED == 0:
            shown = truth * (1 - mask), pixels.composite(beside, truth, mask), pixels.composite(output, truth, mask)
            rows.append([x[task.pictured].cpu() for x in (*shown, truth)])
    folder = out / SAMPLES
    folder.mkdir(exist_ok=True)
    save_grid(folder / f"step_{step:06d}.png", rows)
    return {name: float(np.mean(values)) for name, values in scores.items()} if "held back" in pools else {}


def picture_batch(out: Path, batch: dict[str, Tensor]) -> None:
    """Save what the network sees in the first step: a row for each sample, holes in grey.

    A sample of several frames shows up to eight of them. A sample with aligned references shows up to seven of these.
    """
    grey = batch["truth"] * (1 - batch["mask"]) + 0.5 * batch["mask"]
    frames = grey if grey.ndim == 5 else rearrange(grey, "b c h w -> b 1 c h w")
    if "aligned" in batch:
        frames = torch.cat([frames, batch["aligned"]], dim=1)
    folder = out / SAMPLES
    folder.mkdir(exist_ok=True)
    save_grid(folder / FIRST, [list(sample[:8].float().cpu()) for sample in frames])


def hole_psnr(output: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """PSNR in dB over each sample's hole pixels (b)."""
    squared = reduce(mask * (output - truth) ** 2, "b c h w -> b", "sum")
    count = 3 * reduce(mask, "b 1 h w -> b", "sum")
    return -10 * torch.log10((squared / count.clamp(min=1)).clamp(min=1e-10))


def save_grid(path: Path, rows: list[list[Tensor]]) -> None:
    """A PNG of rows of pictures (3 h w)."""
    grid = rearrange(torch.stack([torch.stack(row) for row in rows]), "r n c h w -> (r h) (n w) c")
    with draft_of(path) as draft:
        Image.fromarray((grid.clamp(0, 1) * 255).round().byte().numpy()).save(draft, "PNG")
