"""Checks of notebook 11: five frames of a window, correlation of two maps, and one step from coarse to fine flow."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib import sampling
from vinpaint_lib.correlation import correlate
from vinpaint_lib.exercises import asking
from vinpaint_lib.feature_flow import doubled, zero_outside

CHECKS = ("cost_volume", "refined_flow", "source_window")
SHIFTS = (-6, -3, 0, 3, 6)
# What a reader may do at the ends instead of reflecting.
ENDS: dict[str, Callable[[int, int], int]] = {
    "clamped at the ends, so that the end counts twice: reflect, -1 becomes 1.": lambda i, length: min(
        max(i, 0), length - 1
    ),
    "taken round the clock, from the clip's other end: reflect, -1 becomes 1.": lambda i, length: i % length,
    "reflected with the end frame repeated: -1 becomes 1, not 0.": lambda i, length: (
        -1 - i if i < 0 else 2 * length - 1 - i if i >= length else i
    ),
}


def source_window(function: Callable[..., Any]) -> None:
    """`function(t, length) -> five indices`: t-6, t-3, t, t+3, t+6, reflected at both ends."""
    found = window_of(function, 20, 60)
    asking.ask(
        found != (14, 17, 23, 26),
        "the target itself is missing: it is the third of the five.",
    )
    asking.ask(
        found != (18, 19, 20, 21, 22),
        "these are the neighbours t-2 ... t+2: N = 2 counts frames, and they lie three frames apart.",
    )
    asking.ask(
        found != (26, 23, 20, 17, 14), "the order is turned round: the earliest frame comes first, as in t-6 ... t+6."
    )
    asking.ask(found == (14, 17, 20, 23, 26), f"frame 20 of 60 has the window 14, 17, 20, 23, 26, not {told(found)}.")
    for t, length in ((1, 60), (58, 60), (2, 9)):
        found = window_of(function, t, length)
        asking.ask(
            all(0 <= i < length for i in found) or found != tuple(t + shift for shift in SHIFTS),
            f"frame {t} of {length} gets {told(found)}: some of these frames do not exist.",
        )
        for sentence, rule in ENDS.items():
            asking.ask(found != tuple(rule(t + shift, length) for shift in SHIFTS), f"indices are {sentence}")
        wanted = sampling.vinet_window(t, length)
        asking.ask(found == wanted, f"frame {t} of {length} has the window {told(wanted)}, not {told(found)}.")
    for length in (1, 2, 3, 5):
        for t in range(length):
            found, wanted = window_of(function, t, length), sampling.vinet_window(t, length)
            asking.ask(
                found == wanted,
                f"a clip of {length}: frame {t} gets {told(found)} and should get {told(wanted)}; in a short clip one "
                "reflection is not enough.",
            )
    asking.right("source_window")


def window_of(function: Callable[..., Any], t: int, length: int) -> tuple[int, ...]:
    found = asking.call(function, t, length, returns=(tuple, list))
    asking.ask(
        all(isinstance(i, int) for i in found),
        "the window holds something that is no whole number: indices are wanted.",
    )
    return tuple(found)


def told(indices: Sequence[int]) -> str:
    return ", ".join(map(str, indices))


def cost_volume(function: Callable[..., Any]) -> None:
    """`function(first b c h w, second b c h w, radius) -> b d h w`: mean products, zeros outside, dy outer."""
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 2, 3, 7, 9, generator=generator)
    wanted = correlate(first, second, 2)
    found = asking.call(function, first, second, 2)
    asking.ask(
        found.shape != (2, 4, 7, 9) and found.shape != (2, 16, 7, 9),
        "the window is too small: from -radius to radius there are 2 radius + 1 steps a side.",
    )
    asking.ask(
        found.shape != (2, 25, 3, 7, 9) and found.shape != (2, 3, 25, 7, 9),
        "there is still an axis of channels: the products are averaged over it.",
    )
    asking.same_shape(found, wanted, "the correlation")
    mistakes: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "the products are added: the mean over channels is wanted.": lambda a, b: 3 * correlate(a, b, 2),
        "the displacements run down the columns: dy is the outer one, dx the inner one.": lambda a, b: rearrange(
            correlate(a, b, 2), "b (dy dx) h w -> b (dx dy) h w", dy=5
        ),
        "the sign of the displacement is turned: channel 0 asks `second` at x + d with d = (-radius, -radius).": (
            lambda a, b: correlate(a, b, 2).flip(1)
        ),
        "what leaves the map on one side comes in on the other: outside of `second` is 0.": around,
        "the border is repeated: outside of `second` is 0.": lambda a, b: padded(a, b, "replicate"),
        "`first` is moved, and `second` stays: swap their parts.": lambda a, b: correlate(b, a, 2),
    }
    for sentence, wrong in mistakes.items():
        asking.ask(not torch.allclose(found, wrong(first, second), atol=1e-5), sentence)
    asking.close(found, wanted, "not the mean product over channels for each displacement")
    wide = asking.call(function, first[:, :, :5], second[:, :, :5], 4)
    asking.close(wide, correlate(first[:, :, :5], second[:, :, :5], 4), "wrong for a window larger than the map")
    asking.right("cost_volume")


def around(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
    steps = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    return torch.stack([(a * b.roll((-dy, -dx), (2, 3))).mean(dim=1) for dy, dx in steps], dim=1)


def padded(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"], mode: str) -> Float[Tensor, "b d h w"]:
    height, width = a.shape[-2:]
    wide = functional.pad(b, (2, 2, 2, 2), mode=mode)
    parts = [wide[..., y : y + height, x : x + width] for y in range(5) for x in range(5)]
    return torch.stack([(a * part).mean(dim=1) for part in parts], dim=1)


def refined_flow(function: Callable[..., Any]) -> None:
    """`function(coarse n 2 h w, reference n c 2h 2w, source n c 2h 2w, estimate) -> n 2 2h 2w`: one step finer."""
    generator = torch.Generator().manual_seed(2)
    coarse = torch.randn(2, 2, 4, 5, generator=generator)
    reference, source = torch.rand(2, 2, 3, 8, 10, generator=generator)
    rest = torch.randn(2, 2, 8, 10, generator=generator)
    asked: list[tuple[Tensor, ...]] = []

    def estimate(*given: Tensor) -> Tensor:
        """Notes what it was asked, and always gives the same rest."""
        asked.append(tuple(x.detach().clone() for x in given))
        return rest.clone()

    found = asking.call(function, coarse, reference, source, estimate)
    asking.ask(bool(asked), "`estimate` is never called: the rest of the flow is its answer.")
    start = doubled(coarse)
    asking.same_shape(found, start, "the finer flow")
    asking.ask(len(asked) == 1, f"`estimate` is called {len(asked)} times: once a scale is enough.")
    asking.ask(len(asked[0]) == 3, "`estimate` takes three things: reference, warped source, and the start.")
    one, other, told_start = asked[0]
    asking.ask(
        not torch.allclose(found, rest, atol=1e-5), "only the rest is returned: the coarse flow is still to be added."
    )
    asking.ask(
        not torch.allclose(found, start / 2 + rest, atol=1e-5),
        "the flow was enlarged but not doubled: a cell of the finer scale is half as wide, so the same motion is twice "
        "as many cells.",
    )
    asking.ask(
        not torch.allclose(other, source, atol=1e-5),
        "`estimate` gets the source as it is: warp it along the start first, or nothing is left to be small.",
    )
    asking.ask(
        not torch.allclose(other, zero_outside(source, -start), atol=1e-5),
        "the source is warped against the flow: look it up at x + start(x).",
    )
    asking.ask(not torch.allclose(other, zero_outside(source, start / 2), atol=1e-5), "warp along the doubled flow.")
    asking.ask(
        not torch.allclose(one, zero_outside(reference, start), atol=1e-5),
        "the reference is warped: it is the source that moves onto the reference.",
    )
    asking.close(one, reference, "the first argument of `estimate` should be the reference as it is")
    asking.ask(
        not torch.allclose(told_start, nearest(coarse), atol=1e-5),
        "the coarse flow is enlarged by repeating cells: use bilinear interpolation.",
    )
    asking.close(told_start, start, "the third argument of `estimate` should be the enlarged and doubled coarse flow")
    asking.close(other, zero_outside(source, start), "the second argument should be the source, warped by the start")
    asking.ask(not torch.allclose(found, start, atol=1e-5), "the answer of `estimate` is not added.")
    asking.close(found, start + rest, "the finer flow should be start + rest")
    asking.right("refined_flow")


def nearest(coarse: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n 2 h2 w2"]:
    return 2 * functional.interpolate(coarse, scale_factor=2, mode="nearest")
