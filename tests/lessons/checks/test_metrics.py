"""Checks of notebook 10: the library's way passes, and each mistake gets a sentence of its own."""

import math

import pytest
import torch
from einops import rearrange, reduce

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.motion import warp
from vinpaint_lib.scoring import frechet as library, metrics


def squared(output, truth, hole):
    """Squared error of each frame, as `psnr` sums it."""
    output, truth = output.double(), truth.double()
    weight = torch.ones_like(output[:, :1]) if hole is None else hole.double()
    return reduce((output - truth) ** 2 * weight, "t c h w -> t", "sum"), 3 * reduce(weight, "t 1 h w -> t", "sum")


def decibels(total, count):
    return -10 * torch.log10(total / count)


def whole_frame(output, truth, hole):
    total, _ = squared(output, truth, hole)
    return decibels(total, truth[0].numel())


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda y, x, m: metrics.psnr(y, x, m).mean(), "one for each frame"),
        (lambda y, x, m: -metrics.psnr(y, x, m), "sign"),
        (lambda y, x, m: metrics.psnr(y, x, m) * math.log(10), "natural logarithm"),
        (lambda y, x, m: metrics.psnr(y, x, m) / 2, "factor is 10"),
        (lambda y, x, m: metrics.psnr(y, x, m) + 20 * math.log10(255), "255"),
        (lambda y, x, m: decibels(squared(y, x, m)[0], 1), "differs from 10 log10"),
        (lambda y, x, m: metrics.psnr(y, x, m) - 10 * math.log10(3), "divide by 3 H W"),
        (lambda y, x, m: metrics.psnr(y, x), "no effect"),
        (whole_frame, "pixels of the whole frame"),
        (lambda y, x, m: metrics.psnr(y, x, m) + (0 if m is None else 10 * math.log10(1 / 3)), "3 times the hole"),
        (lambda y, x, m: metrics.psnr(y, x, None if m is None else 1 - m), "known pixels are scored"),
    ],
)
def test_psnr(mistake, sentence):
    passes(checks.psnr, metrics.psnr)
    passes(checks.psnr, lambda y, x, m=None: decibels(*squared(y, x, m)))
    caught(checks.psnr, mistake, sentence)


def similarity(p, q, c1=1e-4, c2=9e-4, less=1, root=1.0, twice=False, joint=1):
    count = p.numel() - less
    mp, mq = p.mean(), q.mean()
    vp, vq = (((x - x.mean()) ** 2).sum() / count for x in (p, q))
    both = ((p - mp) * (q - mq)).sum() / (count + 1 - joint)
    a, b = (mq**2 + mq**2, vq + vq) if twice else (mp**2 + mq**2, vp**root + vq**root)
    return float((2 * mp * mq + c1) * (2 * both + c2) / ((a + c1) * (b + c2)))


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda p, q: similarity(p, q, less=0), "variances and covariance are divided by n"),
        (lambda p, q: similarity(p, q, joint=0), "divide both by n - 1"),
        (lambda p, q: similarity(p, q, root=2.0), "variances are squared"),
        (lambda p, q: similarity(p, q, twice=True), "one picture twice"),
        (lambda p, q: similarity(p, q, c1=0, c2=0), "constants are missing"),
        (lambda p, q: similarity(p, q, c1=0.01, c2=0.03), "not squared"),
        (lambda p, q: similarity(p, q, root=0.5), "standard deviations"),
        (lambda p, q: -similarity(p, q), "differs from the formula"),
        (lambda p, q: similarity(p, q) if p.std() > 0 else 0.0, "two equal grey windows"),
    ],
)
def test_similarity(mistake, sentence):
    passes(checks.similarity, similarity)
    caught(checks.similarity, mistake, sentence)


def pulled(output, forward, scored, power=2.0):
    gap = (warp.by_flow(output[1:], forward) - output[:-1]).abs() ** power
    return reduce(gap * scored, "p c h w -> p", "sum") / (3 * reduce(scored, "p 1 h w -> p", "sum"))


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda y, f, v: pulled(y, f, v).mean(), "one for each pair"),
        (lambda y, f, v: pulled(y, f, v * 0 + 1), "hidden pixels count"),
        (lambda y, f, v: pulled(y, f * 0, v), "nothing is warped"),
        (lambda y, f, v: pulled(y, -f, v), "backwards"),
        (lambda y, f, v: pulled(y.flip(0), f.flip(0), v.flip(0)).flip(0), "frame t is warped"),
        (lambda y, f, v: pulled(y, f, v, power=1.0), "not squared"),
        (lambda y, f, v: 3 * pulled(y, f, v), "three channels"),
        (lambda y, f, v: pulled(y, f, v) * reduce(v, "p 1 h w -> p", "mean"), "not by those scored"),
        (lambda y, f, v: pulled(y, f.flip(1), v), "loop over the scored pixels"),
    ],
)
def test_warping_error(mistake, sentence):
    passes(checks.warping_error, pulled)
    caught(checks.warping_error, mistake, sentence)


def frechet(a, b, gap=1.0, spread=1.0, mixed=2.0, entries=False, less=1, roots=True):
    """The solution by eigenvalues, with what can go wrong."""
    far = ((a.mean(dim=0) - b.mean(dim=0)) ** 2).sum()
    first, second = (torch.cov(rearrange(x, "n d -> d n"), correction=less) for x in (a, b))
    values = torch.linalg.eigvals(first @ second).real.clamp(min=0)
    crossed = (first * second).diagonal().sqrt().sum() if entries else (values.sqrt() if roots else values).sum()
    return float(gap * far + spread * (first.trace() + second.trace() - mixed * crossed))


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda a, b: frechet(a, b, spread=0.0), "only the means"),
        (lambda a, b: frechet(a, b, gap=0.0), "only the covariances"),
        (lambda a, b: frechet(a, b, gap=0.0) + frechet(a, b, spread=0.0) ** 0.5, "not squared"),
        (lambda a, b: frechet(a, b, mixed=0.0), "mixed term is missing"),
        (lambda a, b: frechet(a, b, mixed=1.0), "subtracted twice"),
        (lambda a, b: frechet(a, b, entries=True), "entry by entry"),
        (lambda a, b: frechet(a, b, less=0), "not by n - 1"),
        (lambda a, b: math.nan, "not finite"),
        (lambda a, b: frechet(a, b) ** 0.5, "a root is taken at the end"),
        (lambda a, b: frechet(a, b, roots=False), "without their roots"),
        (lambda a, b: frechet(a, b, mixed=-2.0), "is added"),
        (lambda a, b: 1.01 * frechet(a, b), "differs from the formula"),
    ],
)
def test_frechet(mistake, sentence):
    passes(checks.frechet, frechet)
    passes(checks.frechet, library.distance)
    caught(checks.frechet, mistake, sentence)
