"""The checks of notebook 08: the library's functions pass, planted mistakes are caught, each with its own sentence."""

from functools import partial
from itertools import accumulate

import pytest
import torch
from einops import rearrange, repeat

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib import inpaint
from vinpaint_lib.figures.over_time import time_slice
from vinpaint_lib.interface import Output, Step
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.checks.inference_and_consistency import NearestKnown, nearest_known
from vinpaint_lib.lessons.checks.verdict import Wrong
from vinpaint_lib.lessons.experiments import frames_held
from vinpaint_lib.video.clip import Clip


def loop(frames, masks, model, reach, mistake=""):
    """The exercise's solution with one mistake, if it is named."""
    given = frames if mistake == "leak" else frames * (1 - masks)
    shown, holes, filled = given.clone(), masks.clone(), given.clone()
    order = range(len(frames))
    if mistake == "empty":
        holes = torch.zeros_like(holes)
    for t in reversed(order) if mistake == "backward" else order:
        low = t - reach if mistake == "negative" else max(0, t - reach)
        high = t + 1 if mistake == "past" else min(len(frames), t + reach + 1)
        raw = model(shown[low:high], holes[low:high], {"place": reach, "clip's place": t}.get(mistake, t - low))
        if mistake == "early":
            holes[t] = 0
            raw = holes[t] * raw
        done = masks[t] * raw + (1 - masks[t]) * given[t]
        filled[t] = raw if mistake == "raw result" else 0 * raw if mistake == "black" else done
        if mistake == "twice":
            model(shown[low:high], holes[low:high], t - low)
        if mistake not in ("no feedback", "no frame"):
            shown[t] = raw if mistake == "raw" else done
        if mistake not in ("no feedback", "no mask"):
            holes[t] = 0
    if mistake == "dim":
        return filled * (1 - 0.1 * masks)
    return given if mistake == "input" else filled


def by_the_library(frames, masks, model, reach):
    """`inpaint.fill`, with the model that was handed over where the toy model is called."""

    class Asked(NearestKnown):
        def forward(self, window, step, state):
            raw = model(window.frames, window.masks, window.indices.index(step.targets[0]))
            return Output(rearrange(raw, "c h w -> 1 c h w"), {})

    return torch.stack(list(inpaint.fill(Asked(reach), Clip(frames, masks))))


def test_fill_in_order():
    passes(checks.fill_in_order, loop)
    passes(checks.fill_in_order, by_the_library)


@pytest.mark.parametrize(
    "mistake, match",
    [
        ("leak", "what lies under a hole"),
        ("backward", "from the last to the first"),
        ("empty", "has lost its hole"),
        ("past", "as far into the future"),
        ("place", "not the clip's"),
        ("twice", "the model is called 14 times"),
        ("no feedback", "nothing is written back"),
        ("no mask", "not emptied"),
        ("no frame", "the hole of the frame is still black"),
        ("raw", "the raw output is written back"),
        ("raw result", "known pixels come back changed"),
        ("input", "come back empty"),
        ("dim", "differs from `inpaint.fill`"),
    ],
)
def test_mistakes_in_the_loop_are_told(mistake, match):
    caught(checks.fill_in_order, partial(loop, mistake=mistake), match)


@pytest.mark.parametrize(
    "mistake, match",
    [
        ("clip's place", "place is 3 for frame 3: it counts from the window's start"),
        ("negative", "the window of frame 0 holds 0 frames"),
        ("early", "empty the mask last"),
    ],
)
def test_the_loop_is_told_in_words_what_the_toy_model_could_not_take(mistake, match):
    with pytest.raises(Wrong, match=match):
        checks.fill_in_order(partial(loop, mistake=mistake))


def test_the_toy_model_takes_the_nearest_frame_that_knows():
    frames = repeat(torch.tensor([0.1, 0.2, 0.3, 0.4]), "t -> t 3 1 3", t=4).clone()
    masks = torch.zeros(4, 1, 1, 3)
    masks[1, ..., 0] = 1  # known before and after: the earlier one counts
    masks[:3, ..., 1] = 1  # known two frames later
    masks[:, ..., 2] = 1  # known nowhere
    found = nearest_known(frames, masks, 1)[0, 0]
    assert torch.allclose(found, torch.tensor([0.1, 0.4, 0.5]))
    masks[1, ..., 0] = 0
    assert nearest_known(frames, masks, 1)[0, 0, 0] == pytest.approx(0.8)


def needed(steps):
    return [(held[0], held[-1]) for held in frames_held.frames_held([Step(*step) for step in steps])]


def lows_and_highs(low, high):
    def function(steps):
        used = [(*targets, *references) for targets, references in steps]
        return list(zip(low(used), high(used), strict=True))

    return function


def last_from(function):
    """function over this entry and all later ones."""
    return lambda used: [function(value for part in used[n:] for value in part) for n in range(len(used))]


def first_to(function):
    """function over this entry and all earlier ones."""
    return lambda used: [function(value for part in used[: n + 1] for value in part) for n in range(len(used))]


def own(function):
    return lambda used: [function(part) for part in used]


def without_targets(steps):
    oldest = last_from(min)([references for _, references in steps])
    newest = accumulate((max((*targets, *references)) for targets, references in steps), max)
    return list(zip(oldest, newest, strict=True))


def test_frames_needed():
    passes(checks.frames_needed, needed)
    passes(checks.frames_needed, lows_and_highs(last_from(min), first_to(max)))


@pytest.mark.parametrize(
    "function, match",
    [
        (lows_and_highs(own(min), first_to(max)), "the oldest frame looks at its own step only"),
        (lows_and_highs(first_to(min), first_to(max)), "the steps that are over"),
        (lows_and_highs(last_from(min), own(max)), "the newest frame looks at its own step only"),
        (lows_and_highs(last_from(min), last_from(max)), "before any step needs them"),
        (lambda steps: [(low, high + 1) for low, high in needed(steps)], "one too high"),
        (without_targets, "targets are left out"),
        (lambda steps: [(low - 1, high) for low, high in needed(steps)], "a count by hand"),
        (lambda steps: needed(steps)[:-1], "5 entries for 6 steps"),
        (lambda steps: [(low, high, 0) for low, high in needed(steps)], "each entry is a pair"),
        (lambda steps: torch.tensor(needed(steps)), "returns a Tensor"),
    ],
)
def test_mistakes_in_the_frames_needed_are_told(function, match):
    caught(checks.frames_needed, function, match)


def test_time_slice():
    passes(checks.time_slice, time_slice)


@pytest.mark.parametrize(
    "function, match",
    [
        (lambda clip, row, n: repeat(clip[..., row], "t c h -> c (t n) h", n=n), "a column is taken"),
        (lambda clip, row, n: rearrange(time_slice(clip, row, n), "c t w -> c w t"), "time runs to the right"),
        (lambda clip, row, n: rearrange(time_slice(clip, row, n), "c t w -> t c w"), "not the first axis"),
        (lambda clip, row, n: time_slice(clip, row), "each line appears once"),
        (lambda clip, row, n: repeat(clip[:, :, row], "t c w -> c (n t) w", n=n), "again and again"),
        (lambda clip, row, n: time_slice(clip, row, n).flip(1), "upwards"),
        (lambda clip, row, n: time_slice(clip.mean(dim=2, keepdim=True), 0, n), "averaged"),
        (lambda clip, row, n: time_slice(clip, 0, n), "slice of row 0"),
        (lambda clip, row, n: time_slice(clip, row - 1, n), "a loop over frames"),
    ],
)
def test_mistakes_in_a_time_slice_are_told(function, match):
    caught(checks.time_slice, function, match)
