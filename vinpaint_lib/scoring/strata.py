"""By what the clips of a table are split: how far the camera moves, and how large the hole is.

The limits are fixed, so that tables of different clips can be compared.
"""

from itertools import pairwise

import cv2
import numpy as np
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.motion import camera

MOTION = {"slow": (0.0, 0.01), "fast": (0.01, float("inf"))}  # shares of the frame's width, from frame to frame
HOLE = {"small": (0.0, 0.05), "middle": (0.05, 0.1), "large": (0.1, 1.01)}  # shares of the frame's area
WORDS = {
    "slow": "camera moves less than 1 % of the width a frame",
    "fast": "camera moves 1 % of the width a frame or more",
    "unknown": "no motion of the camera could be fitted",
    "small": "hole below 5 % of the frame",
    "middle": "hole of 5 to 10 %",
    "large": "hole of 10 % or more",
}
GRID = 5  # points a side


def camera_motion(frames: Float[Tensor, "t 3 h w"]) -> float | None:
    """How far the camera moves the picture from frame to frame, as a share of its width: the median over the pairs of
    neighbours of the mean length over a grid of points. None where no pair has a homography."""
    height, width = frames.shape[-2:]
    pictures = (rearrange(frames, "t c h w -> t h w c").clamp(0, 1) * 255).round().byte().numpy()
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    whole = np.zeros((height, width), bool)
    rows, columns = np.meshgrid(np.linspace(0, height - 1, GRID), np.linspace(0, width - 1, GRID), indexing="ij")
    points = rearrange(np.stack([columns, rows], axis=-1), "y x two -> (y x) 1 two").astype(np.float64)
    lengths = []
    for before, after in pairwise(grey):
        matrix = camera.homography(before, after, whole, whole)
        if matrix is not None:
            moved = cv2.perspectiveTransform(points, matrix)
            lengths.append(float(np.linalg.norm(moved - points, axis=-1).mean()) / width)
    return float(np.median(lengths)) if lengths else None


def of_motion(share: float | None) -> str:
    """The name of the part of a clip in `MOTION`."""
    return "unknown" if share is None else within(MOTION, share)


def of_hole(share: float) -> str:
    """The name of the part of a clip in `HOLE`."""
    return within(HOLE, share)


def within(parts: dict[str, tuple[float, float]], value: float) -> str:
    return next(name for name, (low, high) in parts.items() if low <= value < high)
