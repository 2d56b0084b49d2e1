"""Motion between neighbouring frames as DFVI has it: DIS flow, a membrane in its holes, and a network's completion.

The membrane is Laplace's equation, on a coarser grid (`holes/smooth.py`). The network sees eleven flows in temporal
order, of one direction; beyond an end of the clip the first or the last of them stands [code].
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.holes.smooth import complete as membrane
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import flow
from vinpaint_lib.motion.links import Link, Links, raw_flow, smooth_grey
from vinpaint_lib.systems.dfvi import network

STILL = np.eye(3)  # stands for the camera's motion, which nothing here asks for


class Begun(NamedTuple):
    """A flow (h w 2) with a membrane where it is `unknown` (h w, bool)."""

    flow: np.ndarray
    unknown: np.ndarray


def begun(src: np.ndarray, dst: np.ndarray, src_hole: np.ndarray, dst_hole: np.ndarray) -> Begun:
    """From one grey picture (h w, uint8) with a hole (h w, bool) to another."""
    raw, unknown = raw_flow(src, dst, src_hole, dst_hole)
    return Begun(membrane(raw, unknown), unknown)


@dataclass
class CompletedLinks(Links):
    """Links of the window that `chains.Trail` can follow.

    `net` completes flows; None: the membrane stays. `begins` holds, for link i, the flow to frame i + 1 and the flow
    back.
    """

    guided: bool = False
    net: nn.Module | None = None
    begins: dict[int, tuple[Begun, Begun]] = field(default_factory=dict)

    def follow(self, window: Window, near: range) -> None:
        """Make the links between the frames of `near` (numbers of frames), and drop those of frames before the window.

        The window holds all frames at most `network.MIDDLE` away from `near`, as far as the clip has them.
        """
        for kept in (self.by_index, self.greys, self.gaps, self.flows, self.begins):
            for old in [i for i in kept if i < window.indices[0]]:
                del kept[old]
        place = {index: n for n, index in enumerate(window.indices)}
        links = [i for i in window.indices if i + 1 in place]
        for i in links:
            if i not in self.begins and (self.net is not None or (i in near and i + 1 in near)):
                self.begins[i] = self.begin(window, place, i)
        for i in links:
            if i in near and i + 1 in near and i not in self.by_index:
                there, back = (self.completed(i, direction, links) for direction in (0, 1))
                self.by_index[i] = Link(there, back, STILL, STILL)
                for j in (i, i + 1):
                    self.flows.pop(j, None)

    def begin(self, window: Window, place: dict[int, int], i: int) -> tuple[Begun, Begun]:
        """The flows between frames i and i + 1, in both directions."""
        for j in (i, i + 1):
            if j not in self.greys:
                still = window.at(place[j])
                self.greys[j] = smooth_grey(still.frame, still.not_given)
                self.gaps[j] = rearrange(still.not_given, "1 h w -> h w").numpy() > 0
        ours, theirs = (self.greys[i], self.gaps[i]), (self.greys[i + 1], self.gaps[i + 1])
        return begun(ours[0], theirs[0], ours[1], theirs[1]), begun(theirs[0], ours[0], theirs[1], ours[1])

    def completed(self, i: int, direction: int, links: list[int]) -> np.ndarray:
        """The flow (h w 2) of link i, forwards (0) or back (1)."""
        here = self.begins[i][direction]
        if self.net is None or not here.unknown.any():
            return here.flow
        around = [min(max(i + k, links[0]), links[-1]) for k in range(-network.MIDDLE, network.MIDDLE + 1)]
        parts = [self.begins[j][direction] for j in around]
        start, unknown = (rearrange(x, "k h w c -> 1 k c h w") for x in stacked(parts))
        device = next(self.net.parameters()).device
        found = network.complete(self.net, start.to(device), unknown.to(device))
        made = rearrange(found, "1 xy h w -> h w xy").cpu().numpy()
        return np.where(here.unknown[..., None], made, here.flow)


def stacked(parts: list[Begun]) -> tuple[Float[Tensor, "k h w 2"], Float[Tensor, "k h w 1"]]:
    """Flows and where they are unknown, as tensors."""
    flows = torch.from_numpy(np.stack([part.flow for part in parts]))
    return flows, torch.from_numpy(np.stack([part.unknown for part in parts])[..., None]).float()


def flows_of(
    frames: Float[Tensor, "t 3 h w"], masks: Float[Tensor, "t 1 h w"], direction: int
) -> tuple[Float[Tensor, "k 2 h w"], Float[Tensor, "k 2 h w"], Float[Tensor, "k 1 h w"]]:
    """For training: DIS flow of neighbouring true frames, the same with a membrane in its holes, and where it has one.

    `direction` 0: from each frame to the next; 1: from each frame but the first to the one before.
    """
    greys = [flow.to_grey(frame) for frame in frames]
    gaps = rearrange(masks, "t 1 h w -> t h w").numpy() > 0
    true, begins = [], []
    for i in range(len(frames) - 1):
        src, dst = (i, i + 1) if direction == 0 else (i + 1, i)
        raw, unknown = raw_flow(greys[src], greys[dst], gaps[src], gaps[dst])
        true.append(raw)
        begins.append(Begun(membrane(raw, unknown), unknown))
    wanted, start, gap = (
        rearrange(x, "k h w c -> k c h w") for x in (torch.from_numpy(np.stack(true)), *stacked(begins))
    )
    return wanted, start, gap
