"""Broken files of a data set, found before a training and told all at once.

What is looked at: the header of every picture, and whether its end is there (JPEG, PNG); of every video the headers,
the times of its packets and its first frame. A picture without its end is decoded, and counts as broken only if that
fails. Damage in the middle of a file shows when the file is read.
"""

import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.sources import header_size, load_picture

ENDS = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND"}
TAIL = 4096  # bytes in which the end must be; a camera may write a few behind it
LONGEST = 120.0  # seconds to look; what is left then shows when it is read
MOST = 40  # files that a message names


def check_files(source: ClipSet, *, longest: float = LONGEST, clock: Callable[[], float] = time.monotonic) -> None:
    """Raise UserError, which lists them, if files of the set are broken. After `longest` seconds it stops looking, and
    warns of that."""
    found: list[str] = []
    begun = clock()
    for i in range(len(source)):
        if clock() - begun > longest:
            warnings.warn(
                f"looked for broken files in the first {i} of {len(source)} clips or photographs; "
                "the others show when they are read",
                stacklevel=2,
            )
            break
        found += source.faults(i)
    if found:
        what = "1 training file cannot" if len(found) == 1 else f"{len(found)} training files cannot"
        more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
        raise UserError(f"{what} be used: {'; '.join(found[:MOST])}{more}; replace or remove what is broken")


def picture_fault(file: Path) -> str | None:
    """What is wrong with a picture, or None."""
    try:
        header_size(file)
    except UserError as error:
        return in_short(error)
    return cut_short(file)


def cut_short(file: Path) -> str | None:
    """What is wrong with a picture whose end is missing and which cannot be decoded, or None."""
    end = ENDS.get(file.suffix.lower())
    if end is None or end in tail(file):
        return None
    try:
        load_picture(file)
    except UserError:
        return f"{file} is cut short"
    return None


def tail(file: Path) -> bytes:
    """The last bytes of a file."""
    with file.open("rb") as content:
        content.seek(-min(TAIL, os.fstat(content.fileno()).st_size), os.SEEK_END)
        return content.read()


def in_short(error: UserError) -> str:
    """A message without its remedy, for a list."""
    return str(error).rpartition("; ")[0] or str(error)
