"""TODO header of vinpaint_lib.systems.tgfnet.attention_maps."""

from collections.abc import Sequence

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.systems.tgfnet import groups


def shown_elsewhere(trust: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "1 h w"]:
    """1 where some group brings a pixel that was given in another frame; the model's own outputs do not count."""
    return reduce((trust > groups.EARLIER + 1e-4).float(), "n 1 h w -> 1 h w", "max")


def nearest_age(age: Float[Tensor, "n 1 h w"], trust: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "1 h w"]:
    """Frames to the nearest frame that shows the pixel, over all groups; 0 where no given pixel was found."""
    given = torch.where(trust > groups.EARLIER + 1e-4, age, torch.inf)
    nearest = reduce(given, "n 1 h w -> 1 h w", "min")
    return torch.where(torch.isfinite(nearest), nearest, 0)


def credited(
    weights: Float[Tensor, "n 1 h w"], trust: Float[Tensor, "n 1 h w"], names: Sequence[str]
) -> Float[Tensor, "n 1 h w"]:
    """Weights by source: where another group shows the pixel, the guess holds the pixel of the most trusted one
    (`gather.guess`), so its weight counts for that group. Without a group called "guess", the weights as they are."""
    if "guess" not in names:
        return weights
    guess = list(names).index("guess")
    others = trust.clone()
    others[guess] = 0
    best, source = others.max(dim=0, keepdim=True)
    moved = weights[guess : guess + 1] * (best > 0)
    result = weights.scatter_add(0, source, moved)
    result[guess] -= moved[0]
    return result
