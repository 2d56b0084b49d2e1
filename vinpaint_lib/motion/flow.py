"""Optical flow between two frames, and the tests for occlusions and motion boundaries (Sundaram et al. 2010).

Estimator  DIS (Kroeger et al. 2016) from OpenCV. It replaces FlowNet2, which the papers use and which
           needs compiled operators. Every table that depends on the estimator names it.
Units      pixels, channel 0 = x; flow(src -> dst) at x says where the content of src(x) lies in dst.
"""

import cv2
import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor

from vinpaint_lib.motion import warp

ESTIMATOR = "DIS (OpenCV, medium preset)"


def dis(src: Float[Tensor, "3 h w"], dst: Float[Tensor, "3 h w"]) -> Float[Tensor, "2 h w"]:
    """DIS flow from `src` to `dst` (RGB in [0, 1]): src(x) is found at dst(x + flow(x))."""
    return rearrange(torch.from_numpy(dis_grey(to_grey(src), to_grey(dst))), "h w xy -> xy h w")


def to_grey(frame: Float[Tensor, "3 h w"]) -> np.ndarray:
    """Grey 8-bit picture (h w) of a frame, as DIS takes it."""
    planes = frame.clamp(0, 1).mul(255).round().byte().numpy()
    return cv2.cvtColor(cv2.merge(list(planes)), cv2.COLOR_RGB2GRAY)


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
