"""Correlation of two feature maps over all displacements of a small window, in plain torch.

VINet's flow estimators rest on it (81 channels for radius 4). The released network calls a compiled operator; this file
computes the same function: a mean over channels, zeros outside of the map, no normalisation.

Work      A tile of 8 x 8 positions is multiplied, as one matrix product, with the 16 x 16 positions that its windows
          cover. Then 81 of the 256 products of each position are picked. A loop over displacements needs only a third
          of the products, but a matrix product is more than three times as fast as sums over channels.
Memory    256 products for each position instead of 81; tiles are taken in chunks, so that the products stay few. The
          windows of the second map overlap and hold four times as many numbers as the map.
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

    The result has (2 radius + 1)^2 channels and is float32, also under autocast; `second` counts as 0 outside of its
    border. `chunk`, the number of tiles at a time, bounds the memory of the products and does not change the result.
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
    """The products at (p + dy, q + dx), out of all products of a tile's positions (p, q) with the tile's window."""
    side, reach = TILE + 2 * radius, 2 * radius + 1
    # Position (p, q) starts at p * side + q in the window, so one step in the tile is one in the window as well.
    row, column = TILE * side * side + side, side * side + 1
    count = len(products)
    strides = (TILE * TILE * side * side, row, column, side, 1)
    near = products.contiguous().as_strided((count, TILE, TILE, reach, reach), strides)
    return rearrange(near, "n p q dy dx -> n p q (dy dx)")
