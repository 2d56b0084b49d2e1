"""The ablation of Align-and-Attend: its rows, the table beside the paper's numbers, the command line."""

import json
from dataclasses import asdict, fields, replace

import pytest
import torch

from vinpaint_lib import checkpoints, cli, evaluate
from vinpaint_lib.errors import UserError
from vinpaint_lib.evaluate import Evaluation
from vinpaint_lib.systems.align_attend.ablation import ABLATION as ABOUT
from vinpaint_lib.systems.align_attend.model import CONFIGS, AlignAttend
from vinpaint_lib.systems.align_attend.network import Parts


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    model = AlignAttend(replace(CONFIGS["tiny"], camera=False))
    model.net.decoder.last.weight.data.mul_(10)
    model.net.merge.last.weight.data.normal_(std=0.05)
    model.net.flow.last.weight.data.normal_(std=0.05)
    path = tmp_path / "tiny.safetensors"
    checkpoints.save_weights(model, path, {"model": "align_attend", "config": asdict(model.config)})
    return path


def test_all_combinations_are_there_once_and_the_pair_of_matchings():
    rows = [tuple(row.options[switch] for switch in ABOUT.switches) for row in ABOUT.rows[:8]]
    assert len(set(rows)) == 8
    # The only thing that the source has kept of the ticks: how many each row has.
    assert [sum(row) for row in rows] == [0, 1, 1, 2, 1, 2, 2, 3]
    names = {field.name for field in fields(CONFIGS["small"])}
    assert all(set(row.options) <= names for row in ABOUT.rows)
    hole, entire = ABOUT.rows[7], ABOUT.rows[8]
    assert hole.options | {"matching": "entire"} == entire.options
    assert hole.options["matching"] == "hole"
    assert not any(row.options["merged"] for row in ABOUT.rows[:9])
    assert hole.options | {"merged": True} == ABOUT.rows[9].options


def test_the_paper_s_numbers_are_those_of_its_tables():
    assert [row.published for row in ABOUT.rows] == [
        (8.966, 0.709), (8.139, 1.017), (8.577, 0.838), (8.262, 1.615), (7.515, 0.608), (7.196, 1.863), (7.149, 1.753),
        (5.775, 1.707), (7.156, 1.818),
        None,
    ]  # fmt: skip
    assert min(row.published for row in ABOUT.rows if row.published) == ABOUT.rows[7].published


def test_the_notes_name_the_row_that_was_never_trained():
    """Training leaves parts out; it never changes the matching."""
    assert set(Parts._fields) == set(ABOUT.switches)
    (note,) = [note for note in ABOUT.notes if "never trained" in note]
    assert "Entire matching" in note


def test_systems_have_the_options_of_their_rows_and_the_same_weights(weights):
    systems = evaluate.build_rows(ABOUT, weights)
    assert list(systems) == [row.name for row in ABOUT.rows]
    for row in ABOUT.rows:
        config = systems[row.name].config
        assert {name: getattr(config, name) for name in row.options} == row.options
        first = systems["all"].state_dict()
        assert all(torch.equal(value, first[name]) for name, value in systems[row.name].state_dict().items())


def test_the_table_keeps_both_measures_apart(weights, tmp_path, capsys):
    out = tmp_path / "table.json"
    command = ["evaluate", "--ablation", "align_attend", "--data", "toy", "--clips", "astronaut", "--size", "64x48"]
    cli.main([*command, "--limit", "3", "--weights", str(weights), "--out", str(out), "--device", "cpu"])
    text = capsys.readouterr().out
    lines = text.splitlines()
    heading = lines[0].split()
    assert heading[:4] == ["parts", "align", "refine", "flow"]
    assert lines[0].endswith("|  FID in the paper")
    assert "hole PSNR dB" in lines[0]
    rows = lines[2:12]
    for line, row in zip(rows, ABOUT.rows, strict=True):
        ours, paper = line.split("|")
        assert ours.startswith(row.name)
        assert ours.removeprefix(row.name).split().count("x") == sum(row.options[s] for s in ABOUT.switches)
        assert paper.strip() == (f"{row.published[0]:.3f} ({row.published[1]:.3f})" if row.published else "-")
    for word in ("inference", "switched off at test time", "at random", "Tables 2a and 2b", "another measure"):
        assert word.lower() in text.lower()
    stored = json.loads(out.read_text())
    assert stored["command"].startswith("vinpaint evaluate --ablation align_attend --data toy")
    assert stored["ablation"]["rows"]["all"]["paper_fid"] == 5.775
    assert len({model["weights"]["sha256"] for model in stored["models"].values()}) == 1
    scores = {name: model["mean"]["hole_psnr"] for name, model in stored["models"].items()}
    assert len(set(scores.values())) > 4, "parts that are off must change something"


def test_other_tables_look_as_before(capsys):
    result = evaluate.evaluate(Evaluation(["telea"], size=(48, 64), limit=2, clips=["astronaut"]))
    assert "ablation" not in result
    assert "|" not in capsys.readouterr().out


def test_refusals(weights):
    with pytest.raises(UserError, match="one network"):
        evaluate.evaluate(Evaluation(size=(48, 64), weights={"all": weights}, ablation="align_attend"))
    with pytest.raises(UserError, match=r"no-such.safetensors"):
        evaluate.evaluate(Evaluation(weights=weights.with_name("no-such.safetensors"), ablation="align_attend"))
    with pytest.raises(UserError, match="--ablation dfvi: is no system with a table of parts; use one of tgfnet, sttn"):
        evaluate.evaluate(Evaluation(ablation="dfvi"))
