"""What the scripts print and how they end: sizes in words, a progress line, one sentence and exit code 2."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable
from pathlib import Path

from vinpaint_lib.errors import UserError, exit_code

_last = 0.0  # when the progress line was last written


class Refused(Exception):
    """An address did not give the file. The message says why; the caller tries the next address."""


def in_words(size: int | None) -> str:
    """A size in bytes for a reader: 832766765 -> '832.8 MB' (powers of 1000); None -> 'unknown'."""
    if size is None:
        return "unknown"
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"


def is_full(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def full_disk(folder: Path, needed: int | None = None) -> UserError:
    """The sentence for a full disk. `needed` is in bytes, None when it is not known."""
    room = f"{in_words(needed)} more is needed" if needed is not None else "the disk is full"
    return UserError(f"{folder}: {room}: free some space there, or pass a --target on another disk, and run again")


def progress(name: str, done: int, total: int | None) -> None:
    """Rewrite one line on a terminal; say nothing when the output goes to a file."""
    global _last
    now = time.monotonic()
    if sys.stderr.isatty() and (done == total or now - _last > 0.2):
        _last = now
        share = f"{done / total:6.1%} of " if total else ""
        end = "\n" if done == total else ""
        print(f"\r{name}: {share}{in_words(total or done)}   ", end=end, file=sys.stderr, flush=True)


def finish(work: Callable[[], None]) -> int:
    """Run a script's work and give its exit code: 0, or 2 after one sentence on standard error.

    A disk or permission error is a sentence too; anything else is a mistake in the script and leaves a report.
    """

    def worded() -> None:
        try:
            work()
        except OSError as error:
            where = Path(error.filename) if isinstance(error.filename, str | Path) else Path()
            if is_full(error):
                raise full_disk(where) from error
            raise UserError(f"{where}: {error.strerror or error}: choose another --target") from error
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; run the same command again to go on") from None

    return exit_code(worded, sys.argv, prefix="error")
