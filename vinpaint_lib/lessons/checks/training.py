"""Checks of notebook 07: learning rate, repeatable random numbers, running average of the weights."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vinpaint_lib.lessons.checks.asking import check, normal
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, require, same_shape
from vinpaint_lib.systems.tgfnet.recipe import PRESETS
from vinpaint_lib.training import schedule

CHECKS = ("learning_rate", "sample_for", "running_average")


@check(
    lambda step, peak, warmup, steps: schedule.learning_rate(
        replace(PRESETS["tiny"], peak=peak, warmup=warmup, steps=steps), step
    ),
    lambda: [(step, 0.02, 5, 31) for step in range(31)] + [(step, 1.5, 0, 4) for step in range(4)],
    returns=(float, int),
    atol=1e-9,
    rtol=1e-6,
)
def learning_rate(function: Reader) -> None:
    """function(step, peak, warmup, steps) -> the rate of step 0 .. steps - 1: linear warm-up, then a cosine."""
    peak, warmup, steps = 0.3, 7, 53
    preset = replace(PRESETS["tiny"], peak=peak, warmup=warmup, steps=steps)
    at = range(steps)
    wanted = torch.tensor([schedule.learning_rate(preset, step) for step in at])
    found = torch.tensor([float(call(function, step, peak, warmup, steps)) for step in at])
    require(found[0] != 0, "the first step has rate 0 and moves nothing: count warm-up steps from 1.")
    require(torch.isfinite(found).all(), "some rates are not finite: is something divided by 0?")
    require(
        not torch.allclose(found[:warmup], torch.full((warmup,), peak)),
        "there is no warm-up: the rate begins at its peak.",
    )
    close(found[:warmup], wanted[:warmup], "the warm-up differs: it is linear and reaches the peak in its last step.")
    share = (torch.arange(steps)[warmup:] - warmup) / (steps - warmup)
    late = torch.arange(steps)[warmup:] / steps
    straight = 1 - 0.98 * share
    slips = {
        "the rate stays at its peak after the warm-up: a cosine takes it down.": torch.full_like(share, peak),
        "the rate ends at 0: a fiftieth of the peak is to be left.": peak * 0.5 * (1 + torch.cos(math.pi * share)),
        "the cosine runs from step 0: it begins where the warm-up ends.": (
            peak * (0.02 + 0.98 * 0.5 * (1 + torch.cos(math.pi * late)))
        ),
        "the rate falls on a straight line: a half wave of the cosine is wanted.": peak * straight,
        "this is a quarter of the wave, which ends steeply: (1 + cos(pi u)) / 2 ends flat.": (
            peak * (0.02 + 0.98 * torch.cos(math.pi / 2 * share))
        ),
        "the wave is not halved: (1 + cos(pi u)) / 2 runs from 1 to 0.": (
            peak * (0.02 + 0.98 * (1 + torch.cos(math.pi * share)))
        ),
    }
    for sentence, values in slips.items():
        require(not torch.allclose(found[warmup:], values.float(), rtol=1e-4), sentence)
    close(found, wanted, "the fall differs from peak (0.02 + 0.98 (1 + cos(pi u)) / 2).")


@check(
    lambda seed, step, slot, blocks: int(np.random.default_rng((seed, 2, step, slot)).integers(blocks)),
    lambda: [(seed, step, slot, 29) for seed in (0, 11) for step in (0, 7, 400) for slot in (0, 3)] + [(3, 1, 1, 2000)],
    returns=int,
)
def sample_for(function: Reader) -> None:
    """function(seed, step, slot, blocks) -> number of the block that this slot of this step's batch is drawn from."""
    blocks, places = 13, [(step, slot) for step in range(40) for slot in range(6)]

    def drawn(seed: int, where: list[tuple[int, int]]) -> np.ndarray:
        found = [call(function, seed, step, slot, blocks) for step, slot in where]
        return np.array(found)

    before = str(np.random.get_state())  # noqa: NPY002 - whether a reader's function touches the global state
    first = drawn(5, places)
    untouched = before == str(np.random.get_state())  # noqa: NPY002
    backwards = drawn(5, places[::-1])[::-1]
    same_again = np.array_equal(first, backwards)
    require(
        untouched or same_again,
        "this draws from the global generator, which goes on from call to call: make one of your own from the numbers.",
    )
    require(untouched, "this seeds the global generator, and so everybody else's random numbers: make one of your own.")
    require(
        same_again,
        "the same seed, step and slot give another number when they are asked for in another order: "
        "the generator is kept from call to call.",
    )
    require(
        first.min() >= 0 and first.max() < blocks, f"blocks are numbered 0 to {blocks - 1}, and this leaves that range."
    )
    require(not np.array_equal(first, drawn(6, places)), "the seed has no effect: two runs would see the same samples.")
    table = first.reshape(40, 6)
    require((table != table[:1]).any(), "the step has no effect: each step would see the same batch.")
    require((table != table[:, :1]).any(), "the slot has no effect: a batch would hold one block many times.")
    require(
        not np.array_equal(table[1:, :-1], table[:-1, 1:]),
        "step and slot are added: slot 1 of step 0 is slot 0 of step 1, so batches repeat. "
        "Give the generator all numbers as a tuple.",
    )
    require(set(first) == set(range(blocks)), "some blocks are never drawn: `integers(blocks)` has 0 to blocks - 1.")
    wanted = [int(np.random.default_rng((5, 2, step, slot)).integers(blocks)) for step, slot in places]
    require(
        list(first) == wanted,
        "repeatable, but not the run's numbers: these come from default_rng((seed, 2, step, slot)).integers(blocks).",
    )


@check(
    lambda average, value, step, longest: average + (1 - min(longest, (1 + step) / (10 + step))) * (value - average),
    lambda: [
        (normal(11, 8, 10), normal(12, 8, 10), 3, 0.999),
        (normal(13, 7), normal(14, 7), 40, 0.7),
        (normal(15, 2, 3, 1, 4), normal(16, 2, 3, 1, 4), 90000, 0.9999),
    ],
)
def running_average(function: Reader) -> None:
    """function(average, value, step, longest) -> the average after this step, with a decay that grows."""
    generator = torch.Generator().manual_seed(4)
    average, value = torch.randn(2, 3, 5, generator=generator)
    cases = ((0, 0.97), (6, 0.95), (500, 0.95))  # step and longest: far below the end, on the way, beyond it

    def decayed(rule: Callable[[float, float, int], float], old: Tensor = average, new: Tensor = value) -> Tensor:
        """The right formula with another decay, a function of (grown, longest, step), for all cases."""
        decays = [rule((1 + step) / (10 + step), longest, step) for step, longest in cases]
        return torch.stack([decay * old + (1 - decay) * new for decay in decays])

    results = [call(function, average, value, step, longest) for step, longest in cases]
    for result in results:
        same_shape(result, average, "the average")
    found, wanted = torch.stack(results), decayed(lambda grown, longest, step: min(grown, longest))
    slips = {
        "old and new are exchanged: the decay multiplies the average so far.": decayed(
            lambda grown, longest, step: min(grown, longest), value, average
        ),
        "the decay does not grow: early on, (1 + step) / (10 + step) is smaller than longest.": decayed(
            lambda grown, longest, step: longest
        ),
        "the larger of both decays is taken: `min`, so that an early average forgets fast.": decayed(
            lambda grown, longest, step: max(grown, longest)
        ),
        "the decay has no upper end: late in the run it is `longest`.": decayed(lambda grown, longest, step: grown),
        "the new value is added whole: its weight is 1 - decay.": decayed(
            lambda grown, longest, step: min(grown, longest), new=0 * value
        )
        + value,
        "this is step / (10 + step): at step 0 the first average would be thrown away.": decayed(
            lambda grown, longest, step: min(step / (10 + step), longest)
        ),
    }
    for sentence, values in slips.items():
        require(not torch.allclose(found, values), sentence)
    close(found, wanted, "the average differs from decay * average + (1 - decay) * value.")
