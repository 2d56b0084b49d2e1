"""The network of TGF-Net behind the alignment: encoder, fusion at three scales, decoder (sec. C, D).

`model.py` puts the alignment in front of the network and walks it over a clip.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.systems.tgfnet import fusion
from vinpaint_lib.systems.tgfnet.encoder import PyramidEncoder


@dataclass(frozen=True)
class Config:
    """Every size and switch of the network. Defaults are the `paper` configuration.

    channels     features at 1/2, 1/4, 1/8
    sizes        kernel sizes ks of the streams (three in the paper, values not given)
    widths       stream width at 1/2, 1/4, 1/8
    depth        2D convolutions behind the 3D convolution of a stream (five in the paper)
    tail         channels of the full-size tail
    slope        what the tail keeps of a negative number; 0: ReLU, whose units may die, as most of `small` did
    refine       move each group by small learned offsets, found at 1/4 (`fusion.Refinement`); ours
    scales       which of 1/2, 1/4, 1/8 are fused (2, 4, 8); the ablation "single scale" keeps (2,)
    copy         add a residual to the attention-weighted average of the aligned pixels instead of painting all pixels
    attention    softmax over groups, or the mean of groups (ablation)
    softmax      False: the scores of a trained attention are passed over, and all groups count alike (a switch)
    used         of `scales` those that the network is run with, the finest among them (a switch); empty: all
    silent       kernel sizes of the streams that give nothing (a switch)
    grouping     pairs with the target, or one 3D convolution over all frames (ablation; fixes `references`)
    mask_resize  how a mask reaches a coarser scale, "max" or "nearest" (`masks.shrink_mask`)
    guess        one more group that is never empty (`groups.guess`): earlier output or membrane where no frame shows
                 anything
    painter      the configuration of a painter that is part of the model (`painting/network.py`); "": there is none
    paint        the guess holds what the painter paints, in place of a membrane; what is painted once is carried along
    align        names of alignments: "flow" and "homography" walk along chains of links (`motion/chains.py`); "learned"
                 and "robust" fit one affine map for each reference; "none" uses references as they are
    closer       looks of the learned alignment at a window around the hole: the side of each in pixels
                 (`alignment/learned.py`)
    agreement    trust references that are aligned whole as far as they agree with the target around the hole
                 (`alignment/around_hole.py`); else wherever they show something
    picks        groups of each walk
    references   largest number of references that are aligned whole
    reach        largest distance of a reference from the target, in frames
    margin       pixels around the hole that are computed too
    feedback     how outputs that were written back count: "all", "unseen" or "off" (`chains.Search`)
    """

    channels: tuple[int, int, int] = (64, 128, 256)
    sizes: tuple[int, ...] = (3, 5, 7)
    widths: tuple[int, int, int] = (64, 128, 256)
    depth: int = 5
    tail: int = 64
    slope: float = 0.0
    refine: bool = False
    scales: tuple[int, ...] = (2, 4, 8)
    copy: bool = False
    attention: bool = True
    softmax: bool = True
    used: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    grouping: bool = True
    mask_resize: str = "max"
    guess: bool = False
    painter: str = ""
    paint: bool = False
    align: tuple[str, ...] = ("learned",)
    closer: tuple[int, ...] = ()
    agreement: bool = False
    picks: int = 2
    references: int = 8
    reach: int = 24
    margin: int = 32
    feedback: str = "all"

    def __post_init__(self) -> None:
        if self.paint and not (self.painter and self.guess and self.copy):
            raise UserError("paint: there is nothing to paint with; it needs a painter, the guess and the copy path")
        needed = {min(self.scales), *((4,) if self.refine else ())}
        if self.used and not needed <= set(self.used) <= set(self.scales):
            raise UserError(f"used {self.used}: are not some of the scales {self.scales} with {sorted(needed)}")
        if set(self.silent) >= set(self.sizes) or not set(self.silent) <= set(self.sizes):
            raise UserError(f"silent {self.silent}: are not some of the streams {self.sizes}; leave one or more")


SMALL = Config(
    channels=(32, 64, 128),
    sizes=(1, 3, 5),
    widths=(16, 32, 64),
    depth=2,
    tail=24,
    copy=True,
    guess=True,
    align=("flow", "homography"),
    feedback="unseen",
)
CONFIGS = {
    "paper": Config(),
    "small": SMALL,
    # The paper's own form of alignment: one affine map for each whole reference, learned together with the rest.
    "small-learned": replace(SMALL, align=("learned",), closer=(160, 224, 224), agreement=True, references=12),
}
CONFIGS["refined"] = replace(CONFIGS["small"], tail=32, slope=0.1, refine=True)


class Fused(NamedTuple):
    """What the network gives for a batch of targets.

    frame    raw output, not composited, not clamped
    heads    h(FF^s), RGB at those of 1/2, 1/4, 1/8 that are fused, for the pyramid loss
    scores   WF at the same scales (b n 1 h w); their softmax over n is the attention GA
    weights  the weights of the copy path at full size (b n 1 h w), None without it
    copied   the copy path's picture (b 3 h w), None without it
    """

    frame: Float[Tensor, "b 3 h w"]
    heads: list[Tensor]
    scores: list[Tensor]
    weights: Tensor | None
    copied: Tensor | None


class FusionNet(nn.Module):
    """Encoder, fusion and decoder: everything behind the alignment (TGF-Net sec. C, D)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.levels = [level for level in range(3) if 2 ** (level + 1) in config.scales]
        self.used = [level for level in self.levels if 2 ** (level + 1) in (config.used or config.scales)]
        self.encoder = PyramidEncoder(channels)
        self.groups = nn.ModuleDict()
        self.attention = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        self.transfer = nn.ModuleDict()
        for level in self.levels:
            width = channels[level]
            if config.grouping:
                self.groups[str(level)] = fusion.IntraGroupFusion(
                    width, config.widths[level], config.sizes, config.depth, config.silent
                )
                attention = fusion.TemporalAttention(width, even=not config.softmax)
                self.attention[str(level)] = attention if config.attention else fusion.GroupMean()
            else:
                self.groups[str(level)] = fusion.AllFramesFusion(width, config.references, depth=config.depth)
            self.heads[str(level)] = nn.Conv2d(width, 3, 1)
            if level != self.levels[0]:
                self.transfer[str(level)] = nn.Conv2d(width, channels[level - 1], 3, padding=1)
        self.refinement = fusion.Refinement(channels[fusion.QUARTER]) if config.refine else None
        extra = 8 if config.copy else 0
        self.tail_in = nn.Conv2d(channels[self.levels[0]], config.tail, 3, padding=1)
        self.tail = nn.ModuleList(
            nn.Conv2d(config.tail + (extra if n == 0 else 0), config.tail, 3, padding=1) for n in range(2)
        )
        self.tail_out = nn.Conv2d(config.tail, 3, 5, padding=2)
        initialise(self)

    def forward(
        self,
        target: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        references: Float[Tensor, "b n 3 h w"],
        trust: Float[Tensor, "b n 1 h w"],
    ) -> Fused:
        """`target` in [0, 1] (its hole is blanked here), aligned `references` and their `trust` in [0, 1].

        Height and width must divide by 8.
        """
        # Centred on zero, so that a hole (zero) means no colour, not black.
        shown = (target * 2 - 1) * (1 - mask)
        seen = (references * 2 - 1) * (trust > 0)
        fused, heads, scores, offsets = self.fuse(*self.encode(shown, mask, seen, trust), mask)
        if offsets is not None:
            seen, trust = fusion.moved_pixels(seen, trust, offsets)
        return self.decode(fused, shown, mask, seen, trust, heads, scores)

    def encode(
        self,
        shown: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        seen: Float[Tensor, "b n 3 h w"],
        trust: Float[Tensor, "b n 1 h w"],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Features at 1/2, 1/4, 1/8 of the target (b c h/s w/s) and of the references (b n c h/s w/s)."""
        of_target = self.encoder(torch.cat([shown, mask], dim=1))
        pairs = torch.cat([seen, 1 - trust], dim=2)
        of_references = [
            rearrange(f, "(b n) c h w -> b n c h w", b=len(shown))
            for f in self.encoder(rearrange(pairs, "b n c h w -> (b n) c h w"))
        ]
        return list(of_target), of_references

    def fuse(
        self, of_target: list[Tensor], of_references: list[Tensor], mask: Float[Tensor, "b 1 h w"]
    ) -> tuple[Tensor, list[Tensor], list[Tensor], Tensor | None]:
        """Groups fused from the coarsest scale to the finest: the last feature map, RGB heads and scores by scale, and
        the groups' offsets at 1/4 (b n xy h/4 w/4; None without `Config.refine`)."""
        heads: list[Tensor] = []
        scores: list[Tensor] = []
        fused = offsets = None
        for level in reversed(self.used):
            key = str(level)
            feature = of_target[level]
            if fused is not None:
                coarser = functional.interpolate(fused, scale_factor=2, mode="nearest")
                hole = masks.shrink_mask(mask, 2 ** (level + 1), self.config.mask_resize)
                feature = fusion.inject(feature, coarser, hole)
            references = of_references[level]
            if self.refinement is not None and level <= fusion.QUARTER:
                if offsets is None:
                    offsets = self.refinement(feature, references)
                references = fusion.moved(references, fusion.enlarged(offsets, 2 ** (fusion.QUARTER - level)))
            grouped = self.groups[key](feature, references)
            if self.config.grouping:
                grouped, score = self.attention[key](grouped)
                scores.insert(0, score)
            heads.insert(0, self.heads[key](grouped))
            fused = self.transfer[key](grouped) if key in self.transfer else grouped
        assert fused is not None, "a configuration has at least one scale"
        return fused, heads, scores, offsets

    def decode(self, fused, shown, mask, seen, trust, heads, scores) -> Fused:
        """Tail at full size: nearest upsampling, convolutions, RGB."""
        step = 2 ** (self.levels[0] + 1)
        first = functional.leaky_relu(self.tail_in(fused), self.config.slope)
        x = functional.interpolate(first, scale_factor=step, mode="nearest")
        weights = copied = None
        if self.config.copy:
            weights = copy_weights(scores[0] if scores else None, trust)
            copied = reduce(weights * seen, "b n c h w -> b c h w", "sum")
            support = reduce(trust, "b n 1 h w -> b 1 h w", "max")
            x = torch.cat([x, shown, mask, copied, support], dim=1)
        for conv in self.tail:
            x = functional.leaky_relu(conv(x), self.config.slope)
        painted = self.tail_out(x).float()
        frame = (painted if copied is None else painted + copied.float()) / 2 + 0.5
        heads = [head.float() / 2 + 0.5 for head in heads]
        return Fused(frame, heads, [s.float() for s in scores], weights, copied)


def copy_weights(score: Tensor | None, trust: Float[Tensor, "b n 1 h w"]) -> Float[Tensor, "b n 1 h w"]:
    """Weights of the groups' pixels at full size: a softmax of the finest scores in which trust multiplies each term.

    A group that shows nothing at a pixel has weight exactly 0 there. Where no group shows anything, all weights are 0.
    """
    height, width = trust.shape[-2:]
    if score is None:
        score = torch.zeros_like(trust)
    wide = functional.interpolate(rearrange(score, "b n 1 h w -> b n h w").float(), (height, width), mode="bilinear")
    wide = rearrange(wide, "b n h w -> b n 1 h w")
    hidden = trust <= 0
    weight = (wide + torch.log(trust.clamp(min=1e-6))).masked_fill(hidden, -torch.inf)
    # A pixel that no group shows has only -inf: softmax would be NaN there.
    alone = reduce(hidden.float(), "b n 1 h w -> b 1 1 h w", "min") > 0
    return weight.masked_fill(alone, 0).softmax(dim=1) * ~hidden


def initialise(module: nn.Module) -> None:
    """Kaiming weights, a tenth of them for scores, heads and output: the copy path starts as a plain average."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d) and (name == "tail_out" or ".score" in name or name.startswith("heads")):
            part.weight.data.mul_(0.1)
        if name == "refinement.offset":
            # Training begins with the alignment as it was found.
            nn.init.zeros_(part.weight)
