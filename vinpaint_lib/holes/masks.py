"""Makers of holes for training and scoring, and resizing and growing of masks. Masks are exactly 0 or 1, 1 = hole.

Every maker takes (length, (height, width), rng) first and returns Float "t 1 h w" with at least one hole
pixel; the same generator state gives the same masks. Sizes and speeds are in pixels of the result.

Sources   free-form blobs: STTN (ECCV 2020) section 4 and its released generator: box height in [H/3, H-1],
          width in [W/3, W-1], 6-8 edges, ratio 0.6-0.8, speed at most 3, acceleration (3, 0.5), half of the
          clips stationary. Object silhouettes and a fixed region: TGF-Net section IV. Rectangles: VINet.
          Irregular masks: Align-and-Attend section 3.3 (`strokes.py`).
"""

import math

import cv2
import numpy as np
import torch
from einops import pack, rearrange, reduce, repeat, unpack
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import shapes, strokes
from vinpaint_lib.holes.shapes import Range, Size

MAX_SPEED = 3.0  # pixels per frame [STTN code]
ACCELERATION = (3.0, 0.5)  # largest change per frame of the speed (pixels) and of the direction (radians) [STTN code]


def stationary_blob(
    length: int, size: Size, rng: np.random.Generator, *, area: Range | None = None
) -> Float[Tensor, "t 1 h w"]:
    """One free-form blob that stays where it is. `area`: range of its share of the frame, e.g. (0.06, 0.12).

    Raises UserError for sizes below 4x4, an empty clip, or an area that no blob in a frame of this size can have.
    """
    check(length, size)
    shape = shapes.blob(size, rng, area)
    return to_masks(shapes.paste(shape, size, shapes.still_path(length, shapes.room(shape, size), rng)))


def moving_blob(
    length: int,
    size: Size,
    rng: np.random.Generator,
    *,
    area: Range | None = None,
    max_speed: float = MAX_SPEED,
    acceleration: Range = ACCELERATION,
) -> Float[Tensor, "t 1 h w"]:
    """One free-form blob of fixed shape on a random walk that bounces at the borders. `area`: see `stationary_blob`."""
    check(length, size)
    shape = shapes.blob(size, rng, area)
    path = shapes.bouncing_path(length, shapes.room(shape, size), rng, max_speed, acceleration)
    return to_masks(shapes.paste(shape, size, path))


def irregular(
    length: int, size: Size, rng: np.random.Generator, *, area: Range | None = None
) -> Float[Tensor, "t 1 h w"]:
    """Streaks, brush strokes and holes of arbitrary shape over each other, which stay where they are.

    `area`: range of their share of the frame together (None: 1 % to 60 %, as in Liu et al.). Raises UserError for sizes
    below 4x4, an empty clip, or an area that no hole of whole pixels can have.
    """
    check(length, size)
    return to_masks(repeat(strokes.irregular(size, rng, area), "h w -> t h w", t=length))


def rectangle(
    length: int,
    size: Size,
    rng: np.random.Generator,
    *,
    moving: bool = False,
    sides: Range = (0.2, 0.5),
    area: Range | None = None,
    max_speed: float = MAX_SPEED,
) -> Float[Tensor, "t 1 h w"]:
    """A still or moving rectangle. `sides`: range of its height and width, as shares of the frame's height and width.

    `area`: range of its share of the frame; if it is given, `sides` sets the aspect only. Raises UserError when no
    rectangle of whole pixels has such an area.
    """
    check(length, size)
    height, width = size
    for _ in range(shapes.TRIES):
        tall, wide = rng.uniform(*sides, size=2)
        if area is not None:  # keep the drawn aspect, take the drawn area
            tall, wide = np.array([tall, wide]) * math.sqrt(rng.uniform(*area) / (tall * wide))
        box = np.ones((max(1, round(tall * height)), max(1, round(wide * width))), np.uint8)
        if shapes.fits(box, size, area):
            free = shapes.room(box, size)
            path = (
                shapes.bouncing_path(length, free, rng, max_speed) if moving else shapes.still_path(length, free, rng)
            )
            return to_masks(shapes.paste(box, size, path))
    raise UserError(f"no rectangle of area {area} fits a {width}x{height} frame; ask for a wider range of areas")


def silhouettes(
    length: int,
    size: Size,
    rng: np.random.Generator,
    objects: Float[Tensor, "s 1 a b"],
    *,
    move: bool = False,
    scale: Range = (1.0, 1.0),
    max_speed: float = MAX_SPEED,
    allow_empty: bool = False,
) -> Float[Tensor, "t 1 h w"]:
    """The object masks of another clip as holes, resized to `size`, played back and forth when they are too short.

    `scale` is the range of one factor for the whole clip; `move` adds a bouncing walk. A scaled or moved object still
    moves as in the other clip, and is made smaller if it would not fit. A frame that is empty there may be empty here.
    Raises UserError when the whole result would be empty and `allow_empty` is not set.
    """
    check(length, size)
    if not len(objects):
        raise UserError("there are no silhouettes to play; give at least one frame of them")
    small = resize(objects, size)
    played = to_pictures(small)[shapes.back_and_forth(length, len(small))]
    if not played.any():
        if allow_empty:
            return to_masks(played)
        raise UserError("the silhouettes are empty at this size; take another clip or set allow_empty")
    if move or scale != (1.0, 1.0):
        played = shapes.carry(played, rng, rng.uniform(*scale), move, max_speed)
    return to_masks(played)


def watermark(
    length: int, size: Size, rng: np.random.Generator, *, text: str | None = None, hop: int | None = None
) -> Float[Tensor, "t 1 h w"]:
    """Letters, bare or in a rectangle or an oval, like the logo of a station.

    The logo takes a new place every `hop` frames (None: never). `text` (plain ASCII) is random when not given. Raises
    UserError for text that no font here can draw, and for a hop below 1.
    """
    check(length, size)
    if hop is not None and hop < 1:
        raise UserError(f"a watermark cannot hop every {hop} frames; use 1 or more, or leave it out")
    word = text if text is not None else "".join(rng.choice(list("ABCDEHKMNRSTVXZ"), size=rng.integers(3, 7)))
    if not word.strip() or not word.isascii():
        raise UserError(f"the watermark text {word!r} cannot be drawn; use plain letters and digits")
    mark = shapes.lettering(word, size, rng)
    every = length if hop is None else hop
    paths = [shapes.still_path(every, shapes.room(mark, size), rng) for _ in range(-(-length // every))]
    return to_masks(shapes.paste(mark, size, np.concatenate(paths)[:length]))


def border(
    length: int, size: Size, rng: np.random.Generator, *, share: Range = (0.05, 0.2), sides: str = "random"
) -> Float[Tensor, "t 1 h w"]:
    """Bars at the frame's edge, as when a video is extended to another shape (retargeting).

    `share`: range of a bar's thickness as a share of the frame's side, below 0.5. `sides`: "horizontal" (left and
    right), "vertical" (top and bottom), "all" or "random".
    """
    check(length, size)
    kinds = ("horizontal", "vertical", "all")
    kind = kinds[rng.integers(3)] if sides == "random" else sides
    if kind not in kinds or not 0 < share[0] <= share[1] < 0.5:
        raise UserError(f"border sides {sides!r}, share {share}: use {', '.join(kinds)} or random, and 0 < share < 0.5")
    height, width = size
    hole = np.ones(size, np.uint8)
    top, bottom = (0, 0) if kind == "horizontal" else shapes.bars(height, share, rng)
    left, right = (0, 0) if kind == "vertical" else shapes.bars(width, share, rng)
    hole[top : height - bottom, left : width - right] = 0
    return to_masks(repeat(hole, "h w -> t h w", t=length))


def dilate(mask: Float[Tensor, "*n h w"], radius: int) -> Float[Tensor, "*n h w"]:
    """Grow holes by `radius` passes of the 3x3 cross, that is, by all pixels within city-block distance `radius`.

    The STTN family and CPNet evaluate with radius 4 [code].
    """
    if radius < 0:
        raise UserError(f"a mask cannot be dilated by {radius}; use 0 or more pixels")
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    flat, lead = pack([mask], "* h w")
    grown = [cv2.dilate(p, cross, iterations=radius) if radius else p for p in flat.numpy().astype(np.uint8)]
    return unpack(torch.from_numpy(np.stack(grown)).to(mask.dtype), lead, "* h w")[0]


def resize(masks: Float[Tensor, "t 1 a b"], size: Size) -> Float[Tensor, "t 1 h w"]:
    """Nearest-neighbour resizing, as the official evaluators do it: the result is again exactly 0 or 1."""
    height, width = size
    pictures = to_pictures(masks)
    return to_masks(np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) for p in pictures]))


def check(length: int, size: Size) -> None:
    """Raise UserError unless there is at least one frame of at least 4x4 pixels."""
    if length < 1 or min(size) < 4:
        raise UserError(f"cannot make masks for {length} frames of {size[1]}x{size[0]}; use 1 frame and 4x4 or more")


def to_masks(pictures: UInt8[np.ndarray, "t h w"]) -> Float[Tensor, "t 1 h w"]:
    return rearrange(torch.from_numpy(pictures.astype(np.float32)), "t h w -> t 1 h w")


def to_pictures(masks: Float[Tensor, "t 1 h w"]) -> UInt8[np.ndarray, "t h w"]:
    return np.asarray(rearrange(masks, "t 1 h w -> t h w").numpy() > 0.5).astype(np.uint8)


def shrink_mask(mask: Float[Tensor, "b 1 h w"], factor: int, how: str = "max") -> Float[Tensor, "b 1 hs ws"]:
    """The mask at 1/factor: with "max" a cell is hole if any of its pixels is hole; with "nearest" one pixel decides.

    TGF-Net does not say which. Our choice is "max", since nothing of the hole then leaks into the known features.
    """
    if how == "max":
        return reduce(mask, "b 1 (h fh) (w fw) -> b 1 h w", "max", fh=factor, fw=factor)
    return functional.interpolate(mask, scale_factor=1 / factor, mode="nearest")
