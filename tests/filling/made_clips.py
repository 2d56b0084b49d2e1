"""Small clips and masks on disk, and a model that fills them at once."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from einops import repeat
from PIL import Image

from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step
from vinpaint_lib.video.writing import write_video

SIZE = (32, 48)


class Grey(Inpainter):
    """Fills every hole with mid grey. `before` is called with the number of each frame."""

    card = ModelCard("grey", "Grey", "no paper")
    multiple = 8

    def __init__(self, before=lambda index: None) -> None:
        super().__init__()
        self.before = before

    def plan(self, length):
        return (Step((index,), ()) for index in range(length))

    def forward(self, window, step, state):
        self.before(step.targets[0])
        still = window.at(0)
        return Output(torch.full((1, *still.frame.shape), 0.5), {})


def video(path: Path, length: int = 4, size: tuple[int, int] = SIZE) -> Path:
    ramp = torch.linspace(0, 0.3, size[1])
    return write_video(path, iter(repeat(ramp, "w -> t 3 h w", t=length, h=size[0])), Fraction(24))


def pictures(folder: Path, length: int = 3, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    for index, picture in enumerate(np.random.default_rng(seed).integers(0, 100, (length, *size, 3), dtype=np.uint8)):
        Image.fromarray(picture).save(folder / f"f{index}.png")
    return folder


def mask(path: Path, size: tuple[int, int] = SIZE) -> Path:
    hole = np.zeros(size, np.uint8)
    hole[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 255
    Image.fromarray(hole).save(path)
    return path


def seen(path: Path) -> np.ndarray:
    """A picture as whole numbers, rows, columns, channels."""
    return np.asarray(Image.open(path).convert("RGB")).astype(int)
