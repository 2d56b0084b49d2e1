"""Right and wrong answers to the exercises of notebook 14. Their checks compare the reader's results with these.

`WRONG_COSINES`, `WRONG_WEIGHTS` and `WRONG_FINDS` hold pairs: a sentence about a mistake, and a function with this
mistake. The function takes the same arguments as the reader's function.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from vinpaint_lib.alignment.matching import NEVER
from vinpaint_lib.systems.align_attend.layers import aggregate

Wrongs = tuple[tuple[str, Callable[..., Tensor]], ...]


def pairs(
    seen: Float[Tensor, "b i"], other_seen: Float[Tensor, "b j"]
) -> tuple[Bool[Tensor, "b i j"], Bool[Tensor, "b i j"]]:
    """For each pair of cells: whether the target's cell is seen, and whether the reference's cell is seen."""
    row, column = rearrange(seen > 0, "b i -> b i 1"), rearrange(other_seen > 0, "b j -> b 1 j")
    return row.expand(-1, -1, column.shape[2]), column.expand(-1, row.shape[1], -1)


def listed(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b i c"]:
    """The vectors of all cells, row by row."""
    return rearrange(features, "b c h w -> b (h w) c")


def unit(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b i c"]:
    """`listed`, of length 1."""
    return normalize(listed(features), dim=-1, eps=1e-6)


def down(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b i c"]:
    """`unit`, numbered down the columns."""
    return unit(rearrange(features, "b c h w -> b c w h"))


def cosines(
    one: Float[Tensor, "b c h w"],
    other: Float[Tensor, "b c y x"],
    seen: Float[Tensor, "b i"],
    other_seen: Float[Tensor, "b j"],
    first: Callable[[Tensor], Tensor] = unit,
    second: Callable[[Tensor], Tensor] = unit,
    masks: bool = True,
) -> Float[Tensor, "b i j"]:
    """The paper's matching; unlike the library, it subtracts no mean first.

    With other functions for `first` and `second`, or without `masks`, the answer is wrong.
    """
    map_ = first(one) @ second(other).mT
    return map_ * torch.logical_and(*pairs(seen, other_seen)) if masks else map_


def softmax_of(one: Tensor, other: Tensor, seen: Tensor, other_seen: Tensor, before: bool = True) -> Tensor:
    """A softmax over cosines, masked before and after the softmax, or only after it."""
    shares = cosines(one, other, seen, other_seen, masks=before).softmax(dim=-1)
    return shares * torch.logical_and(*pairs(seen, other_seen))


def positive(*given: Any) -> Tensor:
    """Cosines without their sign."""
    return cosines(*given).abs()


def clamped(*given: Any) -> Tensor:
    """Cosines of which the negative ones are 0."""
    return cosines(*given).clamp(min=0)


def centred(one: Tensor, other: Tensor, seen: Tensor, other_seen: Tensor) -> Tensor:
    """Cosines of features without their mean over the channels."""
    return cosines(one - one.mean(1, True), other - other.mean(1, True), seen, other_seen)


NOT_COSINES = "these are products of features, not cosines: give every feature vector the length 1 first."
ONE_SIDE = "only one side has the length 1: a cosine divides by the lengths of both vectors."
DOWN = "the cells are numbered down the columns: they run row by row."
SOFTMAX = "this is the softmax already: the map of cosines is wanted."
WRONG_COSINES: Wrongs = (
    (SOFTMAX, softmax_of),
    (SOFTMAX, partial(softmax_of, before=False)),
    (SOFTMAX, lambda *given: cosines(*given).softmax(dim=-1)),
    (NOT_COSINES, partial(cosines, first=listed, second=listed)),
    (NOT_COSINES, partial(cosines, first=listed, second=listed, masks=False)),
    (ONE_SIDE, partial(cosines, second=listed)),
    (ONE_SIDE, partial(cosines, first=listed)),
    (DOWN, partial(cosines, first=down, second=down)),
    (DOWN, partial(cosines, first=down)),
    (DOWN, partial(cosines, second=down)),
    ("hidden cells still match: the masks are not used.", partial(cosines, masks=False)),
    ("the sign is wrong: cells that are alike have the cosine 1.", lambda *given: -cosines(*given)),
    ("this is a distance, 1 minus the cosine: the cosine itself is wanted.", lambda *given: 1 - cosines(*given)),
    (
        "this is a distance, 1 minus the cosine: the cosine itself is wanted.",
        lambda *given: (1 - cosines(*given)) * torch.logical_and(*pairs(*given[2:])),
    ),
    ("negative cosines are lost: they run from -1 to 1, so no absolute value and no clamp.", positive),
    ("negative cosines are lost: they run from -1 to 1, so no absolute value and no clamp.", clamped),
    ("the mean over the channels is subtracted first: take the features as they are.", centred),
)


def weights(
    aligned: Float[Tensor, "b r c h w"],
    visible: Float[Tensor, "b r 1 h w"],
    target: Float[Tensor, "b c h w"],
    known: Float[Tensor, "b 1 h w"],
    sharpness: float,
) -> Float[Tensor, "b r 1 h w"]:
    """The library's weights of references."""
    return aggregate(aligned, visible, target, known, torch.tensor(sharpness))[1]


def distances(
    aligned: Float[Tensor, "b r c h w"],
    visible: Float[Tensor, "b r 1 h w"],
    target: Float[Tensor, "b c h w"],
    known: Float[Tensor, "b 1 h w"],
    *,
    power: int = 2,
    over: str = "both",
) -> Float[Tensor, "b r"]:
    """d: the root of the mean square over channels and positions of both masks.

    power 1: the mean difference. over: what the sum is divided by, "both", or wrongly "positions" (no channels), "all"
    (hidden ones too), "nothing".
    """
    both = visible * rearrange(known, "b 1 h w -> b 1 1 h w")
    gap = both * (aligned - rearrange(target, "b c h w -> b 1 c h w")).abs() ** power
    shared = reduce(both, "b r 1 h w -> b r", "sum")
    count = {
        "both": shared * aligned.shape[2],
        "positions": shared,
        "all": torch.full_like(shared, aligned[0, 0].numel()),
        "nothing": torch.ones_like(shared),
    }[over]
    return (reduce(gap, "b r c h w -> b r", "sum") / count) ** (1 / power)


def each_place(aligned: Tensor, visible: Tensor, target: Tensor, known: Tensor, how: str = "mean") -> Tensor:
    """A distance for every position (b r 1 h w)."""
    gap = (aligned - rearrange(target, "b c h w -> b 1 c h w")).square()
    return reduce(gap, "b r c h w -> b r 1 h w", how).sqrt()


def softmaxed(distance: Tensor, visible: Float[Tensor, "b r 1 h w"], sharpness: float) -> Float[Tensor, "b r 1 h w"]:
    """Weights of references from distances (b r, or b r 1 h w)."""
    place = rearrange(distance, "b r -> b r 1 1 1") if distance.ndim == 2 else distance
    return (-sharpness * place).masked_fill(visible == 0, NEVER).softmax(dim=1) * visible


def by(distance: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Weights by another distance of (aligned, visible, target, known)."""
    return lambda aligned, visible, target, known, sharpness: softmaxed(
        distance(aligned, visible, target, known), visible, sharpness
    )


ONE_NUMBER = "the distance is taken place by place: d is one number for a whole reference."
WRONG_WEIGHTS: Wrongs = (
    (
        "the distance counts positions that are hidden: use both masks in it.",
        by(lambda a, v, t, k: distances(a, torch.ones_like(v), t, torch.ones_like(k))),
    ),
    (
        "the distance counts what a reference does not show: multiply by `visible` too.",
        by(lambda a, v, t, k: distances(a, torch.ones_like(v), t, k)),
    ),
    (
        "the distance counts the hole of the target: multiply by `known` too.",
        by(lambda a, v, t, k: distances(a, v, t, torch.ones_like(k))),
    ),
    (
        "the distance is measured in the hole: `known` is 1 outside of it.",
        by(lambda a, v, t, k: distances(a, v, t, 1 - k)),
    ),
    (ONE_NUMBER, by(each_place)),
    (ONE_NUMBER, by(partial(each_place, how="sum"))),
    (
        "a reference that shares more with the target is farther away: divide the sum by what was counted.",
        by(partial(distances, over="nothing")),
    ),
    (
        "the channels are not counted: the mean runs over positions and channels.",
        by(partial(distances, over="positions")),
    ),
    (
        "the sum is divided by the number of all positions: only those that both show are counted.",
        by(partial(distances, over="all")),
    ),
    (
        "the root is missing: d is a distance, not its square.",
        by(lambda *given: distances(*given).square()),
    ),
    (
        "these are absolute differences: d is the root of the mean square.",
        by(partial(distances, power=1)),
    ),
    (
        "`sharpness` is not used: it is the factor on the distance.",
        lambda a, v, t, k, sharpness: weights(a, v, t, k, 1.0),
    ),
)


def finds(
    target: Float[Tensor, "b c h w"],
    references: Float[Tensor, "b r c h w"],
    queries: Float[Tensor, "b 1 h w"],
    keys: Float[Tensor, "b r 1 h w"],
    scale: float,
    *,
    units: tuple[bool, bool, bool] = (True, True, False),
    hidden: float = NEVER,
    axis: int = -1,
    order: str = "b (h w) c -> b c h w",
) -> Float[Tensor, "b c h w"]:
    """What the hole finds.

    units: whether queries, keys and values have length 1. hidden: the score of positions that may not be taken. axis:
    that of the softmax. order: the order in which the list becomes a map.
    """
    asked, shown = listed(target), rearrange(references, "b r c h w -> b (r h w) c")
    one, other, values = (
        normalize(x, dim=-1) if short else x for x, short in zip((asked, shown, shown), units, strict=True)
    )
    barred = rearrange(keys, "b r 1 h w -> b 1 (r h w)") == 0
    weight = (scale * one @ other.mT).masked_fill(barred, hidden).softmax(dim=axis)
    return rearrange(weight @ values, order, h=target.shape[-2]) * queries


def apart(target: Tensor, references: Tensor, queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """A separate softmax for each reference, and the mean of the results."""
    each = [finds(target, references[:, [r]], queries, keys[:, [r]], scale) for r in range(references.shape[1])]
    return torch.stack(each).mean(dim=0)


ADDED = "the target is added already: the network does that afterwards, return what was found alone."
WRONG_FINDS: Wrongs = (
    (ADDED, lambda t, r, q, k, s: finds(t, r, q, k, s) + t),
    (ADDED, lambda t, r, q, k, s: finds(t, r, q, k, s) + t * q),
    (
        "hidden positions are taken from: `keys` is not used.",
        lambda t, r, q, k, s: finds(t, r, q, torch.ones_like(k), s),
    ),
    (
        "only hidden positions are taken from: `keys` is 1 where something may be taken.",
        lambda t, r, q, k, s: finds(t, r, q, 1 - k, s),
    ),
    (
        "hidden positions have the score 0, and e^0 is 1: they take part like any other. Give them -1e4.",
        partial(finds, hidden=0.0),
    ),
    (
        "hidden values are made 0 and still take their share of the weight: the mask goes into the scores.",
        lambda t, r, q, k, s: finds(t, r * k, q, torch.ones_like(k), s),
    ),
    (
        "the cosines are not multiplied by `scale`.",
        lambda t, r, q, k, s: finds(t, r, q, k, 1.0),
    ),
    (
        "the values lost their length: only queries and keys are normalised.",
        partial(finds, units=(True, True, True)),
    ),
    ("queries and keys are not of length 1: the scores are no cosines.", partial(finds, units=(False, False, False))),
    (
        "only the keys have length 1: the queries, the target's vectors, need it too.",
        partial(finds, units=(False, True, False)),
    ),
    (
        "only the queries have length 1: the keys need it too, beside the values as they are.",
        partial(finds, units=(True, False, False)),
    ),
    ("the softmax runs over the queries: each query shares its weight over keys.", partial(finds, axis=1)),
    (
        "every reference has a softmax of its own: all of them, in space and time, are one list of keys.",
        apart,
    ),
    (
        "only the first reference is looked at: space and time are one list of keys.",
        lambda t, r, q, k, s: finds(t, r[:, :1], q, k[:, :1], s),
    ),
    (
        "the list becomes a map down the columns: positions run row by row, as in `b (h w) c`.",
        partial(finds, order="b (w h) c -> b c h w"),
    ),
)
