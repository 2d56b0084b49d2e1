"""Four classical methods, with which every system is compared. They have no network and learn nothing.

telea           fills each frame alone, by OpenCV's fast marching (Telea 2004)
median          takes at each pixel the median of the values that the neighbouring frames show in the same place
aligned-median  takes this median of eight frames, which homographies have carried to the target
flow            follows each missing pixel along the optical flow into the past and the future, to the nearest
                frame that shows it (the propagation of DFVI, CVPR 2019, with DIS in place of FlowNet2 and a
                membrane in place of its flow completion network)

Telea's method fills the pixels that no frame shows, from the rim of the hole inwards. The last three methods put the
pixels that they find into the frame before that. No method reads a pixel under a hole; `inpaint.py` blanks it anyway.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from vinpaint_lib.holes.box import Box, bounding_box
from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.motion import chains, warp
from vinpaint_lib.motion.links import Links, smooth_grey
from vinpaint_lib.motion.propagation import REACH, as_picture, completed, propagate

POINTS = 800  # SIFT points of a frame; the cost of matching grows with their square
GUARD = 8  # pixels; a SIFT descriptor nearer to a hole would describe its edge


class Classical(Inpainter):
    """Fills one target after another from the frames at most `reach` away; `look_around` of a subclass says how."""

    by_hole = True

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.reach = reach

    def plan(self, length: int) -> Iterator[Step]:
        for target in range(length):
            around = range(max(0, target - self.reach), min(length, target + self.reach + 1))
            yield Step((target,), tuple(i for i in around if i != target))

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Frames for the step's targets. Map `found` (k 1 h w): 1 = known or taken from another frame, 0 = Telea."""
        frames, found = [], []
        for target in step.targets:
            still = window.at(window.indices.index(target))
            box = bounding_box(still.mask)
            seen = nothing((0, 0)) if box is None else self.look_around(window, target, box, state)
            frame, open_still = completed(still, box, *seen)
            frames.append(frame)
            found.append(~open_still)
        pictures = torch.stack([as_picture(frame) for frame in frames])
        return Output(pictures, {"found": rearrange(torch.from_numpy(np.stack(found)).float(), "k h w -> k 1 h w")})

    def look_around(
        self, window: Window, target: int, box: Box, state: dict[str, Any]
    ) -> tuple[Float[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]:
        """Colours for the pixels of `box` in frame `target`, and a map of the pixels that another frame shows."""
        raise NotImplementedError


class Telea(Classical):
    """Per-frame inpainting: no other frame is read."""

    card = ModelCard("telea", "Telea per frame", "Telea: An image inpainting technique based on fast marching. 2004")

    def __init__(self) -> None:
        super().__init__(reach=0)

    def look_around(self, window, target, box, state):
        return nothing(box.size)


class TemporalMedian(Classical):
    """Median over time without alignment: right for a fixed camera, a ghost for a moving one."""

    card = ModelCard("median", "temporal median", "no paper: the oldest background estimate there is")

    def __init__(self, reach: int = 5) -> None:
        super().__init__(reach)

    def look_around(self, window, target, box, state):
        inside = (..., *box.slices)
        stills = [window.at(n) for n in range(len(window.indices))]
        colours = rearrange([still.frame[inside] for still in stills], "n c h w -> n h w c").numpy()
        not_given = torch.stack([still.not_given[inside] for still in stills])
        visible = rearrange(not_given, "n 1 h w -> n h w").numpy() == 0
        return visible_median(colours, visible)


class AlignedMedian(Classical):
    """Median of eight frames, each carried to the target by one homography between SIFT points of known parts.

    Each frame is matched with the target directly, not through its neighbours: over twenty frames a chain of matches
    drifts by many pixels, a direct match does not.
    """

    card = ModelCard("aligned-median", "homography-aligned median", "no paper: background of a panning camera")

    def __init__(self, reach: int = 24, references: int = 8) -> None:
        super().__init__(reach)
        self.references = references

    def look_around(self, window, target, box, state):
        points = state.setdefault("points", {})
        views: chains.Views = state.setdefault("views", chains.Views())
        for index in [i for i in points if i < window.indices[0]]:
            del points[index]
        place = {index: n for n, index in enumerate(window.indices)}
        chosen = spread([i for i in window.indices if i != target], self.references)
        for index in (target, *chosen):
            if index not in points:
                still = window.at(place[index])
                points[index] = sift_points(still.frame, still.not_given)
        y, x = (grid.ravel() for grid in np.mgrid[box.top : box.bottom, box.left : box.right].astype(np.float32))
        colours, visible = [np.zeros((*box.size, 3), np.float32)], [np.zeros(box.size, bool)]  # for a lone frame
        for index in chosen:
            matrix = matched_homography(points[target], points[index])
            if matrix is None:
                continue
            there = warp.project_arrays(matrix, x, y)
            view = views.of(window, place[index])
            colours.append(views.on.cubic(view.colour, *there).reshape(*box.size, 3))
            visible.append(views.on.clear(view.hidden, *there).reshape(box.size))
        return visible_median(np.stack(colours), np.stack(visible))


class FlowPropagation(Classical):
    """Fills each missing pixel from the nearest frame on its flow chain that shows it (`motion.propagation`)."""

    card = ModelCard(
        "flow",
        "DIS flow propagation",
        "Xu, Li, Zhou, Loy: Deep Flow-Guided Video Inpainting. CVPR 2019 (the propagation step)",
        choices=("DIS for FlowNet2", "flow in holes by a membrane, not by DFC-Net", "Telea for DeepFill"),
    )

    def __init__(self, reach: int = REACH) -> None:
        super().__init__(reach)

    def look_around(self, window, target, box, state):
        links: Links = state.setdefault("links", Links(guided=False))
        links.update(window)
        views: chains.Views = state.setdefault("views", chains.Views())
        found = propagate(window, target, box, links, views, self.reach)
        return found.colour, found.seen


def nothing(size: tuple[int, int]) -> tuple[Float[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]:
    """Colours and map for a box of which no other frame shows anything."""
    return np.zeros((*size, 3), np.float32), np.zeros(size, bool)


def sift_points(
    frame: Float[Tensor, "3 h w"], hole: Float[Tensor, "1 h w"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 128"]]:
    """Positions (x, y) and descriptors of at most POINTS points that lie at least GUARD pixels from the hole."""
    missing = rearrange(hole, "1 h w -> h w").numpy() > 0
    near = cv2.dilate(missing.astype(np.uint8), np.ones((2 * GUARD + 1, 2 * GUARD + 1), np.uint8))
    found, descriptors = cv2.SIFT_create(POINTS).detectAndCompute(smooth_grey(frame, hole), 255 * (1 - near))
    if not found:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    return np.array([point.pt for point in found], np.float32), descriptors


def matched_homography(
    src: tuple[np.ndarray, np.ndarray], dst: tuple[np.ndarray, np.ndarray]
) -> Float[np.ndarray, "3 3"] | None:
    """RANSAC homography from points `src` to points `dst`; None if fewer than 12 matches agree on one."""
    if min(len(src[0]), len(dst[0])) < 12:
        return None
    pairs = cv2.BFMatcher().knnMatch(src[1], dst[1], k=2)
    good = [best for best, second in pairs if best.distance < 0.75 * second.distance]
    if len(good) < 12:
        return None
    here = src[0][[match.queryIdx for match in good]]
    there = dst[0][[match.trainIdx for match in good]]
    matrix, inliers = cv2.findHomography(here, there, cv2.RANSAC, 2.0)
    return matrix if matrix is not None and inliers.sum() >= 12 else None


def spread(indices: list[int], count: int) -> list[int]:
    """At most `count` of the `indices`, evenly spread over them, the ends included."""
    if len(indices) <= count:
        return indices
    return [indices[i] for i in np.linspace(0, len(indices) - 1, count).round().astype(int)]


def visible_median(
    colours: Float[np.ndarray, "n h w 3"], visible: Bool[np.ndarray, "n h w"]
) -> tuple[Float[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]:
    """Median over n of each pixel's visible values, and a map of the pixels that have a visible value.

    Each channel has its median; for an even number of values it is the mean of the middle two.
    """
    count = visible.sum(axis=0)
    ordered = np.sort(np.where(visible[..., None], colours, np.inf), axis=0)  # hidden values go to the end
    low = np.maximum(count - 1, 0) // 2
    high = np.minimum(count // 2, len(colours) - 1)
    pick = [np.take_along_axis(ordered, i[None, ..., None], axis=0)[0] for i in (low, high)]
    seen = count > 0
    return np.where(seen[..., None], (pick[0] + pick[1]) / 2, 0).astype(np.float32), seen
