"""Chains of links: where the pixels of a frame lie in earlier and later frames, and which of these frames shows them.

A *walk* follows the target's pixels through the links of `links.py`, by flow or by homography, into the past or the
future. The first *pick* of a walk takes, for each pixel, the first frame on the way that was not missing there. A
second pick takes a frame farther away. TGF-Net (sec. B, E) uses every pick as one aligned reference.

Trust  1 = a near frame shows the pixel, and nothing contradicts the walk. The trust falls with the disagreement along
       the walk and with the distance in time, but not below 0.2; 0 = no frame shows the pixel.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from einops import rearrange
from torch import Tensor

from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Still, Window
from vinpaint_lib.motion import warp
from vinpaint_lib.motion.links import FAR, Links
from vinpaint_lib.motion.sampling import CPU, Array, BackEnd

FADE = 0.03  # loss of trust per frame of distance, in units of the exponent
LATER = 4  # the second pick of a walk is at least this many frames farther from the target than the first
CROWDED = 0.8  # once a smaller share of the followed pixels still needs a pick, the others are dropped


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

    picture: Array
    age: Array


def walks(names: tuple[str, ...]) -> tuple[Walk, ...]:
    """Walks into the past and the future for each estimator, "flow" or "homography"."""
    return tuple(Walk(by, direction) for by in names for direction in (-1, 1))


WALKS = walks(("flow", "homography"))


class Trail:
    """The pixels of `box` on their way through up to `reach` frames; iterated, it gives the index of each one reached.

    Then `x`, `y` (n) are the positions of the n pixels there, and `pixels` (n) says which pixels of the box these are,
    counted row by row. `doubt` (n) adds up what speaks against the positions. By flow, each step adds the distance in
    pixels by which the opposite flow misses the step's start. By homography, each step adds a quarter of its distance
    from the flow there (a moving object, parallax).

    The trail ends before a frame that is not in `known`, and where a link is missing.
    """

    def __init__(self, links: Links, walk: Walk, target: int, box: Box, reach: int, known: Collection[int]) -> None:
        self.links, self.walk, self.target, self.reach, self.known = links, walk, target, reach, known
        y, x = (grid.ravel().astype(np.float32) for grid in np.mgrid[box.top : box.bottom, box.left : box.right])
        self.x, self.y = links.on.array(x), links.on.array(y)
        self.start = (self.x, self.y) if walk.by == "homography" else ()
        self.doubt = links.on.zeros(len(x))
        self.pixels = links.on.array(np.arange(len(x)))
        self.ahead: Array | None = None  # flows (n 4) at the positions, where the last step has looked them up

    def keep(self, chosen: Array) -> None:
        """Follow only the pixels at the places `chosen` (k) of `pixels` from now on."""
        self.pixels, self.doubt = self.pixels[chosen], self.doubt[chosen]
        self.x, self.y = self.x[chosen], self.y[chosen]
        self.start = tuple(part[chosen] for part in self.start)
        self.ahead = None if self.ahead is None else self.ahead[chosen]

    def __iter__(self) -> Iterator[int]:
        links, direction = self.links, self.walk.direction
        there, back = (slice(2, 4), slice(0, 2)) if direction > 0 else (slice(0, 2), slice(2, 4))
        totals = [np.eye(3)]
        for distance in range(1, self.reach + 1):
            index = self.target + direction * distance
            if min(index, index - direction) not in links.by_index or index not in self.known:
                return
            flows = self.ahead
            if flows is None:
                flows = links.on.linear(links.flows_at(index - direction), self.x, self.y)
            u, v = flows[:, there].T
            if self.walk.by == "flow":
                self.x, self.y = self.x + u, self.y + v
                self.ahead = links.on.linear(links.flows_at(index), self.x, self.y)
                back_u, back_v = self.ahead[:, back].T
                self.doubt = self.doubt + length(u + back_u, v + back_v)
            else:
                totals.append(longer(links, direction, self.target, totals))
                before_x, before_y = self.x, self.y
                self.x, self.y = warp.project_arrays(totals[-1], *self.start)
                self.doubt = self.doubt + length(self.x - before_x - u, self.y - before_y - v) / 4
            yield index


def trusted(doubt: Array, distance: int, on: BackEnd) -> Array:
    """The trust of pixels that were found at that distance in frames, by trails with that doubt: 0.2 to 1."""
    return 0.2 + 0.8 * on.exp(-doubt / 2 - FADE * distance)


def length(u: Array, v: Array) -> Array:
    """Lengths of vectors."""
    return (u * u + v * v) ** 0.5


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
    """A frame as walks read it: its colours, and two masks, in the form of the back end (`BackEnd.hold`).

    `colour` (h w 3). `hidden` (h w): 255 where the pixel was not given. `still_open` (h w): 255 where the frame has
    neither a given pixel nor an output yet; None if no output was written back. Both masks are grown by one pixel, so
    that cubic interpolation does not reach into a hole.
    """

    colour: Array
    hidden: Array
    still_open: Array | None


class Views:
    """The views of a window's frames, kept as long as the window needs them."""

    def __init__(self, on: BackEnd = CPU) -> None:
        self.on = on
        # Index in the clip -> what was written back (`Window.filled`), whether that is anything, and the view.
        self.known: dict[int, tuple[Tensor, bool, View]] = {}

    def of(self, window: Window, n: int) -> View:
        """The view of the window's frame `n`. It is made once, and once more after an output was written back."""
        index, still = window.indices[n], window.at(n)
        filled, written, view = self.known.get(index, (None, False, None))
        if view is None or filled is not still.filled:
            before, written = written, bool(still.filled.numpy().any())
            if view is None or written != before:
                view = view_of(still, written, self.on)
            self.known = {old: kept for old, kept in self.known.items() if old >= window.indices[0]}
            self.known[index] = (still.filled, written, view)
        return view


def view_of(still: Still, written_back: bool, on: BackEnd = CPU) -> View:
    """The view of one frame of a window."""
    kernel = np.ones((3, 3), np.uint8)
    still_open = rearrange(still.mask, "1 h w -> h w").numpy() > 0
    hole = still_open | (rearrange(still.filled, "1 h w -> h w").numpy() > 0)
    hidden, opened = (on.hold(cv2.dilate(part.astype(np.uint8), kernel) * 255) for part in (hole, still_open))
    return View(on.hold(rearrange(still.frame, "c h w -> h w c").numpy()), hidden, opened if written_back else None)


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


class Found(NamedTuple):
    """What `collect` finds, for each pick: colours (p 3 h w), trust (p 1 h w), age (p 1 h w).

    `age` is the distance in frames from the target; all are 0 where no frame shows the pixel.
    """

    frames: Array
    trust: Array
    age: Array


def collect(search: Search, trail: Trail, views: Views, found: Found) -> EarlierOutput:
    """Follow the `trail`, and take each pixel of the search from the first frames that show it.

    The result goes into `found`, which holds zeros before. Returns what earlier outputs show. A pixel that has all of
    its picks is followed no further.
    """
    window, target, box, picks, feedback = search
    on = views.on
    place = {index: n for n, index in enumerate(window.indices)}
    frames, trust, age = (rearrange(part, "p c h w -> p c (h w)") for part in found)
    written_picture, written_age = on.zeros(len(trail.pixels), 3), on.zeros(len(trail.pixels))
    # Of each pixel that is followed: how many picks it has, and the smallest distance of its next pick.
    made, due = on.zeros(len(trail.pixels)), on.zeros(len(trail.pixels))
    hole = on.array((window.at(place[target]).mask[0][box.slices].numpy() > 0).ravel())
    rest = on.nonzero(due == 0)
    for index in trail:
        distance = abs(index - target)
        view = views.of(window, place[index])
        ready = on.nonzero(due <= distance)
        seen, written = seen_at(view, trail.x[ready], trail.y[ready], feedback, on)
        new = ready[on.nonzero(seen)]
        for pick in range(picks):
            chosen = new[on.nonzero(made[new] == pick)]
            if not len(chosen):
                continue
            pixels = trail.pixels[chosen]
            colours = on.cubic(view.colour, trail.x[chosen], trail.y[chosen])
            for channel in range(3):
                frames[pick, channel][pixels] = colours[:, channel]
            trust[pick, 0][pixels] = trusted(trail.doubt[chosen], distance, on)
            age[pick, 0][pixels] = distance
        if written is not None:
            fresh = ready[on.nonzero(written)]
            fresh = fresh[on.nonzero((made[fresh] == 0) & (written_age[trail.pixels[fresh]] == 0))]
            pixels = trail.pixels[fresh]
            written_picture[pixels] = on.cubic(view.colour, trail.x[fresh], trail.y[fresh])
            written_age[pixels] = distance
        if len(new):
            made[new] += 1
            due[new] = distance + LATER
            due[made == picks] = np.inf
            rest = on.nonzero(made < picks)
        if not hole[rest].any():
            break
        if len(rest) < CROWDED * len(made):
            trail.keep(rest)
            made, due, hole = made[rest], due[rest], hole[rest]
            rest = on.nonzero(due < np.inf)
    return EarlierOutput(written_picture.reshape(*box.size, 3), written_age.reshape(*box.size))


def seen_at(view: View, x: Array, y: Array, feedback: str = "off", on: BackEnd = CPU) -> tuple[Array, Array | None]:
    """For positions x y (n): whether the frame shows a given pixel (n), and whether it shows only an output (n).

    The second is None where outputs do not count apart. `feedback`: see `Search`.
    """
    if view.still_open is None or feedback == "off":
        return on.clear(view.hidden, x, y), None
    available = on.clear(view.still_open, x, y)
    if feedback == "all":
        return available, None
    seen = on.clear(view.hidden, x, y)
    return seen, available & ~seen
