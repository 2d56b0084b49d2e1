"""Sources of pictures: a video, a folder of pictures or one picture as 8-bit arrays, one at a time.

A source knows its length, size and rate from the headers and the packets' times. It decodes pictures only
during a loop over them, and a second loop decodes them again. Colours follow the tags of the video. A rotation
that a phone or an EXIF tag marks is applied.
"""

import re
import struct
from collections.abc import Generator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace
from PIL import Image, ImageOps

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.encoding import EXACT, content_size
from vinpaint_lib.video.hidden import visible
from vinpaint_lib.video.timing import FALLBACK_FPS, Timing, check_whole, read_timing

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
DEEP_GREY = ("I", "F")  # Pillow's modes for grey of 16 bits, 32 bits and float, which Pillow does not scale to 8 bits
EXIF_ORIENTATION = 0x0112
NO_VIDEOS = ("tty",)  # FFmpeg draws any text file as a terminal
# The colour matrix of a video: the code point of ITU-T H.273 for "unspecified", and the height from which players guess
# BT.709 instead of BT.601.
UNTAGGED, HD_LINES = 2, 720


@dataclass(frozen=True)
class PictureFiles:
    """Pictures of one size in natural order, or a single picture."""

    path: Path
    files: tuple[Path, ...]
    size: tuple[int, int]
    fps: Fraction = FALLBACK_FPS
    audio: Path | None = None
    times: tuple[Fraction, ...] | None = None
    pixel_aspect: Fraction = Fraction(1)
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        return len(self.files)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(file.name for file in self.files)

    def pictures(self) -> Generator[np.ndarray, None, None]:
        """uint8 arrays (h, w, 3), RGB; transparency is dropped. Raises UserError for an unreadable file."""
        for file in self.files:
            picture = load_picture(file)
            if picture.mode.startswith(DEEP_GREY):
                yield np.repeat(eight_bit(np.asarray(picture))[..., None], 3, axis=-1)
            else:
                yield np.asarray(picture.convert("RGB"))


@dataclass(frozen=True)
class VideoSource:
    """The first picture stream of a video file."""

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
        try:
            with av.open(str(self.path)) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                for frame in container.decode(stream):
                    if count == self.length:
                        count += 1
                        break
                    picture = to_rgb(frame, self.coded, form)[: self.content[0], : self.content[1]]
                    yield turned(picture, self.turn)
                    count += 1
        except av.error.FFmpegError as error:
            raise UserError(
                f"{self.path}: the video is damaged after frame {count} of {self.length} ({error.strerror}); "
                "repair or re-encode it, or use --limit to stop before that"
            ) from error
        if count != self.length:
            found = f"only {count}" if count < self.length else "more"
            raise UserError(
                f"{self.path}: the file announces {self.length} frames but {found} can be decoded; "
                "it is damaged or cut short: re-encode it first"
            )


def open_source(path: str | Path) -> PictureFiles | VideoSource:
    """The source behind a path: a folder of pictures, one picture, or a video file (anything else).

    Raises UserError for a missing path, a folder without pictures or with pictures of two sizes, an unreadable picture,
    a file that is no video, and a video without frames.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; check the path")
    if path.is_dir():
        return open_pictures(path, picture_files(path))
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return open_pictures(path, (path,))
    return open_video(path)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """A key that sorts frame2 before frame10. If only the spelling of numbers differs ("1", "01"), the text decides."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"([0-9]+)", name)], name


def picture_files(folder: Path) -> tuple[Path, ...]:
    """Pictures of a folder in natural order, without hidden files and other suffixes. UserError if there are none."""
    entries = visible(folder)
    files = [entry for entry in entries if entry.is_file() and entry.suffix.lower() in PICTURE_SUFFIXES]
    if not files:
        inner = sorted(entry.name for entry in entries if entry.is_dir())[:3]
        hint = f"; did you mean a folder inside it ({', '.join(inner)})?" if inner else ""
        raise UserError(f"{folder}: the folder has no pictures ({', '.join(PICTURE_SUFFIXES)}){hint}")
    return tuple(sorted(files, key=lambda file: natural_key(file.name)))


def open_pictures(path: Path, files: tuple[Path, ...]) -> PictureFiles:
    """Reads the headers of all pictures, so that a wrong picture is found before a long run and not in its middle."""
    sizes = [header_size(file) for file in files]
    for file, size in zip(files, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{path}: pictures of different sizes, {files[0].name} is {spelled(sizes[0])} and {file.name} is "
                f"{spelled(size)}; bring them to one size"
            )
    return PictureFiles(path, files, sizes[0])


def spelled(size: tuple[int, int]) -> str:
    """(height, width) as people write it: WIDTHxHEIGHT."""
    return f"{size[1]}x{size[0]}"


def header_size(file: Path) -> tuple[int, int]:
    """(height, width) of a picture as it is shown, from its header alone. UserError if it cannot be read."""
    try:
        with Image.open(file) as picture:
            width, height = picture.size
            return (width, height) if picture.getexif().get(EXIF_ORIENTATION, 1) >= 5 else (height, width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{file}: cannot be read as a picture; replace or remove it") from error


def load_picture(file: Path) -> Image.Image:
    """The decoded picture, turned as its EXIF tag says. Raises UserError if the file is broken or cut short."""
    try:
        with Image.open(file) as picture:
            picture.load()
            return ImageOps.exif_transpose(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{file}: cannot be read as a picture ({error}); replace or remove it") from error


def eight_bit(array: np.ndarray) -> np.ndarray:
    """16-bit grey (0 to 65535) or float grey (0 to 1, or to 255) as uint8, 0 to 255."""
    whole = np.issubdtype(array.dtype, np.integer)
    factor = 255 / 65535 if whole else 255 if array.max(initial=0) <= 1 else 1
    return np.clip(np.rint(array * factor), 0, 255).astype(np.uint8)


def open_video(path: Path) -> VideoSource:
    """Reads the headers of a video, one decoded frame (for size and rotation), and the times of all packets."""
    check_whole(path)
    try:
        with av.open(str(path)) as container:
            if container.format.name in NO_VIDEOS:
                raise UserError(f"{path}: is no video; give a video, a folder of pictures or one picture")
            if not container.streams.video:
                raise UserError(f"{path}: the file has no pictures (sound only?); give a video or a folder of pictures")
            stream = container.streams.video[0]
            codec = stream.codec_context.codec
            first = next(container.decode(stream), None)
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
                alpha=any(component.is_alpha for component in first.format.components),
                lossless=codec.lossless and not codec.lossy,
                pixel_aspect=aspect if turn[0] % 2 == 0 else 1 / aspect,
                turn=turn,
                notes=timing.notes,
            )
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{path}: cannot be read as a video ({reason}); check that the file is complete and a video"
        ) from error
    return source


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
