"""Checks of notebook 14: cosines of what both frames show, references weighed by distance, attention from the hole."""

from collections.abc import Callable
from typing import Any

import torch
from einops import einsum, rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib import hole_attention
from vinpaint_lib.align_attend_parts import aggregate
from vinpaint_lib.exercises import asking

CHECKS = ("attend_from_hole", "masked_cosine", "weigh_references")


def masked_cosine(function: Callable[..., Any]) -> None:
    """`function(one b c h w, other b c y x, seen b i, other_seen b j) -> b i j`: cosines, 0 where either is hidden."""
    generator = torch.Generator().manual_seed(14)
    one, other = (torch.randn(2, 5, *size, generator=generator) + 0.5 for size in ((2, 3), (4, 2)))
    other[0, :, 1, 0] = 0
    seen, other_seen = torch.ones(2, 6), torch.ones(2, 8)
    seen[0, 1], seen[1, 4], other_seen[0, 6], other_seen[1, 0] = 0, 0, 0, 0
    seen[0, 2] = 0.6
    given = one, other, seen, other_seen
    wanted = cosines(*given)
    found = asking.call(function, *given)
    asking.ask(
        tuple(found.shape) != (2, 8, 6), "the two frames are exchanged: rows are cells of the target, columns of the "
        "reference.",
    )  # fmt: skip
    asking.same_shape(found, wanted, "the map")
    flat, flat_other = (rearrange(x, "b c h w -> b (h w) c") for x in (one, other))
    both = rearrange(seen > 0, "b i -> b i 1") * rearrange(other_seen > 0, "b j -> b 1 j")
    asking.ask(
        not torch.allclose(found.nan_to_num(), einsum(flat, flat_other, "b i c, b j c -> b i j") * both, atol=1e-4),
        "these are products of features, not cosines: give every feature vector the length 1 first.",
    )
    asking.ask(torch.isfinite(found).all(), "a cell whose features are all 0 gives nan: its cosine is 0.")
    hidden = ~both
    asking.ask(
        not torch.allclose(found, cosines(one, other, torch.ones_like(seen), torch.ones_like(other_seen)), atol=1e-4),
        "hidden cells still match: the masks are not used.",
    )
    asking.ask(
        not found[hidden & (rearrange(other_seen, "b j -> b 1 j") > 0)].any(),
        "a hidden cell of the target still matches: its whole row is 0.",
    )
    asking.ask(
        not found[hidden & (rearrange(seen, "b i -> b i 1") > 0)].any(),
        "a hidden cell of the reference still matches: its whole column is 0.",
    )
    shares = rearrange(seen, "b i -> b i 1") * rearrange(other_seen, "b j -> b 1 j")
    asking.ask(
        not torch.allclose(found, cosines(one, other, *(torch.ones_like(x) for x in (seen, other_seen))) * shares),
        "a cell that is partly seen matches less: a cell counts as seen from anything above 0.",
    )
    asking.ask(
        not torch.allclose(found, columns_first(*given), atol=1e-4),
        "the cells are numbered down the columns: they run row by row.",
    )
    asking.close(found, wanted, "these are not the cosines over the channels")
    asking.right("masked_cosine")


def cosines(
    one: Float[Tensor, "b c h w"], other: Float[Tensor, "b c y x"], seen: Float[Tensor, "b i"], other_seen: Tensor
) -> Float[Tensor, "b i j"]:
    """What `masked_cosine` should give: the paper's matching, without the mean that the library takes off first."""
    flat, flat_other = (
        functional.normalize(rearrange(x, "b c h w -> b (h w) c"), dim=-1, eps=1e-6) for x in (one, other)
    )
    both = rearrange(seen > 0, "b i -> b i 1") * rearrange(other_seen > 0, "b j -> b 1 j")
    return einsum(flat, flat_other, "b i c, b j c -> b i j") * both


def columns_first(one: Tensor, other: Tensor, seen: Tensor, other_seen: Tensor) -> Tensor:
    """The planted mistake of `masked_cosine`: cells numbered down the columns."""
    return cosines(rearrange(one, "b c h w -> b c w h"), rearrange(other, "b c h w -> b c w h"), seen, other_seen)


def weigh_references(function: Callable[..., Any]) -> None:
    """`function(aligned b r c h w, visible b r 1 h w, target b c h w, known b 1 h w, sharpness) -> b r 1 h w`."""
    generator = torch.Generator().manual_seed(15)
    target = torch.randn(2, 3, 4, 5, generator=generator)
    away = rearrange(torch.tensor([[0.9, 0.2, 0.5, 1.4], [0.3, 0.8, 1.1, 0.1]]), "b r -> b r 1 1 1")
    aligned = rearrange(target, "b c h w -> b 1 c h w") + away * torch.randn(2, 4, 3, 4, 5, generator=generator)
    visible = (torch.rand(2, 4, 1, 4, 5, generator=generator) < 0.7).float()
    visible[:, :, :, 1, 1] = 0  # nobody shows this position
    known = torch.ones(2, 1, 4, 5)
    known[:, :, 1:3, 1:4] = 0
    # What stands where it must not count is far off.
    target = torch.where(known > 0, target, target + 40)
    aligned = torch.where(visible > 0, aligned, aligned - 30)
    sharpness = 3.0
    given = aligned, visible, target, known, sharpness
    wanted = weights(*given)
    found = asking.call(function, *given)
    asking.same_shape(found, wanted, "the weights")
    asking.ask(torch.isfinite(found).all(), "where no reference shows anything there is nan: the weights are 0 there.")
    asking.ask(
        not torch.allclose(found, weights(aligned, visible, target, known, -sharpness), atol=1e-4),
        "the farthest reference gets most: a softmax prefers the *largest* number, and a small distance is better.",
    )
    asking.ask(not found[visible == 0].any(), "a reference has weight where it shows nothing: it must be exactly 0.")
    total, some = found.sum(dim=1), visible.amax(dim=1)
    asking.close(
        total, some, "the weights over references do not sum to 1 where one shows something: is the mask applied "
        "behind the softmax, or does it run over another axis than the references?",
    )  # fmt: skip
    everything = (torch.ones_like(visible), torch.ones_like(known))
    for masks, sentence in (
        ((everything[0], everything[1]), "the distance counts positions that are hidden: use both masks in it."),
        ((everything[0], known), "the distance counts what a reference does not show: multiply by `visible` too."),
        ((visible, everything[1]), "the distance counts the hole of the target: multiply by `known` too."),
    ):
        wrong = softmaxed(distances(aligned, masks[0], target, masks[1]), visible, sharpness)
        asking.ask(not torch.allclose(found, wrong, atol=1e-4), sentence)
    summed = distances(aligned, visible, target, known, mean=False)
    asking.ask(
        not torch.allclose(found, softmaxed(summed, visible, sharpness), atol=1e-4),
        "a reference that shares more with the target is farther away: divide the sum by what was counted.",
    )
    plain = softmaxed(distances(aligned, visible, target, known).square(), visible, sharpness)
    asking.ask(not torch.allclose(found, plain, atol=1e-4), "the root is missing: d is a distance, not its square.")
    asking.close(found, wanted, "not the softmax over references of minus the sharpness times the distance")
    apart = visible.clone()
    apart[:, 2] *= 1 - known  # this reference shows nothing that the target shows
    asking.close(
        asking.call(function, aligned, apart, target, known, sharpness),
        weights(aligned, apart, target, known, sharpness),
        "a reference that shares nothing with the target should count as far away as the farthest",
    )
    asking.right("weigh_references")


def weights(
    aligned: Float[Tensor, "b r c h w"],
    visible: Float[Tensor, "b r 1 h w"],
    target: Float[Tensor, "b c h w"],
    known: Float[Tensor, "b 1 h w"],
    sharpness: float,
) -> Float[Tensor, "b r 1 h w"]:
    """What `weigh_references` should give: the library's weights."""
    return aggregate(aligned, visible, target, known, torch.tensor(sharpness))[1]


def distances(aligned: Tensor, visible: Tensor, target: Tensor, known: Tensor, mean: bool = True) -> Tensor:
    """d (b r): root of the mean square (or of the sum) over positions of both masks."""
    both = visible * rearrange(known, "b 1 h w -> b 1 1 h w")
    gap = both * (aligned - rearrange(target, "b c h w -> b 1 c h w")).square()
    count = reduce(both, "b r 1 h w -> b r", "sum") * aligned.shape[2] if mean else torch.ones(())
    return (reduce(gap, "b r c h w -> b r", "sum") / count).sqrt()


def softmaxed(distance: Tensor, visible: Tensor, sharpness: float) -> Tensor:
    """Weights over references from distances (b r)."""
    scores = rearrange(-sharpness * distance, "b r -> b r 1 1 1").masked_fill(visible == 0, -1e4)
    return scores.softmax(dim=1) * visible


def attend_from_hole(function: Callable[..., Any]) -> None:
    """`function(target b c h w, references b r c h w, queries b 1 h w, keys b r 1 h w, scale) -> b c h w`."""
    generator = torch.Generator().manual_seed(16)
    target, references = (torch.randn(2, *s, generator=generator) for s in ((5, 3, 4), (3, 5, 3, 4)))
    queries = (torch.rand(2, 1, 3, 4, generator=generator) < 0.5).float()
    keys = (torch.rand(2, 3, 1, 3, 4, generator=generator) < 0.6).float()
    scale = 6.0
    wanted = hole_attention.attend(target, references, queries, keys, scale)
    found = asking.call(function, target, references, queries, keys, scale)
    asking.same_shape(found, wanted, "what was found")
    asking.ask(torch.isfinite(found).all(), "some of the result is nan: is every key hidden by minus infinity?")
    asking.ask(
        not torch.allclose(found, wanted + target, atol=1e-4),
        "the target is added already: the network does that afterwards, return what was found alone.",
    )
    asking.ask(not (found * (1 - queries)).any(), "positions that do not ask get something: they must be exactly 0.")
    unmasked = hole_attention.attend(target, references, queries, torch.ones_like(keys), scale)
    asking.ask(not torch.allclose(found, unmasked, atol=1e-4), "hidden positions are taken from: `keys` is not used.")
    asking.ask(
        not torch.allclose(found, hole_attention.attend(target, references, queries, keys, 1.0), atol=1e-4),
        "the cosines are not multiplied by `scale`.",
    )
    short = rearrange(references, "b r c h w -> b (r h w) c")
    hidden = rearrange(keys, "b r 1 h w -> b 1 (r h w)") == 0
    asked = rearrange(target, "b c h w -> b (h w) c")
    unit_asked, unit_shown = (functional.normalize(x, dim=-1) for x in (asked, short))
    for left, right, values, axis, sentence in (
        (unit_asked, unit_shown, unit_shown, -1, "the values lost their length: only queries and keys are normalised."),
        (asked, short, short, -1, "queries and keys are not of length 1: the scores are no cosines."),
        (
            unit_asked,
            unit_shown,
            short,
            1,
            "the softmax runs over the queries: each query shares its weight over keys.",
        ),
    ):
        scores = (scale * left @ right.mT).masked_fill(hidden, -1e4).softmax(dim=axis)
        wrong = rearrange(scores @ values, "b (h w) c -> b c h w", h=3) * queries
        asking.ask(not torch.allclose(found, wrong, atol=1e-4), sentence)
    one_frame = hole_attention.attend(target, references[:, :1], queries, keys[:, :1], scale)
    asking.ask(
        not torch.allclose(found, one_frame, atol=1e-4), "only the first reference is looked at: space and time are "
        "one list of keys.",
    )  # fmt: skip
    asking.close(found, wanted, "not the weighted mean of the visible features")
    asking.right("attend_from_hole")
