"""Four ways to continue the known pixels of a frame smoothly into its holes.

telea      for colours: OpenCV's fast marching (Telea 2004)
complete   for flow and colours: a membrane, which solves Laplace's equation with the known pixels as boundary
push_pull  in torch, with gradients: means over larger and larger blocks (our small VINet)
spread     in torch, with gradients: the same idea with other rules for odd sizes (our Align-and-Attend)
"""

from collections.abc import Callable

import cv2
import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.holes.box import bounding_box

RADIUS = 8  # pixels; Telea's method weighs the known pixels within this distance of a missing pixel
COARSE = 4  # the membrane is solved on a grid coarser by this factor: it is smooth anyway, and this is 16 times cheaper
FINE = 2  # the same for colours, which end in an edge that is seen
BAND = 2**24  # numbers, 128 MiB; a wider matrix is factored as a sparse one


def telea(frame: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`frame` (h w 3, RGB in [0, 1]) with its `hole` (h w, bool) filled in 8-bit steps; mid-grey if all is hole."""
    if not hole.any():
        return frame
    if hole.all():
        return np.full_like(frame, 0.5)
    shown = np.where(hole[..., None], 0, frame)
    bytes_in = np.ascontiguousarray((shown * 255).round().clip(0, 255).astype(np.uint8))
    bytes_out = cv2.inpaint(bytes_in, hole.astype(np.uint8), RADIUS, cv2.INPAINT_TELEA)
    return np.where(hole[..., None], bytes_out.astype(np.float32) / 255, frame)


def smooth_colours(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`complete` for a picture (h w 3)."""
    return complete(picture, hole, FINE)


def each(
    rule: Callable[[np.ndarray, np.ndarray], np.ndarray],
    pictures: Float[Tensor, "n 3 h w"],
    masks: Float[Tensor, "n 1 h w"],
) -> Float[Tensor, "n 3 h w"]:
    """Each picture filled from its known pixels alone, by `rule` (picture h w 3, hole h w), on the CPU."""
    frames = rearrange(pictures * (1 - masks), "n c h w -> n h w c").cpu().numpy()
    holes = rearrange(masks, "n 1 h w -> n h w").cpu().numpy() > 0
    filled = np.stack([rule(frame, hole) for frame, hole in zip(frames, holes, strict=True)])
    return rearrange(torch.from_numpy(filled), "n h w c -> n c h w").float()


def complete(flow: np.ndarray, unknown: np.ndarray, coarse: int = COARSE) -> np.ndarray:
    """Flow (h w 2) with its `unknown` pixels (h w, bool) replaced by a membrane through the known pixels.

    The membrane solves Laplace's equation inside the unknown region with the known flow as boundary,
    so an affine motion of the surroundings continues through the hole. If no pixel is known, the result is zero. The
    equation is solved on a grid `coarse` times coarser. Colours or grey (h w c) work in place of flow.
    """
    if not unknown.any():
        return flow
    if unknown.all():
        return np.zeros_like(flow)
    if any(side % coarse for side in unknown.shape):
        return membrane(flow, unknown, coarse)
    # The known cells right beside the unknown ones decide; the upsampling looks one cell farther.
    box = bounding_box(unknown, 2 * coarse, coarse)
    assert box is not None, "something is unknown"
    result = flow.copy()
    result[box.slices] = membrane(flow[box.slices], unknown[box.slices], coarse)
    return result


def membrane(flow: np.ndarray, unknown: np.ndarray, coarse: int) -> np.ndarray:
    """`complete` without its shortcuts: some pixels are unknown, and some are not."""
    height, width = unknown.shape
    small = (max(height // coarse, 1), max(width // coarse, 1))
    gap = np.flatnonzero(unknown)
    result = flow.copy()
    by_pixel = result.reshape(height * width, -1)
    by_pixel[gap] = 0
    weight = cv2.resize((~unknown).astype(np.float32), small[::-1], interpolation=cv2.INTER_AREA)
    # OpenCV drops a last axis of length one; reshape keeps it.
    total = cv2.resize(result, small[::-1], interpolation=cv2.INTER_AREA).reshape(*small, -1)
    average = np.where(weight[..., None] > 0, total / np.maximum(weight, 1e-6)[..., None], 0)
    solved = solve_membrane(average.astype(np.float64), weight < 0.5 if (weight >= 0.5).any() else weight <= 0)
    wide = cv2.resize(solved.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    by_pixel[gap] = wide.reshape(height * width, -1)[gap]
    return result


def solve_membrane(values: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """`values` (h w c) whose `unknown` cells (h w, bool) solve Laplace's equation, with all other cells held fixed."""
    count = int(unknown.sum())
    if count == 0:
        return values
    height, width = unknown.shape
    if width > height:
        # Cells are counted along the shorter side: the band of the matrix is as wide as that side at most.
        return solve_membrane(values.swapaxes(0, 1), unknown.T).swapaxes(0, 1)
    number = np.full(unknown.shape, -1)
    number[unknown] = np.arange(count)
    rows, cols = np.nonzero(unknown)
    degree = np.zeros(count)
    right = np.zeros((count, values.shape[-1]))
    pairs = []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = rows + dy, cols + dx
        here = np.flatnonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
        y, x = y[here], x[here]
        degree[here] += 1
        there = number[y, x]
        right[here[there < 0]] += values[y[there < 0], x[there < 0]]
        below = there > here  # the matrix is symmetric: each pair once
        pairs.append((there[below], here[below]))
    i, j = (np.concatenate(side) for side in zip(*pairs, strict=True))
    result = values.copy()
    result[unknown] = solve_symmetric(np.maximum(degree, 1), i, j, right)
    return result


def solve_symmetric(diagonal: np.ndarray, i: np.ndarray, j: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution (n c) of a positive definite system with the `diagonal` (n), and -1 at the places i > j and at (j, i).

    By Cholesky's method on the band of the matrix; if the band is too large, by a sparse factorisation.
    """
    count = len(diagonal)
    wide = int((i - j).max(initial=0))
    if (wide + 1) * count <= BAND:
        band = np.zeros((wide + 1, count))
        band[0], band[i - j, j] = diagonal, -1
        return scipy.linalg.solveh_banded(band, right, lower=True, overwrite_ab=True, check_finite=False)
    rows, columns = np.concatenate([np.arange(count), i, j]), np.concatenate([np.arange(count), j, i])
    entries = np.concatenate([diagonal, np.full(2 * len(i), -1.0)])
    system = scipy.sparse.csc_matrix((entries, (rows, columns)), shape=(count, count))
    return scipy.sparse.linalg.splu(system).solve(right)


def push_pull(picture: Float[Tensor, "b c h w"], known: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c h w"]:
    """The known pixels, continued smoothly: an unknown pixel takes the mean of a neighbourhood as wide as necessary.

    Means over larger and larger blocks are made (push), and fill the gaps of the finer levels (pull). The result is 0
    if no pixel is known.
    """
    height, width = picture.shape[-2:]
    seen = picture * known
    if height * width == 1:
        return seen
    pad = (0, width % 2, 0, height % 2)
    total, share = (functional.avg_pool2d(functional.pad(x, pad), 2) for x in (seen, known))
    coarse = push_pull(total / share.clamp(min=1e-6), (share > 0).to(share))
    fine = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
    return seen + (1 - known) * fine


def spread(picture: Float[Tensor, "b c h w"], known: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c h w"]:
    """The picture, with its `known` pixels continued smoothly into all other pixels; 0 if no pixel is known.

    The picture is halved until one pixel is left, and each halving takes the mean of the known pixels. Then gaps take
    the values of the next coarser picture.
    """
    if max(picture.shape[-2:]) == 1:
        return picture * known
    total, share = (
        functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (picture * known, known)
    )
    coarse = spread(total / share.clamp(min=1e-6), (share > 0).to(share))
    wide = functional.interpolate(coarse, picture.shape[-2:], mode="bilinear", align_corners=False)
    return known * picture + (1 - known) * wide
