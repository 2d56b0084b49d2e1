"""How much memory this process has held at most."""

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak() -> float:
    """Peak of the memory in use since this program began, in MiB.

    On Linux this is the process's high-water mark in /proc. `getrusage` would not do: its mark starts at the mark of
    the parent process, which may have held far more memory.
    """
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / 1024**2 if sys.platform == "darwin" else largest / 1024  # macOS counts bytes
