"""TGF-Net's rows: one network with the weights that ship, its parts switched off or exchanged."""

import pytest

from vinpaint_lib import cli
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.tgfnet.ablation import ABLATION

pytestmark = pytest.mark.slow


def test_every_row_is_a_form_of_the_network_that_ships():
    first = registry.build("tgfnet")
    assert ABLATION.rows[0].options == {}
    for row in ABLATION.rows:
        model = registry.build("tgfnet", **row.options)
        assert {name: getattr(model.config, name) for name in row.options} == row.options
        assert all(
            value == getattr(first.config, name)
            for name, value in vars(model.config).items()
            if name not in row.options
        )
        assert model.state_dict().keys() == first.state_dict().keys()
        assert row.options == {} or model.config != first.config, "a row that changes nothing is no row"


def test_no_number_stands_beside_them():
    assert ABLATION.heading == ""
    assert all(row.published is None for row in ABLATION.rows)


def test_the_command_prints_every_row(capsys):
    cli.main(
        [
            "evaluate",
            "--ablation",
            "tgfnet",
            "--data",
            "toy",
            "--clips",
            "coffee",
            "--size",
            "64x48",
            "--limit",
            "3",
            "--device",
            "cpu",
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["parts", "PSNR", "dB"]
    assert "|" not in lines[0]
    for line, row in zip(lines[2:], ABLATION.rows, strict=False):
        assert line.startswith(row.name)
    assert any("4F and 4G are empty" in line for line in lines)
