"""The film strip at the head of README, made by the project itself: a clip with a hole, and the hole filled.

    python -m data_scripts.film_strip assets/film_strip.png
    python -m data_scripts.film_strip mine.png --clip clip.mp4 --mask mask.png

Without --clip, the clip is a photograph set in motion (`vinpaint_lib/toy`) with a hole that moves.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from vinpaint_lib import inpaint
from vinpaint_lib.errors import UserError, run_program
from vinpaint_lib.figures import clips
from vinpaint_lib.holes import masks
from vinpaint_lib.options import choose_device, parse_size
from vinpaint_lib.systems.registry import build
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip, read_clip
from vinpaint_lib.video.writing import check_target

SEED = 13  # the clip of notebook 09, under another hole


def example(length: int, size: tuple[int, int]) -> Clip:
    """The astronaut under a moving camera, with a blob that wanders over her; what is under the hole is blanked."""
    frames = toy_clip(
        "astronaut", Shot(length=length, size=size, camera="homography", speed=3.0, seed=SEED)
    ).clip.frames
    holes = masks.moving_blob(length, size, np.random.default_rng(SEED), area=(0.08, 0.12))
    return Clip(frames * (1 - holes), holes, name="astronaut")


def make(path: Path, clip: Clip, *, columns: int = 5, model: str = "tgfnet") -> Path:
    """Fill `clip` and write a strip of a few of its frames to `path`, as given above and as filled below.

    Raises UserError if the path cannot be written to or the clip has no hole, before anything is filled.
    """
    check_target(path, (".png",))
    if not clip.masks.any():
        raise UserError(f"{clip.name}: the mask is empty, there is nothing to fill; give a clip and its --mask")
    system = build(model).to(choose_device("auto"))
    filled = torch.stack(list(inpaint.fill(system, clip)))
    rows = {"with hole": clips.tinted(clip.frames, clip.masks), system.card.title: filled}
    return clips.poster(path, rows, columns=columns)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module; a UserError is one sentence and exit code 2."""
    run_program(work, arguments, name="python -m data_scripts.film_strip")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts.film_strip", description="A film strip of a filled clip."
    )
    parser.add_argument("out", type=Path, help="the picture, .png")
    parser.add_argument("--clip", type=Path, help="a video or a folder of pictures")
    parser.add_argument("--mask", type=Path, help="its mask, white is missing")
    parser.add_argument("--size", default="384x216", metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--columns", type=int, default=5)
    given = parser.parse_args(arguments)
    size = parse_size(given.size)
    if given.clip:
        clip = read_clip(given.clip, given.mask, size=size, limit=given.frames)
    else:
        clip = example(given.frames, size)
    print(make(given.out, clip, columns=given.columns))


if __name__ == "__main__":
    main()
