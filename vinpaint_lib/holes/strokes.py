"""Irregular holes: streaks, brush strokes and holes of arbitrary shape that are drawn over each other.

Source    Liu et al., Image Inpainting for Irregular Holes Using Partial Convolutions (ECCV 2018), section 4.1: random
          streaks and holes of arbitrary shapes, cut off by the border or not, that cover 1 % to 60 % of the picture.
          Their masks are a set of files, made from occlusions between frames; ours are drawn.
          Yu et al., Free-Form Image Inpainting with Gated Convolution (ICCV 2019), algorithm 1: a brush stroke is a
          walk of thick lines that turns to one side and the other.
Lengths   are shares of the frame's side (the root of height x width). The values are ours, chosen by eye.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes.shapes import TRIES, Range, Size, bezier_outline

SHARES = (0.01, 0.6)  # of the frame [Liu et al.]
EXCESS = 1.2  # a hole is at most this much larger than the share that was drawn for it
FRACTION_BITS = 4  # OpenCV draws at sixteenths of a pixel

Points = Float[np.ndarray, "p 2"]  # (x, y) in pixels


def irregular(size: Size, rng: np.random.Generator, area: Range | None = None) -> UInt8[np.ndarray, "h w"]:
    """A picture of one hole, 1 = inside, whose share of the frame is drawn from `area` (None: `SHARES`).

    Pieces are added until the share is reached. A piece that would make the hole too large is dropped, and the next
    ones are smaller. Raises UserError when no hole of this share is found.
    """
    low, high = area or SHARES
    if not 0 < low <= high <= 1:
        raise UserError(f"the area range {area} is not within (0, 1]; give (low, high) shares of the frame")
    pixels = size[0] * size[1]
    least, most = math.ceil(low * pixels), math.floor(high * pixels)
    wanted = float(np.clip(rng.uniform(low, high) * pixels, least, most))
    most = min(most, math.ceil(EXCESS * wanted))
    hole, covered, scale = np.zeros(size, np.uint8), 0, 1.0
    for _ in range(TRIES if least <= most else 0):
        larger = hole.copy()
        piece = (streak, brush, blotch)[rng.integers(3)]
        piece(larger, rng, math.sqrt(pixels) * scale)
        if (count := cv2.countNonZero(larger)) > most:
            scale *= 0.8
            continue
        hole, covered = larger, count
        if covered >= wanted:
            break
    if least <= covered <= most:
        return hole
    raise UserError(
        f"no irregular hole of area {area} fits a {size[1]}x{size[0]} frame; ask for a wider or smaller range of areas"
    )


def streak(canvas: UInt8[np.ndarray, "h w"], rng: np.random.Generator, side: float) -> None:
    """Draw a long, thin, gently bent hole with uneven sides, which narrows to both ends."""
    count = 24
    along = np.linspace(-0.5, 0.5, count)
    direction = rng.uniform(0, 2 * math.pi) + rng.uniform(-1.5, 1.5) * along
    towards = np.array([np.cos(direction), np.sin(direction)]).T
    middle = np.cumsum(towards, axis=0) * side * rng.uniform(0.3, 1.2) / count
    middle += place(canvas, rng) - middle[count // 2]
    across = towards[:, ::-1] * (-1, 1)
    width = side * rng.uniform(0.01, 0.05) * np.sqrt(1 - (2 * along) ** 2)
    left, right = (middle + sign * across * (width * rng.uniform(0.2, 1, count))[:, None] for sign in (1, -1))
    fill(canvas, np.concatenate([left, right[::-1]]))
    line(canvas, middle, 1)


def brush(canvas: UInt8[np.ndarray, "h w"], rng: np.random.Generator, side: float) -> None:
    """Draw a brush stroke: a walk of thick lines with round ends, which turns to one side and the other."""
    turn, thickness = rng.uniform(0.2, 1.6), side * rng.uniform(0.02, 0.1)
    angle, at, sign = rng.uniform(0, 2 * math.pi), place(canvas, rng), 1.0
    for _ in range(rng.integers(2, 10)):
        angle += sign * turn * rng.uniform(0.5, 1.5)
        sign = -sign if rng.random() < 0.7 else sign
        end = at + side * rng.uniform(0.05, 0.25) * np.array([math.cos(angle), math.sin(angle)])
        line(canvas, np.array([at, end]), max(1, round(thickness * rng.uniform(0.7, 1.3))))
        at = end


def blotch(canvas: UInt8[np.ndarray, "h w"], rng: np.random.Generator, side: float) -> None:
    """Draw a free-form hole in a turned box; the frame's border may cut it off."""
    angle = rng.uniform(0, 2 * math.pi)
    turned = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    fill(canvas, (bezier_outline(rng) - 0.5) * side * rng.uniform(0.05, 0.4, size=2) @ turned + place(canvas, rng))


def place(canvas: UInt8[np.ndarray, "h w"], rng: np.random.Generator) -> Float[np.ndarray, "2"]:
    """A random position (x, y) in the frame."""
    return rng.uniform(0, 1, size=2) * np.subtract(canvas.shape[::-1], 1)


def fill(canvas: UInt8[np.ndarray, "h w"], outline: Points) -> None:
    cv2.fillPoly(canvas, [fixed(outline)], 1, shift=FRACTION_BITS)


def line(canvas: UInt8[np.ndarray, "h w"], points: Points, thickness: int) -> None:
    """Lines from point to point with round ends."""
    cv2.polylines(canvas, [fixed(points)], False, 1, thickness, shift=FRACTION_BITS)


def fixed(points: Points) -> np.ndarray:
    """Positions in OpenCV's fixed-point numbers."""
    return np.round(points * 2**FRACTION_BITS).astype(np.int32)
