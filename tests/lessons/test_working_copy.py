"""`make lab` opens copies: what is stored is never touched, and what a reader wrote is never lost."""

import json
from pathlib import Path

import nbformat
import pytest
from jupyterlab.commands import get_app_dir
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vinpaint_lib.lessons import catalogue, working_copy


def lesson(path, text):
    shown = new_code_cell("1 + 1", outputs=[new_output("execute_result", data={"text/plain": "2"})])
    nbformat.write(new_notebook(cells=[new_markdown_cell(text), shown]), path)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    lesson(folder / "00_a.ipynb", "# One")
    lesson(folder / "01_b.ipynb", "# Two")
    (folder / "glossary.md").write_text("# Glossary")
    (folder / "mine.ipynb").write_text("no lesson")
    return folder


def files(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def first_text(path):
    return nbformat.read(path, as_version=4).cells[0].source


def rewrite(path, text):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = text
    nbformat.write(notebook, path)


def test_copies_have_the_outputs_and_the_pages_that_they_link_to(source, tmp_path):
    work = tmp_path / "deep" / "work"
    assert [written.path.name for written in working_copy.lay(work, source)] == ["00_a.ipynb", "01_b.ipynb"]
    assert files(work) == ["00_a.ipynb", "01_b.ipynb", "glossary.md", "progress.json"]
    assert (work / "00_a.ipynb").read_text() == (source / "00_a.ipynb").read_text()


def test_what_a_reader_wrote_stays_also_when_the_lesson_changes(source, tmp_path):
    work = tmp_path / "work"
    working_copy.lay(work, source)
    rewrite(work / "00_a.ipynb", "# One, solved")
    assert working_copy.lay(work, source) == []  # nothing is new: no second copy beside the reader's
    assert files(work) == ["00_a.ipynb", "01_b.ipynb", "glossary.md", "progress.json"]
    lesson(source / "00_a.ipynb", "# One, mended")
    lesson(source / "01_b.ipynb", "# Two, mended")
    working_copy.lay(work, source)
    assert first_text(work / "00_a.ipynb") == "# One, solved"
    assert first_text(work / "00_a-new.ipynb") == "# One, mended"
    assert first_text(work / "01_b.ipynb") == "# Two, mended"
    written = files(work)
    assert working_copy.lay(work, source) == []
    assert files(work) == written


def test_a_copy_that_was_removed_comes_back(source, tmp_path):
    work = tmp_path / "work"
    working_copy.lay(work, source)
    (work / "01_b.ipynb").unlink()
    working_copy.lay(work, source)
    assert first_text(work / "01_b.ipynb") == "# Two"


def test_jupyterlab_knows_what_the_settings_name():
    settings = json.loads((catalogue.FOLDER / "lab/labconfig/default_setting_overrides.json").read_text())
    for plugin, values in settings.items():
        package, _, name = plugin.partition(":")
        schema = json.loads((Path(get_app_dir()) / "schemas" / package / f"{name}.json").read_text())
        assert set(values) <= set(schema["properties"]), plugin


def test_the_first_page_is_a_lesson():
    workspace = json.loads((catalogue.FOLDER / "lab/workspace.json").read_text())["data"]
    current = workspace["layout-restorer:data"]["main"]["current"]
    assert (catalogue.FOLDER / workspace[current]["data"]["path"]).exists()
