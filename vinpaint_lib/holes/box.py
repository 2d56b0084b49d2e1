"""The rectangle around a hole. A model computes only this part of the frame, and a figure shows only this part."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from einops import reduce
from jaxtyping import Bool, Float
from torch import Tensor


class Box(NamedTuple):
    """A rectangle of the frame: rows top .. bottom, columns left .. right, the ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to be used as `picture[..., *box.slices]`."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.bottom - self.top, self.right - self.left


def bounding_box(
    hole: Float[Tensor, "*_ h w"] | Bool[np.ndarray, "*_ h w"], margin: int = 0, multiple: int = 1
) -> Box | None:
    """The smallest box that holds all missing pixels of all frames and `margin` pixels more, inside the frame.

    Rows and columns of its corners are multiples of `multiple`; the sides of the frame must be multiples of it, too.
    The result is None without a hole.
    """
    missing = reduce(np.asarray(hole > 0), "... h w -> h w", "max")
    ends: list[int] = []
    for found, size in zip((missing.any(axis=1), missing.any(axis=0)), missing.shape, strict=True):
        places = np.flatnonzero(found)
        if not len(places):
            return None
        ends.append(max(0, int(places[0]) - margin) // multiple * multiple)
        ends.append(min(size, -(-(int(places[-1]) + 1 + margin) // multiple) * multiple))
    return Box(*ends)


def around(hole: Float[Tensor, "*_ h w"], margin: int = 4) -> Box:
    """As `bounding_box`, for figures of a hole and its surroundings. Raises ValueError where nothing is missing."""
    box = bounding_box(hole, margin)
    if box is None:
        raise ValueError("no frame has a hole")
    return box


def at(picture: Float[Tensor, "*t c h w"], box: Sequence[int]) -> Float[Tensor, "*t c h2 w2"]:
    """The part of a picture inside of a box."""
    return picture[..., *Box(*box).slices]
