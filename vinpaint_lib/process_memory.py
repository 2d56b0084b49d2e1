"""How much memory this process holds, has held at most, and gives back to the system."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil

if sys.platform != "win32":
    import resource

STATUS = Path("/proc/self/status")
CONTAINER = Path("/sys/fs/cgroup")


def peak() -> float:
    """Peak of the memory in use since this program began, in MiB.

    On Linux this is the process's high-water mark in /proc. `getrusage` would not do: its mark starts at the mark of
    the parent process, which may have held far more memory.
    """
    found = status("VmHWM")
    if found is not None:
        return found
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / 1024**2 if sys.platform == "darwin" else largest / 1024  # macOS counts bytes


def forget_peak() -> bool:
    """Let `peak` begin anew from what is in use now; False where the system cannot (all but Linux)."""
    try:
        (STATUS.parent / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def resident() -> float:
    """Memory in use now, in MiB; the peak where the system does not say."""
    found = status("VmRSS")
    return peak() if found is None else found


def available() -> float:
    """Memory that this process can still take, in MiB: what the machine has left, and less where a Linux container
    (cgroup 2) has a limit."""
    left = psutil.virtual_memory().available / 2**20
    try:
        limit = int((CONTAINER / "memory.max").read_text()) / 2**20  # the word max: no limit
        lines = (line.split() for line in (CONTAINER / "memory.stat").read_text().splitlines())
        taken = next(int(number) / 2**20 for name, number in lines if name == "anon")
    except (OSError, ValueError, StopIteration):
        return left
    return min(left, max(0.0, limit - taken))


def status(field: str) -> float | None:
    """A size in Linux's report on this process, in MiB; None where the report, or the field in it, is missing."""
    if not STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
    return int(lines[field].split()[0]) / 1024 if field in lines else None


def give_back() -> None:
    """Give freed memory back to the system, where the C library can: glibc keeps it otherwise, in ever more pieces.

    Elsewhere this does nothing. It takes milliseconds, so call it every few steps of a long loop.
    """
    trim = trimmer()
    if trim is not None:
        trim(0)


@cache
def trimmer() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`; None where the C library has none."""
    try:
        found = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # no C library to open (Windows: TypeError), or one without it
        return None
    found.argtypes, found.restype = [ctypes.c_size_t], ctypes.c_int
    return found
