"""Checks of notebook 03: the library's way passes, and each mistake gets a sentence of its own."""

import pytest
import torch
from einops import rearrange, repeat
from torch.nn import functional

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.experiments import fusion_costs


def aimed(target, references):
    return repeat(target, "b c h w -> b n c h w", n=references.shape[1])


def make_groups(target, references):
    return torch.stack([references, aimed(target, references)], dim=3)


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda t, r: torch.stack([aimed(t, r), r], dim=3), "turned round"),
        (lambda t, r: torch.stack([r, r.roll(-1, 1)], dim=3), "with the next reference"),
        (lambda t, r: torch.stack([r, r], dim=3), "with itself"),
        (lambda t, r: torch.stack([r, aimed(t, r)], dim=2), "time comes before the channels"),
        (lambda t, r: torch.cat([r, aimed(t, r)], dim=2), "joined along the channels"),
        (lambda t, r: torch.cat([r, t[:, None]], dim=1).transpose(1, 2), "in one stack"),
        (lambda t, r: torch.stack([r, t.repeat(3, 1, 1, 1).reshape(r.shape)], dim=3), "mixed up"),
        (lambda t, r: make_groups(t, r)[:, :1], "shape"),
        (lambda t, r: make_groups(t, r.flip(1)), "a loop over batch and references"),
    ],
)
def test_make_groups(mistake, sentence):
    passes(checks.make_groups, make_groups)
    caught(checks.make_groups, mistake, sentence)


def by_volume(weight, bias, target, references):
    """The 3D convolution itself."""
    pairs = rearrange(make_groups(target, references), "b n c t h w -> (b n) c t h w")
    volume = functional.conv3d(pairs, weight, bias, padding=(0, weight.shape[-1] // 2, weight.shape[-1] // 2))
    return rearrange(volume, "(b n) d 1 h w -> b n d h w", b=len(target))


def slid(frames, kernel, bias=None, pad=True):
    flat = rearrange(frames, "b n c h w -> (b n) c h w")
    out = functional.conv2d(flat, kernel, bias, padding=kernel.shape[-1] // 2 if pad else 0)
    return rearrange(out, "(b n) d h w -> b n d h w", b=len(frames))


def halves(w, b, t, r, first=0, second=1, **options):
    return slid(r, w[:, :, first], b, **options) + slid(aimed(t, r), w[:, :, second], **options)


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda w, b, t, r: halves(w, b, t, r, 1, 0), "exchanged"),
        (lambda w, b, t, r: slid(r, w[:, :, 0], b) + slid(aimed(t, r), w[:, :, 1], b), "added twice"),
        (lambda w, b, t, r: halves(w, None, t, r), "the bias is missing"),
        (lambda w, b, t, r: slid(r, w[:, :, 0], b), "the target is missing"),
        (lambda w, b, t, r: slid(aimed(t, r), w[:, :, 1], b), "the references are missing"),
        (lambda w, b, t, r: (halves(w, None, t, r) / 2) + b[:, None, None], "averaged"),
        (lambda w, b, t, r: halves(w, b, t, r).relu(), "a ReLU is applied"),
        (lambda w, b, t, r: halves(w, b, t, r, pad=False), "has shrunk"),
        (lambda w, b, t, r: halves(w, b, t, r).flatten(0, 1), "still one axis"),
        (lambda w, b, t, r: halves(w, b, t, r)[:, :2], "shape"),
        (lambda w, b, t, r: 1.1 * halves(w, b, t, r), "a 3D convolution over every pair"),
        (
            lambda w, b, t, r: (
                slid(r, w[:, :, 0]).flatten(0, 1).unflatten(0, (3, 2)).transpose(0, 1)
                + slid(aimed(t, r), w[:, :, 1], b)
            ),
            "in the wrong order",
        ),
    ],
)
def test_two_kernels(mistake, sentence):
    passes(checks.two_kernels, by_volume)
    passes(checks.two_kernels, halves)
    caught(checks.two_kernels, mistake, sentence)


def stream_cost(channels, width, size, depth, references, cells):
    return tuple(fusion_costs.stream(channels, width, size, depth, references, cells))


def weights(mistake):
    return lambda *case: (mistake(*case), stream_cost(*case)[1])


def products(mistake):
    return lambda *case: (stream_cost(*case)[0], mistake(*case))


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (weights(lambda c, d, k, m, n, s: 2 * k * k * c * d + m * k * k * d * d), "biases are missing"),
        (weights(lambda c, d, k, m, n, s: k * k * c * d + d + m * (k * k * d * d + d)), "two frames deep"),
        (weights(lambda c, d, k, m, n, s: 2 * k * k * c * d + d + m * (k * k * c * d + d)), "not the input's"),
        (weights(lambda *case: case[4] * stream_cost(*case)[0]), "weights of its own"),
        (weights(lambda c, d, k, m, n, s: 2 * k * c * d + d + m * (k * d * d + d)), "not k"),
        (weights(lambda *case: stream_cost(*case)[0] + 1), "the module has"),
        (products(lambda c, d, k, m, n, s: s * n * (2 * k * k * c * d + m * k * k * d * d)), "once is enough"),
        (products(lambda c, d, k, m, n, s: s * n * (k * k * c * d + m * k * k * d * d)), "half is missing"),
        (products(lambda *case: 2 * stream_cost(*case)[1]), "a multiply-add is one"),
        (products(lambda c, d, k, m, n, s: s * ((n + 1) * k * k * c * d + m * k * k * d * d)), "once for every group"),
        (products(lambda *case: stream_cost(*case)[1] // case[5]), "multiply by cells"),
        (products(lambda *case: stream_cost(*case)[1] - 1), "a forward pass takes"),
        (lambda *case: stream_cost(*case)[0], "returns an int, and a tuple is wanted"),
        (lambda *case: stream_cost(*case)[::-1], "two numbers are exchanged"),
        (lambda *case: (*stream_cost(*case), 0), "3 values come back"),
    ],
)
def test_stream_cost(mistake, sentence):
    passes(checks.stream_cost, stream_cost)
    caught(checks.stream_cost, mistake, sentence)
