"""The list of notebooks is read from the notebooks, and a header that does not say what it must is refused."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import catalogue

HEAD = (
    "# 04 · Temporal attention (TGF-Net, section 3D)\n\n**Runs** in about 25 s on two CPU cores; not measured on a GPU."
)


def write(path, head):
    cells = [
        new_markdown_cell(head),
        new_markdown_cell("### Exercise 1 · share"),
        new_code_cell("def share(): ...", metadata={"nbgrader": {"solution": True, "grade_id": "share"}}),
        new_code_cell(
            "checks.share(share)", metadata={"nbgrader": {"grade": True, "grade_id": "share_check", "points": 3}}
        ),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_a_lesson_is_read_from_its_notebook(tmp_path):
    write(tmp_path / "04_b.ipynb", HEAD)
    write(tmp_path / "00_a.ipynb", HEAD.replace("04", "00").replace(" (TGF-Net, section 3D)", ""))
    write(tmp_path / "05_mine.ipynb", "# My own")
    first, second = catalogue.listed(tmp_path)
    assert first.paper == first.sections == ""
    assert second == (tmp_path / "04_b.ipynb", "04 · Temporal attention", "TGF-Net", "3D", 25, ("share",), 5, 3)
    assert catalogue.readme_table([first, second]).splitlines()[2:] == [
        "| [00 Temporal attention](notebooks/00_a.ipynb) | - | 5 min | 25 s | 1 | 3 |",
        "| [04 Temporal attention](notebooks/04_b.ipynb) | TGF-Net, 3D | 5 min | 25 s | 1 | 3 |",
    ]


def test_minutes_count_the_words_of_the_text_and_no_command():
    def minutes(*texts):
        return catalogue.minutes_to_read(new_notebook(cells=[new_markdown_cell(text) for text in texts]))

    command = "```\n" + "word " * 5000 + "\n```"
    assert minutes("word " * 600) == minutes("word " * 300, command, "word " * 300) == 5
    assert minutes("word " * 601) == 10


def test_a_lesson_may_read_another_paper(tmp_path):
    head = HEAD.replace("TGF-Net, section 3D", "3DCN + CombCN, sections 3.1 and 3.2")
    lesson = catalogue.read(write(tmp_path / "12_b.ipynb", head))
    assert (lesson.title, lesson.paper, lesson.sections) == (
        "04 · Temporal attention",
        "3DCN + CombCN",
        "3.1 and 3.2",
    )


@pytest.mark.parametrize("head", ["Attention", HEAD.replace("25 s", "a minute"), HEAD.replace("# 04 ·", "# Four:")])
def test_a_header_that_says_too_little_is_refused(tmp_path, head):
    with pytest.raises(UserError, match="begins with no"):
        catalogue.read(write(tmp_path / "04_b.ipynb", head))
