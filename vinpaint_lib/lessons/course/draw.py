"""Sizes and numbers for the hidden tests, drawn from a seed."""

import random

import torch
from jaxtyping import Float
from torch import Tensor


class Draw:
    """The inputs of one hidden test: the same seed and case draw the same ones.

    case  number of the test, from 0, for inputs that go through their kinds in turn
    """

    def __init__(self, seed: int, case: int) -> None:
        self.case = case
        self.numbers = random.Random(1000 * seed + case)
        self.generator = torch.Generator().manual_seed(self.numbers.randrange(2**31))

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return self.numbers.randint(low, high)

    def sizes(self, count: int, low: int = 2, high: int = 9) -> list[int]:
        """Sizes of axes, all different, so that no axis can be taken for another."""
        return self.numbers.sample(range(low, high + 1), count)

    def number(self, low: float | int, high: float | int) -> float:
        """A number from low to high."""
        return self.numbers.uniform(low, high)

    def uniform(self, *shape: int) -> Float[Tensor, "..."]:
        """Values from 0 to 1."""
        return torch.rand(*shape, generator=self.generator)

    def normal(self, *shape: int) -> Float[Tensor, "..."]:
        """Values around 0, most between -2 and 2."""
        return torch.randn(*shape, generator=self.generator)

    def mask(self, *shape: int, share: float = 0.4) -> Float[Tensor, "..."]:
        """0 or 1, about so large a share of it 1."""
        return (self.uniform(*shape) < share).float()
