"""Checks of notebook 04: softmax over groups and weighted sum, masked injection, weights that are exactly 0."""

import torch
from einops import rearrange, reduce
from torch import Tensor

from vinpaint_lib.lessons.checks.asking import check, normal, ones, uniform
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, require, same_shape
from vinpaint_lib.systems.tgfnet import fusion, network

CHECKS = ("fuse_groups", "inject", "copy_weights")
SIZES = ((11, 3, 4, 2, 8, 10), (21, 1, 7, 5, 3, 6))  # seed b n c h w, with which all three ask again


@check(
    fusion.fuse,
    lambda: [(normal(s, b, n, c, h, w), 2 * normal(s + 1, b, n, 1, h, w)) for s, b, n, c, h, w in SIZES],
    gradients={"groups": 0, "scores": 1},
)
def fuse_groups(function: Reader) -> None:
    """function(groups b n c h w, scores b n 1 h w) -> b c h w: sum over n of groups x softmax over n of the scores."""
    generator = torch.Generator().manual_seed(4)
    groups = torch.randn(2, 5, 3, 4, 7, generator=generator)
    scores = 2 * torch.randn(2, 5, 1, 4, 7, generator=generator)
    found = call(function, groups, scores)
    require(tuple(found.shape) != tuple(groups.shape), "the groups are weighted but not added up: n must be gone.")
    same_shape(found, (2, 3, 4, 7), "the fused feature")
    sharp = scores.softmax(dim=1)
    for sentence, weights in (
        ("the groups are only added up: a softmax over an axis of length 1 is 1 everywhere.", torch.ones_like(scores)),
        ("the scores themselves are the weights: where is the softmax?", scores),
        ("the exponentials are not divided by their sum over the groups.", scores.exp()),
        ("each weight is a sigmoid of its own score: the groups must compete.", scores.sigmoid()),
        ("all groups weigh the same: the scores are not used.", torch.full_like(scores, 1 / 5)),
        ("the best group takes all: that is a maximum, not a softmax.", (sharp == sharp.amax(1, True)).float()),
        ("the softmax runs over the columns of the picture, not over the groups.", scores.softmax(dim=-1)),
        ("the softmax runs over the rows of the picture, not over the groups.", scores.softmax(dim=-2)),
        ("the softmax runs over the places of the picture, not over the groups.", over_places(scores)),
        ("the softmax runs over the batch, not over the groups.", scores.softmax(dim=0)),
        ("the sum is divided by the number of groups: the weights sum to one already.", sharp / 5),
    ):
        require(not torch.allclose(found, reduce(groups * weights, "b n c h w -> b c h w", "sum"), atol=1e-5), sentence)
    close(found, fusion.fuse(groups, scores), "the fused feature differs from a loop over groups.")
    large = call(function, groups, scores + 200)
    require(torch.isfinite(large).all(), "scores of 200 overflow: subtract the largest, or use torch's softmax.")
    close(large, found, "adding a number to all scores changes the result.", atol=1e-3)


def over_places(scores: Tensor) -> Tensor:
    """A softmax (b n 1 h w) over h and w together, which is not what the attention wants."""
    joined = rearrange(scores, "b n 1 h w -> b n (h w)").softmax(dim=-1)
    return rearrange(joined, "b n (h w) -> b n 1 h w", h=scores.shape[-2])


@check(
    fusion.inject,
    lambda: [
        (normal(s, b, c, h, w), normal(s + 1, b, c, h, w), ones(s, 0.6, b, 1, h, w)) for s, b, _, c, h, w in SIZES
    ],
    gradients={"feature": 0, "fused": 1},
)
def inject(function: Reader) -> None:
    """function(feature b c h w, fused b c h w, mask b 1 h w) -> (1 - M) * feature + M * fused."""
    generator = torch.Generator().manual_seed(5)
    feature, fused = torch.randn(2, 2, 4, 5, 9, generator=generator)
    mask = (torch.rand(2, 1, 5, 9, generator=generator) < 0.4).float()
    found = call(function, feature, fused, mask)
    same_shape(found, feature, "the injected feature")
    for sentence, other in (
        ("hole and known cells are exchanged: M is 1 in the hole, where the fused feature enters.",
         mask * feature + (1 - mask) * fused),
        ("the fused feature replaces known cells as well: where is the mask?", fused),
        ("the target's feature comes back as it was: nothing is injected.", feature),
        ("the fused feature is added to the target's in the hole: multiply that by 1 - M.", feature + mask * fused),
        ("known cells are 0: the target's own feature belongs there.", mask * fused),
        ("the two are averaged everywhere.", (feature + fused) / 2),
    ):  # fmt: skip
        require(not torch.allclose(found, other, atol=1e-6), sentence)
    known = 1 - mask
    require(torch.equal(found * known, feature * known), "a known cell changed: it must come back exactly as it was.")
    close(found, fusion.inject(feature, fused, mask), "the hole does not hold the fused feature.")


@check(
    network.copy_weights,
    lambda: [
        (normal(s, b, n, 1, h, w), uniform(s + 1, b, n, 1, h, w) * ones(s + 2, 0.6, b, n, 1, h, w))
        for s, b, n, _, h, w in SIZES
    ],
    gradients={"scores": 0},
)
def copy_weights(function: Reader) -> None:
    """function(scores b n 1 h w, trust b n 1 h w) -> b n 1 h w: trust x e^score, divided by its sum over n; 0 where
    trust is 0."""
    generator = torch.Generator().manual_seed(6)
    scores = 2 * torch.randn(2, 4, 1, 5, 8, generator=generator)
    trust = torch.rand(2, 4, 1, 5, 8, generator=generator)
    trust = trust * (torch.rand(trust.shape, generator=generator) < 0.6)
    trust[:, :, :, 1, 2:5] = 0  # no group shows these
    found = call(function, scores, trust)
    same_shape(found, trust, "the weights")
    nobody = reduce(trust, "b n 1 h w -> b 1 1 h w", "max") == 0
    require(
        torch.isfinite(found).all(), "there is a NaN or an infinity: what is the sum where no group shows the pixel?"
    )
    wanted = network.copy_weights(scores, trust)
    plain, shown = scores.softmax(dim=1), (trust > 0).float()
    require(
        not torch.allclose(found, plain, atol=1e-5), "the trust is not used: a group that shows nothing has weight."
    )
    require(
        not torch.allclose(found, plain * shown, atol=1e-5),
        "hidden groups are cut out after the softmax: the others no longer sum to one.",
    )
    require(
        not torch.allclose(found, over_groups(shown * scores.exp()), atol=1e-5), "the trust counts as yes or no only."
    )
    require(not torch.allclose(found, over_groups(trust), atol=1e-5), "the scores are not used.")
    require(
        not torch.allclose(found, (scores + trust).softmax(dim=1), atol=1e-5), "trust multiplies e^score: add its log."
    )
    require(not (found * nobody).any(), "where no group shows the pixel, all weights must be 0.")
    require(
        not (found * (1 - shown)).any(),
        "a group that shows nothing has a tiny weight: exactly 0 is wanted, so put it at minus infinity.",
    )
    total = reduce(found, "b n 1 h w -> b 1 1 h w", "sum")
    close(total[~nobody], torch.ones_like(total[~nobody]), "the weights of a pixel do not sum to one.")
    close(found, wanted, "the weights differ from a loop over pixels.")


def over_groups(weights: Tensor) -> Tensor:
    """Weights divided by their sum over the groups, 0 where that is 0."""
    total = rearrange(reduce(weights, "b n 1 h w -> b 1 h w", "sum"), "b 1 h w -> b 1 1 h w")
    return weights / total.clamp(min=1e-9)
