"""A network as a table of layers: each row holds the numbers of one layer, and one kind of block serves all rows.

Both networks of 3DCN + CombCN (Wang et al., AAAI 2019) are such tables (`volume.TABLE`, `network.TABLE`). A row is a
convolution, a ReLU and a normalisation; the output of an earlier row may join its input.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.errors import UserError

NORMS = ("batch", "none")
# By the number of axes, and whether the size is doubled.
CONVOLUTIONS: dict[tuple[int, bool], Any] = {
    (2, False): nn.Conv2d,
    (2, True): nn.ConvTranspose2d,
    (3, False): nn.Conv3d,
    (3, True): nn.ConvTranspose3d,
}


class LayerRow(NamedTuple):
    """One layer.

    width     output channels, as a multiple of the network's width
    kernel    cells a side, on all axes
    stride    in space; 2 with `up` doubles the size (a transposed convolution) instead of halving it
    dilation  in space
    skip      number of the layer whose output joins the input (1 is the first layer, 0: none)
    guide     whether the guidance joins the input too
    """

    width: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    up: bool = False
    skip: int = 0
    guide: bool = False


class LayerBlock(nn.Module):
    """One row: convolution, then ReLU, then normalisation; the last layer of a network has the convolution alone.

    Size changes in space only. A transposed convolution makes one frame too many; the last frame is dropped.
    """

    def __init__(self, row: LayerRow, inputs: int, outputs: int, axes: int, norm: str | None) -> None:
        super().__init__()
        # The time axis, where there is one, comes first; it is neither strided nor dilated.
        time = axes - 2
        stride, dilation = ((1,) * time + (value,) * 2 for value in (row.stride, row.dilation))
        padding = tuple(d * ((row.kernel - 1) // 2) for d in dilation)
        self.crop = bool(time and row.up)
        conv = CONVOLUTIONS[axes, row.up](
            inputs, outputs, (row.kernel,) * axes, stride=stride, dilation=dilation, padding=padding
        )
        # The variance is 2 / taps. One output sums up only 2 x 2 cells of a transposed kernel of 4 with stride 2.
        taps = inputs * conv.weight[0, 0].numel() / (row.stride**2 if row.up else 1)
        nn.init.normal_(conv.weight, std=(2 / taps) ** 0.5)
        nn.init.zeros_(conv.bias)
        # Convolutions are faster on a CPU with their channels last; the numbers are the same.
        kept = torch.channels_last_3d if time else torch.channels_last
        conv.weight.data = conv.weight.data.contiguous(memory_format=kept)
        self.conv: nn.Module = conv
        self.last = norm is None
        self.norm: nn.Module = nn.Identity()
        if norm == "batch":
            self.norm = nn.BatchNorm3d(outputs) if time else nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "b c *size"]) -> Float[Tensor, "b d *larger"]:
        x = self.conv(x)
        if self.crop:
            x = x[:, :, :-1]
        return x if self.last else self.norm(functional.relu(x))


class TableNet(nn.Module):
    """The rows of a table, one after the other: 4 channels (RGB and mask) in, 3 out.

    width     channels of the narrowest layer
    axes      2, or 3 with time
    norm      "batch" or "none"
    guides    channels that join the input where a row says `guide`
    residual  there is a first guess: its trust is a fifth channel of the input, and the result starts as 0
    """

    def __init__(
        self, table: Sequence[LayerRow], width: int, axes: int, norm: str, guides: int = 0, residual: bool = False
    ) -> None:
        super().__init__()
        if width < 1:
            raise UserError(f"a network of width {width} has no channels: the smallest width is 1")
        if norm not in NORMS:
            raise UserError(f"unknown normalisation {norm!r}: choose one of {', '.join(NORMS)}")
        self.table = tuple(table)
        self.layers = nn.ModuleList()
        outputs: list[int] = []
        for n, row in enumerate(self.table):
            inputs = outputs[-1] if outputs else 4 + residual
            inputs += (outputs[row.skip - 1] if row.skip else 0) + (guides if row.guide else 0)
            last = n == len(self.table) - 1
            outputs.append(3 if last else row.width * width)
            self.layers.append(LayerBlock(row, inputs, outputs[-1], axes, None if last else norm))
        # The picture starts as even grey, not as noise.
        next(self.layers[-1].parameters()).data.mul_(0.0 if residual else 0.1)

    def walk(
        self, x: Float[Tensor, "b c *size"], guide: Float[Tensor, "b g *small"] | None = None
    ) -> list[Float[Tensor, "b _ *_"]]:
        """The outputs of all layers, in order; the last is the picture."""
        outputs: list[Tensor] = []
        for row, layer in zip(self.table, self.layers, strict=True):
            joined = [x]
            if row.guide and guide is not None:
                joined.append(guide.to(x.dtype))
            if row.skip:
                joined.append(outputs[row.skip - 1])
            x = layer(torch.cat(joined, dim=1) if len(joined) > 1 else x)
            outputs.append(x)
        return outputs


def check_size(part: str, height: int, width: int, multiple: int) -> None:
    """UserError unless both sides divide by `multiple`; it names the smallest size that holds this one."""
    if height < 1 or width < 1 or height % multiple or width % multiple:
        fits = [max(1, -(-side // multiple)) * multiple for side in (height, width)]
        raise UserError(
            f"{part}: a frame of {height}x{width} (height x width) does not divide by {multiple}; "
            f"the smallest that works is {fits[0]}x{fits[1]}"
        )


def check_length(part: str, length: int) -> None:
    """UserError for a volume without frames."""
    if length < 1:
        raise UserError(f"{part}: a clip of {length} frames has nothing to fill; the smallest that works is 1 frame")


def to_volume(clip: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b c t h w"]:
    """Channels before time, as 3D convolutions want them."""
    return rearrange(clip, "b t c h w -> b c t h w")
