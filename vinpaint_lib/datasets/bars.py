"""Letterbox bars: black rows above and below a picture, or black columns beside it, which no network should learn."""

import numpy as np
from einops import reduce
from jaxtyping import Bool, Float
from torch import Tensor

BLACK = 0.1  # brightest value of a bar; compression leaves some noise in it
LEAST = 0.04  # share of the side that each bar takes at least
UNEVEN = 0.02  # share of the side by which the two bars may differ


def picture_in(frames: Float[Tensor, "t 3 h w"]) -> tuple[slice, slice]:
    """Rows and columns of the picture without its bars: everything, where there are none.

    Bars come in pairs of nearly the same size. Each takes at least a twenty-fifth of the side, and both leave at least
    a third of it. So a dark sky is no bar. A pair that only some of the frames have counts for all.
    """
    brightest = reduce(frames, "t c h w -> t h w", "max")
    rows = span(reduce(brightest, "t h w -> t h", "max") > BLACK)
    columns = span(reduce(brightest, "t h w -> t w", "max") > BLACK)
    return rows, columns


def span(lit: Bool[Tensor, "t n"]) -> slice:
    """The part of a side between the widest pair of bars that any frame has; `lit` says what is brighter than a bar."""
    side = lit.shape[1]
    first = last = 0
    for frame in lit:
        bright = np.flatnonzero(frame.numpy())
        if not len(bright):
            continue  # a black frame, as in a fade
        before, behind = int(bright[0]), int(side - 1 - bright[-1])
        paired = min(before, behind) >= LEAST * side and abs(before - behind) <= UNEVEN * side
        if paired and before + behind <= 2 * side / 3:
            first, last = max(first, before), max(last, behind)
    return slice(first, side - last)


def multiple_of(whole: slice, step: int) -> slice:
    """The middle of a span, at a length that divides by `step`; the span itself if it already does."""
    spare = (whole.stop - whole.start) % step
    return slice(whole.start + -(-spare // 2), whole.stop - spare // 2)
