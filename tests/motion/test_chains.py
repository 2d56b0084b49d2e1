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
    window_of,
)
from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import chains, sampling, warp
from vinpaint_lib.motion.chains import Walk
from vinpaint_lib.motion.links import Link, Links
from vinpaint_lib.motion.sampling import BackEnd
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


def changing_links(count: int, on: BackEnd = sampling.CPU) -> Links:
    """Links whose flows and homographies change from frame to frame, and do not agree with each other."""
    rng = np.random.default_rng(3)
    links = Links(on=on)
    for i in range(count):
        matrix = np.eye(3) + rng.normal(size=(3, 3)) * [[0.02, 0.02, 3], [0.02, 0.02, 3], [2e-4, 2e-4, 0]]
        forward = smooth_field(rng, 3)
        links.by_index[i] = Link(forward, -forward + smooth_field(rng, 0.3), matrix, np.linalg.inv(matrix))
    return links


def steps_of(trail: chains.Trail, box: Box) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """(index, x, y, doubt) of every step, each (h w), of a trail that keeps all pixels."""
    return [(index, *(part.reshape(box.size) for part in (trail.x, trail.y, trail.doubt))) for index in trail]


@pytest.mark.parametrize("walk", chains.WALKS, ids=lambda walk: walk.name)
def test_a_chain_is_the_slow_loop_over_a_changing_motion(walk):
    links = changing_links(4)
    target, box = 2, Box(1, 70, 2, 95)
    steps = steps_of(chains.Trail(links, walk, target, box, 5, range(5)), box)
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
            # Some versions of OpenCV round positions in the flow to 1/32 pixel.
            assert (xs[row, column], ys[row, column]) == pytest.approx((x, y), abs=0.03)
            assert doubts[row, column] == pytest.approx(doubt, abs=0.05)


@pytest.mark.parametrize("walk", chains.WALKS, ids=lambda walk: walk.name)
def test_a_trail_that_drops_pixels_leads_the_others_the_same_way(walk):
    links, box = changing_links(10), Box(8, 40, 16, 72)
    all_steps = {
        index: [part.ravel() for part in parts]
        for index, *parts in steps_of(chains.Trail(links, walk, 5, box, 5, range(11)), box)
    }
    trail, rng = chains.Trail(links, walk, 5, box, 5, range(11)), np.random.default_rng(0)
    reached = []
    for index in trail:
        for part, whole in zip((trail.x, trail.y, trail.doubt), all_steps[index], strict=True):
            assert np.array_equal(part, whole[trail.pixels])
        trail.keep(np.flatnonzero(rng.random(len(trail.pixels)) < 0.7))
        reached.append(index)
    assert reached == list(all_steps)
    assert 0 < len(trail.pixels) < 0.3 * box.size[0] * box.size[1]


def written_window(length: int) -> Window:
    """Random frames with large random holes; the first frames are completed."""
    generator = torch.Generator().manual_seed(1)
    frames = torch.rand(length, 3, HEIGHT, WIDTH, generator=generator)
    masks = torch.zeros(length, 1, HEIGHT, WIDTH)
    for mask in masks:
        for top, left in torch.randint(0, 60, (12, 2), generator=generator).tolist():
            mask[0, top : top + 14, left : left + 18] = 1
    filled = torch.zeros_like(masks)
    filled[:4], masks[:4] = masks[:4].clone(), 0
    return Window(tuple(range(length)), frames, masks, filled)


@pytest.mark.parametrize("feedback", ["unseen", "all", "off"])
@pytest.mark.parametrize("walk", chains.WALKS, ids=lambda walk: walk.name)
def test_collecting_is_the_plain_loop_over_pixels_and_frames(walk, feedback):
    links, box, target, picks = changing_links(18), Box(16, 56, 24, 80), 9, 2
    window = written_window(19)
    height, width = box.size
    found = chains.Found(*(np.zeros((picks, channels, *box.size), np.float32) for channels in (3, 1, 1)))
    search = chains.Search(window, target, box, picks, feedback)
    earlier = chains.collect(search, chains.Trail(links, walk, target, box, 9, range(19)), chains.Views(), found)
    steps = steps_of(chains.Trail(links, walk, target, box, 9, range(19)), box)
    views = [chains.view_of(window.at(n), bool(window.filled[n].any())) for n in range(19)]
    dropped = 0
    for row, column in itertools.product(range(0, height, 3), range(0, width, 3)):
        ages, output = [], 0
        for index, xs, ys, doubts in steps:
            x, y = xs[row, column : column + 1], ys[row, column : column + 1]
            view, distance = views[index], abs(index - target)
            shown = sampling.CPU.clear(view.hidden, x, y)[0]
            drawn = view.still_open is not None and sampling.CPU.clear(view.still_open, x, y)[0]
            if (shown or (feedback == "all" and drawn)) and len(ages) < picks:
                if not ages or distance >= ages[-1] + chains.LATER:
                    pick = len(ages)
                    ages.append(distance)
                    colour = sampling.CPU.cubic(view.colour, x, y)[0]
                    np.testing.assert_array_equal(found.frames[pick, :, row, column], colour)
                    trust = 0.2 + 0.8 * math.exp(-doubts[row, column] / 2 - chains.FADE * distance)
                    assert found.trust[pick, 0, row, column] == pytest.approx(trust, abs=1e-6)
            elif feedback == "unseen" and drawn and not shown and not ages and not output:
                output = distance
                colour = sampling.CPU.cubic(view.colour, x, y)[0]
                np.testing.assert_array_equal(earlier.picture[row, column], colour)
        assert found.age[:, 0, row, column].tolist() == ages + [0] * (picks - len(ages))
        assert earlier.age[row, column] == output
        dropped += len(ages) == picks
    assert dropped > 50
    assert (earlier.age > 0).any() == (feedback == "unseen" and walk.direction < 0)


@pytest.mark.parametrize("walk", chains.WALKS, ids=lambda walk: walk.name)
def test_torch_gathers_what_opencv_gathers(walk):
    """On smooth pictures: OpenCV rounds positions to 1/32 pixel, and a rounded position may fall into a hole's rim."""
    truth = torch.nn.functional.avg_pool2d(moving_clip(), 9, 1, 4)
    gathered_by = []
    for on in (sampling.CPU, sampling.OnDevice(torch.device("cpu"))):
        window, links = window_of(truth, written_back=3), changing_links(LENGTH - 1, on)
        search = chains.Search(window, TARGET, BOX)
        aligned, earlier = groups.gather_groups(search, links, chains.Views(on), ways=(walk,), reach=6)
        cut_out = cut(window.frames[TARGET]), cut(window.masks[TARGET])
        gathered_by.append((aligned, groups.guess(*cut_out, aligned, earlier)))
    (first, first_guess), (second, second_guess) = gathered_by
    same = first.age == second.age
    assert same.float().mean() > 0.99
    assert (first.age > 0).float().mean() > 0.4
    gaps = (first.frames - second.frames).abs().amax(dim=1, keepdim=True)[same]
    assert gaps.max() < 0.01
    assert (first.trust - second.trust).abs()[same].max() < 0.01
    assert ((first_guess.frames - second_guess.frames).abs() < 0.02).float().mean() > 0.98


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
        links.update(window)
        groups_of(window, links, start + 3, views=views)
        assert set(views.known) <= set(keep)
        assert len(views.known) <= len(keep)
        assert len(links.by_index) == 6


# Measured motion


def test_with_estimated_motion_the_gathered_pixels_are_the_truth():
    truth = moving_clip()
    window, links = window_of(truth), Links()
    links.update(window)
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
    links.update(window)
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
