"""A folder in the layout of DAVIS, with the pictures and objects of toy clips."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from einops import rearrange

from vinpaint_lib.toy.clip import Shot, toy_clip


def write_davis(root: Path, lengths: Mapping[str, int], without: str = "") -> None:
    """Clips of 64x48 by name and number of frames, with annotations; those of the clip `without` are empty."""
    for number, (name, length) in enumerate(lengths.items()):
        made = toy_clip("coffee", Shot(length=length, size=(48, 64), objects=1, seed=number, speed=1.0))
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / "480p" / name).mkdir(parents=True)
        for t, (frame, shape) in enumerate(zip(made.clip.frames, made.silhouettes, strict=True)):
            picture = (rearrange(frame, "c h w -> h w c").numpy()[..., ::-1] * 255).round().astype(np.uint8)
            cv2.imwrite(str(root / "JPEGImages" / "480p" / name / f"{t:05d}.png"), picture)
            drawn = shape[0].numpy().astype(np.uint8) * 255 * (name != without)
            cv2.imwrite(str(root / "Annotations" / "480p" / name / f"{t:05d}.png"), drawn)
