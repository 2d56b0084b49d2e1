"""Copies that a reader has worked on: what counts as a change, and that none is lost."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vinpaint_lib.lessons import copies

NAME = "01_a.ipynb"


def notebook(*sources):
    return new_notebook(cells=[new_markdown_cell("# A"), *map(new_code_cell, sources or ("x = 1",))])


def change(path, how):
    given = nbformat.read(path, as_version=4)
    how(given)
    nbformat.write(given, path)


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def run(given):
    given.cells[1].outputs = [new_output("stream", text="1\n")]
    given.cells[1].execution_count = 7


def fold(given):
    given.cells[1].metadata["jupyter"] = {"source_hidden": True}
    given.metadata["kernelspec"] = {"name": "other", "display_name": "Other"}


def new_ids(given):
    for number, cell in enumerate(given.cells):
        cell.id = f"new-{number}"


def append_empty(given):
    given.cells.append(new_code_cell(""))


def newline_at_the_end(given):
    given.cells[1].source += "\n"


@pytest.mark.parametrize("how", [run, fold, new_ids, append_empty, newline_at_the_end])
def test_what_is_no_change_is_replaced(tmp_path, how):
    copies.write({NAME: notebook()}, tmp_path)
    change(tmp_path / NAME, how)
    assert not copies.is_changed(tmp_path / NAME)
    (done,) = copies.write({NAME: notebook("x = 2")}, tmp_path)
    assert done == (tmp_path / NAME, None)
    assert sources(tmp_path / NAME) == ["# A", "x = 2"]


def edit(given):
    given.cells[1].source = "x = 3"


def remark(given):
    given.cells.insert(1, new_markdown_cell("mine"))


def remove(given):
    del given.cells[0]


def turn(given):
    given.cells.reverse()


@pytest.mark.parametrize("how", [edit, remark, remove, turn])
def test_what_is_a_change_is_kept(tmp_path, how):
    copies.write({NAME: notebook()}, tmp_path)
    change(tmp_path / NAME, how)
    mine = (tmp_path / NAME).read_bytes()
    assert copies.is_changed(tmp_path / NAME)
    (done,) = copies.write({NAME: notebook("x = 2")}, tmp_path)
    assert done == (tmp_path / "01_a-new.ipynb", tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == mine
    assert sources(done.path) == ["# A", "x = 2"]


def test_again_and_again_loses_nothing_and_makes_no_heap(tmp_path):
    copies.write({NAME: notebook()}, tmp_path)
    change(tmp_path / NAME, edit)
    for _ in range(3):
        copies.write({NAME: notebook("x = 2")}, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.ipynb")) == ["01_a-new.ipynb", NAME]
    change(tmp_path / "01_a-new.ipynb", edit)
    (done,) = copies.write({NAME: notebook("x = 4")}, tmp_path)
    assert done.path.name == "01_a-new-2.ipynb"
    assert sources(tmp_path / "01_a-new.ipynb") == sources(tmp_path / NAME) == ["# A", "x = 3"]
    (done,) = copies.write({NAME: notebook("x = 5")}, tmp_path, force=True)
    assert done == (tmp_path / NAME, None)
    assert sources(tmp_path / NAME) == ["# A", "x = 5"]


def test_a_run_again_keeps_outputs(tmp_path):
    copies.write({NAME: notebook()}, tmp_path)
    change(tmp_path / NAME, run)
    before = (tmp_path / NAME).read_bytes()
    copies.write({NAME: notebook()}, tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


@pytest.mark.parametrize("record", [None, "", "[]", '{"01_a.ipynb": 3}'])
def test_without_a_record_everything_counts_as_changed(tmp_path, record):
    copies.write({NAME: notebook()}, tmp_path)
    (tmp_path / copies.RECORD).unlink()
    if record is not None:
        (tmp_path / copies.RECORD).write_text(record)
    (done,) = copies.write({NAME: notebook("x = 2")}, tmp_path)
    assert done.kept == tmp_path / NAME
    assert sources(tmp_path / NAME) == ["# A", "x = 1"]


def test_what_is_no_notebook_any_more_is_kept(tmp_path):
    copies.write({NAME: notebook()}, tmp_path)
    (tmp_path / NAME).write_text("half of a")
    (done,) = copies.write({NAME: notebook()}, tmp_path)
    assert (tmp_path / NAME).read_text() == "half of a"
    assert done.kept == tmp_path / NAME
    assert set(json.loads((tmp_path / copies.RECORD).read_text())) == {NAME, "01_a-new.ipynb"}
