"""Which frames of a clip are in memory at each step of a plan: what `inpaint.fill` reads ahead and what it drops."""

from collections.abc import Iterable
from itertools import accumulate

from vinpaint_lib.inpaint import oldest_needs
from vinpaint_lib.interface import Step


def frames_held(steps: Iterable[Step]) -> list[range]:
    """For every step, the frame numbers in memory while it runs.

    Frames are read in order, none is skipped and none is read again: so the newest is the newest that this or an
    earlier step uses, and the oldest is the oldest that this or a later step uses.
    """
    plan = list(steps)
    if not plan:
        return []
    newest = accumulate((max((*step.targets, *step.references)) for step in plan), max)
    return [range(low, high + 1) for low, high in zip(oldest_needs(plan), newest, strict=True)]
