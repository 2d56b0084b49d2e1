"""A comparison is run: scores as `evaluate` has them, resume, failures, draws, refusals."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vinpaint_lib import evaluate
from vinpaint_lib.comparison import results
from vinpaint_lib.comparison.cells import Comparison
from vinpaint_lib.comparison.run import command, compare
from vinpaint_lib.comparison.tables import tables
from vinpaint_lib.errors import UserError
from vinpaint_lib.places import claimed

pytestmark = pytest.mark.slow

SIZE = (40, 56)
OF_A_MOMENT = ("seconds_per_frame", "cpu_seconds_per_frame", "memory")


class Killed(BaseException):
    """The process ends here: nothing of the library catches it."""


@pytest.fixture
def asked(tmp_path, clips):
    return Comparison(["light", "dark"], clips, tmp_path / "all.jsonl", sizes=[SIZE], masks=["stationary", "moving"])


@pytest.fixture
def told():
    """What was said while it ran."""
    return []


@pytest.fixture
def go(told):
    return lambda asked: compare(asked, told.append, told.append, lambda error: f"a fault: {error}")


def lasting(path):
    """The lines of a file without times, memory and load."""
    lines = results.read(path).lines
    for line in lines:
        for name in OF_A_MOMENT:
            line.pop(name, None)
        line["run"] = {k: v for k, v in line["run"].items() if k not in ("load", "ended", "command", "commit")}
    return lines


def test_means_are_those_of_evaluate(asked, go, clips, tmp_path):
    both = replace(asked, masks=["moving"], protocols=["clean", "paper"], models=["light", "telea"])
    assert go(both)
    for table in tables(results.read(both.out).lines):
        protocol = table.setting["protocol"]
        other = evaluate.evaluate(
            evaluate.Evaluation(["light", "telea"], clips, "moving", protocol=protocol, size=SIZE)
        )["models"]
        for row in table.rows:
            found = {score: estimate.value for score, estimate in row.means.items()}
            expected = {name: value for name, value in other[row.label]["mean"].items() if name in found}
            assert found == pytest.approx(expected, rel=1e-5)  # seven digits are kept
            assert set(found) == {"psnr", "hole_psnr", "ssim", "warping_error", "hole_warping_error"}


def test_every_line_says_what_it_was_made_with(asked, go):
    assert go(asked)
    lines = results.read(asked.out).lines
    assert len(lines) == 2 * 2 * 3
    assert len({line["key"] for line in lines}) == 12
    for line in lines:
        length = line["clip"]["frames"]
        assert [len(line["scores"][name]) for name in ("psnr", "warping_error")] == [length, length - 1]
        assert line["seconds_per_frame"] > 0
        assert line["clip"]["flow"].startswith("DIS")
        assert line["feature_nets"] == "none"
        assert line["model"]["weights"] is None
        assert {"command", "commit", "versions", "device", "threads", "load", "ended"} <= set(line["run"])
        assert line["run"]["command"] == command(asked)
    by_hole = {(line["cell"]["clip"], line["cell"]["masks"]): line["clip"]["mask_sha256"] for line in lines}
    for line in lines:
        assert by_hole[line["cell"]["clip"], line["cell"]["masks"]] == line["clip"]["mask_sha256"], "the same holes"


def test_a_killed_run_goes_on_as_if_nothing_had_been(asked, go, told, fakes, tmp_path):
    undisturbed = replace(asked, out=tmp_path / "other.jsonl")
    assert go(undisturbed)
    whole, fakes.frames = fakes.frames, 0

    def kill(model, step):
        if fakes.frames == whole // 2 + 1:
            raise Killed

    fakes.trouble = kill
    with pytest.raises(Killed):
        go(asked)
    done = len(results.read(asked.out).lines)
    assert 0 < done < 12
    with asked.out.open("ab") as file:
        file.write(json.dumps(results.read(asked.out).lines[0]).encode()[:700])
    fakes.trouble, fakes.frames = fakes.nothing, 0
    told.clear()
    assert go(asked)
    assert sum("cut short" in str(line) for line in told) == 1
    assert 0 < fakes.frames < whole, "finished cells are not run again"
    assert lasting(asked.out) == lasting(undisturbed.out)
    fakes.frames, before = 0, asked.out.read_bytes()
    assert go(asked)
    assert (fakes.frames, asked.out.read_bytes()) == (0, before)


def test_a_failure_is_kept_and_told_and_the_rest_goes_on(asked, go, told, fakes):
    def fail(model, step):
        if model.colour == 0.3 and step.targets == (1,):
            raise ValueError("no such luck")

    fakes.trouble = fail
    assert not go(asked)
    lines = results.read(asked.out).lines
    assert [line["error"] for line in lines if "error" in line] == ["ValueError: no such luck"] * 6
    assert sum("scores" in line for line in lines) == 6
    assert any("dark: ant, stationary" in line and "a fault: no such luck" in line for line in told)
    fakes.trouble, fakes.frames = fakes.nothing, 0
    assert not go(asked), "what failed stays so"
    assert fakes.frames == 0
    assert any("broken, and run again with --retry: dark, ant" in line for line in told)
    assert go(replace(asked, retry=True))
    assert go(asked)
    assert len(results.one_each(results.read(asked.out).lines)) == 12


def test_a_clip_without_holes_fails_for_all_systems_alone(asked, go, told):
    assert not go(replace(asked, masks=["object"]))
    lines = results.read(asked.out).lines
    assert {(line["cell"]["clip"], "error" in line) for line in lines} == {
        ("ant", False),
        ("bee", False),
        ("cat", True),
    }
    assert len(lines) == 6
    assert "its masks (object) are empty" in lines[-1]["error"]


def test_numbers_that_are_none_are_a_failure(asked, go, fakes, monkeypatch):
    def spoil(model, step):
        model.colour = float("nan")

    fakes.trouble = spoil
    assert not go(replace(asked, models=["light"], clips=["ant"], masks=["stationary"]))
    (line,) = results.read(asked.out).lines
    assert "no finite numbers" in line["error"]


def test_pictures_are_kept_and_their_want_is_told(asked, go, told, tmp_path):
    few = replace(asked, models=["light"], clips=["ant"], pictures=tmp_path / "p")
    assert go(replace(few, masks=["stationary"]))
    assert {path.name for path in (tmp_path / "p").rglob("*.png")} == {"input.png", "truth.png", "light.png"}
    assert not any("no pictures" in str(line) for line in told)
    assert go(few)
    assert any("1 cells were finished before and give no pictures" in str(line) for line in told)


def test_two_at_once(asked, go):
    with claimed(asked.out), pytest.raises(UserError, match="another run of this program is writing there"):
        go(asked)
    assert not asked.out.exists()


def test_ctrl_c_says_what_is_kept(asked, go, fakes):
    def stop(model, step):
        if fakes.frames == 8:  # in the third cell
            raise KeyboardInterrupt

    fakes.trouble = stop
    with pytest.raises(KeyboardInterrupt, match=r"stopped: 2 of 12 cells of this run are kept in .*all\.jsonl"):
        go(asked)
    found = results.read(asked.out)
    assert (len(found.lines), found.rest) == (2, b"")


def test_trials_draw_holes_anew_and_samples_draw_clips(asked, go):
    few = replace(asked, models=["light"], masks=["stationary"], seeds=range(3), sample=2)
    assert go(few)
    lines = results.read(few.out).lines
    drawn = {seed: [x["cell"]["clip"] for x in lines if x["cell"]["seed"] == seed] for seed in range(3)}
    assert all(len(set(names)) == 2 for names in drawn.values())
    assert len({tuple(names) for names in drawn.values()}) > 1
    assert len({line["clip"]["mask_sha256"] for line in lines}) == 6
    fresh = replace(few, out=few.out.with_name("again.jsonl"))
    assert go(fresh)
    assert lasting(fresh.out) == lasting(few.out)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocols": ["strict"]}, "--protocol strict: is not known; use one of clean, paper"),
        ({"masks": ["blob"]}, "--masks blob: is not known"),
        ({"masks": []}, "each needs one value or more"),
        ({"models": ["nobody"]}, "unknown model 'nobody'"),
        ({"models": []}, "names no model"),
        ({"clips": ["owl"]}, "no clip is called owl"),
        ({"sample": 4}, "--sample 4: there are 3 clips"),
        ({"seeds": []}, "--trials: draws no holes"),
        ({"seeds": range(-1, 2)}, "--seed -1: is below 0"),
        ({"limit": 0}, "--limit 0: is no number of frames"),
        ({"data": "davis:nowhere"}, "nowhere"),
        ({"weights": {"light": Path("a.safetensors")}}, "a.safetensors: the baseline light has no weights"),
    ],
)
def test_refused_before_the_work(asked, go, fakes, change, words):
    with pytest.raises(UserError, match=words) as refused:
        go(replace(asked, **change))
    assert "\n" not in str(refused.value)
    assert fakes.frames == 0
    assert not asked.out.exists()


def test_a_file_of_something_else_is_left_alone(asked, go, tmp_path):
    for name in ("table.json", "."):
        with pytest.raises(UserError, match=r"give the name of a \.jsonl file"):
            go(replace(asked, out=tmp_path / name))
    asked.out.write_text('{"step": 1}\n', encoding="utf-8")
    with pytest.raises(UserError, match="line 1 is no result"):
        go(asked)
    assert asked.out.read_text(encoding="utf-8") == '{"step": 1}\n'
