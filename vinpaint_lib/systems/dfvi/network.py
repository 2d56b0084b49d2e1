"""DFVI's networks: those that complete flow, as released (`resnet.py`) and small, and the settings of the whole.

A network sees eleven flows that follow each other, with a membrane in their holes, and gives the flow in the middle.
"""

from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.painting.network import CONFIGS as PAINTERS
from vinpaint_lib.systems.dfvi.resnet import FlowResNet

FLOWS = 11  # that a network sees
MIDDLE = FLOWS // 2
SLOPE = 0.2  # of every LeakyReLU of the small network
PIXELS = 8.0  # the small network's unit of flow
COMPLETIONS, LEFTOVERS = ("resnet", "small", "membrane"), ("painter", "telea")


@dataclass(frozen=True)
class Config:
    """Sizes and switches. Defaults are the paper's, as far as it can be built here.

    completion  of flow in holes: "resnet", the released layout; "small", ours; "membrane", no network, which is what
                the other two begin with
    blocks      of each of the four stages of "resnet": (3, 4, 6, 3), or (3, 4, 23, 3) in the authors' demo
    single      the head of the demo's network, one layer; else three, which double the size in between
    width       channels of "small" at 1/2; 1/4 and 1/8 have two and four times as many
    threshold   pixels; a pixel is followed no further if the flow back misses where it came from by more
    reach       frames into the past and the future
    painter     the configuration of a painter that is part of the model (`painting/network.py`); "": there is none
    leftovers   what fills the pixels that no flow reaches: "painter" or "telea"
    """

    completion: str = "resnet"
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    single: bool = False
    width: int = 24
    threshold: float = 3.0
    reach: int = 240
    painter: str = ""
    leftovers: str = "telea"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("completion", self.completion, COMPLETIONS),
            ("leftovers", self.leftovers, LEFTOVERS),
            ("painter", self.painter, ("", *PAINTERS)),
        ):
            if value not in known:
                raise UserError(f"{name} {value!r}: is unknown; use {' or '.join(repr(each) for each in known)}")
        if self.leftovers == "painter" and not self.painter:
            raise UserError("leftovers 'painter': the model has no painter; name one, or use 'telea'")


CONFIGS = {
    "paper": Config(),
    "small": Config(completion="small", reach=24),
    "tiny": Config(completion="small", width=4, reach=6),
    "membrane": Config(completion="membrane", reach=24),
}


class SmallCompletion(nn.Module):
    """Ours, to be trained in hours: an encoder to 1/8, blocks with dilation, and a decoder to 1/2.

    It gives what is added to the membrane, so an untrained network gives the membrane. Flows go in without their mean
    over the picture, so a camera's pan changes nothing.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half, quarter, eighth = width, 2 * width, 4 * width
        self.to_half = nn.Conv2d(3 * FLOWS, half, 5, stride=2, padding=2)
        self.to_quarter = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.to_eighth = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(eighth, eighth, 3, padding=d, dilation=d) for d in (1, 2, 4, 8, 1))
        self.up_quarter = nn.Conv2d(eighth, quarter, 1)
        self.at_quarter = nn.Conv2d(quarter, quarter, 3, padding=1)
        self.up_half = nn.Conv2d(quarter, half, 1)
        self.at_half = nn.Conv2d(half, half, 3, padding=1)
        self.out = nn.Conv2d(half, 2, 3, padding=1)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, a=SLOPE, nonlinearity="leaky_relu")
                assert part.bias is not None
                nn.init.zeros_(part.bias)
        nn.init.zeros_(self.out.weight)

    def forward(
        self, start: Float[Tensor, "b k 2 h w"], unknown: Float[Tensor, "b k 1 h w"]
    ) -> Float[Tensor, "b 2 h w"]:
        """As `complete`. Height and width must divide by 8."""
        mean = reduce(start, "b k xy h w -> b k xy 1 1", "mean")
        seen = torch.cat([(start - mean) / PIXELS, unknown], dim=2)
        at_half = act(self.to_half(rearrange(seen, "b k c h w -> b (k c) h w")))
        at_quarter = act(self.to_quarter(at_half))
        x = act(self.to_eighth(at_quarter))
        for block in self.blocks:
            x = x + act(block(x))
        x = act(self.at_quarter(at_quarter + doubled(self.up_quarter(x))))
        x = act(self.at_half(at_half + doubled(self.up_half(x))))
        return start[:, MIDDLE] + PIXELS * doubled(self.out(x)).float()


def make(config: Config) -> nn.Module | None:
    """The network that completes flow: it takes eleven flows in pixels (b 11 2 h w), with a membrane in their holes,
    and where they are unknown (b 11 1 h w), and gives the middle one (b 2 h w). None: the membrane stays."""
    if config.completion == "membrane":
        return None
    if config.completion == "small":
        return SmallCompletion(config.width)
    return FlowResNet(3 * FLOWS, config.blocks, single=config.single)


def complete(
    net: nn.Module, start: Float[Tensor, "b k 2 h w"], unknown: Float[Tensor, "b k 1 h w"]
) -> Float[Tensor, "b 2 h w"]:
    """The middle flow, with what the network gives where it is unknown."""
    hole = unknown[:, MIDDLE]
    made: Any = net(start, unknown)
    return start[:, MIDDLE] * (1 - hole) + made * hole


def act(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


def doubled(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
