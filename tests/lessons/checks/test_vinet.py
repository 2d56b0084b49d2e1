"""The checks of notebook 11 accept the library's functions and tell planted mistakes apart."""

import numpy as np
import pytest
import torch
from einops import rearrange
from torch.nn import functional

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.systems import frames
from vinpaint_lib.systems.vinet.correlation import correlate
from vinpaint_lib.systems.vinet.feature_flow import clamped, doubled, zero_outside
from vinpaint_lib.systems.vinet.model import vinet_window

SHIFTS = (-6, -3, 0, 3, 6)


def window(rule, shifts=SHIFTS):
    return lambda t, length: tuple(rule(t + shift, length) for shift in shifts)


def once(i, length):
    i = abs(i)
    return i if i < length else 2 * length - 2 - i


def repeated(i, length):
    return -1 - i if i < 0 else 2 * length - 1 - i if i >= length else i


def about_the_target(t, length):
    return tuple(t + shift if 0 <= t + shift < length else t - shift for shift in SHIFTS)


def test_source_window():
    passes(checks.source_window, vinet_window)
    passes(checks.source_window, lambda t, length: list(np.array(vinet_window(t, length))))  # numpy's integers
    passes(checks.source_window, lambda t, length: list(vinet_window(t, length)))
    caught(checks.source_window, window(frames.reflected, (-6, -3, 3, 6)), "the target itself is missing")
    caught(checks.source_window, window(frames.reflected, (-2, -1, 0, 1, 2)), "three frames apart")
    caught(checks.source_window, window(frames.reflected, (6, 3, 0, -3, -6)), "turned round")
    caught(checks.source_window, window(frames.reflected, (-4, -2, 0, 2, 4)), "14, 17, 20, 23, 26, not 16")
    caught(checks.source_window, window(lambda i, length: i), "do not exist")
    caught(checks.source_window, window(lambda i, length: min(max(i, 0), length - 1)), "clamped at the ends")
    caught(checks.source_window, window(lambda i, length: i % length), "round the clock")
    caught(checks.source_window, window(repeated), "end frame repeated")
    caught(
        checks.source_window, window(lambda i, length: once(i, length) if length > 5 else 0), "one reflection is not"
    )
    caught(
        checks.source_window,
        window(lambda i, length: float(frames.reflected(i, length))),
        "is a float, and an int",
    )
    caught(checks.source_window, window(lambda i, length: i if i > 1 else bool(i)), "is a bool, and an int is wanted")
    caught(checks.source_window, lambda t, length: tuple(dict.fromkeys(vinet_window(t, length))), "always five")
    caught(checks.source_window, lambda t, length: sorted(vinet_window(t, length)), "were sorted")
    caught(checks.source_window, about_the_target, "mirrored about t")
    caught(checks.source_window, window(lambda i, length: i % (2 * length - 2)), "left as phases")
    caught(checks.source_window, window(lambda i, length: once(i, length) if length > 1 else i), "only frame 0")


def volume(*, sign=1, down=1, mode="constant", swapped=False, cells=None, total=False):
    """A correlation by slices with one thing wrong; `sign` of dx, and of dy as well unless `down` turns that again."""

    def cost_volume(first, second, radius):
        height, width = first.shape[-2:]
        if swapped:
            first, second = second, first
        wide = functional.pad(second, (radius,) * 4, mode=mode) if radius == 2 else None
        if wide is None:
            return correlate(first, second, radius)
        steps = range(2 * radius + 1) if cells is None else range(cells)
        steps = list(steps)[::sign]
        parts = [first * wide[..., y : y + height, x : x + width] for y in steps[::down] for x in steps]
        return torch.stack([part.sum(dim=1) if total else part.mean(dim=1) for part in parts], dim=1)

    return cost_volume


def columns_first(first, second, radius):
    return rearrange(correlate(first, second, radius), "b (p q) h w -> b (q p) h w", p=2 * radius + 1)


def with_channels(first, second, radius):
    return first[:, None] * second[:, None].expand(-1, 25, -1, -1, -1)


def normalised(first, second, radius):
    return correlate(functional.normalize(first, dim=1), functional.normalize(second, dim=1), radius)


def cosine(first, second, radius):
    return first.shape[1] * normalised(first, second, radius)


def by_the_root(first, second, radius):
    return first.shape[1] ** 0.5 * correlate(first, second, radius)


def for_three_channels(first, second, radius):
    return correlate(first, second, radius) * first.shape[1] / 3


def rolled(sign):
    def cost_volume(first, second, radius):
        steps = range(-radius, radius + 1)
        parts = [first * second.roll((sign * y, sign * x), (2, 3)) for y in steps for x in steps]
        return torch.stack([part.mean(dim=1) for part in parts], dim=1)

    return cost_volume


def first_sample_only(first, second, radius):
    found = correlate(first, second, radius)
    found[1:] = 0
    return found


def columns_first_and_backwards(first, second, radius):
    return columns_first(first, second, radius).flip(1)


def always_two(first, second, radius):
    return correlate(first, second, 2)


def small_maps_fail(first, second, radius):
    return correlate(first, second, radius) * (radius == 2)


def test_cost_volume():
    passes(checks.cost_volume, correlate)
    passes(checks.cost_volume, volume())
    passes(checks.cost_volume, lambda first, second, radius: correlate(first.double(), second.double(), radius).float())
    caught(checks.cost_volume, volume(cells=4), "too small")
    caught(checks.cost_volume, with_channels, "axis of channels")
    caught(checks.cost_volume, volume(total=True), "products are added")
    caught(checks.cost_volume, columns_first, "down the columns")
    caught(checks.cost_volume, volume(sign=-1), "sign of the displacement")
    caught(checks.cost_volume, volume(mode="circular"), "comes in on the other")
    caught(checks.cost_volume, volume(mode="replicate"), "border is repeated")
    caught(checks.cost_volume, volume(swapped=True), "`second` stays")
    caught(checks.cost_volume, volume(mode="reflect"), "a mirror")
    caught(checks.cost_volume, volume(sign=-1, down=-1), "only dx is turned")
    caught(checks.cost_volume, volume(down=-1), "only dy is turned")
    caught(checks.cost_volume, rolled(1), "rolled the wrong way")
    caught(checks.cost_volume, columns_first_and_backwards, "down the columns and backwards")
    caught(checks.cost_volume, by_the_root, "by the root")
    caught(checks.cost_volume, normalised, "made one long")
    caught(checks.cost_volume, cosine, "the cosine")
    caught(checks.cost_volume, first_sample_only, "second sample")
    caught(checks.cost_volume, for_three_channels, "are divided by 3")
    caught(checks.cost_volume, lambda *given: correlate(*given).half(), "type float16")
    caught(checks.cost_volume, lambda *given: correlate(*given).abs(), "not the mean product")
    caught(checks.cost_volume, always_two, "has the shape")
    caught(checks.cost_volume, small_maps_fail, "larger than the map")


def finer(start=doubled, warp=zero_outside, add=lambda start, rest: start + rest, order=(0, 1, 2), calls=1):
    """One step from coarse to fine with one thing wrong."""

    def refined_flow(coarse, reference, source, estimate):
        begin = start(coarse)
        given = (reference, warp(source, begin), begin)
        for _ in range(calls):
            rest = estimate(*(given[i] for i in order))
        return add(begin, rest)

    return refined_flow


def enlarged(coarse):
    return doubled(coarse) / 2


def repeated_cells(coarse):
    return 2 * functional.interpolate(coarse, scale_factor=2, mode="nearest")


def corners(coarse):
    return 2 * functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=True)


def cubic(coarse):
    return 2 * functional.interpolate(coarse, scale_factor=2, mode="bicubic", align_corners=False)


def reference_warped(coarse, reference, source, estimate):
    """And the source stays: the sentence must not ask for both to be warped."""
    start = doubled(coarse)
    return start + estimate(zero_outside(reference, start), source, start)


def small_start(coarse, reference, source, estimate):
    start = doubled(coarse)
    return start + estimate(reference, zero_outside(source, start), coarse)


def small_source(coarse, reference, source, estimate):
    small = zero_outside(functional.avg_pool2d(source, 2), coarse)
    return doubled(coarse) + estimate(reference, small, doubled(coarse))


def a_number(coarse, reference, source, estimate):
    start = doubled(coarse)
    return start + estimate(reference, zero_outside(source, start), 2)


def named(coarse, reference, source, estimate):
    start = doubled(coarse)
    return start + estimate(start=start, warped=zero_outside(source, start), reference=reference)


def in_double(coarse, reference, source, estimate):
    start = doubled(coarse.double())
    return (start + estimate(reference.double(), zero_outside(source, start).double(), start)).float()


def bright_reference(coarse, reference, source, estimate):
    start = doubled(coarse)
    return start + estimate(2 * reference, zero_outside(source, start), start)


def undoubled_start(coarse, reference, source, estimate):
    start = doubled(coarse)
    return start + estimate(reference, zero_outside(source, start), start / 2)


def two_given(coarse, reference, source, estimate):
    start = doubled(coarse)
    return start + estimate(reference, zero_outside(source, start))


@pytest.mark.parametrize(
    "mistake, match",
    [
        ({"start": enlarged}, "enlarged but not doubled"),
        ({"start": repeated_cells}, "repeating cells"),
        ({"start": corners}, "from corner to corner"),
        ({"start": cubic}, "cubic"),
        ({"start": lambda coarse: 2 * doubled(coarse)}, "multiplied by 4"),
        ({"start": lambda coarse: doubled(coarse) / 4}, "is halved"),
        ({"start": lambda coarse: doubled(coarse) + 1}, "third argument"),
        ({"warp": lambda source, flow: source}, "source as it is"),
        ({"warp": lambda source, flow: zero_outside(source, -flow)}, "against the flow"),
        ({"warp": lambda source, flow: zero_outside(source, flow / 2)}, "along the doubled flow"),
        ({"warp": lambda source, flow: zero_outside(source, 3 * flow)}, "second argument"),
        ({"warp": clamped}, "border of the source is repeated"),
        ({"warp": lambda source, flow: zero_outside(source, flow.flip(1))}, "x and y of the flow"),
        ({"add": lambda start, rest: rest}, "only the rest"),
        ({"add": lambda start, rest: start}, "is not added"),
        ({"add": lambda start, rest: start - rest}, "start \\+ rest"),
        ({"add": lambda start, rest: start + 2 * rest}, "rest was doubled"),
        ({"add": lambda start, rest: (start + rest).half()}, "type float16"),
        ({"order": (1, 0, 2)}, "source comes first"),
        ({"order": (2, 0, 1)}, "is the order"),
        ({"calls": 2}, "called 2 times"),
    ],
)
def test_refined_flow_with_one_mistake(mistake, match):
    caught(checks.refined_flow, finer(**mistake), match)


def test_refined_flow():
    passes(checks.refined_flow, finer())
    passes(checks.refined_flow, named)
    passes(checks.refined_flow, in_double)
    caught(checks.refined_flow, lambda coarse, reference, source, estimate: doubled(coarse), "never called")
    caught(checks.refined_flow, reference_warped, "reference is warped")
    caught(checks.refined_flow, two_given, "takes three things")
    caught(checks.refined_flow, small_start, "is it the coarse flow as it was")
    caught(checks.refined_flow, small_source, "is the flow enlarged before")
    caught(checks.refined_flow, a_number, "third argument of `estimate` is int")
    caught(checks.refined_flow, bright_reference, "first argument")
    caught(checks.refined_flow, undoubled_start, "before the doubling")
