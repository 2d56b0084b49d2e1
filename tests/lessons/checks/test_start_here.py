"""The check of notebook 00 accepts a right answer and tells planted mistakes apart."""

from einops import reduce

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks


def right(masks):
    return reduce(masks, "t 1 h w -> t", "mean")


def test_hole_share():
    passes(checks.hole_share, right)
    caught(checks.hole_share, lambda masks: masks.mean(), "keep the axis t")
    caught(checks.hole_share, lambda masks: 1 - right(masks), "known pixels")
    caught(checks.hole_share, lambda masks: masks.sum(dim=(1, 2, 3)), "not its sum")
    caught(checks.hole_share, lambda masks: masks.mean(dim=(0, 1, 2)), "has the shape")
    caught(checks.hole_share, lambda masks: masks.amax(dim=(1, 2, 3)), "differ from the number of ones")
