"""One clip from its options to its output: what is said, what is kept after Ctrl-C, and where parts are worked on."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.filling.made_clips import mask, pictures, seen, video
from vinpaint_lib import cli
from vinpaint_lib.filling import job as jobs
from vinpaint_lib.filling.job import Job, expected, fill_one

pytestmark = pytest.mark.slow


def stop_at(frame: int):
    """What `model.before` does to be stopped by Ctrl-C at that frame."""

    def stop(index):
        if index == frame:
            raise KeyboardInterrupt

    return stop


def done(job: Job) -> tuple[list[str], list[str]]:
    """Runs the job; the notes and the lines about it."""
    notes: list[str] = []
    lines: list[str] = []
    fill_one(job, lambda note: notes.append(str(note)), lambda line: lines.append(str(line)))
    return notes, lines


@pytest.mark.parametrize("options", [{}, {"margin": "8"}, {"max_side": 24}, {"margin": "8", "max_side": 16}])
def test_known_pixels_keep_their_values_at_full_size(model, tmp_path, options):
    frames, hole = pictures(tmp_path / "in"), mask(tmp_path / "mask.png")
    notes, _ = done(Job(frames, hole, tmp_path / "out", **options))
    missing = seen(hole)[..., 0] > 0
    for file in sorted(frames.iterdir()):
        result = seen(tmp_path / "out" / file.name)
        assert (result[~missing] == seen(file)[~missing]).all()
        middle = result[11:13, 17:19]
        assert np.abs(middle - 128).max() <= (12 if "max_side" in options else 1)  # of 255: known noise runs in
    assert len(notes) == bool(options)
    for option in options:
        assert f"--{option.replace('_', '-')}" in notes[0]


def test_large_frames_are_cut_to_their_holes_by_themselves(model, tmp_path, monkeypatch):
    monkeypatch.setattr("vinpaint_lib.filling.part.LARGE", 100 * 100)
    monkeypatch.setattr("vinpaint_lib.filling.part.LEAST", 16)
    frames, hole = pictures(tmp_path / "in", size=(120, 160)), mask(tmp_path / "mask.png", size=(120, 160))
    notes, _ = done(Job(frames, hole, tmp_path / "out"))
    assert notes == [f"{frames}: of frames of 160x120 the model works on 80x72 around the holes (--margin)"]
    notes, _ = done(Job(frames, hole, tmp_path / "whole", margin="all"))
    assert notes == []
    for file in sorted((tmp_path / "out").iterdir()):
        assert (seen(file) == seen(tmp_path / "whole" / file.name)).all()


def test_one_line_tells_frames_size_device_time_and_memory(model, tmp_path):
    clip = video(tmp_path / "in.mp4", length=9)
    _, lines = done(Job(clip, mask(tmp_path / "mask.png"), tmp_path / "out.mp4", model="grey"))
    (line,) = lines
    assert line.startswith(f"{clip}: 9 frames of 48x32, grey on cpu: about ")
    assert line.endswith(" of memory")
    assert "second" in line


def test_a_clip_of_one_step_has_a_line_without_a_time(model, tmp_path):
    frames = pictures(tmp_path / "in", length=1)
    _, lines = done(Job(frames, mask(tmp_path / "mask.png"), tmp_path / "out", model="grey"))
    (line,) = lines
    assert line.startswith(f"{frames}: 1 frame of 48x32, grey on cpu: all in one step, so its time is not known")
    assert line.endswith(" of memory")


def test_the_graphics_memory_is_told_where_there_is_any():
    assert expected(600.0, 1400.0, 0.0) == "about 10 minutes and 1.4 GB of memory"
    assert expected(600.0, 1400.0, 2048.0) == "about 10 minutes and 1.4 GB of memory, 2.0 GB on the GPU"


@pytest.mark.parametrize("out", ["out.mp4", "out"])
def test_ctrl_c_ends_cleanly_and_says_that_nothing_is_kept(model, tmp_path, out):
    model.before = stop_at(3)
    clip = video(tmp_path / "in.mp4", length=6)
    hole = mask(tmp_path / "mask.png")
    with pytest.raises(KeyboardInterrupt, match="stopped after 3 of 6 frames; nothing is kept"):
        done(Job(clip, hole, tmp_path / out))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "mask.png"]


@pytest.mark.parametrize("out", ["out.mp4", "out.MKV", "out"])
def test_ctrl_c_says_that_an_output_that_was_there_before_is_as_it_was(model, tmp_path, out):
    clip, hole, old = video(tmp_path / "in.mp4", length=6), mask(tmp_path / "mask.png"), tmp_path / out
    if old.suffix:
        old.write_bytes(b"an earlier result")
    else:
        pictures(old)
    for path in (old, *(old.iterdir() if old.is_dir() else ())):
        os.utime(path, (1e9, 1e9))
    before = {path.name: path.read_bytes() for path in (old.iterdir() if old.is_dir() else [old])}
    model.before = stop_at(3)
    with pytest.raises(KeyboardInterrupt) as ended:
        done(Job(clip, hole, old, overwrite=True))
    assert str(ended.value) == f"stopped after 3 of 6 frames; nothing is kept, {old} is as it was before"
    assert {path.name: path.read_bytes() for path in (old.iterdir() if old.is_dir() else [old])} == before


@pytest.mark.parametrize("out, kept", [("out.mp4", "is finished"), ("out", "holds 4 finished pictures")])
def test_ctrl_c_after_the_last_step_says_that_the_output_is_finished(model, tmp_path, monkeypatch, out, kept):
    write_clip = jobs.write_clip

    def write_and_stop(*parts, **options):
        write_clip(*parts, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "write_clip", write_and_stop)
    with pytest.raises(KeyboardInterrupt, match=f"stopped after 4 of 4 frames; .*{out} {kept}"):
        done(Job(video(tmp_path / "in.mp4"), mask(tmp_path / "mask.png"), tmp_path / out))


@pytest.mark.parametrize("stopped", ["reading in.mp4", "reading mask", "finding holes in mask"])
def test_ctrl_c_in_a_pass_before_the_work_says_that_nothing_is_kept(model, tmp_path, monkeypatch, stopped):
    def passing(frames, what, total, /):
        if what == stopped:
            raise KeyboardInterrupt
        return frames

    monkeypatch.setattr(jobs, "passing", passing)
    clip, holes = video(tmp_path / "in.mp4"), tmp_path / "mask"
    holes.mkdir()
    for index in range(4):
        mask(holes / f"{index}.png")
    with pytest.raises(KeyboardInterrupt, match=r"^stopped .*; nothing is kept, .*out\.mp4 appears when it is whole$"):
        done(Job(clip, holes, tmp_path / "out.mp4"))


def test_frames_that_do_not_fit_into_the_memory_are_told_before_the_work(model, tmp_path, monkeypatch):
    clip, hole = video(tmp_path / "in.mp4"), mask(tmp_path / "mask.png")
    monkeypatch.setattr(jobs, "available", lambda: 0.02)
    model.before = stop_at(0)
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        fill_one(Job(clip, hole, tmp_path / "out.mp4"), lambda note: told.append(str(note)), print)
    (note,) = told
    assert note.startswith(f"{clip}: 1 frame of 48x32 at once take")
    assert note.endswith("are free: give a smaller --max-side")
    monkeypatch.setattr(jobs, "available", lambda: 0.03)
    model.before = stop_at(-1)
    notes, _ = done(Job(clip, hole, tmp_path / "other.mp4"))
    assert notes == []


def test_ctrl_c_says_which_pictures_are_kept_where_a_writer_keeps_them(model, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def write_one_by_one(path, frames, clip, overwrite):
        path.mkdir()
        for index, _ in enumerate(frames):
            mask(path / f"{index}.png")

    model.before = stop_at(2)
    monkeypatch.setattr(jobs, "write_clip", write_one_by_one)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after 2 of 3 frames; .*out holds 2 finished pictures"):
        done(Job(pictures(tmp_path / "in"), mask(tmp_path / "mask.png"), out))


def test_ctrl_c_is_one_line_and_exit_code_130(model, tmp_path, capsys):
    model.before = stop_at(0)
    with pytest.raises(SystemExit) as ended:
        cli.main(
            ["inpaint", str(pictures(tmp_path / "in")), "--mask", str(mask(tmp_path / "m.png"))]
            + ["--out", str(tmp_path / "out")]
        )
    assert ended.value.code == 130
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert lines == [
        f"vinpaint: stopped after 0 of 3 frames; nothing is kept, {tmp_path / 'out'} appears when it is whole"
    ]


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--margin", "wide"], "--margin wide: give auto, all, or pixels from 8 up"),
        (["--max-side", "5"], "--max-side 5: is too small for this model; give 8 or more"),
    ],
)
def test_values_that_mean_nothing_are_refused_before_the_work(model, tmp_path, capsys, options, sentence):
    with pytest.raises(SystemExit) as ended:
        cli.main(
            ["inpaint", str(pictures(tmp_path / "in")), "--mask", str(mask(tmp_path / "m.png"))]
            + ["--out", str(tmp_path / "out"), *options]
        )
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_help_says_what_a_margin_is():
    asked = [sys.executable, "-m", "vinpaint_lib.cli", "inpaint", "--help"]
    text = " ".join(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.replace("│", " ").split())
    assert "an eighth of the longer side (at least 128)" in text
    assert "known pixels keep their full size" in text
    assert "a folder of clips" in text


def test_a_forecast_that_is_more_than_the_machine_has_comes_with_a_remedy(monkeypatch):
    monkeypatch.setattr(jobs, "available", lambda: 2000.0)
    monkeypatch.setattr(jobs, "resident", lambda: 500.0)
    assert expected(600.0, 2500.0, 0.0) == "about 10 minutes and 2.4 GB of memory"
    words = "about 10 minutes and 2.9 GB of memory, but only 2.4 GB are there: give a smaller --max-side"
    assert expected(600.0, 3000.0, 0.0) == words
