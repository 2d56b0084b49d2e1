"""Receptive fields of convolutions: which pixels a cell of a feature map can see, and to which of them it reacts.

Arithmetic over (kernel, stride) pairs answers the first question, a gradient the second. TGF-Net sec. C, for
`PyramidEncoder`.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.systems.tgfnet.encoder import PyramidEncoder


class Field(NamedTuple):
    """What one cell of a layer sees of the input, along one axis; the fields are squares.

    size   pixels a side
    step   pixels from the field of one cell to the field of the next cell
    first  first pixel of cell 0's field; below 0 it lies in the padding
    """

    size: int
    step: int
    first: int

    def span(self, cell: int) -> tuple[int, int]:
        """First and last pixel that `cell` sees, both included; they may lie outside of the picture."""
        return self.first + self.step * cell, self.first + self.step * cell + self.size - 1


def field(layers: Iterable[tuple[int, int]]) -> Field:
    """The field behind `layers`, a (kernel, stride) pair for each convolution, padded by kernel // 2.

    A kernel of k cells adds k - 1 steps of the layer below; a stride multiplies the step. Without layers a pixel sees
    itself.
    """
    size, step, first = 1, 1, 0
    for kernel, stride in layers:
        first -= (kernel // 2) * step
        size += (kernel - 1) * step
        step *= stride
    return Field(size, step, first)


def layers_of(encoder: PyramidEncoder, level: int) -> list[tuple[int, int]]:
    """(kernel, stride) of the convolutions up to stage `level`: 0 is scale 1/2, 2 is scale 1/8."""
    convs = (conv for stage in list(encoder.stages.children())[: level + 1] for conv in stage.children())
    return [(conv.kernel_size[0], conv.stride[0]) for conv in convs if isinstance(conv, nn.Conv2d)]


def sensitivity(encoder: PyramidEncoder, pixels: Float[Tensor, "b c h w"], level: int) -> Float[Tensor, "h w"]:
    """How strongly the cell in the middle of scale 1/2, 1/4, 1/8 (`level` 0, 1, 2) reacts to each pixel.

    The effective receptive field: squared derivatives of all the cell's features by all channels of a pixel, mean over
    the batch, scaled to sum to one (all 0 if nothing reacts). The cell's field must lie inside of the picture for the
    result to be free of the padding. Sides must divide by 8.
    """
    total = torch.zeros_like(pixels[0, 0])
    for picture in pixels:
        with torch.no_grad():
            width = encoder(picture[None])[level].shape[1]
        # One copy of the picture for each feature, so that one backward pass gives the derivatives of all of them.
        copies = repeat(picture, "c h w -> k c h w", k=width).clone().requires_grad_()
        features = encoder(copies)[level]
        middle = features[:, :, features.shape[-2] // 2, features.shape[-1] // 2]
        (slopes,) = torch.autograd.grad(middle.diagonal().sum(), copies)
        total += reduce(slopes.square(), "k c h w -> h w", "sum")
    return total / total.sum().clamp(min=torch.finfo(total.dtype).tiny)


def width_holding(share: float, sensitive: Float[Tensor, "h w"], centre: tuple[int, int]) -> int:
    """Side in pixels of the smallest square around the pixel `centre` (row, column) that holds `share` of the sum."""
    wanted = share * float(sensitive.sum())
    row, column = centre
    for radius in range(max(sensitive.shape)):
        inside = sensitive[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
        if float(inside.sum()) >= wanted:
            return 2 * radius + 1
    return 2 * max(sensitive.shape) - 1


def touched(mask: Float[Tensor, "b 1 h w"], seen: Field) -> Float[Tensor, "b 1 hs ws"]:
    """1 for each cell whose field holds a hole pixel (mask 1): its feature depends on what the hole was filled with."""
    return functional.max_pool2d(mask, seen.size, stride=seen.step, padding=-seen.first)


def swallowed(mask: Float[Tensor, "b 1 h w"], seen: Field) -> Float[Tensor, "b 1 hs ws"]:
    """1 for each cell whose field holds hole pixels only. A field that reaches over the picture's edge gives 0."""
    return 1 - functional.max_pool2d(1 - pad(mask, seen), seen.size, stride=seen.step)


def pad(mask: Float[Tensor, "b 1 h w"], seen: Field) -> Float[Tensor, "b 1 _ _"]:
    """The mask with a known rim as wide as the fields reach over the edge."""
    return functional.pad(mask, [-seen.first] * 4, value=0.0)


def relative_error(features: Float[Tensor, "b c h w"], truth: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """Distance of two feature vectors in each cell, divided by the mean length of the true ones."""
    distance = reduce((features - truth).square(), "b c h w -> b 1 h w", "sum").sqrt()
    length = reduce(truth.square(), "b c h w -> b 1 h w", "sum").sqrt()
    return distance / rearrange(reduce(length, "b 1 h w -> b", "mean"), "b -> b 1 1 1")
