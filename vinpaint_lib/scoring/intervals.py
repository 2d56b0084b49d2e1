"""Means over clips with 95 % intervals: the bootstrap over clips, bias-corrected and accelerated (BCa).

A clip is the unit: frames of one clip are alike and would make every interval too narrow. Differences between two
systems are taken on the same clips (paired), so that hard clips do not hide them. Efron: Better bootstrap confidence
intervals, Journal of the American Statistical Association 1987; computed by `scipy.stats.bootstrap`.

Fewer than `FEWEST` clips give a mean and no interval. Where the values do not vary, the interval is the mean itself:
BCa has no acceleration there. An interval of few clips is only as good as their choice, and says nothing about other
data.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.stats import bootstrap

FEWEST = 3
RESAMPLES = 9999
LEVEL = 0.95
PLACES = 12  # BCa counts resamples that equal the mean: rounding of floats must not decide about that
STILL = 1e-12  # of the mean; what rounding leaves where nothing varies

Statistic = Callable[..., np.ndarray | float]


class Estimate(NamedTuple):
    """A mean over `clips` and its interval; None where there are too few clips, NaN for the mean of none."""

    value: float
    low: float | None
    high: float | None
    clips: int


def mean(values: Sequence[float], weights: Sequence[float] | None = None) -> Estimate:
    """Mean over clips, each value counted with its weight (above 0; None: all alike)."""
    first = np.asarray(values, np.float64)
    return estimate(weighted, first, np.ones_like(first) if weights is None else np.asarray(weights, np.float64))


def difference(
    values: Sequence[float],
    others: Sequence[float],
    weights: Sequence[float] | None = None,
    other_weights: Sequence[float] | None = None,
) -> Estimate:
    """Mean of `values` less the mean of `others`, over the same clips in the same order.

    Raises ValueError if they are not equally many.
    """
    if len(values) != len(others):
        raise ValueError(f"{len(values)} and {len(others)} clips are no pairs")
    parts = []
    for numbers, shares in ((values, weights), (others, other_weights)):
        parts += [np.asarray(numbers, np.float64), np.ones(len(numbers)) if shares is None else np.array(shares, float)]
    return estimate(apart, *parts)


def weighted(values: np.ndarray, weights: np.ndarray, axis: int = -1) -> np.ndarray | float:
    """The weighted mean along an axis."""
    return np.round(ratio(values, weights, axis), PLACES)


def apart(a: np.ndarray, share: np.ndarray, b: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray | float:
    """The difference of two weighted means along an axis."""
    return np.round(ratio(a, share, axis) - ratio(b, other, axis), PLACES)


def ratio(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray | float:
    return (values * weights).sum(axis) / weights.sum(axis)


def estimate(statistic: Statistic, *parts: Float64[np.ndarray, " n"]) -> Estimate:
    """A statistic of clips, whose values stand in the same order in all `parts`, and its interval."""
    clips = len(parts[0])
    if not clips:
        return Estimate(float("nan"), None, None, 0)
    value = float(statistic(*parts))
    if clips < FEWEST:
        return Estimate(value, None, None, clips)
    without = [float(statistic(*(np.delete(part, i) for part in parts))) for i in range(clips)]
    if np.ptp(without) <= STILL * max(1.0, abs(value)):
        return Estimate(value, value, value, clips)
    found = bootstrap(
        parts, statistic, paired=True, vectorized=True, n_resamples=RESAMPLES, confidence_level=LEVEL, method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    low, high = float(found.low), float(found.high)
    if not np.isfinite([low, high]).all():
        return Estimate(value, None, None, clips)
    return Estimate(value, low, high, clips)
