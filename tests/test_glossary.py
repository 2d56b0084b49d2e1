"""The glossary: every row whole, in order, once, and of a notebook that exists."""

import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LINES = [line for line in (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8").splitlines() if line.startswith("|")]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES[2:]]


def test_the_head_names_the_columns():
    assert [cell.strip() for cell in LINES[0].strip("|").split("|")] == [
        "term",
        "中文",
        "한국어",
        "meaning",
        "notebook",
    ]


def test_terms_are_in_alphabetical_order_and_unique():
    terms = [row[0].casefold() for row in ROWS]
    assert terms == sorted(terms)
    assert len(set(terms)) == len(terms)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_has_the_term_in_three_languages_a_meaning_and_its_notebook(row):
    assert len(row) == 5
    term, chinese, korean, meaning, notebook = row
    assert re.fullmatch(r"[A-Za-z0-9][\w ,.'()/+-]*", term)
    assert re.search(r"[\u4e00-\u9fff]", chinese), "no Chinese character"
    assert not re.search(r"[\uac00-\ud7af]", chinese)
    assert re.search(r"[\uac00-\ud7af]", korean), "no Hangul"
    assert meaning.endswith(".")
    assert len(meaning.split()) >= 4
    assert len(list(NOTEBOOKS.glob(f"{notebook}_*.ipynb"))) == 1
