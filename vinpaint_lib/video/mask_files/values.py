"""What the values of mask pictures mean: planes of 0 to 255, and from which value on a plane is hole.

Grey is hole from half of its range up, so that the noise of JPEG and of video compression, and soft edges, do not
become hole. Flat grey areas of a lossless file that are darker than that are labels, as segmentation tools number them;
then everything but 0 is hole. A file with 0 and 1 alone is one of these.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vinpaint_lib.video.sources import DEEP_GREY, eight_bit

HALF = 128
COLOURED = 64  # smallest difference between channels of a coloured pixel; compression leaves less on grey
SOFT_SHARE = 0.2  # the soft edges of a silhouette stay well below this share; a mask in half grey comes near 1
# Labels are flat. Of neighbours that are both above 0, few differ; a photograph or noise has most of them differ, and a
# soft edge has small steps everywhere.
RESTLESS, RESTLESS_BESIDE_WHITE, FLAT_SHARE, FEW_LEVELS, SMALL_STEP = 0.5, 0.1, 0.05, 32, 2
NOISE = 8  # the highest value that compression leaves where black was


class Plane(NamedTuple):
    """One mask picture, 0 to 255: `value` from grey, colour or index, `alpha` if the file has an alpha channel."""

    value: UInt8[np.ndarray, "h w"]
    alpha: UInt8[np.ndarray, "h w"] | None


def picture_plane(picture: Image.Image) -> Plane:
    """A picture of any usual kind as values 0 .. 255."""
    if picture.mode == "P" and not greys_from_white(picture):
        return Plane((np.asarray(picture) != 0).astype(np.uint8) * 255, None)
    if picture.mode.startswith(DEEP_GREY):
        grey = np.asarray(picture)
        # Some files with the values 0/1 or 0/255 are saved with 16 bits.
        small = np.issubdtype(grey.dtype, np.integer) and grey.max(initial=0) <= 255
        # A low label of many must not be rounded to 0.
        return Plane(grey.clip(0).astype(np.uint8) if small else np.maximum(eight_bit(grey), grey > 0), None)
    if picture.mode in ("1", "L"):
        return Plane(np.asarray(picture.convert("L")), None)
    if "A" in picture.getbands():
        array = np.asarray(picture.convert("RGBA"))
        return Plane(painted(array[..., :3]), array[..., 3])
    return Plane(painted(np.asarray(picture.convert("RGB"))), None)


def painted(picture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """Grey as it is; 255 for a pixel whose channels differ clearly, since label colours of DAVIS are as dark as 64."""
    low, high = picture.min(axis=-1), picture.max(axis=-1)
    return np.where(high - low >= COLOURED, np.uint8(255), high)


def greys_from_white(picture: Image.Image) -> bool:
    """Whether an indexed picture uses grey only and its palette begins with white, as some editors sort it."""
    palette = np.asarray(picture.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    if len(palette) == 0 or palette[0].min() < HALF:
        return False
    used = palette[np.unique(np.asarray(picture))]
    return bool((used.max(axis=-1) == used.min(axis=-1)).all())


def histogram(plane: UInt8[np.ndarray, "h w"]) -> np.ndarray:
    return np.bincount(plane.ravel(), minlength=256)


@dataclass
class Flatness:
    """How flat the dark parts of masks are, counted over all masks.

    pairs: neighbours that are both above 0; differ: those of them with two values; near: those that differ little.
    flat: pixels of 1 to 127 that begin a square of 2 x 2 of their value.
    """

    pairs: int = 0
    differ: int = 0
    near: int = 0
    flat: int = 0

    @property
    def restless(self) -> float:
        return self.differ / max(self.pairs, 1)

    def add(self, plane: UInt8[np.ndarray, "h w"]) -> None:
        """Count one mask."""
        for one, other in ((plane[:, :-1], plane[:, 1:]), (plane[:-1], plane[1:])):
            both = (one > 0) & (other > 0)
            step = np.where(both, np.maximum(one, other) - np.minimum(one, other), 0)
            self.pairs += int(both.sum())
            self.differ += int((step > 0).sum())
            self.near += int(((step > 0) & (step <= SMALL_STEP)).sum())
        first = plane[:-1, :-1]
        same = (first == plane[:-1, 1:]) & (first == plane[1:, :-1]) & (first == plane[1:, 1:])
        self.flat += int((same & (first > 0) & (first < HALF)).sum())


@dataclass
class Tally:
    """The values of all masks of a clip, one mask after another."""

    values: list[np.ndarray] = field(default_factory=list)
    alphas: list[np.ndarray] = field(default_factory=list)
    flatness: Flatness = field(default_factory=Flatness)
    has_alpha: bool = False

    def add(self, plane: Plane, lossless: bool) -> None:
        """Count one mask."""
        counts = histogram(plane.value)
        self.values.append(counts)
        self.alphas.append(counts if plane.alpha is None else histogram(plane.alpha))
        self.has_alpha = self.has_alpha or plane.alpha is not None
        if lossless and counts[1:HALF].any():
            self.flatness.add(plane.value)

    def alpha_decides(self) -> bool:
        """Whether the alpha channel is the mask: it is not the same everywhere."""
        total = np.sum(self.alphas, axis=0)
        return self.has_alpha and bool(total[:HALF].sum() > 0 and total[HALF:].sum() > 0)

    def are_labels(self) -> bool:
        """Whether the values number areas, so that everything but 0 is hole."""
        total, flatness = np.sum(self.values, axis=0), self.flatness
        levels = np.flatnonzero(total)
        peak, dark = int(levels[-1]), total[1:HALF]
        if peak == 1:
            return True
        if not total[0] or not dark.any():
            return False
        if peak < HALF:
            return flatness.restless < RESTLESS and not self.soft()
        return bool(dark[NOISE:].any()) and self.flat_beside_white()

    def faint(self) -> bool:
        """Whether a file that has white, too, has flat areas of the lowest values: labels, or what noise leaves."""
        total = np.sum(self.values, axis=0)
        return bool(total[0] and total[HALF:].any() and not total[NOISE + 1 : HALF].any()) and self.flat_beside_white()

    def flat_beside_white(self) -> bool:
        """Whether a good part of what is above 0 is dark and flat."""
        flat = self.flatness.flat / max(np.sum(self.values, axis=0)[1:].sum(), 1)
        return bool(flat >= FLAT_SHARE) and self.flatness.restless < RESTLESS_BESIDE_WHITE and not self.soft()

    def soft(self) -> bool:
        """Whether there are many values, and mostly small steps between them."""
        levels = np.count_nonzero(np.sum(self.values, axis=0))
        return bool(levels > FEW_LEVELS) and self.flatness.near >= self.flatness.differ / 2


def lint_values(path: Path, total: np.ndarray, threshold: int, faint: bool) -> list[str]:
    """A sentence if values are taken for labels, or might be (`faint`), or if too many are half grey (64 to 191).

    The number of half-grey ones is compared with the number of painted pixels, which is the smaller of two counts:
    values from 64 up, and values below 192.
    """
    if threshold == 1:
        labels = [str(value) for value in np.flatnonzero(total)[1:]]
        if labels in (["1"], []):
            return []
        shown = ", ".join(labels[:4]) + (", ..." if len(labels) > 4 else "")
        return [
            f"{path}: its flat greys ({shown}) are taken for labels, and everything but 0 is hole; if that is wrong, "
            "save holes white and all else black"
        ]
    if faint:
        return [
            f"{path}: areas of the values 1 to {np.flatnonzero(total[:HALF])[-1]} count as known, since hole begins at "
            f"{HALF} where there is white; if they are labels, save holes white"
        ]
    soft, painted = total[64:192].sum(), min(total[64:].sum(), total[:192].sum())
    if painted == 0 or soft / painted < SOFT_SHARE:
        return []
    return [
        f"{path}: {soft / painted:.0%} of what is painted is half grey (64 to 191 of 255); from 128 up it counts as "
        "hole, below as known: save the mask in black and white"
    ]
