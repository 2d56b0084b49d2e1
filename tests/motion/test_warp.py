"""Warps: identity, slow loops, OpenCV, and one affine map written three ways."""

import itertools
import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.motion import warp


def smooth(b: int, c: int, h: int, w: int) -> Tensor:
    """A picture without sharp edges, so that a small error of position is a small error of value."""
    return functional.interpolate(torch.rand(b, c, h // 8 + 2, w // 8 + 2), (h, w), mode="bicubic")


def slow_bilinear(plane: np.ndarray, x: float, y: float) -> float:
    """Bilinear value at (x, y) of a plane that is 0 outside."""
    height, width = plane.shape
    left, top = math.floor(x), math.floor(y)
    value = 0.0
    for row, column in itertools.product((top, top + 1), (left, left + 1)):
        if 0 <= row < height and 0 <= column < width:
            value += plane[row, column] * (1 - abs(x - column)) * (1 - abs(y - row))
    return value


def homography(angle: float = 0.05, shift: tuple[float, float] = (3.3, -2.1), tilt: float = 4e-4) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[1.05 * cos, -sin, shift[0]], [sin, 0.97 * cos, shift[1]], [tilt, -tilt / 2, 1]])


def test_pixel_grid_holds_x_then_y():
    grid = warp.pixel_grid(3, 5)
    for y, x in itertools.product(range(3), range(5)):
        assert grid[:, y, x].tolist() == [x, y]


# Identity


@pytest.mark.parametrize("size", [(7, 11), (64, 80), (1, 6), (6, 1), (1, 1)])
def test_the_identity_gives_the_input_back(size):
    image = torch.rand(2, 3, *size)
    assert torch.allclose(warp.by_flow(image, torch.zeros(2, 2, *size)), image, atol=1e-4)
    assert torch.allclose(warp.by_homography(image, torch.eye(3).repeat(2, 1, 1)), image, atol=1e-4)
    if min(size) > 1:  # a side of one pixel has no -1 .. 1
        assert torch.allclose(warp.by_affine(image, torch.eye(2, 3).repeat(2, 1, 1)), image, atol=1e-4)


def test_whole_pixels_are_moved_exactly_and_backward():
    image = torch.rand(1, 3, 9, 12)
    flow = torch.zeros(1, 2, 9, 12)
    flow[:, 0], flow[:, 1] = 2, -3
    result = warp.by_flow(image, flow)
    # out(x) = image(x + 2, y - 3): the content moves left and down.
    assert torch.allclose(result[..., 3:, :-2], image[..., :-3, 2:], atol=1e-5)
    assert result[..., :3, :].abs().max() < 1e-5
    assert result[..., -2:].abs().max() < 1e-5


# Flow


def test_by_flow_is_the_slow_loop():
    image = torch.rand(2, 3, 9, 13)
    flow = 4 * torch.randn(2, 2, 9, 13)
    result = warp.by_flow(image, flow)
    partly_outside = 0
    for b, c, y, x in itertools.product(range(2), range(3), range(9), range(13)):
        at_x, at_y = x + flow[b, 0, y, x].item(), y + flow[b, 1, y, x].item()
        partly_outside += -1 < at_x < 0 or 12 < at_x < 13
        expected = slow_bilinear(image[b, c].double().numpy(), at_x, at_y)
        assert result[b, c, y, x].item() == pytest.approx(expected, abs=1e-4)
    assert partly_outside > 10


def test_ones_become_a_visibility():
    flow = torch.zeros(1, 2, 6, 8)
    flow[:, 0] = 2.5
    visible = warp.by_flow(torch.ones(1, 1, 6, 8), flow)[0, 0]
    assert torch.allclose(visible[:, :5], torch.ones(()), atol=1e-5)
    assert torch.allclose(visible[:, 5], torch.tensor(0.5), atol=1e-5)
    assert visible[:, 6:].abs().max() == 0


def test_sample_may_ask_for_another_size():
    image = torch.rand(1, 2, 6, 8)
    at = torch.stack([torch.full((3, 4), 2.0), torch.full((3, 4), 5.0)])[None]
    assert torch.allclose(warp.sample(image, at), image[..., 5:6, 2:3].expand(1, 2, 3, 4), atol=1e-5)


def test_gradient_reaches_picture_and_flow():
    image = smooth(1, 3, 16, 16).requires_grad_()
    flow = torch.full((1, 2, 16, 16), 0.3).requires_grad_()
    warp.by_flow(image, flow).square().sum().backward()
    assert image.grad.abs().min() > 0
    assert flow.grad[..., 1:-1, 1:-1].abs().min() > 0


# Homographies


def test_by_homography_is_opencv_s():
    image = smooth(1, 3, 60, 84)
    matrix = homography()
    result = warp.by_homography(image, torch.from_numpy(matrix)[None].float())[0].permute(1, 2, 0).numpy()
    # WARP_INVERSE_MAP: the matrix maps output pixels to source pixels, as ours does.
    expected = cv2.warpPerspective(
        image[0].permute(1, 2, 0).contiguous().numpy(), matrix, (84, 60), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    assert (expected > 0).mean() > 0.8
    # OpenCV rounds positions to 1/32 pixel: on this picture less than 0.01, except where it meets the black outside.
    gap = np.abs(result - expected).max(axis=2)
    assert np.quantile(gap, 0.9) < 0.005
    assert gap.max() < 0.05


def test_project_is_the_slow_formula():
    matrix = homography()
    grid = warp.pixel_grid(5, 7)
    result = warp.project(torch.from_numpy(matrix).float()[None], grid)[0]
    for y, x in itertools.product(range(5), range(7)):
        u, v, w = matrix @ (x, y, 1)
        assert result[:, y, x].tolist() == pytest.approx([u / w, v / w], abs=1e-4)


def test_a_homography_has_no_scale():
    image, matrix = smooth(1, 1, 24, 32), torch.from_numpy(homography()).float()[None]
    assert torch.allclose(warp.by_homography(image, matrix), warp.by_homography(image, -7 * matrix), atol=1e-4)


def test_by_homography_into_another_size():
    image = torch.rand(1, 2, 12, 16)
    matrix = torch.tensor([[[1.0, 0, 3], [0, 1, 2], [0, 0, 1]]])
    assert torch.allclose(warp.by_homography(image, matrix, (5, 6)), image[..., 2:7, 3:9], atol=1e-5)


# Affine maps


def affine() -> Tensor:
    return torch.tensor([[[1.1, 0.2, 0.1], [-0.15, 0.9, -0.05]], [[0.8, 0.0, -0.2], [0.1, 1.2, 0.3]]])


def test_affine_and_its_matrix_in_pixels_agree():
    image = torch.rand(2, 3, 21, 34)
    matrix = warp.affine_to_pixels(affine(), 21, 34)
    assert torch.allclose(warp.by_affine(image, affine()), warp.by_homography(image, matrix), atol=1e-4)


def test_affine_to_pixels_maps_points_as_theta_does():
    matrix = warp.affine_to_pixels(affine().double(), 21, 34)
    for b, y, x in itertools.product(range(2), (0, 7, 20), (0, 13, 33)):
        unit = torch.tensor([2 * x / 33 - 1, 2 * y / 20 - 1, 1], dtype=torch.float64)
        at = affine()[b].double() @ unit
        expected = [(at[0].item() + 1) * 33 / 2, (at[1].item() + 1) * 20 / 2, 1]
        assert (matrix[b] @ torch.tensor([x, y, 1], dtype=torch.float64)).tolist() == pytest.approx(expected, abs=1e-9)


def test_a_shift_of_theta_is_half_the_width_in_pixels():
    theta = torch.tensor([[[1.0, 0, 0.5], [0, 1, -0.25]]])
    matrix = warp.affine_to_pixels(theta, 41, 81)[0]
    assert torch.allclose(matrix, torch.tensor([[1.0, 0, 20], [0, 1, -5], [0, 0, 1]]), atol=1e-5)
    flow = torch.zeros(1, 2, 41, 81)
    flow[:, 0], flow[:, 1] = 20, -5
    image = torch.rand(1, 3, 41, 81)
    assert torch.allclose(warp.by_affine(image, theta), warp.by_flow(image, flow), atol=1e-4)


def test_theta_s_gradient_is_there():
    theta = affine().requires_grad_()
    warp.by_affine(smooth(2, 3, 24, 24), theta).square().sum().backward()
    assert theta.grad.abs().min() > 0
