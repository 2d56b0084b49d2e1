"""Sources of pictures: a video, a folder of pictures or a picture file as 8-bit arrays, one at a time.

A source knows its length, size and rate from the headers and the packets' times. It decodes pictures only
during a loop over them, and a second loop decodes them again. Colours follow the tags of the video. A rotation
that a phone or an EXIF tag marks is applied. `notes` are sentences on how the file was read, `losses` on what an
output made of its frames will not keep.
"""

import struct
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.encoding import EXACT, content_size
from vinpaint_lib.video.media import alpha_apart, decoded, film, film_notes, reading
from vinpaint_lib.video.pictures import (
    DEEP,
    DEEP_GREY,
    PICTURE_SUFFIXES,
    TRANSPARENCY,
    PictureFiles,
    eight_bit,
    header_size,
    is_picture,
    left_out,
    load_picture,
    open_pictures,
    picture_files,
    spelled,
)
from vinpaint_lib.video.timing import Timing, check_whole, read_timing
from vinpaint_lib.video.watch import Watch, unwatched

__all__ = [
    "DEEP_GREY", "PICTURE_SUFFIXES", "PictureFiles", "VideoSource", "eight_bit", "header_size", "load_picture",
    "open_source", "picture_files", "spelled",
]  # fmt: skip

# The colour matrix of a video: the code point of ITU-T H.273 for "unspecified", and the height from which players guess
# BT.709 instead of BT.601.
UNTAGGED, HD_LINES = 2, 720
HDR = {16: "PQ", 18: "HLG"}  # transfers, and below primaries, by their code points in ITU-T H.273
WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}


@dataclass(frozen=True)
class VideoSource:
    """The film in a video file."""

    path: Path
    timing: Timing
    coded: tuple[int, int]  # as stored; `content` is cut out of it and then turned, which gives `size`
    content: tuple[int, int]
    size: tuple[int, int]
    audio: Path | None
    alpha: bool
    lossless: bool
    pixel_aspect: Fraction
    turn: tuple[int, bool] = (0, False)
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = field(default=())
    profile: bytes | None = None
    losses: tuple[str, ...] = ()
    carries: frozenset[str] = frozenset()  # what is named in `losses` once the source is checked

    @property
    def length(self) -> int:
        return self.timing.length

    @property
    def fps(self) -> Fraction:
        return self.timing.fps

    @property
    def times(self) -> tuple[Fraction, ...] | None:
        return self.timing.times

    def pictures(self, form: str = "rgb24") -> Generator[np.ndarray, None, None]:
        """uint8 arrays (h, w, 3), RGB, or (h, w, 4) for form "rgba". Raises UserError if the file is damaged."""
        count = 0
        with closing(self._frames(alpha=form == "rgba")) as frames:
            for frame in frames:
                if count == self.length:
                    count += 1
                    break
                picture = to_rgb(frame, self.coded, form)[: self.content[0], : self.content[1]]
                yield turned(picture, self.turn)
                count += 1
        if count != self.length:
            found = f"only {count}" if count < self.length else "more"
            raise UserError(
                f"{self.path}: the file announces {self.length} frames but {found} can be decoded; "
                "it is damaged or cut short: re-encode it first"
            )

    def checked(self, limit: int | None = None, watch: Watch = unwatched) -> "VideoSource":
        """The source with the number and times of the frames that can really be decoded, and notes on what they are.

        All frames (or the first `limit`) are decoded once for this, so that damage is found before a long run and not
        at its end. Raises UserError for damage.
        """
        wanted = self.length if limit is None else min(limit, self.length)
        stamps: list[int | None] = []
        corrupt, combed, clear = 0, 0, False
        with closing(self._frames(alpha=self.alpha)) as frames:
            for frame in watch(frames, f"reading {self.path.name}", wanted):
                stamps.append(frame.pts)
                corrupt += frame.is_corrupt
                combed += frame.interlaced_frame
                clear = clear or (has_alpha(frame) and frame.to_ndarray(format="rgba")[..., 3].min() < 255)
                if len(stamps) == wanted < self.length:
                    break
        source = self
        if len(stamps) < wanted or len(stamps) > self.length:
            timing = read_timing(self.path, stamps)
            kept = tuple(note for note in self.notes if note not in self.timing.notes)
            source = replace(self, timing=timing, notes=(*kept, *timing.notes))
        notes = []
        if corrupt:
            notes.append(f"{self.path}: {corrupt} of {len(stamps)} frames are damaged and are used as far as they show")
        if combed:
            notes.append(
                f"{self.path}: is interlaced ({combed} of {len(stamps)} frames); each frame is used as it is, with two "
                "fields in it, and written as progressive: if motion looks combed, deinterlace it (FFmpeg's bwdif)"
            )
        losses = left_out(self.path, {*self.carries, TRANSPARENCY} if clear else self.carries)
        return replace(source, notes=(*source.notes, *notes), losses=(*source.losses, *losses))

    def _frames(self, alpha: bool = False) -> Generator[av.VideoFrame, None, None]:
        """The decoded frames. Raises UserError if the file is damaged."""
        count = 0
        try:
            with reading(self.path) as container:
                for frame in decoded(container, film(self.path, container), alpha):
                    yield frame
                    count += 1
        except av.error.FFmpegError as error:
            raise UserError(
                f"{self.path}: the video is damaged after frame {count} of {self.length} ({error.strerror}); "
                "repair or re-encode it, or use --limit to stop before that"
            ) from error


def open_source(path: str | Path) -> PictureFiles | VideoSource:
    """The source behind a path: a folder of pictures, a file with one picture or several, or a video (anything else).

    Raises UserError for a missing path, what may not be read, what is no file and no folder, a folder without pictures
    or with pictures of two sizes, an unreadable picture, a file that is no video, and a video without frames.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; check the path")
        if path.is_dir():
            return open_pictures(path, picture_files(path))
        if not path.is_file():
            raise UserError(
                f"{path}: is a pipe or a device, and a clip is read more than once; save it as a file first"
            )
        return open_pictures(path, (path,)) if is_picture(path) else open_video(path)
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its rights") from error


def open_video(path: Path) -> VideoSource:
    """Reads the headers of a video, one decoded frame (for size and rotation), and the times of all packets."""
    check_whole(path)
    try:
        with reading(path) as container:
            stream = film(path, container)
            codec = stream.codec_context.codec
            with closing(decoded(container, stream, alpha=True)) as frames:
                first = next(frames, None)
            if first is None:
                raise UserError(f"{path}: the video has no frames; check that it was recorded completely")
            turn = turn_of(first)
            coded = (first.height, first.width)
            comment = next((text for key, text in container.metadata.items() if key.lower() == "comment"), "")
            content = content_size(comment, coded) or coded
            size = content if turn[0] % 2 == 0 else content[::-1]
            aspect = stream.sample_aspect_ratio or Fraction(1)
            timing = read_timing(path)
            source = VideoSource(
                path=path,
                timing=timing,
                coded=coded,
                content=content,
                size=size,
                audio=path if container.streams.audio else None,
                alpha=has_alpha(first) or alpha_apart(stream),
                lossless=codec.lossless and not codec.lossy,
                pixel_aspect=aspect if turn[0] % 2 == 0 else 1 / aspect,
                turn=turn,
                notes=(*film_notes(path, container), *timing.notes),
                losses=tuple(colour_notes(path, first)),
                carries=frozenset({DEEP} if is_deep(first) else ()),
            )
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{path}: cannot be read as a video ({reason}); check that the file is complete and a video"
        ) from error
    return source


def has_alpha(frame: av.VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def is_deep(frame: av.VideoFrame) -> bool:
    return max(component.bits for component in frame.format.components) > 8


def colour_notes(path: Path, frame: av.VideoFrame) -> list[str]:
    """A sentence if colours like those of this frame do not fit into BT.709."""
    if frame.color_trc in HDR:
        return [
            f"{path}: is HDR ({HDR[frame.color_trc]}), and is read and written as SDR, so it looks flat and pale: "
            "tone-map it to BT.709 first (FFmpeg's zscale and tonemap)"
        ]
    if frame.color_primaries in WIDE:
        return [
            f"{path}: has the wide colours of {WIDE[frame.color_primaries]}, and is read and written as BT.709, so it "
            "looks paler: convert it to BT.709 first (FFmpeg's zscale)"
        ]
    return []


def to_rgb(frame: av.VideoFrame, size: tuple[int, int], form: str) -> np.ndarray:
    """uint8 (h, w, 3 or 4) by the colour tags of the frame. Without tags the height decides, as in players."""
    untagged = frame.colorspace == UNTAGGED and not frame.format.is_rgb
    matrix = (Colorspace.ITU709 if size[0] >= HD_LINES else Colorspace.ITU601) if untagged else None
    return frame.reformat(
        width=size[1], height=size[0], format=form, src_colorspace=matrix, interpolation=EXACT
    ).to_ndarray()


def turn_of(frame: av.VideoFrame) -> tuple[int, bool]:
    """(quarter turns counter-clockwise, mirrored first) from the display matrix of a frame."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    mirrored = a * d - b * c < 0
    # The x axis of the stored frame points to (a, b), with y downwards. Mirroring the frame reverses this axis.
    a, b = (-a, -b) if mirrored else (a, b)
    return (0 if a > abs(b) else 2 if -a > abs(b) else 3 if b > 0 else 1), mirrored


def turned(picture: np.ndarray, turn: tuple[int, bool]) -> np.ndarray:
    """The picture as it is meant to be seen."""
    quarters, mirrored = turn
    picture = picture[:, ::-1] if mirrored else picture
    return np.ascontiguousarray(np.rot90(picture, quarters))
