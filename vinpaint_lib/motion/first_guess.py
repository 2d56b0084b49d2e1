"""A first guess for holes that a network fills: the frames of the baseline `flow`, and how far each pixel is trusted.

This start is ours; no paper has it. A network that begins with it need not learn to move pixels, which a small network
hardly does. Whatever makes samples or fills clips gets its guesses here, so both are the same.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes.box import Box, bounding_box
from vinpaint_lib.interface import Window
from vinpaint_lib.motion.chains import Views
from vinpaint_lib.motion.links import Links
from vinpaint_lib.motion.propagation import REACH, as_picture, completed, propagate

NONE, ALIGNED = "none", "aligned"  # values of the configurations' `first_guess`


class Guess(NamedTuple):
    """Inside of the box around a frame's hole: RGB in [0, 1] as the baseline `flow` fills the hole, and the trust.

    trust 0: no frame shows the pixel (Telea's method filled it), or it is not missing; else as `chains.trusted`
    """

    box: Box
    picture: Float[Tensor, "3 h w"]
    trust: Float[Tensor, "1 h w"]


class FirstGuesses:
    """The guesses of a clip's frames, each made once and held until it is dropped. Everything is on the CPU."""

    def __init__(self) -> None:
        self.links, self.views = Links(guided=False), Views()
        self.held: dict[int, Guess | None] = {}  # None: no hole

    def update(self, window: Window, wanted: Iterable[int]) -> None:
        """Make the guesses of the `wanted` frames (indices of the clip) that are not held.

        The window must hold all frames at most REACH away from them, except those that the clip does not have. In
        temporal order the motion between two frames is measured once.
        """
        for index in sorted(set(wanted) - self.held.keys()):
            self.held[index] = self.make(window, index)

    def make(self, window: Window, target: int) -> Guess | None:
        """The guess of one frame, from the frames at most REACH away."""
        still = window.at(window.indices.index(target))
        box = bounding_box(still.mask)
        if box is None:
            return None
        near = window.only(range(target - REACH, target + REACH + 1))
        self.links.update(near)
        found = propagate(near, target, box, self.links, self.views, REACH)
        frame, _ = completed(still, box, found.colour, found.seen)
        return Guess(box, as_picture(frame[box.slices]), rearrange(torch.from_numpy(found.trust), "h w -> 1 h w"))

    def of(self, window: Window, index: int) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]:
        """The frame with the guess in the hole that is still open, and its trust: 1 where the window has the pixel."""
        frame, mask, _ = window.at(window.indices.index(index))
        guess = self.held[index]
        if guess is None:
            return frame, 1 - mask
        inside = (..., *guess.box.slices)
        picture, trust, hole = frame.clone(), 1 - mask, mask[inside] > 0
        picture[inside] = torch.where(hole, guess.picture, picture[inside])
        trust[inside] = torch.where(hole, guess.trust, trust[inside])
        return picture, trust

    def drop(self, indices: Iterable[int]) -> None:
        """Forget the guesses of these frames."""
        for index in indices:
            del self.held[index]


def guesses_of_step(window: Window, wanted: Sequence[int], state: dict[str, Any]) -> FirstGuesses:
    """The guesses of the `wanted` frames of a step, held in the clip's `state`; earlier ones are dropped."""
    guesses: FirstGuesses = state.setdefault("guesses", FirstGuesses())
    guesses.drop([index for index in guesses.held if index < min(wanted)])
    guesses.update(window, wanted)
    return guesses


def first_guesses(
    frames: Float[Tensor, "t 3 h w"], masks: Float[Tensor, "t 1 h w"]
) -> tuple[Float[Tensor, "t 3 h w"], Float[Tensor, "t 1 h w"]]:
    """Every frame of a clip with the guess in its hole, and the trust. What lies under a hole is not read."""
    window = Window(tuple(range(len(frames))), frames * (1 - masks), masks, torch.zeros_like(masks))
    guesses = FirstGuesses()
    guesses.update(window, window.indices)
    pictures, trusts = zip(*(guesses.of(window, index) for index in window.indices), strict=True)
    return torch.stack(pictures), torch.stack(trusts)


def reached(targets: tuple[int, ...], length: int) -> range:
    """The frames of a clip of `length` that the guesses of `targets` need: from the first to the last of them."""
    return range(max(0, min(targets) - REACH), min(length, max(targets) + REACH + 1))


def check(first_guess: str) -> None:
    """Raise UserError unless it is a value of the configurations' `first_guess`."""
    if first_guess not in (NONE, ALIGNED):
        raise UserError(f"first_guess {first_guess!r}: is no first guess; use {NONE} or {ALIGNED}")
