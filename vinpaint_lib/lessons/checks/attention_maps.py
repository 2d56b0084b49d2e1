"""Checks of notebook 09: how undecided the weights are, and where the pixel of the guess comes from."""

import math

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.figures import choices
from vinpaint_lib.lessons.checks import verdict
from vinpaint_lib.lessons.checks.asking import check
from vinpaint_lib.lessons.checks.verdict import Reader
from vinpaint_lib.systems.tgfnet import attention_maps

CHECKS = ("credited", "entropy")


@check(
    choices.entropy,
    lambda: [(weights_of(torch.Generator().manual_seed(11), 3, 8, 10),), (weights_of(torch.Generator(), 7, 2, 5),)],
)
def entropy(function: Reader) -> None:
    """`function(weights n 1 h w) -> 1 h w`: entropy over the groups divided by log n, with 0 log 0 = 0."""
    equal = torch.full((5, 1, 3, 4), 1 / 5)
    found = verdict.call(function, equal)
    verdict.same_shape(found, (1, 3, 4), "the entropy")
    top = float(found.max())
    verdict.require(math.isfinite(top), f"equal weights give {top}: what is the logarithm taken of, or divided by?")
    verdict.require(
        top >= 0, f"equal weights give {top:.3g}, and entropy is not negative: w log w has a minus before it."
    )
    verdict.require(top > 0, "equal weights give 0, as if one group decided: they should give 1.")
    verdict.require(
        abs(top - math.log(5)) > 1e-3 and abs(top - math.log2(5)) > 1e-3,
        f"equal weights over 5 groups give {top:.3g} and should give 1: divide by log N.",
    )
    verdict.close(
        found, torch.ones(1, 3, 4), "equal weights of N groups should give 1 for any N: sum, then divide once"
    )
    pair = verdict.call(function, torch.full((2, 1, 3, 4), 1 / 2))
    verdict.close(
        pair, torch.ones(1, 3, 4), "two equal groups should give 1 as well: divide by log 2, which is below 1"
    )
    weights = weights_of(torch.Generator().manual_seed(3), groups=4)
    found = verdict.call(function, weights)
    verdict.require(
        torch.isfinite(found).all(), "a weight of 0 gives nan: 0 log 0 counts as 0 (see torch.special.entr)."
    )
    alone = verdict.call(function, torch.ones(1, 1, 2, 3))
    verdict.require(
        torch.isfinite(alone).all(), "a single group gives nan: log N is 0 there, and the entropy should be 0."
    )
    verdict.close(alone, torch.zeros(1, 2, 3), "a single group is always sure: the entropy should be 0")
    verdict.close(found, choices.entropy(weights), "not the entropy of these four groups, some of weight 0")


@check(
    lambda weights, trust, guess: attention_maps.credited(weights, trust, named(len(weights), guess)),
    lambda: [given(11, 3, 0, 8, 10), given(12, 6, 2, 5, 4)],
)
def credited(function: Reader) -> None:
    """`function(weights n 1 h w, trust n 1 h w, guess) -> n 1 h w`: the guess's weight goes to its source."""
    generator = torch.Generator().manual_seed(9)
    for groups, guess in ((4, 3), (5, 1)):
        weights, trust = weights_of(generator, groups), trust_of(generator, groups, guess)
        judge(verdict.call(function, weights, trust, guess), weights, trust, named(groups, guess))


def named(groups: int, guess: int) -> list[str]:
    """The names of groups of which one is the guess."""
    return ["guess" if n == guess else f"group {n}" for n in range(groups)]


def given(seed: int, groups: int, guess: int, h: int, w: int) -> tuple[Tensor, Tensor, int]:
    """The arguments of `credited`."""
    generator = torch.Generator().manual_seed(seed)
    return weights_of(generator, groups, h, w), trust_of(generator, groups, guess, h, w), guess


def judge(found: Tensor, weights: Tensor, trust: Tensor, names: list[str]) -> None:
    """Raise Wrong unless `found` is what `attention_maps.credited` of TGF-Net gives for the other arguments."""
    guess = names.index("guess")
    others = torch.cat([trust[:guess], trust[guess + 1 :]])
    shown = (others > 0).any(dim=0)
    verdict.same_shape(found, weights, "the result")
    wanted = attention_maps.credited(weights, trust, names)
    at = f"(the guess is group {guess} of {len(names)})"
    verdict.require(
        not (found[guess][shown].abs() > 1e-6).any(),
        f"where another group shows the pixel, the guess still has weight {at}: move it.",
    )
    verdict.close(
        found[guess][~shown],
        weights[guess][~shown],
        "where only the guess has something, it must keep its weight: there is nobody to pass it on to",
    )
    verdict.close(
        reduce(found, "n 1 h w -> 1 h w", "sum"),
        reduce(weights, "n 1 h w -> 1 h w", "sum"),
        "the weights of a pixel do not sum to what they were: what the guess loses, its source gains",
    )
    lost = reduce((found < weights - 1e-6).float(), "n 1 h w -> n", "max")
    lost[guess] = 0
    verdict.require(not lost.any(), "another group than the guess has lost weight: only the guess gives.")
    verdict.close(found, wanted, "the weight should go to the most trusted of the other groups, and goes elsewhere")


def weights_of(generator: torch.Generator, groups: int, h: int = 3, w: int = 7) -> Float[Tensor, "n 1 h w"]:
    """Weights that sum to one over the groups, some 0; at the first pixel all are 0."""
    weights = torch.rand(groups, 1, h, w, generator=generator)
    weights = weights * (torch.rand(weights.shape, generator=generator) > 0.3)
    weights = weights / weights.sum(dim=0).clamp(min=1e-6)
    weights[..., 0, 0] = 0
    return weights


def trust_of(generator: torch.Generator, groups: int, guess: int, h: int = 3, w: int = 7) -> Float[Tensor, "n 1 h w"]:
    """Trust in [0, 1]: 0 where a group shows nothing. The guess shows something everywhere, and in the first
    row it is alone."""
    trust = torch.rand(groups, 1, h, w, generator=generator)
    trust = trust * (torch.rand(trust.shape, generator=generator) > 0.4)
    trust[:, :, 0] = 0
    trust[guess] = 0.05 + 0.9 * torch.rand(1, h, w, generator=generator)
    return trust
