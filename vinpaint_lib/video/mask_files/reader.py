"""Reads masks from a video, a folder, or one picture for all frames; and a lint that says what is odd about them.

In every form the result is exactly 0 or 1, 1 = hole. Grey is hole from half of its range up, or, where the values are
labels, from 1 up (`values.py`). In an indexed picture every index but 0 is hole. An alpha channel that is not the
same everywhere is the mask: opaque = painted = hole. A pixel with a clear colour is a label, and so it is hole. Masks
without any hole are refused.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.mask_files.arrays import MaskArrays, are_arrays, open_arrays
from vinpaint_lib.video.mask_files.pairing import paired
from vinpaint_lib.video.mask_files.values import HALF, Plane, Tally, lint_values, painted, picture_plane
from vinpaint_lib.video.sources import PictureFiles, VideoSource, open_source, spelled
from vinpaint_lib.video.watch import Watch, unwatched

# 854x480 and 432x240 are the same shape to everyone who works with DAVIS: their ratios differ by 1.2 %.
ASPECT_TOLERANCE = 0.02
WIDEST = 1000  # pixels; more than any margin around an object, and the time that dilation takes grows with its square
Source = PictureFiles | VideoSource | MaskArrays


@dataclass(frozen=True)
class MaskReader:
    """The masks of a clip at `size`, read one after another; `notes` is the lint's report in sentences."""

    source: Source
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
    names: Sequence[str] = (),
    watch: Watch = unwatched,
) -> MaskReader:
    """Opens and lints the masks of a clip of `length` frames and (height, width) `size`.

    All masks (or the first `limit`) are read once, to find the scale of their values and for the lint. invert swaps
    hole and known; then holes grow by a disc of radius `dilate` pixels. names: the files of the frames, if they are
    pictures; masks in a folder pair with them by name or number (`pairing.py`). watch: see `watch.py`.

    Raises UserError as `open_source`, `open_arrays` and `paired` do, and for a number of masks that is neither 1 nor
    the number of frames, for masks whose shape does not fit the frames, for masks without any hole, and for a negative
    `dilate`.
    """
    if dilate < 0:
        raise UserError(f"a dilation of {dilate} pixels would shrink the hole; give 0 or more")
    if dilate > WIDEST:
        raise UserError(f"a dilation of {dilate} pixels leaves nothing known; give {WIDEST} or less")
    path = Path(path)
    source: Source = open_arrays(path) if are_arrays(path) and path.exists() else open_source(path)
    wanted = length if limit is None else min(limit, length)
    pairing: list[str] = []
    if not isinstance(source, VideoSource) and len(source.names) > 1 and len(names) > 1:
        order, pairing = paired(path, source.names, names, wanted)
        files = tuple(source.files[number] for number in order)
        files = files if len(files) == length else files[:wanted]
        source = (
            replace(source, files=files, length=len(files))
            if isinstance(source, MaskArrays)
            else replace(source, files=files)
        )
    if source.length not in (1, length, wanted):
        frames = f"{length} frames" if wanted == length else f"{length} frames, of which {wanted} are used"
        raise UserError(f"{path}: {source.length} masks for {frames}; give one mask for each frame, or one for all")
    notes = [*source.notes, *pairing, *check_shape(source, size)]
    reader = MaskReader(source, wanted, size, HALF, False, invert, dilate)
    return inspected(reader, notes, watch)


def lint_masks(path: str | Path, *, length: int, size: tuple[int, int], invert: bool = False) -> list[str]:
    """Sentences on what is odd about masks for a clip of `length` frames of (height, width) `size`; [] if all is well.

    The lint reports half-grey values, wrong polarity, a size or count that does not match, and empty frames. If the
    masks cannot be used at all, the only sentence says why.
    """
    try:
        return list(open_masks(path, length=length, size=size, invert=invert).notes)
    except UserError as error:
        return [str(error)]


def planes(source: Source) -> Generator[Plane, None, None]:
    """The mask pictures of a source, before it is decided which values are hole."""
    if isinstance(source, MaskArrays):
        yield from (Plane(grey, None) for grey in source.grey())
    elif isinstance(source, PictureFiles):
        yield from map(picture_plane, source.loaded())
    else:
        for picture in source.pictures("rgba" if source.alpha else "rgb24"):
            yield Plane(painted(picture[..., :3]), picture[..., 3] if source.alpha else None)


def counted(plane: Plane, use_alpha: bool) -> UInt8[np.ndarray, "h w"]:
    """The values that decide what is hole: alpha if `use_alpha` says so and the file has it, else `value`."""
    return plane.alpha if use_alpha and plane.alpha is not None else plane.value


def disc(radius: int) -> UInt8[np.ndarray, "k k"]:
    """1 within `radius` of the centre."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.uint8)


def check_shape(source: Source, size: tuple[int, int]) -> list[str]:
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


def inspected(reader: MaskReader, notes: list[str], watch: Watch = unwatched) -> MaskReader:
    """Reads all masks once: finds which of their values mean hole, and writes the lint's sentences."""
    used = 1 if reader.source.length == 1 else reader.length
    # Only where nothing is lost is a value of 1 meant, and no trace of compression.
    tally, lossless = Tally(), reader.source.lossless
    with closing(planes(reader.source)) as walk:
        for plane in watch(islice(walk, used), f"reading {reader.source.path.name}", used):
            tally.add(plane, lossless)
    use_alpha = tally.alpha_decides()
    counts = np.stack(tally.alphas if use_alpha else tally.values)
    total = counts.sum(axis=0)
    peak = int(np.flatnonzero(total).max())
    threshold = 1 if lossless and not use_alpha and tally.are_labels() else HALF
    shares = counts[:, threshold:].sum(axis=1) / counts.sum(axis=1)
    shares = 1 - shares if reader.invert else shares
    notes += [*lint_values(reader.source.path, total, threshold, tally.faint()), *lint_shares(reader, shares, peak)]
    return replace(reader, threshold=threshold, use_alpha=use_alpha, notes=tuple(notes))


def lint_shares(reader: MaskReader, shares: np.ndarray, peak: int) -> list[str]:
    """Sentences on wrong polarity and empty masks, from the share of each mask that is hole.

    Raises UserError if all masks are empty, or all are full.
    """
    path = reader.source.path
    if shares.max() == 0:
        if reader.invert:
            raise UserError(f"{path}: no mask has a hole after --invert-mask, nothing would be filled; leave it out")
        which = "no mask" if len(shares) in (1, reader.source.length) else f"none of the first {len(shares)} masks"
        raise UserError(
            f"{path}: {which} has a hole, nothing would be filled (the largest value is {peak} of 255, hole begins at "
            f"{HALF}); paint holes white"
        )
    notes = []
    if shares.min() == 1:
        remedy = "leave out --invert-mask" if reader.invert else "use --invert-mask"
        raise UserError(
            f"{path}: every pixel of every frame is missing, there is nothing to fill it from; if the mask is "
            f"inverted, {remedy}"
        )
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
