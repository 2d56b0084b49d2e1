"""The camera's homography from tracked corners: on textured pictures whose motion is known."""

import cv2
import numpy as np
import pytest
import torch

from tests.motion.moving import HEIGHT, LENGTH, STEP, WIDTH, moving_clip, texture
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import camera, chains, flow
from vinpaint_lib.motion.links import FAR, Link, Links, complete_beside

CORNERS = np.array([[10, 10], [WIDTH - 10, 10], [10, HEIGHT - 10], [WIDTH - 10, HEIGHT - 10]], np.float64)


def mapped(matrix, points):
    there = np.c_[points, np.ones(len(points))] @ matrix.T
    return there[:, :2] / there[:, 2:]


def a_pair(matrix):
    """A picture and the same seen through `matrix` (first -> second), 8-bit grey."""
    wide = flow.to_grey(moving_clip()[0])
    return wide, cv2.warpPerspective(
        wide, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def no_hole():
    return np.zeros((HEIGHT, WIDTH), bool)


@pytest.mark.parametrize("shift", [(2.3, -1.1), (-0.4, 0.6)])
def test_a_known_homography_is_found_to_a_fifth_of_a_pixel(shift):
    matrix = np.array([[1.01, 0.004, shift[0]], [-0.003, 0.995, shift[1]], [2e-5, -1e-5, 1]])
    found = camera.homography(*a_pair(matrix), no_hole(), no_hole())
    assert np.abs(mapped(found, CORNERS) - mapped(matrix, CORNERS)).max() < 0.2


def test_what_lies_in_holes_does_not_matter():
    matrix = np.array([[1, 0, 1.5], [0, 1, -0.7], [0, 0, 1.0]])
    first, second = a_pair(matrix)
    hole = no_hole()
    hole[20:60, 30:90] = True
    plain = camera.homography(first, second, hole, hole)
    changed = second.copy()
    changed[26:54, 36:84] = np.roll(texture(28, 48)[..., 0] * 255, 5, axis=1).astype(np.uint8)
    moved = camera.homography(first, changed, hole, hole)
    for found in (plain, moved):
        assert np.abs(mapped(found, CORNERS) - mapped(matrix, CORNERS)).max() < 0.3


def test_an_object_that_moves_by_itself_is_outvoted():
    matrix = np.array([[1, 0, 2.0], [0, 1, 0.5], [0, 0, 1.0]])
    first, second = a_pair(matrix)
    first[30:60, 40:80] = (texture(30, 40)[..., 0] * 255).astype(np.uint8)
    second[35:65, 33:73] = (texture(30, 40)[..., 0] * 255).astype(np.uint8)
    found = camera.homography(first, second, no_hole(), no_hole())
    assert np.abs(mapped(found, CORNERS) - mapped(matrix, CORNERS)).max() < 0.3


def test_flat_pictures_give_nothing():
    flat = np.full((HEIGHT, WIDTH), 90, np.uint8)
    assert camera.homography(flat, flat, no_hole(), no_hole()) is None


def test_far_links_are_measured_not_multiplied():
    """In a clip that moves by whole pixels the far link is right at the frame's corners, even those that leave it."""
    truth = moving_clip()
    links = Links()
    nothing = torch.zeros_like(truth[:, :1])
    links.update(Window(tuple(range(LENGTH)), truth, nothing, nothing))
    assert len(links.far) == LENGTH - FAR
    for found in links.far.values():
        assert np.abs(mapped(found, CORNERS) - CORNERS - np.array(STEP) * FAR).max() < 1.0


@pytest.mark.parametrize("direction", [1, -1])
def test_a_walk_takes_far_links_so_that_errors_do_not_add_up(direction):
    """Neighbouring links are wrong by 0.2 pixels, far ones are exact: after ten frames two errors count, not ten."""

    def shift(x):
        return np.array([[1, 0, x], [0, 1, 0], [0, 0, 1.0]])

    still = np.zeros((2, 2, 2), np.float32)
    wrong = Link(still, still, shift(3.2), shift(-3.2))
    links = Links(by_index=dict.fromkeys(range(40), wrong), far=dict.fromkeys(range(40), shift(3.0 * FAR)))
    totals = [np.eye(3)]
    for _ in range(10):
        totals.append(chains.longer(links, direction, 20, totals))
    assert totals[7][0, 2] == pytest.approx(direction * 7 * 3.2)
    assert totals[8][0, 2] == pytest.approx(direction * 8 * 3.0)
    assert totals[10][0, 2] == pytest.approx(direction * (8 * 3.0 + 2 * 3.2))


def test_flow_in_holes_follows_the_camera():
    """A zoom continues through the hole exactly; a membrane alone would only be close."""
    matrix = np.array([[1.05, 0, -3.0], [0, 1.05, -2.0], [1e-4, 0, 1]])
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    exact = mapped(matrix, np.stack([x.ravel(), y.ravel()], -1)).reshape(HEIGHT, WIDTH, 2) - np.stack([x, y], -1)
    hole = no_hole()
    hole[20:70, 30:100] = True
    broken = np.where(hole[..., None], 99, exact).astype(np.float32)
    assert np.abs(complete_beside(broken, hole, matrix) - exact).max() < 1e-2
