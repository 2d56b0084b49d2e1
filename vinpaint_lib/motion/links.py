"""Links: the motion between neighbouring frames, estimated once and kept while the window needs it.

A `Link` joins frame i and frame i + 1. It has one homography, which is the camera's motion, and dense flow in both
directions. In the holes the flow is the camera's motion plus a smooth rest. `chains.py` joins links to longer ways.
For the camera there is also one step over `FAR` frames, since errors add up in a chain of many small steps.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.holes.smooth import complete
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import camera, flow, warp
from vinpaint_lib.motion.sampling import CPU, Array, BackEnd

GUARD = 6  # pixels around a hole whose flow is not trusted: DIS patches there still touch the hole
STRIDE = 8  # every 8th pixel votes, if the homography has to come from flow
INLIER = 2.0  # pixels; RANSAC threshold for these votes
FAR = 8  # frames


@dataclass(frozen=True)
class Link:
    """Motion between frames i and i + 1: flows (h w 2) in pixels, homographies (3 3) between pixel positions."""

    forward: np.ndarray
    backward: np.ndarray
    forward_homography: np.ndarray
    backward_homography: np.ndarray


@dataclass
class Links:
    """All links inside of the current window. Older links are dropped, so the memory depends on the window only.

    `far` holds homographies from frame i to i + FAR. With `guided`, flow in holes follows the camera's motion; without
    it, flow in holes is a plain membrane (the baseline "flow"), and `far` stays empty. `on` holds the flows that walks
    read (`flows_at`).
    """

    guided: bool = True
    on: BackEnd = CPU
    by_index: dict[int, Link] = field(default_factory=dict)
    far: dict[int, np.ndarray] = field(default_factory=dict)
    greys: dict[int, np.ndarray] = field(default_factory=dict)
    gaps: dict[int, np.ndarray] = field(default_factory=dict)
    flows: dict[int, Array] = field(default_factory=dict)

    def update(self, window: Window) -> None:
        """Add the missing links between neighbouring frames of the window, and drop all links of earlier frames.

        A hole of the input counts as not known even where an output was written back, since motion is measured on real
        pixels only.
        """
        for kept in (self.by_index, self.far, self.greys, self.gaps, self.flows):
            for old in [i for i in kept if i < window.indices[0]]:
                del kept[old]
        place = {index: n for n, index in enumerate(window.indices)}
        for i in window.indices:
            if i + 1 not in place or i in self.by_index:
                continue
            for j in (i, i + 1):
                if j not in self.greys:
                    still = window.at(place[j])
                    self.greys[j] = smooth_grey(still.frame, still.not_given)
                    self.gaps[j] = rearrange(still.not_given, "1 h w -> h w").numpy() > 0
                self.flows.pop(j, None)
            self.by_index[i] = measure(self.greys[i], self.greys[i + 1], self.gaps[i], self.gaps[i + 1], self.guided)
        for i in window.indices if self.guided else ():
            if i in self.far or not all(k in self.by_index for k in range(i, i + FAR)):
                continue
            chained = np.eye(3)
            for k in range(i, i + FAR):
                chained = self.by_index[k].forward_homography @ chained
            found = camera.homography(self.greys[i], self.greys[i + FAR], self.gaps[i], self.gaps[i + FAR], chained)
            self.far[i] = chained if found is None else found

    def flows_at(self, index: int) -> Array:
        """Flows (h w 4) from frame `index` to the frame before (x, y) and to the frame behind (x, y), in the form of
        the back end; 0 where there is no link. OpenCV samples four channels faster than two."""
        if index not in self.flows:
            before, behind = self.by_index.get(index - 1), self.by_index.get(index)
            either = before or behind
            assert either is not None, "a frame on a walk has a link"
            joined = np.zeros((*either.forward.shape[:2], 4), np.float32)
            # The links keep views of the joined flows, so that no flow is held twice.
            if before is not None:
                joined[..., :2] = before.backward
                self.by_index[index - 1] = replace(before, backward=joined[..., :2])
            if behind is not None:
                joined[..., 2:] = behind.forward
                self.by_index[index] = replace(behind, forward=joined[..., 2:])
            self.flows[index] = self.on.hold(joined)
        return self.flows[index]


def smooth_grey(frame: Float[Tensor, "3 h w"], hole: Float[Tensor, "1 h w"]) -> np.ndarray:
    """Grey 8-bit picture whose hole is a smooth membrane: no edge of the hole is left to be tracked."""
    grey = flow.to_grey(frame)
    unknown = rearrange(hole, "1 h w -> h w").numpy() > 0
    smooth = complete(grey[..., None].astype(np.float32), unknown)[..., 0]
    return np.where(unknown, smooth.round().clip(0, 255).astype(np.uint8), grey)


def measure(
    first: np.ndarray, second: np.ndarray, first_hole: np.ndarray, second_hole: np.ndarray, guided: bool = True
) -> Link:
    """The link between two grey pictures (h w, uint8) with holes (h w, bool)."""
    forward, forward_unknown = raw_flow(first, second, first_hole, second_hole)
    backward, backward_unknown = raw_flow(second, first, second_hole, first_hole)
    matrix = camera.homography(first, second, first_hole, second_hole)
    if matrix is None:
        matrix = from_flow(forward, forward_unknown)
    inverse = np.linalg.inv(matrix)
    if not guided:
        return Link(complete(forward, forward_unknown), complete(backward, backward_unknown), matrix, inverse)
    forward = complete_beside(forward, forward_unknown, matrix)
    return Link(forward, complete_beside(backward, backward_unknown, inverse), matrix, inverse)


def raw_flow(
    src: np.ndarray, dst: np.ndarray, src_hole: np.ndarray, dst_hole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """DIS flow (h w 2) from `src` to `dst`, and where it cannot be trusted (h w, bool)."""
    raw = flow.dis_grey(src, dst)
    height, width = src.shape
    kernel = np.ones((2 * GUARD + 1, 2 * GUARD + 1), np.uint8)
    # A pixel that lands in the other frame's hole was matched to nothing real.
    landing = cv2.dilate(dst_hole.astype(np.uint8), kernel)
    x, y = raw[..., 0] + np.arange(width, dtype=np.float32), raw[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    lands = cv2.remap(landing, x, y, cv2.INTER_NEAREST, borderValue=0) > 0
    return raw, lands | (cv2.dilate(src_hole.astype(np.uint8), kernel) > 0)


def complete_beside(raw: np.ndarray, unknown: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Flow (h w 2) whose unknown pixels have the motion of the homography plus a membrane.

    The membrane continues the difference between the known flow around and the homography.
    """
    height, width = unknown.shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    camera_x, camera_y = warp.project_arrays(matrix, x, y)
    camera_flow = np.stack([camera_x - x, camera_y - y], -1)
    gap = np.flatnonzero(unknown)
    result, rest, beside = (
        x.reshape(height * width, 2) for x in (raw.copy(), complete(raw - camera_flow, unknown), camera_flow)
    )
    result[gap] = rest[gap] + beside[gap]
    return result.reshape(height, width, 2)


def from_flow(raw: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Homography (3 3) fitted to the known flow; the identity if too few pixels vote."""
    height, width = unknown.shape
    y, x = np.mgrid[0:height:STRIDE, 0:width:STRIDE].astype(np.float32)
    voters = ~unknown[::STRIDE, ::STRIDE]
    start = np.stack([x, y], -1)[voters]
    matrix = camera.fit(start, start + raw[::STRIDE, ::STRIDE][voters], INLIER)
    return np.eye(3) if matrix is None else matrix
