"""I3D (Carreira, Zisserman; CVPR 2017), the network whose features VFID compares: Inception with 3D kernels.

Layers and names are those of the published weights `i3d_rgb_imagenet.pt` (Kinetics, by way of ImageNet), up to
Mixed_5c, where the papers' evaluators take their features. The class scores behind it are left away.
"""

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Triple = tuple[int, int, int]

# Channels in, then those of the four branches: 1x1; 1x1 and 3x3; 1x1 and 3x3; pooled and 1x1.
MIXED = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}
FEATURES = 1024  # channels of Mixed_5c


def padded(x: Float[Tensor, "b c t h w"], kernel: Triple, stride: Triple) -> Float[Tensor, "b c _ _ _"]:
    """Zeros around the volume so that a side of n cells becomes ceil(n / stride); an odd one more stands behind."""
    pads: list[int] = []
    for size, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
        total = max(k - (size % s or s), 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, channels: int, out: int, side: int = 1, step: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = (side,) * 3, (step,) * 3
        self.conv3d = nn.Conv3d(channels, out, side, step, bias=False)
        self.bn = nn.BatchNorm3d(out, eps=1e-3)

    def forward(self, x: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ _ _ _"]:
        return functional.relu(self.bn(self.conv3d(padded(x, self.kernel, self.stride))))


class Pool(nn.Module):
    """The largest value of each window."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c _ _ _"]:
        return functional.max_pool3d(padded(x, self.kernel, self.stride), self.kernel, self.stride)


class Mixed(nn.Module):
    """Four branches side by side, joined by their channels."""

    def __init__(self, channels: int, one: int, few: int, wide: int, fewer: int, less: int, pooled: int) -> None:
        super().__init__()
        self.b0 = Unit(channels, one)
        self.b1a, self.b1b = Unit(channels, few), Unit(few, wide, 3)
        self.b2a, self.b2b = Unit(channels, fewer), Unit(fewer, less, 3)
        self.b3a, self.b3b = Pool((3, 3, 3), (1, 1, 1)), Unit(channels, pooled)

    def forward(self, x: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ t h w"]:
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], dim=1)


class I3D(nn.Module):
    """The trunk of I3D for RGB."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.MaxPool3d_2a_3x3 = Pool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        self.MaxPool3d_3a_3x3 = Pool((1, 3, 3), (1, 2, 2))
        for name, channels in MIXED.items():
            if name == "4b":
                self.MaxPool3d_4a_3x3 = Pool((3, 3, 3), (2, 2, 2))
            if name == "5b":
                self.MaxPool3d_5a_2x2 = Pool((2, 2, 2), (2, 2, 2))
            setattr(self, f"Mixed_{name}", Mixed(*channels))
        self.requires_grad_(False)

    def forward(self, frames: Float[Tensor, "t 3 h w"]) -> Float[Tensor, "1024"]:
        """The mean of Mixed_5c over time and space, for RGB in [0, 1] at its own size, as the papers' evaluators do."""
        x = rearrange(frames, "t c h w -> 1 c t h w")
        for part in self.children():
            x = part(x)
        return reduce(x, "1 c t h w -> c", "mean")
