"""Retargeting: a clip made narrower without cutting its object in two (an application of VINet, sec. 4.5).

The object is cut out, a model fills the hole, the filled clip is cropped, and the object is put back inside of the
crop. The reading notes have the section's heading only; this is the simplest way that needs an inpainter.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def squeezed(frames: Float[Tensor, "t c h w"], width: int) -> Float[Tensor, "t c h v"]:
    """The frames at another width and the same height: each new column is the mean of the columns that it replaces."""
    return functional.interpolate(frames, size=(frames.shape[-2], width), mode="area")


def extent(objects: Float[Tensor, "t 1 h w"]) -> tuple[int, int] | None:
    """The first column with objects in any frame, and the column after the last such column; None without objects."""
    columns = objects.amax(dim=(0, 1, 2)).nonzero()
    return (int(columns.min()), int(columns.max()) + 1) if len(columns) else None


def move(reach: tuple[int, int], left: int, width: int) -> int:
    """The smallest move (in columns, to the right) after which `reach` lies within `width` columns from `left` on.

    A reach that is wider than `width` is put in the middle.
    """
    first, behind = reach
    if behind - first > width:
        return left + (width - (behind - first)) // 2 - first
    return max(left - first, 0) + min(left + width - behind, 0)


def moved_in(
    background: Float[Tensor, "t 3 h w"],
    frames: Float[Tensor, "t 3 h w"],
    objects: Float[Tensor, "t 1 h w"],
    left: int,
    width: int,
) -> Float[Tensor, "t 3 h v"]:
    """Columns left .. left + width of `background`, and on them the pixels of `frames` where `objects` is 1.

    The objects' pixels move sideways, in all frames by the same number of columns (`move`), so that the object keeps
    its shape and its motion. Raises ValueError unless the columns lie within the frames.
    """
    wide = frames.shape[-1]
    if not (left >= 0 and width >= 1 and left + width <= wide):
        raise ValueError(f"columns {left} to {left + width} are not within the {wide} of the frames")
    result = background[..., left : left + width].clone()
    reach = extent(objects)
    if reach is None:
        return result
    shift = move(reach, left, width) - left
    first, behind = max(reach[0], -shift), min(reach[1], width - shift)
    share = objects[..., first:behind]
    there = slice(first + shift, behind + shift)
    result[..., there] = result[..., there] * (1 - share) + frames[..., first:behind] * share
    return result
