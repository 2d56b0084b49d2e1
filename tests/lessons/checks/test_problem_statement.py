"""Checks of notebook 01: the library's way passes, and each mistake gets a sentence of its own."""

import pytest
import torch
from einops import reduce

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.experiments import coverage as library
from vinpaint_lib.motion import warp


def composite(output, frames, holes):
    return holes * output + (1 - holes) * frames


def test_composite():
    passes(checks.composite, composite)
    caught(checks.composite, lambda y, x, m: m * x + (1 - m) * y, "exchanged")
    caught(checks.composite, lambda y, x, m: y, "comes back whole")
    caught(checks.composite, lambda y, x, m: m * y + x, "added to the output")
    caught(checks.composite, lambda y, x, m: (1 - m) * x, "does not hold the output")
    caught(checks.composite, lambda y, x, m: composite(y, x, m) + 1e-3 * (1 - m), "known pixel changed")
    caught(checks.composite, lambda y, x, m: composite(y, x, m)[0], "shape")
    caught(checks.composite, lambda y, x, m: x.mul_(1 - m).add_(m * y), "changes one of its arguments")


def share(seen, hole):
    return float((reduce(seen, "n 1 h w -> 1 h w", "max") * hole).sum() / hole.sum())


def coverage(flow, visible, holes, hole):
    return share(library.shown(flow, visible, holes), hole)


def test_coverage():
    passes(checks.coverage, coverage)
    passes(checks.coverage, lambda f, v, m, hole: library.share(v * (warp.by_flow(m, f) <= 0.001), hole))
    caught(checks.coverage, lambda f, v, m, hole: share(v, hole), "where does the pixel land")
    caught(checks.coverage, lambda f, v, m, hole: coverage(f, v * 0 + 1, m, hole), "is `visible` used")
    caught(checks.coverage, lambda f, v, m, hole: share(v * (1 - m), hole), "without following the flow")
    caught(checks.coverage, lambda f, v, m, hole: coverage(f, v, m, hole * 0 + 1), "whole frame")
    caught(checks.coverage, lambda f, v, m, hole: coverage(f, v, 1 - m, hole), "exchanged")
    caught(checks.coverage, lambda f, v, m, hole: float(hole.mean()) * coverage(f, v, m, hole), "divide by the hole's")
    caught(
        checks.coverage,
        lambda f, v, m, hole: (
            float((reduce(library.shown(f, v, m), "n 1 h w -> 1 h w", "mean") * hole).sum()) / float(hole.sum())
        ),
        "one frame that shows a pixel is enough",
    )
    caught(checks.coverage, lambda f, v, m, hole: share(v * (warp.by_flow(m, f) > 0.001), hole), "wrong way round")
    caught(
        checks.coverage,
        lambda f, v, m, hole: float((library.shown(f, v, m).amin(dim=0) * hole).sum() / hole.sum()),
        "every frame has to show",
    )
    caught(
        checks.coverage,
        lambda f, v, m, hole: float((library.shown(f, v, m).sum(dim=0) * hole).sum() / hole.sum()),
        "once for each frame",
    )
    caught(checks.coverage, lambda f, v, m, hole: float(library.shown(f, v, m).sum()), "between 0 and 1")
    caught(checks.coverage, lambda f, v, m, hole: coverage(-f, v, m, hole), "count pixel by pixel")


def temporal_median(frames, holes):
    hidden = frames.masked_fill(holes > 0, torch.nan)
    return torch.nanquantile(hidden, 0.5, dim=0).nan_to_num(0.0)


@pytest.mark.parametrize(
    "mistake, sentence",
    [
        (lambda x, m: torch.quantile(x, 0.5, dim=0), "values under the holes are counted: leave"),
        (lambda x, m: torch.quantile(x * (1 - m), 0.5, dim=0), "count as black: they"),
        (lambda x, m: x.median(dim=0).values, "under the holes are counted, and of the middle two"),
        (lambda x, m: (x * (1 - m)).median(dim=0).values, "count as black, and of the middle two"),
        (lambda x, m: torch.nanmedian(x.masked_fill(m > 0, torch.nan), dim=0).values.nan_to_num(0.0), "the lower"),
        (lambda x, m: torch.nanmean(x.masked_fill(m > 0, torch.nan), dim=0).nan_to_num(0.0), "this is the mean"),
        (lambda x, m: torch.nanquantile(x.masked_fill(m > 0, torch.nan), 0.5, dim=0), "a NaN"),
        (lambda x, m: torch.where(temporal_median(x, m) == 0, 0.5, temporal_median(x, m)), "something else than 0"),
        (lambda x, m: temporal_median(x, 1 - m), "over the missing values"),
        (lambda x, m: 0.9 * temporal_median(x, m), "sorting each pixel's known values"),
        (lambda x, m: m * temporal_median(x, m) + (1 - m) * x, "one picture is wanted"),
    ],
)
def test_temporal_median(mistake, sentence):
    passes(checks.temporal_median, temporal_median)
    caught(checks.temporal_median, mistake, sentence)
