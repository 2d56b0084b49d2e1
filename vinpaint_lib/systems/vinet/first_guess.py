"""The first guess of our small VINet, which is not in the paper: other frames' pixels in the hole, and camera motion.

Pictures are in [-1, 1] and 0 where nothing is known; `known` is 1 where a pixel is known. All results are float32.
`seen_elsewhere` is differentiable. `holes/smooth.py` has the smooth picture that continues the hole from its rim.
"""

from collections.abc import Sequence

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.alignment.robust import robust_affine
from vinpaint_lib.motion import warp


def seen_elsewhere(
    pictures: Float[Tensor, "b n c h w"],
    known: Float[Tensor, "b n 1 h w"],
    flows: Float[Tensor, "b n 2 h w"],
    weights: Float[Tensor, "n"],
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b 1 h w"]]:
    """Mean of other frames' known pixels under full-size flows to them, and how much of each pixel is known, at most 1.

    `weights` say how much each frame counts. Where no frame shows anything, the mean is 0.
    """
    count = pictures.shape[1]
    both = torch.cat([pictures * known, known], dim=2)
    moved = warp.by_flow(*(rearrange(x, "b n c h w -> (b n) c h w") for x in (both, flows)))
    moved = rearrange(moved, "(b n) c h w -> b n c h w", n=count) * rearrange(weights, "n -> n 1 1 1")
    total = reduce(moved, "b n c h w -> b c h w", "sum")
    share = total[:, -1:]
    return total[:, :-1] / share.clamp(min=1e-3), share.clamp(max=1)


@torch.no_grad()
def camera_flows(
    target: Float[Tensor, "b 4 h w"], others: Sequence[Float[Tensor, "b 4 h w"]], shrink: int
) -> Float[Tensor, "b n 2 h2 w2"]:
    """Flow from `target` to each of `others`, each from one affine map, at 1/`shrink` and in pixels of that scale.

    The fourth channel of a picture is `known`. Each map is fitted robustly (`robust_affine`), at half of the size, to
    the parts that both frames show. Frames that show nothing in common get no motion.
    """
    (own, hole), *rest = (halved(x[:, :3], x[:, 3:]) for x in (target, *others))
    with torch.autocast(target.device.type, enabled=False):
        theta = robust_affine(own, hole, *(torch.stack(parts, dim=1) for parts in zip(*rest, strict=True)))
        edges = affine.corners_to_edges(rearrange(theta, "b n i j -> (b n) i j"), *own.shape[-2:])
        rows, columns = (side // shrink for side in target.shape[-2:])
        grid = warp.pixel_grid(rows, columns, target.device)
        small = warp.affine_to_pixels(affine.edges_to_corners(edges, rows, columns), rows, columns)
        return rearrange(warp.project(small, grid) - grid, "(b n) xy h w -> b n xy h w", b=len(target))


def halved(
    shown: Float[Tensor, "b 3 h w"], known: Float[Tensor, "b 1 h w"]
) -> tuple[Float[Tensor, "b 3 h2 w2"], Float[Tensor, "b 1 h2 w2"]]:
    """A picture in [-1, 1] at half its size, in [0, 1] and black in its hole; and that hole (any hole pixel counts)."""
    hole = functional.max_pool2d(1 - known, 2)
    return (functional.avg_pool2d(shown, 2) / 2 + 0.5).clamp(0, 1) * (1 - hole), hole
