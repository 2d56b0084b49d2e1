"""Rules from the papers: which frames a network sees in training and at inference. All functions give frame indices.

Training    `random_frames` (CPNet, STTN) and `consecutive_frames` (3DCN, STTN, VINet, Align-and-Attend).
Inference   `every_tenth` (STTN, Align-and-Attend), `reflected` (VINet, 3DCN + CombCN).
A rule that belongs to one system stands in the `model.py` or `recipe.py` of that system.
"""

import numpy as np

from vinpaint_lib.errors import UserError

Indices = tuple[int, ...]


def random_frames(length: int, rng: np.random.Generator, count: int = 5) -> Indices:
    """`count` different frames of the clip, in temporal order.

    This is CPNet's training sample: one frame is the target, the others are references. Raises UserError when the clip
    is shorter.
    """
    check_count(length, count)
    return tuple(sorted(int(i) for i in rng.choice(length, count, replace=False)))


def consecutive_frames(length: int, rng: np.random.Generator, count: int = 5) -> Indices:
    """`count` neighbouring frames from a random place; 3DCN takes 32. Raises UserError when the clip is shorter."""
    check_count(length, count)
    start = int(rng.integers(length - count + 1))
    return tuple(range(start, start + count))


def every_tenth(length: int, without: Indices = (), step: int = 10) -> Indices:
    """Frames 0, 10, 20, .. of the whole clip, except the frames in `without`.

    They are the distant references of STTN and its successors, and the references of Align-and-Attend; there `without`
    holds the target.
    """
    left_out = set(without)
    return tuple(i for i in range(0, length, step) if i not in left_out)


def reflected(i: int, length: int) -> int:
    """Index i mirrored at the ends of the clip until it lies inside: -1 -> 1, length -> length - 2. No end repeats."""
    if length == 1:
        return 0
    phase = i % (2 * length - 2)
    return min(phase, 2 * length - 2 - phase)


def check_count(length: int, count: int) -> None:
    if not 1 <= count <= length:
        raise UserError(f"cannot take {count} frames of a clip of {length}; use a longer clip or fewer frames")
