"""The affine maps that our small CPNet begins with: the camera's motion from target to reference, by tracked corners.

The paper's network starts from the identity. A regressor of features did not leave the identity in our training.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.alignment import affine
from vinpaint_lib.motion import camera
from vinpaint_lib.motion.links import smooth_grey

GRID = 5  # points a side at which a homography votes for an affine map
SHARE = 3.0  # a map that scales by more than this, or its inverse, is none


class Seen(NamedTuple):
    """A frame as corners are tracked in it: grey (h w, uint8) and where nothing was given (h w, bool)."""

    grey: np.ndarray
    gap: np.ndarray


def seen(frame: Float[Tensor, "3 h w"], hole: Float[Tensor, "1 h w"]) -> Seen:
    """A frame on the CPU, with a membrane in its hole."""
    return Seen(smooth_grey(frame, hole), rearrange(hole, "1 h w -> h w").numpy() > 0)


def first_maps(target: Seen, references: Sequence[Seen], apart: Sequence[int]) -> Float[Tensor, "n 2 3"]:
    """The map to each reference, in corner coordinates (`alignment/affine.py`), on the CPU. `apart`: how far each lies
    behind the target in time (below 0: before it), in any unit.

    The nearest references on both sides are matched first. Each of them is where the search for the next one begins,
    and the map of one that cannot be matched.
    """
    height, width = target.grey.shape
    maps: list[np.ndarray] = [np.eye(3)] * len(references)
    for side in (-1, 1):
        last = np.eye(3)
        for n in sorted((n for n, t in enumerate(apart) if t * side > 0), key=lambda n: abs(apart[n])):
            other = references[n]
            found = camera.homography(target.grey, other.grey, target.gap, other.gap, last)
            last = last if found is None or not modest(found, height, width) else found
            maps[n] = last
    if not maps:
        return torch.zeros(0, 2, 3)
    return torch.stack([nearest_affine(matrix, height, width) for matrix in maps])


def modest(matrix: np.ndarray, height: int, width: int) -> bool:
    """Whether the frame's corners stay near the frame, and its area is about the same."""
    corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float32)
    there = cv2.perspectiveTransform(corners, matrix)
    share = cv2.contourArea(there) / (height * width)
    return bool(1 / SHARE < share < SHARE and np.abs(there - corners).max() < max(height, width))


def nearest_affine(matrix: np.ndarray, height: int, width: int) -> Float[Tensor, "2 3"]:
    """The affine map in corner coordinates that is nearest to a homography between pixels, over the frame."""
    x, y = np.meshgrid(np.linspace(0, width - 1, GRID), np.linspace(0, height - 1, GRID))
    points = np.stack([x, y], -1).reshape(-1, 1, 2)
    there = cv2.perspectiveTransform(points, matrix.astype(np.float64))
    half = np.array([max(width - 1, 1), max(height - 1, 1)]) / 2
    start, end = (rearrange(torch.from_numpy(part / half - 1).float(), "n 1 xy -> 1 n xy") for part in (points, there))
    return affine.fit(start, end, torch.ones_like(start[..., 0]), ridge=1e-6)[0]
