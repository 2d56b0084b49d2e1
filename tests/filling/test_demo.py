"""The demo: a film without the man, then scores where the truth is known and a table, then the notebook."""

import json
from pathlib import Path

import pytest
import torch

from vinpaint_lib import rerun
from vinpaint_lib.datasets import street
from vinpaint_lib.errors import UserError
from vinpaint_lib.filling import demo
from vinpaint_lib.systems import build
from vinpaint_lib.video import Clip, read_clip

pytestmark = pytest.mark.slow
SMALL = (64, 152)
ROWS = {
    "telea": {"psnr": 30.0, "hole_psnr": 18.25, "ssim": 0.95, "warping_error": 0.0123},
    "tgfnet": {"psnr": 34.567, "hole_psnr": 24.5, "ssim": 0.98, "warping_error": 0.004},
}


def test_the_table_puts_the_best_first():
    rows = [line.split() for line in demo.table(ROWS).splitlines()[1:]]
    assert rows == [["tgfnet", "34.57", "24.50", "0.9800", "0.004"], ["telea", "30.00", "18.25", "0.9500", "0.0123"]]


def test_the_scored_clip_shows_no_man_and_has_his_holes():
    assert not set(demo.EMPTY) & set(street.WALKER)
    assert set(demo.OUTLINES) <= set(street.WALKER)
    clip = demo.scored_clip(SMALL)
    assert len(clip.frames) == len(clip.masks) == len(demo.EMPTY)
    assert (clip.masks.mean(dim=(1, 2, 3)) > 0.05).all()
    assert torch.equal(clip.frames[1:2], street.read(1, size=SMALL, first=217).frames)


def test_what_stands_under_a_hole_is_not_seen():
    clip = demo.scored_clip(SMALL)
    clip = Clip(clip.frames[:3], clip.masks[:3])
    bright = Clip((clip.frames + clip.masks).clamp(max=1), clip.masks)
    model = build("telea")
    assert torch.equal(demo.filled(model, clip), demo.filled(model, bright))
    assert torch.equal(demo.filled(model, clip) * (1 - clip.masks), clip.frames * (1 - clip.masks))


def test_scores_are_those_of_a_slow_loop():
    clip = demo.scored_clip(SMALL)
    clip = Clip(clip.frames[:3], clip.masks[:3])
    row = demo.scores({"telea": build("telea")}, clip)["telea"]
    result = demo.filled(build("telea"), clip).double()
    values = []
    for output, truth, mask in zip(result, clip.frames.double(), clip.masks, strict=True):
        hole = mask.expand(3, -1, -1) > 0
        values.append(float(-10 * torch.log10(((output - truth)[hole] ** 2).mean())))
    assert abs(row["hole_psnr"] - sum(values) / 3) < 1e-5
    assert row["psnr"] > row["hole_psnr"]


def test_film_scores_and_strip_are_there_before_the_notebook_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / rerun.DEMO).write_text("{}")
    seen = {}

    def run(notebook, out, parameters, progress):
        folder = rerun.DEMO_OUT
        seen.update(printed=capsys.readouterr().out, files=sorted(path.name for path in folder.iterdir()))
        raise UserError("stop here")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rerun, "run", run)
    monkeypatch.setattr(demo, "BASELINES", ("telea",))
    show = demo.show
    monkeypatch.setattr(demo, "show", lambda out: show(out, SMALL))
    with pytest.raises(UserError, match="stop here"):
        rerun.demo()
    assert seen["files"] == ["before_after.mp4", "filled.mp4", "film_strip.png", "metrics.json"]
    rows = json.loads(Path("runs/demo/metrics.json").read_text())["scores"]
    assert set(rows) == {"tgfnet", "telea"}
    assert demo.table(rows) in seen["printed"]
    assert demo.FOOTNOTE in seen["printed"]
    assert len(read_clip("runs/demo/filled.mp4").frames) == len(demo.PASSING)


def test_the_demo_outside_the_project_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="run this from the project's folder"):
        rerun.demo()
    assert list(tmp_path.iterdir()) == []
