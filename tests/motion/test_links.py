"""Links between neighbouring frames: known motion is found, holes have no say, memory follows the window."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.motion.moving import davis_frames, texture, to_frames
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import camera, links as motion_links, warp
from vinpaint_lib.motion.links import Links

STEP = (3, -2)  # pixels per frame, x and y, of the whole picture
HEIGHT, WIDTH = 96, 128


def moving_clip(length: int = 3) -> Tensor:
    """What is at x in frame i is at x + STEP in frame i + 1."""
    wide = texture(HEIGHT + 60, WIDTH + 60)
    cuts = [(30 - STEP[1] * i, 30 - STEP[0] * i) for i in range(length)]
    return to_frames([wide[y : y + HEIGHT, x : x + WIDTH] for y, x in cuts])


def holes_of(frames: Tensor, box: tuple[int, int, int, int] | None = (30, 62, 44, 84)) -> Tensor:
    holes = torch.zeros_like(frames[:, :1])
    if box is not None:
        top, bottom, left, right = box
        holes[..., top:bottom, left:right] = 1
    return holes


def given(indices: Sequence[int], frames: Tensor, holes: Tensor) -> Window:
    """A window in which nothing was written back."""
    return Window(tuple(indices), frames, holes, torch.zeros_like(holes))


def links_of(frames: Tensor, holes: Tensor) -> Links:
    links = Links()
    links.update(given(range(len(frames)), frames, holes))
    return links


INSIDE = (slice(16, -16), slice(16, -16))


# What is measured


@pytest.mark.parametrize("box", [None, (30, 62, 44, 84)])
def test_a_link_holds_the_motion_both_ways_also_in_the_hole(box):
    frames = moving_clip()
    links = links_of(frames, holes_of(frames, box))
    assert sorted(links.by_index) == [0, 1]
    for link in links.by_index.values():
        for sign, field, matrix in (
            (1, link.forward, link.forward_homography),
            (-1, link.backward, link.backward_homography),
        ):
            assert field.shape == (HEIGHT, WIDTH, 2)
            gap = np.abs(field - sign * np.array(STEP))[INSIDE]
            assert np.quantile(gap, 0.95) < 0.15
            if box is not None:
                assert gap[30 - 16 : 62 - 16, 44 - 16 : 84 - 16].max() < 0.25
            corners = np.array([[10, 10, 1], [100, 20, 1], [40, 80, 1]]) @ matrix.T
            moved = corners[:, :2] / corners[:, 2:] - [[10, 10], [100, 20], [40, 80]]
            assert np.abs(moved - sign * np.array(STEP)).max() < 0.3


def test_nothing_under_the_hole_has_a_say():
    # Also an output that was written back: `holes` stay the holes as given.
    frames = moving_clip(2)
    holes = holes_of(frames)
    first = links_of(frames, holes).by_index[0]
    second = links_of(torch.where(holes > 0, torch.rand_like(frames), frames), holes).by_index[0]
    for name in ("forward", "backward", "forward_homography", "backward_homography"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    # Without the mask the garbage is measured.
    third = links_of(torch.where(holes > 0, torch.rand_like(frames), frames), torch.zeros_like(holes)).by_index[0]
    assert np.abs(third.forward - first.forward).max() > 1


def test_an_object_hidden_by_the_hole_moves_with_its_surroundings():
    frames = moving_clip(2)
    holes = torch.zeros_like(frames[:, :1])
    for i in (0, 1):
        left = 50 - 6 * i  # against the motion of the picture
        frames[i, :, 36:56, left : left + 20] = torch.rand(3, 1, 1)
        holes[i, :, 33:59, left - 3 : left + 23] = 1
    link = links_of(frames, holes).by_index[0]
    assert np.abs(link.forward[33:59, 47:73] - STEP).max() < 0.4


def test_a_hole_in_the_other_frame_has_no_say_either():
    frames = moving_clip(2)
    holes = torch.zeros_like(frames[:, :1])
    holes[1, :, 30:62, 44:84] = 1
    frames[1] = torch.where(holes[1] > 0, torch.rand_like(frames[1]), frames[1])
    link = links_of(frames, holes).by_index[0]
    assert np.abs(link.forward[30:62, 44:84] - STEP).max() < 0.4


def test_two_frames_without_anything_known_stand_still():
    frames = moving_clip(2)
    link = links_of(frames, torch.ones_like(frames[:, :1])).by_index[0]
    assert np.abs(link.forward).max() == 0
    assert np.array_equal(link.forward_homography, np.eye(3))


def test_the_grey_picture_has_no_edge_around_the_hole():
    frames = moving_clip(1)
    hole = holes_of(frames)[0]
    black = frames[0] * (1 - hole)
    grey = motion_links.smooth_grey(black, hole).astype(int)
    assert grey.dtype == int
    rim = np.abs(np.diff(grey[44:48, 40:88], axis=1))
    sharp = np.abs(np.diff(np.asarray(black.mean(0) * 255)[44:48, 40:88], axis=1))
    assert rim.max() < 0.5 * sharp.max()
    assert np.array_equal(motion_links.smooth_grey(frames[0], hole), motion_links.smooth_grey(black, hole))


# Homographies


def matches(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = np.array([[1.02, 0.03, 4.0], [-0.02, 0.99, -2.5], [1e-4, -5e-5, 1]])
    src = rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2)).astype(np.float32)
    homogeneous = np.c_[src, np.ones(count)] @ matrix.T
    return src, (homogeneous[:, :2] / homogeneous[:, 2:]).astype(np.float32), matrix


def test_a_homography_is_found_among_wrong_matches():
    src, dst, matrix = matches(200)
    dst[::3] += np.random.default_rng(1).uniform(5, 40, (67, 2)).astype(np.float32)
    result = camera.fit(src, dst, 2.0)
    corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [0, HEIGHT, 1], [WIDTH, HEIGHT, 1]])
    ours, theirs = corners @ result.T, corners @ matrix.T
    assert np.abs(ours[:, :2] / ours[:, 2:] - theirs[:, :2] / theirs[:, 2:]).max() < 0.1


@pytest.mark.parametrize("count", [0, 3, 11])
def test_too_few_matches_give_nothing(count):
    src, dst, _ = matches(count)
    assert camera.fit(src, dst, 2.0) is None


def test_matches_without_a_common_motion_give_nothing_or_something_finite():
    rng = np.random.default_rng(0)
    line = np.c_[np.arange(40), np.arange(40)].astype(np.float32)
    for src, dst in ((rng.random((40, 2)), rng.random((40, 2)) * 500), (line, line), (line * 0, line * 0)):
        found = camera.fit(src.astype(np.float32), dst.astype(np.float32), 2.0)
        assert found is None or np.isfinite(found).all()


# The window


def test_links_and_pictures_behind_the_window_are_forgotten():
    frames = moving_clip(10)
    holes = holes_of(frames)
    links = Links()
    sizes = []
    for start in range(0, 7):
        indices = tuple(range(start, start + 4))
        links.update(given(indices, frames[list(indices)], holes[list(indices)]))
        assert sorted(links.by_index) == [start, start + 1, start + 2]
        assert sorted(links.greys) == sorted(links.gaps) == list(indices)
        links.flows_at(start)
        assert sorted(links.flows) == [start]
        sizes.append(len(links.by_index))
    assert len(set(sizes)) == 1


def test_a_link_is_measured_once():
    frames = moving_clip(4)
    holes = holes_of(frames)
    links = Links()
    links.update(given((0, 1, 2), frames[:3], holes[:3]))
    kept = links.by_index[1]
    links.update(given((1, 2, 3), frames[1:], holes[1:]))
    assert links.by_index[1] is kept
    assert sorted(links.by_index) == [1, 2]


def test_only_neighbours_are_linked():
    frames = moving_clip(5)[[0, 1, 3, 4]]
    links = Links()
    links.update(given((0, 1, 3, 4), frames, holes_of(frames)))
    assert sorted(links.by_index) == [0, 3]
    assert np.quantile(np.abs(links.by_index[3].forward - STEP)[INSIDE], 0.95) < 0.15


def test_an_output_that_was_written_back_is_no_motion():
    """A hole of the input stays one for the motion, whatever was painted into it."""
    frames = moving_clip()
    holes = holes_of(frames)
    painted = Window((0, 1, 2), frames * (1 - holes) + holes * torch.rand_like(frames), holes * 0, holes)
    links = Links()
    links.update(painted)
    plain = links_of(frames * (1 - holes), holes)
    for i in (0, 1):
        assert np.array_equal(links.by_index[i].forward, plain.by_index[i].forward)


def test_the_flows_at_a_frame_are_those_of_its_two_links():
    frames = moving_clip(4)
    holes = holes_of(frames)
    links = links_of(frames[:3], holes[:3])
    first, second = links.by_index[0], links.by_index[1]
    assert np.array_equal(links.flows_at(1), np.concatenate([first.backward, second.forward], -1))
    assert np.array_equal(links.flows_at(0), np.concatenate([0 * first.forward, first.forward], -1))
    assert np.array_equal(links.flows_at(2), np.concatenate([second.backward, 0 * second.forward], -1))
    # A link keeps no second copy of its flow.
    assert np.shares_memory(links.by_index[1].forward, links.flows_at(1))
    assert np.shares_memory(links.by_index[1].backward, links.flows_at(2))
    # A new link behind frame 2 reaches its flows.
    links.update(given((0, 1, 2, 3), frames, holes))
    assert np.array_equal(links.flows_at(2), np.concatenate([second.backward, links.by_index[2].forward], -1))


def test_one_frame_has_no_link():
    frames = moving_clip(1)
    assert links_of(frames, holes_of(frames)).by_index == {}


# Real video


def test_real_frames_come_closer_along_the_links(davis):
    frames = davis_frames(davis, "car-roundabout", 3)
    holes = holes_of(frames, (40, 70, 80, 130))
    links = links_of(frames * (1 - holes), holes)
    for i, link in links.by_index.items():
        by_flow = torch.from_numpy(link.forward)[None].permute(0, 3, 1, 2)
        matrix = torch.from_numpy(link.forward_homography)[None].float()
        still = (frames[i + 1] - frames[i]).abs().mean()
        visible = warp.by_flow(torch.ones(1, 1, 120, 216), by_flow)[0] > 0.99
        for moved in (
            warp.by_flow(frames[i + 1][None], by_flow)[0],
            warp.by_homography(frames[i + 1][None], matrix)[0],
        ):
            assert ((moved - frames[i]).abs() * visible).mean() < 0.75 * still
