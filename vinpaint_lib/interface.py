"""The interface between the loop of `inpaint.py` and every system that fills clips.

A model says which frames it wants (`plan`), and fills the targets of one step (`forward`). The loop, the memory and the
composition belong to `inpaint.py`.

The loop works on the CPU: windows come from there, and every tensor of an output returns there. A model copies what it
computes with to the device of its parameters, and may keep tensors on that device in its `state`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn


class Step(NamedTuple):
    """One step of a model's walk over a clip, in frame numbers. References, in temporal order, hold no target."""

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

    A frame that is a target of several steps gets the mean of its outputs. `weights` (above 0) say how much each frame
    of this output counts in that mean; None: each counts 1.
    """

    frames: Float[Tensor, "k 3 h w"]
    maps: dict[str, Any]
    weights: Float[Tensor, "k"] | None = None


@dataclass(frozen=True)
class ModelCard:
    """Where a model comes from, and the choices in which it differs from its paper."""

    name: str
    title: str
    paper: str
    sections: str = ""
    choices: tuple[str, ...] = field(default=())


class Inpainter(nn.Module):
    """Base of all systems.

    `feedback` says whether completed frames are written back by default. Frames are padded until both sides divide by
    `multiple`.
    """

    card: ModelCard
    multiple: int = 1
    feedback: bool = False

    def plan(self, length: int) -> Iterator[Step]:
        """The steps for a clip of `length` frames, targets in the order in which they are filled."""
        raise NotImplementedError

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill the targets of `step`. `state` belongs to the model: a cache that lives as long as the clip."""
        raise NotImplementedError
