"""Which frames a network sees: the papers' rules for training clips, windows and references. Frame indices only.

Training    STTN, CPNet (also taken for TGF-Net, which states none), 3DCN, Align-and-Attend.
Inference   VINet, STTN and its successors, Align-and-Attend, CPNet.
"""

from collections.abc import Callable, Iterator

import numpy as np

from vinpaint_lib.errors import UserError

Indices = tuple[int, ...]
REFERENCES_SHOWN = 5  # of a training sample of Align-and-Attend; as many as CPNet and STTN see


def random_frames(length: int, rng: np.random.Generator, count: int = 5) -> Indices:
    """`count` different frames of the clip, in temporal order: CPNet's training sample; one is the target, the rest
    are references.

    Raises UserError when the clip is shorter than that.
    """
    check(length, count)
    return tuple(sorted(int(i) for i in rng.choice(length, count, replace=False)))


def consecutive_frames(length: int, rng: np.random.Generator, count: int = 5) -> Indices:
    """`count` neighbouring frames from a random place; 3DCN takes 32. Raises UserError when the clip is shorter."""
    check(length, count)
    start = int(rng.integers(length - count + 1))
    return tuple(range(start, start + count))


def align_attend_training(length: int, rng: np.random.Generator, count: int = 8) -> Indices:
    """A training sample for Align-and-Attend: `REFERENCES_SHOWN` random frames of the clip in temporal order, then
    neighbours from a random place, the targets; no frame is both. The note says neither number."""
    check(length, count)
    targets = consecutive_frames(length, rng, count - REFERENCES_SHOWN)
    others = [i for i in range(length) if i not in targets]
    return (*sorted(int(i) for i in rng.choice(others, REFERENCES_SHOWN, replace=False)), *targets)


def sttn_training(length: int, rng: np.random.Generator, count: int = 5) -> Indices:
    """STTN's training sample [code]: half of the time random frames in order, half of the time neighbours."""
    rule = random_frames if rng.random() < 0.5 else consecutive_frames
    return rule(length, rng, count)


def every_tenth(length: int, without: Indices = (), step: int = 10) -> Indices:
    """Frames 0, 10, 20, .. of the whole clip but for those in `without`: the distant references of STTN and its
    successors and of Align-and-Attend (there `without` is the target)."""
    left_out = set(without)
    return tuple(i for i in range(0, length, step) if i not in left_out)


def sttn_windows(length: int, stride: int = 5, reach: int = 5, step: int = 10) -> Iterator[tuple[Indices, Indices]]:
    """STTN's inference [code]: for f = 0, 5, 10, .. the targets f-5 .. f+5 within the clip, and distant references."""
    for centre in range(0, length, stride):
        targets = tuple(range(max(0, centre - reach), min(length, centre + reach + 1)))
        yield targets, every_tenth(length, targets, step)


def sliding_references(
    t: int, length: int, step: int = 10, reach: int | None = None, count: int | None = None
) -> Indices:
    """Every `step`th frame of the clip within `reach` frames of t, without t: references of Align-and-Attend.

    At most `count` of them: the nearest, and of the others an even choice by their distance. In a clip of less than
    three such frames the step is halved until there are three or all frames are taken.
    """
    while step > 1 and length <= 2 * step:
        step //= 2
    near = sorted((i for i in every_tenth(length, (t,), step) if reach is None or abs(i - t) <= reach), key=apart(t))
    if count is not None and len(near) > count:
        near = [near[round(n)] for n in np.linspace(0, len(near) - 1, count)]
    return tuple(sorted(near))


def apart(t: int) -> Callable[[int], tuple[int, int]]:
    """Order by distance from t, earlier frames first."""
    return lambda i: (abs(i - t), i)


def vinet_window(t: int, length: int, reach: int = 6, step: int = 3) -> Indices:
    """VINet's five frames t-6, t-3, t, t+3, t+6 [code]; an index beyond an end is reflected there."""
    return tuple(reflected(t + shift, length) for shift in range(-reach, reach + 1, step))


def reflected(i: int, length: int) -> int:
    """Index i mirrored at both ends without repeating them: -1 -> 1, length -> length - 2, as often as it takes."""
    if length == 1:
        return 0
    phase = i % (2 * length - 2)
    return min(phase, 2 * length - 2 - phase)


def cpnet_references(t: int, length: int, reach: int = 120, step: int = 2, *, as_released: bool = False) -> Indices:
    """CPNet's references of frame t [code]: every second frame of [t-120, t+120) but t itself.

    At an end of the clip the window is moved inwards to keep its length. `as_released`: the released code then never
    takes the last frame, as it uses the clamped end as an exclusive one.
    """
    start, stop = t - reach, t + reach
    end = length - 1 if as_released else length
    if start < 0:
        start, stop = 0, min(stop - start, end)
    elif stop > length - 1:
        start, stop = max(0, start - (stop - end)), end
    return tuple(i for i in range(start, stop, step) if i != t)


def check(length: int, count: int) -> None:
    if not 1 <= count <= length:
        raise UserError(f"cannot take {count} frames of a clip of {length}; use a longer clip or fewer frames")
