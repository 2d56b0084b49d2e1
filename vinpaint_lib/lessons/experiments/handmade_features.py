"""A feature network without weights: fixed filters, for lessons on a machine that has no VGG-16.

It stands in for `losses.features.FeatureNet` and is built like it (filters, ReLU, pooling, again), so that Gram
matrices, gradients and their shapes can be shown. Nothing in it was learned: it knows edges, colours and coarse
texture, but no objects. The paper's loss weights were not chosen for it.
"""

from collections.abc import Sequence

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.losses.features import IMAGENET_MEAN, IMAGENET_STD

# Opponent colours of normalised RGB: light against dark, red against green, yellow against blue.
COLOURS = ((1 / 3, 1 / 3, 1 / 3), (1 / 2, -1 / 2, 0), (1 / 4, 1 / 4, -1 / 2))
SMOOTH = ((1, 2, 1), (2, 4, 2), (1, 2, 1))
SLOPE = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
DIAGONAL = ((-2, -1, 0), (-1, 0, 1), (0, 1, 2))
# With these gains photographs give mean activations of about 0.5, 4 and 4; VGG-16 has 0.5 in relu1_1, 4 in relu2_1.
GAINS = (5.0, 20.0, 2.0)


class HandmadeFeatures(nn.Module):
    """Three layers, each at half the size of the layer before (`FeatureNet` has five).

    "colours" (24 channels): each opponent colour, smoothed and as slopes along x, y and one diagonal, both signs.
    "edges" (72): for each of these channels a smooth part and slopes along x and y. "texture" (216): the same again for
    each of the 72.
    """

    name = "handmade"
    layers = ("colours", "edges", "texture")
    mean: Tensor
    std: Tensor
    colours: Tensor
    first: Tensor
    later: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", rearrange(torch.tensor(IMAGENET_MEAN), "c -> c 1 1"))
        self.register_buffer("std", rearrange(torch.tensor(IMAGENET_STD), "c -> c 1 1"))
        smooth, slope, diagonal = kernel(SMOOTH), kernel(SLOPE), kernel(DIAGONAL)
        signed = [sign * each for each in (smooth, slope, slope.T, diagonal) for sign in (1, -1)]
        self.register_buffer("colours", rearrange(torch.tensor(COLOURS), "o c -> o c 1 1"))
        self.register_buffer("first", rearrange(torch.stack(signed), "k h w -> k 1 h w"))
        self.register_buffer("later", rearrange(torch.stack([smooth, slope, slope.T]), "k h w -> k 1 h w"))

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Activations of RGB pictures in [0, 1], from fine to coarse; sides divisible by 4."""
        opponents = functional.conv2d((image - self.mean) / self.std, self.colours.to(image))
        activations = [filtered(opponents, GAINS[0] * self.first)]
        for gain in GAINS[1:]:
            smaller = reduce(activations[-1], "b c (h fh) (w fw) -> b c h w", "mean", fh=2, fw=2)
            activations.append(filtered(smaller, gain * self.later))
        return activations


def kernel(rows: Sequence[Sequence[int]]) -> Float[Tensor, "3 3"]:
    """A filter whose absolute values sum to one."""
    values = torch.tensor(rows, dtype=torch.float32)
    return values / values.abs().sum()


def filtered(x: Float[Tensor, "b c h w"], kernels: Float[Tensor, "k 1 3 3"]) -> Float[Tensor, "b d h w"]:
    """Every channel with every kernel, then ReLU; the edge repeats, so that a frame's border is no edge."""
    channels = x.shape[1]
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    bank = repeat(kernels.to(x), "k 1 h w -> (c k) 1 h w", c=channels)
    return functional.relu(functional.conv2d(padded, bank, groups=channels))
