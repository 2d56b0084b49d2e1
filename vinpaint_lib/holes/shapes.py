"""Shapes of holes and objects, and the paths they move along. All random numbers come from the generator `rng`.

A shape is a UInt8 "a b" picture of the box around it, 1 = inside. A path is an Int "t 2" array: the (y, x) of the box's
upper left corner in each frame.

Source    free-form outline and walk: the released generator of STTN (ECCV 2020), with the values in `masks.py`.
"""

import math

import cv2
import numpy as np
from einops import rearrange, repeat
from jaxtyping import Float, Int, UInt8

from vinpaint_lib.errors import UserError

Size = tuple[int, int]  # (height, width)
Range = tuple[float, float]

TRIES = 200


def blob(size: Size, rng: np.random.Generator, area: Range | None = None) -> UInt8[np.ndarray, "a b"]:
    """A free-form shape in a box of height [H/3, H-1] and width [W/3, W-1].

    If `area` is given, the shape is scaled to a share of the frame in this range. Raises UserError when no blob of this
    area fits.
    """
    height, width = size
    if area is not None and not 0 < area[0] <= area[1] <= 1:
        raise UserError(f"the area range {area} is not within (0, 1]; give (low, high) shares of the frame")
    for _ in range(TRIES):
        tall = int(rng.integers(math.ceil(height / 3), height))
        wide = int(rng.integers(math.ceil(width / 3), width))
        outline = bezier_outline(rng)
        shape = raster(outline, tall, wide)
        if area is not None:
            factor = math.sqrt(rng.uniform(*area) * height * width / shape.sum())
            shape = raster(outline, max(1, round(tall * factor)), max(1, round(wide * factor)))
        if fits(shape, size, area):
            return shape
    raise UserError(f"no blob of area {area} fits a {width}x{height} frame; ask for a wider or smaller range of areas")


def bezier_outline(
    rng: np.random.Generator, edges: tuple[int, int] = (6, 8), ratio: Range = (0.6, 0.8)
) -> Float[np.ndarray, "p 2"]:
    """A closed chain of cubic Bezier curves in the unit box; `edges` is the range of their number.

    The points lie on a circle, and each one is moved in or out by up to a share of the radius. `ratio` is the range of
    this share.
    """
    count = int(rng.integers(edges[0], edges[1] + 1))
    spread = rng.uniform(*ratio)
    angles = np.arange(3 * count) * (2 * math.pi / (3 * count))
    radii = rng.uniform(1 - spread, 1 + spread, size=3 * count)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
    knots = np.stack([np.roll(points, -k, axis=0)[::3] for k in range(4)])  # start, two controls, end of every edge
    u = np.linspace(0, 1, 16, endpoint=False)
    weights = np.stack([(1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u**2 * (1 - u), u**3])
    curve = rearrange(np.einsum("ku,kec->euc", weights, knots), "e u c -> (e u) c")
    return (curve - curve.min(axis=0)) / np.ptp(curve, axis=0)


def raster(outline: Float[np.ndarray, "p 2"], height: int, width: int) -> UInt8[np.ndarray, "a b"]:
    """Fill an outline of the unit box, stretched to touch all four sides of a `height` x `width` picture."""
    picture = np.zeros((height, width), np.uint8)
    corners = np.round(outline * (width - 1, height - 1)).astype(np.int32)
    return np.asarray(cv2.fillPoly(picture, [corners], 1))


def lettering(word: str, size: Size, rng: np.random.Generator) -> UInt8[np.ndarray, "a b"]:
    """`word` bare, in a rectangle or in an oval; at most 60 % of the frame's width and 40 % of its height."""
    height, width = size
    fonts = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
    font, stroke = fonts[rng.integers(3)], 4
    (wide, tall), below = cv2.getTextSize(word, font, 2.0, stroke)
    pad = 30
    canvas = np.zeros((tall + below + 2 * pad, wide + 2 * pad), np.uint8)
    cv2.putText(canvas, word, (pad, pad + tall), font, 2.0, 1, stroke)
    high, long = canvas.shape
    if (kind := rng.integers(3)) == 1:
        cv2.rectangle(canvas, (stroke, stroke), (long - stroke, high - stroke), 1, stroke)
    elif kind == 2:
        cv2.ellipse(canvas, (long // 2, high // 2), (long // 2 - stroke, high // 2 - stroke), 0, 0, 360, 1, stroke)
    shrink = min(rng.uniform(0.25, 0.6) * width / long, 0.4 * height / high)
    small = (max(1, round(long * shrink)), max(1, round(high * shrink)))
    # A stroke thinner than a pixel must not vanish: a pixel is hole if the stroke covers a quarter of it.
    mark = (cv2.resize(canvas.astype(np.float32), small, interpolation=cv2.INTER_AREA) > 0.25).astype(np.uint8)
    return mark if mark.any() else np.ones_like(mark)


def fits(shape: UInt8[np.ndarray, "a b"], size: Size, area: Range | None) -> bool:
    """Whether the box fits into the frame, and the shape's share of the frame is in the range `area`."""
    inside = shape.shape[0] <= size[0] and shape.shape[1] <= size[1]
    share = float(shape.sum()) / (size[0] * size[1])
    return inside and (area is None or area[0] <= share <= area[1])


def room(shape: UInt8[np.ndarray, "*t a b"], size: Size) -> Size:
    """How far the shape's box can be moved within the frame: the largest (y, x) of its corner."""
    return size[0] - shape.shape[-2], size[1] - shape.shape[-1]


def still_path(length: int, free: Size, rng: np.random.Generator) -> Int[np.ndarray, "t 2"]:
    """One random place within `free`, for all frames."""
    return repeat(rng.integers(0, np.add(free, 1)), "yx -> t yx", t=length)


def bouncing_path(
    length: int, free: Size, rng: np.random.Generator, max_speed: float, acceleration: Range = (0.0, 0.0)
) -> Int[np.ndarray, "t 2"]:
    """A random walk within 0 .. `free` that is reflected at both ends. Speeds are in pixels per frame.

    The speed stays in [max_speed / 3, max_speed], so that a moving shape does move. Between frames the speed changes by
    up to acceleration[0] pixels, and the direction by up to acceleration[1] radians.
    """
    place = rng.integers(0, np.add(free, 1)).astype(float)
    speed, angle = rng.uniform(max_speed / 3, max_speed), rng.uniform(0, 2 * math.pi)
    places, sign = [place], np.ones(2)
    for _ in range(length - 1):
        step = sign * speed * np.array([math.sin(angle), math.cos(angle)])
        place, turned = reflect(places[-1] + step, np.array(free, float))
        sign = np.where(turned, -sign, sign)
        places.append(place)
        speed = float(np.clip(speed + rng.uniform(-acceleration[0], acceleration[0]), max_speed / 3, max_speed))
        angle += rng.uniform(-acceleration[1], acceleration[1])
    return np.round(np.stack(places)).astype(np.int64)


def reflect(place: Float[np.ndarray, " n"], end: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], np.ndarray]:
    """Fold positions back into 0 .. end, like a ball between two walls; and whether each now moves the other way."""
    # Without any room the period would be zero. Any other period will do, since np.clip then leaves only 0.
    phase = np.mod(place, np.where(end > 0, 2 * end, 1.0))
    turned = phase > end
    return np.clip(np.where(turned, 2 * end - phase, phase), 0, end), turned


def back_and_forth(length: int, count: int) -> Int[np.ndarray, " t"]:
    """Indices 0, 1, .., count-1, count-2, .., 1, 0, 1, ..: a clip played back and forth, without repeated ends."""
    if count < 1:
        raise UserError("there is no frame to play back and forth; give at least one")
    phase = np.arange(length) % max(2 * count - 2, 1)
    return np.minimum(phase, 2 * count - 2 - phase) if count > 1 else phase * 0


def bars(side: int, share: Range, rng: np.random.Generator) -> tuple[int, int]:
    """Thickness in pixels of the bars at both ends of a side. Each bar and the gap between have at least one pixel."""
    first, last = (max(1, round(side * rng.uniform(*share))) for _ in range(2))
    return min(first, (side - 1) // 2), min(last, (side - 1) // 2)


def carry(
    pictures: UInt8[np.ndarray, "t h w"], rng: np.random.Generator, factor: float, move: bool, max_speed: float
) -> UInt8[np.ndarray, "t h w"]:
    """Scale silhouettes by one factor and place all frames together: on a random walk (`move`) or at the old centre."""
    rows, columns = (np.flatnonzero(pictures.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    length, height, width = pictures.shape
    factor = min(factor, height / (bottom - top), width / (right - left))
    new = (max(1, round((bottom - top) * factor)), max(1, round((right - left) * factor)))
    cut = [
        cv2.resize(p[top:bottom, left:right], (new[1], new[0]), interpolation=cv2.INTER_NEAREST_EXACT) for p in pictures
    ]
    free = (height - new[0], width - new[1])
    if move:
        path = bouncing_path(length, free, rng, max_speed)
    else:
        corner = np.array([(top + bottom - new[0]) // 2, (left + right - new[1]) // 2])
        path = repeat(np.clip(corner, 0, free), "yx -> t yx", t=length)
    return paste(np.stack(cut), (height, width), path)


def paste(
    shape: UInt8[np.ndarray, "a b"] | UInt8[np.ndarray, "t a b"], size: Size, path: Int[np.ndarray, "t 2"]
) -> UInt8[np.ndarray, "t h w"]:
    """Frames of `size` with the shape (one for all frames, or one for each frame) at the corners of the path."""
    frames = np.zeros((len(path), *size), np.uint8)
    moving = shape if shape.ndim == 3 else repeat(shape, "a b -> t a b", t=len(path))
    for frame, picture, (y, x) in zip(frames, moving, path, strict=True):
        frame[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return frames
