"""Optical flow between two frames, and what to do with it where a frame has holes.

Estimator  DIS (Kroeger et al. 2016) from OpenCV. It stands in for FlowNet2, which the papers used and
           which needs compiled operators; every table that rests on it names it.
Units      pixels, channel 0 = x; flow(src -> dst) at x says where the content of src(x) lies in dst.
"""

import cv2
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor

from vinpaint_lib import warp

ESTIMATOR = "DIS (OpenCV, medium preset)"
COARSE = 4  # the membrane in holes is solved on a grid this much coarser: it is smooth, and 16 times cheaper


def dis(src: Float[Tensor, "3 h w"], dst: Float[Tensor, "3 h w"]) -> Float[Tensor, "2 h w"]:
    """DIS flow from `src` to `dst` (RGB in [0, 1]): src(x) is found at dst(x + flow(x))."""
    return rearrange(torch.from_numpy(dis_grey(to_grey(src), to_grey(dst))), "h w xy -> xy h w")


def to_grey(frame: Float[Tensor, "3 h w"]) -> np.ndarray:
    """Grey 8-bit picture (h w) of a frame, as DIS takes it."""
    rgb = rearrange(frame, "c h w -> h w c").clamp(0, 1).mul(255).round().byte().numpy()
    return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)


def dis_grey(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """DIS flow (h w 2) between 8-bit grey pictures. Pictures under 16 pixels a side give zero flow."""
    if min(src.shape) < 16:
        return np.zeros((*src.shape, 2), np.float32)
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(src, dst, None)


def occlusion(forward: Float[Tensor, "b 2 h w"], backward: Float[Tensor, "b 2 h w"]) -> Bool[Tensor, "b 1 h w"]:
    """True where the forward-backward check fails (Sundaram 2010): |f + b_w|^2 > 0.01 (|f|^2 + |b_w|^2) + 0.5."""
    returned = warp.by_flow(backward, forward)
    gap = reduce((forward + returned) ** 2, "b c h w -> b 1 h w", "sum")
    size = reduce(forward**2 + returned**2, "b c h w -> b 1 h w", "sum")
    return gap > 0.01 * size + 0.5


def motion_boundary(flow: Float[Tensor, "b 2 h w"]) -> Bool[Tensor, "b 1 h w"]:
    """True where the flow jumps: |grad f|^2 > 0.01 |f|^2 + 0.002 (Sundaram et al. 2010)."""
    dx = torch.zeros_like(flow)
    dy = torch.zeros_like(flow)
    dx[..., :-1] = flow[..., 1:] - flow[..., :-1]
    dy[..., :-1, :] = flow[..., 1:, :] - flow[..., :-1, :]
    gradient = reduce(dx**2 + dy**2, "b c h w -> b 1 h w", "sum")
    return gradient > 0.01 * reduce(flow**2, "b c h w -> b 1 h w", "sum") + 0.002


def complete(flow: np.ndarray, unknown: np.ndarray, coarse: int = COARSE) -> np.ndarray:
    """Flow (h w 2) with its `unknown` pixels (h w, bool) replaced by a membrane through the known ones.

    The membrane solves Laplace's equation inside the unknown region with the known flow as boundary,
    so an affine motion of the surroundings continues through the hole. With nothing known it is zero. It is solved on
    a grid `coarse` times coarser.
    """
    if not unknown.any():
        return flow
    if unknown.all():
        return np.zeros_like(flow)
    height, width = unknown.shape
    small = (max(height // coarse, 1), max(width // coarse, 1))
    known = (~unknown).astype(np.float32)
    weight = cv2.resize(known, small[::-1], interpolation=cv2.INTER_AREA)
    # OpenCV drops a last axis of length one; reshape keeps it.
    total = cv2.resize(flow * known[..., None], small[::-1], interpolation=cv2.INTER_AREA).reshape(*small, -1)
    average = np.where(weight[..., None] > 0, total / np.maximum(weight, 1e-6)[..., None], 0)
    membrane = solve_membrane(average.astype(np.float64), weight < 0.5 if (weight >= 0.5).any() else weight <= 0)
    wide = cv2.resize(membrane.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(unknown[..., None], wide.reshape(flow.shape), flow)


def solve_membrane(values: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Laplace's equation for `values` (h w c) on the `unknown` cells (h w, bool), the others held fixed."""
    count = int(unknown.sum())
    if count == 0:
        return values
    number = np.full(unknown.shape, -1)
    number[unknown] = np.arange(count)
    rows, cols = np.nonzero(unknown)
    height, width = unknown.shape
    degree = np.zeros(count)
    right = np.zeros((count, values.shape[-1]))
    entries = []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = rows + dy, cols + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        here = np.arange(count)[inside]
        y, x = y[inside], x[inside]
        degree[here] += 1
        free = number[y, x] >= 0
        entries.append((here[free], number[y, x][free]))
        np.add.at(right, here[~free], values[y[~free], x[~free]])
    i = np.concatenate([e[0] for e in entries] + [np.arange(count)])
    j = np.concatenate([e[1] for e in entries] + [np.arange(count)])
    v = np.concatenate([np.full(len(i) - count, -1.0), np.maximum(degree, 1)])
    system = scipy.sparse.csc_matrix((v, (i, j)), shape=(count, count))
    solution = scipy.sparse.linalg.splu(system).solve(right)
    result = values.copy()
    result[unknown] = solution
    return result
