"""Intervals over clips: BCa against a plain loop over every possible resample, pairs, and what has no interval."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

from vinpaint_lib.scoring import intervals

VALUES = [14.13, 17.94, 16.21, 24.57, 15.02, 14.41]
OTHERS = [12.91, 16.22, 15.13, 22.94, 14.21, 13.12]


def slow_bca(values, weights):
    """Efron's BCa interval of a weighted mean, over all n^n resamples; Efron and Tibshirani (1993), chapter 14."""

    def statistic(picked):
        return sum(values[i] * weights[i] for i in picked) / sum(weights[i] for i in picked)

    clips, normal = range(len(values)), NormalDist()
    every = sorted(statistic(picked) for picked in itertools.product(clips, repeat=len(values)))
    value = statistic(clips)
    below = (sum(one < value for one in every) + sum(one == value for one in every) / 2) / len(every)
    bias = normal.inv_cdf(below)
    without = [statistic([i for i in clips if i != left]) for left in clips]
    middle = sum(without) / len(without)
    cubes = sum((middle - one) ** 3 for one in without)
    squares = sum((middle - one) ** 2 for one in without)
    speed = cubes / (6 * squares**1.5)
    ends = []
    for share in (0.025, 0.975):
        z = bias + normal.inv_cdf(share)
        place = normal.cdf(bias + z / (1 - speed * z)) * (len(every) - 1)
        low = math.floor(place)
        ends.append(every[low] + (place - low) * (every[min(low + 1, len(every) - 1)] - every[low]))
    return value, *ends


@pytest.mark.parametrize("weights", [[1.0] * 6, [40.0, 25.0, 40.0, 10.0, 40.0, 33.0]])
def test_bca_is_the_loop_over_every_resample(weights):
    found = intervals.mean(VALUES, weights)
    value, low, high = slow_bca(VALUES, weights)
    assert found.value == pytest.approx(value)
    # 9999 draws of the 46656 resamples: the ends vary by 2 % of the interval. The percentile interval is 19 % away.
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.04 * (high - low))
    assert found.clips == 6


def test_a_difference_is_the_interval_of_the_differences():
    """With equal weights the paired bootstrap of two means is that of the mean of what the pairs differ by."""
    found = intervals.difference(VALUES, OTHERS)
    alone = intervals.mean([a - b for a, b in zip(VALUES, OTHERS, strict=True)])
    assert found == pytest.approx(tuple(alone))
    both = intervals.mean(VALUES), intervals.mean(OTHERS)
    assert found.value == pytest.approx(both[0].value - both[1].value)
    assert found.high - found.low < min(one.high - one.low for one in both) / 3, "pairs take out what is hard in a clip"


def test_shift_and_scale_go_through():
    found, moved = intervals.mean(VALUES), intervals.mean([3 + 2 * value for value in VALUES])
    assert moved[:3] == pytest.approx([3 + 2 * number for number in found[:3]])


def test_few_clips_have_no_interval():
    assert intervals.mean([1.0, 3.0]) == intervals.Estimate(2.0, None, None, 2)
    assert intervals.difference([1.0, 3.0], [0.0, 0.0]) == intervals.Estimate(2.0, None, None, 2)
    none = intervals.mean([])
    assert (math.isnan(none.value), none.low, none.clips) == (True, None, 0)


def test_what_does_not_vary_is_its_own_interval(recwarn):
    assert intervals.mean([0.1] * 4) == pytest.approx((0.1, 0.1, 0.1, 4))
    shifted = intervals.difference([value + 0.3 for value in VALUES], VALUES)
    assert shifted == pytest.approx((0.3, 0.3, 0.3, 6))
    assert not recwarn.list


def test_every_call_gives_the_same():
    assert intervals.mean(VALUES) == intervals.mean(VALUES)
    assert np.isfinite(intervals.mean([1.0, 1.0, 1.0, 9.0]).low)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="6 and 4 clips are no pairs"):
        intervals.difference(VALUES, OTHERS[:4])
