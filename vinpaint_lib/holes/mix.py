"""A mix of holes for training: kinds by name, each with its share, and one drawn for each sample.

Sources   blobs: STTN (ECCV 2020). Silhouettes of objects and a fixed region like a watermark: TGF-Net section IV.
          Silhouettes: Align-and-Attend section 3.3. Irregular: Liu et al. 2018, for single pictures. Rectangles: VINet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks, outlines, shapes
from vinpaint_lib.holes.shapes import Range, Size

STILL = ("blob", "object", "rectangle", "watermark", "irregular")
MOVING = ("moving blob", "moving object", "moving rectangle")
KINDS = (*STILL, *MOVING)
OBJECTS = ("object", "moving object")  # kinds that need outlines
USUAL_AREA = (0.03, 0.3)  # of kinds that have no range of their own, where none is given


@dataclass(frozen=True)
class Ranges:
    """How large and how fast the holes are.

    area    share of the frame that is missing; None: each kind's own range (a blob's is STTN's, which is large)
    moving  the same for holes that move; None: `area`
    speed   range of the largest speed of a moving hole, pixels per frame
    """

    area: Range | None
    moving: Range | None = None
    speed: Range = (1.0, 9.0)


class Drawn(NamedTuple):
    """The kind of a hole, and its masks."""

    kind: str
    masks: Float[Tensor, "t 1 h w"]


def check(mix: Mapping[str, float]) -> None:
    """Raise UserError for a mix that is empty, names an unknown kind, or has a share that is not above 0."""
    if not mix:
        raise UserError(f"holes: the mix is empty; give shares of {', '.join(KINDS)}")
    for kind, share in mix.items():
        if kind not in KINDS:
            raise UserError(f"holes: {kind!r} is no kind of hole; use {', '.join(KINDS)}")
        if not 0 < share < float("inf"):
            raise UserError(f"holes: {kind} has the share {share}; give a number above 0, or leave it out")


def parse(text: str) -> dict[str, float]:
    """A mix in words, as in "blob, moving object*2": kinds with commas, with *SHARE behind one that counts more.

    Raises UserError as `check`, and for a share that is no number.
    """
    found: dict[str, float] = {}
    for item in text.split(","):
        kind, star, share = (part.strip() for part in item.partition("*"))
        if kind not in KINDS:
            raise UserError(f"holes: {kind!r} is no kind of hole; use {', '.join(KINDS)}")
        if kind in found:
            raise UserError(f"holes: {kind} is named twice; give it one share")
        try:
            found[kind] = float(share) if star else 1.0
        except ValueError:
            raise UserError(f"holes: {item.strip()!r} has no number behind the star; write KIND*SHARE") from None
    check(found)
    return found


def needs_outlines(mix: Mapping[str, float]) -> bool:
    """Whether a kind of the mix is cut from outlines of objects."""
    return any(kind in mix for kind in OBJECTS)


def draw(
    mix: Mapping[str, float],
    length: int,
    size: Size,
    rng: np.random.Generator,
    ranges: Ranges,
    squares: UInt8[np.ndarray, "k s s"] | None = None,
) -> Drawn:
    """A hole for `length` neighbouring frames, of a kind that is drawn by its share.

    `squares` are stored outlines (`outlines.stored`), for kinds that are cut from them.
    """
    shares = np.cumsum(list(mix.values()))
    kind = list(mix)[min(int(np.searchsorted(shares, rng.random() * shares[-1], side="right")), len(mix) - 1)]
    area = (ranges.moving or ranges.area) if kind in MOVING else ranges.area
    speed = float(rng.uniform(*ranges.speed)) if kind in MOVING else 0.0
    return Drawn(kind, of_kind(kind, length, size, rng, area, speed, squares))


def of_kind(
    kind: str,
    length: int,
    size: Size,
    rng: np.random.Generator,
    area: Range | None,
    speed: float,
    squares: UInt8[np.ndarray, "k s s"] | None,
) -> Float[Tensor, "t 1 h w"]:
    """A hole of one kind."""
    if kind == "blob":
        return masks.stationary_blob(length, size, rng, area=area)
    if kind == "moving blob":
        return masks.moving_blob(length, size, rng, area=area, max_speed=speed)
    if kind == "rectangle":
        return masks.rectangle(length, size, rng, area=area)
    if kind == "moving rectangle":
        return masks.rectangle(length, size, rng, area=area, moving=True, max_speed=speed)
    if kind == "watermark":
        return masks.watermark(length, size, rng)
    if kind == "irregular":
        return masks.irregular(length, size, rng, area=area)
    assert squares is not None, f"{kind} needs outlines of objects"
    square = squares[int(rng.integers(len(squares)))]
    shape = outlines.to_area(square, size, rng, area or USUAL_AREA)
    if kind == "object":
        return masks.to_masks(shapes.paste(shape, size, shapes.still_path(length, shapes.room(shape, size), rng)))
    frames = outlines.alive(shape, length, size, rng)
    path = shapes.bouncing_path(length, shapes.room(frames, size), rng, speed, masks.ACCELERATION)
    return masks.to_masks(shapes.paste(frames, size, path))


def swelling(masks_of: Float[Tensor, "t 1 h w"], rng: np.random.Generator, most: int = 6) -> Float[Tensor, "t 1 h w"]:
    """The holes, grown by a radius that swings between 0 and `most` pixels over 8 to 30 frames."""
    phase, period = rng.uniform(0, 6.28), rng.uniform(8, 30)
    radii = [round(most / 2 + most / 2 * np.sin(phase + 6.28 * t / period)) for t in range(len(masks_of))]
    return torch.stack([masks.dilate(mask, radius) for mask, radius in zip(masks_of, radii, strict=True)])
