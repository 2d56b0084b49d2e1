"""Film strips, outlines, errors and time slices, against slow definitions."""

import pytest
import torch

from tests.figures.drawn import clip, hole
from vinpaint_lib.figures import clips


def test_frames_of_a_strip_are_spread_evenly():
    assert clips.picks(20, 4) == [0, 6, 13, 19]
    assert clips.picks(3, 5) == [0, 1, 2]
    assert clips.picks(1, 5) == [0]


def test_a_tinted_hole_shows_nothing_of_what_it_hides():
    frames, masks = clip(), torch.stack([hole()] * 5)
    other = torch.where(masks > 0, torch.rand_like(frames), frames)
    assert torch.equal(clips.tinted(frames, masks), clips.tinted(other, masks))
    assert clips.tinted(frames, masks).min() >= 0
    assert clips.tinted(frames, masks).max() <= 1
    far = clips.grown(masks, 2) == 0
    assert torch.equal(clips.tinted(frames, masks) * far, frames * far)


def test_an_outline_leaves_the_inside_of_the_hole():
    frames, mask = torch.full((3, 24, 40), 0.5), hole()
    lined = clips.outlined(frames, mask)
    assert torch.equal(lined * mask, frames * mask)
    assert (lined[:, 7, 12:28] == 1).all()
    assert (lined[:, 6, 12:28] == 0).all()
    assert (lined[:, 5] == 0.5).all()


def test_a_frame_leaves_the_picture_inside_as_it_is():
    picture = torch.ones(3, 6, 9)
    lined = clips.framed(picture)
    assert torch.equal(lined[:, 1:-1, 1:-1], picture[:, 1:-1, 1:-1])
    for edge in (lined[:, 0], lined[:, -1], lined[..., 0], lined[..., -1]):
        assert (edge == 0.5).all()


def test_side_by_side_keeps_frames_and_their_order():
    left, right = clip(3), clip(3, width=24)
    joined = list(clips.side_by_side(left, right))
    assert len(joined) == 3
    for i, frame in enumerate(joined):
        assert frame.shape == (3, 24, 40 + 4 + 24)
        assert torch.equal(frame[:, :, :40], left[i])
        assert (frame[:, :, 40:44] == 1).all()
        assert torch.equal(frame[:, :, 44:], right[i])
    with pytest.raises(ValueError):
        list(clips.side_by_side(left, clip(2)))


def test_error_is_the_mean_over_colours():
    a, b = clip(2), clip(2)
    slow = sum((a[:, c] - b[:, c]).abs() for c in range(3)) / 3
    torch.testing.assert_close(clips.error(a, b)[:, 0], slow)


def test_time_slices_take_one_line_of_every_frame(monkeypatch):
    taken = []
    monkeypatch.setattr(clips, "grid", lambda rows, names, titles: taken.extend(rows[0]))
    monkeypatch.setattr(clips, "show", lambda *arguments, **options: None)
    frames = clip(4, width=40)
    clips.time_slices({"a": frames}, 7, "slice")
    (picture,) = taken
    assert picture.shape == (3, 16, 40)  # each of the four frames is four lines high
    for line in range(16):
        assert torch.equal(picture[:, line], frames[line // 4, :, 7])
