"""How many minutes a comparison has left: systems differ a thousandfold in seconds a frame."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from vinpaint_lib.comparison.results import Line


class Clock:
    """Seconds a frame of each system, scoring included, from the cells of this run; before its first cell is done,
    from the lines of earlier runs, without scoring."""

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.earlier: dict[str, list[float]] = defaultdict(list)
        self.taken: dict[str, list[float]] = defaultdict(list)
        for line in lines:
            if "scores" in line:
                self.earlier[line["cell"]["system"]].append(line["seconds_per_frame"])

    @contextmanager
    def timing(self, system: str, frames: int) -> Iterator[None]:
        """Times a cell, unless it fails."""
        started = time.perf_counter()
        yield
        self.taken[system].append((time.perf_counter() - started) / frames)

    def seconds(self, left: Sequence[tuple[str, int]]) -> float | None:
        """For cells that are left, each a system and its frames. A system that is not known yet takes the mean of the
        others; None where nothing is known."""
        rates = {name: sum(known) / len(known) for name, known in (self.earlier | self.taken).items() if known}
        if not rates:
            return None
        usual = sum(rates.values()) / len(rates)
        return sum(rates.get(name, usual) * frames for name, frames in left)

    def words(self, left: Sequence[tuple[str, int]]) -> str:
        """What stands at the end of the bar; "" while nothing is known."""
        seconds = self.seconds(left)
        return "" if seconds is None else f"{seconds / 60:.0f} min left" if seconds >= 60 else f"{seconds:.0f} s left"
