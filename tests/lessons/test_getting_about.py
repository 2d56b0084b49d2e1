"""Every notebook leads to its neighbours, the contents and the glossary, and names its papers with a link."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vinpaint_lib.lessons import catalogue, declared, getting_about

LESSONS = catalogue.listed()


@pytest.mark.parametrize("place", range(len(LESSONS)), ids=[lesson.path.stem for lesson in LESSONS])
def test_the_stored_notebooks_are_up_to_date(place):
    """`python -m vinpaint_lib.lessons.getting_about` brings them there."""
    stored = declared.read(LESSONS[place].path)
    line = getting_about.navigation(LESSONS, place)
    assert getting_about.placed(stored, line) == stored
    assert stored.cells[0].source.count(line) == stored.cells[-1].source.count(line) == 1


def test_the_contents_are_up_to_date():
    assert (catalogue.FOLDER / "contents.md").read_text(encoding="utf-8") == getting_about.contents(LESSONS)


def test_the_first_has_nothing_before_it_and_the_last_nothing_behind_it():
    first, second, last = (getting_about.navigation(LESSONS, place) for place in (0, 1, len(LESSONS) - 1))
    assert "←" not in first
    assert "→" not in last
    assert f"[← {LESSONS[0].title}]({LESSONS[0].path.name})" in second
    assert f"[{LESSONS[2].title} →]({LESSONS[2].path.name})" in second


def test_a_notebook_that_moved_gets_the_new_neighbours_once():
    head = "# 04 · A title (TGF-Net, section 3D)\n\nWhat it is about.\n\n**You need** this.\n**Runs** in about 25 s."
    end = "## What to keep\n\n- One.\n\n**References.** Kim: *Deep Video Inpainting*, CVPR 2019. Telea: *A title*."
    fresh = new_notebook(cells=[new_markdown_cell(head), new_code_cell("1"), new_markdown_cell(end)])
    old = getting_about.placed(fresh, getting_about.navigation(LESSONS, 3))
    moved = getting_about.placed(old, getting_about.navigation(LESSONS, 5))
    assert (
        moved
        == getting_about.placed(fresh, getting_about.navigation(LESSONS, 5))
        == getting_about.placed(moved, getting_about.navigation(LESSONS, 5))
    )
    assert moved.cells[0].source.splitlines()[0] == head.splitlines()[0]
    assert "- **You need** this.\n- **Runs** in about 25 s." in moved.cells[0].source
    assert "[*Deep Video Inpainting*](https://arxiv.org/abs/1905.01639), CVPR 2019" in moved.cells[2].source
    assert "Telea: *A title*." in moved.cells[2].source
    nbformat.validate(moved)


def test_no_title_hides_in_a_longer_one():
    """`Deep Video Inpainting` ends other titles, too: only a whole title in italics is a link."""
    text = "*Copy-and-Paste Networks for Deep Video Inpainting* and *Deep Video Inpainting*"
    found = re.findall(r"\[\*(.*?)\*\]\((.*?)\)", getting_about.linked(text))
    assert found == [(title, getting_about.PAPERS[title]) for title in re.findall(r"\*(.*?)\*", text)]
    assert getting_about.linked(getting_about.linked(text)) == getting_about.linked(text)
