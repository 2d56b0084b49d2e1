"""Checks of notebook 11: five frames of a window, correlation of two maps, and one step from coarse to fine flow."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.lessons.checks import verdict
from vinpaint_lib.lessons.checks.asking import check, normal, uniform
from vinpaint_lib.lessons.checks.verdict import Reader
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.vinet.correlation import correlate
from vinpaint_lib.systems.vinet.feature_flow import clamped, doubled, zero_outside
from vinpaint_lib.systems.vinet.model import vinet_window

CHECKS = ("cost_volume", "refined_flow", "source_window")
SHIFTS = (-6, -3, 0, 3, 6)
# What a reader may do at the ends instead of reflecting: (index, length n, target) -> index.
ENDS: dict[str, Callable[[int, int, int], int]] = {
    "clamped at the ends, so that the end counts twice: reflect, -1 becomes 1.": lambda i, n, t: min(max(i, 0), n - 1),
    "taken round the clock, from the clip's other end: reflect, -1 becomes 1.": lambda i, n, t: i % n,
    "reflected with the end frame repeated: -1 becomes 1, not 0.": lambda i, n, t: (
        -1 - i if i < 0 else 2 * n - 1 - i if i >= n else i
    ),
    "mirrored about t: reflect at the clip's end, so that -1 becomes 1 for every t.": lambda i, n, t: (
        i if 0 <= i < n else 2 * t - i
    ),
    "left as phases: beyond length - 1 the round is on its way back, at period - phase.": lambda i, n, t: (
        i % (2 * n - 2)
    ),
}


@check(
    vinet_window,
    lambda: [(t, length) for length in (4, 7, 13) for t in range(length)] + [(99, 100), (50, 100), (0, 1)],
    returns=(tuple, list),
    each=int,
)
def source_window(function: Reader) -> None:
    """`function(t, length) -> five indices`: t-6, t-3, t, t+3, t+6, reflected at both ends."""
    found = window_of(function, 20, 60)
    verdict.require(found != (14, 17, 23, 26), "the target itself is missing: it is the third of the five.")
    verdict.require(
        found != (18, 19, 20, 21, 22),
        "these are the neighbours t-2 ... t+2: N = 2 counts frames, and they lie three frames apart.",
    )
    verdict.require(
        found != (26, 23, 20, 17, 14), "the order is turned round: the earliest frame comes first, as in t-6 ... t+6."
    )
    right = found == (14, 17, 20, 23, 26)
    verdict.require(right, f"frame 20 of 60 has the window 14, 17, 20, 23, 26, not {told(found)}.")
    for t, length in ((1, 60), (58, 60), (2, 9)):
        found, plain = five_of(function, t, length), [t + shift for shift in SHIFTS]
        verdict.require(
            all(0 <= i < length for i in found) or found != tuple(plain),
            f"frame {t} of {length} gets {told(found)}: some of these frames do not exist.",
        )
        for sentence, rule in ENDS.items():
            verdict.require(found != tuple(rule(i, length, t) for i in plain), f"indices are {sentence}")
        wanted = vinet_window(t, length)
        verdict.require(
            found == wanted or found != tuple(sorted(wanted)),
            "the indices were sorted: their order is that of t-6 ... t+6, also where one was reflected.",
        )
        verdict.require(found == wanted, f"frame {t} of {length} has the window {told(wanted)}, not {told(found)}.")
    found = five_of(function, 0, 1)
    verdict.require(found == (0,) * 5, f"a clip of one frame has only frame 0, five times, and not {told(found)}.")
    for length in (2, 3, 5):
        for t in range(length):
            found, wanted = five_of(function, t, length), vinet_window(t, length)
            verdict.require(
                found == wanted,
                f"a clip of {length}: frame {t} gets {told(found)} and should get {told(wanted)}; in a short clip one "
                "reflection is not enough.",
            )


def window_of(function: Callable[..., Any], t: int, length: int) -> tuple[int, ...]:
    """The reader's indices as plain whole numbers. numpy's whole numbers are allowed; True and False are not."""
    found = verdict.call(function, t, length)
    verdict.require(len(found) > 0, "the window is empty: five indices are wanted.")
    return tuple(int(i) for i in found)


def five_of(function: Callable[..., Any], t: int, length: int) -> tuple[int, ...]:
    found = window_of(function, t, length)
    count = f"frame {t} of {length} gets {len(found)} indices"
    verdict.require(len(found) == 5, f"{count}: there are always five, even if some are the same frame.")
    return found


def told(indices: Sequence[int]) -> str:
    return ", ".join(map(str, indices))


@check(
    correlate,
    lambda: [(*normal(11, 2, 3, 4, 8, 10), 1), (*normal(12, 2, 1, 2, 6, 5), 3), (*normal(13, 2, 2, 5, 4, 7), 0)],
    gradients={"first": 0, "second": 1},
)
def cost_volume(function: Reader) -> None:
    """`function(first b c h w, second b c h w, radius) -> b d h w`: mean products, zeros outside, dy outer."""
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 2, 3, 7, 9, generator=generator)
    wanted = correlate(first, second, 2)
    found = verdict.call(function, first, second, 2)
    small, channels = found.shape in ((2, 4, 7, 9), (2, 16, 7, 9)), found.shape in ((2, 25, 3, 7, 9), (2, 3, 25, 7, 9))
    verdict.require(not small, "the window is too small: from -radius to radius there are 2 radius + 1 steps a side.")
    verdict.require(not channels, "there is still an axis of channels: the products are averaged over it.")
    verdict.same_shape(found, wanted, "the correlation")
    found = verdict.precise(found, "the correlation")
    for sentence, wrong in MISTAKES.items():
        verdict.require(not verdict.alike(found, wrong(first, second)), sentence)
    verdict.require(
        verdict.alike(found, wanted) or not verdict.alike(found[0], wanted[0]),
        "the second sample of the batch is wrong, the first is right: is only one of them filled?",
    )
    verdict.close(found, wanted, "not the mean product over channels for each displacement")
    first, second = torch.randn(2, 2, 5, 5, 9, generator=generator)
    wide, wanted = verdict.call(function, first, second, 4), correlate(first, second, 4)
    verdict.same_shape(wide, wanted, "the correlation of radius 4")
    wide = verdict.precise(wide, "the correlation")
    verdict.require(
        not verdict.alike(wide, wanted * 5 / 3),
        "maps of 5 channels are divided by 3: divide by the number that there are.",
    )
    verdict.close(wide, wanted, "wrong for a window larger than the map")


def around(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"], sign: int = 1) -> Float[Tensor, "b d h w"]:
    steps = [(sign * dy, sign * dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    return torch.stack([(a * b.roll((-dy, -dx), (2, 3))).mean(dim=1) for dy, dx in steps], dim=1)


def padded(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"], mode: str) -> Float[Tensor, "b d h w"]:
    height, width = a.shape[-2:]
    wide = functional.pad(b, (2, 2, 2, 2), mode=mode)
    parts = [wide[..., y : y + height, x : x + width] for y in range(5) for x in range(5)]
    return torch.stack([(a * part).mean(dim=1) for part in parts], dim=1)


def turned(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"], down: bool, *axes: int) -> Tensor:
    """The correlation with axes of its window (1 dy, 2 dx) turned round; `down`: dx outer, dy inner."""
    grid = rearrange(correlate(a, b, 2), "b (dy dx) h w -> b dy dx h w", dy=5).flip(axes)
    return rearrange(grid, f"b dy dx h w -> b ({'dx dy' if down else 'dy dx'}) h w")


def directed(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
    return correlate(functional.normalize(a, dim=1), functional.normalize(b, dim=1), 2)


# What a reader may do instead, for radius 2 and three channels.
MISTAKES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "the products are added: the mean over channels is wanted.": lambda a, b: 3 * correlate(a, b, 2),
    "the sum is divided by the root of the number of channels: divide by the number.": lambda a, b: (
        3**0.5 * correlate(a, b, 2)
    ),
    "the vectors are made one long first: correlate them as they are, directions are for `small` only.": directed,
    "this is the cosine of the vectors: correlate them as they are, directions are for `small` only.": lambda a, b: (
        3 * directed(a, b)
    ),
    "the displacements run down the columns: dy is the outer one, dx the inner one.": lambda a, b: turned(a, b, True),
    "the displacements run down the columns and backwards: dy is outer, and both start at -radius.": lambda a, b: (
        turned(a, b, True, 1, 2)
    ),
    "the sign of the displacement is turned: channel 0 asks `second` at x + d with d = (-radius, -radius).": (
        lambda a, b: turned(a, b, False, 1, 2)
    ),
    "only dy is turned: the first 2 radius + 1 channels ask the rows above, dy = -radius.": lambda a, b: turned(
        a, b, False, 1
    ),
    "only dx is turned: each row of the window begins at the left, with dx = -radius.": lambda a, b: turned(
        a, b, False, 2
    ),
    "what leaves the map on one side comes in on the other: outside of `second` is 0.": around,
    "`second` is rolled the wrong way, and comes in on the other side: outside of it is 0.": lambda a, b: around(
        a, b, -1
    ),
    "the border is repeated: outside of `second` is 0.": lambda a, b: padded(a, b, "replicate"),
    "the border is a mirror: outside of `second` is 0.": lambda a, b: padded(a, b, "reflect"),
    "`first` is moved, and `second` stays: swap their parts.": lambda a, b: correlate(b, a, 2),
}


@check(
    lambda coarse, reference, source, estimate: (
        doubled(coarse) + estimate(reference, zero_outside(source, doubled(coarse)), doubled(coarse))
    ),
    lambda: [
        (normal(s, n, 2, h, w), *uniform(s, 2, n, c, 2 * h, 2 * w), rough)
        for s, n, c, h, w in ((11, 3, 2, 4, 5), (12, 1, 4, 5, 3))
    ],
    gradients={"coarse": 0, "source": 2},
    library=(warp.by_flow,),
)
def refined_flow(function: Reader) -> None:
    """`function(coarse n 2 h w, reference n c 2h 2w, source n c 2h 2w, estimate) -> n 2 2h 2w`: one step finer."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.randn(2, 2, 4, 5, generator=generator)
    images = torch.rand(2, 2, 3, 8, 10, generator=generator)
    rest = torch.randn(2, 2, 8, 10, generator=generator)
    asked: list[list[Any]] = []

    def estimate(reference: Any = None, warped: Any = None, start: Any = None, *more: Any) -> Tensor:
        """Record the arguments, and always return the same rest."""
        asked.append([verdict.copy(x) for x in (reference, warped, start, *more) if x is not None])
        return rest.clone()

    found = verdict.call(function, coarse, *images, estimate)
    verdict.require(bool(asked), "`estimate` is never called: the rest of the flow is its answer.")
    start = doubled(coarse)
    verdict.same_shape(found, start, "the finer flow")
    verdict.require(len(asked) == 1, f"`estimate` is called {len(asked)} times: once a scale is enough.")
    verdict.require(len(asked[0]) == 3, "`estimate` takes three things: reference, warped source, and the start.")
    verdict.require(not verdict.alike(found, rest), "only the rest is returned: the coarse flow is still to be added.")
    verdict.require(
        not verdict.alike(found, start / 2 + rest),
        "the flow was enlarged but not doubled: a cell of the finer scale is half as wide, so the same motion is twice "
        "as many cells.",
    )
    what_was_asked(asked[0], coarse, *images)
    verdict.require(not verdict.alike(found, start), "the answer of `estimate` is not added.")
    verdict.require(
        not verdict.alike(found, start + 2 * rest),
        "the rest was doubled too: `estimate` answers in pixels of the finer scale already.",
    )
    verdict.close(found, start + rest, "the finer flow should be start + rest")


def rough(reference: Tensor, warped: Tensor, start: Tensor) -> Tensor:
    """A rest that depends on all three arguments, and has a slope along each."""
    return (reference - warped)[:, :2].tanh() + 0.1 * start


def what_was_asked(given: list[Any], coarse: Tensor, reference: Tensor, source: Tensor) -> None:
    """The three things that the reader gave to `estimate`: first shapes and types, then one after the other."""
    start = doubled(coarse)
    hints = {
        "first": ("reference", "reference, warped source, start is the order.", reference),
        "second": ("source", "is the flow enlarged before the source is warped along it?", source),
        "third": ("enlarged flow", "is it the coarse flow as it was?", start),
    }
    for (place, (what, hint, wanted)), x in zip(hints.items(), given, strict=True):
        verdict.require(
            isinstance(x, Tensor), f"the {place} argument of `estimate` is {verdict.kind(x)}: give the {what}."
        )
        verdict.require(
            x.shape == wanted.shape,
            f"the {place} argument of `estimate` has the shape {tuple(x.shape)}, and {tuple(wanted.shape)} of the "
            f"{what} is wanted: {hint}",
        )
    one, other, begin = (verdict.precise(x, f"the {place} argument of `estimate`") for place, x in zip(hints, given))
    verdict.require(
        not verdict.alike(one, zero_outside(reference, start)),
        "the reference is warped: it is the source that moves onto the reference.",
    )
    verdict.require(
        not (verdict.alike(one, source) or verdict.alike(one, zero_outside(source, start))),
        "the source comes first: the order is reference, warped source, start.",
    )
    verdict.close(one, reference, "the first argument of `estimate` should be the reference as it is")
    for sentence, wrong in STARTS.items():
        verdict.require(not verdict.alike(begin, wrong(coarse)), sentence)
    verdict.close(begin, start, "the third argument of `estimate` should be the enlarged and doubled coarse flow")
    for sentence, warped in WARPS.items():
        verdict.require(not verdict.alike(other, warped(source, start)), sentence)
    verdict.close(other, zero_outside(source, start), "the second argument should be the source, warped by the start")


def resized(coarse: Float[Tensor, "n 2 h w"], mode: str, **options: bool) -> Float[Tensor, "n 2 h2 w2"]:
    return 2 * functional.interpolate(coarse, scale_factor=2, mode=mode, **options)


# What a reader may hand over as the start, and as the source warped along the right one.
STARTS: dict[str, Callable[[Tensor], Tensor]] = {
    "the coarse flow is enlarged by repeating cells: use bilinear interpolation.": lambda x: resized(x, "nearest"),
    "the coarse flow is enlarged from corner to corner: use `align_corners=False`.": lambda x: resized(
        x, "bilinear", align_corners=True
    ),
    "the coarse flow is enlarged by cubic interpolation: use bilinear interpolation.": lambda x: resized(
        x, "bicubic", align_corners=False
    ),
    "the enlarged flow is multiplied by 4: the factor is 2, for either axis.": lambda x: 2 * doubled(x),
    "the enlarged flow is halved: the factor is 2, a cell of the finer scale is half as wide.": lambda x: (
        doubled(x) / 4
    ),
    "`estimate` gets the flow from before the doubling: hand over the doubled one.": lambda x: doubled(x) / 2,
}
WARPS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "`estimate` gets the source as it is: warp it along the start, or nothing is left to be small.": lambda g, v: g,
    "the source is warped against the flow: look it up at x + start(x).": lambda g, v: zero_outside(g, -v),
    "warp along the doubled flow.": lambda g, v: zero_outside(g, v / 2),
    "the border of the source is repeated: what lies outside of `source` is 0.": clamped,
    "x and y of the flow are swapped in the warp: channel 0 of the flow is x.": lambda g, v: zero_outside(g, v.flip(1)),
}
