"""Checks of notebook 04 against the library and against mistakes that readers make."""

import pytest
import torch
from einops import einsum, reduce

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.systems.tgfnet import fusion, network


def weighted(groups, weights):
    return reduce(groups * weights, "b n c h w -> b c h w", "sum")


def with_einsum(groups, scores):
    return einsum(scores.softmax(dim=1), groups, "b n one h w, b n c h w -> b c h w")


def by_exponentials(groups, scores):
    share = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    return weighted(groups, share)


def test_fuse_groups_accepts():
    passes(checks.fuse_groups, fusion.fuse)
    passes(checks.fuse_groups, with_einsum)


@pytest.mark.parametrize(
    "mistake, words",
    [
        (lambda groups, scores: groups * scores.softmax(dim=1), "not added up"),
        (lambda groups, scores: weighted(groups, scores.softmax(dim=2)), "axis of length 1"),
        (lambda groups, scores: weighted(groups, scores), "where is the softmax"),
        (lambda groups, scores: weighted(groups, scores.exp()), "not divided"),
        (lambda groups, scores: weighted(groups, scores.sigmoid()), "sigmoid"),
        (lambda groups, scores: groups.mean(dim=1), "weigh the same"),
        (lambda groups, scores: weighted(groups, (scores == scores.amax(1, True)).float()), "takes all"),
        (lambda groups, scores: weighted(groups, scores.softmax(dim=-1)), "columns"),
        (lambda groups, scores: weighted(groups, scores.softmax(dim=-2)), "rows"),
        (lambda groups, scores: weighted(groups, scores.flatten(3).softmax(-1).reshape(scores.shape)), "places"),
        (lambda groups, scores: weighted(groups, scores.softmax(dim=0)), "batch"),
        (lambda groups, scores: (groups * scores.softmax(dim=1)).mean(dim=1), "divided by the number of groups"),
        (by_exponentials, "overflow"),
    ],
)
def test_fuse_groups_catches(mistake, words):
    caught(checks.fuse_groups, mistake, words)


def test_inject_accepts():
    passes(checks.inject, fusion.inject)
    passes(checks.inject, lambda feature, fused, mask: torch.where(mask > 0, fused, feature))


@pytest.mark.parametrize(
    "mistake, words",
    [
        (lambda feature, fused, mask: fusion.inject(fused, feature, mask), "exchanged"),
        (lambda feature, fused, mask: fused, "where is the mask"),
        (lambda feature, fused, mask: feature, "nothing is injected"),
        (lambda feature, fused, mask: feature + mask * fused, "is added to"),
        (lambda feature, fused, mask: mask * fused, "known cells are 0"),
        (lambda feature, fused, mask: (feature + fused) / 2, "averaged"),
        (lambda feature, fused, mask: fusion.inject(feature, fused, mask) + 0.01, "a known cell changed"),
        (lambda feature, fused, mask: fusion.inject(feature, 2 * fused, mask), "does not hold the fused"),
    ],
)
def test_inject_catches(mistake, words):
    caught(checks.inject, mistake, words)


def by_division(scores, trust):
    raw = trust * scores.exp()
    return raw / raw.sum(dim=1, keepdim=True).clamp(min=1e-12)


def with_a_floor(scores, trust):
    return (scores + (trust + 1e-8).log()).softmax(dim=1) * (trust.amax(dim=1, keepdim=True) > 0)


def even_where_nobody(scores, trust):
    weights = (scores + trust.log()).softmax(dim=1)
    return weights.nan_to_num(0.25)


def test_copy_weights_accepts():
    passes(checks.copy_weights, network.copy_weights)
    passes(checks.copy_weights, by_division)


@pytest.mark.parametrize(
    "mistake, words",
    [
        (lambda scores, trust: scores.softmax(dim=1), "trust is not used"),
        (lambda scores, trust: scores.softmax(dim=1) * (trust > 0), "after the softmax"),
        (lambda scores, trust: (scores + trust.log()).softmax(dim=1), "NaN"),
        (lambda scores, trust: by_division(scores, (trust > 0).float()), "yes or no"),
        (lambda scores, trust: by_division(scores * 0, trust), "scores are not used"),
        (lambda scores, trust: (scores + trust).softmax(dim=1), "add its log"),
        (even_where_nobody, "all weights must be 0"),
        (with_a_floor, "exactly 0"),
        (lambda scores, trust: by_division(scores, trust) * 0.9, "do not sum to one"),
        (lambda scores, trust: by_division(scores, trust**2), "differ from a loop"),
    ],
)
def test_copy_weights_catches(mistake, words):
    caught(checks.copy_weights, mistake, words)
