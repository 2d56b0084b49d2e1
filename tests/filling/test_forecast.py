"""The forecast: what steps cost, how that is fitted to the first of them, and how it is said."""

import numpy as np
import pytest
import torch

from vinpaint_lib.filling import forecast
from vinpaint_lib.filling.forecast import (
    Costs,
    Forecast,
    costs_of,
    least_memory,
    spelled_memory,
    spelled_time,
    whole_time,
)
from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Inpainter, Output, Step

NOTHING = Output(torch.zeros(1, 3, 4, 4), {})


class Reaching(Inpainter):
    """One target at a time, from the frames at most two away."""

    by_hole = True

    def plan(self, length):
        for t in range(length):
            yield Step((t,), tuple(i for i in range(max(0, t - 2), min(length, t + 3)) if i != t))


class Volumes(Inpainter):
    """Four frames at a time; neighbours share two."""

    def plan(self, length):
        for start in range(0, length - 2, 2):
            yield Step(tuple(range(start, start + 4)), ())


def test_what_the_steps_of_a_sliding_window_cost():
    boxes = (Box(0, 36, 0, 136), None, *[Box(100, 136, 100, 136)] * 4)
    costs = costs_of(Reaching(), boxes, (200, 400))
    share = 100 * 100 / 80_000
    assert costs.of_step[:, 0].tolist() == [3, 1, 1, 1, 0, 0]
    assert costs.of_step[:, 1].tolist() == [1] * 6
    assert costs.of_step[:, 2].tolist() == [2 * share, 0, share, share, share, share]
    assert costs.of_step[:, 3].tolist() == [3 * 2 * share, 0, 5 * share, 5 * share, 4 * share, 3 * share]
    assert costs.held == (3, 4, 5, 5, 4, 3)


def test_what_the_steps_of_volumes_cost():
    costs = costs_of(Volumes(), (None,) * 8, (200, 400))
    assert costs.of_step.tolist() == [[4, 2, 4, 16], [2, 2, 4, 16], [2, 4, 4, 16]]
    assert costs.held == (4, 4, 4)


@pytest.mark.parametrize(
    "prices",
    [(0.3, 0.1, 5.0, 0.5), (0.0, 0.1, 0.0, 0.0), (0.2, 0.0, 0.0, 0.0), (0.0, 0.0, 3.0, 0.0), (0.0, 0.0, 0.0, 2.0)],
)
def test_steps_that_cost_what_the_model_says_are_foretold_exactly(prices):
    boxes = [Box(0, 20 + 5 * (t % 7), 0, 30) for t in range(60)]
    costs = costs_of(Reaching(), boxes, (200, 400)).of_step
    seconds = costs @ np.array(prices)
    assert whole_time(costs, list(seconds[:8])) == pytest.approx(seconds.sum(), rel=1e-6)


def test_holes_that_grow_later_are_foretold():
    """The first frames hardly have a hole: a rate of frames would promise a twentieth of the time."""
    boxes = [None if t % 2 else Box(0, 10, 0, 10) for t in range(20)] + [Box(0, 200, 0, 400)] * 80
    costs = costs_of(Reaching(), boxes, (200, 400)).of_step
    seconds = costs @ np.array((0.01, 0.01, 2.0, 0.1))
    assert whole_time(costs, list(seconds[:10])) == pytest.approx(seconds.sum(), rel=0.01)
    assert seconds[:10].mean() * len(seconds) < seconds.sum() / 5


def test_windows_that_are_small_at_the_start_are_foretold():
    """The first steps see the future alone; in the middle of the clip a step looks at twice as many frames."""

    class Wide(Inpainter):
        def plan(self, length):
            for t in range(length):
                yield Step((t,), tuple(i for i in range(max(0, t - 24), min(length, t + 25)) if i != t))

    costs = costs_of(Wide(), [Box(0, 100, 0, 100)] * 300, (200, 400)).of_step
    seconds = costs @ np.array((0.1, 0.0, 0.0, 0.02))
    assert whole_time(costs, list(seconds[:8])) == pytest.approx(seconds.sum(), rel=1e-6)
    assert seconds[1:8].mean() * len(seconds) < 0.7 * seconds.sum()


def test_the_least_memory_is_that_of_the_frames_that_are_held():
    costs = costs_of(Reaching(), (None,) * 50, (200, 400))
    assert least_memory(costs, (1024, 512)) == 5 * 4 * 4 / 2


@pytest.mark.parametrize("steps", [1, 2])
def test_one_or_two_steps_foretell_by_their_share(steps):
    costs = costs_of(Volumes(), (None,) * 12, (200, 400)).of_step
    seconds = costs @ np.array((0.0, 0.0, 1.0, 0.0))
    assert whole_time(costs, list(seconds[:steps])) == pytest.approx(seconds.sum(), rel=1e-6)


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "count, price, when", [(1000, 1.0, 6), (1000, 0.01, 200), (12, 0.01, 4), (3, 1.0, 1), (20, 40.0, 2)]
)
def test_it_is_told_once_and_early(monkeypatch, count, price, when):
    """After the first step: five seconds or a fifth of the steps, four steps at least unless they take a minute."""
    clock, told = Clock(), []
    monkeypatch.setattr(forecast, "time", clock)
    costs = costs_of(Reaching(), [Box(0, 10, 0, 10)] * count, (50, 60))
    foretell = Forecast(costs, lambda *found: told.append((len(foretell.seconds), *found)))
    for t in range(count):
        clock.now += price
        foretell(Step((t,), ()), NOTHING)
    ((step, seconds, memory, gpu),) = told
    assert step == when
    assert seconds == pytest.approx(count * price, rel=0.01)
    assert memory > 0
    assert gpu == 0


def test_a_clip_of_one_step_has_no_forecast():
    told = []
    foretell = Forecast(costs_of(Reaching(), [None], (50, 60)), lambda *found: told.append(found))
    foretell(Step((0,), ()), NOTHING)
    assert told == []


def test_memory_grows_with_the_frames_that_will_be_held(monkeypatch):
    """300 MiB before; 10 of 40 frames are held with 50 MiB; a step takes 70 MiB on top, whatever is held."""
    now = iter([300.0, 350.0])
    monkeypatch.setattr(forecast, "resident", lambda: next(now))
    monkeypatch.setattr(forecast, "peak", lambda: 420.0)
    monkeypatch.setattr(forecast, "give_back", lambda: None)
    foretell = Forecast(Costs(np.ones((3, 4)), (10, 40, 40)), lambda *found: None)
    assert foretell.memory(1) == (300 + 4 * 50 + 70, 0)


@pytest.mark.parametrize(
    "seconds, words",
    [(0.2, "1 second"), (40, "40 seconds"), (89, "89 seconds"), (90, "1.5 minutes"), (14.2 * 60, "14 minutes")]
    + [(5399, "90 minutes"), (5400, "1.5 hours"), (100_000, "28 hours")],
)
def test_times_in_words(seconds, words):
    assert spelled_time(float(seconds)) == words


@pytest.mark.parametrize("size, words", [(337.4, "340 MB"), (999, "1000 MB"), (1400, "1.4 GB")])
def test_sizes_in_words(size, words):
    assert spelled_memory(float(size)) == words


def test_what_a_writer_will_hold_counts_and_does_not_grow_with_the_window(monkeypatch):
    """As above; and a writer holds 5 MiB for each finished frame, and takes 9 for each of the clip's. One frame is
    finished, 3 will be."""
    now = iter([300.0, 355.0])
    monkeypatch.setattr(forecast, "resident", lambda: next(now))
    monkeypatch.setattr(forecast, "peak", lambda: 425.0)
    monkeypatch.setattr(forecast, "give_back", lambda: None)
    costs = Costs(np.ones((3, 4)), (10, 40, 40))
    foretell = Forecast(costs, lambda *found: None, writer=lambda frames: 5 * frames, written=lambda frames: 9 * frames)
    assert foretell.memory(1) == (300 + 4 * 50 + 70 + 27, 0)
