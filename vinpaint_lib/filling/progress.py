"""Bars on the terminal: one for each pass over the files before the work, and one for the work, after its forecast."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
BAR = "{desc}{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} frames, {remaining} left"
MEASURING = "{desc}measuring on the first of {total_fmt} frames, {elapsed}"
PATIENCE = 1.0  # seconds; a pass that is done before shows no bar


def passing(frames: Iterator[T], what: str, total: int, /) -> Iterator[T]:
    """A `Watch` with a bar that goes away when the pass is over."""
    bar = tqdm(
        frames, total=total, bar_format=BAR, desc=f"{what} ", file=sys.stderr, disable=None, leave=False, delay=PATIENCE
    )
    try:
        yield from bar
    finally:
        bar.close()


class Working:
    """The bar of the work on `total` frames, `name` before it. It counts frames once `forecast_is_told` was called;
    until then it shows that the forecast is being measured."""

    def __init__(self, total: int, name: str = "") -> None:
        self.done = 0
        self.bar = tqdm(total=total, bar_format=MEASURING, desc=name, file=sys.stderr, disable=None)

    def forecast_is_told(self) -> None:
        if not self.bar.disable:
            self.bar.bar_format = BAR
            self.bar.refresh()

    def over(self, frames: Iterable[T]) -> Iterator[T]:
        """The frames; each counts as done when the next one is asked for."""
        for frame in frames:
            yield frame
            self.done += 1
            self.bar.update()

    def close(self) -> None:
        self.bar.close()
