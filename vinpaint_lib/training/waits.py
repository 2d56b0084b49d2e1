"""Counts where a step waits for the device: where Python asks for a number that a GPU has yet to compute."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

ASKS = {
    getattr(Tensor, name): name
    for name in ("item", "tolist", "numpy", "cpu", "nonzero", "__bool__", "__float__", "__int__", "__index__")
} | {torch.nonzero: "nonzero", torch.masked_select: "masked_select", torch.allclose: "allclose", torch.equal: "equal"}
CHOOSES = {Tensor.__getitem__: "index by a mask", Tensor.__setitem__: "assign by a mask"}


class Waits(TorchFunctionMode):
    """Counts, while it is entered, every call that makes the caller wait for the device.

    counts   how often, by the name of the call

    A CPU never waits for itself, but it runs the same calls. So the count of a step is the same on a machine without a
    GPU. A copy to the device that torch makes by itself (`torch.tensor(..., device=...)`) is not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in ASKS:
            self.counts[ASKS[func]] += 1
        elif func in CHOOSES and holds_a_mask(args[1]):
            self.counts[CHOOSES[func]] += 1
        return func(*args, **(kwargs or {}))


def holds_a_mask(index: Any) -> bool:
    """Whether an index chooses by booleans: the number of chosen values must be known before the result is made."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8) for part in parts)
