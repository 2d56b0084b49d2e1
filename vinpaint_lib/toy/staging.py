"""The parts of a toy scene: the path of the camera, the background, the objects and their paths.

All motion is a slow swing (a sine wave of random period and phase) in each parameter: smooth, bounded for any length,
and with a known pace. World coordinates are pixels of the frame, with the origin in the middle of the camera's view.
"""

import math
from typing import Literal

import cv2
import numpy as np
from einops import repeat
from jaxtyping import Float, UInt8
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks, shapes
from vinpaint_lib.toy.scene import Layer

Camera = Literal["affine", "homography", "still"]
PERIODS = (30.0, 80.0)  # frames; duration of one swing of the camera or of an object
ENLARGE = 1.5  # a photograph is enlarged at most by this factor, and continued by reflection if that is too small
OBJECT_AREA = (0.02, 0.1)  # share of the frame


def camera_path(
    camera: Camera, length: int, size: tuple[int, int], speed: float, rng: np.random.Generator
) -> Float[np.ndarray, "t 3 3"]:
    """Maps from frame pixels to world pixels (origin: the middle of the view), with a slow swing in every parameter.

    Turn, zoom, shear and perspective move the frame's corners by a fraction of `speed` each.
    """
    if camera not in ("affine", "homography", "still"):
        raise UserError(f"unknown camera {camera!r}; use affine, homography or still")
    height, width = size
    radius = math.hypot(height, width) / 2
    pace = 0.0 if camera == "still" else speed
    x, y = swings(2, length, pace, rng)
    turn, zoom, shear, aspect = swings(4, length, pace / radius * np.array([0.4, 0.4, 0.15, 0.15]), rng, limit=0.35)
    tilt = swings(2, length, (0.3 if camera == "homography" else 0.0) * pace / radius**2, rng, limit=0.25 / radius)
    grow = np.exp(zoom)
    matrices = np.zeros((length, 3, 3))
    matrices[:, 0] = np.stack([grow * np.cos(turn) * (1 + aspect), grow * (shear - np.sin(turn)), x], axis=1)
    matrices[:, 1] = np.stack([grow * np.sin(turn), grow * np.cos(turn), y], axis=1)
    matrices[:, 2] = np.stack([*tilt, np.ones(length)], axis=1)
    return matrices @ shift(-(width - 1) / 2, -(height - 1) / 2)


def swings(
    count: int, length: int, pace: float | np.ndarray, rng: np.random.Generator, limit: float = math.inf
) -> Float[np.ndarray, "n t"]:
    """`count` sine waves of random period and phase whose steepest change per frame is `pace`, at most `limit` high."""
    period = rng.uniform(*PERIODS, size=count)
    phase = rng.uniform(0, 2 * math.pi, size=count)
    height = np.minimum(pace * period / (2 * math.pi), limit)
    return height[:, None] * np.sin(2 * math.pi * np.arange(length) / period[:, None] + phase[:, None])


def background(
    photo: UInt8[np.ndarray, "a b 3"], way: Float[np.ndarray, "t 3 3"], size: tuple[int, int], rng: np.random.Generator
) -> Layer:
    """The photograph, resized and placed so that the camera's path stays inside it, as far as its size allows."""
    height, width = size
    corners = np.array([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1], [1, 1, 1, 1]], float)
    seen = way @ corners
    low, high = ((seen[:, :2] / seen[:, 2:]).min(axis=(0, 2)), (seen[:, :2] / seen[:, 2:]).max(axis=(0, 2)))
    need = np.ceil(high - low) + 4  # two pixels more on each side for bicubic sampling
    have = np.array([photo.shape[1], photo.shape[0]])
    cover = float((need / have).max())
    # A large photograph is shown as a whole, or at up to twice that size, but never above its full resolution.
    factor = min(cover * float(rng.uniform(1.0, max(1.0, min(2.0, 1 / cover)))), ENLARGE)
    texture = enlarge(photo, factor)
    spare = np.array([texture.shape[1], texture.shape[0]]) - need
    corner = np.where(spare > 0, rng.uniform(size=2) * spare, spare / 2)
    return Layer(texture, shift(*(corner + 2 - low)) @ way)


def moving_object(
    texture: UInt8[np.ndarray, "a b 3"],
    silhouette: Float[Tensor, "s 1 c d"] | None,
    way: Float[np.ndarray, "t 3 3"],
    size: tuple[int, int],
    speed: float,
    rng: np.random.Generator,
) -> Layer:
    """A cut-out that swings about a fixed place or about the path of its silhouette.

    The camera either follows it or passes by. An object without a silhouette is a free-form blob at a random place.
    """
    length, (height, width) = len(way), size
    if silhouette is None:
        shape = shapes.blob(size, rng, OBJECT_AREA)
        pictures = np.pad(shape, 2)[None]
        path = repeat(rng.uniform(0.25, 0.75, size=2) * (width, height), "xy -> t xy", t=length)
    else:
        pictures, path = follow(masks.silhouettes(length, size, rng, silhouette, allow_empty=True))
    tall, wide = pictures.shape[1:]
    x, y = swings(2, length, speed, rng) + path.T
    turn, zoom = swings(2, length, 0.3 * speed / max(tall, wide), rng, limit=0.3)
    placed = np.zeros((length, 3, 3))  # object pixels -> pixels of the middle frame
    placed[:, 0] = np.stack([np.exp(zoom) * np.cos(turn), -np.exp(zoom) * np.sin(turn), x], axis=1)
    placed[:, 1] = np.stack([np.exp(zoom) * np.sin(turn), np.exp(zoom) * np.cos(turn), y], axis=1)
    placed[:, 2, 2] = 1
    placed = placed @ shift(-(wide - 1) / 2, -(tall - 1) / 2)
    camera = np.linalg.inv(way[length // 2]) @ way if rng.random() < 0.5 else np.eye(3)
    # A lens makes a soft edge of about a pixel.
    alpha = np.stack([cv2.GaussianBlur(p.astype(np.float32), (3, 3), 0) for p in pictures])
    return Layer(patch(texture, tall, wide, rng), np.linalg.inv(placed) @ camera, alpha)


def follow(
    silhouettes: Float[Tensor, "t 1 h w"],
) -> tuple[UInt8[np.ndarray, "t a b"], Float[np.ndarray, "t 2"]]:
    """Silhouettes in the middle of a small picture, and the smooth path (x, y) of this middle through the frame.

    So the texture of an object travels with the object. The picture is as small as the silhouettes allow.
    """
    pictures = masks.to_pictures(silhouettes)
    known = [t for t, picture in enumerate(pictures) if picture.any()]
    if not known:
        return pictures[:, :1, :1], np.zeros((len(pictures), 2))
    centres = np.stack([np.argwhere(pictures[t])[:, ::-1].mean(axis=0) for t in known])
    path = np.stack([np.interp(np.arange(len(pictures)), known, side) for side in centres.T])
    path = np.stack([cv2.GaussianBlur(side[None], (0, 0), 3.0, borderType=cv2.BORDER_REPLICATE)[0] for side in path])
    # Half of the picture's side is the longest way from a place on the path to the edge of its silhouette.
    reach = np.stack([np.abs(np.argwhere(pictures[t])[:, ::-1] - path[:, t]).max(axis=0) for t in known])
    half = np.ceil(reach.max(axis=0)).astype(int) + 2
    wide, tall = (2 * half + 1).tolist()
    held = [
        cv2.warpPerspective(picture, shift(*(at - half)), (wide, tall), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        for picture, at in zip(pictures, path.T, strict=True)
    ]
    return np.stack(held), path.T


def patch(
    texture: UInt8[np.ndarray, "a b 3"], tall: int, wide: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "tall wide 3"]:
    """A random piece of the texture at full resolution; a texture that is too small is enlarged first."""
    large = enlarge(texture, max(1.0, tall / texture.shape[0], wide / texture.shape[1]))
    top, left = (int(rng.integers(0, have - want + 1)) for have, want in zip(large.shape, (tall, wide), strict=False))
    return large[top : top + tall, left : left + wide]


def enlarge(photo: UInt8[np.ndarray, "a b 3"], factor: float) -> UInt8[np.ndarray, "c d 3"]:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    size = (math.ceil(photo.shape[1] * factor), math.ceil(photo.shape[0] * factor))
    return np.asarray(cv2.resize(photo, size, interpolation=how))


def shift(x: float, y: float) -> Float[np.ndarray, "3 3"]:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
