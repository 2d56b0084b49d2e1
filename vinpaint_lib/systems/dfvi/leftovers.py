"""What no flow reaches (DFVI, CVPR 2019): it is painted once, and carried along the flow into the frames behind.

The paper paints key frames, the first and the last of a run of frames with leftovers, and propagates again. Here
frames come in temporal order, so the first of a run is the key frame.
"""

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from vinpaint_lib.holes.box import Box
from vinpaint_lib.holes.smooth import telea
from vinpaint_lib.motion import chains
from vinpaint_lib.motion.links import Links
from vinpaint_lib.motion.propagation import as_picture
from vinpaint_lib.painting.network import Painter


class Carried(NamedTuple):
    """Colours that the frame before shows (h w 3), and where it shows them (h w, bool), inside of a box."""

    colour: Float[np.ndarray, "h w 3"]
    found: Bool[np.ndarray, "h w"]


def carried(
    before: Float[np.ndarray, "hf wf 3"],
    target: int,
    box: Box,
    wanted: Bool[np.ndarray, "h w"],
    links: Links,
    threshold: float,
) -> Carried:
    """The `wanted` pixels of `box` in frame `target`, from the completed frame before it, along the flow.

    A pixel has none where the flow leads out of the frame, or the flow back misses the pixel by more than `threshold`.
    """
    colour = np.zeros((wanted.size, 3), np.float32)
    found = np.zeros(wanted.size, bool)
    trail = chains.Trail(links, chains.Walk("flow", -1), target, box, 1, (target - 1,))
    trail.keep(np.flatnonzero(wanted.ravel()))
    if len(trail.pixels):
        for _ in trail:
            inside = links.on.clear(np.zeros(before.shape[:2], np.uint8), trail.x, trail.y)
            good = np.flatnonzero(inside & (trail.doubt <= threshold))
            pixels = trail.pixels[good]
            colour[pixels] = links.on.cubic(before, trail.x[good], trail.y[good])
            found[pixels] = True
    return Carried(colour.reshape(*box.size, 3), found.reshape(box.size))


def painted(
    frame: Float[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], painter: Painter | None
) -> Float[Tensor, "3 h w"]:
    """`frame` with its `hole` filled by the painter, or by Telea's method without one."""
    if painter is None:
        return as_picture(telea(frame, hole))
    device = next(painter.parameters()).device
    mask = rearrange(torch.from_numpy(hole).float(), "h w -> 1 h w")
    return painter.paint(as_picture(frame).to(device), mask.to(device)).cpu()
