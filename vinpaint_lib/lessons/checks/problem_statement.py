"""Checks of notebook 01: composition, coverage, temporal median."""

import math

import numpy as np
import torch
from einops import rearrange, reduce
from torch import Tensor

from vinpaint_lib.lessons.checks.asking import check, ones, uniform
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, require, same_shape
from vinpaint_lib.lessons.experiments import coverage as known_elsewhere
from vinpaint_lib.motion import warp
from vinpaint_lib.systems import baselines

CHECKS = ("composite", "coverage", "temporal_median")


@check(
    lambda output, frames, holes: holes * output + (1 - holes) * frames,
    lambda: [
        (uniform(seed, t, 3, h, w), uniform(seed + 1, t, 3, h, w), ones(seed + 2, 0.6, t, 1, h, w))
        for seed, t, h, w in ((11, 3, 7, 12), (21, 5, 10, 6))
    ],
)
def composite(function: Reader) -> None:
    """function(output t 3 h w, frames t 3 h w, holes t 1 h w) -> t 3 h w: output in the hole, frames elsewhere."""
    generator = torch.Generator().manual_seed(1)
    output, frames = torch.rand(2, 4, 3, 9, 14, generator=generator)  # what lies in the holes of `frames` is not 0
    holes = (torch.rand(4, 1, 9, 14, generator=generator) < 0.3).float()
    found = call(function, output, frames, holes)
    same_shape(found, output, "the composite")
    inside, outside = found * holes, found * (1 - holes)
    if torch.allclose(found, holes * frames + (1 - holes) * output):
        require(False, "hole and known pixels are exchanged: M is 1 in the hole, where the output belongs.")
    if torch.allclose(found, output):
        require(False, "the output comes back whole: outside of the hole the given frames belong.")
    if torch.allclose(found, holes * output + frames):
        require(False, "in the hole the input is added to the output: is X multiplied by 1 - M?")
    close(inside, output * holes, "the hole does not hold the output.")
    require(
        torch.equal(outside, frames * (1 - holes)), "a known pixel changed: it must come back exactly as it was given."
    )


@check(
    lambda flow, visible, holes, hole: known_elsewhere.share(known_elsewhere.shown(flow, visible, holes), hole),
    lambda: [correspondence(11, 3, 13, 9), correspondence(12, 6, 8, 10), beside(0.0015), beside(0.0005)],
    returns=float,
    atol=1e-6,
    library=(warp.by_flow,),
)
def coverage(function: Reader) -> None:
    """function(flow n 2 h w, visible n 1 h w, holes n 1 h w, hole 1 h w) -> share of the hole that some frame shows."""
    flow, visible, holes, hole = correspondence()
    seen = known_elsewhere.shown(flow, visible, holes)
    found = call(function, flow, visible, holes, hole)
    require(math.isfinite(found), f"the share is {found}: is something divided by 0?")
    require(
        found != 0, "nothing of the hole counts as shown, and a part of it is: up to 0.001 no hole pixel was touched."
    )
    counted = float((reduce(seen, "n 1 h w -> 1 h w", "sum") * hole).sum() / hole.sum())
    require(
        abs(float(found) - counted) > 1e-6,
        "a pixel counts once for each frame that shows it: take the largest value, not the sum.",
    )
    require(0 <= float(found) <= 1, f"a share lies between 0 and 1, and this one is {float(found):.3g}.")

    def given(sentence: str, other: Tensor, region: Tensor = hole) -> None:
        if abs(float(found) - known_elsewhere.share(other, region)) < 1e-6:
            require(False, sentence)

    in_place = visible * (1 - holes)
    if abs(float(found) - known_elsewhere.share(seen, hole)) > 1e-6:
        given("the holes of the other frames count as known there: where does the pixel land?", visible)
        given("hidden pixels count as shown: is `visible` used?", known_elsewhere.shown(flow, visible * 0 + 1, holes))
        given("the other frames' holes are looked up without following the flow.", in_place)
        given("the share is of the whole frame: count hole pixels only.", seen, hole * 0 + 1)
        given("known and missing are exchanged: M is 1 in a hole.", known_elsewhere.shown(flow, visible, 1 - holes))
        touched = visible * (1 - known_elsewhere.shown(flow, visible * 0 + 1, holes))
        given("the comparison is the wrong way round: up to 0.001 no hole pixel was touched.", touched)
        given("every frame has to show the pixel here: one is enough.", seen.amin(dim=0, keepdim=True))
        frame_share = float(reduce(seen, "n 1 h w -> 1 h w", "max").mul(hole).mean())
        require(abs(float(found) - frame_share) > 1e-6, "the sum is divided by all pixels: divide by the hole's.")
        require(
            abs(float(found) - counted / len(flow)) > 1e-6,
            "this is the mean over frames: one frame that shows a pixel is enough.",
        )
    close(found, known_elsewhere.share(seen, hole), "the coverage differs from a count pixel by pixel.", atol=1e-6)


def correspondence(seed: int = 2, frames: int = 4, h: int = 31, w: int = 43) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Other frames: flows with fractions, visibility with gaps, holes; and the target's hole."""
    generator = torch.Generator().manual_seed(seed)
    size = h, w
    flow = 3 * torch.randn(frames, 2, 1, 1, generator=generator) + 0.3 * torch.randn(
        frames, 2, *size, generator=generator
    )
    visible = (torch.rand(frames, 1, *size, generator=generator) < 0.7).float()
    holes, hole = torch.zeros(frames, 1, *size), torch.zeros(1, *size)
    for n in range(frames):
        holes[n, :, 1 + n : h // 2 + n, 3 + 2 * n : w // 2 + 2 * n] = 1
    hole[:, 2 : h - 2, 4 : w - 4] = 1
    return flow, visible, holes, hole


def beside(step: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One frame whose pixels land a little to the right, so that those beside its hole touch it by `step`."""
    flow, holes = torch.zeros(1, 2, 6, 9), torch.zeros(1, 1, 6, 9)
    flow[:, 0], holes[..., 4:7] = step, 1
    return flow, torch.ones(1, 1, 6, 9), holes, torch.ones(1, 6, 9)


@check(
    lambda frames, holes: median(frames, holes)[0],
    lambda: [hidden(11, 5, 6, 11), hidden(12, 3, 8, 10), (uniform(13, 4, 3, 5, 3), torch.ones(4, 1, 5, 3))],
)
def temporal_median(function: Reader) -> None:
    """function(frames t 3 h w, holes t 1 h w) -> 3 h w: median of the known values of each pixel, 0 where none is."""
    generator = torch.Generator().manual_seed(3)
    frames = torch.rand(6, 3, 7, 10, generator=generator)
    holes = (torch.rand(6, 1, 7, 10, generator=generator) < 0.5).float()
    holes[:, :, 2, 3:6] = 1  # no frame knows these
    holes[1:, :, 5, 1] = 1
    holes[0, :, 5, 1] = 0  # one frame knows this
    found = call(function, frames, holes)
    require(tuple(found.shape) != (6, 3, 7, 10), "there is a median for every frame: one picture is wanted, 3 h w.")
    same_shape(found, (3, 7, 10), "the median")
    require(not torch.isnan(found).any(), "there is a NaN where no frame knows the pixel: 0 is wanted there.")
    target, everywhere = median(frames, holes)
    if not torch.allclose(found, target, atol=1e-5):
        likely(found, frames, holes, everywhere)
        require(not found[:, ~everywhere].any(), "where no frame knows the pixel, something else than 0 comes back.")
    close(found, target, "the median differs from sorting each pixel's known values.")


def median(frames: Tensor, holes: Tensor) -> tuple[Tensor, Tensor]:
    """The library's median (3 h w), and where some frame knows the pixel (h w)."""
    values, known = baselines.visible_median(
        rearrange(frames, "t c h w -> t h w c").numpy(), rearrange(holes, "t 1 h w -> t h w").numpy() == 0
    )
    return rearrange(torch.from_numpy(values), "h w c -> c h w"), torch.from_numpy(known)


def hidden(seed: int, t: int, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Frames and holes of a clip; the first pixel is hidden in all frames."""
    holes = ones(seed + 1, 0.4, t, 1, h, w)
    holes[..., 0, 0] = 1
    return uniform(seed, t, 3, h, w), holes


def likely(found: Tensor, frames: Tensor, holes: Tensor, known: Tensor) -> None:
    """Raise Wrong if a usual mistake gives just these values where some frame knows the pixel, with its sentence."""
    hidden = frames.masked_fill(holes > 0, torch.nan)
    turned = torch.nanquantile(frames.masked_fill(holes == 0, torch.nan), 0.5, dim=0).nan_to_num(0.0).numpy()
    others = {
        "the median is over the missing values: M is 1 in the hole.": turned,
        "values under the holes are counted: leave out what is missing.": np.median(frames.numpy(), axis=0),
        "missing pixels count as black: they must not count at all.": np.median((frames * (1 - holes)).numpy(), axis=0),
        "values under the holes are counted, and of the middle two torch takes the lower: leave out what is missing.": (
            frames.median(dim=0).values.numpy()
        ),
        "missing pixels count as black, and of the middle two torch takes the lower: they must not count at all.": (
            (frames * (1 - holes)).median(dim=0).values.numpy()
        ),
        "of an even number of values the median is the mean of the middle two; this is the lower.": torch.nanmedian(
            hidden, dim=0
        ).values.numpy(),
        "this is the mean: one wrong value shifts it, and the median not.": torch.nanmean(hidden, dim=0).numpy(),
    }
    for sentence, values in others.items():
        same = torch.allclose(found[:, known], torch.from_numpy(values)[:, known], atol=1e-5)
        require(not same, sentence)
