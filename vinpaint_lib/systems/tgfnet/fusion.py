"""Temporal information fusion (TGF-Net sec. D): groups, intra-group fusion, temporal attention, injection.

A group is the pair (target, one aligned reference): G_i = {CF_i, F_t}. All groups of a scale share the same fusion
weights, so the number of groups is free at test time and their order does not matter.
"""

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.motion import warp

QUARTER = 1  # the level of the features at 1/4
FARTHEST = 2.0  # cells; the largest offset of a refinement along x and along y


class Stream(nn.Module):
    """One stream of the multi-scale block: a ks x ks x 2 convolution over (reference, target), then `depth` 2D layers.

    A kernel of depth two over two frames equals two 2D kernels whose results add up. The target's half is the same
    for all groups, so it is computed once (`tests/systems/tgfnet/test_fusion.py` checks that both are equal).
    """

    def __init__(self, channels: int, width: int, size: int, depth: int) -> None:
        super().__init__()
        self.pair = nn.Conv3d(channels, width, (2, size, size), padding=(0, size // 2, size // 2))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, size, padding=size // 2) for _ in range(depth))
        self.padding = size // 2

    def forward(
        self, target: Float[Tensor, "b c h w"], references: Float[Tensor, "b n c h w"]
    ) -> Float[Tensor, "_ d h w"]:
        on_reference, on_target = self.pair.weight.unbind(dim=2)
        shared = functional.conv2d(target, on_target, self.pair.bias, padding=self.padding)
        own = functional.conv2d(rearrange(references, "b n c h w -> (b n) c h w"), on_reference, padding=self.padding)
        both = rearrange(own, "(b n) d h w -> b n d h w", b=len(target)) + rearrange(shared, "b d h w -> b 1 d h w")
        x = functional.relu(rearrange(both, "b n d h w -> (b n) d h w"))
        for conv in self.convs:
            x = functional.relu(conv(x))
        return x


class IntraGroupFusion(nn.Module):
    """Multi-scale block: streams of different kernel size, concatenated; a 1x1 convolution restores the channels.

    Streams of the kernel sizes `silent` give nothing, that is, zeros.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        sizes: tuple[int, ...] = (3, 5, 7),
        depth: int = 5,
        silent: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.heard = [size not in silent for size in sizes]
        self.streams = nn.ModuleList(Stream(channels, width, size, depth) for size in sizes)
        self.merge = nn.Conv2d(len(sizes) * width, channels, 1)

    def forward(
        self, target: Float[Tensor, "b c h w"], references: Float[Tensor, "b n c h w"]
    ) -> Float[Tensor, "b n c h w"]:
        """F_t and CF_i in, GF_i out."""
        made = [stream(target, references) if on else None for stream, on in zip(self.streams, self.heard, strict=True)]
        nothing = torch.zeros_like(next(one for one in made if one is not None))
        streams = torch.cat([nothing if one is None else one for one in made], dim=1)
        return rearrange(functional.relu(self.merge(streams)), "(b n) c h w -> b n c h w", b=len(target))


class TemporalAttention(nn.Module):
    """GA_i = softmax over the groups of a one-channel map WF_i; FF_t = sum_i GA_i * GF_i.

    With `even` the scores are passed over: all are 0, and every group has the same weight.
    """

    def __init__(self, channels: int, even: bool = False) -> None:
        super().__init__()
        self.even = even
        self.score = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(
        self, groups: Float[Tensor, "b n c h w"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b n 1 h w"]]:
        """GF_i in; FF_t and the scores WF_i out (their softmax over n is GA)."""
        if self.even:
            return GroupMean()(groups)
        score = rearrange(
            self.score(rearrange(groups, "b n c h w -> (b n) c h w")), "(b n) 1 h w -> b n 1 h w", b=len(groups)
        )
        return fuse(groups, score), score


class GroupMean(nn.Module):
    """Ablation "without attention": every group has the same weight. It has no scores to be trained."""

    def forward(
        self, groups: Float[Tensor, "b n c h w"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b n 1 h w"]]:
        """GF_i in; FF_t and scores of 0 out."""
        score = torch.zeros_like(groups[:, :, :1])
        return fuse(groups, score), score


def fuse(groups: Float[Tensor, "b n c h w"], score: Float[Tensor, "b n 1 h w"]) -> Float[Tensor, "b c h w"]:
    """Softmax of the scores over the groups, then the weighted sum of the groups."""
    return reduce(groups * score.softmax(dim=1), "b n c h w -> b c h w", "sum")


class Refinement(nn.Module):
    """Small offsets that bring each aligned reference nearer to the target: the alignment's error, learned (ours).

    At 1/4 the target's hole already holds what the coarser scale has fused there: the groups are compared with that.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.compare = nn.Conv2d(2 * channels, channels // 2, 3, padding=1)
        self.offset = nn.Conv2d(channels // 2, 2, 3, padding=1)

    def forward(
        self, target: Float[Tensor, "b c h w"], references: Float[Tensor, "b n c h w"]
    ) -> Float[Tensor, "b n xy h w"]:
        """Offsets in cells of this scale, for each reference; channel 0 = x."""
        count = references.shape[1]
        both = torch.cat([repeat(target, "b c h w -> b n c h w", n=count), references], dim=2)
        compared = functional.leaky_relu(self.compare(rearrange(both, "b n c h w -> (b n) c h w")), 0.2)
        return FARTHEST * rearrange(self.offset(compared).float().tanh(), "(b n) xy h w -> b n xy h w", n=count)


def enlarged(offsets: Float[Tensor, "b n xy h w"], factor: int) -> Float[Tensor, "b n xy h2 w2"]:
    """Offsets on a grid finer by `factor`, in cells of that grid."""
    flat = rearrange(offsets, "b n xy h w -> (b n) xy h w")
    wide = factor * functional.interpolate(flat, scale_factor=factor, mode="bilinear")
    return rearrange(wide, "(b n) xy h w -> b n xy h w", b=len(offsets))


def moved(maps: Float[Tensor, "b n c h w"], offsets: Float[Tensor, "b n xy h w"]) -> Float[Tensor, "b n c h w"]:
    """Each map read at the offset positions, bilinearly; 0 from outside."""
    flat = (rearrange(x, "b n c h w -> (b n) c h w") for x in (maps, offsets.to(maps)))
    return rearrange(warp.by_flow(*flat), "(b n) c h w -> b n c h w", b=len(maps))


def moved_pixels(
    seen: Float[Tensor, "b n 3 h w"], trust: Float[Tensor, "b n 1 h w"], offsets: Float[Tensor, "b n xy h4 w4"]
) -> tuple[Float[Tensor, "b n 3 h w"], Float[Tensor, "b n 1 h w"]]:
    """The references and their trust at full size, moved by offsets at 1/4.

    A pixel counts as shown where more than half of what it is read from is shown.
    """
    shown = (trust > 0).to(seen)
    both = moved(torch.cat([seen, trust, shown], dim=2), enlarged(offsets, 2 ** (QUARTER + 1)))
    share = both[:, :, 4:]
    both = both / share.clamp(min=0.5) * (share > 0.5)
    return both[:, :, :3], both[:, :, 3:4]


class AllFramesFusion(nn.Module):
    """Ablation "without grouping": one 3D convolution over the target and all n references at once.

    The shape of the weights fixes the number of references, and a far reference reaches the target only in one sum.
    """

    def __init__(self, channels: int, references: int, size: int = 3, depth: int = 5) -> None:
        super().__init__()
        self.references = references
        self.volume = nn.Conv3d(channels, channels, (references + 1, size, size), padding=(0, size // 2, size // 2))
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, size, padding=size // 2) for _ in range(depth))

    def forward(
        self, target: Float[Tensor, "b c h w"], references: Float[Tensor, "b n c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """Raises ValueError if the number of references differs from the number that the layer was built for."""
        if references.shape[1] != self.references:
            raise ValueError(
                f"built for {self.references} references, got {references.shape[1]}: "
                "without grouping their number is fixed"
            )
        stack = torch.cat([rearrange(target, "b c h w -> b 1 c h w"), references], dim=1)
        x = rearrange(self.volume(rearrange(stack, "b t c h w -> b c t h w")), "b c 1 h w -> b c h w")
        x = functional.relu(x)
        for conv in self.convs:
            x = functional.relu(conv(x))
        return x


def inject(
    feature: Float[Tensor, "b c h w"], fused: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b c h w"]:
    """(1 - M) * F_t + M * FF: the fused features of the coarser scale enter the finer scale in the hole (sec. D)."""
    return (1 - mask) * feature + mask * fused
