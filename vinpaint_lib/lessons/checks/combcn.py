"""Checks of notebook 12: sizes along a table of layers, a smaller clip without a leak, volumes that overlap."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.lessons.checks.asking import check, uniform
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, kind, require, same_shape, with_article
from vinpaint_lib.systems.combcn import network, volume
from vinpaint_lib.systems.combcn.layer_table import LayerRow, TableNet
from vinpaint_lib.systems.combcn.model import blending

CHECKS = ("output_sides", "shrink_clip", "blend_volumes")


def sides(table: Sequence[LayerRow], side: int) -> list[int]:
    """Rows of cells behind each layer of a table for a picture of `side` rows; torch computes shapes alone."""
    net = TableNet(table, 1, 2, "none", guides=3).to("meta")
    picture, guide = (torch.empty(1, c, n, n, device="meta") for c, n in ((4, side), (3, side // 2)))
    return [x.shape[-1] for x in net.walk(picture, guide)]


def walk(function: Callable[..., Any], table: Sequence[LayerRow], side: int) -> list[int]:
    """What the reader's function gives for a table: a whole number for each layer."""
    found = call(function, list(table), side)
    require(
        len(found) == len(table),
        f"{len(table)} layers have {len(table)} sizes, and {len(found)} came back: one for each row of the table.",
    )
    for n, value in enumerate(found, start=1):
        require(
            type(value) is int,
            f"layer {n} gives {value}, {with_article(kind(value))}: rows are counted by an int, and `//` keeps it one.",
        )
    return found


@check(
    sides,
    lambda: [
        ([LayerRow(1, kernel=7, stride=2), LayerRow(1, dilation=4), LayerRow(1, kernel=4, stride=2, up=True)], 45),
        ([LayerRow(1, kernel=5, stride=3), LayerRow(1, dilation=2), LayerRow(1, kernel=6, stride=2, up=True)], 71),
    ],
    returns=list,
)
def output_sides(function: Reader) -> None:
    """`function(table, side) -> list of int`: rows of cells behind each layer, for pictures of `side` rows."""
    found = walk(function, [LayerRow(1, kernel=5), LayerRow(1), LayerRow(1)], 37)
    require(found != [36, 35, 34], "layers of stride 1 lose a row each: the + 1 behind the division is missing.")
    require(
        found == [37] * 3, f"padded layers of stride 1 keep 37 rows, and {found} came back: is kernel 5 padded by 2?"
    )
    found = walk(function, [LayerRow(1, dilation=8)], 16)
    require(
        found == [16], f"a kernel of 3 with dilation 8 keeps 16 rows, and {found[0]} came back: the padding is p = 8."
    )
    for side in (37, 38):
        found = walk(function, [LayerRow(1, stride=2), LayerRow(1, stride=2)], side)
        require(
            found[0] == 19,
            f"stride 2 makes 19 rows of {side}, and {found[0]} came back: round down inside, then add 1.",
        )
        require(found[1] == 10, f"the second layer reads the 19 rows of the first and gives 10, not {found[1]}.")
    found = walk(function, [LayerRow(1, kernel=4, stride=2, up=True)], 10)
    require(
        found != [18], "an `up` layer with kernel 4 makes 20 rows of 10, not 18: p is (k - 1) // 2, and not k // 2."
    )
    require(found == [20], f"`up` doubles: 10 rows become 20, and {found[0]} came back.")
    found = walk(function, [LayerRow(1, kernel=3, stride=2, up=True)], 10)
    require(found == [19], f"an `up` layer with kernel 3 makes 19 rows of 10, not {found[0]}: its kernel counts.")
    for name, table, side in (
        ("3DCN", volume.TABLE, 64),
        ("CombCN", network.TABLE, 128),
        ("CombCN", network.TABLE, 52),
    ):
        for n, (one, wanted) in enumerate(zip(walk(function, table, side), sides(table, side), strict=True), start=1):
            require(one == wanted, f"layer {n} of {name} makes {wanted} rows of a picture of {side}, not {one}.")


@check(
    lambda *given: small(*given),
    lambda: [
        (*holed(3, torch.Generator().manual_seed(11), 3), 3),
        (*holed(5, torch.Generator().manual_seed(12), 1), 5),
    ],
    returns=tuple,
    each=Tensor,
)
def shrink_clip(function: Reader) -> None:
    """`function(frames t 3 h w, masks t 1 h w, factor) -> (t 3 hs ws, t 1 hs ws)`: known cells are the mean
    of their pixels, hole cells 0."""
    for factor in (2, 4):
        frames, masks = holed(factor, torch.Generator().manual_seed(factor))
        found = call(function, frames, masks, factor)
        require(len(found) == 2, "two tensors are wanted: the small frames and the small masks.")
        wanted, hole = small(frames, masks, factor)
        same_shape(found[0], wanted, "the small clip")
        same_shape(found[1], hole, "the small mask")
        shown, mask = found
        same_type(shown, frames, "the small clip")
        same_type(mask, masks, "the small mask")
        require(
            ((mask == 0) | (mask == 1)).all(),
            "the small mask holds other values than 0 and 1: a cell is a hole or it is none, so its mean is no answer.",
        )
        require(not torch.equal(mask, 1 - hole), "the small mask says 1 where all is known: here, too, 1 is the hole.")
        apart = reduce(masks, "t 1 (fh h) (fw w) -> t 1 h w", "max", fh=factor, fw=factor)
        require(
            not torch.equal(mask, apart),
            "a cell collects pixels that lie far apart: in `(h fh)` the cell is the slow name, and comes first.",
        )
        require(
            not (hole - mask > 0).any(),
            f"{int((hole - mask > 0).sum())} cells count as known although they hold hole pixels: take the max.",
        )
        close(mask, hole, "cells whose pixels are all known count as hole")
        require(not (shown * hole).any(), "a hole cell holds colour: what lies under a hole must not be shown.")
        if factor == 2:
            corner = frames[:, :, ::2, ::2] * (1 - hole)
            require(
                not torch.allclose(shown, corner),
                "each cell shows one of its pixels: it should be the mean of all.",
            )
        close(shown, wanted, "a known cell is not the mean of its pixels")
        other, _ = call(function, frames + 5 * masks, masks, factor)
        close(other, shown, "the small clip changes with what lies in the hole")


@check(
    lambda *given: blended(*given),
    lambda: [
        ([uniform(11 + f, f, 3, 8, 10) for f in (3, 5, 2)], [0, 2, 5], 7),
        ([uniform(21 + f, f, 3, 3, 5) for f in (7, 8)], [4, 0], 11),
    ],
)
def blend_volumes(function: Reader) -> None:
    """`function(outputs, starts, length) -> length 3 h w`: the mean over the volumes that hold a frame, each frame
    weighted by its distance from its volume's nearer end."""
    generator = torch.Generator().manual_seed(8)
    alone = torch.rand(5, 3, 2, 4, generator=generator)
    found = call(function, [alone], [0], 5)
    same_shape(found, alone, "the clip")
    same_type(found, alone, "the clip")
    close(found, alone, "one volume alone should come back as it is: divide by the sum of the weights")
    pair = [torch.rand(5, 3, 2, 4, generator=generator) for _ in range(2)]
    found, wanted = call(function, pair, [0, 3], 8), blended(pair, [0, 3], 8)
    same_shape(found, wanted, "the clip")
    single = [0, 1, 2, 5, 6, 7]
    close(found[single], wanted[single], "a frame of one volume only should be that volume's output")
    for taken, other in {"the mean of both": (pair[0][3:] + pair[1][:2]) / 2, "the later one": pair[1][:2]}.items():
        require(
            not torch.allclose(found[3:5], other),
            f"in the overlap you take {taken}: a frame counts by its distance from its volume's nearer end.",
        )
    close(found, wanted, "the overlap is not weighted by min(n + 1, F - n)")
    several = [torch.rand(6, 3, 2, 4, generator=generator) for _ in range(3)]
    close(
        call(function, several, [0, 2, 4], 10),
        blended(several, [0, 2, 4], 10),
        "where three volumes meet, all three count: add them up first and divide once",
    )
    uneven = [torch.rand(f, 3, 2, 4, generator=generator) for f in (6, 4, 7)]
    found, wanted = call(function, uneven, [0, 3, 5], 12), blended(uneven, [0, 3, 5], 12)
    for sentence, weigh in {
        "the weights of each volume are made to sum to 1": lambda f: blending(f) / blending(f).sum(),
        "the weights of each volume are divided by its length": lambda f: blending(f) / f,
        "all volumes get the weights of the first one's length": lambda f: ends(f, 6),
        "all volumes get the weights of the shortest one's length": lambda f: ends(f, 4),
    }.items():
        other = blended(uneven, [0, 3, 5], 12, weigh)
        require(
            not torch.allclose(found.nan_to_num(), other.nan_to_num(), atol=1e-5),
            f"{sentence}: a frame has the weight min(n + 1, f - n), with the length f of its own volume.",
        )
    close(found, wanted, "volumes of different lengths come out wrong: each begins at its own entry of `starts`")


def blended(
    outputs: Sequence[Float[Tensor, "_ 3 h w"]],
    starts: Sequence[int],
    length: int,
    weigh: Callable[[int], Tensor] = blending,
) -> Float[Tensor, "t 3 h w"]:
    """What `inpaint.fill` makes of volumes with the weights of `systems/combcn/model.py`'s `blending`, or others."""
    total = torch.zeros(length, *outputs[0].shape[1:])
    count = torch.zeros(length)
    for output, start in zip(outputs, starts, strict=True):
        weights = weigh(len(output))
        total[start : start + len(output)] += output * rearrange(weights, "f -> f 1 1 1")
        count[start : start + len(output)] += weights
    return total / rearrange(count, "t -> t 1 1 1")


def ends(count: int, length: int) -> Float[Tensor, " f"]:
    """Weights of `count` frames, wrongly computed with the `length` of another volume."""
    n = torch.arange(count)
    return torch.minimum(n + 1, length - n).float()


def same_type(found: Tensor, given: Tensor, what: str) -> None:
    """Raise Wrong unless a result has the same type of numbers as the reader's input."""
    names = [str(x.dtype).removeprefix("torch.") for x in (found, given)]
    require(names[0] == names[1], f"{what} is {names[0]}, and what went in is {names[1]}: keep its type of numbers.")


def small(frames: Tensor, masks: Tensor, factor: int) -> tuple[Float[Tensor, "t 3 h w"], Float[Tensor, "t 1 h w"]]:
    """The library's small clip, with 0 in hole cells, and the small masks."""
    shown, hole = network.shrink(batch(frames), batch(masks), factor)
    return shown[0] * (1 - hole[0]), hole[0]


def holed(
    factor: int, generator: torch.Generator, t: int = 2
) -> tuple[Float[Tensor, "t 3 h w"], Float[Tensor, "t 1 h w"]]:
    """Frames with bright nonsense in the hole, and a mask whose edges fall inside of cells; one cell is whole hole."""
    frames = torch.rand(t, 3, 6 * factor, 5 * factor, generator=generator)
    masks = (torch.rand(t, 1, 6 * factor, 5 * factor, generator=generator) > 1 - 0.4 / factor**2).float()
    masks[:, :, factor : 2 * factor, :factor] = 1
    known = reduce(masks, "t 1 (h fh) (w fw) -> t 1 h w", "max", fh=factor, fw=factor) == 0
    assert known.any()
    return torch.where(masks > 0, 3.0, frames), masks


def batch(x: Float[Tensor, "t c h w"]) -> Float[Tensor, "1 t c h w"]:
    """A clip as a batch of one."""
    return rearrange(x, "t c h w -> 1 t c h w")
