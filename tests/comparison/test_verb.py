"""The command line: options to a comparison and back, tables and figures of a file, refusals."""

import shlex
from pathlib import Path

import pytest

from tests.comparison.made_up import grid
from vinpaint_lib import cli
from vinpaint_lib.comparison import results, run, verb
from vinpaint_lib.comparison.cells import Comparison, cell_of, groups, key_of
from vinpaint_lib.comparison.words import Words
from vinpaint_lib.datasets.parse import parse_source

VALUES = {"flow": [16.0, 15.0, 19.0], "good": [17.0, 15.5, 22.0]}


@pytest.fixture
def seen(monkeypatch):
    """What a run was asked for."""
    found = []
    monkeypatch.setattr(run, "compare", lambda asked, *_: found.append(asked) or True)
    return found


@pytest.fixture
def filled(tmp_path):
    path = tmp_path / "a.jsonl"
    for line in grid(VALUES):
        results.append(path, line)
    return path


def test_options_become_a_comparison_and_its_command_gives_them_again(seen, clips):
    text = (
        f"compare --model light,dark,light --data {clips} --masks stationary,fvi:a --protocol clean,paper "
        "--size 432x240,384x256 --limit 64 --clips ant --seed 3 --trials 5 --sample 1 --weights vinet=a/b.safetensors "
        "--out a.jsonl --retry --pictures p --device cpu"
    )
    cli.main(shlex.split(text))
    (asked,) = seen
    assert asked == Comparison(
        models=["light", "dark"],
        data=clips,
        out=Path("a.jsonl"),
        masks=["stationary", "fvi:a"],
        protocols=["clean", "paper"],
        sizes=[(240, 432), (256, 384)],
        limit=64,
        clips=["ant"],
        seeds=range(3, 8),
        sample=1,
        weights={"vinet": Path("a/b.safetensors")},
        retry=True,
        pictures=Path("p"),
    )
    cli.main(shlex.split(run.command(asked))[1:])
    told = {name: value for name, value in vars(seen[1]).items() if name not in ("retry", "pictures")}
    assert told == {name: value for name, value in vars(asked).items() if name not in ("retry", "pictures")}


def test_all_are_the_systems_and_baselines_without_variants(seen):
    cli.main(["compare", "--data", "toy", "--out", "a.jsonl"])
    assert {"tgfnet", "vinet", "flow", "telea"} <= set(seen[0].models)
    assert "tgfnet-learned" not in seen[0].models
    assert (seen[0].masks, seen[0].protocols, seen[0].sizes) == (["stationary", "moving"], ["clean"], [(240, 432)])


def test_a_broken_cell_gives_exit_code_2(monkeypatch, capsys):
    monkeypatch.setattr(run, "compare", lambda *_: False)
    with pytest.raises(SystemExit) as ended:
        cli.main(["compare", "--data", "toy", "--out", "a.jsonl"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--data toy", "--out: is missing"),
        ("--out a.jsonl", "--data: is missing"),
        ("--out a.jsonl --data toy --weights vinet", "--weights vinet: names no system"),
        ("--out a.jsonl --data toy --size 3", "--size 3: is no size"),
        ("--out a.jsonl --data toy --figures f", "--figures f: are drawn from finished results"),
        ("--table a.jsonl --out b.jsonl", "--table: shows a file of results and runs nothing"),
        ("--table none.jsonl", "none.jsonl: cannot be read"),
    ],
)
def test_refusals_are_one_sentence(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main(["compare", *words.split()])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"vinpaint: {said}")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_shown_and_drawn(filled, tmp_path, capsys):
    before = filled.read_bytes()
    with filled.open("ab") as file:
        file.write(b'{"key"')
    cli.main(["compare", "--table", str(filled), "--figures", str(tmp_path / "f")])
    shown = capsys.readouterr()
    assert "good    18.17 [" in shown.out
    assert "camera moves less than 1 % of the width a frame" in shown.out
    assert "the last line is not whole" in shown.err
    assert filled.read_bytes() == before + b'{"key"', "showing changes nothing"
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["trade-off-stationary-clean-64x48.png"]


def test_a_file_without_a_finished_cell_is_refused(tmp_path, capsys):
    (tmp_path / "a.jsonl").touch()
    words = ["compare", "--table", str(tmp_path / "a.jsonl")]
    with pytest.raises(SystemExit):
        cli.main(words)
    assert "holds no finished cell" in capsys.readouterr().err


def test_a_key_stands_for_all_that_scores_depend_on(clips):
    words = Words(model="light", data=clips, masks="stationary", size="64x48")
    (group, *_) = groups(verb.asked_by(words, Path("a.jsonl")), parse_source(clips))
    cell = cell_of(group, "light", None)
    assert key_of(dict(reversed(cell.items()))) == key_of(cell)
    changed = [cell | {name: "other"} for name in cell]
    assert len({key_of(one) for one in (cell, *changed)}) == len(cell) + 1
