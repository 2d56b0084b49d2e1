"""The painter: a network that completes a single picture (ours; the papers that we follow name such networks).

DFVI leaves what no flow reaches to a network for single pictures, Align-and-Attend has a residual path for it, and
TGF-Net says that the network must synthesise what no reference shows. None of our sources gives layers. This one is an
encoder to 1/8, blocks that see the whole picture, and a decoder with shortcuts.

A block sees far in two ways. Its second convolution is dilated, and one part of its channels goes through the picture's
spectrum: a 1x1 convolution of all Fourier coefficients changes every place at once (fast Fourier convolution, Chi,
Jiang, Mu 2020; used for holes by LaMa, Suvorov et al. 2022). A texture that repeats is a few coefficients.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.holes.box import Box, bounding_box

SLOPE = 0.2  # of every LeakyReLU
MULTIPLE = 8  # sides of the pictures that the network takes


@dataclass(frozen=True)
class Config:
    """Sizes of the network.

    width      channels at 1/2; 1/4 has twice, 1/8 four times as many
    dilations  of each block's second convolution; as many blocks
    spectral   channels of a block that go through the spectrum
    tail       channels at full size
    margin     pixels around the hole that are looked at
    """

    width: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4)
    spectral: int = 64
    tail: int = 16
    margin: int = 64


CONFIGS = {"small": Config(), "tiny": Config(width=8, dilations=(1, 2), spectral=8, tail=8, margin=16)}


class Spectral(nn.Module):
    """Two 1x1 convolutions around one that mixes the Fourier coefficients of all channels, place by place of them."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, inner, 1)
        self.mix = nn.Conv2d(2 * inner, 2 * inner, 1)
        self.leave = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        entered = functional.leaky_relu(self.enter(x), SLOPE).float()
        # Orthonormal, so that coefficients and pixels have the same scale at every size.
        found = torch.view_as_real(torch.fft.rfft2(entered, norm="ortho"))
        mixed = functional.leaky_relu(self.mix(rearrange(found, "b c u v ri -> b (ri c) u v")), SLOPE)
        parts = rearrange(mixed.float(), "b (ri c) u v -> b c u v ri", ri=2).contiguous()
        back = torch.fft.irfft2(torch.view_as_complex(parts), s=entered.shape[-2:], norm="ortho")
        return self.leave(entered + back)


class Block(nn.Module):
    """x += conv(conv(x) + spectral(x)); the second convolution is dilated."""

    def __init__(self, channels: int, spectral: int, dilation: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(channels, channels, 3, padding=1)
        self.everywhere = Spectral(channels, spectral)
        self.far = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        seen = functional.leaky_relu(self.near(x) + self.everywhere(x), SLOPE)
        return x + self.far(seen)


class Painter(nn.Module):
    """Completes pictures; see the module. `forward` is the bare network, `paint` fills a hole of any size of frame."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth, tail = config.width, 2 * config.width, 4 * config.width, config.tail
        self.to_half = nn.Conv2d(4, half, 5, stride=2, padding=2)
        self.to_quarter = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.to_eighth = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(eighth, config.spectral, each) for each in config.dilations)
        self.up_quarter = nn.Conv2d(eighth, quarter, 1)
        self.at_quarter = nn.Conv2d(quarter, quarter, 3, padding=1)
        self.up_half = nn.Conv2d(quarter, half, 1)
        self.at_half = nn.Conv2d(half, half, 3, padding=1)
        self.up_full = nn.Conv2d(half, tail, 1)
        self.at_full = nn.Conv2d(tail + 4, tail, 3, padding=1)
        self.out = nn.Conv2d(tail, 3, 3, padding=1)
        initialise(self)

    def forward(self, picture: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 3 h w"]:
        """`picture` in [0, 1] (its hole is blanked here) and its hole in; a whole picture out, raw, not composited.

        Height and width must divide by 8.
        """
        shown = torch.cat([(picture * 2 - 1) * (1 - mask), mask], dim=1)
        at_half = act(self.to_half(shown))
        at_quarter = act(self.to_quarter(at_half))
        x = act(self.to_eighth(at_quarter))
        for block in self.blocks:
            x = block(x)
        x = act(self.at_quarter(at_quarter + doubled(self.up_quarter(act(x)))))
        x = act(self.at_half(at_half + doubled(self.up_half(x))))
        x = act(self.at_full(torch.cat([doubled(self.up_full(x)), shown], dim=1)))
        return self.out(x).float() / 2 + 0.5

    def paint(self, picture: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"]) -> Float[Tensor, "3 h w"]:
        """`picture` with its hole painted, in [0, 1]; the known pixels stay. Sides must divide by 8.

        Only a box around the hole is looked at: what is farther than `margin` changes nothing.
        """
        box = bounding_box(mask.cpu(), self.config.margin, MULTIPLE)
        if box is None:
            return picture
        return painted_in(self, picture, mask, box)


def painted_in(
    painter: Painter, picture: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"], box: Box
) -> Float[Tensor, "3 h w"]:
    """`picture` with its hole painted from what `box` holds of it."""
    cut = box.slices
    known, hole = picture[:, *cut], mask[:, *cut]
    made = painter(rearrange(known, "c h w -> 1 c h w"), rearrange(hole, "c h w -> 1 c h w"))[0].clamp(0, 1)
    result = picture.clone()
    result[:, *cut] = torch.where(hole > 0, made.to(known), known)
    return result


def act(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


def doubled(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Twice the size, by repeating each cell: a convolution follows."""
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def initialise(net: Painter) -> None:
    """Kaiming weights. What a block adds, and the picture, start at a tenth: as a near identity, and as grey."""
    for name, part in net.named_modules():
        if not isinstance(part, nn.Conv2d):
            continue
        nn.init.kaiming_normal_(part.weight, a=SLOPE, nonlinearity="leaky_relu")
        assert part.bias is not None
        nn.init.zeros_(part.bias)
        if name == "out" or name.endswith((".far", ".leave")):
            part.weight.data.mul_(0.1)
