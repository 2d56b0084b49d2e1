"""`make gpu`: sections fail alone, lines are whole, the minutes are kept, a later run leaves out what was done."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from vinpaint_lib.bench.gpu import run
from vinpaint_lib.bench.gpu.budget import Budget, TimeIsOver, at_most
from vinpaint_lib.bench.gpu.record import DONE, FAILED, LEFT_OUT, Record, plain, read
from vinpaint_lib.bench.gpu.setting import Cell, LeftOut, Setting
from vinpaint_lib.errors import UserError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WHERE = {"device": "cpu", "quick": True}


class Clock:
    """Stands still, unless a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def setting(clock, tmp_path) -> Setting:
    """A quick run of ten minutes on the CPU, with a clock that stands still."""
    return Setting(torch.device("cpu"), True, Budget(10.0, clock), tmp_path)


@pytest.fixture
def lines(tmp_path) -> Path:
    return tmp_path / "lines.jsonl"


def section(monkeypatch, cells, share: float = 0.5, name: str = "planted", needs: tuple[str, ...] = ()) -> run.Section:
    """A section whose module is made here; `cells` takes the setting and gives cells."""
    module = ModuleType(f"vinpaint_lib.bench.gpu.{name}")
    module.cells = cells
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return run.Section(name, needs, share, share)


def broken() -> dict[str, object]:
    raise ValueError("planted")


def states(path: Path) -> dict[str, str]:
    return {row["cell"]: row["state"] for row in map(json.loads, path.read_text().splitlines())}


# Sections and cells


def test_a_cell_that_fails_is_a_line_and_the_next_one_runs(monkeypatch, setting, lines):
    planted = section(monkeypatch, lambda _: iter([Cell("first", broken), Cell("second", lambda: {"value": 1.5})]))
    record = Record(lines, WHERE, False)
    run.run_section(planted, setting, record, [])
    first, second = map(json.loads, lines.read_text().splitlines())
    assert (first["state"], first["why"]) == (FAILED, "ValueError: planted")
    assert first["where"].startswith("run.py:")
    assert (second["state"], second["value"], second["device"]) == (DONE, 1.5, "cpu")
    assert record.counts == {DONE: 1, LEFT_OUT: 0, FAILED: 1}


def test_a_section_that_fails_between_cells_is_a_line_and_the_next_section_runs(monkeypatch, setting, lines):
    def cells(_: Setting) -> Iterator[Cell]:
        yield Cell("first", dict)
        raise RuntimeError("planted between cells")

    record = Record(lines, WHERE, False)
    run.run_section(section(monkeypatch, cells), setting, record, [])
    run.run_section(run.Section("there_is_no_such_module", (), 0.1, 0.1), setting, record, [])
    run.run_section(section(monkeypatch, lambda _: iter([Cell("after", dict)]), name="other"), setting, record, [])
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [(row["cell"], row["state"]) for row in rows] == [
        ("first", DONE),
        ("all", FAILED),
        ("all", FAILED),
        ("after", DONE),
    ]
    assert "planted between cells" in rows[1]["why"]
    assert "ModuleNotFoundError" in rows[2]["why"]


def test_what_cannot_be_measured_is_left_out(monkeypatch, setting, lines):
    def full() -> dict[str, object]:
        raise torch.cuda.OutOfMemoryError("planted")

    def refused() -> dict[str, object]:
        raise LeftOut("no such thing here")

    record = Record(lines, WHERE, False)
    run.run_section(
        section(monkeypatch, lambda _: iter([Cell("full", full), Cell("no", refused)])), setting, record, []
    )
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["state"] for row in rows] == [LEFT_OUT, LEFT_OUT]
    assert [row["why"] for row in rows] == ["more memory than the device has", "no such thing here"]


def test_no_cell_begins_after_its_sections_share_of_the_minutes(monkeypatch, setting, clock, lines):
    """Shares of 0.25 and 0.5 of ten minutes; a cell takes 100 seconds of the fake clock."""

    def taking() -> dict[str, object]:
        clock.now += 100
        return {}

    def cells(_: Setting) -> Iterator[Cell]:
        return iter([Cell(str(number), taking) for number in range(6)])

    record = Record(lines, WHERE, False)
    run.run_section(section(monkeypatch, cells, 0.25), setting, record, [])
    assert states(lines) == {"0": DONE, "1": DONE, "the rest": LEFT_OUT}
    assert read(lines)[-1]["cells"] == ["2", "3", "4", "5"]
    assert record.counts[LEFT_OUT] == 4
    run.run_section(section(monkeypatch, cells, 0.5, "other"), setting, record, [])
    assert [row["cell"] for row in read(lines)[3:]] == ["0", "1", "2", "the rest"]
    assert clock.now == 100 + 5 * 100


@pytest.mark.parametrize("names", [["training"], ["machine", "training"], [each.name for each in run.SECTIONS]])
def test_the_last_section_has_the_time_until_the_end(names, clock):
    """Else the end of a training's section would come before its deadline, and nothing would be stored."""
    for quick in (False, True):
        budget = Budget(2.0, clock)
        for each in run.chosen(names):
            budget.enter(each.quick_share if quick else each.share)
        assert budget.ends == pytest.approx(100 + 120)
    assert [each.name for each in run.chosen(names)] == names


def test_a_cell_that_would_take_too_long_does_not_begin(monkeypatch, setting, lines):
    cells = [Cell("long", broken, guess=301.0), Cell("short", dict, guess=299.0)]
    run.run_section(section(monkeypatch, lambda _: iter(cells)), setting, Record(lines, WHERE, False), [])
    assert states(lines) == {"long": LEFT_OUT, "short": DONE}
    assert read(lines)[0]["why"] == "would take about 301 s of the 300 s that are left"


def test_a_cell_whose_time_is_over_ends_in_the_middle(monkeypatch, setting, clock, lines):
    """The end is a hundredth of a second away, and the cell never ends by itself."""

    def endless() -> dict[str, object]:
        while True:
            try:
                sum(range(1000))
            except Exception:
                return {}

    clock.now += 0.5 * 600 - 0.01
    run.run_section(
        section(monkeypatch, lambda _: iter([Cell("endless", endless)])), setting, Record(lines, WHERE, False), []
    )
    assert states(lines) == {"endless": LEFT_OUT}


def test_time_that_is_not_over_disturbs_nothing():
    with at_most(60.0):
        pass
    with pytest.raises(TimeIsOver), at_most(-1.0):
        time.sleep(60)


def test_a_training_ends_before_the_minutes_do(clock):
    assert Budget(10.0, clock).deadline() == 100 + 600 - 36
    assert Budget(2.0, clock).deadline() == pytest.approx(100 + 120 - 7.2)
    assert Budget(1.0, clock, begun=50.0).deadline() == 50 + 60 - 5


# Lines


def test_every_line_is_whole_json_even_after_one_that_was_cut(lines):
    Record(lines, WHERE, False).write("one", "cell", DONE, 1.0, value=float("nan"), place=Path("a"), list=(1, 2.0))
    with lines.open("a") as file:
        file.write('{"section": "two", "ce')
    Record(lines, WHERE, True).write("three", "cell", DONE, 2.0)
    assert lines.read_text().count("\n") == 3
    assert [row["section"] for row in read(lines)] == ["one", "three"]
    first = json.loads(lines.read_text().splitlines()[0], parse_constant=lambda name: pytest.fail(name))
    assert (first["value"], first["place"], first["list"]) == ("nan", "a", [1, 2.0])


def test_floats_have_five_digits():
    assert plain({"x": 1 / 3, "y": [123456.789], "n": 5, "b": True, "none": None}) == {
        "x": 0.33333,
        "y": [123460.0],
        "n": 5,
        "b": True,
        "none": None,
    }


def test_resume_leaves_out_what_was_done_on_the_same_device(monkeypatch, setting, lines):
    calls: list[str] = []

    def cells(_: Setting) -> Iterator[Cell]:
        return iter([Cell("good", lambda: calls.append("good") or {}), Cell("bad", broken)])

    planted = section(monkeypatch, cells, 0.1)
    for where, resume in ((WHERE, False), (WHERE, True), (WHERE | {"device": "other"}, True), (WHERE, False)):
        run.run_section(planted, setting, Record(lines, where, resume), [])
    assert [row["cell"] for row in read(lines)] == ["good", "bad", "bad", "good", "bad", "good", "bad"]
    assert len(calls) == 3


def test_a_section_whose_packages_are_missing_is_left_out(monkeypatch, setting, lines):
    planted = section(monkeypatch, lambda _: iter([Cell("never", broken)]), needs=("einops", "cv2"))
    run.run_section(planted, setting, Record(lines, WHERE, False), ["av", "einops"])
    assert read(lines)[0]["why"] == "einops not installed"


# Options


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--train", "telea"], "no training recipe for model 'telea'"),
        (["--preset", "huge"], "--preset huge: tgfnet has tiny, laptop, "),
        (["--data", "nothing"], "'nothing' is no source of clips"),
        (["--device", "cuda:7"], "--device cuda:7"),
    ],
)
def test_wrong_words_are_sentences_before_anything_is_measured(words, sentence, lines, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "VINPAINT_CACHE", "unused")
    assert run.main(["--minutes", "1", "--out", str(lines), "--device", "cpu", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not lines.exists()


def test_a_fault_in_the_check_of_the_training_is_not_hidden(monkeypatch, setting, lines):
    """It is a line at once, and the sections run all the same; a mistake of the user's still ends the run."""
    module = ModuleType("vinpaint_lib.bench.gpu.training")
    module.check = lambda given: broken()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    record = Record(lines, WHERE, resume=False)
    run.check_training(setting, record)
    assert states(lines) == {"check": FAILED}
    assert record.counts[FAILED] == 1
    assert "planted" in lines.read_text()

    def refused(given):
        raise UserError("no such preset")

    module.check = refused
    with pytest.raises(UserError, match="no such preset"):
        run.check_training(setting, record)
