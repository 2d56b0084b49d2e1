"""Clips: frames and masks read from a video, a folder of pictures or one picture.

`Clip` holds all frames in memory. `ClipStream` decodes one frame after another during a loop, so a clip may be larger
than the memory. Frames are RGB in [0, 1]; masks are exactly 0 or 1, 1 = hole. Writers are in `writing.py`.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.mask_files.reader import MaskReader, lint_masks, open_masks
from vinpaint_lib.video.sources import PictureFiles, VideoSource, open_source
from vinpaint_lib.video.watch import Watch, unwatched
from vinpaint_lib.video.writing import check_output, write_clip, write_folder, write_video

__all__ = [
    "Clip", "ClipStream", "check_output", "lint_masks", "open_clip", "read_clip", "write_clip", "write_folder",
    "write_video",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip in memory.

    frames: RGB in [0, 1]. masks: 0 or 1, 1 = hole. fps: frames per second. audio: the file whose sound belongs to the
    clip. names: the picture files, if the clip came from a folder. times: seconds of each frame, if not k / fps.
    pixel_aspect: width : height of a pixel. companions: the file whose subtitles, chapters and title go along.
    profile: the colour profile (ICC) of the pictures.
    """

    frames: Float[Tensor, "t 3 h w"]
    masks: Float[Tensor, "t 1 h w"]
    fps: Fraction = Fraction(24)
    name: str = "clip"
    audio: Path | None = None
    names: tuple[str, ...] = ()
    times: tuple[Fraction, ...] | None = None
    pixel_aspect: Fraction = Fraction(1)
    companions: Path | None = None
    profile: bytes | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]]:
        return zip(self.frames, self.masks, strict=True)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.frames.shape[-2], self.frames.shape[-1]

    @property
    def masked(self) -> Float[Tensor, "t 3 h w"]:
        """The frames with 0 in their holes."""
        return self.frames * (1 - self.masks)


@dataclass(frozen=True, eq=False)
class ClipStream:
    """A clip on disk. Each loop over it decodes the clip again, and holds one frame at a time and a few in the decoder.

    It has the attributes of `Clip`, except frames and masks. `notes` are sentences about the input that the user
    should read (uneven frame times, oddities of the mask).
    """

    source: PictureFiles | VideoSource
    mask_reader: MaskReader | None
    size: tuple[int, int]
    length: int
    fps: Fraction
    name: str
    notes: tuple[str, ...] = field(default=())

    @property
    def path(self) -> Path:
        """The file or folder the frames come from."""
        return self.source.path

    @property
    def audio(self) -> Path | None:
        """The file with the clip's sound, if it has any."""
        return self.source.audio

    @property
    def companions(self) -> Path | None:
        """The file with the clip's sound, subtitles, chapters and title: the video itself."""
        return self.path if isinstance(self.source, VideoSource) else None

    @property
    def profile(self) -> bytes | None:
        """The colour profile (ICC) of the pictures, if they have one in common."""
        return self.source.profile

    @property
    def names(self) -> tuple[str, ...]:
        """Picture file names, if the clip came from pictures."""
        return self.source.names[: self.length]

    @property
    def times(self) -> tuple[Fraction, ...] | None:
        """Seconds from the first frame to each frame, if they are not k / fps."""
        return self.source.times and self.source.times[: self.length]

    @property
    def pixel_aspect(self) -> Fraction:
        """Width : height of a pixel; 1 after resizing, since the user then chose the shape of the picture."""
        return self.source.pixel_aspect if self.size == self.source.size else Fraction(1)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]]:
        with closing(self.source.pictures()) as pictures, closing(self._masks()) as masks:
            # A limited loop stops early. A full loop reaches the end of the source, where the source checks its length.
            chosen = pictures if self.length == self.source.length else islice(pictures, self.length)
            for picture, mask in zip(chosen, masks, strict=False):
                yield to_frame(picture, self.size), mask

    def _masks(self) -> Generator[Float[Tensor, "1 h w"], None, None]:
        if self.mask_reader is not None:
            yield from self.mask_reader.masks()
            return
        while True:
            yield torch.zeros(1, *self.size)

    def load(self, limit: int | None = None, size: tuple[int, int] | None = None) -> Clip:
        """The clip in memory. `limit`: keep only so many first frames. `size`: resize to this (height, width)."""
        stream = self if limit is None and size is None else self._narrowed(limit, size)
        length = len(stream)
        frames, masks = torch.empty(length, 3, *stream.size), torch.empty(length, 1, *stream.size)
        for index, (frame, mask) in enumerate(stream):
            frames[index], masks[index] = frame, mask
        return Clip(
            frames, masks, stream.fps, stream.name, stream.audio, stream.names, stream.times, stream.pixel_aspect,
            stream.companions, stream.profile,
        )  # fmt: skip

    def _narrowed(self, limit: int | None, size: tuple[int, int] | None) -> "ClipStream":
        size = size or self.size
        length = self.length if limit is None else min(check_limit(limit), self.length)
        reader = self.mask_reader and self.mask_reader.at(check_size(size))
        return ClipStream(self.source, reader, size, length, self.fps, self.name, self.notes)


def open_clip(
    path: str | Path,
    mask: str | Path | None = None,
    *,
    size: tuple[int, int] | None = None,
    limit: int | None = None,
    invert: bool = False,
    dilate: int = 0,
    fps: Fraction | None = None,
    watch: Watch = unwatched,
) -> ClipStream:
    """Opens a video, a folder of pictures or one picture, with its mask (video, folder, or one picture for all).

    size (height, width) resizes frames (area average) and masks (nearest). limit keeps only the first frames.
    invert swaps hole and known. dilate grows holes by a disc of this radius, in pixels of the result. fps is
    the rate of pictures, also in place of an animation's times (24 if there is neither); a video keeps its own. Without
    a mask there is no hole. All frames of a video and all masks are read once here, which `watch` may show, and
    `notes` of the result lists their oddities.

    Raises UserError with the file, the value and the remedy; see `open_source` and `open_masks`.
    """
    source = open_source(path)
    if isinstance(source, VideoSource):
        source = source.checked(None if limit is None else check_limit(limit), watch)
    elif fps is not None:
        source = replace(source, fps=fps, times=None)
    length = source.length if limit is None else min(check_limit(limit), source.length)
    shape = check_size(size or source.size)
    notes = [*source.notes, *source.losses]
    if source.times is not None:
        notes.append(
            f"{path}: frames are not evenly spaced ({float(source.fps):.3f} a second on average); a video keeps their "
            "times, a folder of pictures has none"
        )
    reader = None
    if mask is not None:
        reader = open_masks(
            mask,
            length=source.length,
            size=source.size,
            names=source.names,
            limit=limit,
            invert=invert,
            dilate=dilate,
            watch=watch,
        ).at(shape)
        notes += reader.notes
    if fps not in (None, source.fps) and isinstance(source, VideoSource):
        notes.append(f"{path}: keeps its own rate of {float(source.fps):.6g} frames a second; fps is for pictures only")
    whole = Path(path).resolve()
    name = whole.name if whole.is_dir() else whole.stem
    return ClipStream(source, reader, shape, length, source.fps, name, tuple(notes))


def read_clip(
    path: str | Path,
    mask: str | Path | None = None,
    *,
    size: tuple[int, int] | None = None,
    limit: int | None = None,
    invert: bool = False,
    dilate: int = 0,
    fps: Fraction | None = None,
) -> Clip:
    """`open_clip(...)`, read into memory."""
    return open_clip(path, mask, size=size, limit=limit, invert=invert, dilate=dilate, fps=fps).load()


def to_frame(picture: np.ndarray, size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """uint8 (h, w, 3) -> float in [0, 1] at `size`: area average when it shrinks, bilinear when it grows."""
    if picture.shape[:2] == size:
        # large frames: no more than one copy of them as float32
        levels = torch.from_numpy(np.require(picture, requirements=("C", "W")))
        return rearrange(levels, "h w c -> c h w").contiguous().float().div_(255)
    frame = picture.astype(np.float32) / 255
    shrinks = size[0] < frame.shape[0] or size[1] < frame.shape[1]
    frame = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return rearrange(torch.from_numpy(frame), "h w c -> c h w").contiguous()


def check_limit(limit: int) -> int:
    if limit < 1:
        raise UserError(f"a limit of {limit} frames leaves nothing to do; give 1 or more")
    return limit


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    if min(size) < 1:
        raise UserError(f"a size of {size[1]}x{size[0]} has no pixels; give WIDTHxHEIGHT of 1 or more")
    return size
