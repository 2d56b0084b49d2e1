"""`vinpaint check` on the project's own lessons, and on what a reader may hand it."""

import nbformat
import pytest

from vinpaint_lib import cli
from vinpaint_lib.lessons import assignments, catalogue
from vinpaint_lib.lessons.verdicts import answers, process, table

pytestmark = pytest.mark.slow

LESSON = "04_temporal_attention.ipynb"
LOOP = "while True:\n        pass"


@pytest.fixture(scope="module")
def student():
    return assignments.student_version(nbformat.read(catalogue.FOLDER / LESSON, as_version=4))


def written(student, bodies, *more):
    """A copy of the student's notebook with lines in the place of `raise NotImplementedError`."""
    copy = nbformat.from_dict(student)
    for cell in copy.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in bodies:
            cell.source = cell.source.replace(assignments.STUB, bodies[name])
    return nbformat.v4.new_notebook(cells=[*copy.cells, *map(nbformat.v4.new_code_cell, more)])


def test_right_wrong_and_endless_in_one_table(student, tmp_path, capsys):
    own = tmp_path / "my own.ipynb"
    bodies = {"fuse_groups": "return summed(groups * share(scores, AXIS))", "copy_weights": LOOP}
    helpers = (
        "AXIS = 1\n1 / 0",
        "def summed(x):\n    return x.sum(AXIS)",
        "import not_there\nfrom torch import softmax as share",
    )
    nbformat.write(written(student, bodies, *helpers, "def inject(feature, fused, mask): return fused"), own)
    with pytest.raises(SystemExit) as stop:
        cli.main(["check", "04", str(own), "--limit", "12"])
    assert stop.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["exercise", "fuse_groups", "inject", "copy_weights", "total"]
    assert lines[1] == "fuse_groups   2 of 2  right"
    assert lines[2].startswith("inject        0 of 1  the fused feature replaces known cells as well")
    assert "0 of 3  takes longer than 12 s: is there an endless loop?" in lines[3]
    assert lines[4] == "total         2 of 6"


def test_a_function_that_ends_the_process_costs_its_own_points_only(tmp_path):
    asked = [
        answers.Answer("hole_share", "f", 1, ("import os", "def f(x): os._exit(3)")),
        answers.Answer("composite", "g", 1, ("def g(x, y, z): raise SystemExit",)),
        answers.Answer("gram", "h", 1, said="not written yet."),
    ]
    found = process.judge(asked, [], tmp_path, 300)
    assert found["hole_share"] == (
        False,
        "the process ended (exit code 3) while this ran: does it call exit, or take all memory?",
    )
    assert found["composite"] == (False, "g stops with SystemExit in line 1 of the function.")
    assert found["gram"] == (False, "not written yet.")


def test_an_untouched_copy_is_all_stubs_and_starts_no_process(student, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "one_process", None)
    (tmp_path / table.COPIES).mkdir(parents=True)
    (tmp_path / LESSON).write_bytes((catalogue.FOLDER / LESSON).read_bytes())
    nbformat.write(student, tmp_path / table.COPIES / LESSON)
    said, right = table.check_lesson("4", None, 60, tmp_path)
    assert not right
    assert said.count("0 of 2  not written yet") == said.count("0 of 1  not written yet") == 1
    assert said.splitlines()[-1] == "total         0 of 6"


@pytest.mark.parametrize("word", ["4", "04", "temporal_attention", "04_temporal_attention", f"notebooks/{LESSON}"])
def test_a_lesson_has_several_names(word):
    assert table.lesson_named(word, catalogue.FOLDER).name == LESSON


@pytest.mark.parametrize(
    "words, said",
    [
        (["99", "x"], "there is no lesson 99: the lessons are 00, 01, 02"),
        (["four"], "there is no lesson four"),
        (["04", "none.ipynb"], "none.ipynb is not a file"),
        (["04", __file__], "is no notebook, or only a part of one"),
        (["05", str(catalogue.FOLDER / LESSON)], r"has none of lesson 05's functions \(affine_grid, masked_alignment"),
        (["04", str(catalogue.FOLDER / LESSON), "--limit", "0"], "--limit 0: is less than a second"),
    ],
)
def test_a_user_s_mistake_is_a_sentence_and_exit_code_2(words, said, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["check", *words])
    assert stop.value.code == 2
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(capsys.readouterr().err)


def test_without_a_copy_the_remedy_is_named(tmp_path):
    (tmp_path / LESSON).write_bytes((catalogue.FOLDER / LESSON).read_bytes())
    with pytest.raises(table.UserError, match="write the copies with `make assignments`"):
        table.check_lesson("04", None, 60, tmp_path)
    with pytest.raises(table.UserError, match="holds no lessons"):
        table.check_lesson("04", None, 60, tmp_path / "none")
