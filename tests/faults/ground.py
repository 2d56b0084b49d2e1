"""What commands that are limited or killed work on: a clip and its mask, a folder with one film, and a notebook."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from einops import repeat
from PIL import Image

from tests.faults.made import hole, notebook
from vinpaint_lib.video.writing import write_video

SIZE, LENGTH = (64, 64), 12


def lay(place: Path) -> Path:
    """Make them in the new folder `place`; the notebook has a long output."""
    (place / "clip").mkdir(parents=True)
    (place / "films").mkdir()
    pictures = np.random.default_rng(0).integers(0, 100, (LENGTH, *SIZE, 3), dtype=np.uint8)
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(place / "clip" / f"{index}.png")
    Image.fromarray(hole(SIZE)).save(place / "mask.png")
    ramp = torch.linspace(0, 0.9, SIZE[1])
    write_video(place / "films" / "a.mp4", iter(repeat(ramp, "w -> t 3 h w", t=LENGTH, h=SIZE[0])), Fraction(24))
    notebook(place / "nb.ipynb", "steps: int = 3", "print('x' * 100000)")
    return place
