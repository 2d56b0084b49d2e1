"""VINet's sizes and switches, and the parts that see one frame: encoder towers, bottleneck, decoder.

Modules are named as in the released weights. Scales are 1, 1/2, 1/4, 1/8; pictures are in [-1, 1], 0 in holes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.vinet.gated import GatedConv, GatedUpConv, PlanarConv3d

Maps = tuple[Tensor, ...]  # features from fine to coarse


@dataclass(frozen=True)
class Config:
    """Sizes and switches of the network. Defaults are the paper's.

    widths       channels at scales 1, 1/2, 1/4, 1/8, even numbers
    flow_widths  channels of the flow estimators' narrowest layers, scale by scale; other layers have 2, 3 and 4 times
                 as many
    radii        radii of the correlation windows, scale by scale
    context      flow estimators have context networks at all scales; off: at 1/8 alone
    ones         a plane of ones as a further input, which the released weights need
    cosine       features are correlated by direction, not by length
    aligned      the decoder's last layers get a first guess: the hole continued from its rim, and the sources' pixels
                 under the feature flow. They choose between both and correct the choice
    camera       the flows at 1/8 begin with the motion of the camera, one affine map for each source, fitted to pixels
                 (`robust_affine`); off: with no motion
    double       the released network for 512 x 512: the first layer halves the frame, the decoder doubles once more
    memory       the ConvLSTM's state goes from frame to frame (h_t of eq. 2); off: every frame begins with zeros
    recurrence   the previous output is a source, and is blended into the result (eq. 6); off: each frame is filled like
                 a first frame
    flow         the sources and the previous output are moved along the feature flow; off: nothing is moved, and every
                 flow is zero (ablation; the same weights serve both)
    previous     the picture that is fed back: "completed", the output in the hole and the given pixels elsewhere, or
                 "output"
    as_released  the released demo: no memory, previous "output" and not clamped; the last composition mask compares
                 features that the unrefined flow has warped
    bgr          blue comes first inside of the network, as in the pictures that the released demo reads and writes
    start        "released", or "short" for short training: layers keep the size of signals in spite of their gates,
                 and every flow starts as no motion
    """

    widths: tuple[int, int, int, int] = (32, 64, 96, 128)
    flow_widths: tuple[int, int, int, int] = (32, 32, 32, 32)
    radii: tuple[int, int, int, int] = (4, 4, 4, 4)
    context: bool = True
    ones: bool = True
    cosine: bool = False
    aligned: bool = False
    camera: bool = False
    double: bool = False
    memory: bool = True
    recurrence: bool = True
    flow: bool = True
    previous: str = "completed"
    as_released: bool = False
    bgr: bool = False
    start: str = "released"

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or any(width < 2 or width % 2 for width in self.widths):
            raise UserError(f"widths {self.widths}: are not four even numbers of channels, as in 32, 64, 96, 128")
        if self.previous not in ("completed", "output"):
            raise UserError(f"previous {self.previous!r}: is not known; choose completed or output")
        if self.start not in ("released", "short"):
            raise UserError(f"start {self.start!r}: is not known; choose released or short")
        for name in ("aligned", "camera"):
            if getattr(self, name) and self.double:
                raise UserError(f"{name} True: is not for a network whose double is True; choose one of the two")

    @property
    def multiple(self) -> int:
        """The number by which the sides of a frame must divide."""
        return 16 if self.double else 8


CONFIGS = {
    "paper": Config(),
    "small": Config(
        widths=(8, 16, 32, 48),
        flow_widths=(4, 4, 8, 16),
        radii=(2, 2, 2, 4),
        context=False,
        ones=False,
        cosine=True,
        aligned=True,
        camera=True,
        start="short",
    ),
    "tiny": Config(
        widths=(4, 6, 8, 8),
        flow_widths=(2, 2, 2, 2),
        radii=(2, 2, 2, 2),
        ones=False,
        cosine=True,
        aligned=True,
        start="short",
    ),
}


class VINetEncoder(nn.Module):
    """Gated convolutions down to 1/8."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c, d = config.widths
        self.ec0 = GatedConv(5 if config.ones else 4, a, stride=2 if config.double else 1)
        self.ec1, self.ec2 = GatedConv(a, b, stride=2), GatedConv(b, b)
        self.ec3_1, self.ec3_2 = GatedConv(b, c, stride=2), GatedConv(c, c)
        self.ec4_1, self.ec4, self.ec5 = GatedConv(c, d, stride=2), GatedConv(d, d), GatedConv(d, d)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Maps:
        whole = self.ec0(x)
        half = self.ec2(self.ec1(whole))
        quarter = self.ec3_2(self.ec3_1(half))
        return whole, half, quarter, self.ec5(self.ec4(self.ec4_1(quarter)))


class Bottleneck(nn.Module):
    """Dilations 1, 2, 4, 8 at 1/8."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bt0, self.bt1 = GatedConv(2 * width, width), GatedConv(width, width, dilation=2)
        self.bt2, self.bt3 = GatedConv(width, width, dilation=4), GatedConv(width, width, dilation=8)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return self.bt3(self.bt2(self.bt1(self.bt0(x))))


class VINetDecoder(nn.Module):
    """Back to full size, with the mixed features of 1/4 and 1/2 joined on the way."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        a, b, c, d = config.widths
        self.twice = config.double
        self.dc0, self.dc1 = GatedConv(d, d, planar=True), GatedConv(d, d, planar=True)
        self.dc1_1 = GatedUpConv(d, c)
        self.dc2_1 = GatedConv(2 * c, c, planar=True)
        self.dc2_bt1, self.dc2_bt2, self.dc2_bt3 = (GatedConv(c, c, dilation=k, planar=True) for k in (2, 4, 8))
        self.dc2_2 = GatedUpConv(c, b)
        self.dc3_1, self.dc3_2 = GatedConv(2 * b, b, planar=True), GatedConv(b, b, planar=True)
        self.dc4 = GatedUpConv(b, a)
        # With `aligned` seven channels more go in (`guess`), and a choice between both pictures comes out as well.
        self.dc5 = GatedConv(a + 7 * config.aligned, a // 2, planar=True)
        self.dc6 = PlanarConv3d(a // 2, 3 + config.aligned)

    def forward(
        self,
        x: Float[Tensor, "b d _ _"],
        quarter: Float[Tensor, "b c _ _"],
        half: Float[Tensor, "b e _ _"],
        guess: tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"]] | None = None,
    ) -> Float[Tensor, "b 3 h w"]:
        """Raw picture near [-1, 1], float32; nothing bounds it.

        `guess`: the smooth picture, the aligned picture, and how much of the aligned picture is known.
        """
        x = self.dc2_1(torch.cat([self.dc1_1(self.dc1(self.dc0(x))), quarter], dim=1))
        x = self.dc2_2(self.dc2_bt3(self.dc2_bt2(self.dc2_bt1(x))))
        x = self.dc4(self.dc3_2(self.dc3_1(torch.cat([x, half], dim=1))))
        if self.twice:
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        if guess is None:
            return self.dc6(self.dc5(x)).float()
        smooth, aligned, seen = guess
        made = self.dc6(self.dc5(torch.cat([x, *guess], dim=1))).float()
        chosen = seen * torch.sigmoid(made[:, 3:])
        return smooth + chosen * (aligned - smooth) + made[:, :3]
