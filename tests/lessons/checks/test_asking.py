"""What all checks do beside their own sentences, and the wrong answers that used to pass."""

import functools
import re
import sys

import pytest
import torch
from einops import einsum, rearrange, reduce
from torch.nn import functional

from tests.lessons.checks.planted import caught
from tests.lessons.checks.solutions import function_of, verdict_on
from vinpaint_lib.lessons.checks import asking, verdict
from vinpaint_lib.lessons.checks.borrowed import Watch, key_of
from vinpaint_lib.losses import pixels
from vinpaint_lib.motion import warp
from vinpaint_lib.scoring import metrics
from vinpaint_lib.systems.tgfnet import losses


@asking.check(
    lambda x, factor: factor * x.abs(),
    lambda: [(asking.normal(1, 3, 4), 5.0), (torch.zeros(2, 7), 0.5)],
    gradients={"x": 0},
)
def scaled(function):
    """`function(x a b, factor) -> a b`: factor times the absolute value."""
    x = torch.ones(2, 3)
    verdict.close(verdict.call(function, x, 2.0), 2 * x, "not twice")


def test_a_check_asks_again_follows_gradients_and_prints_one_line(capsys):
    scaled(lambda x, factor: factor * x.abs())
    assert capsys.readouterr().out == "right: scaled\n"
    caught(scaled, lambda x, factor: x, "not twice")
    caught(scaled, lambda x, factor: 2 * x.abs(), r"wrong for others \(shape \(3, 4\), 5.0\): is a size or a value")
    caught(scaled, lambda x, factor: factor * torch.ones(2, 3) * x[:2, :3], r"has the shape \(2, 3\), and \(3, 4\)")
    caught(scaled, lambda x, factor: factor * x.abs() / x.abs().sum().clamp(max=1), "are nan or inf")
    caught(scaled, lambda x, factor: (factor * x.abs()).detach(), "no gradient reaches `x`")
    caught(scaled, lambda x, factor: factor * (x.abs() + x - x.detach()), "the gradient that reaches `x` is not")
    caught(scaled, lambda x, factor: (factor * x.abs()).detach().requires_grad_(), "nothing that came in has it")


def test_a_check_returns_what_the_lesson_goes_on_with(capsys):
    """The reader's function where it is right; the right answer, with a line, in the place of an empty stub."""

    def mine(x, factor):
        return factor * x.abs()

    def stub(*given):
        raise NotImplementedError

    assert scaled(mine) is mine
    capsys.readouterr()
    assert torch.equal(scaled(stub)(-torch.ones(2), 3.0), torch.full((2,), 3.0))
    said = capsys.readouterr().out
    assert said.startswith("stub is not written yet: ")
    assert said.endswith(" Until then the lesson goes on with the library's function.\n")
    caught(scaled.judge, stub, "stub is not written yet")
    assert careless(stub) is None
    assert capsys.readouterr().out.endswith(" Until then the lesson goes on without it.\n")


@asking.check()
def careless(function):
    """`function(x) -> two names`: compares what comes back without a look at it."""
    found = verdict.call(function, torch.zeros(2), returns=object)
    verdict.require(found[0] > found[1], "never")


def test_an_error_of_a_check_is_a_sentence_that_names_what_came_and_what_is_wanted():
    caught(careless, lambda x: (1, "b"), "returns a tuple of 2: an int, a str, and two names is wanted")
    caught(careless, lambda x: x[:1], "a tensor of float32 with the shape .* and two names is wanted: comparing gives")


def squared(x):
    return warp.by_flow(x, torch.zeros(1, 2, *x.shape[-2:])) ** 2


class Helper:
    def __init__(self, x):
        self.kept = next(map(squared, [x]))


@pytest.mark.parametrize("function", [squared, functools.partial(squared), lambda x: Helper(x).kept, warp.by_flow])
def test_a_call_of_the_library_is_seen_however_deep_it_stands(function):
    flow = (torch.zeros(1, 2, 4, 5),) if function is warp.by_flow else ()
    given = torch.rand(1, 3, 4, 5), *flow
    seen, allowed = Watch(), Watch([key_of(warp.by_flow)])
    seen.run(function, given, {})
    allowed.run(function, given, {})
    assert "by_flow" in seen.found
    assert allowed.found == ""


def test_functions_of_torch_can_be_ruled_out_and_another_profiler_stays():
    def before(frame, event, arg):
        return None

    x, weight = torch.zeros(1, 1, 2, 3, 3), torch.zeros(1, 1, 2, 3, 3)
    old = sys.getprofile()
    sys.setprofile(before)
    try:
        for function in (functional.conv3d, torch.conv3d, lambda x, w: functional.conv3d(x, w)):
            watch = Watch(without=("conv3d",))
            watch.run(function, (x, weight), {})
            assert watch.found == "`conv3d` of torch"
        assert sys.getprofile() is before
    finally:
        sys.setprofile(old)
    watch = Watch(without=("conv3d",))
    watch.run(lambda x: x + 1, (x,), {})
    assert watch.found == ""


def l1(output, truth, mask, lambda_hole, least=1.0):
    gap = (output - truth).abs()
    parts = []
    for region, low in ((1 - mask, least), (mask, 1.0)):
        count = output.shape[1] * reduce(region, "b 1 h w -> b", "sum")
        parts.append(reduce(region * gap, "b c h w -> b", "sum") / count.clamp(min=low))
    return (parts[0] + lambda_hole * parts[1]).mean()


def float32_sums(output, truth, hole=None):
    weight = torch.ones_like(output[:, :1]) if hole is None else hole
    total = reduce((output - truth) ** 2 * weight, "t c h w -> t", "sum")
    return (-10 * torch.log10(total / (3 * reduce(weight, "t 1 h w -> t", "sum")))).double()


def gram(feature):
    return einsum(feature, feature, "b c h w, b d h w -> b c d") / feature[0].numel()


def same_shape_as_the_check(maps, parts):
    parts = min(parts, 2) + 1 if parts > 1 else 1
    return rearrange(maps, "b t c (oh ph) (ow pw) -> b (t oh ow) (c ph pw)", oh=parts, ow=parts)


NAMED = {  # wrong answers that passed once: check, mistake, words of the sentence
    "lambda fixed": ("hole_valid_l1", lambda y, x, m, weight: l1(y, x, m, 3.0), "the factor is always 3"),
    "known part unclamped": ("hole_valid_l1", lambda *given: l1(*given, least=0.0), "whole frame is hole"),
    "gradient cut": ("gram", lambda x: gram(x).detach(), "no gradient"),
    "gradient rebuilt": ("gram", lambda x: gram(x).detach().requires_grad_(), "requires_grad"),
    "gradient of one factor": ("gram", lambda x: (gram(x) + gram(x.detach())) / 2, "wrong for others|gradient"),
    "shapes of the check": ("patch_tokens", same_shape_as_the_check, "stops with|shape"),
    "off by less than one": ("receptive_field", lambda layers: tuple(n + 0.4 for n in field(layers)), "a float"),
    "a count as a float": ("stream_cost", lambda *case: tuple(map(float, cost(*case))), "a float"),
    "bool for a mask": ("shrink_mask", lambda m, factor: shrunk(m, factor).bool(), "type bool"),
    "int for a mask": ("shrink_mask", lambda m, factor: shrunk(m, factor).int(), "type int32"),
    "bool for the small mask": ("shrink_clip", lambda *g: (clip(*g)[0], clip(*g)[1].bool()), "bool"),
    "sums in float32": ("psnr", float32_sums, "double|float64"),
    "float32": ("psnr", lambda *given: float32_sums(*given).float(), "float64"),
    "the library's psnr": ("psnr", metrics.psnr, "metrics.psnr` computes them"),
    "the library's l1": ("hole_valid_l1", lambda y, x, m, w: by_library(y, x, m, w), "masked_l1` computes them"),
    "the library's gram": ("gram", losses.gram, "gram` computes them"),
    "torch's grid": (
        "affine_grid",
        lambda t, h, w: functional.affine_grid(t, [len(t), 1, h, w], align_corners=True),
        "affine_grid` of torch",
    ),
}
field, cost, shrunk, clip = map(function_of, ("receptive_field", "stream_cost", "shrink_mask", "shrink_clip"))


def by_library(output, truth, mask, weight):
    return pixels.masked_l1(output, truth, 1 - mask) + weight * pixels.masked_l1(output, truth, mask)


@pytest.mark.parametrize("kind", NAMED)
def test_wrong_answers_that_passed_once_are_refused(kind):
    name, mistake, words = NAMED[kind]
    assert re.search(words, verdict_on(name, mistake))


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("hole_share", lambda right: lambda m: 100 * right(m), "per cent"),
        ("hole_share", lambda right: lambda m: right(m) * m[0].numel(), "not its sum"),
        ("gram", lambda right: lambda x: right(x) * x.shape[1], "divided by h w: divide by c h w"),
        ("gram", lambda right: lambda x: right(x) * x.shape[2], "divided by c w"),
        ("gram", lambda right: lambda x: right(x) * x.shape[3], "divided by c h"),
        ("gram", lambda right: lambda x: right(x) / len(x), "divided by the batch too"),
        ("hole_valid_l1", lambda right: lambda y, *g: len(y) * right(y, *g), "summed over the batch"),
        ("masked_alignment_loss", lambda right: lambda a, *g: len(a) * right(a, *g), "summed over the batch"),
        ("total_variation", lambda right: lambda x: len(x) * right(x), "summed over the batch"),
        ("affine_grid", lambda right: lambda t, h, w: right(t, h, w).transpose(1, 2), "columns come before the rows"),
        ("affine_grid", lambda right: lambda t, h, w: right(t[:1], h, w).expand(len(t), h, w, 2), "first theta"),
        ("masked_cosine", lambda right: lambda a, b, s, o: right(a, b, s, o).abs(), "negative"),
        ("masked_cosine", lambda right: lambda a, b, s, o: -right(a, b, s, o), "sign"),
        ("masked_cosine", lambda right: lambda a, b, s, o: 1 - right(a, b, s, o), "distance"),
        ("masked_cosine", lambda right: lambda a, b, *g: right(a - a.mean(1, True), b - b.mean(1, True), *g), "mean"),
    ],
)  # fmt: skip
def test_each_mistake_gets_the_sentence_that_fits_it(name, change, words):
    assert words in verdict_on(name, change(function_of(name)))
