"""Which frames a network sees: the papers' rules for training clips, windows and references. Frame indices only.

Training    STTN, CPNet (also taken for TGF-Net, which states none), 3DCN, Align-and-Attend.
Inference   VINet, STTN and its successors, Align-and-Attend, CPNet.
"""

import numpy as np

from vinpaint_lib.errors import UserError

Indices = tuple[int, ...]


def random_frames(length: int, rng: np.random.Generator, count: int = 5) -> Indices:
    """`count` different frames of the clip, in temporal order: CPNet's training sample; one is the target, the rest
    are references.

    Raises UserError when the clip is shorter than that.
    """
    check_count(length, count)
    return tuple(sorted(int(i) for i in rng.choice(length, count, replace=False)))


def consecutive_frames(length: int, rng: np.random.Generator, count: int = 5) -> Indices:
    """`count` neighbouring frames from a random place; 3DCN takes 32. Raises UserError when the clip is shorter."""
    check_count(length, count)
    start = int(rng.integers(length - count + 1))
    return tuple(range(start, start + count))


def every_tenth(length: int, without: Indices = (), step: int = 10) -> Indices:
    """Frames 0, 10, 20, .. of the whole clip but for those in `without`: the distant references of STTN and its
    successors and of Align-and-Attend (there `without` is the target)."""
    left_out = set(without)
    return tuple(i for i in range(0, length, step) if i not in left_out)


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


def check_count(length: int, count: int) -> None:
    if not 1 <= count <= length:
        raise UserError(f"cannot take {count} frames of a clip of {length}; use a longer clip or fewer frames")
