"""Reads masks from a video, a folder, or one picture for all frames; and a lint that says what is odd about them.

In every form the result is exactly 0 or 1, 1 = hole. Grey is hole from half of its range up, so that the
noise of JPEG and of video compression, and soft edges, do not become hole. If the largest value of a
lossless mask is 1, then 1 is hole. In an indexed picture every index but 0 is hole. An alpha channel that is not
the same everywhere is the mask: opaque = painted = hole. A pixel with a clear colour is a label, and so it is hole.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.sources import (
    DEEP_GREY,
    PictureFiles,
    VideoSource,
    eight_bit,
    open_source,
    spelled,
)

LOSSY_SUFFIXES = (".jpg", ".jpeg", ".webp")
HALF = 128
COLOURED = 64  # smallest difference between channels of a coloured pixel; compression leaves less on grey
# 854x480 and 432x240 are the same shape to everyone who works with DAVIS: their ratios differ by 1.2 %.
ASPECT_TOLERANCE = 0.02
SOFT_SHARE = 0.2  # the soft edges of a silhouette stay well below this share; a mask in half grey comes near 1


class Plane(NamedTuple):
    """One mask picture, 0 to 255: `value` from grey, colour or index, `alpha` if the file has an alpha channel."""

    value: UInt8[np.ndarray, "h w"]
    alpha: UInt8[np.ndarray, "h w"] | None


@dataclass(frozen=True)
class MaskReader:
    """The masks of a clip at `size`, read one after another; `notes` is the lint's report in sentences."""

    source: PictureFiles | VideoSource
    length: int
    size: tuple[int, int]
    threshold: int
    use_alpha: bool
    invert: bool
    dilate: int
    notes: tuple[str, ...] = ()

    def at(self, size: tuple[int, int]) -> "MaskReader":
        """The same masks at another (height, width)."""
        return replace(self, size=size)

    def masks(self) -> Generator[Float[Tensor, "1 h w"], None, None]:
        """Masks, exactly 0 or 1, 1 = hole; a single picture is repeated for all frames."""
        with closing(planes(self.source)) as walk:
            if self.source.length == 1:
                only = self._mask(next(walk))
                for _ in range(self.length):
                    yield only.clone()
                return
            for plane in islice(walk, self.length):
                yield self._mask(plane)

    def _mask(self, plane: Plane) -> Float[Tensor, "1 h w"]:
        hole = (counted(plane, self.use_alpha) >= self.threshold).astype(np.uint8)
        if hole.shape != self.size:
            hole = cv2.resize(hole, self.size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        if self.invert:
            hole = 1 - hole
        if self.dilate:
            hole = cv2.dilate(hole, disc(self.dilate))
        return torch.from_numpy(hole[None].astype(np.float32))


def open_masks(
    path: str | Path,
    *,
    length: int,
    size: tuple[int, int],
    limit: int | None = None,
    invert: bool = False,
    dilate: int = 0,
) -> MaskReader:
    """Opens and lints the masks of a clip of `length` frames and (height, width) `size`.

    All masks (or the first `limit`) are read once, to find the scale of their values and for the lint. invert swaps
    hole and known; then holes grow by a disc of radius `dilate` pixels.

    Raises UserError as `open_source` does, and for a number of masks that is neither 1 nor the number of frames, for
    masks whose shape does not fit the frames, and for a negative `dilate`.
    """
    if dilate < 0:
        raise UserError(f"a dilation of {dilate} pixels would shrink the hole; give 0 or more")
    source = open_source(path)
    wanted = length if limit is None else min(limit, length)
    if source.length not in (1, length, wanted):
        frames = f"{length} frames" if wanted == length else f"{length} frames, of which {wanted} are used"
        raise UserError(f"{path}: {source.length} masks for {frames}; give one mask for each frame, or one for all")
    notes = [*source.notes, *check_shape(source, size)]
    reader = MaskReader(source, wanted, size, HALF, False, invert, dilate)
    return inspected(reader, notes)


def lint_masks(path: str | Path, *, length: int, size: tuple[int, int], invert: bool = False) -> list[str]:
    """Sentences on what is odd about masks for a clip of `length` frames of (height, width) `size`; [] if all is well.

    The lint reports half-grey values, wrong polarity, a size or count that does not match, and empty frames. If the
    masks cannot be used at all, the only sentence says why.
    """
    try:
        return list(open_masks(path, length=length, size=size, invert=invert).notes)
    except UserError as error:
        return [str(error)]


def planes(source: PictureFiles | VideoSource) -> Generator[Plane, None, None]:
    """The mask pictures of a source, before it is decided which values are hole."""
    if isinstance(source, PictureFiles):
        yield from map(picture_plane, source.loaded())
    else:
        for picture in source.pictures("rgba" if source.alpha else "rgb24"):
            yield Plane(painted(picture[..., :3]), picture[..., 3] if source.alpha else None)


def picture_plane(picture: Image.Image) -> Plane:
    """A picture of any usual kind as values 0 .. 255."""
    if picture.mode == "P" and not greys_from_white(picture):
        return Plane((np.asarray(picture) != 0).astype(np.uint8) * 255, None)
    if picture.mode.startswith(DEEP_GREY):
        grey = np.asarray(picture)
        # Some files with the values 0/1 or 0/255 are saved with 16 bits.
        small = np.issubdtype(grey.dtype, np.integer) and grey.max(initial=0) <= 255
        return Plane(grey.clip(0).astype(np.uint8) if small else eight_bit(grey), None)
    if picture.mode in ("1", "L"):
        return Plane(np.asarray(picture.convert("L")), None)
    if "A" in picture.getbands():
        array = np.asarray(picture.convert("RGBA"))
        return Plane(painted(array[..., :3]), array[..., 3])
    return Plane(painted(np.asarray(picture.convert("RGB"))), None)


def painted(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """Grey as it is; 255 for a pixel whose channels differ clearly, since label colours of DAVIS are as dark as 64."""
    low, high = picture.min(axis=-1), picture.max(axis=-1)
    return np.where(high - low >= COLOURED, np.uint8(255), high)


def greys_from_white(picture: Image.Image) -> bool:
    """Whether an indexed picture uses grey only and its palette begins with white, as some editors sort it."""
    palette = np.asarray(picture.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    if len(palette) == 0 or palette[0].min() < HALF:
        return False
    used = palette[np.unique(np.asarray(picture))]
    return bool((used.max(axis=-1) == used.min(axis=-1)).all())


def counted(plane: Plane, use_alpha: bool) -> UInt8[np.ndarray, "h w"]:
    """The values that decide what is hole: alpha if `use_alpha` says so and the file has it, else `value`."""
    return plane.alpha if use_alpha and plane.alpha is not None else plane.value


def disc(radius: int) -> UInt8[np.ndarray, "k k"]:
    """1 within `radius` of the centre."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.uint8)


def check_shape(source: PictureFiles | VideoSource, size: tuple[int, int]) -> list[str]:
    """A sentence if the masks will be resized. Raises UserError if their shape does not fit the frames."""
    if source.size == size:
        return []
    ratio = (source.size[1] * size[0]) / (source.size[0] * size[1])
    if abs(ratio - 1) > ASPECT_TOLERANCE:
        raise UserError(
            f"{source.path}: masks of {spelled(source.size)} do not fit frames of {spelled(size)}; "
            "make masks of the frames' size"
        )
    return [f"{source.path}: masks of {spelled(source.size)} are resized to {spelled(size)} by nearest neighbour"]


def inspected(reader: MaskReader, notes: list[str]) -> MaskReader:
    """Reads all masks once: finds which of their values mean hole, and writes the lint's sentences."""
    used = 1 if reader.source.length == 1 else reader.length
    values, alphas, has_alpha = [], [], False
    with closing(planes(reader.source)) as walk:
        for plane in islice(walk, used):
            values.append(histogram(plane.value))
            alphas.append(histogram(plane.value if plane.alpha is None else plane.alpha))
            has_alpha = has_alpha or plane.alpha is not None
    total = np.sum(alphas, axis=0)
    use_alpha = has_alpha and total[:HALF].sum() > 0 and total[HALF:].sum() > 0
    counts = np.stack(alphas if use_alpha else values)
    total = counts.sum(axis=0)
    peak = int(np.flatnonzero(total).max())
    threshold = 1 if peak == 1 and is_lossless(reader.source) else HALF
    shares = counts[:, threshold:].sum(axis=1) / counts.sum(axis=1)
    shares = 1 - shares if reader.invert else shares
    notes += [*lint_values(reader.source.path, total, threshold), *lint_shares(reader, shares, peak)]
    return replace(reader, threshold=threshold, use_alpha=bool(use_alpha), notes=tuple(notes))


def histogram(plane: UInt8[np.ndarray, "h w"]) -> np.ndarray:
    return np.bincount(plane.ravel(), minlength=256)


def is_lossless(source: PictureFiles | VideoSource) -> bool:
    """Whether the masks are stored without loss. Only then a value of 1 is meant and no trace of compression."""
    if isinstance(source, VideoSource):
        return source.lossless
    return all(file.suffix.lower() not in LOSSY_SUFFIXES for file in source.files)


def lint_values(path: Path, total: np.ndarray, threshold: int) -> list[str]:
    """A sentence if too many values are half grey (64 to 191).

    Their number is compared with the number of painted pixels, which is the smaller of two counts: values from 64 up,
    and values below 192.
    """
    soft, painted = total[64:192].sum(), min(total[64:].sum(), total[:192].sum())
    if threshold == 1 or painted == 0 or soft / painted < SOFT_SHARE:
        return []
    return [
        f"{path}: {soft / painted:.0%} of what is painted is half grey (64 to 191 of 255); from 128 up it counts as "
        "hole, below as known: save the mask in black and white"
    ]


def lint_shares(reader: MaskReader, shares: np.ndarray, peak: int) -> list[str]:
    """Sentences on wrong polarity and empty masks, from the share of each mask that is hole."""
    path = reader.source.path
    if shares.max() == 0:
        if reader.invert:
            return [f"{path}: no mask has a hole after --invert-mask, nothing will be filled; leave it out"]
        return [
            f"{path}: no mask has a hole, nothing will be filled (the largest value is {peak} of 255, hole begins "
            f"at {HALF}); paint holes white, or use --invert-mask"
        ]
    notes = []
    if shares.mean() > 0.5:
        remedy = "leave out --invert-mask" if reader.invert else "use --invert-mask"
        notes.append(f"{path}: {shares.mean():.0%} of the picture is missing; the mask looks inverted; {remedy}")
    empty = np.flatnonzero(shares == 0)
    if len(empty):
        notes.append(f"{path}: {len(empty)} of {len(shares)} masks are empty (frame {ranges(empty)}, counted from 0)")
    return notes


def ranges(indices: np.ndarray, most: int = 8) -> str:
    """Frame numbers as runs, for example 0, 3-5, 9; only the first `most` runs."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    words = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")
