"""The checks of notebook 13 accept the library's functions and tell planted mistakes apart."""

import math

import pytest
import torch
from einops import rearrange

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.checks import sttn
from vinpaint_lib.lessons.checks.verdict import Wrong
from vinpaint_lib.systems.sttn import attention


def cut(pattern):
    return lambda maps, parts: rearrange(maps, pattern, oh=parts, ow=parts)


@pytest.mark.parametrize(
    "pattern, match",
    [
        ("b t c (oh ph) (ow pw) -> (b t) (oh ow) (c ph pw)", "went to the batch axis"),
        ("b t c (oh ph) (ow pw) -> b (oh ow t) (c ph pw)", "time runs fastest"),
        ("b t c (oh ph) (ow pw) -> b (t ow oh) (c ph pw)", "down the columns"),
        ("b t c (oh ph) (ow pw) -> b (t oh ow) (ph pw c)", "the channel runs fastest"),
        ("b t c (ph oh) (pw ow) -> b (t oh ow) (c ph pw)", "lie far apart"),
        ("b t c (oh ph) (ow pw) -> b (t oh ow) c (ph pw)", "has the shape"),
        ("b t c (oh ph) (ow pw) -> b (t oh ow) (c pw ph)", "the columns come before the rows"),
        ("b t c (oh ph) (ow pw) -> b (oh t ow) (c ph pw)", "between rows and columns"),
        ("b t c (ow pw) (oh ph) -> b (t oh ow) (c ph pw)", "height and width are exchanged"),
        ("b t c (ph oh) (ow pw) -> b (t oh ow) (c ph pw)", "not those of the patches"),
    ],
)
def test_patch_tokens(pattern, match):
    passes(checks.patch_tokens, attention.to_tokens)
    caught(checks.patch_tokens, cut(pattern), match)


def sized(maps, parts):
    return rearrange(maps, "b t c (oh ph) (ow pw) -> b (t oh ow) (c ph pw)", ph=parts, pw=parts)


def always_three(maps, parts):
    return attention.to_tokens(maps, 3)


def test_patch_tokens_of_the_wrong_number():
    caught(checks.patch_tokens, sized, "not their size")
    caught(checks.patch_tokens, always_three, r"has the shape \(2, 27, 40\)")


def hidden(scores, holes):
    return rearrange(holes, "b n -> b 1 n").expand_as(scores)


def filled(value):
    return lambda scores, holes: scores.masked_fill(hidden(scores, holes), value).softmax(dim=-1)


def forgotten(scores, holes):
    scores.masked_fill(hidden(scores, holes), -math.inf)
    return scores.softmax(dim=-1)


def behind(scores, holes):
    return scores.softmax(dim=-1) * ~hidden(scores, holes)


def over_queries(scores, holes):
    return scores.masked_fill(hidden(scores, holes), -math.inf).softmax(dim=1)


def over_clips(scores, holes):
    return scores.masked_fill(hidden(scores, holes), -math.inf).softmax(dim=0)


def multiplied(scores, holes):
    return (scores + hidden(scores, holes) * -math.inf).softmax(dim=-1)


def nobody(scores, holes):
    return filled(-math.inf)(scores, holes).nan_to_num()


def all_clips_at_once(scores, holes):
    weights = scores.softmax(dim=-1) if holes.all(dim=1).any() else filled(-math.inf)(scores, holes)
    return weights


def squared(scores, holes):
    return filled(-math.inf)(2 * scores, holes)


def test_masked_weights():
    passes(checks.masked_weights, sttn.expected_weights)
    caught(checks.masked_weights, forgotten, "leaves the old one as it is")
    caught(checks.masked_weights, lambda s, h: sttn.expected_weights(s, ~h), "the weight lies in the holes")
    caught(checks.masked_weights, filled(0), "a score of 0 is no ban")
    caught(checks.masked_weights, filled(-8), "must be exactly 0")
    caught(checks.masked_weights, behind, "behind the softmax")
    caught(checks.masked_weights, squared, "not the softmax over the keys")
    caught(checks.masked_weights, filled(-math.inf), "gives nan")
    caught(checks.masked_weights, nobody, "should ignore its mask")
    caught(checks.masked_weights, filled(-1e9), "weighs all keys alike")
    caught(checks.masked_weights, all_clips_at_once, "ask for each clip")
    caught(checks.masked_weights, lambda s, h: sttn.expected_weights(s, h)[:, :1], "has the shape")
    caught(checks.masked_weights, over_queries, "runs over the queries")
    caught(checks.masked_weights, over_clips, "runs over the clips")
    caught(checks.masked_weights, lambda s, h: sttn.expected_weights(s, h).log(), "not `log_softmax`")
    caught(checks.masked_weights, multiplied, "fill, do not multiply")


def test_weights_that_are_not_finite():
    for function in (filled(math.inf), lambda s, h: sttn.expected_weights(s, h).nan_to_num() / 0):
        with pytest.raises(Wrong, match=r"what forbids a key is \*minus\* infinity"):
            checks.masked_weights(function)


def tokens():
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = (torch.randn(1, n, 4, generator=generator) for n in (3, 6, 6))
    return queries, keys, values, torch.tensor([[False, True, False, False, True, False]])


def property_test(change, close, *, without=(), shown=None):
    """A property test: what is in holes may change by `change`, what is outside must count, weights sum to 1."""

    def obeys_mask(attend):
        q, k, v, holes = tokens()
        inside = rearrange(holes.float(), "b n -> b n 1")
        before = attend(q, k, v, holes)
        keys, values = (0 if part in without else change * inside for part in ("keys", "values"))
        answers = [close(before, attend(q, k + keys, v + values, holes))]
        if "shown" not in without:
            more = shown(attend, q, k, v, inside, holes) if shown else attend(q, k, v + 1 - inside, holes)
            answers.append(not torch.allclose(before, more, atol=1e-4))
        if "ones" not in without:
            result = attend(q, k, torch.ones_like(v), holes)
            answers.append(close(result, torch.ones_like(result)))
        return all(answers)

    return obeys_mask


def near(a, b):
    return torch.allclose(a, b, atol=1e-4)


def outside_only(attend):
    """The change is made where it may count."""
    q, k, v, holes = tokens()
    outside = rearrange((~holes).float(), "b n -> b n 1")
    ones = attend(q, k, torch.ones_like(v), holes)
    return not near(attend(q, k, v, holes), attend(q, k, v + 9 * outside, holes)) and near(ones, torch.ones_like(ones))


def with_mask_and_without(attend):
    """Only whether the mask changes anything at all."""
    q, k, v, holes = tokens()
    return not near(attend(q, k, v, holes), attend(q, k, v, torch.zeros_like(holes)))


def like_the_library_s(attend):
    """One formula instead of properties."""
    return near(attend(*tokens()), attention.attend(*tokens()))


def all_in_holes(attend):
    """Property 1 with nothing but holes."""
    q, k, v, holes = tokens()
    return near(attend(q, k, v, holes | True), attend(q, k + 50, v + torch.randn(v.shape), holes | True))


def all_known_keys(attend, q, k, v, inside, holes):
    """Property 2, by a change that is none."""
    return attend(q, k + 3 * (1 - inside), v, holes)


def test_obeys_mask():
    passes(checks.obeys_mask, property_test(50.0, near))
    caught(checks.obeys_mask, lambda attend: False, "fails your test")
    caught(checks.obeys_mask, property_test(50.0, torch.equal, without=("ones",)), "rounding alone")
    caught(checks.obeys_mask, outside_only, "computes its mask and drops it")
    caught(checks.obeys_mask, with_mask_and_without, "only")
    caught(checks.obeys_mask, property_test(0.003, near), "lowers the scores")
    caught(checks.obeys_mask, property_test(50.0, near, without=("ones",)), "bring zeros")
    caught(checks.obeys_mask, property_test(50.0, near, without=("shown",)), "ignores all keys")
    caught(checks.obeys_mask, lambda attend: 1, "bool is wanted")
    caught(checks.obeys_mask, property_test(50.0, near, without=("values",)), "takes a little of the")
    caught(checks.obeys_mask, property_test(50.0, near, without=("keys",)), "hears of the")
    caught(checks.obeys_mask, like_the_library_s, "test the three properties")
    caught(checks.obeys_mask, all_in_holes, "some keys be holes, not all")
    caught(checks.obeys_mask, property_test(50.0, near, shown=all_known_keys), "the same added to all known keys")
