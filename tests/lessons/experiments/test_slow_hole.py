"""The scene of the slow hole: its boxes, one frame from a window, and what a window shows, against plain loops."""

import math

import pytest
import torch

from vinpaint_lib import inpaint
from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons.experiments import slow_hole
from vinpaint_lib.systems.baselines import FlowPropagation, TemporalMedian
from vinpaint_lib.toy.clip import Shot, toy_scene
from vinpaint_lib.video.clip import Clip

SIZE = (40, 64)


@pytest.mark.parametrize("speed", [0, 0.5, 3, 40, -2])
def test_the_box_slides_at_its_speed_and_the_middle_frame_does_not_know_it(speed):
    masks = slow_hole.sliding_box(9, SIZE, speed, 4)
    assert masks.unique().tolist() == [0, 1]
    assert torch.equal(masks[4], slow_hole.sliding_box(9, SIZE, 1, 4)[4])
    for t in range(9):
        left = round((64 - 26) / 2 + speed * (t - 4))
        wanted = torch.zeros(SIZE)
        for y in range(8, 32):
            for x in range(left, left + 26):
                if 0 <= x < 64:
                    wanted[y, x] = 1
        assert torch.equal(masks[t, 0], wanted)


@pytest.mark.parametrize("middle, box", [(9, (0.5, 0.5)), (-1, (0.5, 0.5)), (4, (0.0, 0.5)), (4, (0.5, 1.2))])
def test_a_box_that_cannot_be_is_refused(middle, box):
    with pytest.raises(UserError, match="no box of"):
        slow_hole.sliding_box(9, SIZE, 1, middle, box)


def scene():
    return toy_scene("coffee", Shot(length=7, size=SIZE, camera="affine", objects=1, speed=2.0, seed=3))


def test_one_frame_equals_the_loop_of_the_library():
    frames, masks = scene().frames(), slow_hole.sliding_box(7, SIZE, 4, 3)
    model = TemporalMedian(reach=2)
    found, output = slow_hole.fill_one(model, frames, masks, 3, [1, 2, 3, 4, 5])
    wanted = list(inpaint.fill(model, Clip(frames, masks)))[3]
    assert torch.equal(found, wanted)
    assert output.maps["found"].shape == (1, 1, *SIZE)
    poisoned = torch.where(masks > 0, torch.tensor(9.0), frames)
    assert torch.equal(slow_hole.fill_one(model, poisoned, masks, 3, [1, 2, 4, 5])[0] * masks[3], wanted * masks[3])


def test_one_frame_of_a_size_that_does_not_divide():
    model = FlowPropagation()
    model.multiple = 48
    with pytest.raises(ValueError, match="does not divide by 48"):
        slow_hole.fill_one(model, scene().frames(), slow_hole.sliding_box(7, SIZE, 4, 3), 3, [1, 2])


def test_what_is_shown_equals_a_loop_over_pixels():
    made, masks = scene(), slow_hole.sliding_box(7, SIZE, 5, 3)
    motions = {u: made.between(3, u) for u in (0, 1, 5)}
    found = slow_hole.shown_by(motions, masks, motions)
    count = 0
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            shown = False
            for u, (flow, visible) in motions.items():
                v, s = y + float(flow[1, y, x]), x + float(flow[0, y, x])
                if visible[0, y, x] == 0 or not (0 <= v <= SIZE[0] - 1 and 0 <= s <= SIZE[1] - 1):
                    continue
                corners = {
                    (min(b, SIZE[0] - 1), min(a, SIZE[1] - 1))
                    for b in (math.floor(v), math.ceil(v))
                    for a in (math.floor(s), math.ceil(s))
                }
                shown |= not any(masks[u, 0, b, a] for b, a in corners)
            count += int(shown != bool(found[0, y, x]))
    assert count <= 10, "positions within a hundredth of a pixel of the next may be judged either way"
    hole = masks[3]
    share = slow_hole.share_shown(motions, masks, 3, motions)
    assert share == pytest.approx(float((found * hole).sum()) / float(hole.sum()))
    assert 0 < share < 1


def test_a_still_hole_before_a_still_camera_is_never_shown():
    made = toy_scene("coffee", Shot(length=5, size=SIZE, camera="still", objects=0, seed=3))
    motions = {u: made.between(2, u) for u in (0, 1, 3, 4)}
    assert slow_hole.share_shown(motions, slow_hole.sliding_box(5, SIZE, 0, 2), 2, motions) == 0
    assert slow_hole.share_shown(motions, slow_hole.sliding_box(5, SIZE, 26, 2), 2, [1]) == 1
