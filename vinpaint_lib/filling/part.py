"""The part of a large clip that a model works on: a box around all of its holes, and that box at a smaller size.

The rest of every frame is read a second time when the frame is written, so that no more than one is held at its full
size. Known pixels are always those of the input; only holes are enlarged.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes.box import Box, bounding_box
from vinpaint_lib.inpaint import Frames, composed
from vinpaint_lib.video.clip import Clip, ClipStream
from vinpaint_lib.video.watch import Watch, unwatched

LARGE = 1280 * 720  # pixels; of frames above this only the surroundings of the holes are worked on
NARROWEST = 8  # pixels; with less around it, a hole has hardly anything to be filled from
SHARE, LEAST = 8, 128  # the margin of such frames: an eighth of the longer side, and no less than 128 pixels


@dataclass(frozen=True)
class Holes:
    """Where a clip's holes are: `boxes`, one for each frame, None for a frame without a hole."""

    boxes: tuple[Box | None, ...]

    @property
    def around_all(self) -> Box | None:
        """The smallest box that holds the holes of all frames."""
        found = [box for box in self.boxes if box is not None]
        if not found:
            return None
        tops, bottoms, lefts, rights = zip(*found, strict=True)
        return Box(min(tops), max(bottoms), min(lefts), max(rights))


@dataclass(frozen=True)
class Part:
    """The rectangle `box` of every frame, worked on at `size` (height, width)."""

    box: Box
    size: tuple[int, int]

    def of(self, frame: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"]) -> tuple[Tensor, Tensor]:
        """The part of a frame and of its mask, "3 h2 w2" and "1 h2 w2". A smaller pixel is the mean of the known pixels
        that it covers, and it is hole if half of what it covers is."""
        frame, mask = frame[:, *self.box.slices], mask[:, *self.box.slices]
        if self.box.size == self.size:
            return frame.contiguous(), mask.contiguous()
        known = 1 - mask
        share = resized(known, self.size, cv2.INTER_AREA)
        mean = resized(frame * known, self.size, cv2.INTER_AREA) / share.clamp(1e-6)
        return mean.clamp(0, 1), (share <= 0.5).float()

    def put_back(
        self, made: Float[Tensor, "3 h2 w2"], frame: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"]
    ) -> Float[Tensor, "3 h w"]:
        """The whole frame, with `made` in its hole. It is enlarged by cubic interpolation."""
        inside = (slice(None), *self.box.slices)
        if self.box.size != self.size:
            made = resized(made, self.box.size, cv2.INTER_CUBIC).clamp(0, 1)
        whole = frame.clone()
        whole[inside] = composed(made, frame[inside], mask[inside])
        return whole

    def boxes(self, holes: Holes) -> tuple[Box | None, ...]:
        """Where the holes are in what is worked on."""
        return tuple(None if box is None else self.inside(box) for box in holes.boxes)

    def inside(self, box: Box) -> Box:
        down, across = (small / large for small, large in zip(self.size, self.box.size, strict=True))
        top, bottom = (round((y - self.box.top) * down) for y in (box.top, box.bottom))
        left, right = (round((x - self.box.left) * across) for x in (box.left, box.right))
        return Box(top, bottom, left, right)


class Parts:
    """A clip as `inpaint.fill` wants it: the same part of every frame."""

    def __init__(self, clip: Frames, part: Part) -> None:
        self.clip, self.part = clip, part

    def __len__(self) -> int:
        return len(self.clip)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for frame, mask in self.clip:
            part = self.part.of(frame, mask)
            del frame, mask  # else a whole frame is held until the next one is asked for
            yield part

    def whole(self, made: Iterable[Float[Tensor, "3 h2 w2"]]) -> Iterator[Float[Tensor, "3 h w"]]:
        """Whole frames from what was made of their parts, in order; the clip is read again for them."""
        source = iter(self.clip)
        for part in made:
            yield self.part.put_back(part, *next(source))


def resized(picture: Float[Tensor, "c h w"], size: tuple[int, int], how: int) -> Float[Tensor, "c h2 w2"]:
    """The picture at `size` (height, width), by OpenCV's interpolation `how`."""
    planes = [cv2.resize(plane, size[::-1], interpolation=how) for plane in picture.numpy()]
    return torch.from_numpy(np.stack(planes))


def find_holes(clip: Clip | ClipStream, watch: Watch = unwatched) -> Holes:
    """The box of every frame's hole. A stream reads its masks for this, which `watch` may show, and no frame."""
    if isinstance(clip, Clip):
        return Holes(tuple(bounding_box(mask) for mask in clip.masks))
    if clip.mask_reader is None:
        return Holes((None,) * len(clip))
    with closing(clip.mask_reader.masks()) as masks:
        if clip.mask_reader.source.length == 1:
            return Holes((bounding_box(next(masks)),) * len(clip))
        seen = watch(islice(masks, len(clip)), f"finding holes in {clip.mask_reader.source.path.name}", len(clip))
        return Holes(tuple(bounding_box(mask) for mask in seen))


def choose_part(
    size: tuple[int, int], holes: Box | None, multiple: int, margin: str = "auto", max_side: int | None = None
) -> Part | None:
    """The part of frames of `size` (height, width) to work on; None: whole frames at their size, also without a hole.

    margin: pixels around `holes`; "auto": whole frames up to LARGE, and above it an eighth of the longer side; "all":
    whole frames. max_side: what is worked on is made smaller until its longer side is at most this; its sides then
    divide by `multiple`. Raises UserError for other values.
    """
    around = parse_margin(margin, size)
    if max_side is not None and max_side < multiple:
        raise UserError(f"--max-side {max_side}: is too small for this model; give {multiple} or more")
    if holes is None:
        return None
    whole = Box(0, size[0], 0, size[1])
    box = whole if around is None else grown(holes, around, multiple, size)
    at = box.size if max_side is None else shrunk(box.size, max_side, multiple)
    return None if box == whole and at == size else Part(box, at)


def shrunk(size: tuple[int, int], most: int, multiple: int) -> tuple[int, int]:
    """(height, width) with sides of at most `most` that divide by `multiple`, nearly in the same proportion."""
    if max(size) <= most:
        return size
    most = most // multiple * multiple
    height, width = (max(1, round(side * most / max(size) / multiple)) * multiple for side in size)
    return height, width


def parse_margin(margin: str, size: tuple[int, int]) -> int | None:
    """Pixels around the holes, for frames of `size` (height, width); None for whole frames. See `choose_part`."""
    if margin == "all" or (margin == "auto" and size[0] * size[1] <= LARGE):
        return None
    if margin == "auto":
        return max(LEAST, max(size) // SHARE)
    if not margin.isdecimal() or int(margin) < NARROWEST:
        raise UserError(f"--margin {margin}: give auto, all, or pixels from {NARROWEST} up, such as 200")
    return int(margin)


def grown(holes: Box, margin: int, multiple: int, size: tuple[int, int]) -> Box:
    """The box and `margin` pixels more on every side, its sides multiples of `multiple` where the frame lets them."""
    ends: list[int] = []
    for low, high, most in ((holes.top, holes.bottom, size[0]), (holes.left, holes.right, size[1])):
        low, high = max(0, low - margin), min(most, high + margin)
        high = min(most, high + -(high - low) % multiple)
        low = max(0, low - -(high - low) % multiple)
        ends += [low, high]
    return Box(*ends)
