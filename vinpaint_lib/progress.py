"""What a training run leaves to look at: a JSONL log, TensorBoard, scores on held-back clips, sample pictures."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from vinpaint_lib import losses
from vinpaint_lib.gather import MEMBRANE
from vinpaint_lib.models.tgfnet import TGFNet, Trainable
from vinpaint_lib.samples import SamplePool


def log(path: Path, board: SummaryWriter | None, row: dict[str, Any]) -> None:
    """One line of JSON, and the same numbers to TensorBoard."""
    with path.open("a") as file:
        file.write(json.dumps({k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()}) + "\n")
    if board is not None:
        for name, value in row.items():
            if name != "step":
                board.add_scalar(name.replace(" ", "_"), value, row["step"])


def cut_log(path: Path, step: int) -> None:
    """Drop the lines behind `step`: a resumed run writes them again."""
    if not path.exists():
        return
    kept = [line for line in path.read_text().splitlines() if json.loads(line)["step"] <= step]
    beside = path.with_name(path.name + ".tmp")
    beside.write_text("".join(line + "\n" for line in kept))
    os.replace(beside, path)


@torch.inference_mode()
def validate(model: TGFNet, pools: dict[str, SamplePool], out: Path, step: int, bf16: bool) -> dict[str, float]:
    """Mean hole PSNR over the held-back pool, beside the guess's, and a picture of the first samples.

    Without held-back clips only the picture is made, from the training pool.
    """
    pool = pools.get("held back", pools["train"])
    device = next(model.parameters()).device
    trainable = Trainable(model)
    scores: dict[str, list[float]] = {"held-back PSNR": [], "held-back PSNR of the guess": []}
    rows = []
    for number in range(min(pool.blocks, 24)):
        batch = {k: v.to(device) for k, v in pool.whole(number).items()}
        truth, mask = batch["truth"], batch["mask"]
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            spare = batch["guess"], torch.full_like(mask, MEMBRANE)
            fused = trainable(truth * (1 - mask), mask, batch["aligned"], batch["trust"], *spare)[0]
        nearest = batch["guess"]
        for name, picture in zip(scores, (fused.frame.clamp(0, 1), nearest), strict=True):
            scores[name] += hole_psnr(picture, truth, mask).tolist()
        if number % 6 == 0:
            shown = losses.composite(fused.frame.clamp(0, 1), truth, mask)
            rows.append([x[0].cpu() for x in (truth * (1 - mask), nearest * mask + truth * (1 - mask), shown, truth)])
    folder = out / "samples"
    folder.mkdir(exist_ok=True)
    save_grid(folder / f"step_{step:06d}.png", rows)
    return {name: float(np.mean(values)) for name, values in scores.items()} if "held back" in pools else {}


def hole_psnr(output: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """PSNR in dB over each sample's hole pixels (b)."""
    squared = reduce(mask * (output - truth) ** 2, "b c h w -> b", "sum")
    count = 3 * reduce(mask, "b 1 h w -> b", "sum")
    return -10 * torch.log10((squared / count.clamp(min=1)).clamp(min=1e-10))


def save_grid(path: Path, rows: list[list[Tensor]]) -> None:
    """A PNG of rows of pictures (3 h w)."""
    grid = rearrange(torch.stack([torch.stack(row) for row in rows]), "r n c h w -> (r h) (n w) c")
    Image.fromarray((grid.clamp(0, 1) * 255).round().byte().numpy()).save(path)
