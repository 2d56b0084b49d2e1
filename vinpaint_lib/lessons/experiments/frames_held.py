"""Which frames of a clip are in memory at each step of a plan: what `inpaint.fill` reads ahead and what it drops."""

from collections.abc import Iterable
from itertools import accumulate

from vinpaint_lib.inpaint import oldest_needs
from vinpaint_lib.interface import Step


def frames_held(steps: Iterable[Step]) -> list[range]:
    """For every step, the frame numbers in memory while it runs.

    Frames are read in order; none is skipped, and none is read again. So the newest frame in memory is the newest that
    this step or an earlier step uses. The oldest frame in memory is the oldest that this step or a coming step uses.
    """
    plan = list(steps)
    if not plan:
        return []
    newest = accumulate((max((*step.targets, *step.references)) for step in plan), max)
    return [range(low, high + 1) for low, high in zip(oldest_needs(plan), newest, strict=True)]
