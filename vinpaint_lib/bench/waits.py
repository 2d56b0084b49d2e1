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
# These copy numbers of the CPU to a device, and return when the copy is done, behind all work given before.
SENDS = {torch.tensor: "tensor", torch.as_tensor: "as_tensor", Tensor.new_tensor: "new_tensor"}
# These ask the device whether there is a solution.
CHECKS = {torch.linalg.solve: "solve", torch.linalg.inv: "inv", torch.inverse: "inv", torch.linalg.cholesky: "cholesky"}
CALLS = ASKS | SENDS | CHECKS
CHOOSES = {Tensor.__getitem__: "index by a mask", Tensor.__setitem__: "assign by a mask"}


class Waits(TorchFunctionMode):
    """Counts, while it is entered, the calls that make the caller wait for the device.

    counts   how often, by the name of the call

    A CPU never waits for itself, but it runs the same calls. So the count of a step is the same on a machine without a
    GPU. A number that is made without naming a device stays on the CPU, and does not count. Not seen is `to` (on one
    device it copies nothing), and what torch does inside of its own calls.
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
        kwargs = kwargs or {}
        sent = func not in SENDS or func is Tensor.new_tensor or kwargs.get("device") is not None
        if func in CALLS and sent:
            self.counts[CALLS[func]] += 1
        elif func in CHOOSES and holds_a_mask(args[1]):
            self.counts[CHOOSES[func]] += 1
        return func(*args, **kwargs)


def holds_a_mask(index: Any) -> bool:
    """Whether an index chooses by booleans: the number of chosen values must be known before the result is made."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8) for part in parts)
