"""What the fusion of TGF-Net costs: parameters and multiply-adds, by formula and counted (sec. D)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class Cost(NamedTuple):
    """The parameters of a module, and the multiply-adds of one forward pass; additions of biases are not counted."""

    parameters: int
    multiply_adds: int

    def __add__(self, other: tuple) -> "Cost":
        return Cost(self.parameters + other[0], self.multiply_adds + other[1])


def stream(
    channels: int, width: int, size: int, depth: int, references: int, cells: int, *, shared: bool = True
) -> Cost:
    """One `fusion.Stream`: a size x size x 2 convolution over every pair, then `depth` of size x size.

    channels in, width out; `cells` = height times width of the feature map; one target with `references` references.
    `shared` computes the target's half once for all groups, as the library does; otherwise once for each.
    """
    square = size * size
    parameters = 2 * square * channels * width + width + depth * (square * width * width + width)
    halves = references + (1 if shared else references)
    products = halves * square * channels * width + references * depth * square * width * width
    return Cost(parameters, cells * products)


def block(
    channels: int, width: int, sizes: Sequence[int], depth: int, references: int, cells: int, *, shared: bool = True
) -> Cost:
    """`fusion.IntraGroupFusion`: a stream for each size, then 1x1 from all of them back to `channels`."""
    total = Cost(len(sizes) * width * channels + channels, cells * references * len(sizes) * width * channels)
    for size in sizes:
        total += stream(channels, width, size, depth, references, cells, shared=shared)
    return total


def counted(module: nn.Module, *shapes: tuple[int, ...]) -> Cost:
    """The same, counted: the module's parameters, and torch's count of a forward pass on inputs of these shapes.

    Everything happens on torch's "meta" device, which knows shapes only: nothing is computed, so size costs nothing.
    """
    abstract = module.to("meta")
    inputs: list[Tensor] = [torch.empty(shape, device="meta") for shape in shapes]
    with FlopCounterMode(display=False) as counter:
        abstract(*inputs)
    # torch counts a multiply-add as two operations.
    return Cost(sum(weight.numel() for weight in abstract.parameters()), counter.get_total_flops() // 2)
