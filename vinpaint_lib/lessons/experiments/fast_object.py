"""A scene that puts one question to a network: what does fast motion cost?

A cut-out passes over a photograph that stands still, on a straight line at constant speed. In the middle frame the
cut-out is always at the same place. So this frame is the same for every speed, and a method that uses this frame alone
gives the same result. Only the place of the cut-out in the other frames depends on the speed.
"""

import math

import cv2
import numpy as np
from einops import repeat

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import shapes
from vinpaint_lib.toy import staging
from vinpaint_lib.toy.clip import PHOTOS, photograph
from vinpaint_lib.toy.scene import Layer, Scene

AREA = (0.08, 0.12)  # share of the frame that the cut-out covers


def passing(
    photo: str = "astronaut",
    *,
    speed: float | int,
    length: int = 5,
    size: tuple[int, int] = (144, 192),
    seed: int = 0,
) -> Scene:
    """The scene; `speed` in pixels a frame, in a direction that follows from the seed.

    Raises UserError for an unknown photograph, a length that has no middle frame, or a speed below 0.
    """
    if length < 1 or length % 2 == 0 or not speed >= 0:
        raise UserError(f"cannot make {length} frames at speed {speed}; use an odd number of frames and a speed from 0")
    height, width = size
    picture, others = photograph(photo), [name for name in PHOTOS if name != photo]
    rng = np.random.default_rng(seed)
    still = repeat(staging.shift(-(width - 1) / 2, -(height - 1) / 2), "a b -> t a b", t=length)
    shape = np.pad(shapes.blob(size, rng, AREA), 2)
    tall, wide = shape.shape
    texture = staging.patch(photograph(others[int(rng.integers(len(others)))]), tall, wide, rng)
    angle = rng.uniform(0, 2 * math.pi)
    x, y = ((side - 1) / 2 - (part - 1) / 2 for side, part in ((width, wide), (height, tall)))
    steps = speed * (np.arange(length) - length // 2)
    way = np.stack([staging.shift(-x - step * math.cos(angle), -y - step * math.sin(angle)) for step in steps])
    # A soft edge of about a pixel, as a lens makes it.
    alpha = repeat(cv2.GaussianBlur(shape.astype(np.float32), (3, 3), 0), "a b -> 1 a b")
    return Scene([staging.background(picture, still, size, rng), Layer(texture, way, alpha)], size)
