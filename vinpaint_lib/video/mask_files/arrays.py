"""Masks as NumPy saves them: a .npy or .npz of all masks or of one, or a folder of .npy files, one for each frame."""

import struct
import zlib
from collections.abc import Generator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import ClassVar
from zipfile import BadZipFile, ZipFile

import numpy as np
from jaxtyping import UInt8

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.hidden import visible
from vinpaint_lib.video.pictures import PICTURE_SUFFIXES, natural_key

SUFFIXES = (".npy", ".npz")
NAMES = ("mask", "masks")  # the array that counts, where a .npz holds several
DEEPEST = 65535
# what NumPy, zip and zlib raise for damaged files
UNREADABLE = (
    OSError, ValueError, TypeError, EOFError, KeyError, SyntaxError, RuntimeError, BadZipFile, zlib.error, struct.error,
)  # fmt: skip
LARGEST = 4 << 30  # bytes of an array that is unpacked into memory


@dataclass(frozen=True)
class MaskArrays:
    """Masks of one size in arrays; `scale` turns their numbers into 0 .. 255."""

    path: Path
    files: tuple[Path, ...]
    length: int
    size: tuple[int, int]
    scale: float
    notes: tuple[str, ...] = ()
    lossless: ClassVar[bool] = True

    @property
    def names(self) -> tuple[str, ...]:
        """The files of a folder; () if one file holds all masks."""
        return tuple(file.name for file in self.files) if self.length == len(self.files) else ()

    def grey(self) -> Generator[UInt8[np.ndarray, "h w"], None, None]:
        """The masks, 0 to 255. Of many labels (`scale` below 1), none becomes 0."""
        for file in self.files:
            for mask in load(file):
                scaled = np.rint(mask * self.scale)
                yield np.maximum(scaled, mask > 0).astype(np.uint8) if self.scale < 1 else scaled.astype(np.uint8)


def are_arrays(path: Path) -> bool:
    """Whether a path is a .npy or .npz, or a folder that has .npy files and no pictures."""
    if path.is_dir():
        suffixes = {entry.suffix.lower() for entry in visible(path)}
        return ".npy" in suffixes and not suffixes & {*PICTURE_SUFFIXES}
    return path.suffix.lower() in SUFFIXES


def open_arrays(path: Path) -> MaskArrays:
    """Reads all arrays once, to learn the range of their numbers.

    Truth values, 0 and 1, 0 to 255, 0 to 65535, and fractions from 0 to 1 are understood. Raises UserError for a file
    that cannot be read, for other shapes than (h, w) and (frames, h, w), for masks of two sizes, and for other numbers.
    """
    files: tuple[Path, ...] = (path,)
    if path.is_dir():
        found = [file for file in visible(path) if file.suffix.lower() == ".npy"]
        files = tuple(sorted(found, key=lambda file: natural_key(file.name)))
    length, sizes, tops, fractions = 0, set(), [], False
    for file in files:
        masks = load(file)
        if len(files) > 1 and len(masks) > 1:
            raise UserError(f"{file}: holds {len(masks)} masks; in a folder of several files give one a file")
        length += len(masks)
        sizes.add(masks.shape[1:])
        low, high = float(masks.min()), float(masks.max())
        if not (np.isfinite(low) and np.isfinite(high)) or low < 0:
            raise UserError(f"{file}: its numbers go from {low:g} to {high:g}; a mask has 0 for known, 1 for hole")
        tops.append(high)
        fractions = fractions or (masks.dtype.kind == "f" and bool((masks != np.rint(masks)).any()))
    if len(sizes) > 1:
        raise UserError(f"{path}: masks of different sizes; bring them to one size")
    return MaskArrays(path, files, length, sizes.pop(), scale_of(path, max(tops), fractions))


def scale_of(path: Path, top: float, fractions: bool) -> float:
    """What brings numbers up to `top` to 255. Raises UserError if it is not clear where hole begins."""
    if top <= 1:
        return 255.0
    if top <= 255 and not (fractions and top < 128):
        return 1.0
    if top <= DEEPEST and not fractions:
        return 255 / DEEPEST
    raise UserError(
        f"{path}: its numbers go up to {top:g}, and it is not clear from where on they mean hole; save 0 for known and "
        "1 for hole"
    )


def load(file: Path) -> np.ndarray:
    """The masks in a file as (n, h, w). Raises UserError as `open_arrays` does."""
    try:
        check_kind(file)
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        if isinstance(array, np.lib.npyio.NpzFile):
            with array:
                name = chosen(file, array.files)
                if array.zip is not None:
                    check_packed(array.zip)
                array = array[name]
    except UNREADABLE as error:
        raise UserError(f"{file}: cannot be read as a NumPy array ({error}); save it again with numpy.save") from error
    shape = array.shape
    if array.dtype.kind not in "buif":
        raise UserError(f"{file}: holds {array.dtype} and no numbers; save 0 for known and 1 for hole")
    if array.ndim == 4 and 1 in (shape[1], shape[3]):
        array = array[:, 0] if shape[1] == 1 else array[..., 0]
    elif array.ndim == 3 and shape[2] == 1:
        array = array[None, ..., 0]
    elif array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or shape[-1] in (3, 4) or 0 in shape:
        raise UserError(
            f"{file}: an array of shape {shape} is no mask; save one number a pixel, as (height, width) or "
            "(frames, height, width)"
        )
    return array


def check_kind(file: Path) -> None:
    """Raise ValueError for what is no array: NumPy would take it for a pickle, which may hold code."""
    with file.open("rb") as content:
        start = content.read(6)
    if start != b"\x93NUMPY" and not start.startswith(b"PK"):
        raise ValueError("its first bytes are those of another kind of file" if start else "it is empty")


def check_packed(packed: ZipFile) -> None:
    """Raise ValueError for a .npz that grows beyond all measure: its header alone would take the memory."""
    for member in packed.infolist():
        with packed.open(member) as content:
            start = np.lib.format.read_magic(content)
            read = np.lib.format.read_array_header_1_0 if start == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(content)
        if member.file_size > LARGEST or prod(map(int, shape)) * dtype.itemsize > LARGEST:
            raise ValueError(f"its array of shape {shape} takes more than {LARGEST >> 30} GB; save it as .npy")


def chosen(file: Path, names: list[str]) -> str:
    """The array of a .npz that is the mask."""
    fitting = [name for name in names if name in NAMES] or names
    if len(fitting) != 1:
        raise UserError(f"{file}: holds {len(names)} arrays ({', '.join(names[:4])}); save one, named masks")
    return fitting[0]
