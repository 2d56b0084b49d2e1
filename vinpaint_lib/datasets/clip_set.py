"""The interface of every data set, `ClipSet`: numbered clips, which are chosen by number, by name or at random.

A `ClipSet` is plain data and can be sent to worker processes. It reads frames when a clip is loaded, never before.
`draw_stretch` takes a random stretch of a random clip for training.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.datasets import bars
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import Clip

Size = tuple[int, int]  # (height, width)


class TrueFlow(NamedTuple):
    """Motion t -> t+1 that a data set knows, in pixels at the size that was asked for; channel 0 = x.

    known: 1 where the flow holds. covered: 1 where frame t+1 does not show the pixel; None where the set does not say
    which pixels these are. name: whose flow it is, in words for tables.
    """

    forward: Float[Tensor, "p 2 h w"]
    known: Float[Tensor, "p 1 h w"]
    covered: Float[Tensor, "p 1 h w"] | None
    name: str


class ClipSet:
    """A numbered set of clips. Subclasses define __len__, name, frames, size, describe and read; the rest uses them."""

    def __len__(self) -> int:
        raise NotImplementedError

    def name(self, i: int) -> str:
        """The clip's name; names need not be unique."""
        raise NotImplementedError

    def frames(self, i: int) -> int:
        """How many frames clip i has."""
        raise NotImplementedError

    def size(self, i: int) -> Size:
        """(height, width) of clip i as it is stored."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What identifies the content of the set, as plain JSON values; the path of its folder is not part of this."""
        raise NotImplementedError

    def read(self, i: int, size: Size, chosen: range) -> Clip:
        """The `chosen` frames of clip i at `size`. Called by `load`, which checks the numbers."""
        raise NotImplementedError

    def faults(self, i: int) -> list[str]:
        """What a quick look finds broken in the files of clip i: a few words for each file (`broken.py`)."""
        return []

    def true_flow(self, i: int, size: Size, chosen: range) -> TrueFlow | None:
        """Motion between neighbours of the `chosen` frames of clip i at `size`; None where the set knows none."""
        return None

    def load(
        self, i: int, size: Size | None = None, start: int = 0, length: int | None = None, stride: int = 1
    ) -> Clip:
        """Every `stride`-th frame of clip i from `start` on: `length` frames (None: all), or fewer if the clip ends.

        masks: silhouettes of the objects where the data set knows them (1 = object), else empty.
        Raises UserError for a clip or a frame that does not exist.
        """
        if not 0 <= i < len(self):
            raise UserError(f"there is no clip {i}; this source has clips 0 to {len(self) - 1}")
        count = self.frames(i)
        if not 0 <= start < count or stride < 1 or (length is not None and length < 1):
            raise UserError(
                f"{self.name(i)}: cannot take {length or 'all'} frames from frame {start} in steps of {stride}; "
                f"the clip has frames 0 to {count - 1}"
            )
        chosen = range(start, count, stride)
        return self.read(i, size or self.size(i), chosen if length is None else chosen[:length])

    def draw(self, rng: np.random.Generator) -> int:
        """The number of a random clip; all are equally likely."""
        return int(rng.integers(len(self)))

    def load_random(self, i: int, rng: np.random.Generator, *, height: int, length: int, stride: int = 1) -> Clip:
        """A random stretch of clip i at this height; the width keeps the clip's aspect, as a multiple of 8.

        The stretch is shorter than `length` if the clip is too short.
        """
        size = scaled(self.size(i), height)
        span = (length - 1) * stride + 1
        start = int(rng.integers(0, max(self.frames(i) - span, 0) + 1))
        return self.load(i, size, start, length, stride)

    @property
    def names(self) -> list[str]:
        return [self.name(i) for i in range(len(self))]

    def only(self, names: Sequence[str]) -> "ClipSet":
        """The clips with these names. Raises UserError for a name that no clip has."""
        if missing := sorted(set(names) - set(self.names)):
            raise UserError(f"no clip is called {', '.join(missing)}; the names are {listed(self.names)}")
        return Selection(self, [i for i, name in enumerate(self.names) if name in names])

    def without(self, names: Sequence[str]) -> "ClipSet":
        """All clips without these names. Raises UserError for a name that no clip has, or when nothing is left."""
        self.only(names)
        return Selection(self, [i for i, name in enumerate(self.names) if name not in names])


class Selection(ClipSet):
    """Some clips of another set; `draw` keeps their relative chances."""

    def __init__(self, source: ClipSet, chosen: Sequence[int]) -> None:
        if not chosen:
            raise UserError(f"no clip is left of {listed(source.names)}; choose fewer names")
        self.source, self.chosen = source, list(chosen)

    def __len__(self) -> int:
        return len(self.chosen)

    def name(self, i: int) -> str:
        return self.source.name(self.chosen[i])

    def frames(self, i: int) -> int:
        return self.source.frames(self.chosen[i])

    def size(self, i: int) -> Size:
        return self.source.size(self.chosen[i])

    def describe(self) -> dict[str, Any]:
        return {"kind": "selection", "of": self.source.describe(), "chosen": self.names}

    def faults(self, i: int) -> list[str]:
        return self.source.faults(self.chosen[i])

    def read(self, i: int, size: Size, chosen: range) -> Clip:
        return self.source.read(self.chosen[i], size, chosen)

    def true_flow(self, i: int, size: Size, chosen: range) -> TrueFlow | None:
        return self.source.true_flow(self.chosen[i], size, chosen)

    def draw(self, rng: np.random.Generator) -> int:
        place = {which: i for i, which in enumerate(self.chosen)}
        while (which := self.source.draw(rng)) not in place:
            pass
        return place[which]

    def load_random(self, i: int, rng: np.random.Generator, *, height: int, length: int, stride: int = 1) -> Clip:
        return self.source.load_random(self.chosen[i], rng, height=height, length=length, stride=stride)


class Mixture(ClipSet):
    """Several sets of clips, numbered one after the other. `draw` first chooses a set by weight, then a clip of it."""

    def __init__(self, sources: Sequence[ClipSet], weights: Sequence[float]) -> None:
        if len(sources) != len(weights) or not sources or min(weights) <= 0:
            raise UserError(f"the weights {list(weights)} do not fit; give each source one weight above 0")
        self.sources, self.weights = list(sources), [float(weight) for weight in weights]
        self.ends = list(accumulate(len(source) for source in sources))

    def __len__(self) -> int:
        return self.ends[-1]

    def find(self, i: int) -> tuple[ClipSet, int]:
        """The set that holds clip i, and the clip's number there."""
        which = bisect_right(self.ends, i)
        return self.sources[which], i - (self.ends[which] - len(self.sources[which]))

    def name(self, i: int) -> str:
        source, at = self.find(i)
        return source.name(at)

    def frames(self, i: int) -> int:
        source, at = self.find(i)
        return source.frames(at)

    def size(self, i: int) -> Size:
        source, at = self.find(i)
        return source.size(at)

    def describe(self) -> dict[str, Any]:
        return {"kind": "mixture", "of": [source.describe() for source in self.sources], "weights": self.weights}

    def faults(self, i: int) -> list[str]:
        source, at = self.find(i)
        return source.faults(at)

    def read(self, i: int, size: Size, chosen: range) -> Clip:
        source, at = self.find(i)
        return source.read(at, size, chosen)

    def true_flow(self, i: int, size: Size, chosen: range) -> TrueFlow | None:
        source, at = self.find(i)
        return source.true_flow(at, size, chosen)

    def draw(self, rng: np.random.Generator) -> int:
        which = int(rng.choice(len(self.sources), p=np.array(self.weights) / sum(self.weights)))
        return self.ends[which] - len(self.sources[which]) + self.sources[which].draw(rng)

    def load_random(self, i: int, rng: np.random.Generator, *, height: int, length: int, stride: int = 1) -> Clip:
        source, at = self.find(i)
        return source.load_random(at, rng, height=height, length=length, stride=stride)


def scaled(size: Size, height: int) -> Size:
    """`size` brought to `height` with its aspect kept; the width is the nearest multiple of 8, at least 8."""
    return height, max(8, round(size[1] * height / size[0] / 8) * 8)


def listed(names: Sequence[str], most: int = 12) -> str:
    """The first `most` names of a list in words, for a message."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def draw_stretch(
    source: ClipSet, rng: np.random.Generator, height: tuple[int, int], length: int, least: int, crop: Size
) -> Clip:
    """A random stretch of a random clip, at a random height and speed, sometimes mirrored or reversed.

    `height` is the range of the height in pixels, and `length` the number of frames to take. Letterbox bars are cut
    off, so that sides divide by 8. What is left must have at least `least` frames and the (height, width) of `crop`.
    Raises UserError when twenty draws find no such stretch.
    """
    for _ in range(20):
        which = source.draw(rng)
        high = int(rng.integers(height[0] // 8, height[1] // 8 + 1)) * 8
        stride = int(rng.choice([1, 1, 1, 2]))
        clip = without_bars(source.load_random(which, rng, height=high, length=length, stride=stride))
        if len(clip) >= least and clip.size[0] >= crop[0] and clip.size[1] >= crop[1]:
            break
    else:
        sides = f"{crop[0]} pixels a side" if crop[0] == crop[1] else f"{crop[1]}x{crop[0]} pixels"
        raise UserError(f"no clip of at least {least} frames and {sides} found in the training data")
    turned = [axis for axis in (-1, 0) if rng.random() < 0.5]
    frames, objects = (part.flip(turned) if turned else part for part in (clip.frames, clip.masks))
    return Clip(frames.contiguous(), objects.contiguous(), clip.fps, clip.name)


def without_bars(clip: Clip) -> Clip:
    """The clip cut to its picture, where it has letterbox bars; sides then divide by 8."""
    rows, columns = bars.picture_in(clip.frames)
    if (rows.stop - rows.start, columns.stop - columns.start) == clip.size:
        return clip
    rows, columns = bars.multiple_of(rows, 8), bars.multiple_of(columns, 8)
    return Clip(clip.frames[..., rows, columns], clip.masks[..., rows, columns], clip.fps, clip.name)
