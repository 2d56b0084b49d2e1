"""The film strip at the head of README, made by the project itself: a street with and without the man who passes.

    python -m data_scripts.film_strip assets/film_strip.png
    python -m data_scripts.film_strip mine.png --clip clip.mp4 --mask mask.png

Without --clip it is the strip of `make demo`, and the other options say nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vinpaint_lib.errors import UserError, run_program
from vinpaint_lib.figures import clips
from vinpaint_lib.filling import demo
from vinpaint_lib.options import choose_device, parse_size
from vinpaint_lib.systems.registry import build
from vinpaint_lib.video.clip import Clip, read_clip
from vinpaint_lib.video.writing import check_target


def make(path: Path, clip: Clip, *, columns: int = 3, model: str = demo.MODEL) -> Path:
    """Fill `clip` and write a strip of a few of its frames to `path`, as given above and as filled below.

    Raises UserError if the path cannot be written to or the clip has no hole, before anything is filled.
    """
    check_target(path, (".png",))
    if not clip.masks.any():
        raise UserError(f"{clip.name}: the mask is empty, there is nothing to fill; give a clip and its --mask")
    system = build(model).to(choose_device("auto"))
    rows = {"with hole": clips.tinted(clip.frames, clip.masks), system.card.title: demo.filled(system, clip)}
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
    parser.add_argument("--size", default="432x240", metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--columns", type=int, default=3)
    given = parser.parse_args(arguments)
    if given.clip:
        clip = read_clip(given.clip, given.mask, size=parse_size(given.size), limit=given.frames)
        print(make(given.out, clip, columns=given.columns))
    else:
        check_target(given.out, (".png",))
        street = demo.passing()
        model = build(demo.MODEL).to(choose_device("auto"))
        print(demo.strip(given.out, street, demo.filled(model, street)))


if __name__ == "__main__":
    main()
