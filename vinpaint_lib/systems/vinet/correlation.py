"""Correlation of two feature maps over all displacements of a small window, in plain torch.

VINet's flow estimators rest on it (81 channels for radius 4). The released network calls a compiled operator; this is
the same function: a mean over channels, zeros outside of the map, no normalisation.

Work      tiles of 8 x 8 positions are multiplied, as one matrix product, with the 16 x 16 positions that their
          windows cover; the 81 of 256 products that are wanted are then picked. That is three times the products of
          a loop over displacements, but matrix products are faster than sums over channels by more than that.
Memory    256 products a position instead of 81, in chunks of tiles, so that they stay few; and the windows of the
          second map, which overlap: four times as many numbers as it has.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

TILE = 8
CHUNK = 1024  # tiles at a time: about 70 MB for radius 4


def correlate(
    first: Float[Tensor, "b c h w"], second: Float[Tensor, "b c h w"], radius: int = 4, chunk: int = CHUNK
) -> Float[Tensor, "b d h w"]:
    """out[dy, dx](x) = mean over channels of first(x) * second(x + d), d from -radius to radius, dy outer, dx inner.

    (2 radius + 1)^2 channels, float32 also where autocast is on; `second` is 0 outside of itself. `chunk`, tiles at
    a time, bounds the memory of the products, not the result.
    """
    height, width = first.shape[-2:]
    below, right = -height % TILE, -width % TILE
    with torch.autocast(first.device.type, enabled=False):
        tiles = functional.pad(first.float(), (0, right, 0, below))
        tiles = rearrange(tiles, "b c (y p) (x q) -> (b y x) (p q) c", p=TILE, q=TILE)
        wide = functional.pad(second.float(), (radius, radius + right, radius, radius + below))
        side = TILE + 2 * radius
        windows = wide.unfold(2, side, TILE).unfold(3, side, TILE)
        windows = rearrange(windows, "b c y x p q -> (b y x) c (p q)")
        found = [picked(a @ b, radius) for a, b in zip(tiles.split(chunk), windows.split(chunk), strict=True)]
        result = torch.cat(found) / first.shape[1]
    rows = (height + below) // TILE
    whole = rearrange(result, "(b y x) p q d -> b d (y p) (x q)", b=len(first), y=rows)
    return whole[..., :height, :width]


def picked(products: Float[Tensor, "n 64 k"], radius: int) -> Float[Tensor, "n 8 8 d"]:
    """Of the products of a tile's positions (p, q) with all of its window, those at (p + dy, q + dx)."""
    side, reach = TILE + 2 * radius, 2 * radius + 1
    # Position (p, q) starts at p * side + q in the window, so one step in the tile is one in the window as well.
    row, column = TILE * side * side + side, side * side + 1
    count = len(products)
    strides = (TILE * TILE * side * side, row, column, side, 1)
    near = products.contiguous().as_strided((count, TILE, TILE, reach, reach), strides)
    return rearrange(near, "n p q dy dx -> n p q (dy dx)")
