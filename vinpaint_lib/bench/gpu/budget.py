"""The minutes of a run, shared out over its sections, and the means to end what takes longer."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LOADED = time.monotonic()  # when this module was imported
SPARE = 0.06  # share of the minutes that is left for storing the training and for ending its processes
LEAST_SPARE, MOST_SPARE = 5.0, 45.0  # seconds


class TimeIsOver(BaseException):
    """Raised in the middle of a cell whose time is over; no `except Exception` may catch it."""


class Budget:
    """Minutes from `begun` on (None: from now on), and where the section that was entered last must end.

    A section may use its share of the minutes, and what sections before it have left.
    """

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic, begun: float | None = None) -> None:
        self.clock, self.seconds = clock, 60 * minutes
        self.begun = clock() if begun is None else begun
        self.shared = 0.0
        self.ends = self.begun

    def enter(self, share: float) -> None:
        """Begin a section that has `share` of the minutes; shares add up to 1."""
        self.shared += share
        self.ends = self.begun + min(1.0, self.shared) * self.seconds

    def left(self) -> float:
        """Seconds until the end of this section; below 0 when it is over."""
        return self.ends - self.clock()

    def spent(self) -> float:
        """Seconds since the beginning of the run."""
        return self.clock() - self.begun

    def deadline(self) -> float:
        """The time of the clock by which a training must end, so that it is stored before all minutes are over."""
        return self.begun + self.seconds - min(max(SPARE * self.seconds, LEAST_SPARE), MOST_SPARE)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeIsOver in the block after so many seconds, where the system has timers.

    A call into torch or OpenCV is not interrupted; TimeIsOver is raised when it returns.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TimeIsOver

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
