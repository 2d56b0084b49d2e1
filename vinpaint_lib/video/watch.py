"""Passes over whole files, which may take minutes before the work begins: a caller can watch them."""

from collections.abc import Iterator
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Watch(Protocol):
    """Called with what a pass walks over, what is read ("reading clip.mp4"), and how many frames there are.

    Gives the same frames, in order; a pass may stop early.
    """

    def __call__(self, frames: Iterator[T], what: str, total: int, /) -> Iterator[T]: ...


def unwatched(frames: Iterator[T], what: str, total: int, /) -> Iterator[T]:
    """Shows nothing."""
    return frames
