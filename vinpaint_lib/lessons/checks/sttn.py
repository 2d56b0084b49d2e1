"""Checks of notebook 13: patches become tokens, keys in holes get no weight, and a test that notices a leak."""

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from vinpaint_lib.lessons.checks import verdict
from vinpaint_lib.lessons.checks.asking import check, normal, ones
from vinpaint_lib.lessons.checks.verdict import Reader
from vinpaint_lib.systems.sttn import attention

CHECKS = ("masked_weights", "obeys_mask", "patch_tokens")

Inputs = tuple[Tensor, Tensor, Tensor, Tensor]  # queries, keys, values, holes


@check(
    attention.to_tokens,
    lambda: [(normal(11, 3, 2, 4, 8, 10), 2), (normal(12, 1, 4, 2, 10, 5), 5)],
    gradients={"maps": 0},
)
def patch_tokens(function: Reader) -> None:
    """`function(maps b t c h w, parts) -> b n d`: parts x parts patches a frame, each flattened to c ph pw."""
    maps = torch.randn(2, 3, 5, 6, 12, generator=torch.Generator().manual_seed(1))
    parts, wanted = 3, attention.to_tokens(maps, 3)
    found = verdict.call(function, maps, parts)
    if tuple(found.shape) == (2, 3 * 6 * 12 // 9, 5 * 9):
        verdict.require(
            False, "patches of 3 x 3 places are cut: `parts` is the number of patches a side, not their size."
        )
    verdict.require(
        tuple(found.shape) != (2 * 3, 9, 5 * 2 * 4),
        "the frames went to the batch axis: tokens of all frames of a clip stand in one row, so that any may meet any.",
    )
    verdict.same_shape(found, wanted, "the tensor of tokens")
    wrong = {
        "b t c (oh ph) (ow pw) -> b (oh ow t) (c ph pw)": "the tokens are right, but time runs fastest: t comes first.",
        "b t c (oh ph) (ow pw) -> b (t ow oh) (c ph pw)": "the patches run down the columns: rows come first, then "
        "columns.",
        "b t c (oh ph) (ow pw) -> b (oh t ow) (c ph pw)": "time stands between rows and columns of patches: t comes "
        "first.",
        "b t c (oh ph) (ow pw) -> b (t oh ow) (c pw ph)": "inside of a patch the columns come before the rows: ph "
        "comes before pw.",
        "b t c (ow pw) (oh ph) -> b (t oh ow) (c ph pw)": "height and width are exchanged: h, the fourth axis, is the "
        "one that splits into (oh ph).",
        "b t c (oh ph) (ow pw) -> b (t oh ow) (ph pw c)": "inside of a token the channel runs fastest: c comes first.",
        "b t c (ph oh) (pw ow) -> b (t oh ow) (c ph pw)": "a token collects places that lie far apart: in `(oh ph)` "
        "the patch is the slow number and the place inside of it the fast one.",
    }
    for pattern, sentence in wrong.items():
        verdict.require(not torch.equal(found, rearrange(maps, pattern, oh=parts, ow=parts)), sentence)
    verdict.close(found, wanted, "the numbers are not those of the patches")
    whole = verdict.call(function, maps, 1)
    verdict.close(whole, rearrange(maps, "b t c h w -> b t (c h w)"), "with one part a frame should be one token")


@check(
    lambda scores, holes: expected_weights(scores, holes),
    lambda: [(normal(s, b, m, n), one_full(s, b, n)) for s, b, m, n in ((11, 4, 8, 10), (12, 2, 3, 5))],
    gradients={"scores": 0},
)
def masked_weights(function: Reader) -> None:
    """`function(scores b m n, holes b n) -> b m n`: softmax over the keys outside of holes; over all keys if all are
    in holes."""
    generator = torch.Generator().manual_seed(2)
    scores = 3 * torch.randn(3, 4, 6, generator=generator) - 4
    holes = torch.rand(3, 6, generator=generator) < 0.4
    holes[0, 1], holes[0, 2], holes[1, 0], holes[1, 5] = True, False, False, True
    some = scores[:2], holes[:2]
    found = verdict.call(function, *some)
    verdict.same_shape(found, some[0], "the tensor of weights")
    hidden = rearrange(some[1], "b n -> b 1 n").expand_as(found)
    banned = some[0].masked_fill(hidden, -math.inf)
    for dim, sentence in (
        (
            0,
            "the softmax runs over the clips of the batch: each query shares its weight among the keys, the last axis.",
        ),
        (1, "the softmax runs over the queries: each query shares its weight among the keys, the last axis."),
    ):
        other = banned.softmax(dim=dim).nan_to_num()
        verdict.require(not torch.allclose(found.nan_to_num(), other, atol=1e-4), sentence)
    verdict.require(
        not torch.allclose(found.exp(), expected_weights(*some), atol=1e-4),
        "these are the logarithms of the weights: `softmax` is wanted, not `log_softmax`.",
    )
    verdict.require(
        torch.isfinite(found).all(),
        "some weights are nan or inf, although no clip is all hole: 0 times infinity is nan (fill, do not multiply), "
        "what forbids a key is *minus* infinity, and e^s of a large s is inf.",
    )
    verdict.require(
        not torch.allclose(found, some[0].softmax(dim=-1), atol=1e-4),
        "these are the weights without the mask: `masked_fill` returns a new tensor and leaves the old one as it is.",
    )
    verdict.require(
        not torch.allclose(found, some[0].masked_fill(~hidden, -math.inf).softmax(dim=-1), atol=1e-4),
        "the weight lies in the holes: here True is a hole, and the others are the keys that may be taken.",
    )
    verdict.require(
        not torch.allclose(found, some[0].masked_fill(hidden, 0).softmax(dim=-1), atol=1e-4),
        "a score of 0 is no ban: e^0 = 1. Which score has the exponential 0?",
    )
    verdict.require(not found[hidden].any(), "a key in a hole still has some weight: it must be exactly 0.")
    total = found.sum(dim=-1)
    verdict.close(
        total, torch.ones_like(total), "the weights of a query do not sum to 1: is the mask applied behind the softmax?"
    )
    verdict.close(found, expected_weights(*some), "not the softmax over the keys outside of the holes")
    full = torch.cat([holes[:2], torch.ones(1, 6, dtype=torch.bool)])
    found = verdict.call(function, scores, full)
    verdict.require(
        torch.isfinite(found[2]).all(),
        "a clip whose every key is a hole gives nan, a softmax of nothing but minus infinity: let all its keys count.",
    )
    verdict.require(
        not torch.allclose(found[2], torch.full_like(found[2], 1 / 6), atol=1e-4),
        "a clip whose every key is a hole weighs all keys alike: one large number in the place of all scores wipes "
        "them out, and here the scores should count as they are.",
    )
    verdict.close(
        found[2],
        scores[2].softmax(dim=-1),
        "a clip whose every key is a hole should ignore its mask, and be the plain softmax of its scores",
    )
    verdict.close(
        found[:2],
        expected_weights(*some),
        "a clip with nothing but holes changes the others: ask for each clip, not for all",
    )


def one_full(seed: int, b: int, n: int) -> Bool[Tensor, "b n"]:
    """Keys in holes; in the first clip all of them are, and in the others the last is not."""
    holes = ones(seed, 0.5, b, n) > 0
    holes[0], holes[1:, -1] = True, False
    return holes


def expected_weights(scores: Float[Tensor, "b m n"], holes: Bool[Tensor, "b n"]) -> Float[Tensor, "b m n"]:
    """What `masked_weights` should give."""
    return (scores + attention.bias_of(holes)).softmax(dim=-1)


@check(returns=bool)
def obeys_mask(function: Reader) -> None:
    """`function(attend) -> bool`: whether attend(queries, keys, values, holes) obeys its mask."""
    given: list[Inputs] = []

    def witness(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
        given.append((queries.clone(), keys.clone(), values.clone(), holes.clone().bool()))
        return attention.attend(queries, keys, values, holes)

    verdict.require(verdict.call(function, witness), f"an attention that obeys fails your test: {blame(given)}")
    for attend, obeys, sentence in (
        (in_slices, True, "rounding alone is called a leak: allow a tolerance of about 1e-4 of what you put in."),
        (doubled, True, "an attention that obeys fails because its scores are not the library's: test the three "
         "properties, not one formula."),
        (dropped, False, "the released attention, which computes its mask and drops it, passes your test."),
        (turned, False, "an attention that takes from the holes *only* passes: put your change into the holes."),
        (lowered, False, "an attention passes that lowers the scores in holes by 4: a small leak wants a big change."),
        (emptied, False, "an attention passes whose holes bring zeros and still take weight: let all values be 1."),
        (uneven, False, "an attention passes whose weights do not sum to 1: let all values be 1."),
        (silent, False, "an attention that ignores all keys passes: it must also *use* what is outside of the holes."),
        (by_keys, False, "an attention passes that hears of the *keys* in holes: change keys there, not values alone."),
        (by_values, False, "an attention passes that takes a little of the *values* in holes: change these too."),
    ):  # fmt: skip
        found = verdict.call(function, attend)
        verdict.require(found is obeys, sentence)


def blame(given: Sequence[Inputs]) -> str:
    """Why a reader's test accuses an attention that obeys; the inputs that the test used show it."""
    if any(holes.all(dim=1).any() for *_, holes in given):
        return "where every key is a hole, all of them may count: let some keys be holes, not all."
    outside = [keys[~holes] for _, keys, _, holes in given]
    shifts = [x - outside[0] for x in outside if x.shape == outside[0].shape]
    if any(x.any() and torch.allclose(x, x[:1].expand_as(x), atol=1e-4) for x in shifts):
        return "the same added to all known keys changes no weight: for property 2 change values outside of the holes."
    return "for property 1 change nothing but what stands in holes, and by finite numbers; for 2 and 3 change values."


def in_slices(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """Right, but one query after the other and in another order of summation."""
    order = torch.arange(keys.shape[1] - 1, -1, -1)
    k, v, h = keys[:, order], values[:, order], holes[:, order]
    found = [attention.attend(queries[:, n : n + 1], k, v, h) for n in range(queries.shape[1])]
    noise = 1e-6 * torch.sin(1e3 * torch.cat(found, dim=1) + keys.sum())
    return torch.cat(found, dim=1) + noise


def dropped(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """The mask is made and never used."""
    return attention.attend(queries, keys, values)


def turned(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """Known and missing exchanged."""
    return attention.attend(queries, keys, values, ~holes)


def scores_of(queries: Tensor, keys: Tensor) -> Tensor:
    return queries @ keys.mT / math.sqrt(queries.shape[-1])


def lowered(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """A finite penalty, and keys of limited length: only a small weight stays in a hole."""
    bias = 4.0 * rearrange(holes.to(values.dtype), "b n -> b 1 n")
    return (scores_of(queries, torch.tanh(keys)) - bias).softmax(dim=-1) @ values


def emptied(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """Values and keys in holes are set to 0, but the weights of these keys stay."""
    known = rearrange((~holes).to(values.dtype), "b n -> b n 1")
    return attention.attend(queries, keys * known, values * known)


def uneven(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """The known keys are weighed as they should be, and then everything is halved."""
    return attention.attend(queries, keys, values, holes) / 2


def silent(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """All ones: no key and no value counts."""
    return torch.ones(*queries.shape[:2], values.shape[-1], dtype=values.dtype)


def doubled(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """Right, but with scores of another scale."""
    return attention.attend(2 * queries, keys, values, holes)


def by_keys(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """No weight in holes, but all keys are divided by a standard deviation that includes the keys in holes."""
    return attention.attend(queries, keys / keys.std(dim=(1, 2), keepdim=True), values, holes)


def by_values(queries: Tensor, keys: Tensor, values: Tensor, holes: Tensor) -> Tensor:
    """A twentieth of the weight goes to all values alike."""
    return 0.95 * attention.attend(queries, keys, values, holes) + 0.05 * values.mean(1, keepdim=True)
