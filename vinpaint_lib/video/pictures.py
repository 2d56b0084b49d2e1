"""Pictures on disk: a folder of files, one file, or one file that holds several (animated WebP or PNG, TIFF, AVIF).

What a file is, its content says, and not its suffix. Pictures are decoded only during a loop over them.
"""

import re
import struct
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, ImageOps

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.hidden import visible
from vinpaint_lib.video.timing import FALLBACK_FPS, spacing

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
# Pillow's names of what is read as pictures. FFmpeg reads everything else.
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "AVIF", "GIF")
LOSSY_FORMATS, LOSSY_TIFF = ("JPEG", "MPO", "WEBP", "AVIF"), ("jpeg", "tiff_jpeg", "webp")
GIF_MILLISECONDS = 100  # of a picture whose file gives it no time, as in browsers
DEEP_GREY = ("I", "F")  # Pillow's modes for grey of 16 bits, 32 bits and float, which Pillow does not scale to 8 bits
EXIF_ORIENTATION = 0x0112
# EXIF tags about the shot and not about the file: description, maker, model, date, artist, rights, place. The tags of
# the inner list that only repeat how the pixels are stored do not count.
EXIF_OF_SHOTS = {0x010E, 0x010F, 0x0110, 0x0132, 0x013B, 0x8298, 0x8825}
EXIF_INNER, EXIF_OF_PIXELS = 0x8769, {0x9000, 0x9101, 0xA000, 0xA001, 0xA002, 0xA003}
SUBFILE, SMALLER_OR_MASK = 254, 1 | 4  # TIFF's tag for the kind of page: reduced size, transparency mask
DEEP, TRANSPARENCY = "more than 8 bits a channel", "transparency"
UNREADABLE = (
    OSError, ValueError, TypeError, KeyError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError,
)  # fmt: skip


class Header(NamedTuple):
    """What the header of a picture file says: (height, width) as shown, numbers of its pictures, what it carries.

    lossless: whether the format never loses anything. A WebP or AVIF does not say whether it did.
    """

    size: tuple[int, int]
    pages: tuple[int, ...]
    carries: frozenset[str]
    profile: bytes | None
    lossless: bool


@dataclass(frozen=True)
class PictureFiles:
    """Pictures of one size in natural order, or a single picture, or the pictures in one file.

    pages: for each entry of `files`, the number of the picture in it; () if it is 0 for all. profile: the colour
    profile (ICC) of all pictures. losses: sentences on what the output will not keep of these frames. lossless: whether
    all are of a format that loses nothing.
    """

    path: Path
    files: tuple[Path, ...]
    size: tuple[int, int]
    fps: Fraction = FALLBACK_FPS
    audio: Path | None = None
    times: tuple[Fraction, ...] | None = None
    pixel_aspect: Fraction = Fraction(1)
    notes: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    profile: bytes | None = None
    losses: tuple[str, ...] = ()
    lossless: bool = True

    @property
    def length(self) -> int:
        return len(self.files)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files; () if one file holds all pictures."""
        return () if self.pages else tuple(file.name for file in self.files)

    def part(self, chosen: range) -> "PictureFiles":
        """Only the chosen pictures."""
        cut = slice(chosen.start, chosen.stop, chosen.step)
        return replace(self, files=self.files[cut], pages=self.pages[cut], times=None)

    def loaded(self) -> Generator[Image.Image, None, None]:
        """The decoded pictures, turned as EXIF says. Raises UserError for an unreadable file."""
        pages = self.pages or (0,) * self.length
        for file, group in groupby(zip(self.files, pages, strict=True), key=lambda pair: pair[0]):
            yield from load_pages(file, (page for _, page in group))

    def pictures(self) -> Generator[UInt8[np.ndarray, "h w 3"], None, None]:
        """uint8 arrays (h, w, 3), RGB; transparency is dropped. Raises UserError for an unreadable file."""
        for picture in self.loaded():
            if picture.mode.startswith(DEEP_GREY):
                yield np.repeat(eight_bit(np.asarray(picture))[..., None], 3, axis=-1)
            else:
                yield np.asarray(picture.convert("RGB"))


def natural_key(name: str) -> tuple[list[str | int], str]:
    """A key that sorts frame2 before frame10. If only the spelling of numbers differs ("1", "01"), the text decides."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"([0-9]+)", name)], name


def picture_files(folder: Path) -> tuple[Path, ...]:
    """Pictures of a folder in natural order, without hidden files and other suffixes. UserError if there are none."""
    entries = visible(folder)
    files = [entry for entry in entries if not entry.is_dir() and entry.suffix.lower() in PICTURE_SUFFIXES]
    for entry in files:
        if not entry.is_file():  # without it the clip would have a frame less, and no word said of it
            what = "a link to nothing" if entry.is_symlink() else "a pipe or a device"
            raise UserError(f"{entry}: is {what} and no picture; replace or remove it")
    if not files:
        inner = sorted(entry.name for entry in entries if entry.is_dir())[:3]
        hint = f"; did you mean a folder inside it ({', '.join(inner)})?" if inner else ""
        raise UserError(f"{folder}: the folder has no pictures ({', '.join(PICTURE_SUFFIXES)}){hint}")
    return tuple(sorted(files, key=lambda file: natural_key(file.name)))


def is_picture(path: Path) -> bool:
    """Whether a file is read as pictures: by its content, and by its suffix if the content says nothing."""
    try:
        with Image.open(path, formats=PICTURE_FORMATS):
            return True
    except UNREADABLE:
        return path.suffix.lower() in PICTURE_SUFFIXES


def open_pictures(path: Path, files: tuple[Path, ...]) -> PictureFiles:
    """Reads the headers of all pictures, so that a wrong picture is found before a long run and not in its middle."""
    headers = [read_header(file) for file in files]
    for file, header in zip(files, headers, strict=True):
        if header.size != headers[0].size:
            raise UserError(
                f"{path}: pictures of different sizes, {files[0].name} is {spelled(headers[0].size)} and {file.name} "
                f"is {spelled(header.size)}; bring them to one size"
            )
    profiles = {header.profile for header in headers}
    carries = frozenset[str]().union(*(header.carries for header in headers))
    if len(profiles) > 1:
        carries |= {"colour profiles (ICC) that differ"}
    profile = profiles.pop() if len(profiles) == 1 else None
    lossless = all(header.lossless for header in headers)
    source = PictureFiles(path, files, headers[0].size, profile=profile, lossless=lossless)
    if path not in files:  # a folder
        several = [file.name for file, header in zip(files, headers, strict=True) if len(header.pages) > 1]
        if several:
            note = f"{path}: {several[0]} holds several pictures, and a folder gives the first of each file only; "
            source = replace(source, notes=(note + "give the file itself to use all of them",))
    elif len(headers[0].pages) > 1:
        source, clear = with_pages(source, headers[0].pages)
        carries = carries if clear else carries - {TRANSPARENCY}
    return replace(source, losses=tuple(left_out(path, carries)))


def with_pages(source: PictureFiles, pages: tuple[int, ...]) -> tuple[PictureFiles, bool]:
    """The pictures in one file as a clip, with the times that an animation gives them; and whether one is transparent.

    All are decoded once for this.
    """
    path, durations, clear = source.path, [], False
    for page, picture in zip(pages, load_pages(path, pages), strict=True):
        if picture.size[::-1] != source.size:
            raise UserError(
                f"{path}: holds pictures of different sizes, the first is {spelled(source.size)} and picture "
                f"{page + 1} is {spelled(picture.size[::-1])}; save those of one size as a folder"
            )
        durations.append(Fraction(picture.info.get("duration") or 0).limit_denominator(1000))
        clear = clear or is_clear(picture)
    source = replace(source, files=(path,) * len(pages), pages=pages)
    if not all(durations):
        return source, clear
    stamps = [round(1000 * time) for time in accumulate(durations[:-1], initial=Fraction(0))]  # microseconds
    fps, times = spacing(stamps, len(stamps), Fraction(1, 1_000_000), [1000 / durations[0]])
    return replace(source, fps=fps, times=times), clear


def is_clear(picture: Image.Image) -> bool:
    """Whether a pixel of the picture is transparent, if only in part."""
    return picture.has_transparency_data and bool(np.asarray(picture.convert("RGBA"))[..., 3].min() < 255)


def left_out(path: Path, carries: Iterable[str]) -> list[str]:
    """One sentence on what frames carry and the output does not keep; [] if there is nothing."""
    found = sorted(carries)
    return [f"{path}: has {' and '.join(found)}, which the output does not keep"] if found else []


def spelled(size: tuple[int, int]) -> str:
    """(height, width) as people write it: WIDTHxHEIGHT."""
    return f"{size[1]}x{size[0]}"


@contextmanager
def readable(file: Path) -> Generator[None, None, None]:
    """What Pillow says of a broken picture becomes a UserError that names the file."""
    try:
        yield
    except UNREADABLE as error:
        raise UserError(f"{file}: cannot be read as a picture ({error}); replace or remove it") from error


def read_header(file: Path) -> Header:
    """Size, pictures and what else a picture file carries, without decoding it. UserError if it cannot be read."""
    with readable(file), Image.open(file, formats=PICTURE_FORMATS) as picture:
        deep = is_deep(picture)  # before getexif, which may decode
        size, pages = shown_size(picture), pages_of(picture)
        lossless = picture.format not in LOSSY_FORMATS and picture.info.get("compression") not in LOSSY_TIFF
        carries = {DEEP} if deep else set()
        exif, profile = picture.getexif(), picture.info.get("icc_profile")
        if "A" in picture.getbands() or "transparency" in picture.info:
            carries.add(TRANSPARENCY)
        if EXIF_OF_SHOTS & set(exif) or set(exif.get_ifd(EXIF_INNER)) - EXIF_OF_PIXELS:
            carries.add("EXIF data (date, camera, place)")
        # The frames become RGB, and a profile for grey or CMYK says nothing about them.
        if profile and profile[16:20] != b"RGB ":
            carries.add("a colour profile (ICC) for grey or CMYK")
            profile = None
        return Header(size, pages, frozenset(carries), profile or None, lossless)


def pages_of(picture: Image.Image) -> tuple[int, ...]:
    """The numbers of the pictures in a file that are meant as such.

    Not meant are a photograph's second views (MPO), a PNG's picture for viewers that know no animation, and the
    thumbnails and masks in a TIFF.
    """
    count = getattr(picture, "n_frames", 1)
    if count == 1 or picture.format == "MPO":
        return (0,)
    if getattr(picture, "default_image", False):
        return tuple(range(1, count))
    if picture.format != "TIFF":
        return tuple(range(count))
    whole = []
    for page in range(count):
        picture.seek(page)
        tags: Any = picture
        if not tags.tag_v2.get(SUBFILE, 0) & SMALLER_OR_MASK:
            whole.append(page)
    picture.seek(0)
    return tuple(whole) or (0,)


def is_deep(picture: ImageFile.ImageFile) -> bool:
    """Whether the file holds more than 8 bits a channel, which Pillow hides when it gives RGB."""
    if picture.mode.startswith(DEEP_GREY):
        return True
    stored = str(picture.tile[0].args) if picture.tile else ""
    return picture.format in ("PNG", "TIFF") and re.search(r";(16|32)", stored) is not None


def header_size(file: Path) -> tuple[int, int]:
    """(height, width) of a picture as it is shown, from its header alone. UserError if it cannot be read."""
    with readable(file), Image.open(file, formats=PICTURE_FORMATS) as picture:
        return shown_size(picture)


def shown_size(picture: Image.Image) -> tuple[int, int]:
    """(height, width) of an open picture after the turn that its EXIF tag asks for."""
    return picture.size if picture.getexif().get(EXIF_ORIENTATION, 1) >= 5 else picture.size[::-1]


def load_picture(file: Path) -> Image.Image:
    """The decoded (first) picture, turned as its EXIF tag says. UserError if the file is broken or cut short."""
    with closing(load_pages(file, (0,))) as walk:
        return next(walk)


def load_pages(file: Path, pages: Iterable[int]) -> Generator[Image.Image, None, None]:
    """The decoded pictures of these numbers, turned as EXIF says. UserError if the file is broken or cut short."""
    with readable(file), Image.open(file, formats=PICTURE_FORMATS) as picture:
        for page in pages:
            if page:
                picture.seek(page)
            picture.load()
            if picture.format != "GIF":
                yield ImageOps.exif_transpose(picture)
                continue
            # The numbers of a GIF's colours mean nothing: each picture may have other ones.
            frame = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            frame.info["duration"] = picture.info.get("duration") or GIF_MILLISECONDS
            yield frame


def eight_bit(array: np.ndarray) -> np.ndarray:
    """16-bit grey (0 to 65535) or float grey (0 to 1, or to 255) as uint8, 0 to 255."""
    whole = np.issubdtype(array.dtype, np.integer)
    factor = 255 / 65535 if whole else 255 if array.max(initial=0) <= 1 else 1
    return np.clip(np.rint(array * factor), 0, 255).astype(np.uint8)
