"""Flow propagation of one frame (the step of DFVI, CVPR 2019): each missing pixel from the nearest frame that shows it.

The baseline `flow` puts these pixels into the hole, and so does the first guess of a network (`first_guess.py`). The
nearer of past and future wins. At equal distance the chain with less doubt wins (`chains.Trail`).
"""

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float

from vinpaint_lib.holes.box import Box
from vinpaint_lib.holes.smooth import telea
from vinpaint_lib.interface import Still, Window
from vinpaint_lib.motion import chains
from vinpaint_lib.motion.links import Links

REACH = 24  # frames that a chain follows at most, into the past and into the future


class Propagated(NamedTuple):
    """What chains of flow find for the pixels of a box: RGB in [0, 1], and the trust of the chain.

    trust 0: no frame shows the pixel, or it is not missing; else as `chains.trusted`
    """

    colour: Float[np.ndarray, "h w 3"]
    trust: Float[np.ndarray, "h w"]

    @property
    def seen(self) -> Bool[np.ndarray, "h w"]:
        """The missing pixels that another frame shows."""
        return self.trust > 0


def propagate(
    window: Window, target: int, box: Box, links: Links, views: chains.Views, reach: int, most: float = np.inf
) -> Propagated:
    """Follow the missing pixels of `box` in frame `target` (an index of the clip) through at most `reach` frames.

    `links` hold the motion between the window's frames (`Links.update`), made without `guided`. A pixel is followed as
    long as the flow back misses the place that it came from by at most `most` pixels.
    """
    place = {index: n for n, index in enumerate(window.indices)}
    wanted = (window.at(place[target]).mask[0][box.slices].numpy() > 0).ravel()
    colour = np.zeros((wanted.size, 3), np.float32)
    cost, trust = np.full(wanted.size, np.inf, np.float32), np.zeros(wanted.size, np.float32)
    for direction in (-1, 1):
        trail = chains.Trail(links, chains.Walk("flow", direction), target, box, reach, window.indices)
        trail.keep(np.flatnonzero(wanted))
        before = trail.doubt
        for index in trail:
            distance = abs(index - target)
            # A pixel that has a nearer source is followed no further.
            trail.keep(np.flatnonzero((cost[trail.pixels] >= distance) & (trail.doubt - before <= most)))
            before = trail.doubt
            if not len(trail.pixels):
                break
            view = views.of(window, place[index])
            # The distance in frames decides. The chain's doubt, pressed below 1, orders sources of equal distance.
            here = distance + trail.doubt / (1 + trail.doubt)
            seen = views.on.clear(view.hidden, trail.x, trail.y)
            better = np.flatnonzero(seen & (here < cost[trail.pixels]))
            pixels = trail.pixels[better]
            colour[pixels] = views.on.cubic(view.colour, trail.x[better], trail.y[better])
            cost[pixels] = here[better]
            trust[pixels] = chains.trusted(trail.doubt[better], distance, views.on)
    return Propagated(colour.reshape(*box.size, 3), trust.reshape(box.size))


def completed(
    still: Still, box: Box | None, colour: Float[np.ndarray, "h w 3"], seen: Bool[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "hf wf 3"], Bool[np.ndarray, "hf wf"]]:
    """The frame with the `seen` colours in its hole, which lies inside of `box`, and Telea's method for the rest.

    The second result says which pixels are left to Telea's method. Without a box the frame has no hole.
    """
    hole = rearrange(still.mask, "1 h w -> h w").numpy() > 0
    frame = rearrange(still.frame, "c h w -> h w c").numpy() * ~hole[..., None]
    if box is not None:
        rows, columns = box.slices
        take = seen & hole[rows, columns]
        frame[rows, columns][take] = colour[take]
        hole[rows, columns][take] = False
    return telea(frame, hole), hole


def as_picture(values: Float[np.ndarray, "h w c"]) -> Float[torch.Tensor, "c h w"]:
    """Channels first, as a float32 tensor."""
    return rearrange(torch.from_numpy(values).float(), "h w c -> c h w").contiguous()
