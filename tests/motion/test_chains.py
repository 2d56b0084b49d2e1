"""Chains of links and the parts of gathering; gathering with measured motion, made and real."""

import itertools
import math

import cv2
import numpy as np
import pytest
import torch

from tests.motion.moving import (
    BOX,
    FLOW_ONLY,
    HEIGHT,
    LENGTH,
    TARGET,
    WIDTH,
    cut,
    davis_frames,
    exact_links,
    groups_of,
    moving_clip,
    texture,
    window_of,
)
from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import chains, warp
from vinpaint_lib.motion.chains import Walk
from vinpaint_lib.motion.links import Link, Links
from vinpaint_lib.systems.tgfnet import groups


def smooth_field(rng: np.random.Generator, scale: float) -> np.ndarray:
    return cv2.resize(scale * rng.normal(size=(4, 5, 2)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(
        np.float32
    )


def at(field: np.ndarray, x: float, y: float) -> np.ndarray:
    """Bilinear, the border repeated."""
    x, y = min(max(x, 0), WIDTH - 1), min(max(y, 0), HEIGHT - 1)
    left, top = min(int(x), WIDTH - 2), min(int(y), HEIGHT - 2)
    p, q = x - left, y - top
    upper = field[top, left] * (1 - p) + field[top, left + 1] * p
    return upper * (1 - q) + (field[top + 1, left] * (1 - p) + field[top + 1, left + 1] * p) * q


@pytest.mark.parametrize("walk", chains.WALKS, ids=lambda walk: walk.name)
def test_a_chain_is_the_slow_loop_over_a_changing_motion(walk):
    rng = np.random.default_rng(3)
    links = Links()
    for i in range(4):
        matrix = np.eye(3) + rng.normal(size=(3, 3)) * [[0.02, 0.02, 3], [0.02, 0.02, 3], [2e-4, 2e-4, 0]]
        forward = smooth_field(rng, 3)
        links.by_index[i] = Link(forward, -forward + smooth_field(rng, 0.3), matrix, np.linalg.inv(matrix))
    target, box = 2, Box(1, 70, 2, 95)
    steps = list(chains.chain(links, walk, target, box, 5, set(range(5))))
    assert [step[0] for step in steps] == [target + walk.direction, target + 2 * walk.direction]
    for row, column in itertools.product(range(0, 69, 4), range(0, 93, 4)):
        x, y = float(box.left + column), float(box.top + row)
        start, total, doubt = np.array([x, y, 1]), np.eye(3), 0.0
        for distance, (_, xs, ys, doubts) in enumerate(steps, start=1):
            index = target + walk.direction * distance
            link = links.by_index[index - 1 if walk.direction > 0 else index]
            there, back = (link.forward, link.backward)[:: walk.direction]
            u, v = at(there, x, y)
            if walk.by == "flow":
                x, y = x + u, y + v
                bu, bv = at(back, x, y)
                doubt += math.hypot(u + bu, v + bv)
            else:
                total = (link.forward_homography if walk.direction > 0 else link.backward_homography) @ total
                nx, ny, nz = total @ start
                doubt += math.hypot(nx / nz - x - u, ny / nz - y - v) / 4
                x, y = nx / nz, ny / nz
            # OpenCV rounds positions in the flow to 1/32 pixel.
            assert (xs[row, column], ys[row, column]) == pytest.approx((x, y), abs=0.03)
            assert doubts[row, column] == pytest.approx(doubt, abs=0.05)


def test_contradiction_costs_trust():
    window, links = window_of(moving_clip()), exact_links()
    link = links.by_index[0]
    doubtful = Link(link.forward, link.backward + np.float32([0, 2]), link.forward_homography, link.backward_homography)
    links.by_index = dict.fromkeys(range(LENGTH - 1), doubtful)
    aligned = groups_of(window, links, ways=(Walk("flow", 1),), picks=1)
    for age in (1, 2):
        expected = 0.2 + 0.8 * math.exp(-2 * age / 2 - chains.FADE * age)
        values = aligned.trust[0][aligned.age[0] == age]
        assert len(values)
        assert torch.allclose(values, torch.tensor(expected), atol=1e-4)


# Parts


def test_transform_is_the_warp_s_projection():
    matrix = np.array([[1.02, 0.03, 4.0], [-0.02, 0.99, -2.5], [1e-4, -5e-5, 1]])
    grid = warp.pixel_grid(9, 12)
    x, y = warp.project_arrays(matrix * 3, *grid.numpy())
    expected = warp.project(torch.from_numpy(matrix)[None].float(), grid)[0].numpy()
    np.testing.assert_allclose(np.stack([x, y]), expected, atol=1e-4)


@pytest.mark.parametrize("count", [1, 1023, 1024, 1025, 40_000])
def test_sample_at_keeps_every_point_in_order(count):
    picture = texture(50, 60).astype(np.float32)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 60, count), rng.integers(0, 50, count)
    values = chains.sample_at(picture, x.astype(np.float32), y.astype(np.float32))
    assert values.shape == (count, 3)
    np.testing.assert_allclose(values, picture[y, x], atol=1e-5)


def test_sample_at_stays_in_range():
    picture = np.zeros((16, 16, 3), np.float32)
    picture[:, 8:] = 1
    x = np.linspace(4, 12, 50, dtype=np.float32)
    values = chains.sample_at(picture, x, np.full(50, 8, np.float32))
    assert values.min() == 0
    assert values.max() == 1


def test_join_and_nothing():
    empty = groups.nothing(BOX)
    first = groups_of(window_of(moving_clip()), exact_links(), ways=FLOW_ONLY)
    both = groups.join([first, empty])
    assert both.names == (*first.names, "nothing")
    assert torch.equal(both.frames[:4], first.frames)
    assert both.trust[4].max() == both.age[4].max() == both.frames[4].max() == 0


def test_pictures_behind_the_window_are_forgotten():
    truth = moving_clip()
    full, links, views = window_of(truth), Links(), chains.Views()
    for start in range(5):
        keep = list(range(start, start + 7))
        window = Window(tuple(keep), *(part[keep] for part in (full.frames, full.masks, full.filled)))
        links.update(window.indices, window.frames, window.masks)
        groups_of(window, links, start + 3, views=views)
        assert {index for index, _ in views.known} <= set(keep)
        assert len(views.known) <= len(keep)
        assert len(links.by_index) == 6


# Measured motion


def test_with_estimated_motion_the_gathered_pixels_are_the_truth():
    truth = moving_clip()
    window, links = window_of(truth), Links()
    links.update(window.indices, window.frames, window.masks)
    aligned = groups_of(window, links)
    exact = groups_of(window, exact_links())
    hole = (cut(window.masks[TARGET]) > 0).expand_as(aligned.age)
    both = hole & (aligned.age > 0) & (exact.age > 0)
    assert both.sum() > 0.9 * (hole & (exact.age > 0)).sum()
    error = (aligned.frames - cut(truth[TARGET])).abs().mean(dim=1, keepdim=True)[both]
    assert error.mean() < 0.01
    assert error.quantile(0.99) < 0.06
    assert (aligned.age == exact.age)[both].float().mean() > 0.8


def test_on_real_video_gathered_pixels_are_far_closer_than_unmoved_ones(davis):
    truth = davis_frames(davis, "dog", 9)
    target, box = 4, Box(40, 60, 140, 160)
    masks = torch.zeros_like(truth[:, :1])
    masks[..., box.top : box.bottom, box.left : box.right] = 1
    window, links = Window(tuple(range(9)), truth * (1 - masks), masks, torch.zeros_like(masks)), Links()
    links.update(window.indices, window.frames, window.masks)
    aligned = groups_of(window, links, target, box, picks=1)
    wanted = cut(truth[target], box)
    for walk, frame, trust, age in zip(chains.WALKS, aligned.frames, aligned.trust, aligned.age, strict=True):
        shown = trust > 0
        assert shown.float().mean() > 0.3
        # The same frames without alignment, pixel by pixel.
        unmoved = torch.zeros_like(frame)
        for k in range(1, 5):
            unmoved += cut(truth[target + walk.direction * k], box) * (age == k)
        gap, still = ((x - wanted).abs().mean(dim=0, keepdim=True)[shown].mean() for x in (frame, unmoved))
        assert gap < 0.35 * still
