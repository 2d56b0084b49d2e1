"""The checks of notebook 06: the library's functions pass, planted mistakes are caught, each with its own sentence."""

import pytest
import torch
from einops import einsum

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.losses import pixels
from vinpaint_lib.systems.tgfnet import losses

L1 = pixels.masked_l1


def one_scale(output, truth, mask, lambda_hole):
    return losses.pixel_loss([output], truth, mask, lambda_hole)


def over_the_frame(output, truth, mask, lambda_hole):
    gap = (output - truth).abs()
    return ((1 - mask) * gap).mean() + lambda_hole * (mask * gap).mean()


def pooled(output, truth, mask, lambda_hole):
    gap, hole = (output - truth).abs(), mask.expand_as(output)
    return gap[hole == 0].mean() + lambda_hole * gap[hole == 1].mean()


def unguarded(output, truth, mask, lambda_hole):
    total = 0
    for b in range(len(output)):
        gap, hole = (output[b] - truth[b]).abs(), mask[b].expand_as(output[b])
        total += gap[hole == 0].mean() + lambda_hole * gap[hole == 1].mean()
    return total / len(output)


def test_one_scale_of_the_pyramid_loss():
    passes(checks.hole_valid_l1, one_scale)


@pytest.mark.parametrize(
    "function, match",
    [
        (lambda o, t, m, k: k * (L1(o, t, 1 - m) + L1(o, t, m)), "known part as well"),
        (lambda o, t, m, k: L1(o, t, m) + k * L1(o, t, 1 - m), "exchanged"),
        (lambda o, t, m, k: k * L1(o, t, m), "only the hole's term"),
        (lambda o, t, m, k: L1(o, t, 1 - m) + L1(o, t, m), "no effect"),
        (over_the_frame, "its own region"),
        (lambda o, t, m, k: 3 * one_scale(o, t, m, k), "c channels"),
        (pooled, "pooled"),
        (lambda o, t, m, k: one_scale((o - t) ** 2, 0 * t, m, k), "squares"),
        (unguarded, "gives nan"),
        (lambda o, t, m, k: one_scale(o, t, m, k) + 0.1, "a loop over all pixels"),
        (lambda o, t, m, k: (o - t).abs(), "has the shape"),
        (lambda o, t, m, k: one_scale(o, t, m, k).item(), "a Tensor is wanted"),
        (lambda o, t, m, k: one_scale(o, t, m, k).detach(), "no gradient comes back"),
    ],
)
def test_mistakes_in_one_scale_are_told(function, match):
    caught(checks.hole_valid_l1, function, match)


def product(feature):
    return einsum(feature, feature, "b c h w, b c2 h w -> b c c2")


def over_channels(feature):
    return einsum(feature.flatten(2), feature.flatten(2), "b c n, b c n2 -> b n n2")


def test_gram():
    passes(checks.gram, losses.gram)


@pytest.mark.parametrize(
    "function, match",
    [
        (product, "not divided"),
        (lambda f: product(f) / f[0, 0].numel(), "divided by h w"),
        (lambda f: product(f) / f.shape[1], "divided by c only"),
        (lambda f: losses.gram(f) / f.shape[1], r"c\^2"),
        (over_channels, "h w by h w"),
        (lambda f: losses.gram(f).sum(dim=0), "batch axis"),
        (lambda f: losses.gram(f - f.mean((2, 3), keepdim=True)), "covariance"),
        (lambda f: losses.gram(f).triu(), "pairs of channels"),
        (lambda f: losses.gram(f).flatten(1), "has the shape"),
        (lambda f: losses.gram(f.detach()), "no gradient comes back"),
    ],
)
def test_mistakes_in_the_gram_matrix_are_told(function, match):
    caught(checks.gram, function, match)


def along(image, dim):
    return image.diff(dim=dim)


def test_total_variation():
    passes(checks.total_variation, losses.total_variation)


@pytest.mark.parametrize(
    "function, match",
    [
        (lambda x: along(x, -1).mean() + along(x, -2).mean(), "cancel"),
        (lambda x: (along(x, -1) ** 2).mean() + (along(x, -2) ** 2).mean(), "squares"),
        (lambda x: along(x, -1).abs().mean(), "along x are compared"),
        (lambda x: along(x, -2).abs().mean(), "along y are compared"),
        (lambda x: along(x, -1).abs().sum() + along(x, -2).abs().sum(), "summed"),
        (lambda x: torch.cat([along(x, -1).flatten(), along(x, -2).flatten()]).abs().mean(), "one mean"),
        (lambda x: sum((x - x.roll(1, dims=d)).abs().mean() for d in (-1, -2)), "goes round"),
        (lambda x: losses.total_variation(x) / 2, "all neighbours"),
        (lambda x: losses.total_variation(x).item(), "a Tensor is wanted"),
        (lambda x: torch.tensor(losses.total_variation(x).item()), "no gradient comes back"),
    ],
)
def test_mistakes_in_total_variation_are_told(function, match):
    caught(checks.total_variation, function, match)
