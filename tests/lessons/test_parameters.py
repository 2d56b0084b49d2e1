"""Parameters are refused with their name and what they may be; a record holds what JSON can hold, or nothing."""

import json
import math

import numpy as np
import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import parameters, record

RULES = {"seed": parameters.whole(0), "live": parameters.flag()}


@pytest.mark.parametrize(
    "rule, good, bad",
    [
        (parameters.whole(4, 20), [4, 20], [3, 21, 5.0, True, "5", None]),
        (parameters.whole(0), [0, 10**9], [-1, False]),
        (parameters.number(0, 1), [0, 1, 0.5], [-0.1, 1.1, math.nan, math.inf, True, "0.5"]),
        (parameters.one_of("telea", "flow", ""), ["telea", ""], ["Telea", "fl", None, 0]),
        (parameters.one_of(1, 2), [1, 2], [True, 1.0, "1"]),
        (parameters.flag(), [True, False], ["true", "false", "True", 0, 1, None]),
        (parameters.text(), ["x"], ["", "  ", 3]),
        (parameters.text(empty=True), ["x", ""], [None]),
        (parameters.size(64), ["64x64", "256x144", "256X144"], ["huge", "63x64", "64", "0x0", "-64x64", 64, ""]),
        (parameters.size(64, 128), ["128x64"], ["129x64"]),
        (parameters.size(64, multiple=8), ["72x64"], ["70x64"]),
    ],
)
def test_rules(rule, good, bad):
    assert [value for value in good if not rule.accepts(value)] == []
    assert [value for value in bad if rule.accepts(value)] == []


def test_paths_exist_and_folders_can_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    exists, optional = parameters.path(empty=False), parameters.path()
    assert exists.accepts(str(tmp_path / "file"))
    assert optional.accepts("")
    for wrong in ("", str(tmp_path / "none"), None):
        assert not exists.accepts(wrong)
    folder = parameters.folder()
    for right in (tmp_path, tmp_path / "new" / "deep", "../runs/x", "here"):
        assert folder.accepts(str(right))
    for wrong in (tmp_path / "file", tmp_path / "file" / "below", "", " "):
        assert not folder.accepts(str(wrong))


def test_the_message_names_parameter_value_and_remedy():
    with pytest.raises(UserError) as error:
        parameters.check({"size": "huge"}, size=parameters.size(64))
    assert str(error.value) == "parameter size is 'huge'; allowed: WIDTHxHEIGHT, at least 64x64, as in 256x144"
    with pytest.raises(UserError, match=r"^parameter live is 'false'; allowed: True or False without quotes"):
        parameters.check({"seed": 3, "live": "false"}, **RULES)
    refused = parameters.refusal("mask", "a.png", "empty unless clip is given")
    assert str(refused) == "parameter mask is 'a.png'; allowed: empty unless clip is given"


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(UserError) as error:
        parameters.check({"seed": -1, "sede": 3}, **RULES)
    assert str(error.value).splitlines() == [
        "there is no parameter sede; the parameters are seed, live",
        "parameter seed is -1; allowed: a whole number from 0",
        "parameter live is missing; allowed: True or False without quotes (-p NAME=true on the command line)",
    ]


def test_of_a_notebook_only_annotated_names_are_parameters():
    namespace = {"__name__": "__main__"}
    exec("seed: int = 0\nlive: bool = True", namespace)
    exec("import os\nother = 3", namespace)
    parameters.check(namespace, **RULES)
    exec("sede: int = 3", namespace)
    with pytest.raises(UserError, match="no parameter sede"):
        parameters.check(namespace, **RULES)


def test_a_record_comes_back_with_plain_values(tmp_path):
    values = {
        "psnr": np.float32(30.5),
        "worst": torch.tensor(2.5),
        "count": np.int64(7),
        "none": math.nan,
        "infinite": [1.0, math.inf],
        "inner": {"flag": True, "text": "Ä", "nothing": None},
        "pair": (1, 2),
    }
    path = record.write(tmp_path / "new" / "folder", values)
    assert path == tmp_path / "new" / "folder" / "metrics.json"
    assert list(path.parent.iterdir()) == [path]
    assert record.read(path.parent) == {
        "psnr": 30.5,
        "worst": 2.5,
        "count": 7,
        "none": None,
        "infinite": [1.0, None],
        "inner": {"flag": True, "text": "Ä", "nothing": None},
        "pair": [1, 2],
    }
    assert json.loads(path.read_text(encoding="utf-8"))["count"] == 7


@pytest.mark.parametrize("value", [torch.zeros(3), np.zeros(0), {1, 2}, object(), torch.nn.ReLU()])
def test_what_is_no_value_is_refused_and_the_earlier_record_stays(tmp_path, value):
    record.write(tmp_path, {"a": 1})
    with pytest.raises(TypeError, match=r"inner\.wrong"):
        record.write(tmp_path, {"inner": {"wrong": value}})
    assert record.read(tmp_path) == {"a": 1}


def test_paths_are_not_recorded_and_a_file_is_no_folder(tmp_path):
    with pytest.raises(TypeError, match="where is a path"):
        record.write(tmp_path, {"where": tmp_path})
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="give another out_dir"):
        record.write(tmp_path / "file", {"a": 1})
    with pytest.raises(UserError, match="is missing"):
        record.read(tmp_path / "none")
