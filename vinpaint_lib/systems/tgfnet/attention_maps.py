"""Maps of where TGF-Net's groups take their pixels from: whether another frame shows a pixel, how far away that frame
is, and which group gets the credit for it (attention, sec. D; feedback, sec. H).

Weights, trust and age are over groups, (n 1 h w), as `TGFNet.forward` gives them.
"""

from collections.abc import Sequence

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.systems.tgfnet import groups


def shown_elsewhere(trust: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "1 h w"]:
    """1 where at least one group shows a pixel that was given in another frame; outputs of the model do not count."""
    return reduce((trust > groups.EARLIER + 1e-4).float(), "n 1 h w -> 1 h w", "max")


def nearest_age(age: Float[Tensor, "n 1 h w"], trust: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "1 h w"]:
    """Distance in frames to the nearest frame that shows the pixel, over all groups; 0 where no group found one."""
    given = torch.where(trust > groups.EARLIER + 1e-4, age, torch.inf)
    nearest = reduce(given, "n 1 h w -> 1 h w", "min")
    return torch.where(torch.isfinite(nearest), nearest, 0)


def credited(
    weights: Float[Tensor, "n 1 h w"], trust: Float[Tensor, "n 1 h w"], names: Sequence[str]
) -> Float[Tensor, "n 1 h w"]:
    """Weights by source: the weight of the guess counts for the group from which the guess has its pixel.

    Where other groups show a pixel, the guess holds the pixel of the most trusted of them (`groups.guess`). Without a
    group called "guess" the weights stay as they are.
    """
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
