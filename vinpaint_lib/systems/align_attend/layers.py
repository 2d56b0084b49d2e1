"""Layers of Align-and-Attend: encoder, aggregation over references, residual path, flow estimator, decoder.

The note (BMVC 2020, sec. 3.1) names these parts and their inputs. Layers and widths are ours, after CPNet where CPNet
has the same part.
"""

from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.alignment.matching import NEVER
from vinpaint_lib.motion import warp

UNSURE = -2.0  # start of the composition mask's logit: an eighth of the output before


class Steady(NamedTuple):
    """Flow t -> t-1 in pixels, the composition mask, the previous output under the flow, features for the decoder."""

    flow: Float[Tensor, "b 2 h w"]
    mask: Float[Tensor, "b 1 h w"]
    warped: Float[Tensor, "b 3 h w"]
    features: Float[Tensor, "b c hf wf"]


def convolution(before: int, after: int, dilation: int = 1) -> nn.Sequential:
    """3x3 and LeakyReLU, size kept."""
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation), nn.LeakyReLU(0.2))


def halving(before: int, after: int) -> nn.Sequential:
    """4x4 with stride 2 and LeakyReLU. The kernel is even: a position covers exactly four positions of the finer map,
    so affine maps in edge coordinates (`alignment/affine.py`) hold at every scale."""
    return nn.Sequential(nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2))


class AlignAttendEncoder(nn.Module):
    """RGB and mask to features at 1/4; the same weights for target and references."""

    def __init__(self, half: int, quarter: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            halving(4, half), convolution(half, half), halving(half, quarter), convolution(quarter, quarter),
            nn.Conv2d(quarter, quarter, 3, padding=1),
        )  # fmt: skip
        start(self)

    def forward(self, frames: Float[Tensor, "n 3 h w"], masks: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c hf wf"]:
        return self.layers(torch.cat([(frames * 2 - 1) * (1 - masks), masks], dim=1))


class ResidualPath(nn.Module):
    """Pure synthesis beside the references: four dilated convolutions over the target's features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(convolution(channels, channels, dilation) for dilation in (2, 4, 8, 16)))
        start(self)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.layers(features)


def known_cells(masks: Float[Tensor, "*b 1 h w"], cell: int) -> Float[Tensor, "*b 1 hf wf"]:
    """1 for cells without any pixel of a hole."""
    return 1 - reduce(masks, "... 1 (h y) (w x) -> ... 1 h w", "max", y=cell, x=cell)


def aggregate(
    aligned: Float[Tensor, "b r c h w"],
    visible: Float[Tensor, "b r 1 h w"],
    target: Float[Tensor, "b c h w"],
    known: Float[Tensor, "b 1 h w"],
    sharpness: Tensor,
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b r 1 h w"], Float[Tensor, "b r"]]:
    """One map of all aligned references (sec. 3.1.2), the weights over references, and their distances.

    d_r is the Euclidean distance of target and reference r over the positions that both show (root of the mean square);
    position x takes softmax_r(-sharpness d_r) over the references that show x. The note's formulas are lost; its
    sentence names no minus sign, and read literally it would prefer the worst reference. That d is measured on features
    is our reading of "aligned reference frames". Positions that no reference shows are 0, with weights 0. A reference
    that shares no position with the target gets the largest distance.
    """
    both = visible * rearrange(known, "b 1 h w -> b 1 1 h w")
    gap = both * (aligned - rearrange(target, "b c h w -> b 1 c h w")).square()
    count = reduce(both, "b r 1 h w -> b r", "sum")
    mean = reduce(gap, "b r c h w -> b r", "sum") / (count * aligned.shape[2]).clamp(min=1)
    # The root has no slope at 0, where a reference equals the target.
    distance = torch.where(count > 0, (mean + 1e-6).sqrt(), 0.0)
    distance = torch.where(count > 0, distance, distance.amax(dim=1, keepdim=True))
    logits = rearrange(-sharpness * distance, "b r -> b r 1 1 1").masked_fill(visible == 0, NEVER)
    weights = logits.softmax(dim=1) * visible
    return (weights * aligned).sum(dim=1), weights, distance


def weighed(
    pixels: Float[Tensor, "b r 3 h w"],
    visible: Bool[Tensor, "b r 1 h w"],
    distance: Float[Tensor, "b r"],
    sharpness: Tensor,
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"]]:
    """One picture of the aligned pixels, weighed as `aggregate` weighs features, and a map of where it shows any."""
    logits = rearrange(-sharpness * distance, "b r -> b r 1 1 1").masked_fill(~visible, NEVER)
    weights = logits.softmax(dim=1) * visible
    return (weights * pixels).sum(dim=1), visible.any(dim=1).to(pixels)


class FlowEstimator(nn.Module):
    """Encoder and decoder over the two outputs before and the target's known part (sec. 3.1.3).

    The note feeds only the outputs. They cannot show where the content of frame t went, so we feed the target too. The
    flow starts at 0 (or at `begin`), the composition mask near 0.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.carried = 2 * width
        self.first = halving(10, width)
        self.second = nn.Sequential(halving(width, 2 * width), convolution(2 * width, 2 * width))
        self.third = nn.Sequential(halving(2 * width, 4 * width), convolution(4 * width, 4 * width, 2))
        self.up = convolution(6 * width, 2 * width)
        self.last = nn.Conv2d(2 * width, 3, 3, padding=1)
        start(self)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        self.last.bias.data = torch.tensor([0.0, 0.0, UNSURE])

    def forward(
        self,
        frame: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        previous: Float[Tensor, "b 3 h w"],
        before: Float[Tensor, "b 3 h w"],
        begin: Float[Tensor, "b 2 h w"] | None,
    ) -> Steady:
        """`previous` and `before` are the outputs t-1 and t-2 in [0, 1]; `begin` a first guess of the flow."""
        exact = torch.autocast(frame.device.type, enabled=False)
        with exact:
            placed = previous.float() if begin is None else warp.by_flow(previous.float(), begin)
        shown = (frame * 2 - 1) * (1 - mask)
        features = self.second(self.first(torch.cat([placed * 2 - 1, before * 2 - 1, shown, mask], dim=1)))
        coarse = functional.interpolate(self.third(features), scale_factor=2.0, mode="nearest")
        raw = self.last(self.up(torch.cat([coarse, features], dim=1)))
        with exact:
            raw = raw.float()
            # The flow is in pixels of the frame; neighbouring features are four pixels apart.
            features = warp.by_flow(features.float(), raw[:, :2] / 4)
            wide = functional.interpolate(raw, scale_factor=4.0, mode="bilinear", align_corners=False)
            flow = wide[:, :2] if begin is None else wide[:, :2] + begin
            moved = warp.by_flow(torch.cat([previous, torch.ones_like(mask)], dim=1).float(), flow)
            return Steady(flow, torch.sigmoid(wide[:, 2:]) * (moved[:, 3:] > 0.99), moved[:, :3], features)


class AlignAttendDecoder(nn.Module):
    """A picture from both paths and the carried features: convolutions, nearest upsampling twice (sec. 3.1.2)."""

    def __init__(self, half: int, quarter: int, carried: int) -> None:
        super().__init__()
        self.full = max(half // 2, 4)
        self.carried = carried
        self.coarse = nn.Sequential(
            convolution(2 * quarter + carried + 3, quarter),
            convolution(quarter, quarter),
            convolution(quarter, quarter),
        )
        self.middle = nn.Sequential(convolution(quarter, half), convolution(half, half))
        self.fine = nn.Sequential(convolution(half, self.full), convolution(self.full, self.full))
        self.last = nn.Conv2d(self.full, 3, 3, padding=1)
        start(self)
        self.last.weight.data.mul_(0.1)  # grey, not noise

    def forward(
        self,
        path: Float[Tensor, "b c hf wf"],
        residual: Float[Tensor, "b c hf wf"],
        hole: Float[Tensor, "b 1 hf wf"],
        filled: Float[Tensor, "b 1 hf wf"],
        steady: Steady | None,
    ) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b d h w"]]:
        """A picture in [-1, 1] (not clamped), float32, and the features in front of it."""
        if steady is None:
            carried, there = path.new_zeros(len(path), self.carried, *path.shape[-2:]), torch.zeros_like(hole)
        else:
            carried, there = steady.features, torch.ones_like(hole)
        # The masks distinguish positions that both stages left empty from positions that they filled.
        x = self.coarse(torch.cat([path, residual, carried, hole, hole * filled, there], dim=1))
        x = self.middle(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        x = self.fine(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.last(x).float(), x


class Merge(nn.Module):
    """Merges the decoder's picture and the copied pixels: a weight for each pixel, and a correction (ours).

    It starts with three quarters of the copy and no correction.
    """

    def __init__(self, full: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(convolution(full + 8, full), convolution(full, full))
        self.last = nn.Conv2d(full, 4, 3, padding=1)
        start(self)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        self.last.bias.data = torch.tensor([0.0, 0.0, 0.0, 1.1])

    def forward(
        self,
        features: Float[Tensor, "b d h w"],
        own: Float[Tensor, "b 3 h w"],
        base: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        covered: Float[Tensor, "b 1 h w"],
    ) -> Float[Tensor, "b 3 h w"]:
        """All pictures in [-1, 1]; float32."""
        x = torch.cat([features, own, base, mask, mask * covered], dim=1)
        found = self.last(self.layers(x)).float()
        share = torch.sigmoid(found[:, 3:])
        return share * base + (1 - share) * own + found[:, :3]


def start(part: nn.Module) -> None:
    """Kaiming weights, biases zero."""
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2, nonlinearity="leaky_relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
