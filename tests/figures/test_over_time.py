"""Figures of inference and the count of frames in memory: against the buffer of `inpaint.fill`, and against loops."""

import io

import pytest
import torch
from PIL import Image

from vinpaint_lib.figures import over_time, page
from vinpaint_lib.inpaint import Buffer, oldest_needs
from vinpaint_lib.interface import Step
from vinpaint_lib.lessons.experiments import frames_held
from vinpaint_lib.systems.registry import build
from vinpaint_lib.video.clip import Clip

PLANS = {
    "both sides": [Step((t,), tuple(i for i in range(max(0, t - 2), min(9, t + 3)) if i != t)) for t in range(9)],
    "past only": [Step((t,), tuple(range(max(0, t - 3), t))) for t in range(9)],
    "every fourth": [Step((t,), tuple(i for i in range(0, 9, 4) if i != t)) for t in range(9)],
    "out of order": [Step((4, 5), (0, 8)), Step((3,), (2,)), Step((6,), (8,))],
}


@pytest.fixture
def shown(monkeypatch):
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


@pytest.mark.parametrize("name", PLANS)
def test_frames_held_are_those_of_the_buffer(name):
    steps = PLANS[name]
    buffer = Buffer(Clip(torch.zeros(9, 3, 4, 4), torch.zeros(9, 1, 4, 4)), 1)
    needs = oldest_needs(steps)
    for n, (step, held) in enumerate(zip(steps, frames_held.frames_held(steps), strict=True)):
        buffer.drop(needs[n])
        buffer.reach(max((*step.targets, *step.references)))
        assert sorted(buffer.frames) == list(held)
        assert {*step.targets, *step.references} <= set(held)


def test_memory_follows_the_reach_and_not_the_clip():
    model = build("tgfnet", reach=5)
    for length in (4, 20, 200):
        most = max(len(held) for held in frames_held.frames_held(model.plan(length)))
        assert most == min(length, 2 * 5 + 1)
    assert frames_held.frames_held([]) == []


def test_time_slice_is_one_line_of_every_frame():
    clip = torch.rand(4, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    picture = over_time.time_slice(clip, 3, 2)
    assert picture.shape == (3, 8, 7)
    for t in range(4):
        for again in range(2):
            assert torch.equal(picture[:, 2 * t + again], clip[t, :, 3])
    with pytest.raises(IndexError):
        over_time.time_slice(clip, 5)


def test_figures_carry_their_words_and_a_fixed_width(shown):
    clip = torch.rand(4, 3, 8, 10, generator=torch.Generator().manual_seed(1))
    words = "eight words that say what the figure shows"
    over_time.slices({"a": clip, "b": clip}, {"row 2": 2, "row 5": 5}, slice(1, 9), words)
    over_time.held_frames({name: frames_held.frames_held(PLANS[name]) for name in ("both sides", "past only")}, words)
    panels = {"score": {"one": [1.0, 2.0], "two": [3.0, 4.0]}, "error": {"one": [0.1, 1.0], "two": [1.0, 9.0]}}
    over_time.by_clip(["first", "second"], panels, words, line={"error": 1.0}, log=("error",))
    assert len(shown) == 3
    for data, metadata in shown:
        (mime,) = metadata
        assert metadata[mime] == {"alt": words}
        assert Image.open(io.BytesIO(data[mime])).width == page.WIDTH * page.DPI


def test_held_frames_draws_a_bar_from_the_oldest_to_the_newest():
    figure = over_time.held_figure({"both sides": frames_held.frames_held(PLANS["both sides"])})
    bar = figure.axes[0].patches[5]
    assert (bar.get_y(), bar.get_height()) == (2.5, 5)  # frames 3 to 7
    assert "at most 5 frames" in figure.axes[0].get_title()


def test_by_clip_puts_the_first_clip_on_top_and_wants_a_value_for_each():
    figure = over_time.by_clip_figure(["first", "second"], {"score": {"one": [1.0, 2.0]}}, {}, ())
    (points,) = figure.axes[0].lines
    assert list(points.get_xdata()) == [1.0, 2.0]
    assert list(points.get_ydata()) == [1, 0]
    with pytest.raises(ValueError, match="one has 1 values for 2 clips"):
        over_time.by_clip_figure(["first", "second"], {"score": {"one": [1.0]}}, {}, ())
