"""Checks of notebook 10: PSNR, SSIM of one window, flow warping error, Frechet distance."""

import math

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor

from vinpaint_lib.lessons.checks.asking import check, normal, ones, uniform
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, require, same_shape
from vinpaint_lib.motion import warp
from vinpaint_lib.scoring import frechet as frechet_distance, metrics

CHECKS = ("psnr", "similarity", "warping_error", "frechet")


@check(
    metrics.psnr,
    lambda: [(*faint(11, 4, 8, 10), None), (*faint(12, 2, 41, 67), ones(13, 0.4, 2, 1, 41, 67))],
    dtype=torch.float64,
    atol=1e-8,
    rtol=0,
)
def psnr(function: Reader) -> None:
    """function(output t 3 h w, truth t 3 h w, hole t 1 h w or None) -> t: dB over the frame, or over the hole only."""
    generator = torch.Generator().manual_seed(4)
    truth = torch.rand(3, 3, 8, 13, generator=generator)
    strength = rearrange(torch.tensor([0.02, 0.1, 0.3]), "t -> t 1 1 1")
    output = truth + strength * torch.randn(truth.shape, generator=generator)
    hole = (torch.rand(3, 1, 8, 13, generator=generator) < 0.2).float()
    error = (output.double() - truth.double()) ** 2
    wanted, inside = metrics.psnr(output, truth), metrics.psnr(output, truth, hole)
    found = call(function, output, truth, None)
    if found.numel() == 1:
        require(False, "one number comes back for the whole clip: one for each frame is wanted.")
    same_shape(found, wanted, "the PSNR")
    require(not near(found, -wanted), "the sign is wrong: a smaller error must give more dB.")
    require(not near(found, wanted * math.log(10)), "this is the natural logarithm: decibels take the one to base 10.")
    require(
        not near(found, wanted / 2), "the factor is 10 for a squared error; 10 log of the error itself is half of it."
    )
    require(not near(found, wanted + 20 * math.log10(255)), "the range is 1 here, not 255.")
    require(
        not near(found, wanted - 10 * math.log10(3)), "three channels are summed and one is counted: divide by 3 H W."
    )
    close(found, wanted, "without a hole the PSNR differs from 10 log10(1 / MSE).", atol=1e-3)
    exact = torch.allclose(found, wanted, atol=1e-8, rtol=0)
    require(exact, "the sums are those of float32: make the pictures `double()` first, and the result is float64.")
    found = call(function, output, truth, hole)
    same_shape(found, inside, "the PSNR in the hole")
    require(not near(found, wanted), "the hole has no effect: with it, only its pixels count.")
    pixels, missed = total(hole.double()), total(error * hole)
    whole = -10 * torch.log10(missed / error[0].numel())
    require(not near(found, whole), "the hole's error is divided by the pixels of the whole frame.")
    channels = -10 * torch.log10(missed / pixels)
    require(
        not near(found, channels), "three channels are summed and one is counted: divide by 3 times the hole's pixels."
    )
    outside = metrics.psnr(output, truth, 1 - hole)
    require(not near(found, outside), "the known pixels are scored: M is 1 in the hole.")
    close(found, inside, "in the hole the PSNR differs from a loop over its pixels.", atol=1e-3)


@check(
    lambda p, q: formula(p, q, 1e-4, 9e-4, 1, "both"),
    lambda: [(uniform(11, 8, 10).double(), uniform(12, 8, 10).double()), (*(0.1 * uniform(13, 2, 7, 4).double()),)],
    returns=float,
    atol=1e-7,
    rtol=0,
)
def similarity(function: Reader) -> None:
    """function(p h w, q h w) -> SSIM of one evenly weighted window; c1 = 0.01^2, c2 = 0.03^2, covariances by n - 1."""
    generator = torch.Generator().manual_seed(5)
    for side in (9, 13):
        p, q = torch.rand(2, side, side, generator=generator).double()
        q = (0.4 * p + 0.3 * q + 0.05).clamp(0, 1)
        wanted = one_window(p, q)
        found = float(call(function, p, q))
        for sentence, c1, c2, less, denominator in (
            ("variances and covariance are divided by n: here they are the sample's, by n - 1.", 1e-4, 9e-4, 0, "both"),
            ("the covariance is divided by n, the variances by n - 1: divide both by n - 1.", 1e-4, 9e-4, 1, "uneven"),
            ("the denominator holds one picture twice: it takes the square of each.", 1e-4, 9e-4, 1, "second"),
            ("the constants are missing: 0.01 and 0.03, squared.", 0.0, 0.0, 1, "both"),
            ("the constants are not squared.", 1e-2, 3e-2, 1, "both"),
            ("standard deviations stand where variances belong.", 1e-4, 9e-4, 1, "deviations"),
            ("the variances are squared: a variance is a square already.", 1e-4, 9e-4, 1, "squares"),
        ):
            require(abs(found - formula(p, q, c1, c2, less, denominator)) > 1e-7, sentence)
        close(found, wanted, "the value differs from the formula.", atol=1e-7, rtol=0.0)
    flat = torch.full((9, 9), 0.5, dtype=torch.float64)
    same = float(call(function, flat, flat))
    require(abs(same - 1) < 1e-9, "two equal grey windows give something else than 1.")


def one_window(p: Tensor, q: Tensor) -> float:
    """The library's SSIM of frames that are just one window large."""
    first, second = (repeat(picture, "h w -> 1 c h w", c=3) for picture in (p, q))
    return float(metrics.ssim(first, second, "paper"))


def formula(p: Tensor, q: Tensor, c1: float, c2: float, less: int, denominator: str) -> float:
    """SSIM with the planted mistakes that `similarity` knows."""
    count = p.numel() - less
    mp, mq = p.mean(), q.mean()
    vp, vq = ((p - mp) ** 2).sum() / count, ((q - mq) ** 2).sum() / count
    both = ((p - mp) * (q - mq)).sum() / (p.numel() if denominator == "uneven" else count)
    lower = (mp**2 + mq**2 + c1) * (vp + vq + c2)
    if denominator == "second":
        lower = (mq**2 + mq**2 + c1) * (vq + vq + c2)
    elif denominator == "deviations":
        lower = (mp**2 + mq**2 + c1) * (vp.sqrt() + vq.sqrt() + c2)
    elif denominator == "squares":
        lower = (mp**2 + mq**2 + c1) * (vp**2 + vq**2 + c2)
    return float((2 * mp * mq + c1) * (2 * both + c2) / lower)


@check(
    lambda output, forward, scored: metrics.warping_error(
        output, output, metrics.ScoredMotion(forward, scored, metrics.EXACT)
    ),
    lambda: [moving(11, 3, 8, 10), moving(12, 5, 12, 7)],
    dtype=(torch.float32, torch.float64),
    library=(warp.by_flow,),
)
def warping_error(function: Reader) -> None:
    """function(output t 3 h w, forward p 2 h w, scored p 1 h w) -> p: squared error against the pulled-back frame."""
    generator = torch.Generator().manual_seed(6)
    output = torch.rand(4, 3, 10, 15, generator=generator)
    forward = 1.5 + 0.8 * torch.randn(3, 2, 10, 15, generator=generator)
    seen = warp.by_flow(torch.ones(3, 1, 10, 15), forward) > 1 - metrics.TOUCH
    scored = (seen & (torch.rand(3, 1, 10, 15, generator=generator) < 0.6)).float()
    wanted = metrics.warping_error(output, output, metrics.ScoredMotion(forward, scored, metrics.EXACT))
    found = call(function, output, forward, scored)
    if found.numel() == 1:
        require(False, "one number comes back: one for each pair of frames is wanted.")
    same_shape(found, wanted, "the warping error")

    def error(of: Tensor, to: Tensor, weight: Tensor, power: int = 2) -> Tensor:
        gap = (of.double() - to.double()).abs() ** power * weight.double()
        return total(gap) / (3 * total(weight.double()))

    here, there = output[:-1], output[1:]
    back, all_pixels = warp.by_flow(there, forward), torch.ones_like(scored)
    for sentence, other in (
        ("hidden pixels count: multiply by `scored`.", error(back, here, all_pixels)),
        ("nothing is warped: frame t + 1 must first be pulled back along the flow.", error(there, here, scored)),
        ("the flow is followed backwards: is its sign changed?", error(warp.by_flow(there, -forward), here, scored)),
        ("frame t is warped; the flow t -> t+1 pulls frame t + 1.", error(warp.by_flow(here, forward), there, scored)),
        ("the difference is not squared.", error(back, here, scored, power=1)),
        ("three channels are summed and one is counted: divide by 3 times the scored pixels.", 3 * wanted),
        ("the sum is divided by all pixels, not by those scored.", wanted * total(scored.double()) / scored[0].numel()),
    ):
        require(not near(found, other), sentence)
    close(found, wanted, "the warping error differs from a loop over the scored pixels.")


@check(
    frechet_distance.distance,
    lambda: [
        (normal(11, 12, 3).double(), 1 + 2 * normal(12, 17, 3).double()),
        *((*normal(seed, 2, 9, 5).double()[..., [0, 1, 2, 3, 3]],) for seed in (13, 14, 15)),  # of rank 4
    ],
    returns=float,
)
def frechet(function: Reader) -> None:
    """function(a n d, b m d) -> |m_a - m_b|^2 + tr(A + B - 2 (AB)^(1/2)), covariances by n - 1."""
    generator = torch.Generator().manual_seed(7)
    mixing = torch.randn(2, 4, 4, generator=generator, dtype=torch.float64)
    a = torch.randn(23, 4, generator=generator, dtype=torch.float64) @ mixing[0]
    b = torch.randn(31, 4, generator=generator, dtype=torch.float64) @ mixing[1] + 0.7
    wanted = frechet_distance.distance(a, b)
    found = float(call(function, a, b))
    require(math.isfinite(found), "the distance is not finite: does a root see a negative number that should be 0?")
    (mean_a, rest_a), (mean_b, rest_b) = frechet_distance.centred(a), frechet_distance.centred(b)
    first, second = rest_a.T @ rest_a, rest_b.T @ rest_b
    gap = float(((mean_a - mean_b) ** 2).sum())
    traces = float(first.trace() + second.trace())
    spread = wanted - gap
    entries = float((first * second).diagonal().sqrt().sum())
    biased = frechet_distance.between_gaussians(mean_a, first * 22 / 23, mean_b, second * 30 / 31)
    for sentence, other in (
        ("a root is taken at the end: the formula gives the squared distance already.", wanted**0.5),
        ("only the means are compared: clips that vary too little, or too much, must cost something.", gap),
        ("only the covariances are compared: where is the distance of the means?", spread),
        ("the mean's distance is not squared.", gap**0.5 + spread),
        ("the mixed term is missing: 2 tr (AB)^(1/2) is subtracted.", gap + traces),
        ("the mixed term counts once: it is subtracted twice.", gap + (traces + spread) / 2),
        ("the mixed term is added: it is subtracted.", gap + 2 * traces - spread),
        ("the eigenvalues are summed without their roots.", gap + traces - 2 * float((first @ second).trace())),
        ("the root is taken entry by entry: the root of a matrix is another thing.", gap + traces - 2 * entries),
        ("the covariances are divided by n, not by n - 1.", biased),
    ):
        require(abs(found - other) > 1e-6, sentence)
    close(found, wanted, "the distance differs from the formula.")
    close(float(call(function, a, a)), 0.0, "a set is not at distance 0 of itself.", atol=1e-5)


def faint(seed: int, t: int, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Output and truth that differ by little, so that a sum in float32 shows."""
    truth = uniform(seed, t, 3, h, w)
    return truth + 1e-3 * normal(seed + 1, t, 3, h, w), truth


def moving(seed: int, t: int, h: int, w: int) -> tuple[Tensor, Tensor, Tensor]:
    """The arguments of `warping_error`; where the flow leads out of the frame nothing is scored."""
    forward = 1.2 * normal(seed, t - 1, 2, h, w)
    seen = warp.by_flow(torch.ones(t - 1, 1, h, w), forward) > 1 - metrics.TOUCH
    return 2 * uniform(seed, t, 3, h, w), forward, seen * ones(seed, 0.7, t - 1, 1, h, w)


def total(values: Tensor) -> Tensor:
    """The sum of each frame (or pair of frames)."""
    return reduce(values, "t c h w -> t", "sum")


def near(found: Tensor, other: Tensor) -> bool:
    """Whether both hold the same values, as far as float32 goes."""
    return torch.allclose(found.detach().cpu().double(), other.double(), atol=1e-6, rtol=1e-4)
