"""Coarse alignment by chains: for every pixel of the target, the frames that show what lies there.

TGF-Net aligns each reference to the target before it groups them (sec. B, E). Here a *walk* follows the
target's pixels through the links of `motion.py`, by flow or by homography, into the past or the future, and
a *pick* takes, pixel by pixel, the first frame on the way that was not missing there. So one aligned
reference may be assembled from several frames, and each walk and pick gives one group for the fusion.

One more group, the *guess*, is never empty: what no walk met is the model's own earlier output there (sec. H),
mixed half and half with a membrane through the surroundings, or the membrane alone. It keeps its low trust and
leaves the choice to the attention. Own output alone drifts away from the hole's present edge.

Trust  1 = seen close by without contradiction, falling with the disagreement along the walk and with the distance
       in time, at least 0.2; 0 = nothing. The guess has `OWN` where an earlier output is in it, else `MEMBRANE`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from einops import rearrange

from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Window
from vinpaint_lib.motion.links import FAR, Links, transform

FADE = 0.03  # loss of trust per frame of distance, in units of the exponent
LATER = 4  # the second pick of a walk lies at least so many frames behind the first


class Walk(NamedTuple):
    """One way through time: `by` flow or homography, `direction` -1 past or +1 future."""

    by: str
    direction: int

    @property
    def name(self) -> str:
        return f"{self.by} {'past' if self.direction < 0 else 'future'}"


class EarlierOutput(NamedTuple):
    """What earlier outputs of the model show along one walk: `picture` (h w 3), `age` (h w), 0 where nothing."""

    picture: np.ndarray
    age: np.ndarray


def walks(names: tuple[str, ...]) -> tuple[Walk, ...]:
    """Walks into the past and the future for each estimator, "flow" or "homography"."""
    return tuple(Walk(by, direction) for by in names for direction in (-1, 1))


WALKS = walks(("flow", "homography"))


def chain(
    links: Links, walk: Walk, target: int, box: Box, reach: int, known: set[int]
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Follow the pixels of `box`: yields (frame index, x, y, doubt), each (h w) float32.

    `doubt` sums what speaks against the way: for a flow, by how many pixels each step failed to come back by
    the opposite flow; for a homography, a quarter of its distance from the flow there (a moving object, parallax).
    """
    y, x = np.mgrid[box.top : box.bottom, box.left : box.right].astype(np.float32)
    start_x, start_y = x, y
    doubt = np.zeros_like(x)
    totals = [np.eye(3)]
    for distance in range(1, reach + 1):
        index = target + walk.direction * distance
        link = links.by_index.get(min(index, index - walk.direction))
        if link is None or index not in known:
            return
        there, back = (link.forward, link.backward) if walk.direction > 0 else (link.backward, link.forward)
        moved = cv2.remap(there, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if walk.by == "flow":
            x, y = x + moved[..., 0], y + moved[..., 1]
            returned = cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            doubt = doubt + np.hypot(moved[..., 0] + returned[..., 0], moved[..., 1] + returned[..., 1])
        else:
            totals.append(longer(links, walk.direction, target, totals))
            before_x, before_y = x, y
            x, y = transform(totals[-1], start_x, start_y)
            doubt = doubt + np.hypot(x - before_x - moved[..., 0], y - before_y - moved[..., 1]) / 4
        yield index, x, y, doubt


def longer(links: Links, direction: int, target: int, totals: list[np.ndarray]) -> np.ndarray:
    """Homography from the target to the next frame of a walk, given those to the frames before (`totals[d]`).

    By one far link where there is one, since its error counts once for many frames; else one frame further.
    """
    distance = len(totals)
    low = target + distance - FAR if direction > 0 else target - distance
    if distance >= FAR and low in links.far:
        far = links.far[low]
        return (far if direction > 0 else np.linalg.inv(far)) @ totals[distance - FAR]
    link = links.by_index[target + distance - 1 if direction > 0 else target - distance]
    return (link.forward_homography if direction > 0 else link.backward_homography) @ totals[-1]


def collect(
    steps: Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]],
    window: Window,
    place: dict[int, int],
    links: Links,
    target: int,
    box: Box,
    picks: int,
    use_own: str,
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], EarlierOutput]:
    """Along one walk, the first (and later) frame that shows each pixel: (rgb (h w 3), trust, age) for every pick."""
    shape = (box.bottom - box.top, box.right - box.left)
    rgb = np.zeros((picks, *shape, 3), np.float32)
    trust = np.zeros((picks, *shape), np.float32)
    age = np.zeros((picks, *shape), np.float32)
    own_rgb, own_age = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    hole = window.masks[place[target], 0, box.top : box.bottom, box.left : box.right].numpy() > 0
    for index, x, y, doubt in steps:
        distance = abs(index - target)
        picture, seen, own = seen_at(window, place[index], links, x, y, use_own)
        for pick in range(picks):
            ready = age[pick] == 0
            if pick:
                ready &= (age[pick - 1] > 0) & (distance >= age[pick - 1] + LATER)
            new = seen & ready
            if new.any():
                rgb[pick][new] = sample_at(picture, x[new], y[new])
                trust[pick][new] = 0.2 + 0.8 * np.exp(-doubt[new] / 2 - FADE * distance)
                age[pick][new] = distance
        fresh = own & (own_age == 0) & (age[0] == 0)
        if fresh.any():
            own_rgb[fresh] = sample_at(picture, x[fresh], y[fresh])
            own_age[fresh] = distance
        if (age[-1][hole] > 0).all():
            break
    return list(zip(rgb, trust, age, strict=True)), EarlierOutput(own_rgb, own_age)


def seen_at(window: Window, n: int, links: Links, x: np.ndarray, y: np.ndarray, use_own: str):
    """The picture of the window's frame `n`; at positions x y, whether it shows a real pixel, or only an output."""
    key = (window.indices[n], bool(window.filled[n].any()))
    if key not in links.views:
        links.views[key] = frame_and_margins(window, n, key[1])
    colour, margin, open_margin = links.views[key]
    outside = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT, "borderValue": 255}
    seen = cv2.remap(margin, x, y, **outside) < 8
    if open_margin is None or use_own == "off":
        return colour, seen, np.zeros_like(seen)
    available = cv2.remap(open_margin, x, y, **outside) < 8
    return (colour, available, np.zeros_like(seen)) if use_own == "all" else (colour, seen, available & ~seen)


def frame_and_margins(window: Window, n: int, written_back: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Colours (h w 3) of a frame, where it is not given (h w, 255), and where it is still open if it was written back.

    Both carry one pixel of margin, so that cubic interpolation does not reach into a hole.
    """
    kernel = np.ones((3, 3), np.uint8)
    still_open = rearrange(window.masks[n], "1 h w -> h w").numpy() > 0
    hole = still_open | (rearrange(window.filled[n], "1 h w -> h w").numpy() > 0)
    colour = np.ascontiguousarray(rearrange(window.frames[n], "c h w -> h w c").numpy())
    margins = [cv2.dilate(part.astype(np.uint8), kernel) * 255 for part in (hole, still_open)]
    return colour, margins[0], margins[1] if written_back else None


def sample_at(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bicubic RGB (n 3) of a picture (h w 3) at n positions, clamped to [0, 1]."""
    count, row = len(x), 1024  # OpenCV wants maps of fewer than 32,768 rows
    pad = -count % row
    maps = [np.pad(v, (0, pad)).reshape(-1, row) for v in (x, y)]
    values = cv2.remap(picture, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return values.reshape(-1, 3)[:count].clip(0, 1)
