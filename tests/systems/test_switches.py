"""The rows of switches that every system declares: one network with the weights that ship, each row something else."""

import json

import pytest

from vinpaint_lib import cli
from vinpaint_lib.scoring.ablation import AT_TEST_TIME
from vinpaint_lib.systems import registry

DECLARED = {name: system.ablation for name, system in registry.SYSTEMS.items() if system.ablation is not None}
SWITCHES = {name: ablation for name, ablation in DECLARED.items() if AT_TEST_TIME in ablation.notes}


def test_five_papers_declare_rows():
    assert set(DECLARED) == {"tgfnet", "sttn", "combcn", "vinet", "align_attend"}
    assert set(DECLARED) - set(SWITCHES) == {"align_attend"}, "whose rows are those of its paper"


@pytest.mark.parametrize("name", SWITCHES)
def test_every_row_has_a_sentence_and_changes_the_network_that_ships(name):
    ablation = SWITCHES[name]
    assert ablation.reference.options == {}
    assert len({row.name for row in ablation.rows}) == len(ablation.rows)
    first = registry.build(name)
    seen = [first.config]
    for row in ablation.rows:
        assert row.says.endswith(".")
        assert row.published is None
        model = registry.build(name, **row.options)
        assert model.state_dict().keys() == first.state_dict().keys()
        if row.options:
            assert model.config not in seen, f"{row.name} changes nothing, or what another row changes"
            seen.append(model.config)


@pytest.mark.slow
def test_the_command_says_what_every_row_is(capsys, tmp_path):
    out = tmp_path / "a.json"
    cli.main(
        ["evaluate", "--ablation", "combcn", "--data", "toy", "--clips", "coffee", "--size", "64x48", "--limit", "3"]
        + ["--device", "cpu", "--out", str(out)]
    )
    lines = capsys.readouterr().out.splitlines()
    rows = SWITCHES["combcn"].rows
    for row, line in zip(rows, lines[2:], strict=False):
        assert line.startswith(row.name)
        assert f"`{row.name}`: {row.says}" in lines
    assert AT_TEST_TIME in lines
    stored = json.loads(out.read_text())
    assert stored["ablation"]["rows"]["no guidance"]["guidance"] is False
    means = {name: model["mean"]["hole_psnr"] for name, model in stored["models"].items()}
    assert len(set(means.values())) == len(rows), "every row fills otherwise"
