"""Gathering along chains, on a moving textured clip whose motion is known to the pixel."""

import itertools
import math

import numpy as np
import pytest
import torch

from tests.motion.moving import (
    BOX,
    FLOW_ONLY,
    HOLE,
    LENGTH,
    STEP,
    TARGET,
    cut,
    exact_links,
    first_distance,
    groups_of,
    moving_clip,
    window_of,
)
from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import chains
from vinpaint_lib.painting.network import CONFIGS as PAINTERS, Painter
from vinpaint_lib.systems.tgfnet import groups

# Against the slow walk


@pytest.mark.parametrize("by", ["flow", "homography"])
@pytest.mark.parametrize("reach", [24, 3])
def test_each_pixel_comes_from_the_nearest_frame_that_shows_it(by, reach):
    truth = moving_clip()
    window = window_of(truth)
    aligned = groups_of(window, exact_links(), ways=chains.walks((by,)), reach=reach)
    hole, known = cut(window.masks[TARGET])[0] > 0, cut(truth[TARGET])
    ages = set()
    for group, (side, pick) in enumerate(itertools.product((-1, 1), (0, 1))):
        for row, column in itertools.product(range(hole.shape[0]), range(hole.shape[1])):
            if not hole[row, column]:
                continue
            x, y = BOX.left + column, BOX.top + row
            expected = first_distance(window, x, y, side, 1, reach)
            if pick and expected:
                expected = first_distance(window, x, y, side, expected + chains.LATER, reach)
            age = aligned.age[group, 0, row, column].item()
            assert age == expected, (group, x, y)
            ages.add(expected)
            # Whole pixels and an exact chain: the colour is the truth, doubt is 0.
            if expected:
                assert torch.allclose(aligned.frames[group, :, row, column], known[:, row, column], atol=1e-4)
                trust = 0.2 + 0.8 * math.exp(-chains.FADE * expected)
                assert aligned.trust[group, 0, row, column].item() == pytest.approx(trust, abs=1e-5)
    assert ages == ({0, 1, 2, 3} if reach == 3 else {0, 1, 2, 3, 4, 5, 6})


def test_what_nobody_shows_is_black_without_trust():
    truth = moving_clip()
    window = window_of(truth)
    for links, reach in ((exact_links((0, 0)), 24), (exact_links(), 2)):
        aligned = groups_of(window, links, reach=reach)
        nothing = (aligned.trust == 0) & (cut(window.masks[TARGET]) > 0)
        assert nothing.any()
        assert torch.equal(aligned.trust == 0, aligned.age == 0)
        assert (aligned.frames * (aligned.trust == 0)).abs().max() == 0
        if links.by_index[0].forward.max() == 0:
            assert torch.equal(nothing, (cut(window.masks[TARGET]) > 0).expand_as(nothing))
        assert aligned.age.max() <= min(reach, 6)


def test_a_known_pixel_of_the_target_is_gathered_too():
    # Known pixels of the box let the network compare the references with the target.
    truth = moving_clip()
    aligned = groups_of(window_of(truth), exact_links(), ways=FLOW_ONLY, picks=1)
    corner = aligned.trust[:, 0, :4, :4]
    assert (corner > 0).all()
    assert torch.allclose(aligned.frames[0, :, :4, :4], cut(truth[TARGET])[:, :4, :4], atol=1e-4)


def test_what_lies_outside_of_a_frame_is_not_shown():
    truth = moving_clip()
    corner = Box(0, 16, 0, 20)
    aligned = groups_of(window_of(truth), exact_links(), box=corner, ways=FLOW_ONLY, picks=1)
    # One step back the content was 3 pixels further left and 1 further up.
    expected = torch.ones(16, 20)
    expected[: STEP[1]], expected[:, : STEP[0]] = 0, 0
    assert torch.equal(aligned.age[0, 0], expected)
    assert torch.equal(aligned.trust[0, 0] > 0, expected > 0)
    assert torch.equal(aligned.age[1, 0], torch.ones(16, 20))


def test_content_under_the_holes_does_not_matter():
    window = window_of(moving_clip())
    noisy = torch.where(window.masks > 0, torch.rand_like(window.frames), window.frames)
    garbage = Window(window.indices, noisy, window.masks, window.filled)
    first, second = (groups_of(w, exact_links()) for w in (window, garbage))
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.trust, second.trust)


def test_half_pixels_are_interpolated_between_known_pixels_only():
    truth = moving_clip()
    window = window_of(truth)
    loud = torch.where(window.masks > 0, torch.full_like(truth, 100.0), window.frames)
    window = Window(window.indices, loud, window.masks, window.filled)
    aligned = groups_of(window, exact_links((2.5, 0.5)))
    assert ((aligned.age > 0) & (cut(window.masks[TARGET]) > 0)).any()
    # The hole's 100 would be seen in the clamp to 1: bicubic overshoot of the texture alone stays below it.
    inside = aligned.frames[:, :, 8:-8, 8:-8]
    assert (inside == 1).float().mean() < 0.01


# Walks


def test_order_and_names_of_walks_and_picks():
    aligned = groups_of(window_of(moving_clip()), exact_links(), picks=2)
    assert aligned.names == (
        "flow past",
        "flow past later",
        "flow future",
        "flow future later",
        "homography past",
        "homography past later",
        "homography future",
        "homography future later",
    )
    height, width = BOX.bottom - BOX.top, BOX.right - BOX.left
    assert aligned.frames.shape == (8, 3, height, width)
    assert aligned.trust.shape == aligned.age.shape == (8, 1, height, width)
    assert chains.walks(("flow", "homography")) == chains.WALKS


def test_the_past_and_the_future_show_opposite_sides():
    # Content moves right, so what the hole's right side hides comes out soon, and its left side has just gone in.
    aligned = groups_of(window_of(moving_clip()), exact_links(), ways=FLOW_ONLY, picks=1)
    past, future = aligned.age[:, 0, HOLE.top - BOX.top + 10]
    left, right = HOLE.left - BOX.left, HOLE.right - BOX.left - 1
    assert past[left] == future[right] == 1
    assert past[left + 9] == future[right - 9] == 4


def test_a_walk_ends_where_the_window_or_its_links_end():
    truth = moving_clip()
    full = window_of(truth)
    keep = [3, 4, 5, 6, 7, 9, 10]  # 8 is missing
    window = Window(tuple(keep), *(part[keep] for part in (full.frames, full.masks, full.filled)))
    aligned = groups_of(window, exact_links(), ways=FLOW_ONLY, picks=1)
    assert aligned.age[0].max() == 3
    assert aligned.age[1].max() == 1
    links = exact_links()
    del links.by_index[4]
    aligned = groups_of(full, links, ways=FLOW_ONLY, picks=1)
    assert aligned.age[0].max() == 1


def test_the_first_and_last_frame_have_one_side():
    truth = moving_clip()
    window = window_of(truth)
    for target, empty in ((0, 0), (LENGTH - 1, 1)):
        aligned = groups_of(window, exact_links(), target, ways=FLOW_ONLY, picks=1)
        assert aligned.trust[empty].max() == 0
        assert aligned.trust[1 - empty].max() > 0
        shown = (aligned.trust[1 - empty] > 0).expand(3, -1, -1)
        assert torch.allclose(aligned.frames[1 - empty][shown], cut(truth[target])[shown], atol=1e-4)


# The painted guess


class Red(Painter):
    """Stands for a painter: paints the hole red, and notes what it was given."""

    def __init__(self):
        super().__init__(PAINTERS["tiny"])
        self.given = []

    def paint(self, picture, mask):
        self.given.append((picture.clone(), mask.clone()))
        return torch.where(mask > 0, torch.tensor([1.0, 0, 0])[:, None, None], picture)


def a_painted_guess(earlier=None):
    target, mask = torch.full((3, 24, 32), 0.5), torch.zeros(1, 24, 32)
    mask[:, 8:16, 8:24] = 1
    target = target * (1 - mask)
    box = Box(4, 20, 4, 28)
    frames, trust = torch.zeros(2, 3, 16, 24), torch.zeros(2, 1, 16, 24)
    frames[1, :, 4:12, 4:12], trust[1, :, 4:12, 4:12] = 0.8, 0.6  # the left half of the hole
    aligned = groups.Groups(frames, trust, trust * 3, ("a", "b"))
    painter = Red()
    found = groups.painted_guess(target, mask, box, aligned, earlier, painter)
    return found, painter.given[0]


def test_the_painter_paints_only_what_no_frame_shows():
    found, (picture, hole) = a_painted_guess()
    assert found.names == ("guess",)
    assert hole.sum() == 8 * 8
    assert hole[:, 8:16, 16:24].all()
    assert torch.equal(picture[:, 8:16, 8:16], torch.full((3, 8, 8), 0.8))
    assert torch.equal(found.frames[0, :, 4:12, 12:20], torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 8, 8))
    assert torch.equal(found.frames[0, :, 4:12, 4:12], torch.full((3, 8, 8), 0.8))
    assert torch.equal(found.frames[0, :, 0], torch.full((3, 24), 0.5))
    assert torch.equal(found.trust, torch.full((1, 1, 16, 24), groups.MEMBRANE))


def test_what_was_painted_before_is_carried_along_and_counts_as_known():
    picture, age = np.full((16, 24, 3), 0.3, np.float32), np.zeros((16, 24), np.float32)
    age[4:8] = 2
    found, (shown, hole) = a_painted_guess(chains.EarlierOutput(picture, age))
    assert hole.sum() == 4 * 8
    assert torch.allclose(shown[:, 8:12, 16:24], torch.full((3, 4, 8), 0.3))
    assert torch.allclose(found.frames[0, :, 4:8, 12:20], torch.full((3, 4, 8), 0.3))
    assert torch.equal(found.trust[0, 0, 4:8, 12:20], torch.full((4, 8), groups.EARLIER))
    assert torch.equal(found.age[0, 0, 4:8, 12:20], torch.full((4, 8), 2.0))
    assert torch.allclose(found.frames[0, :, 4:8, 4:12], torch.full((3, 4, 8), 0.8))  # a frame shows it
