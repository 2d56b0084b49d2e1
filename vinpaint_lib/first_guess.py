"""What a hole holds before a network is asked: a smooth picture from its rim, and what other frames show there.

Pictures are in [-1, 1], 0 where nothing is known; known is 1 where something is. Differentiable, float32.
"""

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib import warp


def push_pull(picture: Float[Tensor, "b c h w"], known: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c h w"]:
    """Known pixels, continued smoothly: each unknown one takes the mean of a neighbourhood as wide as it must be.

    Means over ever larger blocks are made (push) and fill what finer ones leave open (pull). With nothing known: 0.
    """
    height, width = picture.shape[-2:]
    seen = picture * known
    if height * width == 1:
        return seen
    pad = (0, width % 2, 0, height % 2)
    total, share = (functional.avg_pool2d(functional.pad(x, pad), 2) for x in (seen, known))
    coarse = push_pull(total / share.clamp(min=1e-6), (share > 0).to(share))
    fine = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
    return seen + (1 - known) * fine


def seen_elsewhere(
    pictures: Float[Tensor, "b n c h w"],
    known: Float[Tensor, "b n 1 h w"],
    flows: Float[Tensor, "b n 2 h w"],
    weights: Float[Tensor, "n"],
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b 1 h w"]]:
    """Mean of other frames' known pixels under full-size flows to them, and how much of each is known, at most 1.

    `weights` say how much a frame counts. Where no frame shows anything, the mean is 0.
    """
    count = pictures.shape[1]
    both = torch.cat([pictures * known, known], dim=2)
    moved = warp.by_flow(*(rearrange(x, "b n c h w -> (b n) c h w") for x in (both, flows)))
    moved = rearrange(moved, "(b n) c h w -> b n c h w", n=count) * rearrange(weights, "n -> n 1 1 1")
    total = reduce(moved, "b n c h w -> b c h w", "sum")
    share = total[:, -1:]
    return total[:, :-1] / share.clamp(min=1e-3), share.clamp(max=1)
