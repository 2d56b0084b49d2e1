"""Feature flow (VINet sec. 3.2.1): where the features of one frame lie in another frame, and the warp along the flow.

A flow is in pixels of its scale, channel 0 = x, and leads from the reference to the source.
Correlations and warps are float32; autocast rounds the convolutions, and so the flows that they give, to bf16.
Modules are named as in the released weights.
"""

from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.motion import warp
from vinpaint_lib.systems.vinet.correlation import correlate

SLOPE = 0.1
DILATIONS = (1, 2, 4, 8, 16, 1, 1)  # of the context network


def layer(before: int, after: int, dilation: int = 1) -> nn.Sequential:
    """3x3 convolution with bias, LeakyReLU."""
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation), nn.LeakyReLU(SLOPE))


class Context(nn.Module):
    """Seven convolutions of large receptive field correct a first estimate; the last has a LeakyReLU too [code]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = (width + 2, 4 * width, 4 * width, 4 * width, 3 * width, 2 * width, width, 2)
        pairs = zip(pairwise(sizes), DILATIONS, strict=True)
        self.convs = nn.Sequential(*(layer(before, after, dilation) for (before, after), dilation in pairs))

    @property
    def last(self) -> nn.Conv2d:
        found = self.get_submodule("convs.6.0")
        assert isinstance(found, nn.Conv2d)
        return found

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 2 h w"]:
        return self.convs(x)


class Estimator(nn.Module):
    """Five convolutions, a first flow, and the context network's correction (where there is `context`)."""

    def __init__(self, before: int, width: int, context: bool) -> None:
        super().__init__()
        sizes = (before, 4 * width, 4 * width, 3 * width, 2 * width, width)
        self.convs = nn.Sequential(*(layer(before, after) for before, after in pairwise(sizes)))
        self.conv1 = nn.Conv2d(width, 2, 3, padding=1)
        self.convs_fine = Context(width) if context else None

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 2 h w"]:
        x = self.convs(x)
        first = self.conv1(x)
        if self.convs_fine is None:
            return first.float()
        return (first + self.convs_fine(torch.cat([x, first], dim=1))).float()

    def start_still(self) -> None:
        """Set the last layers to zero: the flow is no motion until training changes it."""
        nn.init.zeros_(self.conv1.weight)
        if self.convs_fine is not None:
            nn.init.zeros_(self.convs_fine.last.weight)


class FlowNet(nn.Module):
    """Correlation and estimator of one scale. With `refines` it gets a coarse flow and gives the correction of it.

    With `cosine` features are first brought to equal length, so that the correlation compares directions.
    """

    def __init__(self, channels: int, width: int, radius: int, *, refines: bool, cosine: bool, context: bool) -> None:
        super().__init__()
        self.radius, self.cosine = radius, cosine
        self.flow_estimator = Estimator(channels + (2 * radius + 1) ** 2 + 2 * refines, width, context)

    def forward(
        self,
        reference: Float[Tensor, "n c h w"],
        source: Float[Tensor, "n c h w"],
        coarse: Float[Tensor, "n 2 h w"] | None = None,
    ) -> Float[Tensor, "n 2 h w"]:
        """Flow from `reference` to `source`; where `coarse` is given, `source` is already warped by it."""
        a, b = reference.float(), source.float()
        if self.cosine:
            # Divided by the root of the mean square, so that the mean over channels is a cosine.
            a, b = (x * torch.rsqrt((x * x).mean(dim=1, keepdim=True) + 1e-6) for x in (a, b))
        seen = [reference.float(), correlate(a, b, self.radius)]
        return self.flow_estimator(torch.cat(seen if coarse is None else [*seen, coarse], dim=1))


class MaskNet(nn.Module):
    """Composition mask m in (0, 1), from the distance of reference and aggregated features; 0 keeps the reference."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.convs = nn.Sequential(
            layer(channels, half), layer(half, half), nn.Conv2d(half, 1, 3, padding=1), nn.Sigmoid()
        )

    @property
    def last(self) -> nn.Conv2d:
        found = self.convs[2]
        assert isinstance(found, nn.Conv2d)
        return found

    def forward(self, reference: Float[Tensor, "b c h w"], other: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        return self.convs((reference - other).abs()).float()


def doubled(flow: Float[Tensor, "n 2 h w"], times: int = 2) -> Float[Tensor, "n 2 h2 w2"]:
    """The flow at a finer scale: `times` as many pixels a side, and each vector `times` as long."""
    return times * functional.interpolate(flow, scale_factor=times, mode="bilinear", align_corners=False)


def clamped(image: Float[Tensor, "n c h w"], flow: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n c h w"]:
    """Backward warp that repeats the border's pixels beyond it, as the released operator does at full size."""
    height, width = image.shape[-2:]
    at = (flow.float() + warp.pixel_grid(height, width, flow.device)).clamp(min=0)
    last = rearrange(warp.beside([width - 1.0, height - 1.0], at), "xy -> xy 1 1")
    return warp.sample(image.float(), torch.minimum(at, last))


def zero_outside(image: Float[Tensor, "n c h w"], flow: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n c h w"]:
    """Backward warp with zeros beyond the border, as features are warped; float32."""
    return warp.by_flow(image.float(), flow.float())
