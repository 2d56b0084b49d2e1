"""Pyramid frame encoder (TGF-Net sec. C): seven convolutions, three scales.

The note fixes the count, the ReLUs and the scales 1/2, 1/4, 1/8; it does not give kernels and channels. They are
CPNet's here (our choice): no other related encoder has exactly seven convolutions at these scales.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class PyramidEncoder(nn.Module):
    """RGB and mask of one frame in, features at 1/2, 1/4 and 1/8 out.

    Height and width must divide by 8. The three stages have 2 + 2 + 3 = 7 convolutions, each with a ReLU after it. The
    first convolution of a stage halves the size. The very first kernel is 5x5, all others are 3x3.
    """

    depths = (2, 2, 3)

    def __init__(self, channels: tuple[int, int, int] = (64, 128, 256), inputs: int = 4) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        before = inputs
        for stage, (width, depth) in enumerate(zip(channels, self.depths, strict=True)):
            convs = nn.ModuleList()
            for n in range(depth):
                size = 5 if stage == 0 and n == 0 else 3
                convs.append(nn.Conv2d(before, width, size, stride=2 if n == 0 else 1, padding=size // 2))
                before = width
            self.stages.append(convs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Features from fine (1/2) to coarse (1/8)."""
        features = []
        for stage in self.stages.children():
            for conv in stage.children():
                x = functional.relu(conv(x))
            features.append(x)
        return features
