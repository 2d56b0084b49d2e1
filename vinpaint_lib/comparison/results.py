"""The file of results: JSON lines, one for each cell, that are only ever appended, each as a whole.

A run that is killed may leave half a line at the end. It is left out where the file is read, and cut off where a run
goes on. Everything that stands in a line belongs to its cell, so that files can be joined and lines sorted.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vinpaint_lib.errors import UserError

Line = dict[str, Any]


class Read(NamedTuple):
    """The lines of a file, and where its last whole line ends: `rest` is what follows, the half line of a kill."""

    lines: list[Line]
    end: int
    rest: bytes


def read(path: Path) -> Read:
    """What a file of results holds. Raises UserError if it is missing or holds anything else."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); give a file of `vinpaint compare --out`"
        ) from error
    end = content.rfind(b"\n") + 1
    lines = []
    for number, text in enumerate(content[:end].splitlines(), 1):
        try:
            line = json.loads(text)
            known = (
                isinstance(line["key"], str)
                and isinstance(line["cell"], dict)
                and ("scores" in line) != ("error" in line)
            )
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise UserError(
                f"{path}: line {number} is no result of `vinpaint compare`; remove it, or give another file"
            )
        lines.append(line)
    return Read(lines, end, content[end:])


def append(path: Path, line: Line) -> None:
    """Add a line, whole or not at all: one write to the end of the file, which reaches the disk before this returns."""
    text = (json.dumps(line, allow_nan=False) + "\n").encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        start = os.fstat(handle).st_size
        try:
            while text:
                text = text[os.write(handle, text) :]
            os.fsync(handle)
        except BaseException:
            os.ftruncate(handle, start)
            raise
    finally:
        os.close(handle)


def cut(path: Path, end: int) -> None:
    """Take away what follows the last whole line."""
    os.truncate(path, end)


def one_each(lines: Iterable[Line]) -> dict[str, Line]:
    """The line that counts for each key, sorted by key: a finished one before a failed one, one with features for VFID
    before one without, then the latest.

    The order of the lines does not matter.
    """
    found: dict[str, Line] = {}
    for line in lines:
        if line["key"] not in found or rank(line) > rank(found[line["key"]]):
            found[line["key"]] = line
    return dict(sorted(found.items()))


def rank(line: Mapping[str, Any]) -> tuple[bool, bool, str, str]:
    return "scores" in line, "vfid" in line, str(line.get("run", {}).get("ended")), json.dumps(line, sort_keys=True)
