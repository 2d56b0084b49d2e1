"""The parts of CPNet (ICCV 2019): alignment encoder and regressor, copy encoder, context matching, paste decoder.

Layers and names are those of the released weights; widths are multiples of `width`, 64 as released.
"""

import torch
from einops import einsum, rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.losses.features import IMAGENET_MEAN, IMAGENET_STD


class Conv(nn.Module):
    """A convolution that keeps the size at stride 1, and ReLU unless `plain`."""

    def __init__(self, before: int, after: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1, plain=False):
        super().__init__()
        padding = dilation * (kernel // 2)
        conv = nn.Conv2d(before, after, kernel, stride=stride, padding=padding, dilation=dilation)
        nn.init.kaiming_normal_(conv.weight)
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
        self.conv = nn.Sequential(conv) if plain else nn.Sequential(conv, nn.ReLU())

    @property
    def weight(self) -> Tensor:
        """The convolution's weight."""
        return next(self.parameters())

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.conv(x)


class Normalised(nn.Module):
    """A part that sees or gives colours around ImageNet's mean, in units of its deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", rearrange(torch.tensor(IMAGENET_MEAN), "c -> 1 c 1 1"))
        self.register_buffer("std", rearrange(torch.tensor(IMAGENET_STD), "c -> 1 c 1 1"))

    def seen(self, frames: Float[Tensor, "b 3 h w"], plane: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 4 h w"]:
        """What an encoder sees: colours and a fourth plane."""
        return torch.cat([(frames - self.mean) / self.std, plane], dim=1)


class AlignEncoder(Normalised):
    """Frames and their holes to features (4 width) at 1/8 of a square of `side` pixels, whatever the frame's size."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.conv12 = Conv(4, width, 5, stride=2)
        self.conv2 = Conv(width, width)
        self.conv23 = Conv(width, 2 * width, stride=2)
        self.conv3 = Conv(2 * width, 2 * width)
        self.conv34 = Conv(2 * width, 4 * width, stride=2)
        self.conv4a = Conv(4 * width, 4 * width)
        self.conv4b = Conv(4 * width, 4 * width)

    def forward(self, frames: Float[Tensor, "b 3 h w"], holes: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c s s"]:
        size = (self.side, self.side)
        x = functional.interpolate(self.seen(frames, holes), size, mode="bilinear", align_corners=False)
        for part in (self.conv12, self.conv2, self.conv23, self.conv3, self.conv34, self.conv4a, self.conv4b):
            x = part(x)
        return x


class AlignRegressor(nn.Module):
    """Features of target and reference to the six parameters of an affine map, the identity before training.

    `twice`: the two layers at 1/16 are used again at 1/32, as in the released code. There, the two layers that were
    made for 1/32 are never called; the authors have confirmed it.
    """

    def __init__(self, channels: int, *, twice: bool) -> None:
        super().__init__()
        self.twice = twice
        self.conv45 = Conv(channels, channels, stride=2)
        self.conv5a = Conv(channels, channels)
        self.conv5b = Conv(channels, channels)
        self.conv56 = Conv(channels, channels, stride=2)
        self.conv6a = Conv(channels, channels)
        self.conv6b = Conv(channels, channels)
        self.fc = nn.Linear(channels, 6)
        nn.init.zeros_(self.fc.weight)
        self.fc.bias.data.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, target: Float[Tensor, "b c s s"], reference: Float[Tensor, "b c s s"]) -> Float[Tensor, "b 2 3"]:
        last = (self.conv5a, self.conv5b) if self.twice else (self.conv6a, self.conv6b)
        x = torch.cat([target, reference], dim=1)
        for part in (self.conv45, self.conv5a, self.conv5b, self.conv56, *last):
            x = part(x)
        return rearrange(self.fc(reduce(x, "b c h w -> b c", "mean")), "b (i j) -> b i j", i=2)


class CopyEncoder(Normalised):
    """Frames and a fourth plane to features (2 width) at 1/4, without an activation at the end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv12 = Conv(4, width, 5, stride=2)
        self.conv2 = Conv(width, width)
        self.conv23 = Conv(width, 2 * width, stride=2)
        self.conv3 = Conv(2 * width, 2 * width)
        self.value3 = Conv(2 * width, 2 * width, plain=True)

    def forward(self, frames: Float[Tensor, "b 3 h w"], plane: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c hf wf"]:
        x = self.seen(frames, plane)
        for part in (self.conv12, self.conv2, self.conv23, self.conv3, self.value3):
            x = part(x)
        return x


class PasteDecoder(Normalised):
    """Features of the target, copied features and what no reference shows, at 1/4, to a picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        given = 4 * width + 1
        self.conv4 = Conv(given, given)
        self.conv5_1 = Conv(given, given)
        self.conv5_2 = Conv(given, given)
        self.convA4_1 = Conv(given, given, dilation=2)
        self.convA4_2 = Conv(given, given, dilation=4)
        self.convA4_3 = Conv(given, given, dilation=8)
        self.convA4_4 = Conv(given, given, dilation=16)
        self.conv3c = Conv(given, given)
        self.conv3b = Conv(given, 2 * width)
        self.conv3a = Conv(2 * width, 2 * width)
        self.conv32 = Conv(2 * width, width)
        self.conv2 = Conv(width, width)
        self.conv21 = Conv(width, 3, 5, plain=True)

    def forward(self, x: Float[Tensor, "b c hf wf"]) -> Float[Tensor, "b 3 h w"]:
        """Colours around the mean, in units of the deviation."""
        for part in (self.conv4, self.conv5_1, self.conv5_2):
            x = part(x)
        for part in (self.convA4_1, self.convA4_2, self.convA4_3, self.convA4_4, self.conv3c, self.conv3b, self.conv3a):
            x = part(x)
        x = functional.interpolate(x, scale_factor=2, mode="nearest")
        x = self.conv2(self.conv32(x))
        return self.conv21(functional.interpolate(x, scale_factor=2, mode="nearest"))


def shrunk(visible: Float[Tensor, "b n 1 h w"], size: tuple[int, int]) -> Float[Tensor, "b n 1 hf wf"]:
    """A visibility (0 or 1) at the size of the features: 1 where the bilinear value is above 1/2."""
    flat = rearrange(visible, "b n 1 h w -> b n h w")
    if not flat.shape[1]:
        return visible.new_zeros(*visible.shape[:3], *size)
    small = functional.interpolate(flat, size, mode="bilinear", align_corners=False)
    return rearrange((small > 0.5).to(visible.dtype), "b n h w -> b n 1 h w")


def similarities(
    target: Float[Tensor, "b c h w"],
    references: Float[Tensor, "b n c h w"],
    target_visible: Float[Tensor, "b 1 h w"],
    visible: Float[Tensor, "b n 1 h w"],
) -> Float[Tensor, "b n"]:
    """g_r: one number a reference, the mean product of its features and the target's where both are visible (0 where
    nothing is)."""
    both = einsum(target_visible, visible, "b one h w, b n one h w -> b n h w")
    product = einsum(target, references, both, "b c h w, b n c h w, b n h w -> b n")
    count = reduce(both, "b n h w -> b n", "sum")
    return product / (target.shape[1] * count.clamp(min=1))


def shares(similarity: Float[Tensor, "b n"], visible: Float[Tensor, "b n 1 h w"]) -> Float[Tensor, "b n 1 h w"]:
    """w_r(x) = V_r(x) e^(g_r) / sum_q V_q(x) e^(g_q), the share of each reference at each place; 0 where none shows
    the place."""
    if not similarity.shape[1]:
        return visible
    logits = rearrange(similarity, "b n -> b n 1 1 1") + (visible - 1) * 1e4
    return logits.float().softmax(dim=1).to(visible) * visible
