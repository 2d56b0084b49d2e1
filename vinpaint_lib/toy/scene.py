"""Renderer of layered scenes: flat textures seen by a moving camera, with the motion known exactly.

A scene is a background layer and object layers above it. Every layer has one 3x3 matrix for each frame, which maps
frame pixels (x, y, 1) to texture pixels: frame t of a layer is texture(matrix_t x). So the motion of a layer from
frame t to u is inverse(matrix_u) matrix_t, and nothing has to be estimated.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

PURE = 0.998  # weight from which a pixel shows one layer alone; a soft edge shows two layers and belongs to neither
Box = tuple[slice, slice]


@dataclass(frozen=True)
class Layer:
    """texture "a b 3" (uint8 RGB), matrices "t 3 3" frame pixel -> texture pixel, alpha "s a b" in [0, 1].

    alpha is the layer's shape in texture pixels: one picture for each frame or one for all; None covers everything.
    """

    texture: UInt8[np.ndarray, "a b 3"]
    matrices: Float[np.ndarray, "t 3 3"]
    alpha: Float[np.ndarray, "s a b"] | None = None

    def shape_at(self, t: int) -> Float[np.ndarray, "a b"] | None:
        return None if self.alpha is None else self.alpha[t if len(self.alpha) > 1 else 0]


class ExactMotion(NamedTuple):
    """Exact flow between neighbouring frames in pixels: forward t -> t+1, backward t+1 -> t.

    visible_forward, visible_backward: 1 where the other frame shows the pixel, not mixed with an edge.
    """

    forward: Float[Tensor, "p 2 h w"]
    backward: Float[Tensor, "p 2 h w"]
    visible_forward: Float[Tensor, "p 1 h w"]
    visible_backward: Float[Tensor, "p 1 h w"]


class Scene:
    """Layers, back to front, in frames of `size` (height, width)."""

    def __init__(self, layers: list[Layer], size: tuple[int, int]) -> None:
        self.layers, self.size = layers, size
        self.length = len(layers[0].matrices)

    def frame(self, t: int, gain: float = 1.0) -> UInt8[np.ndarray, "h w 3"]:
        """The picture at time t; `gain` multiplies its brightness."""
        picture = warp(self.layers[0].texture, self.layers[0].matrices[t], self.whole)
        for layer in self.layers[1:]:
            where = self._reach(layer, t)
            share = rearrange(self._cover(layer, t, where), "h w -> h w 1")
            above = warp(layer.texture, layer.matrices[t], where)
            picture[where] = np.round(above * share + picture[where] * (1 - share)).astype(np.uint8)
        return picture if gain == 1.0 else np.asarray(cv2.convertScaleAbs(picture, alpha=gain))

    def frames(
        self, gains: Float[np.ndarray, " all"] | None = None, chosen: range | None = None
    ) -> Float[Tensor, "t 3 h w"]:
        """The chosen pictures (all by default), RGB in [0, 1], in steps of 1/255 as in a real video."""
        gain = np.ones(self.length) if gains is None else gains
        pictures = np.stack([self.frame(t, float(gain[t])) for t in chosen or range(self.length)])
        return rearrange(torch.from_numpy(pictures), "t h w c -> t c h w").contiguous().float().div_(255)

    def weights(self, t: int) -> Float[np.ndarray, "k h w"]:
        """The share of each pixel that shows each layer at time t; the shares of all layers sum to 1."""
        shown = np.zeros((len(self.layers), *self.size), np.float32)
        shown[0] = 1
        for k, layer in enumerate(self.layers[1:], start=1):
            where = self._reach(layer, t)
            cover = self._cover(layer, t, where)
            shown[:k, *where] *= 1 - cover
            shown[k, *where] = cover
        return shown

    def silhouettes(self, chosen: range | None = None) -> Float[Tensor, "t 1 h w"]:
        """All objects together in the chosen frames (all by default): 1 where a pixel shows mostly objects."""
        behind = np.stack([self.weights(t)[:1] for t in chosen or range(self.length)])
        return torch.from_numpy((behind < 0.5).astype(np.float32))

    def homographies(self) -> Float[Tensor, "p 3 3"]:
        """Motion of the background from every frame to the next, as a map between pixel positions."""
        matrices = self.layers[0].matrices
        steps = np.linalg.inv(matrices[1:]) @ matrices[:-1]
        return torch.from_numpy(steps / steps[:, 2:, 2:]).float()

    def motion(self) -> ExactMotion:
        """Flow and visibility between all neighbours; no pairs for a single frame."""
        pairs, (height, width) = self.length - 1, self.size
        flow = np.zeros((2, pairs, 2, height, width), np.float32)  # first axis: forward, backward
        visible = np.zeros((2, pairs, 1, height, width), np.float32)
        here = self.weights(0)
        for t in range(pairs):
            there = self.weights(t + 1)
            flow[0, t], visible[0, t, 0] = self._move(t, t + 1, here, there)
            flow[1, t], visible[1, t, 0] = self._move(t + 1, t, there, here)
            here = there
        return ExactMotion(*torch.from_numpy(flow), *torch.from_numpy(visible))

    def between(self, t: int, u: int) -> tuple[Float[Tensor, "2 h w"], Float[Tensor, "1 h w"]]:
        """Exact flow from frame t to any frame u in pixels, and 1 where u shows the pixel, not mixed with an edge."""
        flow, visible = self._move(t, u, self.weights(t), self.weights(u))
        return torch.from_numpy(flow), rearrange(torch.from_numpy(visible), "h w -> 1 h w")

    @property
    def whole(self) -> Box:
        return slice(0, self.size[0]), slice(0, self.size[1])

    def _move(
        self, t: int, u: int, here: Float[np.ndarray, "k h w"], there: Float[np.ndarray, "k h w"]
    ) -> tuple[Float[np.ndarray, "2 h w"], Float[np.ndarray, "h w"]]:
        """Flow from frame t to u, and where u shows the pixel of t; `here` and `there` are the weights of t and u."""
        flow = np.zeros((2, *self.size), np.float32)
        visible = np.zeros(self.size, np.float32)
        best = np.zeros(self.size, np.float32)
        for k, layer in enumerate(self.layers):
            where = self._reach(layer, t)
            if here[k][where].size == 0:  # the object has left the frame
                continue
            mine = here[k][where] > best[where]
            best[where] = np.maximum(best[where], here[k][where])
            x, y = project(np.linalg.inv(layer.matrices[u]) @ layer.matrices[t], where)
            rows, columns = grid(where)
            flow[:, *where] = np.where(mine, np.stack([x - columns, y - rows]), flow[:, *where])
            # All four neighbours of the landing point must show this layer alone, else the bilinear value is a mixture.
            seen = cv2.remap(
                there[k], x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
            )
            visible[where] = np.where(mine, (seen > PURE) & (here[k][where] > PURE), visible[where])
        return flow, visible

    def _reach(self, layer: Layer, t: int) -> Box:
        """The part of the frame that the layer's shape can touch at time t; may be empty."""
        shape = layer.shape_at(t)
        if shape is None:
            return self.whole
        (height, width), (tall, wide) = self.size, shape.shape
        x, y = project(
            np.linalg.inv(layer.matrices[t]), (slice(0, tall, max(tall - 1, 1)), slice(0, wide, max(wide - 1, 1)))
        )
        left, right = np.clip([np.floor(x.min()), np.ceil(x.max()) + 1], 0, width).astype(int)
        top, bottom = np.clip([np.floor(y.min()), np.ceil(y.max()) + 1], 0, height).astype(int)
        return slice(top, bottom), slice(left, right)

    def _cover(self, layer: Layer, t: int, where: Box) -> Float[np.ndarray, "a b"]:
        """The opacity of this layer alone in the part `where` of frame t."""
        shape = layer.shape_at(t)
        if shape is None:
            return np.ones((where[0].stop - where[0].start, where[1].stop - where[1].start), np.float32)
        return warp(shape, layer.matrices[t], where, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)


def warp(
    texture: np.ndarray,
    matrix: Float[np.ndarray, "3 3"],
    where: Box,
    how: int = cv2.INTER_CUBIC,
    edge: int = cv2.BORDER_REFLECT_101,
) -> np.ndarray:
    """texture(matrix x) for the pixels x of the box `where`."""
    (top, bottom), (left, right) = ((side.start, side.stop) for side in where)
    if bottom <= top or right <= left:
        return np.zeros((bottom - top, right - left, *texture.shape[2:]), texture.dtype)
    if edge == cv2.BORDER_REFLECT_101 and min(texture.shape[:2]) < 2:
        edge = cv2.BORDER_REPLICATE  # OpenCV never returns from reflecting about a single pixel
    start = np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
    flags = how | cv2.WARP_INVERSE_MAP  # the matrix maps the picture to the texture
    return np.asarray(
        cv2.warpPerspective(texture, matrix @ start, (right - left, bottom - top), flags=flags, borderMode=edge)
    )


def grid(where: Box) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (a 1) and column numbers (1 b) of a box."""
    rows, columns = np.ogrid[where]
    return rows.astype(float), columns.astype(float)


def project(matrix: Float[np.ndarray, "3 3"], where: Box) -> tuple[np.ndarray, np.ndarray]:
    """Positions x, y (a b) of a box's pixels under a matrix."""
    y, x = grid(where)
    across, down, depth = (row[0] * x + (row[1] * y + row[2]) for row in matrix)
    return across / depth, down / depth
