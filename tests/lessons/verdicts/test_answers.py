"""What is found in a reader's notebook, whatever became of its cells."""

import ast

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vinpaint_lib.lessons import assignments
from vinpaint_lib.lessons.verdicts import answers

STUB = '''def share(hole: Tensor) -> Tensor:
    """hole (t 1 h w) -> t"""
    raise NotImplementedError'''
LESSON = new_notebook(
    cells=[
        new_markdown_cell("### Exercise 1 · share"),
        new_code_cell(
            STUB.replace("raise NotImplementedError", "### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"),
            metadata={"nbgrader": {"solution": True, "grade_id": "share"}},
        ),
        new_code_cell("checks.share(share)", metadata={"nbgrader": {"grade_id": "share_check", "points": 3}}),
    ]
)
(EXERCISE,) = assignments.exercises(LESSON)


def answer(*cells):
    return answers.answer(EXERCISE, answers.code_of(new_notebook(cells=[new_code_cell(cell) for cell in cells])))


def test_a_written_function_is_found_wherever_it_stands():
    found = answer("x = 1", "%time x\nprint('mine')\n\ndef share(hole):\n    return hole.mean()\n\nshare(x)")
    assert (found.name, found.function, found.points, found.said) == ("share", "share", 3, "")
    assert found.program == ("def share(hole):\n    return hole.mean()",)


@pytest.mark.parametrize(
    "cells, said",
    [
        ([STUB], "not written yet"),
        ([STUB.replace("raise NotImplementedError", "pass")], "not written yet"),
        (["def share(hole): ..."], "not written yet"),
        ([], "no cell defines share: was it deleted?"),
        (["share(1)", "other = share"], "no cell defines share"),
        (["def share(hole):\n    return (hole"], r"line 2 of its cell is no Python \('\(' was never closed\)"),
        (["def share(hole):\nreturn hole"], "line 2 of its cell is no Python"),
        (["def share(hole):\n    return '\0'"], "its cell is no Python"),
        ([STUB, "def share(hole) return 1"], "is no Python"),
    ],
)
def test_what_cannot_run_is_one_sentence(cells, said):
    found = answer(*cells)
    assert found.program == ()
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(found.said)
    assert "\n" not in found.said


def test_of_doubled_cells_the_last_that_was_written_counts():
    assert answer("def share(hole): return 1", "def share(hole): return 2", STUB).program == (
        "def share(hole):\n    return 2",
    )
    assert answer("def share(hole): return 1", "share = other").program == ("share = other",)
    assert answer("def share(hole): return (", "def share(hole): return 1").said == ""


def test_what_a_function_needs_comes_first_and_nothing_else():
    found = answer(
        "def other(): return 0",
        "SCALE: int = 2\nweights = slow()\nmask = slow()",
        "class Half:\n    by = SCALE",
        "def helper(x):\n    return x / Half.by + share(x)",
        "def share(hole):\n    weights = hole\n    return [helper(mask) for mask in weights].real",
    )
    names = [sorted(answers.bound(ast.parse(each).body[0])) for each in found.program]
    assert names == [["SCALE"], ["Half"], ["helper"], ["share"]]


def test_imports_stand_alone():
    code = answers.code_of(new_notebook(cells=[new_code_cell("import a.b, c\nx = 1\nfrom d import e as f\n!ls")]))
    assert answers.imports_of(code) == ["import a.b, c", "from d import e as f"]
