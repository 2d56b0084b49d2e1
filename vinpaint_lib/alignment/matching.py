"""Matches between two pictures with holes: features, correlation, soft positions, confidence.

These are the parts of the learned aligner (`learned.py`). A *cell* is a square of 8 or 4 pixels of the working size;
`i` numbers cells of the target, `j` candidates in the reference. Positions are edge coordinates (`affine.py`).
"""

from typing import NamedTuple

import torch
from einops import einsum, rearrange, reduce, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

REACH = 3  # cells that the second look searches in every direction
NEVER = -1e4  # the logit of a candidate that must not be chosen


class Matches(NamedTuple):
    """The match of each target cell: from `start` to `end` in edge coordinates, with a `confidence` in (0, 1).

    `visible` is the known share of the cell. `logits` over the candidates are kept for training: over all reference
    cells at the first look (i j), over (2 REACH + 1)^2 neighbours at the second look.
    """

    start: Float[Tensor, "b i 2"]
    end: Float[Tensor, "b i 2"]
    confidence: Float[Tensor, "b i"]
    visible: Float[Tensor, "b i"]
    logits: Float[Tensor, "b i j"]


class MatchEncoder(nn.Module):
    """Masked RGB + mask to features for matching at 1/4 and 1/8.

    Kernels with stride 2 have even sizes. Output cell i then covers input cells 2i and 2i + 1 symmetrically, so the
    cells tile the picture and their centres are known exactly at every scale.
    """

    def __init__(self, channels: tuple[int, int, int]):
        super().__init__()
        first, middle, last = channels
        act = nn.LeakyReLU(0.1, inplace=True)
        self.quarter = nn.Sequential(
            nn.Conv2d(4, first, 6, stride=2, padding=2), act,
            nn.Conv2d(first, middle, 4, stride=2, padding=1), act,
            nn.Conv2d(middle, middle, 3, padding=1), act,
        )  # fmt: skip
        self.eighth = nn.Sequential(
            nn.Conv2d(middle, last, 4, stride=2, padding=1), act,
            nn.Conv2d(last, last, 3, padding=1), act,
            nn.Conv2d(last, last, 3, padding=2, dilation=2), act,
        )  # fmt: skip
        self.to_quarter = nn.Conv2d(middle, middle, 1)
        self.to_eighth = nn.Conv2d(last, last, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.1)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(
        self, frames: Float[Tensor, "b 3 h w"], masks: Float[Tensor, "b 1 h w"], coarse: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Features (b c h/4 w/4) and, if `coarse`, (b c h/8 w/8); frames in [0, 1]."""
        # Centred, so that a hole (0) looks like mid-grey and not like a black object.
        x = torch.cat([(frames * 2 - 1) * (1 - masks), masks], dim=1)
        x = self.quarter(x)
        return self.to_quarter(x).float(), (self.to_eighth(self.eighth(x)).float() if coarse else None)


def take(values: Float[Tensor, "b i j"], index: Int[Tensor, "b i"]) -> Float[Tensor, "b i"]:
    """values[b, i, index[b, i]]"""
    return rearrange(values.gather(-1, rearrange(index, "b i -> b i 1")), "b i 1 -> b i")


def peak(
    logits: Float[Tensor, "b i j"], place: Float[Tensor, "j 2"], rows: int, cols: int
) -> tuple[Float[Tensor, "b i 2"], Float[Tensor, "b i"], Int[Tensor, "b i"]]:
    """The position of the best candidate of each cell, made continuous.

    Candidates form a grid of rows x cols at positions `place`. Returns three results: a soft-argmax over the best
    candidate and its (up to) 8 neighbours; the logarithm of the share that these have of the whole softmax; and the
    index of the best candidate. A soft-argmax over all candidates would end between two good matches.
    """
    best = logits.argmax(dim=-1)
    index = torch.arange(rows * cols, device=logits.device)
    row, col = index // cols, index % cols
    step = torch.arange(-1, 2, device=logits.device)
    dy, dx = repeat(step, "d -> (d e)", e=3), repeat(step, "d -> (e d)", e=3)
    y, x = rearrange(row, "j -> j 1") + dy, rearrange(col, "j -> j 1") + dx
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < cols)
    around = y.clamp(0, rows - 1) * cols + x.clamp(0, cols - 1)
    near = logits.gather(-1, around[best]).masked_fill(~inside[best], NEVER)
    position = einsum(near.softmax(dim=-1), place[around[best]], "b i k, b i k xy -> b i xy")
    return position, near.logsumexp(dim=-1) - logits.logsumexp(dim=-1), best


def correlate_around(one: Float[Tensor, "b h w c"], two: Float[Tensor, "b h w c"]) -> Float[Tensor, "b i j"]:
    """Products of each cell of `one` with the (2 REACH + 1)^2 cells around the same place in `two`, 0 beyond the rim.

    One matrix product compares a row with a whole row, and a diagonal band of it is used. This takes nine times the
    arithmetic of 49 shifted products, but is many times faster, since no shifted copy goes through memory.
    """
    rows, cols = one.shape[1:3]
    padded = functional.pad(two, (0, 0, REACH, REACH, REACH, REACH))
    bands = []
    for dy in range(2 * REACH + 1):
        product = einsum(one, padded[:, dy : dy + rows], "b h w c, b h v c -> b h w v")
        # In row w the band begins at column w. Read as rows that are longer by one, it begins at column 0 in every row.
        flat = functional.pad(rearrange(product, "b h w v -> b h (w v)"), (0, cols))
        bands.append(rearrange(flat, "b h (w v) -> b (h w) v", w=cols)[..., : 2 * REACH + 1])
    return torch.cat(bands, dim=-1)


def visible_share(mask: Float[Tensor, "b 1 h w"], cell: int) -> Float[Tensor, "b i"]:
    """Share of each cell that is not hole. A share below one half becomes 0: the cell neither votes nor is found."""
    share = 1 - reduce(mask, "b 1 (h y) (w x) -> b (h w)", "mean", y=cell, x=cell)
    return share * (share >= 0.5)


def unit(features: Float[Tensor, "b c h w"], visible: Float[Tensor, "b i"]) -> Float[Tensor, "b i c"]:
    """Features minus their mean over the visible cells, at unit length: what all cells share does not help to match."""
    flat = rearrange(features, "b c h w -> b (h w) c")
    weight = rearrange(visible, "b i -> b i 1")
    mean = (flat * weight).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp(min=1e-3)
    return functional.normalize(flat - mean, dim=-1, eps=1e-6)


def believe(evidence: Tensor, sure: Tensor, mutual: Tensor, cosine: Tensor) -> Tensor:
    """Confidence in (0, 1) of a match, from three pieces of evidence.

    `sure` is the logarithm of the match's share of the softmax over candidates, and `mutual` the same for the softmax
    from reference to target. `cosine` is the cosine of the features.
    """
    a, b, c, bias = evidence
    return torch.sigmoid(a * sure.clamp(min=-8) + b * mutual.clamp(min=-8) + c * cosine + bias)
