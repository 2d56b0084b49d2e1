"""Chains of links: where the pixels of a frame lie in earlier and later frames, and which of these frames shows them.

A *walk* follows the target's pixels through the links of `links.py`, by flow or by homography, into the past or the
future. The first *pick* of a walk takes, for each pixel, the first frame on the way that was not missing there. A
second pick takes a frame farther away. TGF-Net (sec. B, E) uses every pick as one aligned reference.

Trust  1 = a near frame shows the pixel, and nothing contradicts the walk. The trust falls with the disagreement along
       the walk and with the distance in time, but not below 0.2; 0 = no frame shows the pixel.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from einops import rearrange

from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import warp
from vinpaint_lib.motion.links import FAR, Links

FADE = 0.03  # loss of trust per frame of distance, in units of the exponent
LATER = 4  # the second pick of a walk is at least this many frames farther from the target than the first


class Walk(NamedTuple):
    """One way through time: `by` is "flow" or "homography"; `direction` is -1 (past) or +1 (future)."""

    by: str
    direction: int

    @property
    def name(self) -> str:
        return f"{self.by} {'past' if self.direction < 0 else 'future'}"


class EarlierOutput(NamedTuple):
    """What earlier outputs of the model show along one walk: `picture` (h w 3), `age` (h w); 0 where they show nothing.

    `age` is the distance in frames from the target.
    """

    picture: np.ndarray
    age: np.ndarray


def walks(names: tuple[str, ...]) -> tuple[Walk, ...]:
    """Walks into the past and the future for each estimator, "flow" or "homography"."""
    return tuple(Walk(by, direction) for by in names for direction in (-1, 1))


WALKS = walks(("flow", "homography"))


def chain(
    links: Links, walk: Walk, target: int, box: Box, reach: int, known: set[int]
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Follow the pixels of `box` for up to `reach` frames: yields (frame index, x, y, doubt), each (h w) float32.

    The walk ends before a frame that is not in `known`, and where a link is missing. `doubt` adds up what speaks
    against the positions. By flow, each step adds the distance in pixels by which the opposite flow misses the step's
    start. By homography, each step adds a quarter of its distance from the flow there (a moving object, parallax).
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
            x, y = warp.project_arrays(totals[-1], start_x, start_y)
            doubt = doubt + np.hypot(x - before_x - moved[..., 0], y - before_y - moved[..., 1]) / 4
        yield index, x, y, doubt


def longer(links: Links, direction: int, target: int, totals: list[np.ndarray]) -> np.ndarray:
    """Homography from the target to the next frame of a walk; `totals[d]` are the homographies to the frames before.

    The last step is one far link where there is one, since its error counts once for many frames. Else it is one frame.
    """
    distance = len(totals)
    low = target + distance - FAR if direction > 0 else target - distance
    if distance >= FAR and low in links.far:
        far = links.far[low]
        return (far if direction > 0 else np.linalg.inv(far)) @ totals[distance - FAR]
    link = links.by_index[target + distance - 1 if direction > 0 else target - distance]
    return (link.forward_homography if direction > 0 else link.backward_homography) @ totals[-1]


class View(NamedTuple):
    """A frame as walks read it: its colours, and two masks.

    `colour` (h w 3). `hidden` (h w uint8): 255 where the pixel was not given. `still_open` (h w uint8): 255 where the
    frame has neither a given pixel nor an output yet; None if no output was written back. Both masks are grown by one
    pixel, so that cubic interpolation does not reach into a hole.
    """

    colour: np.ndarray
    hidden: np.ndarray
    still_open: np.ndarray | None


class Views:
    """The views of a window's frames, kept as long as the window needs them."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, bool], View] = {}  # (index in the clip, written back or not) -> view

    def of(self, window: Window, n: int) -> View:
        """The view of the window's frame `n`. It is made once, and once more after an output was written back."""
        key = (window.indices[n], bool(window.filled[n].any()))
        if key not in self.known:
            self.known = {old: view for old, view in self.known.items() if old[0] >= window.indices[0]}
            self.known[key] = frame_and_margins(window, n, key[1])
        return self.known[key]


class Search(NamedTuple):
    """A search in the frames of `window` for the pixels of `box` in frame `target` (an index of the clip).

    Each walk takes `picks` frames for every pixel. `feedback` says how outputs that were written back count. With
    "unseen" they count only where the walk finds no given pixel, and the result keeps them apart (`EarlierOutput`).
    With "all" they count like given pixels, and with "off" never.
    """

    window: Window
    target: int
    box: Box
    picks: int = 2
    feedback: str = "unseen"


def collect(
    search: Search, steps: Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]], views: Views
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], EarlierOutput]:
    """Go along the `steps` of one walk (`chain`), and take each pixel of the search from the first frames that show it.

    Returns (rgb (h w 3), trust (h w), age (h w)) for every pick, and what earlier outputs show. `age` is the distance
    in frames from the target; 0 where no frame shows the pixel.
    """
    window, target, box, picks, feedback = search
    place = {index: n for n, index in enumerate(window.indices)}
    rgb = np.zeros((picks, *box.size, 3), np.float32)
    trust, age = (np.zeros((picks, *box.size), np.float32) for _ in range(2))
    earlier = EarlierOutput(np.zeros((*box.size, 3), np.float32), np.zeros(box.size, np.float32))
    hole = window.masks[place[target], 0][box.slices].numpy() > 0
    for index, x, y, doubt in steps:
        distance = abs(index - target)
        picture, seen, written = seen_at(views.of(window, place[index]), x, y, feedback)
        for pick in range(picks):
            ready = age[pick] == 0
            if pick:
                ready &= (age[pick - 1] > 0) & (distance >= age[pick - 1] + LATER)
            new = seen & ready
            if new.any():
                rgb[pick][new] = sample_at(picture, x[new], y[new])
                trust[pick][new] = 0.2 + 0.8 * np.exp(-doubt[new] / 2 - FADE * distance)
                age[pick][new] = distance
        fresh = written & (earlier.age == 0) & (age[0] == 0)
        if fresh.any():
            earlier.picture[fresh] = sample_at(picture, x[fresh], y[fresh])
            earlier.age[fresh] = distance
        if (age[-1][hole] > 0).all():
            break
    return list(zip(rgb, trust, age, strict=True)), earlier


def seen_at(
    view: View, x: np.ndarray, y: np.ndarray, feedback: str = "off"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The frame's colours; for positions x y, whether it shows a given pixel, and whether it shows only an output.

    `feedback`: see `Search`.
    """
    # Masks are 255 at a hole and one pixel around it; 8 forgives the rounding of positions.
    outside = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT, "borderValue": 255}
    seen = cv2.remap(view.hidden, x, y, **outside) < 8
    if view.still_open is None or feedback == "off":
        return view.colour, seen, np.zeros_like(seen)
    available = cv2.remap(view.still_open, x, y, **outside) < 8
    if feedback == "all":
        return view.colour, available, np.zeros_like(seen)
    return view.colour, seen, available & ~seen


def frame_and_margins(window: Window, n: int, written_back: bool) -> View:
    """The view of the window's frame `n`."""
    kernel = np.ones((3, 3), np.uint8)
    still_open = rearrange(window.masks[n], "1 h w -> h w").numpy() > 0
    hole = still_open | (rearrange(window.filled[n], "1 h w -> h w").numpy() > 0)
    colour = np.ascontiguousarray(rearrange(window.frames[n], "c h w -> h w c").numpy())
    margins = [cv2.dilate(part.astype(np.uint8), kernel) * 255 for part in (hole, still_open)]
    return View(colour, margins[0], margins[1] if written_back else None)


def sample_at(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bicubic RGB (n 3) of a picture (h w 3) at n positions, clamped to [0, 1]."""
    count, row = len(x), 1024  # OpenCV wants maps of fewer than 32,768 rows
    pad = -count % row
    maps = [np.pad(v, (0, pad)).reshape(-1, row) for v in (x, y)]
    values = cv2.remap(picture, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return values.reshape(-1, 3)[:count].clip(0, 1)
