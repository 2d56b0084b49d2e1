"""The checks of notebook 14 accept the library's functions and tell planted mistakes apart."""

import pytest
import torch
from einops import einsum, rearrange
from torch.nn import functional

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.checks.align_and_attend_answers import cosines, distances, softmaxed, weights
from vinpaint_lib.lessons.checks.verdict import Wrong
from vinpaint_lib.systems.align_attend import attention, estimator


def told(check, function, words):
    """The sentence of another mistake may be told here too: two ways to the same wrong answer."""
    with pytest.raises(Wrong, match=words):
        check(function)


def products(one, other, seen, other_seen):
    flat, flat_other = (rearrange(x, "b c h w -> b (h w) c") for x in (one, other))
    both = rearrange(seen > 0, "b i -> b i 1") * rearrange(other_seen > 0, "b j -> b 1 j")
    return einsum(flat, flat_other, "b i c, b j c -> b i j") * both


def divided(one, other, seen, other_seen):
    flat, flat_other = (rearrange(x, "b c h w -> b (h w) c") for x in (one, other))
    flat, flat_other = (x / x.norm(dim=-1, keepdim=True) for x in (flat, flat_other))
    both = rearrange(seen > 0, "b i -> b i 1") * rearrange(other_seen > 0, "b j -> b 1 j")
    return einsum(flat, flat_other, "b i c, b j c -> b i j") * both


def over_places(one, other, seen, other_seen):
    """Every channel gets length 1 instead of every cell."""
    one, other = (functional.normalize(rearrange(x, "b c h w -> b c (h w)"), dim=-1) for x in (one, other))
    both = rearrange(seen > 0, "b i -> b i 1") * rearrange(other_seen > 0, "b j -> b 1 j")
    return einsum(one, other, "b c i, b c j -> b i j") * both


def masked_by(both):
    """Cosines with another rule for pairs: both(seen, other_seen) from the shares."""

    def function(one, other, seen, other_seen):
        every = cosines(one, other, torch.ones_like(seen), torch.ones_like(other_seen))
        return every * both(rearrange(seen, "b i -> b i 1"), rearrange(other_seen, "b j -> b 1 j"))

    return function


def one_long(one, other, seen, other_seen):
    return cosines(one, other, seen, other_seen) * one.flatten(2).norm(dim=1)[:, :, None]


def other_long(one, other, seen, other_seen):
    return cosines(one, other, seen, other_seen) * other.flatten(2).norm(dim=1)[:, None]


def turned(one, other, seen, other_seen):
    """Both frames numbered down the columns."""
    return cosines(one.mT, other.mT, seen, other_seen)


def infinite(one, other, seen, other_seen):
    hidden = (seen == 0)[:, :, None] | (other_seen == 0)[:, None]
    return cosines(one, other, seen, other_seen).masked_fill(hidden, -torch.inf)


def softmax_of_infinite(*given):
    """As in the network: rows that are hidden as a whole are nan."""
    return infinite(*given).softmax(dim=-1)


def all_seen(x):
    return torch.ones_like(x)


def test_masked_cosine():
    passes(checks.masked_cosine, cosines)
    passes(checks.masked_cosine, lambda *given: cosines(*(x.double() for x in given)).float())
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(b, a, o, s), "the two frames are exchanged")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, s, o)[:, :1], "has the shape")
    caught(checks.masked_cosine, lambda *given: cosines(*given).half(), "type float16")
    caught(checks.masked_cosine, infinite, "minus infinity comes later")
    caught(checks.masked_cosine, lambda *given: cosines(*given).softmax(dim=-1), "the softmax already")
    caught(checks.masked_cosine, divided, "gives nan")
    caught(checks.masked_cosine, products, "not cosines")
    caught(checks.masked_cosine, one_long, "only one side has the length 1")
    caught(checks.masked_cosine, turned, "down the columns")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, all_seen(s), all_seen(o)), "masks are not used")
    caught(checks.masked_cosine, masked_by(lambda s, o: (s == 0) & (o == 0)), "the wrong way round")
    caught(checks.masked_cosine, masked_by(lambda s, o: (s > 0) | (o > 0)), "not \\*or\\*")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, all_seen(s), o), "its whole row is 0")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, s, all_seen(o)), "its whole column is 0")
    caught(checks.masked_cosine, masked_by(lambda s, o: s * o), "partly seen")
    caught(checks.masked_cosine, over_places, "over the channels")


@pytest.mark.parametrize(
    "both",
    [
        lambda s, o: s.round() * o.round(),
        lambda s, o: (s > 0.5) & (o > 0.5),
        lambda s, o: (s == 1) & (o == 1),
        lambda s, o: (s > 0) * o,
        lambda s, o: s * (o > 0),
        lambda s, o: (s * o).sqrt(),
    ],
)
def test_shares_count_from_above_0_on_either_side(both):
    told(checks.masked_cosine, masked_by(both), "partly seen")


@pytest.mark.parametrize(
    "mistake, words",
    [
        (lambda a, b, s, o: cosines(a, b, s, o) * cosines(a, b, s, o).exp().nan_to_num(), "over the channels"),
        (lambda a, b, s, o: products(a, b, all_seen(s), all_seen(o)), "not cosines"),
        (other_long, "only one side has the length 1"),
        (lambda a, b, s, o: cosines(a.mT, b, s, o), "down the columns"),
        (lambda a, b, s, o: cosines(a, b.mT, s, o), "down the columns"),
        (softmax_of_infinite, "the softmax already"),
        (lambda a, b, s, o: cosines(a, b, all_seen(s), all_seen(o)).softmax(dim=-1), "the softmax already"),
        (masked_by(lambda s, o: torch.ones_like(s * o)), "masks are not used"),
    ],
)
def test_the_sentence_is_about_the_mistake(mistake, words):
    told(checks.masked_cosine, mistake, words)


def test_the_librarys_matching_is_the_exercise_after_the_mean():
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 5, 3, 4, generator=generator), torch.randn(2, 5, 3, 4, generator=generator)
    seen, other_seen = (torch.rand(2, 2, 12, generator=generator) < 0.7).float()
    less = [
        x - (x.flatten(2) * s[:, None]).sum(-1)[:, :, None, None] / s.sum(-1)[:, None, None, None]
        for x, s in ((one, seen), (other, other_seen))
    ]
    wanted = estimator.masked_cosine(one, other, seen, other_seen)
    torch.testing.assert_close(cosines(*less, seen, other_seen), wanted, atol=1e-5, rtol=1e-4)


def behind(aligned, visible, target, known, sharpness):
    """The mask is applied behind the softmax."""
    distance = distances(aligned, visible, target, known)
    return rearrange((-sharpness * distance).softmax(dim=1), "b r -> b r 1 1 1") * visible


def weighed_by(shown=None, whole=None, power=2, over="both", after=lambda distance: distance):
    """Weights whose distance is measured on other masks, or in another way."""

    def function(aligned, visible, target, known, sharpness):
        seen = torch.ones_like(visible) if shown == "all" else visible
        there = {None: known, "all": torch.ones_like(known), "hole": 1 - known}[whole]
        return softmaxed(after(distances(aligned, seen, target, there, power=power, over=over)), visible, sharpness)

    return function


def for_each_place(aligned, visible, target, known, sharpness):
    gap = (aligned - target[:, None]).square().mean(dim=2, keepdim=True).sqrt()
    return softmaxed(gap, visible, sharpness)


def distances_of_all(aligned, visible, target, known):
    """d, and the farthest one's for a reference that shares nothing."""
    distance = distances(aligned, visible, target, known)
    return torch.where(distance.isnan(), distance.nan_to_num().amax(dim=1, keepdim=True), distance)


def by_hand(aligned, visible, target, known, sharpness):
    """Exponentials, which all round to 0 for large distances."""
    parts = visible * (-sharpness * distances_of_all(aligned, visible, target, known)).exp()[:, :, None, None, None]
    return parts / parts.sum(dim=1, keepdim=True).clamp(min=1e-12)


def hardly_hidden(aligned, visible, target, known, sharpness):
    scores = -sharpness * distances_of_all(aligned, visible, target, known)[:, :, None, None, None]
    return scores.masked_fill(visible == 0, -100).softmax(dim=1) * visible


def unmasked(aligned, visible, target, known, sharpness):
    distance = distances(aligned, visible, target, known)
    return rearrange((-sharpness * distance).softmax(dim=1), "b r -> b r 1 1 1").expand_as(visible)


def not_a_number(aligned, visible, target, known, sharpness):
    scores = rearrange(-sharpness * distances(aligned, visible, target, known), "b r -> b r 1 1 1")
    return scores.masked_fill(visible == 0, -torch.inf).softmax(dim=1)


def alone_is_near(aligned, visible, target, known, sharpness):
    """A reference that shares nothing has the distance 0."""
    distance = distances(aligned, visible, target, known).nan_to_num()
    return softmaxed(distance, visible, sharpness)


def in_double(aligned, visible, target, known, sharpness):
    distance = distances_of_all(*(x.double() for x in (aligned, visible, target, known)))
    return softmaxed(distance, visible.double(), sharpness).float()


def test_weigh_references():
    passes(checks.weigh_references, weights)
    passes(checks.weigh_references, in_double)
    caught(checks.weigh_references, lambda a, v, t, k, s: weights(a, v, t, k, -s), "the farthest reference gets most")
    caught(checks.weigh_references, unmasked, "must be exactly 0")
    caught(checks.weigh_references, not_a_number, "there is nan")
    caught(checks.weigh_references, lambda a, v, t, k, s: weights(a, v, t, k, s) * k[:, None], "cut to a part")
    caught(checks.weigh_references, behind, "behind the softmax")
    caught(checks.weigh_references, weighed_by(shown="all", whole="all"), "counts positions that are hidden")
    caught(checks.weigh_references, weighed_by(shown="all"), "multiply by `visible`")
    caught(checks.weigh_references, weighed_by(whole="all"), "multiply by `known`")
    caught(checks.weigh_references, weighed_by(whole="hole"), "measured in the hole")
    caught(checks.weigh_references, for_each_place, "place by place")
    caught(checks.weigh_references, weighed_by(over="nothing"), "divide the sum by what was counted")
    caught(checks.weigh_references, weighed_by(over="positions"), "the channels are not counted")
    caught(checks.weigh_references, weighed_by(over="all"), "number of all positions")
    caught(checks.weigh_references, weighed_by(after=torch.square), "the root is missing")
    caught(checks.weigh_references, weighed_by(power=1), "absolute differences")
    caught(checks.weigh_references, lambda a, v, t, k, s: weights(a, v, t, k, 1.0), "`sharpness` is not used")
    caught(checks.weigh_references, weighed_by(after=lambda d: 2 * d), "not the softmax over references")
    caught(checks.weigh_references, alone_is_near, "as far away as the farthest")
    caught(checks.weigh_references, lambda a, v, t, k, s: weights(a, v, t, k, 3.0), "the factor is always 3")
    caught(checks.weigh_references, hardly_hidden, "wrong for 500")
    caught(checks.weigh_references, lambda a, v, t, k, s: weights(a, v, t, k, s)[:, :, 0], "has the shape")
    caught(checks.weigh_references, lambda a, v, t, k, s: weights(a, v, t, k, s).half(), "type float16")


@pytest.mark.parametrize(
    "mistake, words",
    [
        (lambda a, v, t, k, s: weights(a, v, t, k, s) * (1 - k[:, None]), "cut to a part"),
        (lambda a, v, t, k, s: softmaxed((a - t[:, None]).norm(dim=2, keepdim=True), v, s), "place by place"),
        (by_hand, "wrong for 500"),
    ],
)
def test_the_sentence_is_about_the_weights(mistake, words):
    told(checks.weigh_references, mistake, words)


def found_by(queries_unit=True, keys_unit=True, values_unit=False, axis=-1, hidden_score=-1e4, order="(h w)"):
    """Attention from the hole with one thing done otherwise."""

    def function(target, references, queries, keys, scale):
        asked = rearrange(target, "b c h w -> b (h w) c")
        shown = rearrange(references, "b r c h w -> b (r h w) c")
        one, other, values = (
            functional.normalize(x, dim=-1) if short else x
            for x, short in ((asked, queries_unit), (shown, keys_unit), (shown, values_unit))
        )
        hidden = rearrange(keys, "b r 1 h w -> b 1 (r h w)") == 0
        found = (scale * one @ other.mT).masked_fill(hidden, hidden_score).softmax(dim=axis) @ values
        return rearrange(found, f"b {order} c -> b c h w", h=target.shape[-2]) * queries

    return function


def for_all(target, references, queries, keys, scale):
    return attention.attend(target, references, torch.ones_like(queries), keys, scale)


def of_all(target, references, queries, keys, scale):
    return attention.attend(target, references, queries, torch.ones_like(keys), scale)


def first_only(target, references, queries, keys, scale):
    return attention.attend(target, references[:, :1], queries, keys[:, :1], scale)


def one_by_one(target, references, queries, keys, scale):
    """A softmax for each reference."""
    each = [attention.attend(target, references[:, [r]], queries, keys[:, [r]], scale) for r in range(3)]
    return sum(each) / 3


def in_doubles(target, references, queries, keys, scale):
    return found_by()(*(x.double() for x in (target, references, queries, keys)), scale).float()


def test_attend_from_hole():
    right = attention.attend
    passes(checks.attend_from_hole, right)
    passes(checks.attend_from_hole, found_by())
    passes(checks.attend_from_hole, found_by(hidden_score=-torch.inf))
    passes(checks.attend_from_hole, in_doubles)
    caught(checks.attend_from_hole, lambda t, r, q, k, s: t + right(t, r, q, k, s), "the target is added already")
    caught(checks.attend_from_hole, for_all, "positions that do not ask")
    caught(checks.attend_from_hole, of_all, "`keys` is not used")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, 1 - k, s), "only hidden positions")
    caught(checks.attend_from_hole, found_by(hidden_score=0), "e\\^0 is 1")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: of_all(t, r * k, q, k, s), "hidden values are made 0")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, k, 1.0), "not multiplied by `scale`")
    caught(checks.attend_from_hole, found_by(values_unit=True), "the values lost their length")
    caught(checks.attend_from_hole, found_by(queries_unit=False, keys_unit=False), "the scores are no cosines")
    caught(checks.attend_from_hole, found_by(queries_unit=False), "only the keys have length 1")
    caught(checks.attend_from_hole, found_by(keys_unit=False), "only the queries have length 1")
    caught(checks.attend_from_hole, found_by(axis=1), "runs over the queries")
    caught(checks.attend_from_hole, one_by_one, "a softmax of its own")
    caught(checks.attend_from_hole, first_only, "only the first reference")
    caught(checks.attend_from_hole, found_by(order="(w h)"), "down the columns")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, k, 2 * s), "not the weighted mean")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, k, 6.0), "the factor is always 6")
    caught(checks.attend_from_hole, found_by(hidden_score=-20), "wrong for 30")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, k, s)[0], "has the shape")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, k, s).bfloat16(), "type bfloat16")


@pytest.mark.parametrize(
    "mistake, words",
    [
        (lambda t, r, q, k, s: attention.attend(t, r, q, k, s) + t * q, "the target is added already"),
        (lambda t, r, q, k, s: attention.attend(t, r, q, k, s) + t * (1 - q), "positions that do not ask"),
        (found_by(hidden_score=-10), "wrong for 30"),
    ],
)
def test_the_sentence_is_about_what_was_found(mistake, words):
    told(checks.attend_from_hole, mistake, words)
