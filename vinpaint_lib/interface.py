"""TODO header of vinpaint_lib.interface."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn


class Step(NamedTuple):
    """One step of a model's walk over a clip: frame numbers, references in temporal order, targets not among them."""

    targets: tuple[int, ...]
    references: tuple[int, ...]


class Window(NamedTuple):
    """The frames of one step, in temporal order.

    `indices` are their numbers in the clip; `masks` are the holes that are still open; `filled` is 1 where
    a pixel is an earlier output of the model that was written back (TGF-Net sec. H), 0 where it was given.
    """

    indices: tuple[int, ...]
    frames: Float[Tensor, "n 3 h w"]
    masks: Float[Tensor, "n 1 h w"]
    filled: Float[Tensor, "n 1 h w"]


class Output(NamedTuple):
    """Raw frames for the step's targets (not composited), and named intermediates for figures.

    `weights` say how much each frame counts in the mean where it is a target of several steps (above 0); None:
    each counts 1.
    """

    frames: Float[Tensor, "k 3 h w"]
    maps: dict[str, Any]
    weights: Float[Tensor, "k"] | None = None


@dataclass(frozen=True)
class ModelCard:
    """Where a model comes from, and where it leaves its paper."""

    name: str
    title: str
    paper: str
    sections: str = ""
    choices: tuple[str, ...] = field(default=())


class Inpainter(nn.Module):
    """Base of all systems. `feedback` says whether completed frames are written back by default."""

    card: ModelCard
    multiple: int = 1
    feedback: bool = False

    def plan(self, length: int) -> Iterator[Step]:
        """The steps for a clip of `length` frames, targets in the order in which they are filled."""
        raise NotImplementedError

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill the targets of `step`. `state` belongs to the model: a cache that lives as long as the clip."""
        raise NotImplementedError
