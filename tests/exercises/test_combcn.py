"""The checks of notebook 12 accept the library's functions and tell planted mistakes apart."""

import math

import pytest
import torch
from einops import rearrange, reduce

from exercises.planted import caught, passes
from vinpaint_lib import checks, comb_net
from vinpaint_lib.exercises.asking import Wrong
from vinpaint_lib.exercises.combcn import blended, sides
from vinpaint_lib.models.combcn import blending


def along(table, side, *, padding=None, rounded=math.floor, up=None, fresh=False):
    """The solution, with a place for each mistake."""
    found = []
    for row in table:
        p = padding(row) if padding else row.dilation * ((row.kernel - 1) // 2)
        if row.up:
            now = up(side, row) if up else (side - 1) * row.stride - 2 * p + row.kernel
        else:
            now = rounded((side + 2 * p - row.dilation * (row.kernel - 1) - 1) / row.stride) + 1
        found.append(now)
        side = side if fresh else now
    return found


def test_output_sides():
    passes(checks.output_sides, along)
    caught(checks.output_sides, lambda table, side: along(table, side)[-1:], "one for each row")
    caught(checks.output_sides, lambda table, side: along(table, side, padding=lambda row: 1), "kernel 5 padded by 2")
    caught(
        checks.output_sides,
        lambda table, side: along(table, side, padding=lambda row: (row.kernel - 1) // 2),
        "the padding is p = 8",
    )
    caught(checks.output_sides, lambda table, side: [n if n != 19 else 18 for n in along(table, side)], "round down")
    caught(checks.output_sides, lambda table, side: along(table, side, fresh=True), "reads the 19 rows")
    caught(
        checks.output_sides, lambda table, side: along(table, side, up=lambda n, row: n // row.stride), "`up` doubles"
    )
    caught(
        checks.output_sides,
        lambda table, side: along(table, side, up=lambda n, row: n * row.stride),
        "kernel counts",
    )
    caught(checks.output_sides, lambda table, side: tuple(along(table, side)), "a list is wanted")


def test_the_sides_of_the_library_s_tables():
    assert sides(comb_net.TABLE, 128) == along(comb_net.TABLE, 128)


def shrunk(frames, masks, factor, how="max", cell=None, show=False):
    """The solution, with a place for each mistake."""
    pattern = "t c (h fh) (w fw) -> t c h w"
    hole = cell(masks) if cell else reduce(masks, pattern, how, fh=factor, fw=factor)
    small = reduce(frames, pattern, "mean", fh=factor, fw=factor)
    return (small if show else small * (1 - hole)), hole


def mean_of_the_known(frames, masks, factor):
    """Each cell the mean of its known pixels, and known if it has any."""
    pattern = "t c (h fh) (w fw) -> t c h w"
    total = reduce(frames * (1 - masks), pattern, "sum", fh=factor, fw=factor)
    count = reduce(1 - masks, pattern, "sum", fh=factor, fw=factor)
    return total / count.clamp(min=1), (count < factor**2).float()


def one_pixel(frames, masks, factor):
    _, hole = shrunk(frames, masks, factor)
    return frames[:, :, ::factor, ::factor] * (1 - hole), hole


def test_shrink_clip():
    passes(checks.shrink_clip, shrunk)
    caught(checks.shrink_clip, lambda f, m, s: shrunk(f, m, s, how="mean"), "its mean is no answer")
    caught(checks.shrink_clip, lambda f, m, s: shrunk(f, m, s, how="min"), "take the max")
    caught(checks.shrink_clip, lambda f, m, s: shrunk(f, m, s, show=True), "must not be shown")
    caught(checks.shrink_clip, one_pixel, "the mean of all")
    caught(
        checks.shrink_clip,
        lambda f, m, s: shrunk(f, torch.nn.functional.max_pool2d(m, 3, 1, 1), s),
        "whose pixels are all known count as hole",
    )
    caught(checks.shrink_clip, lambda f, m, s: [x[:, :, 1:] for x in shrunk(f, m, s)], "a tuple is wanted")
    caught(checks.shrink_clip, lambda f, m, s: tuple(x[:, :, 1:] for x in shrunk(f, m, s)), "has the shape")
    caught(
        checks.shrink_clip,
        lambda f, m, s: (shrunk(f * (1 - m) / 2, m, s)[0], shrunk(f, m, s)[1]),
        "not the mean of",
    )


def test_a_cell_s_mean_over_its_known_pixels_is_a_hole_that_shows_colour():
    with pytest.raises(Wrong, match="a hole cell holds colour"):
        checks.shrink_clip(mean_of_the_known)


def mixed(outputs, starts, length, weigh=blending, divide=True):
    """The solution, with a place for each mistake."""
    total, count = torch.zeros(length, *outputs[0].shape[1:]), torch.zeros(length, 1, 1, 1)
    for output, start in zip(outputs, starts):
        weights = rearrange(weigh(len(output)), "f -> f 1 1 1")
        total[start : start + len(output)] += weights * output
        count[start : start + len(output)] += weights
    return total / count if divide else total


def latest(outputs, starts, length):
    result = torch.zeros(length, *outputs[0].shape[1:])
    for output, start in zip(outputs, starts):
        result[start : start + len(output)] = output
    return result


def pairwise_halves(outputs, starts, length):
    """Each new volume is mixed into what is there: right for two volumes, wrong for three."""
    result, shares = torch.zeros(length, *outputs[0].shape[1:]), torch.zeros(length, 1, 1, 1)
    for output, start in zip(outputs, starts):
        part = slice(start, start + len(output))
        weights = rearrange(blending(len(output)), "f -> f 1 1 1")
        result[part] = (result[part] * shares[part] + output * weights) / (shares[part] + weights)
        shares[part] = weights  # and not the sum of both
    return result


def test_blend_volumes():
    passes(checks.blend_volumes, mixed)
    passes(checks.blend_volumes, blended)
    caught(checks.blend_volumes, lambda o, s, n: mixed(o, s, n, divide=False), "divide by the sum of the weights")
    caught(checks.blend_volumes, lambda o, s, n: mixed(o, s, n, weigh=lambda f: blending(f) - 1), "not finite")
    caught(checks.blend_volumes, lambda o, s, n: mixed(o, s, n, weigh=torch.ones), "you take the mean of both")
    caught(checks.blend_volumes, latest, "you take the later one")
    caught(
        checks.blend_volumes,
        lambda o, s, n: mixed(o, s, n, weigh=lambda f: torch.arange(1.0, f + 1)),
        "is not weighted by min",
    )
    caught(checks.blend_volumes, pairwise_halves, "add them up first")
    caught(checks.blend_volumes, lambda o, s, n: mixed(o, s, n)[0], "has the shape")
    caught(checks.blend_volumes, lambda o, s, n: mixed(o[::-1], s, n), "that volume's output")
