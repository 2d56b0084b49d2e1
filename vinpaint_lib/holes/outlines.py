"""Outlines of objects, cut out of photographs and frames, for holes in the shape of objects.

Where a data set knows its objects, their silhouettes are taken. Elsewhere GrabCut (Rother et al. 2004, in OpenCV) cuts
what differs from its surroundings out of a random box. That is no detector: an outline may belong to a part of an
object, a shadow or a stone. As the shape of a hole it serves as well.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from vinpaint_lib.holes import shapes
from vinpaint_lib.holes.box import bounding_box
from vinpaint_lib.holes.shapes import Size

SIDE = 96  # pixels of the longer side of a stored outline
WORK = 112  # pixels of the shorter side of a picture that is cut
TRIES = 12
SOLID = 0.55  # least share of its convex hull that an outline fills; less is a web or a fringe
FULL = 0.85  # most of its box: more is a rectangle, which GrabCut returns when it finds no object


def cut(picture: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "a b"]:
    """The outline of something in a picture (RGB), 1 = inside, touching all sides of its box.

    A picture in which nothing is found in `TRIES` random boxes gives a free-form blob (`shapes.blob`).
    """
    height, width = picture.shape[:2]
    shrink = WORK / min(height, width)
    small = cv2.resize(picture, (round(width * shrink), round(height * shrink)), interpolation=cv2.INTER_AREA)
    for _ in range(TRIES):
        found = in_box(small, rng)
        if found is not None:
            return at_most(found)
    return shapes.blob((SIDE, SIDE), rng)


def in_box(picture: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "a b"] | None:
    """What GrabCut finds in a random box, as one piece without gaps; None where that is no outline of an object."""
    height, width = picture.shape[:2]
    tall, wide = (round(share * side) for share, side in zip(rng.uniform(0.35, 0.75, 2), (height, width), strict=True))
    top, left = int(rng.integers(2, height - tall - 2)), int(rng.integers(2, width - wide - 2))
    label = np.zeros((height, width), np.uint8)
    cv2.setRNGSeed(int(rng.integers(2**31)))  # GrabCut clusters colours from a random start
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, label, (left, top, wide, tall), *models, 3, cv2.GC_INIT_WITH_RECT)
    inside = np.isin(label, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    for step in (cv2.MORPH_OPEN, cv2.MORPH_CLOSE):
        inside = cv2.morphologyEx(inside, step, disc).astype(np.uint8)
    piece = largest_piece(inside)
    if piece is None or not 0.02 * height * width <= piece.sum():
        return None
    outline, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(np.concatenate(outline)))
    fits = piece.sum() >= SOLID * hull and piece.sum() <= FULL * piece.size
    return piece if fits else None


def largest_piece(inside: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "a b"] | None:
    """The largest connected part, its gaps filled, cut to its box; None where nothing is inside."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(inside)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    contours, _ = cv2.findContours((labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(inside), contours, -1, 1, cv2.FILLED)
    box = bounding_box(filled > 0)
    return None if box is None else np.asarray(filled[box.slices])


def at_most(outline: UInt8[np.ndarray, "a b"], side: int = SIDE) -> UInt8[np.ndarray, "c d"]:
    """The outline at a size whose longer side is `side` pixels."""
    factor = side / max(outline.shape)
    tall, wide = (max(1, round(length * factor)) for length in outline.shape)
    smooth = cv2.resize(outline.astype(np.float32), (wide, tall), interpolation=cv2.INTER_LINEAR)
    return (smooth > 0.5).astype(np.uint8)


def stored(outline: UInt8[np.ndarray, "a b"]) -> UInt8[np.ndarray, "s s"]:
    """The outline in the upper left corner of a square of `SIDE` pixels, so that several can be stacked."""
    square = np.zeros((SIDE, SIDE), np.uint8)
    square[: outline.shape[0], : outline.shape[1]] = outline
    return square


def to_area(
    square: UInt8[np.ndarray, "s s"], size: Size, rng: np.random.Generator, area: tuple[float, float]
) -> UInt8[np.ndarray, "a b"]:
    """A stored outline at a random share of a frame of `size`, in the range `area`, mirrored half of the time.

    An outline that would not fit into the frame is made smaller than the range.
    """
    piece = largest_piece(square)
    assert piece is not None, "an outline that was stored holds something"
    if rng.random() < 0.5:
        piece = np.ascontiguousarray(piece[:, ::-1])
    factor = float(np.sqrt(rng.uniform(*area) * size[0] * size[1] / piece.sum()))
    factor = min(factor, size[0] / piece.shape[0], size[1] / piece.shape[1])
    tall, wide = (max(1, int(length * factor)) for length in piece.shape)
    resized = (cv2.resize(piece.astype(np.float32), (wide, tall), interpolation=cv2.INTER_AREA) > 0.5).astype(np.uint8)
    return resized if resized.any() else np.ones_like(resized)


def alive(
    shape: UInt8[np.ndarray, "a b"], length: int, size: Size, rng: np.random.Generator
) -> UInt8[np.ndarray, "t c d"]:
    """The shape for `length` frames, slowly turning and changing its size as a thing that moves does.

    It turns by up to 20 degrees to and fro, and shrinks by up to a fifth. All frames have the box of the largest.
    """
    turn, shrink = rng.uniform(-20, 20), rng.uniform(0, 0.2)
    phases, period = rng.uniform(0, 2 * np.pi, 2), rng.uniform(16, 60)
    swings = [np.sin(phase + 2 * np.pi * np.arange(length) / period) for phase in phases]
    reach = float(np.hypot(*shape.shape))
    side = [min(limit, int(np.ceil(reach))) for limit in size]
    centre = (shape.shape[1] / 2, shape.shape[0] / 2)
    frames = []
    for angle, scale in zip(turn * swings[0], 1 - shrink * (1 + swings[1]) / 2, strict=True):
        matrix = cv2.getRotationMatrix2D(centre, float(angle), float(scale))
        matrix[:, 2] += np.array([side[1] / 2 - centre[0], side[0] / 2 - centre[1]])
        frames.append(cv2.warpAffine(shape, matrix, (side[1], side[0]), flags=cv2.INTER_NEAREST))
    return np.stack(frames)


def of_clip(
    frames: Float[np.ndarray, "t h w 3"], silhouettes: Float[np.ndarray, "t h w"], rng: np.random.Generator
) -> UInt8[np.ndarray, "s s"]:
    """The outline of something in a random frame (RGB in [0, 1]), as it is stored (`stored`).

    A silhouette that the data set knows (1 = object) is preferred to a cut.
    """
    at = int(rng.integers(len(frames)))
    known = largest_piece((silhouettes[at] > 0.5).astype(np.uint8))
    if known is not None and known.sum() >= 64:
        return stored(at_most(known))
    return stored(cut((frames[at] * 255).round().astype(np.uint8), rng))
