"""Checks of notebook 14: cosines of what both frames show, references weighed by distance, attention from the hole."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from vinpaint_lib.lessons.checks import align_and_attend_answers as answers, verdict
from vinpaint_lib.lessons.checks.asking import check, normal, ones, uniform
from vinpaint_lib.lessons.checks.verdict import Reader
from vinpaint_lib.systems.align_attend import attention

CHECKS = ("attend_from_hole", "masked_cosine", "weigh_references")


@check(
    answers.cosines,
    lambda: [
        (normal(s, b, c, *one), normal(s + 1, b, c, *other), share_of(s, b, one), share_of(s + 1, b, other))
        for s, b, c, one, other in ((11, 3, 4, (4, 5), (5, 2)), (21, 1, 7, (3, 4), (2, 6)))
    ],
    gradients={"one": 0, "other": 1},
)
def masked_cosine(function: Reader) -> None:
    """`function(one b c h w, other b c y x, seen b i, other_seen b j) -> b i j`: cosines, 0 where either is hidden."""
    generator = torch.Generator().manual_seed(14)
    one, other = (torch.randn(2, 5, *size, generator=generator) + 0.5 for size in ((2, 3), (4, 2)))
    other[0, :, 1, 0] = 0
    seen, other_seen = torch.ones(2, 6), torch.ones(2, 8)
    seen[0, 1], seen[1, 4], other_seen[0, 6], other_seen[1, 0] = 0, 0, 0, 0
    seen[0, 2], other_seen[1, 3] = 0.1, 0.3
    given = one, other, seen, other_seen
    wanted, (row, column) = answers.cosines(*given), answers.pairs(seen, other_seen)
    found = verdict.call(function, *given)
    verdict.require(
        tuple(found.shape) != (2, 8, 6),
        "the two frames are exchanged: rows are cells of the target, columns of the reference.",
    )
    verdict.same_shape(found, wanted, "the map")
    found = verdict.precise(found, "the map")
    verdict.require(
        not torch.isinf(found).any(),
        "there is infinity in the map: hidden pairs are 0 here; minus infinity comes later, in the softmax.",
    )
    verdict.require(
        not verdict.alike(found.sum(dim=2)[seen > 0], torch.ones(int((seen > 0).sum()))),
        answers.SOFTMAX,
    )
    verdict.require(torch.isfinite(found[0, :, 2]).all(), "a cell whose features are all 0 gives nan: its cosine is 0.")
    refuse(found, given, answers.WRONG_COSINES)
    verdict.require(
        found[row & column].any(), "what both show is 0: are the masks the wrong way round? A share of 0 is hidden."
    )
    verdict.require(
        not (found[~row & column].any() and found[row & ~column].any()),
        "a pair still matches where only one side is seen: both must be, *and*, not *or*.",
    )
    verdict.require(not found[~row & column].any(), "a hidden cell of the target still matches: its whole row is 0.")
    verdict.require(
        not found[row & ~column].any(), "a hidden cell of the reference still matches: its whole column is 0."
    )
    whole = ~(row & column) | torch.logical_and(*answers.pairs((seen == 1).float(), (other_seen == 1).float()))
    verdict.require(
        verdict.alike(found, wanted) or not verdict.alike(found[whole], wanted[whole]),
        "a cell that is partly seen does not match as the others do: it counts as seen from any share above 0.",
    )
    verdict.close(found, wanted, "these are not the cosines over the channels")


def share_of(seed: int, b: int, size: tuple[int, int]) -> Tensor:
    """Shares (b (h w)) of cells, a quarter of them 0."""
    cells = b, size[0] * size[1]
    return uniform(seed + 5, *cells) * ones(seed + 6, 0.75, *cells)


def refuse(found: Tensor, given: tuple[Any, ...], mistakes: answers.Wrongs) -> None:
    """If a known mistake gives the same result, raise Wrong with the sentence of the first such mistake."""
    for sentence, mistake in mistakes:
        verdict.require(not verdict.alike(found, mistake(*given)), sentence)


@check(
    answers.weights,
    lambda: [
        (
            normal(s, b, r, c, h, w),
            ones(s, 0.6, b, r, 1, h, w),
            normal(s + 1, b, c, h, w),
            ones(s, 0.7, b, 1, h, w),
            beta,
        )
        for s, b, r, c, h, w, beta in ((11, 3, 2, 4, 5, 7, 0.7), (12, 1, 5, 2, 4, 6, 12.0))
    ],
    gradients={"aligned": 0, "target": 2},
)
def weigh_references(function: Reader) -> None:
    """`function(aligned b r c h w, visible b r 1 h w, target b c h w, known b 1 h w, sharpness) -> b r 1 h w`."""
    generator = torch.Generator().manual_seed(15)
    target = torch.randn(2, 3, 4, 5, generator=generator)
    away = rearrange(torch.tensor([[0.9, 0.2, 0.5, 1.4], [0.3, 0.8, 1.1, 0.1]]), "b r -> b r 1 1 1")
    aligned = rearrange(target, "b c h w -> b 1 c h w") + away * torch.randn(2, 4, 3, 4, 5, generator=generator)
    visible = (torch.rand(2, 4, 1, 4, 5, generator=generator) < 0.7).float()
    visible[:, :, :, 1, 1] = 0  # nobody shows this position
    known = torch.ones(2, 1, 4, 5)
    known[:, :, 1:3, 1:4] = 0
    # Values that must not count are far off.
    target = torch.where(known > 0, target, target + 40)
    aligned = torch.where(visible > 0, aligned, aligned - 30)
    sharpness = 3.0
    given = aligned, visible, target, known, sharpness
    wanted = answers.weights(*given)
    found = verdict.call(function, *given)
    verdict.same_shape(found, wanted, "the map of weights")
    found = verdict.precise(found, "the map of weights")
    nobody = (visible.amax(dim=1, keepdim=True) == 0).expand_as(found)
    verdict.require(
        torch.isfinite(found[~nobody]).all(),
        "some weights are nan where references show something: is 0 divided by 0, or the root of less than 0 taken?",
    )
    verdict.require(
        torch.isfinite(found).all(), "where no reference shows anything there is nan: the weights are 0 there."
    )
    verdict.require(
        not verdict.alike(found, answers.weights(aligned, visible, target, known, -sharpness)),
        "the farthest reference gets most: a softmax prefers the *largest* number, and a small distance is better.",
    )
    verdict.require(
        not found[visible == 0].any(), "a reference has weight where it shows nothing: it must be exactly 0."
    )
    for part in (known, 1 - known):
        verdict.require(
            not verdict.alike(found, wanted * rearrange(part, "b 1 h w -> b 1 1 h w")),
            "the weights are cut to a part of the frame: they stand everywhere, in the hole and outside of it.",
        )
    verdict.close(
        found.sum(dim=1),
        visible.amax(dim=1),
        "the weights over references do not sum to 1 where one shows something: is the mask applied behind the "
        "softmax, or does it run over another axis than the references?",
    )
    refuse(found, given, answers.WRONG_WEIGHTS)
    verdict.close(found, wanted, "not the softmax over references of minus the sharpness times the distance")
    alone = visible.clone()
    alone[:, 2] *= 1 - known  # this reference shows nothing that the target shows
    verdict.close(
        verdict.call(function, aligned, alone, target, known, sharpness),
        answers.weights(aligned, alone, target, known, sharpness),
        "a reference that shares nothing with the target should count as far away as the farthest",
    )
    sharp = aligned, visible, target, known, 500.0
    again = verdict.call(function, *sharp)
    verdict.require(not verdict.alike(again, wanted), "the factor is always 3: `sharpness` is to be used.")
    verdict.close(
        again,
        answers.weights(*sharp),
        "right for a sharpness of 3 and wrong for 500: what is hidden needs a score below all others, as -1e4 is, and "
        "exponentials by hand round to 0 where `softmax` does not",
    )


@check(
    attention.attend,
    lambda: [
        (normal(s, b, c, h, w), normal(s + 1, b, r, c, h, w), ones(s, 0.5, b, 1, h, w), ones(s, 0.6, b, r, 1, h, w), x)
        for s, b, r, c, h, w, x in ((11, 3, 2, 4, 4, 5, 1.5), (12, 1, 4, 3, 5, 3, 12.0))
    ],
    gradients={"target": 0, "references": 1},
)
def attend_from_hole(function: Reader) -> None:
    """`function(target b c h w, references b r c h w, queries b 1 h w, keys b r 1 h w, scale) -> b c h w`."""
    generator = torch.Generator().manual_seed(16)
    target, references = (torch.randn(2, *s, generator=generator) for s in ((5, 3, 4), (3, 5, 3, 4)))
    queries = (torch.rand(2, 1, 3, 4, generator=generator) < 0.5).float()
    keys = (torch.rand(2, 3, 1, 3, 4, generator=generator) < 0.6).float()
    scale = 6.0
    given = target, references, queries, keys, scale
    wanted = attention.attend(*given)
    found = verdict.call(function, *given)
    verdict.same_shape(found, wanted, "what was found")
    found = verdict.precise(found, "what was found")
    verdict.require(torch.isfinite(found).all(), "some of the result is nan: is every key hidden by minus infinity?")
    refuse(found, given, answers.WRONG_FINDS[:1])
    verdict.require(
        not (found * (1 - queries)).any(), "positions that do not ask get something: they must be exactly 0."
    )
    refuse(found, given, answers.WRONG_FINDS)
    verdict.close(found, wanted, "not the weighted mean of the visible features")
    # In the first sample one key is left, and it is the opposite of one position's query.
    y, x = queries[0, 0].nonzero()[0].tolist()
    keys[0] = 0
    keys[0, 1, 0, 1, 2] = 1
    references[0, 1, :, 1, 2] = -target[0, :, y, x]
    again = verdict.call(function, target, references, queries, keys, 30.0)
    verdict.require(
        not verdict.alike(again, attention.attend(target, references, queries, keys, scale)),
        "the factor is always 6: `scale` is to be used.",
    )
    verdict.close(
        again,
        attention.attend(target, references, queries, keys, 30.0),
        "right for a scale of 6 and wrong for 30: scores reach -30 then, and a hidden position needs one far below, as "
        "-1e4 is",
    )
