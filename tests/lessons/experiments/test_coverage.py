"""What other frames know: exact correspondence and coverage against loops and hand-made cases."""

import math

import numpy as np
import pytest
import torch

from vinpaint_lib.holes import masks
from vinpaint_lib.lessons.experiments import coverage
from vinpaint_lib.motion import warp
from vinpaint_lib.toy.clip import Shot, toy_clip, toy_scene

SIZE = (40, 56)


@pytest.fixture(scope="module")
def scene():
    return toy_scene("coffee", Shot(length=5, size=SIZE, camera="homography", speed=3.0, seed=4))


def stationary(length=5):
    holes = torch.zeros(length, 1, *SIZE)
    holes[:, :, 12:26, 20:33] = 1
    return holes


def test_a_match_brings_the_other_frame_s_colours(scene):
    frames = scene.frames()
    found = coverage.match(scene, 1)
    assert found.frames == (0, 2, 3, 4)
    returned = warp.by_flow(frames[list(found.frames)], found.flow)
    wrong = (returned - frames[1]).abs() * found.visible
    assert found.visible.mean() > 0.5
    assert float(wrong.sum() / (3 * found.visible.sum())) < 0.02  # two bicubic samplings and a bilinear one


def test_neighbours_agree_with_the_scene_s_motion(scene):
    motion = scene.motion()
    flow, visible = scene.between(2, 3)
    assert torch.equal(flow, motion.forward[2])
    assert torch.equal(visible, motion.visible_forward[2])
    assert torch.equal(scene.between(3, 2)[0], motion.backward[2])


def test_the_background_moves_by_the_chained_homographies():
    made = toy_clip("coffee", Shot(length=5, size=SIZE, camera="homography", speed=3.0, seed=4, objects=0))
    found = coverage.match(
        toy_scene("coffee", Shot(length=5, size=SIZE, camera="homography", speed=3.0, seed=4, objects=0)), 0
    )
    matrix = torch.eye(3)
    for u in range(1, 5):
        matrix = made.homographies[u - 1] @ matrix
        x, y = 17.0, 23.0
        at = matrix @ torch.tensor([x, y, 1.0])
        expected = [float(at[0] / at[2]) - x, float(at[1] / at[2]) - y]
        assert found.flow[u - 1, :, 23, 17].tolist() == pytest.approx(expected, abs=1e-3)


def test_shown_is_a_loop_over_pixels(scene):
    holes = masks.moving_blob(5, SIZE, np.random.default_rng(1), area=(0.06, 0.12))
    found = coverage.match(scene, 2)
    others = holes[list(found.frames)]
    seen = coverage.shown(found.flow, found.visible, others)
    for n in range(len(others)):
        for y in range(0, SIZE[0], 3):
            for x in range(0, SIZE[1], 3):
                u, v = (float(found.flow[n, 0, y, x]) + x, float(found.flow[n, 1, y, x]) + y)
                around = {
                    (j, i)
                    for j, dy in ((math.floor(v), 1 - v % 1), (math.floor(v) + 1, v % 1))
                    for i, dx in ((math.floor(u), 1 - u % 1), (math.floor(u) + 1, u % 1))
                    if dy * dx > 1e-3 and 0 <= j < SIZE[0] and 0 <= i < SIZE[1]
                }
                hidden = any(others[n, 0, j, i] > 0 for j, i in around)
                assert bool(seen[n, 0, y, x]) == (bool(found.visible[n, 0, y, x]) and not hidden)


def test_share_and_age_by_hand():
    seen = torch.zeros(3, 1, 2, 3)
    seen[0, 0, 0, 0] = seen[1, 0, 0, 0] = seen[2, 0, 1, 2] = 1
    hole = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    assert coverage.share(seen, hole) == pytest.approx(2 / 3)
    assert math.isnan(coverage.share(seen, torch.zeros_like(hole)))
    found = coverage.Match(4, (0, 3, 9), torch.zeros(3, 2, 2, 3), seen)
    assert coverage.age(found, seen)[0].tolist() == [[1, 0, 0], [0, 0, 5]]


def test_a_still_camera_shows_nothing_of_a_stationary_hole():
    still = toy_scene("coffee", Shot(length=4, size=SIZE, camera="still", objects=0, seed=1))
    old = coverage.ages(still, stationary(4))
    assert not old.any()
    assert coverage.curve(old, stationary(4)).tolist() == [0, 0, 0, 0]


def test_the_curve_counts_ages(scene):
    holes = stationary()
    old = coverage.ages(scene, holes)
    found = coverage.curve(old, holes)
    assert found[0] == 0
    for d in range(1, 5):
        inside = [old[t, 0, y, x] for t in range(5) for y in range(12, 26) for x in range(20, 33)]
        assert float(found[d]) == pytest.approx(sum(0 < value <= d for value in inside) / len(inside))
    assert 0 < found[1] < found[-1] <= 1
    assert not (old * (1 - holes)).any()


def test_an_age_is_the_first_frame_that_shows_the_pixel(scene):
    holes = stationary()
    old = coverage.ages(scene, holes)[2]
    found = coverage.match(scene, 2)
    seen = coverage.shown(found.flow, found.visible, holes[list(found.frames)]) * holes[2]
    nearer = {d: [n for n, u in enumerate(found.frames) if abs(u - 2) == d] for d in (1, 2)}
    assert torch.equal(old == 1, seen[nearer[1]].amax(dim=0) == 1)
    assert torch.equal(old == 2, (seen[nearer[2]].amax(dim=0) == 1) & (old != 1))


def test_copies_come_from_the_nearest_frame_that_shows_them(scene):
    frames, holes = scene.frames(), stationary()
    found = coverage.match(scene, 2)
    seen = coverage.shown(found.flow, found.visible, holes[list(found.frames)])
    picture, known = coverage.copied(found, seen, frames * (1 - holes))
    assert torch.equal(known, seen.amax(dim=0))
    assert float(((picture - frames[2]).abs() * known).sum() / (3 * known.sum())) < 0.02
    numbered = torch.arange(5.0)[:, None, None, None].expand(5, 3, *SIZE).contiguous()
    source, _ = coverage.copied(found, seen, numbered)
    y, x = (int(i) for i in (seen[1, 0] * (1 - seen[0, 0])).nonzero()[0])
    assert source[:, y, x].tolist() == pytest.approx([found.frames[1]] * 3, abs=1e-4)
    assert not (picture * (1 - known)).any()


def test_a_single_frame_has_nowhere_to_look():
    with pytest.raises(ValueError, match="no other frame"):
        coverage.match(toy_scene("coffee", Shot(length=1, size=SIZE)), 0)
