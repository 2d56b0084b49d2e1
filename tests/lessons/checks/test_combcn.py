"""The checks of notebook 12 accept the library's functions and tell planted mistakes apart."""

import math

import pytest
import torch
from einops import rearrange, reduce

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.checks.combcn import blended, ends, sides
from vinpaint_lib.lessons.checks.verdict import Wrong
from vinpaint_lib.systems.combcn import network
from vinpaint_lib.systems.combcn.model import blending


def along(table, side, *, padding=None, rounded=math.floor, up=None, fresh=False, one=1):
    """The solution, with a place for each mistake."""
    found = []
    for row in table:
        p = padding(row) if padding else row.dilation * ((row.kernel - 1) // 2)
        if row.up:
            now = up(side, row) if up else (side - 1) * row.stride - 2 * p + row.kernel
        else:
            now = rounded((side + 2 * p - row.dilation * (row.kernel - 1) - 1) / row.stride) + one
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
    caught(checks.output_sides, lambda table, side: along(table, side, rounded=math.ceil), "19 rows of 38, and 20 came")
    caught(checks.output_sides, lambda table, side: along(table, side, one=0), r"the \+ 1 behind the division")
    caught(
        checks.output_sides,
        lambda table, side: along(table, side, padding=lambda row: row.dilation * (row.kernel // 2)),
        r"and not k // 2",
    )
    caught(
        checks.output_sides,
        lambda table, side: along(table, side, rounded=lambda x: x),
        "gives 37.0, a float: rows are",
    )
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


def test_sizes_are_whole_numbers_of_python():
    with pytest.raises(Wrong, match="gives 37, a Tensor: rows are"):
        checks.output_sides(lambda table, side: [torch.tensor(n) for n in along(table, side)])


def test_the_first_layer_that_differs_is_named():
    def skips_join_sides(table, side):
        found = along(table, side)
        return [n if not row.skip else n + 1 for n, row in zip(found, table)]

    caught(checks.output_sides, skips_join_sides, "layer 9 of 3DCN makes 32 rows of a picture of 64, not 33")


def test_the_sides_of_the_library_s_tables():
    assert sides(network.TABLE, 128) == along(network.TABLE, 128)


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


def interleaved(frames, masks, factor):
    """The names of the split axes exchanged."""
    pattern = "t c (fh h) (fw w) -> t c h w"
    hole = reduce(masks, pattern, "max", fh=factor, fw=factor)
    return reduce(frames, pattern, "mean", fh=factor, fw=factor) * (1 - hole), hole


def test_masks_of_shrink_clip():
    caught(checks.shrink_clip, interleaved, "the cell is the slow name")
    caught(checks.shrink_clip, lambda f, m, s: (shrunk(f, m, s)[0], 1 - shrunk(f, m, s)[1]), "here, too, 1 is the hole")
    caught(checks.shrink_clip, lambda f, m, s: (shrunk(f, m, s)[0], shrunk(f, m, s)[1] > 0), "type bool")
    caught(checks.shrink_clip, lambda f, m, s: (shrunk(f, m, s)[0].double(), shrunk(f, m, s)[1]), "type float64")


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


def by(length):
    """Weights that take another volume's length for a volume's own."""
    return lambda outputs, starts, n: mixed(outputs, starts, n, weigh=lambda f: ends(f, length(outputs)))


def evenly(outputs, starts, length):
    """The entries of `starts` are not read: the volumes are laid out at even distances."""
    free = (length - len(outputs[-1])) / max(1, len(outputs) - 1)
    return mixed(outputs, [int(free * n) for n in range(len(outputs))], length)


def test_volumes_of_different_lengths():
    def summed(f):
        return blending(f) / blending(f).sum()

    caught(checks.blend_volumes, lambda o, s, n: mixed(o, s, n, weigh=summed), "made to sum to 1")
    caught(checks.blend_volumes, lambda o, s, n: mixed(o, s, n, weigh=lambda f: blending(f) / f), "divided by its")
    caught(checks.blend_volumes, by(lambda outputs: len(outputs[0])), "the first one's length")
    caught(checks.blend_volumes, by(lambda outputs: min(map(len, outputs))), "the shortest one's length")
    caught(checks.blend_volumes, evenly, "at its own entry of `starts`")
    caught(checks.blend_volumes, lambda o, s, n: mixed(o, s, n).double(), "type float64")


def test_every_wrong_weight_differs_from_the_right_one():
    generator = torch.Generator().manual_seed(8)
    volumes = [torch.rand(f, 3, 2, 4, generator=generator) for f in (6, 4, 7)]
    right = blended(volumes, [0, 3, 5], 12)
    assert torch.allclose(right, mixed(volumes, [0, 3, 5], 12))
    for weigh in (lambda f: blending(f) / blending(f).sum(), lambda f: blending(f) / f, lambda f: ends(f, 4)):
        other = blended(volumes, [0, 3, 5], 12, weigh)
        assert not (other - right).nan_to_num().abs().max() < 0.02
