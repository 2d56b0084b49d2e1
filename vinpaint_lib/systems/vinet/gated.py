"""Gated convolutions: one half of a convolution's channels paints, the other half says where the painting counts.

VINet's layers, named as in its released weights. `conv` has 2 C channels, phi and gate; out = sigmoid(gate) a(phi).
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class PlanarConv3d(nn.Conv3d):
    """A (1, k, k) convolution. Its weights are 3D, as released; it runs on single pictures as a 2D convolution."""

    def __init__(self, before: int, after: int, dilation: int = 1) -> None:
        pads = (0, dilation, dilation)
        super().__init__(before, after, (1, 3, 3), padding=pads, dilation=(1, dilation, dilation), bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        flat = rearrange(self.weight, "d c 1 kh kw -> d c kh kw")
        return functional.conv2d(x, flat, padding=self.padding[1:], dilation=self.dilation[1:])


def gated(both: Float[Tensor, "b c2 *_"], slope: float = 0.0) -> Float[Tensor, "b c *_"]:
    """sigmoid(gate) * ReLU(phi); with a `slope`, LeakyReLU."""
    phi, gate = both.chunk(2, dim=1)
    return torch.sigmoid(gate) * (functional.leaky_relu(phi, slope) if slope else functional.relu(phi))


class GatedConv(nn.Module):
    """3x3, no bias, no norm. `planar`: weights as a (1, 3, 3) convolution."""

    def __init__(self, before: int, after: int, stride: int = 1, dilation: int = 1, planar: bool = False) -> None:
        super().__init__()
        self.conv: nn.Module = (
            PlanarConv3d(before, 2 * after, dilation)
            if planar
            else nn.Conv2d(before, 2 * after, 3, stride, padding=dilation, dilation=dilation, bias=False)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return gated(self.conv(x))


class GatedUpConv(nn.Module):
    """Bilinear to twice the size, then a gated (1, 3, 3) convolution with LeakyReLU."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), PlanarConv3d(before, 2 * after))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return gated(self.conv(x), slope=0.2)


class GatedStack(nn.Module):
    """A gated (T, 3, 3) convolution that makes one map of T maps."""

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, 2 * channels, (length, 3, 3), padding=(0, 1, 1), bias=False)

    def forward(self, maps: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b c h w"]:
        # The kernel makes one step in time. A 2D convolution over frames and channels gives the same and is faster.
        weight = rearrange(self.conv.weight, "d c t kh kw -> d (t c) kh kw")
        return gated(functional.conv2d(rearrange(maps, "b t c h w -> b (t c) h w"), weight, padding=1))


class Aggregator(nn.Module):
    """The spatio-temporal aggregation of T maps into one."""

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        self.stAgg = GatedStack(channels, length)

    def forward(self, maps: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b c h w"]:
        return self.stAgg(maps)


class ConvLSTM(nn.Module):
    """The memory: a long short-term memory whose gates are one 3x3 convolution of input and hidden state."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.Gates = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1)

    def forward(
        self, x: Float[Tensor, "b c h w"], memory: tuple[Tensor, Tensor] | None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        """The new (hidden, cell), float32; `memory` is the result for the frame before, None means zeros.

        Gates in the order in, forget, out, new: cell = f c + i g, hidden = o tanh(cell). As i, f and g are bounded,
        and f < 1, the cell cannot grow without bound on long clips unless f saturates; hidden stays within +-1.
        """
        hidden, cell = (torch.zeros_like(x, dtype=torch.float32),) * 2 if memory is None else memory
        gates = self.Gates(torch.cat([x, hidden.to(x.dtype)], dim=1)).float()
        put, keep, show, new = gates.chunk(4, dim=1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(put) * torch.tanh(new)
        return torch.sigmoid(show) * torch.tanh(cell), cell
