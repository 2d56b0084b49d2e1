"""The checks of notebook 14 accept the library's functions and tell planted mistakes apart."""

import torch
from einops import einsum, rearrange
from torch.nn import functional

from exercises.planted import caught, passes
from vinpaint_lib import affine_correlation, checks, hole_attention
from vinpaint_lib.exercises import align_attend
from vinpaint_lib.exercises.align_attend import cosines, distances, softmaxed, weights


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


def test_masked_cosine():
    all_seen = lambda x: torch.ones_like(x)  # noqa: E731
    passes(checks.masked_cosine, cosines)
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(b, a, o, s), "the two frames are exchanged")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, s, o)[:, :1], "has the shape")
    caught(checks.masked_cosine, products, "not cosines")
    caught(checks.masked_cosine, divided, "gives nan")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, all_seen(s), all_seen(o)), "masks are not used")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, all_seen(s), o), "its whole row is 0")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, s, all_seen(o)), "its whole column is 0")
    caught(checks.masked_cosine, lambda a, b, s, o: cosines(a, b, s, o) * s[:, :, None] * o[:, None], "matches less")
    caught(checks.masked_cosine, align_attend.columns_first, "down the columns")
    caught(checks.masked_cosine, over_places, "over the channels")


def test_the_librarys_matching_is_the_exercise_after_the_mean():
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 5, 3, 4, generator=generator), torch.randn(2, 5, 3, 4, generator=generator)
    seen, other_seen = (torch.rand(2, 2, 12, generator=generator) < 0.7).float()
    less = [
        x - (x.flatten(2) * s[:, None]).sum(-1)[:, :, None, None] / s.sum(-1)[:, None, None, None]
        for x, s in ((one, seen), (other, other_seen))
    ]
    wanted = affine_correlation.masked_cosine(one, other, seen, other_seen)
    torch.testing.assert_close(cosines(*less, seen, other_seen), wanted, atol=1e-5, rtol=1e-4)


def behind(aligned, visible, target, known, sharpness):
    """The mask is applied behind the softmax."""
    distance = distances(aligned, visible, target, known)
    return rearrange((-sharpness * distance).softmax(dim=1), "b r -> b r 1 1 1") * visible


def weighed_by(**changes):
    """Weights whose distance is measured on other masks, or in another way."""

    def function(aligned, visible, target, known, sharpness):
        shown = torch.ones_like(visible) if "all_shown" in changes else visible
        whole = torch.ones_like(known) if "all_known" in changes else known
        distance = distances(aligned, shown, target, whole, mean="summed" not in changes)
        return softmaxed(distance**2 if "squared" in changes else distance, visible, sharpness)

    return function


def unmasked(aligned, visible, target, known, sharpness):
    distance = distances(aligned, visible, target, known)
    return rearrange((-sharpness * distance).softmax(dim=1), "b r -> b r 1 1 1").expand_as(visible)


def not_a_number(aligned, visible, target, known, sharpness):
    scores = rearrange(-sharpness * distances(aligned, visible, target, known), "b r -> b r 1 1 1")
    return scores.masked_fill(visible == 0, -torch.inf).softmax(dim=1)


def blunt(aligned, visible, target, known, sharpness):
    return weights(aligned, visible, target, known, 1.0)


def alone_is_near(aligned, visible, target, known, sharpness):
    """A reference that shares nothing has the distance 0."""
    distance = distances(aligned, visible, target, known).nan_to_num()
    return softmaxed(distance, visible, sharpness)


def test_weigh_references():
    passes(checks.weigh_references, weights)
    caught(checks.weigh_references, lambda a, v, t, k, s: weights(a, v, t, k, -s), "the farthest reference gets most")
    caught(checks.weigh_references, unmasked, "must be exactly 0")
    caught(checks.weigh_references, not_a_number, "there is nan")
    caught(checks.weigh_references, behind, "behind the softmax")
    caught(checks.weigh_references, weighed_by(all_shown=1, all_known=1), "counts positions that are hidden")
    caught(checks.weigh_references, weighed_by(all_shown=1), "multiply by `visible`")
    caught(checks.weigh_references, weighed_by(all_known=1), "multiply by `known`")
    caught(checks.weigh_references, weighed_by(summed=1), "divide the sum by what was counted")
    caught(checks.weigh_references, weighed_by(squared=1), "the root is missing")
    caught(checks.weigh_references, blunt, "not the softmax over references")
    caught(checks.weigh_references, alone_is_near, "as far away as the farthest")
    caught(checks.weigh_references, lambda a, v, t, k, s: weights(a, v, t, k, s)[:, :, 0], "has the shape")


def found_by(values="features", units=True, axis=-1):
    """Attention from the hole with one thing done otherwise."""

    def function(target, references, queries, keys, scale):
        asked = rearrange(target, "b c h w -> b (h w) c")
        shown = rearrange(references, "b r c h w -> b (r h w) c")
        unit_asked, unit_shown = (functional.normalize(x, dim=-1) if units else x for x in (asked, shown))
        hidden = rearrange(keys, "b r 1 h w -> b 1 (r h w)") == 0
        scores = (scale * unit_asked @ unit_shown.mT).masked_fill(hidden, -1e4).softmax(dim=axis)
        found = scores @ (shown if values == "features" else unit_shown)
        return rearrange(found, "b (h w) c -> b c h w", h=target.shape[-2]) * queries

    return function


def for_all(target, references, queries, keys, scale):
    return hole_attention.attend(target, references, torch.ones_like(queries), keys, scale)


def of_all(target, references, queries, keys, scale):
    return hole_attention.attend(target, references, queries, torch.ones_like(keys), scale)


def first_only(target, references, queries, keys, scale):
    return hole_attention.attend(target, references[:, :1], queries, keys[:, :1], scale)


def test_attend_from_hole():
    right = hole_attention.attend
    passes(checks.attend_from_hole, right)
    passes(checks.attend_from_hole, found_by())
    caught(checks.attend_from_hole, lambda t, r, q, k, s: t + right(t, r, q, k, s), "the target is added already")
    caught(checks.attend_from_hole, for_all, "positions that do not ask")
    caught(checks.attend_from_hole, of_all, "`keys` is not used")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, k, 1.0), "not multiplied by `scale`")
    caught(checks.attend_from_hole, found_by(values="units"), "the values lost their length")
    caught(checks.attend_from_hole, found_by(units=False), "the scores are no cosines")
    caught(checks.attend_from_hole, found_by(axis=1), "runs over the queries")
    caught(checks.attend_from_hole, first_only, "only the first reference")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, k, 2 * s), "not the weighted mean")
    caught(checks.attend_from_hole, lambda t, r, q, k, s: right(t, r, q, k, s)[0], "has the shape")
