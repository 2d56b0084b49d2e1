"""Make the picture at the head of README: a toy clip with a moving hole, filled by the shipped weights.

python -m data_scripts.make_film_strip [--out assets/film_strip.png]
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from vinpaint_lib import masks, toy, viz
from vinpaint_lib.clips import Clip
from vinpaint_lib.inpaint import fill
from vinpaint_lib.models import build

LENGTH, SIZE, SEED = 20, (144, 256), 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("assets/film_strip.png"))
    options = parser.parse_args()
    made = toy.toy_clip("astronaut", length=LENGTH, size=SIZE, camera="homography", speed=3.0, seed=SEED).clip
    holes = masks.moving_blob(LENGTH, SIZE, np.random.default_rng(SEED), area=(0.08, 0.12))
    clip = Clip(made.frames, holes, made.fps, made.name)
    filled = torch.stack(list(fill(build("tgfnet"), clip)))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    print(viz.poster(options.out, {"with hole": viz.tinted(clip.frames, holes), "filled": filled}))


if __name__ == "__main__":
    main()
