"""Backward warps with one convention for all: by flow, by an affine map, by a homography.

out(x) = src(x + flow(x)); flow in pixels, channel 0 = x, channel 1 = y; align_corners=True, so that
-1 and +1 are the centres of the first and last pixel and the identity map gives the input back.
Outside of the source the result is 0. So `by_flow` of a plane of ones gives a visibility.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def sent(values: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on `device`, without waiting until a GPU has finished the work that it was given before."""
    # Elsewhere than on CUDA, a source in ordinary memory would have to outlive such a copy.
    return values.to(device, non_blocking=device.type == "cuda")


def beside(values: Tensor | Sequence, like: Tensor) -> Tensor:
    """Numbers of the CPU in the type of `like`, `sent` to its device."""
    return sent(torch.as_tensor(values, dtype=like.dtype), like.device)


def pixel_grid(height: int, width: int, device: torch.device | str = "cpu") -> Float[Tensor, "2 h w"]:
    """Pixel coordinates: channel 0 holds x (0 .. width-1), channel 1 holds y (0 .. height-1)."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack([x, y])


def sample(image: Float[Tensor, "b c h w"], at: Float[Tensor, "b 2 oh ow"]) -> Float[Tensor, "b c oh ow"]:
    """Bilinear values of `image` at pixel positions `at` (x, y); 0 outside of the image."""
    height, width = image.shape[-2:]
    # A side of one pixel has no extent to normalise by; max(..., 1) keeps its only position at -1.
    scale = beside([max(width - 1, 1), max(height - 1, 1)], at) / 2
    grid = rearrange(at, "b xy oh ow -> b oh ow xy") / scale - 1
    return functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def by_flow(image: Float[Tensor, "b c h w"], flow: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b c h w"]:
    """out(x) = image(x + flow(x)); pixels whose source lies outside are 0."""
    height, width = flow.shape[-2:]
    return sample(image, flow + pixel_grid(height, width, flow.device))


def by_homography(
    image: Float[Tensor, "b c h w"], matrix: Float[Tensor, "b 3 3"], size: tuple[int, int] | None = None
) -> Float[Tensor, "b c oh ow"]:
    """out(x) = image(H x): `matrix` maps output pixels (x, y, 1) to source pixels."""
    height, width = size or (image.shape[-2], image.shape[-1])
    return sample(image, project(matrix, pixel_grid(height, width, image.device)))


def project(
    matrix: Float[Tensor, "b 3 3"], points: Float[Tensor, "2 h w"] | Float[Tensor, "b 2 h w"]
) -> Float[Tensor, "b 2 h w"]:
    """Positions (x, y) of points under homographies in pixels; all matrices share the points, or each one has some."""
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1, :, :])], dim=-3)
    pattern = "b i j, j h w -> b i h w" if points.ndim == 3 else "b i j, b j h w -> b i h w"
    found = einsum(matrix, homogeneous, pattern)
    return found[:, :2] / found[:, 2:]


def project_arrays(matrix: np.ndarray, x: Any, y: Any) -> tuple[Any, Any]:
    """`project` for arrays or tensors x and y (float32) and one homography (3 3); points behind the camera go far away.

    x and y need to fit each other only by broadcasting: a row and a column make a grid.
    """
    (a, b, c), (d, e, f), (g, h, _) = (matrix / matrix[2, 2]).astype(np.float32).tolist()
    depth = (g * x + h * y + 1).clip(1e-3)
    return (a * x + b * y + c) / depth, (d * x + e * y + f) / depth


def by_affine(
    image: Float[Tensor, "b c h w"], theta: Float[Tensor, "b 2 3"], size: tuple[int, int] | None = None
) -> Float[Tensor, "b c oh ow"]:
    """out(x) = image(theta x) with theta in normalised [-1, 1] coordinates, as in torch's `affine_grid`; of the image's
    size unless another (height, width) is given."""
    grid = functional.affine_grid(theta, [*image.shape[:2], *(size or image.shape[-2:])], align_corners=True)
    return functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def affine_to_pixels(theta: Float[Tensor, "b 2 3"], height: int, width: int) -> Float[Tensor, "b 3 3"]:
    """An affine map in normalised [-1, 1] coordinates as a 3x3 matrix between pixel coordinates."""
    to_unit = torch.tensor(
        [[2 / max(width - 1, 1), 0, -1], [0, 2 / max(height - 1, 1), -1], [0, 0, 1]], dtype=theta.dtype
    )
    from_unit = beside(torch.linalg.inv_ex(to_unit).inverse, theta)
    full = torch.cat([theta, beside([[[0.0, 0.0, 1.0]]], theta).expand(len(theta), 1, 3)], dim=1)
    return from_unit @ full @ beside(to_unit, theta)
