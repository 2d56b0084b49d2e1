"""Where an alignment counts, and how far it can be believed there: both follow from the target's hole.

The window     One affine map cannot fit a scene of several planes. What is asked of it is the part behind the hole, so
               the aligner's last looks are at a window around the hole (`LearnedAffine.look_closer`).
The agreement  The mean difference of target and aligned reference on what both show near a pixel. Inside of a hole it
               is that of the surroundings. Align-and-Attend too weighs aligned references by their masked distance from
               the target.
"""

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.motion import warp

GROW = 1.7  # side of the window, as a multiple of the longer side of the hole's box
LEAST = 1 / 3  # the shortest window, as a share of the frame's shorter side
TALLEST = 288  # rows; higher frames are made smaller before a window is cut out, which takes single pixels of them
SCALES = (8.0, 4.0, 3.0)  # of the robust fit, in pixels of the window
COARSE = (64, 112)  # the size at which agreement is measured
NEAR = 6  # pixels of that size: half the side of the square over which a mean is taken, twice
FAITH = 8 / 255  # a difference at which the trust has fallen by the factor e
LEFT = 0.2  # what is left of the trust in any reference that shows the pixel, as in the chains (`motion/chains.py`)


def window_around(mask: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 3"]:
    """The square window around the hole of each mask, inside the frame: a map from the window to the frame, in edge
    coordinates. Without a hole it is a window in the frame's middle, as large as fits."""
    height, width = mask.shape[-2:]
    first_row, last_row = ends(reduce(mask, "b 1 h w -> b h", "max"))
    first_col, last_col = ends(reduce(mask, "b 1 h w -> b w", "max"))
    longest = torch.maximum(last_row - first_row, last_col - first_col)
    side = (GROW * longest).clamp(LEAST * min(height, width), min(height, width))
    top, left = ((first_row + last_row - side) / 2).clamp(min=0), ((first_col + last_col - side) / 2).clamp(min=0)
    top, left = torch.minimum(top, height - side), torch.minimum(left, width - side)
    none = torch.zeros_like(side)
    rows = [[side / width, none, (2 * left + side) / width - 1], [none, side / height, (2 * top + side) / height - 1]]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)


def ends(profile: Float[Tensor, "b l"]) -> tuple[Float[Tensor, "b"], Float[Tensor, "b"]]:
    """Where the values above 0 of each row begin and end; the whole row if there are none. No wait for a device."""
    found = profile > 0
    first = found.int().argmax(dim=1)
    return first.float(), (profile.shape[1] - found.flip(1).int().argmax(dim=1)).float()


def out_of(window: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 2 3"]:
    """The inverse of `window_around`, from the frame to the window."""
    grow = 1 / torch.diagonal(window[:, :, :2], dim1=1, dim2=2)
    shift = rearrange(-window[:, :, 2] * grow, "b i -> b i 1")
    return torch.cat([torch.diag_embed(grow), shift], dim=2)


def reduced(frames: Float[Tensor, "b 3 h w"], masks: Float[Tensor, "b 1 h w"]) -> tuple[Tensor, Tensor]:
    """Frames and masks as they are, or, if they are higher than TALLEST, at that height."""
    height, width = frames.shape[-2:]
    if height <= TALLEST:
        return frames, masks
    return affine.resize(frames, masks, (TALLEST, round(width * TALLEST / height)))


def box_map(place: Float[Tensor, "b 2"], size: tuple[int, int], frame: tuple[int, int]) -> Float[Tensor, "b 2 3"]:
    """The map (corner coordinates) from a box of `size` to the `frame` that holds it; both (height, width).

    `place` is the left and the top end of the box in pixels.
    """
    scale = warp.beside([max(side - 1, 1) for side in reversed(frame)], place)
    extent = warp.beside([side - 1 for side in reversed(size)], place)
    shift = (2 * place + extent) / scale - 1
    turn = repeat(torch.diag_embed(extent / scale), "i j -> b i j", b=len(place))
    return torch.cat([turn, rearrange(shift, "b i -> b i 1")], dim=2)


@torch.no_grad()
def agreement(
    target: Float[Tensor, "b 3 h w"],
    target_mask: Float[Tensor, "b 1 h w"],
    references: Float[Tensor, "b n 3 h w"],
    reference_masks: Float[Tensor, "b n 1 h w"],
    theta: Float[Tensor, "b n 2 3"],
) -> Float[Tensor, "b n 1 h w"]:
    """How far each reference, warped by theta (corner coordinates), can be believed at each pixel: LEFT to 1.

    1: it agrees with the target around the pixel on what both show. No gradient flows back, or an aligner could learn
    to be believed.
    """
    n, height, width = references.shape[1], *target.shape[-2:]
    frame, mask = affine.resize(target, target_mask, COARSE)
    frames, masks = (rearrange(x, "b n c h w -> (b n) c h w") for x in (references, reference_masks))
    frames, masks = affine.resize(frames, masks, COARSE)
    maps = affine.corners_to_edges(rearrange(theta, "b n i j -> (b n) i j"), height, width)
    warped = affine.warp_edges(torch.cat([frames, 1 - masks], dim=1), maps)
    frame, mask = (repeat(x, "b c h w -> (b n) c h w", n=n) for x in (frame, mask))
    both = (warped[:, 3:] > 0.999).to(frame.dtype) * (1 - mask)
    gap = reduce((warped[:, :3] - frame).abs(), "b c h w -> b 1 h w", "mean") * both
    everywhere = (gap.sum((1, 2, 3), keepdim=True) + FAITH) / (both.sum((1, 2, 3), keepdim=True) + 1)
    # Far from everything that both show, the mean of the whole frame decides.
    near = (around(gap) + 0.01 * everywhere) / (around(both) + 0.01)
    belief = LEFT + (1 - LEFT) * torch.exp(-near / FAITH)
    belief = functional.interpolate(belief, (height, width), mode="bilinear")
    return rearrange(belief, "(b n) 1 h w -> b n 1 h w", n=n)


def around(values: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Means over a square around each pixel, taken twice; beyond the frame are zeros."""
    for _ in range(2):
        values = functional.avg_pool2d(values, 2 * NEAR + 1, stride=1, padding=NEAR)
    return values
