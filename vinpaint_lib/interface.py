"""The interface between the loop of `inpaint.py` and every system that fills clips.

A model says which frames it wants (`plan`), and fills the targets of one step (`forward`). The loop, the memory and the
composition belong to `inpaint.py`.

The loop works on the CPU: windows come from there, and the frames and weights of an output return there. A model copies
what it computes with to the device of its parameters. It may keep tensors there in its `state`, and leave maps there.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Step(NamedTuple):
    """One step of a model's walk over a clip, in frame numbers. References, in temporal order, hold no target."""

    targets: tuple[int, ...]
    references: tuple[int, ...]


class Still(NamedTuple):
    """One frame of a window; see `Window`."""

    frame: Float[Tensor, "3 h w"]
    mask: Float[Tensor, "1 h w"]
    filled: Float[Tensor, "1 h w"]

    @property
    def not_given(self) -> Float[Tensor, "1 h w"]:
        """1 where a pixel does not come from the input: still a hole, or written back."""
        return torch.maximum(self.mask, self.filled)


class Window:
    """The frames of one step, in temporal order.

    `indices` are their numbers in the clip; `frames` (n 3 h w); `masks` (n 1 h w) are the holes that are still open;
    `filled` (n 1 h w) is 1 where a pixel is an earlier output of the model that was written back (TGF-Net sec. H), 0
    where it was given.

    Each of the three may be given as a stack or frame by frame. Frames are stacked when they are asked for together;
    `at` gives one frame without a stack, which would be a copy of the whole window in every step. No tensor of a window
    is changed in place.
    """

    def __init__(
        self,
        indices: tuple[int, ...],
        frames: Float[Tensor, "n 3 h w"] | Sequence[Tensor],
        masks: Float[Tensor, "n 1 h w"] | Sequence[Tensor],
        filled: Float[Tensor, "n 1 h w"] | Sequence[Tensor],
    ) -> None:
        self.indices = indices
        self.given = (frames, masks, filled)
        self.parts = tuple(tuple(part) for part in self.given)

    def at(self, n: int) -> Still:
        """The window's frame `n`, its hole, and what was written back in it."""
        return Still(*(part[n] for part in self.parts))

    def only(self, chosen: Container[int]) -> "Window":
        """A window of those of its frames whose numbers are in `chosen`; itself, if these are all."""
        places = [n for n, index in enumerate(self.indices) if index in chosen]
        if len(places) == len(self.indices):
            return self
        frames, masks, filled = ([part[n] for n in places] for part in self.parts)
        return Window(tuple(self.indices[n] for n in places), frames, masks, filled)

    @cached_property
    def frames(self) -> Float[Tensor, "n 3 h w"]:
        return stacked(self.given[0])

    @cached_property
    def masks(self) -> Float[Tensor, "n 1 h w"]:
        return stacked(self.given[1])

    @cached_property
    def filled(self) -> Float[Tensor, "n 1 h w"]:
        return stacked(self.given[2])


def stacked(part: Tensor | Sequence[Tensor]) -> Float[Tensor, "n c h w"]:
    """A stack of what is a stack already, or comes frame by frame."""
    return part if isinstance(part, Tensor) else torch.stack(list(part))


class Output(NamedTuple):
    """Raw frames for the step's targets (not composited), and named intermediates for figures.

    `maps` may lie on the model's device; `inpaint.Recorder` copies what it keeps to the CPU.

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
    `multiple`. `by_hole` says whether a step works on the surroundings of the hole only, so that it takes as long as
    the hole is large; else it works on whole frames.
    """

    card: ModelCard
    multiple: int = 1
    feedback: bool = False
    by_hole: bool = False

    def put_channels_last(self) -> None:
        """Reorder the weights of all 2D convolutions in memory. Their values stay."""
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)

    def plan(self, length: int) -> Iterator[Step]:
        """The steps for a clip of `length` frames, targets in the order in which they are filled."""
        raise NotImplementedError

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill the targets of `step`. `state` belongs to the model: a cache that lives as long as the clip."""
        raise NotImplementedError
