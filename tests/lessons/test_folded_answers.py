"""A lesson asks before it tells: each question is followed by its answer, folded, before the next question."""

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = tuple(path.stem for path in sorted(FOLDER.glob("[0-9][0-9]_*.ipynb")))
ASKED = r"\*\*(?:Before you (?:run it|go on)[:,]?|Find out:)\*\*"
TOLD = r"<details><summary>Answer</summary>\n\n.+?\n\n</details>"


def events(texts):
    """ "asked" and "told" in their order."""
    return [
        "told" if found.group().startswith("<") else "asked"
        for text in texts
        for found in re.finditer(f"{ASKED}|{TOLD}", text, re.DOTALL)
    ]


@pytest.fixture(params=NAMES)
def notebook(request):
    return nbformat.read(FOLDER / f"{request.param}.ipynb", as_version=4)


def unanswered(found):
    """How many questions are not followed by an answer before the next question; other answers may stand between."""
    return sum(pair == ("asked", "asked") for pair in pairwise([*found, "asked"]))


def test_each_question_is_followed_by_its_folded_answer(notebook):
    found = events(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert found.count("asked") >= 8
    assert unanswered(found) == 0


def test_cells_whose_source_is_folded_are_code_that_draws_asserts_or_sets_up(notebook):
    for number, cell in enumerate(notebook.cells):
        if cell.metadata.get("jupyter"):
            assert cell.cell_type == "code", number
            assert "nbgrader" not in cell.metadata, "an exercise stays open"


def test_an_answer_that_is_missing_or_open_is_seen():
    fold = "<details><summary>Answer</summary>\n\nTwo.\n\n</details>"
    assert events([f"**Before you run it:** how many?\n\n{fold}"]) == ["asked", "told"]
    assert events(["**Before you run it:** how many?", "Two.", f"**Find out:** which?\n\n{fold}"]) == [
        "asked", "asked", "told",
    ]  # fmt: skip
    assert unanswered(["asked", "asked", "told"]) == 1
    assert unanswered(["asked", "told", "asked"]) == 1
    assert unanswered(["told", "asked", "told", "told"]) == 0
