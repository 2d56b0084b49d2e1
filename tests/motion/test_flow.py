"""DIS flow, its checks, and the membrane that continues motion through a hole."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.motion.moving import davis_frames, texture, to_frames
from vinpaint_lib.holes.smooth import complete, solve_membrane
from vinpaint_lib.motion import flow, warp


def shifted_pair(dx: int, dy: int, h: int = 96, w: int = 128) -> tuple[Tensor, Tensor]:
    """Two frames; what is at (x, y) in the first is at (x + dx, y + dy) in the second."""
    wide = texture(h + 40, w + 40)
    corners = ((20, 20), (20 - dy, 20 - dx))
    src, dst = to_frames([wide[top : top + h, left : left + w] for top, left in corners])
    return src, dst


# The estimator


def test_dis_says_where_the_content_went():
    src, dst = shifted_pair(4, -3)
    result = flow.dis(src, dst)
    assert result.shape == (2, 96, 128)
    middle = result[:, 16:-16, 16:-16]
    assert middle[0].median().item() == pytest.approx(4, abs=0.1)
    assert middle[1].median().item() == pytest.approx(-3, abs=0.1)
    back = warp.by_flow(dst[None], result[None])[0]
    inside = (slice(None), slice(16, -16), slice(16, -16))
    # src(x) = dst(x + flow): the warp brings the second frame back, the other sign makes it worse.
    assert (back - src)[inside].abs().mean() < 0.01
    wrong = warp.by_flow(dst[None], -result[None])[0]
    assert (wrong - src)[inside].abs().mean() > (dst - src)[inside].abs().mean()


def test_tiny_pictures_have_no_flow():
    src, dst = shifted_pair(1, 1, 12, 40)
    assert flow.dis(src, dst).abs().max() == 0


def test_grey_weighs_the_colours_as_eyes_do():
    frame = torch.zeros(3, 1, 4)
    frame[0, 0, 0] = frame[1, 0, 1] = frame[2, 0, 2] = 1
    frame[:, 0, 3] = 1.7  # a network may overshoot
    assert flow.to_grey(frame).tolist() == [[76, 150, 29, 255]]  # red 0.299, green 0.587, blue 0.114


def test_dis_brings_real_frames_closer(davis):
    first, second = davis_frames(davis, "blackswan", 2)
    back = warp.by_flow(second[None], flow.dis(first, second)[None])[0]
    assert (back - first).abs().mean() < 0.6 * (second - first).abs().mean()


# Checks of a flow


def random_flow(h: int = 12, w: int = 15, b: int = 2) -> Tensor:
    coarse = 2 * torch.randn(b, 2, 3, 4) + 1.5
    return torch.nn.functional.interpolate(coarse, (h, w), mode="bilinear")


def test_occlusion_is_the_slow_loop():
    forward = random_flow()
    backward = -forward + 0.6 * torch.randn(forward.shape)
    expected = np.zeros((2, 1, 12, 15), bool)
    for b, y, x in itertools.product(range(2), range(12), range(15)):
        u, v = forward[b, :, y, x].tolist()
        at = torch.tensor([x + u, y + v]).reshape(1, 2, 1, 1)
        bu, bv = warp.sample(backward[b : b + 1], at)[0, :, 0, 0].tolist()
        gap = (u + bu) ** 2 + (v + bv) ** 2
        expected[b, 0, y, x] = gap > 0.01 * (u * u + v * v + bu * bu + bv * bv) + 0.5
    result = flow.occlusion(forward, backward).numpy()
    assert 0.1 < expected.mean() < 0.9
    assert (result != expected).sum() <= 1  # a gap may lie on the threshold within float32


def test_motion_boundary_is_the_slow_loop():
    field = 0.1 * random_flow()
    field[:, 0, 4:, 9:] += 0.5
    expected = np.zeros((2, 1, 12, 15), bool)
    for b, y, x in itertools.product(range(2), range(12), range(15)):
        slope = 0.0
        for c in range(2):
            if x < 14:
                slope += (field[b, c, y, x + 1] - field[b, c, y, x]).item() ** 2
            if y < 11:
                slope += (field[b, c, y + 1, x] - field[b, c, y, x]).item() ** 2
        expected[b, 0, y, x] = slope > 0.01 * (field[b, :, y, x] ** 2).sum().item() + 0.002
    result = flow.motion_boundary(field).numpy()
    assert 0.02 < expected.mean() < 0.9
    assert np.array_equal(result, expected)


def test_a_consistent_motion_has_neither():
    forward = torch.zeros(1, 2, 20, 30)
    forward[:, 0] = 3
    occluded = flow.occlusion(forward, -forward)
    assert not occluded[..., :-3].any()
    assert occluded[..., -2:].all()  # what leaves the frame does not come back
    assert not flow.motion_boundary(forward).any()


# The membrane


def slow_membrane(values: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Every unknown cell is the mean of its neighbours inside the picture: one dense linear system."""
    height, width = unknown.shape
    matrix, right = np.eye(height * width), values.reshape(-1, values.shape[-1]).copy()
    for y, x in itertools.product(range(height), range(width)):
        if not unknown[y, x]:
            continue
        around = [(y + dy, x + dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
        around = [(p, q) for p, q in around if 0 <= p < height and 0 <= q < width]
        right[y * width + x] = 0
        for p, q in around:
            matrix[y * width + x, p * width + q] = -1 / len(around)
    return np.linalg.solve(matrix, right).reshape(values.shape)


@pytest.mark.parametrize("seed", range(4))
def test_the_membrane_is_the_dense_system(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(9, 11, 2))
    unknown = rng.random((9, 11)) < 0.6
    unknown[0, :4] = unknown[4:8, 6:11] = True  # at the border too
    result = solve_membrane(values, unknown)
    np.testing.assert_allclose(result, slow_membrane(values, unknown), atol=1e-9)
    assert np.array_equal(result[~unknown], values[~unknown])
    # Never beyond the known values.
    assert result[unknown].max() <= values[~unknown].max() + 1e-9
    assert result[unknown].min() >= values[~unknown].min() - 1e-9


def test_a_membrane_of_nothing_unknown_is_the_input():
    values = np.random.default_rng(0).normal(size=(4, 5, 1))
    assert np.array_equal(solve_membrane(values, np.zeros((4, 5), bool)), values)


def affine_flow(h: int = 80, w: int = 120) -> np.ndarray:
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    return np.stack([2 + 0.03 * x - 0.01 * y, -1 + 0.02 * x + 0.04 * y], axis=-1)


@pytest.mark.parametrize(
    "rows, columns, tolerance",
    [
        ((20, 60), (32, 92), 1e-5),  # on the coarse grid: exact
        ((21, 58), (33, 90), 0.05),  # beside it: cells at the rim average known pixels that lie off their centre
        ((22, 57), (35, 88), 0.05),
    ],
)
def test_an_affine_motion_continues_through_a_hole(rows, columns, tolerance):
    field = affine_flow()
    unknown = np.zeros(field.shape[:2], bool)
    unknown[slice(*rows), slice(*columns)] = True
    broken = np.where(unknown[..., None], np.float32(50), field)
    result = complete(broken, unknown)
    assert np.array_equal(result[~unknown], field[~unknown])
    assert np.abs(result - field).max() < tolerance
    # The motion differs by far more than that across the hole.
    assert np.ptp(field[unknown], axis=0).min() > 1


def test_what_is_unknown_has_no_say():
    field, rng = affine_flow(), np.random.default_rng(0)
    unknown = np.zeros(field.shape[:2], bool)
    unknown[18:61, 30:95] = True
    first = complete(np.where(unknown[..., None], np.float32(1e3), field), unknown)
    noise = rng.normal(size=field.shape).astype(np.float32)
    assert np.array_equal(complete(np.where(unknown[..., None], noise, field), unknown), first)


@pytest.mark.parametrize("size", [(80, 120), (37, 51), (5, 6), (3, 3)])
def test_constant_motion_stays_constant_whatever_the_size(size):
    field = np.full((*size, 2), (3.0, -2.0), np.float32)
    unknown = np.ones(size, bool)
    unknown[0, 0] = unknown[-1, -1] = False  # only two corners are known
    result = complete(np.where(unknown[..., None], np.float32(9), field), unknown)
    np.testing.assert_allclose(result, field, atol=1e-4)


def test_nothing_unknown_and_everything_unknown():
    field = affine_flow()
    assert complete(field, np.zeros(field.shape[:2], bool)) is field
    assert np.abs(complete(field, np.ones(field.shape[:2], bool))).max() == 0


def test_a_plane_of_one_channel_keeps_its_axis():
    grey = affine_flow()[..., :1]
    unknown = np.zeros(grey.shape[:2], bool)
    unknown[20:52, 40:80] = True
    result = complete(grey, unknown)
    assert result.shape == grey.shape
    assert np.abs(result - grey).max() < 1e-5
