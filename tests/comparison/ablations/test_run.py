"""An ablation from end to end: two forms of a tiny network, a kill in the middle, scores, the table; and switches."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from vinpaint_lib.comparison import results
from vinpaint_lib.comparison.ablations import run
from vinpaint_lib.comparison.ablations.asked import Ablating
from vinpaint_lib.comparison.measure import measured
from vinpaint_lib.comparison.tables import tables
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.training.loop import Trainer

pytestmark = pytest.mark.slow

FORMS = ("combcn: full", "combcn: not joint")


class Killed(BaseException):
    """The process ends here: nothing of the library catches it."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("samples")


@pytest.fixture
def asked(tmp_path, clips, cache, monkeypatch):
    monkeypatch.setenv("VINPAINT_CACHE", str(cache))
    return Ablating(
        "combcn", tmp_path / "runs", clips, variants=["not joint"], preset="tiny", steps=4, workers=0,
        masks=["stationary"], size=(40, 56), limit=3,
    )  # fmt: skip


@pytest.fixture
def told():
    return []


@pytest.fixture
def go(told):
    return lambda asked: run.ablate(asked, told.append, told.append, str)


def steps_done(monkeypatch, kill_at=None):
    """The steps that are trained from now on, by form; the process ends before step `kill_at` of the second form."""
    done, step = [], Trainer.one_step

    def counted(self, batch):
        form = self.out.name
        if (form, self.step) == kill_at:
            raise Killed
        done.append((form, self.step))
        return step(self, batch)

    monkeypatch.setattr(Trainer, "one_step", counted)
    return done


def scores_of(path):
    return {line["cell"]["system"] + line["cell"]["clip"]: line["scores"] for line in results.read(path).lines}


def test_a_killed_ablation_goes_on_as_if_nothing_had_been(asked, go, told, monkeypatch, tmp_path, capsys):
    undisturbed = replace(asked, out=tmp_path / "other")
    assert go(undisturbed)
    printed = capsys.readouterr().out
    with monkeypatch.context() as patch:
        done = steps_done(patch, kill_at=("not-joint-seed0", 3))
        with pytest.raises(Killed):
            go(asked)
        assert done == [("full-seed0", n) for n in range(4)] + [("not-joint-seed0", n) for n in range(3)]
    assert not (asked.out / run.RESULTS).exists()
    told.clear()
    with monkeypatch.context() as patch:
        done = steps_done(patch)
        assert go(asked)
        assert done == [("not-joint-seed0", 2), ("not-joint-seed0", 3)], "from its last state, and the other is skipped"
    assert any("goes on after step 2" in str(line) for line in told)
    for form in ("full-seed0", "not-joint-seed0"):
        one, two = (load_file(each.out / form / "weights.safetensors") for each in (asked, undisturbed))
        assert all(torch.equal(one[name], two[name]) for name in two)
    assert scores_of(asked.out / run.RESULTS) == scores_of(undisturbed.out / run.RESULTS)
    again = capsys.readouterr().out
    means = [line.split()[2:5] for line in again.splitlines() if line.startswith("combcn: ")]
    assert means == [line.split()[2:5] for line in printed.splitlines() if line.startswith("combcn: ")]
    # finished: nothing is trained, nothing is scored, and the table is the same
    before = (asked.out / run.RESULTS).read_bytes()
    with monkeypatch.context() as patch:
        done = steps_done(patch)
        assert go(asked)
        assert done == []
    assert (asked.out / run.RESULTS).read_bytes() == before
    assert capsys.readouterr().out == again
    check_table(asked, again)
    check_refusals(asked, go)


def check_table(asked, printed):
    lines = results.read(asked.out / run.RESULTS).lines
    (table,) = tables(lines)
    assert table.reference == FORMS[0]
    rows = {row.label: row for row in table.rows}
    assert set(rows) == set(FORMS)
    assert rows[FORMS[0]].more is None
    by_clip = {
        form: [sum(line["scores"]["hole_psnr"]) / 3 for line in lines if line["cell"]["system"] == form]
        for form in FORMS
    }
    difference = sum(b - a for a, b in zip(by_clip[FORMS[0]], by_clip[FORMS[1]], strict=True)) / 3
    assert rows[FORMS[1]].more.value == pytest.approx(difference, abs=1e-6)
    assert rows[FORMS[1]].more.low is not None, "three clips have an interval"
    assert "less `combcn: full`" in printed
    assert "`combcn: not joint`: both networks side by side" in printed
    assert "Trained anew: tiny, 4 steps, toy" in printed
    assert "may be the seed's" in printed
    for line in lines:
        assert line["run"]["command"] == run.command(asked)
        assert line["model"]["changes"] == ({} if line["cell"]["system"] == FORMS[0] else {"joint": False})
        assert line["model"]["training"] == "tiny, 4 steps, toy"


def check_refusals(asked, go):
    with pytest.raises(UserError, match=r"full: .*belongs to a run with other settings"):
        go(replace(asked, steps=5, seed=0, data="toy,toy"))
    with pytest.raises(UserError, match="was begun with other --weights"):
        go(replace(asked, weights=asked.out / "full-seed0" / "weights.safetensors"))


def test_every_seed_is_a_trial_with_holes_of_its_own(asked, go, capsys):
    two = replace(asked, variants=["full"], steps=1, seeds=2)
    assert go(two)
    lines = results.read(two.out / run.RESULTS).lines
    assert {(line["cell"]["seed"], line["model"]["seed"]) for line in lines} == {(0, 0), (1, 1)}
    assert len({line["cell"]["weights"] for line in lines}) == 2
    (table,) = tables(lines)
    (row,) = table.rows
    assert row.label == "combcn: full", "trainings that differ in their seeds alone are one row"
    assert (len(row.units), row.clips) == (6, 3)
    assert "2 trainings a form" in capsys.readouterr().out


def test_stopped_while_it_scores_keeps_what_is_scored(asked, go, monkeypatch):
    asked = replace(asked, out=asked.out / "a.jsonl", switches=True, variants=["no guidance"], steps=None)
    counted = []

    def stop(*given):
        counted.append(given)
        if len(counted) == 3:
            raise KeyboardInterrupt
        return measured(*given)

    with monkeypatch.context() as patch:
        patch.setattr("vinpaint_lib.comparison.run.measured", stop)
        with pytest.raises(KeyboardInterrupt, match="2 of 6 cells of this run are kept"):
            go(asked)
    assert len(results.read(asked.out).lines) == 2
    assert go(asked)
    lines = results.read(asked.out).lines
    assert len(lines) == len({line["key"] for line in lines}) == 6
    assert {line["cell"]["weights"] for line in lines} == {lines[0]["cell"]["weights"]}
    assert json.loads(json.dumps(lines[1]["model"]["changes"])) == {"guidance": False}
    assert "it does not show" in lines[0]["run"]["notes"][0]


def test_a_form_without_one_of_its_networks_trains_and_is_read_again(asked, go):
    assert go(replace(asked, variants=["no guidance"], steps=3))
    model = registry.build("combcn", asked.out / "no-guidance-seed0" / "weights.safetensors")
    assert not model.config.guidance
