"""The bars of the terminal: for passes before the work, and for the work once its forecast is told."""

import io
from contextlib import redirect_stderr

import pytest

from tests.filling.made_clips import mask, video
from vinpaint_lib import cli
from vinpaint_lib.filling import progress
from vinpaint_lib.filling.progress import Working, passing


class Terminal(io.StringIO):
    """What a program writes to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Passes show their bar at once."""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)


def terminal():
    """Everything that goes to a terminal, inside of a `with`."""
    return redirect_stderr(Terminal())


def test_a_pass_goes_over_all_frames_and_says_what_is_read():
    with terminal() as shown:
        assert list(passing(iter("abc"), "reading a 100% {odd} name.mp4", 3)) == ["a", "b", "c"]
    assert "reading a 100% {odd} name.mp4   0% |" in shown.getvalue()
    assert "0/3 frames" in shown.getvalue()


def test_a_short_pass_shows_nothing(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 100.0)
    with terminal() as shown:
        assert list(passing(iter("abc"), "reading", 3)) == ["a", "b", "c"]
    assert "frames" not in shown.getvalue()


def test_a_pass_may_be_left_early():
    with terminal():
        for frame in passing(iter("abc"), "reading", 3):
            assert frame == "a"
            break


def test_without_a_terminal_nothing_is_written():
    with redirect_stderr(io.StringIO()) as quiet:
        assert list(passing(iter("abc"), "reading", 3)) == ["a", "b", "c"]
        bar = Working(3)
        assert list(bar.over("abc")) == ["a", "b", "c"]
        bar.forecast_is_told()
        bar.close()
    assert bar.done == 3
    assert quiet.getvalue() == ""


@pytest.mark.parametrize("told", [1, 2])
def test_frames_are_counted_on_the_bar_once_the_forecast_is_told(told):
    with terminal() as shown:
        bar = Working(3, "clip ")
        for index, _ in enumerate(bar.over("abc")):
            if index == told:
                before = shown.getvalue()
                bar.forecast_is_told()
        bar.close()
    assert "clip measuring on the first of 3 frames" in before
    assert "%" not in before
    after = shown.getvalue()[len(before) :]
    assert f"{told}/3 frames" in after
    assert "3/3 frames" in after


def test_a_frame_counts_when_the_next_one_is_asked_for():
    bar = Working(3)
    frames = bar.over("abc")
    counts = [bar.done for _ in frames]
    assert counts == [0, 1, 2]
    assert bar.done == 3


@pytest.mark.slow
def test_the_line_about_the_work_stands_before_its_bar(model, tmp_path):
    clip = video(tmp_path / "in.mp4", length=9)
    words = ["inpaint", str(clip), "--mask", str(mask(tmp_path / "m.png")), "--out", str(tmp_path / "out.mp4")]
    with terminal() as stream:
        cli.main(words)
    shown = stream.getvalue()
    line = shown.index(f"vinpaint: {clip}: 9 frames of 48x32")
    assert "measuring on the first of 9 frames" in shown[:line]
    assert shown.index("reading in.mp4") < line
    assert "%" not in shown[shown.index("measuring") : line]
    assert "9/9 frames" in shown[line:]
