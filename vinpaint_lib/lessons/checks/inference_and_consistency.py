"""Checks of notebook 08: the loop with feedback, the frames that it must hold, the time slice."""

from collections.abc import Iterator
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib import inpaint
from vinpaint_lib.figures.over_time import time_slice as library_slice
from vinpaint_lib.interface import Inpainter, Output, Step, Window
from vinpaint_lib.lessons.checks.asking import check, ones, uniform
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, of_type, require, same_shape
from vinpaint_lib.lessons.experiments import frames_held
from vinpaint_lib.video.clip import Clip

CHECKS = ("fill_in_order", "frames_needed", "time_slice")


def nearest_known(
    frames: Float[Tensor, "n 3 h w"], masks: Float[Tensor, "n 1 h w"], place: int
) -> Float[Tensor, "3 h w"]:
    """A toy model: each hole pixel of frame `place` takes its colour from the nearest frame that knows it there.

    Of two equally near frames the earlier one counts; a pixel that no frame knows becomes 0.5. The rest of the frame
    comes back inverted, since nobody may rely on a model's output outside of the hole.
    """
    result = torch.full_like(frames[place], 0.5)
    order = sorted(range(len(frames)), key=lambda n: (abs(n - place), n))
    for n in reversed(order):  # the nearest frame comes last and overwrites the others
        result = torch.where(masks[n] == 0, frames[n], result)
    return torch.where(masks[place] == 0, 1 - frames[place], result)


class NearestKnown(Inpainter):
    """`nearest_known` as a model of `inpaint.fill`."""

    feedback = True

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.reach = reach

    def plan(self, length: int) -> Iterator[Step]:
        for t in range(length):
            near = range(max(0, t - self.reach), min(length, t + self.reach + 1))
            yield Step((t,), tuple(i for i in near if i != t))

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        place = window.indices.index(step.targets[0])
        raw = nearest_known(window.frames, window.masks, place)
        return Output(rearrange(raw, "c h w -> 1 c h w"), {})


@check(
    lambda frames, masks, model, reach: torch.stack(list(inpaint.fill(NearestKnown(reach), Clip(frames, masks)))),
    lambda: [
        (uniform(11, 4, 3, 8, 10), ones(12, 0.5, 4, 1, 8, 10), nearest_known, 1),
        (uniform(13, 9, 3, 5, 3), ones(14, 0.6, 9, 1, 5, 3), nearest_known, 3),
    ],
)
def fill_in_order(function: Reader) -> None:
    """function(frames t 3 h w, masks t 1 h w, model, reach) -> t 3 h w: the loop of sec. G with the feedback of H.

    `model(window_frames n 3 h w, window_masks n 1 h w, place)` gives the raw output (3 h w) for the window's frame
    number `place`.
    """
    frames = torch.rand(7, 3, 5, 8, generator=torch.Generator().manual_seed(8)) * 0.8 + 0.1
    masks = torch.zeros(7, 1, 5, 8)
    for t in range(7):
        masks[t, :, 1:4, t : t + 3] = 1  # a hole that moves, so that what is known differs from frame to frame
    masks[:5, :, 2, 5] = 1  # and a pixel that only the last frame knows: it shows whether outputs are written back
    reach, seen = 2, []

    def spy(window_frames: Any, window_masks: Any, place: Any) -> Tensor:
        for what, value in {"window's frames": window_frames, "window's masks": window_masks}.items():
            of_type(value, Tensor, f"the {what} that the model gets are")
        of_type(place, int, "the place that the model gets is")
        width = window_frames.shape[-2:] == window_masks.shape[-2:] == frames.shape[-2:]
        right = width and window_frames.ndim == window_masks.ndim == 4 and len(window_frames) == len(window_masks)
        require(
            right,
            f"the model gets frames {tuple(window_frames.shape)} and masks {tuple(window_masks.shape)}: "
            "n 3 h w and n 1 h w of one window are wanted.",
        )
        seen.append((window_frames.clone(), window_masks.clone(), place))
        if not 0 <= place < len(window_frames):  # a sentence below reports this
            return torch.full_like(frames[0], 0.5)
        return nearest_known(window_frames, window_masks, place)

    filled = call(function, frames, masks, spy, reach)
    same_shape(filled, frames, "the filled clip")
    require(len(seen) == 7, f"the model is called {len(seen)} times for 7 frames: once for each frame, in order.")
    spans = [(max(0, t - reach), min(7, t + reach + 1)) for t in range(7)]
    backward = [(high - low, t - low) for t, (low, high) in enumerate(spans)][::-1]
    found = [(len(window), place) for window, _, place in seen]
    require(found != backward, "the frames are filled from the last to the first: section 3G goes forward in time.")
    for t, (low, high) in enumerate(spans):
        window, holes, place = seen[t]
        require(
            len(window) == high - low,
            f"the window of frame {t} holds {len(window)} frames, and reach {reach} gives {high - low}: "
            "as far into the future as into the past, the frame itself included, no further than the clip.",
        )
        require(place == t - low, f"place is {place} for frame {t}: it counts from the window's start, not the clip's.")
        later = slice(place, None)
        require(
            not (window[later] * masks[t:high]).any(),
            "what lies under a hole reaches the model: multiply the frames by 1 - masks before the loop.",
        )
        require(torch.equal(holes[later], masks[t:high]), "a frame that is not filled yet has lost its hole.")
        look_back(window[:place], holes[:place], frames[low:t], masks[low:t])
    known = 1 - masks
    require(torch.equal(filled * known, frames * known), "known pixels come back changed: composite with the input.")
    clip = Clip(frames, masks)
    wanted = torch.stack(list(inpaint.fill(NearestKnown(reach), clip)))
    require(bool((filled * masks).any()), "the holes come back empty: return the completed frames, not the input.")
    close(filled, wanted, "the result differs from `inpaint.fill` with the same toy model")


def look_back(window: Tensor, holes: Tensor, frames: Tensor, masks: Tensor) -> None:
    """Check the part of a window that is filled already: its frames must be replaced, its masks empty."""
    if not len(window):
        return
    emptied, written = not holes.any(), bool((window * masks).any(dim=1, keepdim=True)[masks > 0].all())
    require(emptied or written, "nothing is written back: later frames still see the holes of the finished ones.")
    require(emptied, "a finished frame is written back, but its mask is not emptied: the model takes it for missing.")
    require(
        written,
        "the mask is emptied, but the hole of the frame is still black: composite with the mask first, "
        "write the frame back, and empty the mask last.",
    )
    require(
        torch.equal(window * (1 - masks), frames * (1 - masks)),
        "the raw output is written back: write the composite, whose known pixels are the input's.",
    )


@check(
    lambda steps: [(held[0], held[-1]) for held in frames_held.frames_held([Step(*step) for step in steps])],
    lambda: [
        ([((0,), (1, 6)), ((4,), (2,)), ((5,), (3, 8))],),
        ([((t,), tuple(i for i in (t - 3, t + 2) if 0 <= i < 11)) for t in range(11)],),
    ],
    returns=list,
    each=(tuple, list),
)
def frames_needed(function: Reader) -> None:
    """function(steps: list of (targets, references)) -> list of (oldest, newest): the frames in memory at each step."""
    steps = [
        Step((0,), (2, 4)),
        Step((1,), (0, 3)),  # newest is behind what was read
        Step((3,), (5, 9)),  # 2 is not used here, and again in the next step
        Step((2,), (4, 8)),
        Step((6,), (7,)),
        Step((5,), (10,)),  # a target is the oldest one
    ]
    wanted = [(held[0], held[-1]) for held in frames_held.frames_held(steps)]
    plain = [(tuple(step.targets), tuple(step.references)) for step in steps]
    given = call(function, plain)
    require(len(given) == len(steps), f"the list has {len(given)} entries for {len(steps)} steps.")
    require(all(len(tuple(pair)) == 2 for pair in given), "each entry is a pair: the oldest and the newest frame held.")
    for low, high in given:
        of_type(low, int, "the oldest frame of a pair is")
        of_type(high, int, "the newest frame of a pair is")
    found = [(int(low), int(high)) for low, high in given]
    lows, highs = [low for low, _ in found], [high for _, high in found]
    used = [(*step.targets, *step.references) for step in steps]
    own_lows, own_highs = [min(part) for part in used], [max(part) for part in used]
    require(lows != own_lows, "the oldest frame looks at its own step only: a later step may go further back.")
    require(
        lows != [min(own_lows[: n + 1]) for n in range(len(steps))],
        "the oldest frame follows the steps that are over: those need nothing any more, the later ones do.",
    )
    require(highs != own_highs, "the newest frame looks at its own step only: what was read before is still there.")
    require(
        highs != [max(own_highs[n:]) for n in range(len(steps))],
        "frames are read before any step needs them: the newest one follows this step and the earlier ones.",
    )
    require(
        highs != [high + 1 for _, high in wanted],
        "the newest frame is one too high: it is a frame number, not the end of a range.",
    )
    references = [step.references for step in steps]
    require(
        lows != [min(min(part) for part in references[n:]) for n in range(len(steps))],
        "targets are left out: a frame that is still to be filled must be there too.",
    )
    for n, (one, other) in enumerate(zip(found, wanted, strict=True)):
        require(one == other, f"step {n} holds {one}, and a count by hand gives {other}.")


@check(
    library_slice,
    lambda: [(uniform(11, 3, 3, 8, 10), 7, 2), (uniform(12, 5, 3, 4, 6), 0, 4), (uniform(13, 2, 3, 5, 7), 3, 1)],
)
def time_slice(function: Reader) -> None:
    """function(clip t 3 h w, row, stretch) -> 3 (t stretch) w: one line of every frame, time downwards."""
    clip = torch.rand(4, 3, 6, 9, generator=torch.Generator().manual_seed(9))
    row, stretch = 2, 3
    found = call(function, clip, row, stretch)
    require(tuple(found.shape) != (3, 12, 6), "a column is taken and a row is wanted: the row counts along h.")
    require(tuple(found.shape) != (3, 9, 12), "time runs to the right: turn the axes, so that it runs downwards.")
    require(tuple(found.shape) != (12, 3, 9), "the colours are not the first axis: the picture is c h w.")
    require(tuple(found.shape) != (3, 4, 9), "each line appears once: repeat it `stretch` times.")
    same_shape(found, (3, 12, 9), "the time slice")
    wanted = library_slice(clip, row, stretch)
    turns = repeat(clip[:, :, row], "t c w -> c (stretch t) w", stretch=stretch)
    require(
        not torch.equal(found, turns), "the clip is played again and again: repeat each line before the next comes."
    )
    require(not torch.equal(found, wanted.flip(1)), "time runs upwards: frame 0 belongs on top.")
    mean = repeat(clip.mean(dim=2), "t c w -> c (t stretch) w", stretch=stretch)
    require(not torch.allclose(found, mean), "all rows are averaged: take the one that is asked for.")
    first = library_slice(clip, 0, stretch)
    require(not torch.equal(found, first), "the row is not used: this is the slice of row 0.")
    close(found, wanted, "the picture differs from a loop over frames")
