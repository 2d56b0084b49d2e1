"""The checks of notebook 07: the library's way passes, planted mistakes are caught, each with its own sentence."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.tgfnet.recipe import PRESETS
from vinpaint_lib.systems.tgfnet.samples import TargetPool
from vinpaint_lib.training import schedule
from vinpaint_lib.training.feed import StepSamples
from vinpaint_lib.training.loop import Trainer


def library_rate(step, peak, warmup, steps):
    return schedule.learning_rate(replace(PRESETS["tiny"], peak=peak, warmup=warmup, steps=steps), step)


def rate(fall, first=1):
    """A learning rate with another warm-up or fall (of the share u from 0 to 1)."""

    def function(step, peak, warmup, steps):
        if step < warmup:
            return peak * (step + first) / warmup
        return peak * fall((step - warmup) / (steps - warmup))

    return function


def wave(u):
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * u))


def test_learning_rate():
    passes(checks.learning_rate, library_rate)
    passes(checks.learning_rate, rate(wave))


@pytest.mark.parametrize(
    "function, match",
    [
        (rate(wave, first=0), "moves nothing"),
        (lambda s, p, w, n: p * wave(s / n), "warm-up differs"),
        (lambda s, p, w, n: p if s < w else p * wave((s - w) / (n - w)), "begins at its peak"),
        (rate(lambda u: 1.0), "stays at its peak"),
        (rate(lambda u: 0.5 * (1 + math.cos(math.pi * u))), "ends at 0"),
        (lambda s, p, w, n: p * (s + 1) / w if s < w else p * wave(s / n), "from step 0"),
        (rate(lambda u: 1 - 0.98 * u), "straight line"),
        (rate(lambda u: 0.02 + 0.98 * math.cos(math.pi / 2 * u)), "quarter of the wave"),
        (rate(lambda u: 0.02 + 0.98 * (1 + math.cos(math.pi * u))), "not halved"),
        (rate(lambda u: 0.02 + 0.98 * 0.5 * (1 + math.cos(u))), "the fall differs"),
    ],
)
def test_mistakes_in_the_learning_rate_are_told(function, match):
    caught(checks.learning_rate, function, match)


def sample(seed, step, slot, blocks):
    return int(np.random.default_rng((seed, 2, step, slot)).integers(blocks))


def from_global(seed, step, slot, blocks):
    return int(np.random.randint(blocks))  # noqa: NPY002


def seeds_globally(seed, step, slot, blocks):
    np.random.seed(seed + 100 * step + slot)  # noqa: NPY002
    return int(np.random.randint(blocks))  # noqa: NPY002


KEPT = np.random.default_rng(0)


def draw(*seeds):
    return np.random.default_rng(seeds)


def test_sample_for():
    passes(checks.sample_for, sample)


def test_the_first_number_of_a_slot_is_the_block_that_a_run_draws():
    """The feed gives (seed, 2, step, slot) to `TargetPool.packed`, whose first draw chooses the block."""

    class Asked(Exception):
        pass

    def block(number):
        raise Asked(number)

    pool = TargetPool.__new__(TargetPool)  # without a folder
    pool.blocks, pool.block = 13, block
    preset = replace(PRESETS["tiny"], blocks=13, growth=(13, 1), batch=4)
    for step in (0, 3, 17):
        task = registry.make_task("tgfnet", preset)
        with pytest.raises(Asked) as asked:
            StepSamples(task, pool, seed=5, slots=range(4)[2::4])[step]
        assert asked.value.args == (sample(5, step, 2, 13),)


@pytest.mark.parametrize(
    "function, match",
    [
        (from_global, "goes on from call to call"),
        (seeds_globally, "everybody else"),
        (lambda s, t, k, n: int(KEPT.integers(n)), "in another order"),
        (lambda s, t, k, n: sample(s, t, k, n) + 1, "leaves that range"),
        (lambda s, t, k, n: sample(0, t, k, n), "seed has no effect"),
        (lambda s, t, k, n: sample(s, 0, k, n), "step has no effect"),
        (lambda s, t, k, n: sample(s, t, 0, n), "slot has no effect"),
        (lambda s, t, k, n: int(draw(s, t + k).integers(n)), "are added"),
        (lambda s, t, k, n: int(draw(s, 2, t, k).integers(n - 1)), "never drawn"),
        (lambda s, t, k, n: int(draw(s, t, k).integers(n)), "run's numbers"),
        (lambda s, t, k, n: float(sample(s, t, k, n)), "returns a float"),
    ],
)
def test_mistakes_in_the_random_numbers_are_told(function, match):
    caught(checks.sample_for, function, match)


def average(old, new, step, longest):
    decay = min(longest, (1 + step) / (10 + step))
    return decay * old + (1 - decay) * new


def library_average(old, new, step, longest):
    """`Trainer.update_average` of a network with one weight."""
    part = torch.nn.ParameterDict({"w": torch.nn.Parameter(new)})
    trainer = SimpleNamespace(
        preset=replace(PRESETS["tiny"], average=longest), step=step, plain=part, average={"w": old.clone()}
    )
    Trainer.update_average(trainer)
    return trainer.average["w"]


def test_running_average():
    passes(checks.running_average, average)
    passes(checks.running_average, library_average)


@pytest.mark.parametrize(
    "function, match",
    [
        (lambda old, new, s, d: average(new, old, s, d), "exchanged"),
        (lambda old, new, s, d: d * old + (1 - d) * new, "does not grow"),
        (lambda old, new, s, d: average(old, new, s, 1.0), "no upper end"),
        (lambda old, new, s, d: old.lerp(new, 1 - max(d, (1 + s) / (10 + s))), "larger of both"),
        (lambda old, new, s, d: average(old, 0 * new, s, d) + new, "added whole"),
        (lambda old, new, s, d: old.lerp(new, 1 - min(d, s / (10 + s))), "thrown away"),
        (lambda old, new, s, d: old.lerp_(new, 0.5), "changes one of its arguments"),
        (lambda old, new, s, d: average(old, new, s, d) + 0.1, "the average differs"),
        (lambda old, new, s, d: average(old, new, s, d)[0], "has the shape"),
    ],
)
def test_mistakes_in_the_average_are_told(function, match):
    caught(checks.running_average, function, match)
