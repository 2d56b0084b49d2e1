"""Values of pictures at many pixel positions: by OpenCV on the CPU, by torch on a device.

A back end holds pictures in a form of its own. It takes positions x and y as flat float32 arrays (n), and it has the
few functions that numpy and torch name differently. So `chains.py` is written once for both.

Rounding  OpenCV rounds positions to 1/32 pixel where it interpolates bicubically, and some versions do so everywhere.
          Torch does not. Values of both back ends therefore differ by up to 1/64 pixel times the picture's slope.
"""

from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.motion import warp

Array = Any  # np.ndarray on the CPU, Tensor on a device

CLEAR = 8  # of 255: a mask of 0 and 255 counts as 0 below this value, which forgives the rounding of positions
ROW = 1024  # OpenCV wants maps with fewer than 32,768 rows and columns


@runtime_checkable
class BackEnd(Protocol):
    """What walks ask of numpy and OpenCV, or of torch on a device."""

    def zeros(self, *shape: int) -> Array:
        """Float32 zeros."""

    def array(self, values: np.ndarray) -> Array:
        """A numpy array as the back end's array."""

    def exp(self, values: Array) -> Array:
        """Exponential, element by element."""

    def nonzero(self, flags: Array) -> Array:
        """Places (k) at which the flat bool array is true."""

    def hold(self, picture: np.ndarray) -> Array:
        """A picture (h w c float32) or mask (h w uint8) as `linear`, `cubic` and `clear` take it."""

    def linear(self, picture: Array, x: Array, y: Array) -> Array:
        """Bilinear values (n c) at n positions; outside of the picture its border is repeated."""

    def cubic(self, picture: Array, x: Array, y: Array) -> Array:
        """Bicubic values (n c) at n positions, clamped to [0, 1]; outside of the picture its border is repeated."""

    def clear(self, mask: Array, x: Array, y: Array) -> Array:
        """True (n) where the bilinear value of the mask (0 or 255) is 0 at a position; outside it is 255."""


class OnCpu:
    """numpy and OpenCV."""

    def zeros(self, *shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    def array(self, values: np.ndarray) -> np.ndarray:
        return values

    def exp(self, values: np.ndarray) -> np.ndarray:
        return np.exp(values)

    def nonzero(self, flags: np.ndarray) -> np.ndarray:
        return np.flatnonzero(flags)

    def hold(self, picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(picture)

    def linear(self, picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return remap(picture, x, y, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)

    def cubic(self, picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        values = remap(picture, x, y, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
        return values.clip(0, 1, out=values)

    def clear(self, mask: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return remap(mask, x, y, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT, 255) < CLEAR


class OnDevice:
    """torch on a device, which may be the CPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self.device)

    def array(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def exp(self, values: Tensor) -> Tensor:
        return torch.exp(values)

    def nonzero(self, flags: Tensor) -> Tensor:
        return torch.nonzero(flags)[:, 0]

    def hold(self, picture: np.ndarray) -> Tensor:
        planes = self.array(picture if picture.ndim == 3 else picture[..., None])
        return rearrange(planes, "h w c -> 1 c h w").float().contiguous()

    def linear(self, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        # A position beyond the border has the value of the nearest position on it.
        return listed(warp.sample(picture, positions(x.clip(0, width - 1), y.clip(0, height - 1))))

    def cubic(self, picture: Tensor, x: Tensor, y: Tensor) -> Tensor:
        height, width = picture.shape[-2:]
        scale = torch.tensor([max(width - 1, 1), max(height - 1, 1)], device=self.device) / 2
        grid = rearrange(positions(x, y), "1 xy 1 n -> 1 1 n xy") / scale - 1
        values = functional.grid_sample(picture, grid, mode="bicubic", padding_mode="border", align_corners=True)
        return listed(values).clip(0, 1)

    def clear(self, mask: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return listed(warp.sample(255 - mask, positions(x, y)))[:, 0] > 255 - CLEAR


CPU = OnCpu()


def back_end(device: torch.device) -> BackEnd:
    """OpenCV for the CPU and for MPS, where torch may lack a bicubic `grid_sample`; torch for every other device."""
    return CPU if device.type in ("cpu", "mps") else OnDevice(device)


def remap(picture: np.ndarray, x: np.ndarray, y: np.ndarray, how: int, border: int, outside: int = 0) -> np.ndarray:
    """OpenCV's `remap` for flat positions: values (n c) of a picture (h w c), or (n) of a picture (h w)."""
    count = len(x)
    values = np.empty((count, *picture.shape[2:]), picture.dtype)
    whole = count // ROW * ROW
    for begin, end, row in ((0, whole, ROW), (whole, count, count - whole)):
        if end > begin:
            maps = (part[begin:end].reshape(-1, row) for part in (x, y))
            part = values[begin:end].reshape(-1, row, *picture.shape[2:])
            cv2.remap(picture, *maps, how, dst=part, borderMode=border, borderValue=outside)
    return values


def positions(x: Tensor, y: Tensor) -> Tensor:
    """Flat positions as a picture of positions (1 2 1 n)."""
    return rearrange(torch.stack([x, y]), "xy n -> 1 xy 1 n")


def listed(picture: Tensor) -> Tensor:
    """Values of `positions` as a list (n c)."""
    return rearrange(picture, "1 c 1 n -> n c")
