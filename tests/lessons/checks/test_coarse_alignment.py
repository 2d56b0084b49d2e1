"""Checks of notebook 05 against the library and against mistakes that readers make."""

import pytest
import torch
from einops import einsum, rearrange, reduce
from torch.nn import functional

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.alignment import affine
from vinpaint_lib.lessons import checks
from vinpaint_lib.systems.tgfnet import losses


def grid(theta, height, width, corners=True):
    return functional.affine_grid(theta, [len(theta), 1, height, width], align_corners=corners)


def with_einsum(theta, height, width):
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return einsum(theta, torch.stack([x, y, torch.ones_like(x)]), "b xy k, k h w -> b h w xy")


def y_first(theta, height, width):
    x, y = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return einsum(theta, torch.stack([x, y, torch.ones_like(x)]), "b xy k, k h w -> b h w xy")


def without_shift(theta, height, width):
    return grid(theta * torch.tensor([1.0, 1.0, 0.0]), height, width)


def transposed(theta, height, width):
    return grid(torch.cat([theta[:, :, :2].mT, theta[:, :, 2:]], dim=2), height, width)


def in_pixels(theta, height, width):
    return (grid(theta, height, width) + 1) * torch.tensor([width - 1, height - 1]) / 2


def test_affine_grid_accepts():
    passes(checks.affine_grid, grid)
    passes(checks.affine_grid, with_einsum)


@pytest.mark.parametrize(
    "mistake, words",
    [
        (lambda theta, height, width: rearrange(grid(theta, height, width), "b h w xy -> b xy h w"), "order b h w 2"),
        (lambda theta, height, width: grid(theta, height, width).flip(-1), "last axis holds x first"),
        (y_first, "before theta is applied"),
        (lambda theta, height, width: grid(theta, height, width, corners=False), "outer edges"),
        (lambda theta, height, width: grid(affine.identity(len(theta), theta), height, width), "depend on theta"),
        (without_shift, "shift, is left out"),
        (transposed, "transposed"),
        (lambda theta, height, width: grid(affine.invert(theta), height, width), "inverse map"),
        (in_pixels, "these are pixels"),
        (lambda theta, height, width: 1.1 * grid(theta, height, width), "identity moves"),
        (lambda theta, height, width: grid(theta**3, height, width), "differ from a loop"),
    ],
)
def test_affine_grid_catches(mistake, words):
    caught(checks.affine_grid, mistake, words)


def loss(aligned, visible, target, mask, *, power=1, channels=3, pixels=None, add="sum"):
    both = rearrange(1 - mask, "b 1 h w -> b 1 1 h w") * visible
    gap = (aligned - rearrange(target, "b c h w -> b 1 c h w")).abs() ** power
    count = channels * reduce(both, "b n 1 h w -> b n", "sum").clamp(min=1) if pixels is None else pixels
    return reduce(reduce(gap * both, "b n c h w -> b n", "sum") / count, "b n -> b", add).mean()


def pooled(aligned, visible, target, mask, axes):
    both = (rearrange(1 - mask, "b 1 h w -> b 1 1 h w") * visible).expand_as(aligned)
    gap = (aligned - rearrange(target, "b c h w -> b 1 c h w")).abs() * both
    return (reduce(gap, axes, "sum") / reduce(both, axes, "sum")).mean()


def no_guard(aligned, visible, target, mask):
    both = rearrange(1 - mask, "b 1 h w -> b 1 1 h w") * visible
    gap = (aligned - rearrange(target, "b c h w -> b 1 c h w")).abs()
    each = reduce(gap * both, "b n c h w -> b n", "sum") / (3 * reduce(both, "b n 1 h w -> b n", "sum"))
    return reduce(each, "b n -> b", "sum").mean()


def signed(aligned, visible, target, mask):
    both = rearrange(1 - mask, "b 1 h w -> b 1 1 h w") * visible
    gap = (aligned - rearrange(target, "b c h w -> b 1 c h w")) * both
    count = 3 * reduce(both, "b n 1 h w -> b n", "sum").clamp(min=1)
    return reduce(reduce(gap, "b n c h w -> b n", "sum") / count, "b n -> b", "sum").mean()


def test_masked_alignment_loss_accepts():
    passes(checks.masked_alignment_loss, losses.alignment_loss)
    passes(checks.masked_alignment_loss, loss)


@pytest.mark.parametrize(
    "mistake, words",
    [
        (no_guard, "divided by 0"),
        (lambda a, v, t, m: loss(a, torch.ones_like(v), t, m), "as printed"),
        (lambda a, v, t, m: loss(a, v, t, torch.zeros_like(m)), "target's hole counts"),
        (lambda a, v, t, m: loss(a, v, t, 1 - m), "M is 1 in the hole"),
        (lambda a, v, t, m: loss(a, v, t, m, pixels=1), "a sum is not a mean"),
        (lambda a, v, t, m: loss(a, v, t, m, pixels=t[0].numel()), "divided by all pixels"),
        (lambda a, v, t, m: loss(a, v, t, m, channels=1), "three channels"),
        (lambda a, v, t, m: loss(a, v, t, m, add="mean"), "the mean over references"),
        (lambda a, v, t, m: loss(a, v, t, m) * len(t), "summed over the batch"),
        (lambda a, v, t, m: loss(a, v, t, m, power=2), "squared"),
        (lambda a, v, t, m: pooled(a, v, t, m, "b n c h w -> b"), "take the mean of each reference, then add"),
        (lambda a, v, t, m: pooled(a, v, t, m, "b n c h w -> 1"), "one mean over batch and references"),
        (signed, "cancel"),
        (lambda a, v, t, m: loss(a, v, t, m) + 1, "differs from a loop"),
    ],
)
def test_masked_alignment_loss_catches(mistake, words):
    caught(checks.masked_alignment_loss, mistake, words)
