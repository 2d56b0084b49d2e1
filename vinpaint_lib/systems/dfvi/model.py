"""DFVI (Xu, Li, Zhou, Loy; CVPR 2019): complete the flow, follow it to a frame that shows the pixel, paint the rest.

`completed_links.py` makes the flow, `motion/propagation.py` follows it, `leftovers.py` paints. Without a network for
the flow nothing needs training: that form is the baseline `dfvi-membrane`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.holes.box import bounding_box
from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.motion import chains
from vinpaint_lib.motion.propagation import as_picture, propagate
from vinpaint_lib.painting.network import CONFIGS as PAINTERS, Painter
from vinpaint_lib.systems.dfvi.completed_links import CompletedLinks
from vinpaint_lib.systems.dfvi.leftovers import carried, painted
from vinpaint_lib.systems.dfvi.network import CONFIGS, MIDDLE, Config, make

CARD = ModelCard(
    name="dfvi",
    title="DFVI",
    paper="Xu, Li, Zhou, Loy: Deep Flow-Guided Video Inpainting. CVPR 2019",
    choices=(
        "flow is DIS, not FlowNet2, which needs compiled operators",
        "one stage completes flow, at the frame's size; the paper refines it twice at larger sizes, and begins with a "
        "membrane at half the size, ours at a quarter",
        "chains of flow are followed by position, and a pixel is read once where it is seen; the released code moves "
        "whole pictures from frame to frame, rounded to pixels",
        "a pixel is followed while the flow back misses by at most 3 pixels (`threshold`), the released value for "
        "fixed regions; its tool has 40, as the released weights have here",
        "at equal distance in time the chain with less doubt wins; there, the past",
        "what no flow reaches is painted in the first frame of a run and carried along; the paper also paints the "
        "last. It takes DeepFill, ours a painter of this project, or Telea's method (`leftovers`)",
        "the last frame is written; the released code leaves it away",
        "the network is trained from drawn weights, with scales and shifts; the authors' began with ImageNet's",
        "holes in training: `paper` has still rectangles; the authors' other holes are moving ones of the same kind",
        "`small`: a narrow network that corrects the membrane; chains of at most 24 frames",
    ),
)

__all__ = ["CARD", "CONFIGS", "DFVI", "Config"]

KNOWN, FOLLOWED, CARRIED, PAINTED = range(4)  # where a pixel comes from, in the map "source"


class DFVI(Inpainter):
    """Targets in temporal order. The last output is kept in `state`, so that what was painted goes along."""

    card = CARD
    multiple = 8
    feedback = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = make(config)
        self.painter = Painter(PAINTERS[config.painter]) if config.painter else None

    def plan(self, length: int) -> Iterator[Step]:
        """References are the frames within reach, and five more on either side for the flows that a network sees."""
        reach = self.config.reach + (MIDDLE if self.net is not None else 0)
        for t in range(length):
            yield Step((t,), tuple(i for i in range(max(0, t - reach), min(length, t + reach + 1)) if i != t))

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill one target.

        Maps: source (1 h w), where each pixel comes from: 0 given, 1 another frame that shows it, 2 the output before,
        3 painted; flow (2 h w), completed, to the next frame, or to the frame before at the end; begun (2 h w), the
        same with a membrane in its hole.
        """
        (target,) = step.targets
        still = window.at(window.indices.index(target))
        links: CompletedLinks = state.setdefault("links", CompletedLinks(net=self.net))
        views: chains.Views = state.setdefault("views", chains.Views())
        near = range(target - self.config.reach, target + self.config.reach + 1)
        box = bounding_box(still.mask)
        if box is None:
            state["before"] = rearrange(still.frame, "c h w -> h w c").contiguous().numpy()
            return Output(rearrange(still.frame, "c h w -> 1 c h w"), {})
        links.follow(window, near)
        rows, columns = box.slices
        hole = rearrange(still.mask, "1 h w -> h w").numpy() > 0
        source = np.where(hole, PAINTED, KNOWN)
        frame = rearrange(still.frame, "c h w -> h w c").numpy() * ~hole[..., None]
        found = propagate(window.only(near), target, box, links, views, self.config.reach, most=self.config.threshold)
        put(frame, source, box.slices, found.colour, found.seen, FOLLOWED)
        left = source[rows, columns] == PAINTED
        if "before" in state and left.any():
            earlier = carried(state["before"], target, box, left, links, self.config.threshold)
            put(frame, source, box.slices, earlier.colour, earlier.found, CARRIED)
        done = self.paint(frame, source == PAINTED)
        state["before"] = rearrange(done, "c h w -> h w c").contiguous().numpy()
        maps = {"source": rearrange(torch.from_numpy(source).float(), "h w -> 1 h w"), **flows_in(links, target)}
        return Output(rearrange(done, "c h w -> 1 c h w"), maps)

    def paint(self, frame: np.ndarray, hole: np.ndarray) -> Float[Tensor, "3 h w"]:
        """The frame (h w 3) with its hole (h w, bool) painted."""
        if not hole.any():
            return as_picture(frame)
        return painted(frame, hole, self.painter if self.config.leftovers == "painter" else None)


def put(
    frame: np.ndarray, source: np.ndarray, place: tuple[slice, slice], colour: np.ndarray, found: np.ndarray, kind: int
) -> None:
    """Write the found colours of a box into a frame, and where they come from, in place."""
    frame[place][found] = colour[found]
    source[place][found] = kind


def flows_in(links: CompletedLinks, target: int) -> dict[str, Tensor]:
    """The completed flow of a frame, and the membrane with which it began; none for a clip of one frame."""
    if target in links.by_index:
        found, start = links.by_index[target].forward, links.begins[target][0].flow
    elif target - 1 in links.by_index:
        found, start = links.by_index[target - 1].backward, links.begins[target - 1][1].flow
    else:
        return {}
    return {"flow": as_picture(np.ascontiguousarray(found)), "begun": as_picture(start)}
