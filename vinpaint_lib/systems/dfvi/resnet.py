"""The network of DFVI (CVPR 2019) that completes flow, in the released layout: a dilated ResNet to 1/8, and a head.

Strides stand in a block's first layer, and normalisation has fixed statistics, as in the released code. Its authors
began with ImageNet's weights and kept scales and shifts too. We have no such weights: here, scales and shifts learn.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

EXPANSION = 4  # a block's channels beyond its inner ones


class FixedNorm(nn.Module):
    """Batch normalisation whose mean and variance do not change."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, training=False)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, added to the input, which `reshaped` brings to the same shape."""

    def __init__(self, before: int, inner: int, stride: int, dilation: int, *, reshaped: bool) -> None:
        super().__init__()
        after = EXPANSION * inner
        self.conv1 = nn.Conv2d(before, inner, 1, stride=stride, bias=False)
        self.bn1 = FixedNorm(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = FixedNorm(inner)
        self.conv3 = nn.Conv2d(inner, after, 1, bias=False)
        self.bn3 = FixedNorm(after)
        self.downsample = (
            nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), FixedNorm(after))
            if reshaped
            else None
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        inner = functional.relu(self.bn1(self.conv1(x)))
        inner = self.bn3(self.conv3(functional.relu(self.bn2(self.conv2(inner)))))
        return functional.relu(inner + (x if self.downsample is None else self.downsample(x)))


class Head(nn.Module):
    """From 1/8 to the frame's size, with a convolution at 1/4, 1/2 and 1."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, 256, 5, padding=2)
        self.conv2 = nn.Conv2d(256, 128, 3, padding=1)
        self.conv3 = nn.Conv2d(128, 2, 1)

    def forward(self, x: Float[Tensor, "b c _ _"], size: tuple[int, int]) -> Float[Tensor, "b 2 h w"]:
        x = functional.relu(self.conv1(resized(x, (size[0] // 4, size[1] // 4))))
        x = functional.relu(self.conv2(resized(x, (size[0] // 2, size[1] // 2))))
        return self.conv3(resized(x, size))


class SingleHead(nn.Module):
    """One 1x1 convolution at 1/8."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, 2, 1)

    def forward(self, x: Float[Tensor, "b c _ _"], size: tuple[int, int]) -> Float[Tensor, "b 2 h w"]:
        return resized(self.conv1(x), size)


class FlowResNet(nn.Module):
    """With blocks (3, 4, 6, 3): 37,004,930 parameters; with (3, 4, 23, 3) and a single head: 42,598,402."""

    def __init__(self, channels: int, blocks: tuple[int, ...], *, single: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3)
        self.bn1 = FixedNorm(64)
        self.layer1 = stage(64, 64, blocks[0], 1, 1)
        self.layer2 = stage(256, 128, blocks[1], 2, 1)
        self.layer3 = stage(512, 256, blocks[2], 1, 2)
        self.layer4 = stage(1024, 512, blocks[3], 1, 4)
        self.layer5 = SingleHead(2048) if single else Head(2048)
        for name, part in self.named_modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
            # What a block adds begins small: nothing normalises the sum of sixteen blocks. So does the flow.
            if name.endswith(("bn3", "downsample.1")) and isinstance(part, FixedNorm):
                nn.init.constant_(part.weight, 0.2 if name.endswith("bn3") else 1.0)
            if name in ("layer5.conv3", "layer5.conv1") and isinstance(part, nn.Conv2d) and part.out_channels == 2:
                part.weight.data.mul_(0.1)

    def forward(
        self, start: Float[Tensor, "b k 2 h w"], unknown: Float[Tensor, "b k 1 h w"]
    ) -> Float[Tensor, "b 2 h w"]:
        """As `network.make` says. Height and width must divide by 8."""
        x = rearrange(torch.cat([start, unknown], dim=2), "b k c h w -> b (k c) h w")
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, 3, 2, 1, ceil_mode=True)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.layer5(x, (start.shape[-2], start.shape[-1])).float()


def stage(before: int, inner: int, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    """Blocks one after the other; the first of them changes the shape."""
    first = Bottleneck(before, inner, stride, dilation, reshaped=True)
    rest = (Bottleneck(EXPANSION * inner, inner, 1, dilation, reshaped=False) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


def resized(x: Float[Tensor, "b c _ _"], size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    return functional.interpolate(x, size, mode="bilinear", align_corners=False)
