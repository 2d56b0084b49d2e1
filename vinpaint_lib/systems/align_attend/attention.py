"""Align-and-Attend's refinement stage (sec. 3.1.2): non-local attention from a hole to visible parts of references.

No layer is learned. Queries and keys are features of unit length, values are the features as they are:

    A = softmax(scale * Q K^T) V,    Q positions of the hole, K and V visible positions of all references

in space and time at once. The formula is rebuilt from the note's sentences. That K and V come from references that are
not aligned is our reading of "reference frame stack". `scale` is ours: the note gives no temperature.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional

from vinpaint_lib.alignment.matching import NEVER

MATCHINGS = ("hole", "entire")
CHOOSING = ("cpu",)  # devices that never wait for themselves: there, only the positions that are asked are computed
CHUNK = 2**24  # scores that are held at a time (64 MB); a larger chunk only needs more memory


def attend(
    target: Float[Tensor, "b c h w"],
    references: Float[Tensor, "b r c h w"],
    queries: Float[Tensor, "b 1 h w"],
    keys: Float[Tensor, "b r 1 h w"],
    scale: float,
) -> Float[Tensor, "b c h w"]:
    """The features that each position with `queries` 1 finds among positions with `keys` 1; 0 elsewhere. In float32.

    Without a key, or without a query, everything is 0.
    """
    choosing = target.device.type in CHOOSING and not isinstance(target, FakeTensor)
    form = of_chosen if choosing else of_all
    with torch.autocast(target.device.type, enabled=False):
        samples = zip(target.float(), references.float(), queries, keys, strict=True)
        return torch.stack([form(*sample, scale) for sample in samples])


def of_chosen(
    asked: Float[Tensor, "c h w"],
    known: Float[Tensor, "r c h w"],
    query: Float[Tensor, "1 h w"],
    key: Float[Tensor, "r 1 h w"],
    scale: float,
) -> Float[Tensor, "c h w"]:
    """`attend` for one sample, computed only where it is asked: few operations, but the number of positions must be
    known first, and on a GPU that means to wait."""
    asking, there = (torch.nonzero(rearrange(mask, "... -> (...)") > 0)[:, 0] for mask in (query, key))
    shown = rearrange(known, "r c h w -> (r h w) c")[there]
    flat = rearrange(asked, "c h w -> (h w) c")
    result = torch.zeros_like(flat)
    if len(there):
        result = result.index_copy(0, asking, look_up(flat[asking], shown, scale))
    return rearrange(result, "(h w) c -> c h w", h=asked.shape[-2])


def of_all(
    asked: Float[Tensor, "c h w"],
    known: Float[Tensor, "r c h w"],
    query: Float[Tensor, "1 h w"],
    key: Float[Tensor, "r 1 h w"],
    scale: float,
) -> Float[Tensor, "c h w"]:
    """`attend` for one sample, computed for all positions and kept where it is asked: nothing has to be waited for."""
    there = rearrange(key, "r 1 h w -> (r h w)") > 0
    flat, shown = rearrange(asked, "c h w -> (h w) c"), rearrange(known, "r c h w -> (r h w) c")
    found = rearrange(look_up(flat, shown, scale, there), "(h w) c -> c h w", h=asked.shape[-2])
    return torch.where((query > 0) & there.any(), found, 0.0)


def look_up(
    asked: Float[Tensor, "n c"], shown: Float[Tensor, "m c"], scale: float, there: Bool[Tensor, "m"] | None = None
) -> Float[Tensor, "n c"]:
    """Weighted means of `shown` for each row of `asked`, by the softmax of scaled cosines; some rows at a time.

    Rows of `shown` that are not `there` get no weight.
    """
    keys = functional.normalize(shown, dim=-1, eps=1e-6)
    parts = []
    for some in asked.split(max(1, CHUNK // len(shown))):
        scores = scale * (functional.normalize(some, dim=-1, eps=1e-6) @ keys.T)
        if there is not None:
            scores = scores.masked_fill(~there, NEVER)
        parts.append(scores.softmax(dim=-1) @ shown)
    return torch.cat(parts)


def attention_weights(
    target: Float[Tensor, "b c y x"],
    references: Float[Tensor, "b r c h w"],
    keys: Float[Tensor, "b r 1 h w"],
    scale: float,
) -> Float[Tensor, "b y x r h w"]:
    """How much each position of the target takes from each position of the references: sum 1, 0 where `keys` is 0.

    For figures and lessons: all weights exist at once, so memory grows with the product of both numbers of positions.
    `attend` holds few weights at a time. Without a key everything is 0.
    """
    asked, shown = rearrange(target, "b c y x -> b (y x) c"), rearrange(references, "b r c h w -> b (r h w) c")
    one, other = (functional.normalize(x.float(), dim=-1, eps=1e-6) for x in (asked, shown))
    barred = rearrange(keys == 0, "b r 1 h w -> b 1 (r h w)")
    found = (scale * one @ other.mT).masked_fill(barred, NEVER).softmax(dim=-1).masked_fill(barred, 0.0)
    (y, x), (h, w) = target.shape[-2:], references.shape[-2:]
    return rearrange(found, "b (y x) (r h w) -> b y x r h w", y=y, x=x, h=h, w=w)


def matched(
    matching: str,
    hole: Float[Tensor, "b 1 h w"],
    filled: Float[Tensor, "b 1 h w"],
    visible: Float[Tensor, "b r 1 h w"],
) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b r 1 h w"]]:
    """Queries and keys of a matching.

    "hole": positions of the hole that alignment has filled, against visible positions. If alignment has filled nothing
    in a sample, or was left out, the whole hole asks. "entire": every position against every position of the
    references.
    """
    if matching == "entire":
        return torch.ones_like(hole), torch.ones_like(visible)
    rough = hole * filled
    none = (rough.amax(dim=(1, 2, 3), keepdim=True) == 0).to(hole)
    return rough + none * hole, visible
