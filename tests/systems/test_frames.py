"""The papers' sampling rules, against definitions written out slowly."""

import numpy as np
import pytest

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import frames
from vinpaint_lib.systems.cpnet.model import cpnet_references
from vinpaint_lib.systems.sttn import recipe
from vinpaint_lib.systems.sttn.model import sttn_windows
from vinpaint_lib.systems.vinet.model import vinet_window


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_sttn_training_is_half_random_sorted_and_half_consecutive():
    neighbours = 0
    for seed in range(400):
        chosen = recipe.sttn_training(90, rng_of(seed))
        assert chosen == recipe.sttn_training(90, rng_of(seed))
        assert len(set(chosen)) == 5
        assert list(chosen) == sorted(chosen)
        assert min(chosen) >= 0
        assert max(chosen) < 90
        neighbours += chosen == tuple(range(chosen[0], chosen[0] + 5))
    assert 160 <= neighbours <= 240  # binomial(400, 1/2): four standard deviations; chance neighbours are rare


@pytest.mark.parametrize("rule", [frames.random_frames, frames.consecutive_frames, recipe.sttn_training])
def test_training_samples_reach_every_frame_and_need_enough_of_them(rule):
    seen = {i for seed in range(300) for i in rule(12, rng_of(seed))}
    assert seen == set(range(12))
    assert rule(5, rng_of(0)) == (0, 1, 2, 3, 4)
    for length, count in ((4, 5), (5, 0)):
        with pytest.raises(UserError):
            rule(length, rng_of(0), count)


def test_every_tenth_frame():
    assert frames.every_tenth(35) == (0, 10, 20, 30)
    assert frames.every_tenth(35, without=(9, 10, 11)) == (0, 20, 30)
    assert frames.every_tenth(1, without=(0,)) == ()


@pytest.mark.parametrize("length", [1, 4, 5, 6, 23, 41])
def test_sttn_windows(length):
    expected = []
    for f in range(length):
        if f % 5 == 0:
            targets = [i for i in range(length) if abs(i - f) <= 5]
            expected.append((tuple(targets), tuple(i for i in range(length) if i % 10 == 0 and i not in targets)))
    assert list(sttn_windows(length)) == expected
    assert {i for targets, _ in expected for i in targets} == set(range(length))


@pytest.mark.parametrize("length", [1, 2, 3, 7, 13, 40])
def test_vinet_windows_walk_back_at_the_ends(length):
    def walk(t: int, steps: int) -> int:
        """One step at a time in one direction, turning round at an end."""
        direction = 1 if steps > 0 else -1
        for _ in range(abs(steps)):
            if length == 1:
                return 0
            if not 0 <= t + direction < length:
                direction = -direction
            t += direction
        return t

    for t in range(length):
        assert vinet_window(t, length) == tuple(walk(t, s) for s in (-6, -3, 0, 3, 6))
    assert vinet_window(2, 30) == (4, 1, 2, 5, 8)


@pytest.mark.parametrize("as_released", [False, True])
def test_cpnet_references(as_released):
    """The window [t-4, t+4) is pushed one frame at a time until it lies in the clip, then cut to it."""
    reach = 4
    for length in (1, 3, 8, 9, 20):
        last = length - 1 if as_released else length  # exclusive, for a window that had to be moved
        for t in range(length):
            start, stop = t - reach, t + reach
            moved = False
            while start < 0:
                start, stop, moved = start + 1, stop + 1, True
            if moved:
                stop = min(stop, last)
            elif stop > length - 1:
                while stop > last:
                    start, stop = start - 1, stop - 1
                start = max(start, 0)
            expected = tuple(i for i in range(start, stop) if (i - start) % 2 == 0 and i != t)
            found = cpnet_references(t, length, reach, as_released=as_released)
            assert found == expected
            assert t not in found
            assert all(0 <= i < length for i in found)
            assert not (as_released and moved and length - 1 in found)


def test_cpnet_uses_the_printed_window():
    assert cpnet_references(200, 1000) == tuple(i for i in range(80, 320, 2) if i != 200)
    assert len(cpnet_references(0, 1000)) == 119
