"""The exercises' solutions as functions, for tests that change them and ask the checks."""

import ast
import contextlib
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from vinpaint_lib.lessons import assignments, checks
from vinpaint_lib.lessons.checks.verdict import Wrong

ROOT = Path(__file__).parents[3]


@cache
def sources() -> dict[str, tuple[str, str]]:
    """Check -> (the lesson's name, the source of its solution cell)."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for exercise in assignments.exercises(nbformat.read(path, as_version=4)):
            found[exercise.name] = path.stem, exercise.stub.source
    return found


@cache
def imports(lesson: str) -> dict[str, Any]:
    """What a notebook's import cell, its second code cell, defines."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    names: dict[str, Any] = {"__name__": lesson}
    exec(compile(code[1], f"the imports of {lesson}", "exec"), names)
    return names


def function_of(name: str, source: str | None = None) -> Callable[..., Any]:
    """The function that `source` defines, the exercise's solution unless given, with the lesson's imports."""
    lesson, solution = sources()[name]
    text = source or solution
    names = dict(imports(lesson))
    exec(compile(text, f"<{name}>", "exec"), names)
    return names[ast.parse(text).body[0].name]


def verdict_on(name: str, function: Any) -> str:
    """What the check says: "" if it passes. Anything else than `Wrong` goes through."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            getattr(checks, name).judge(function)
    except Wrong as error:
        assert printed.getvalue() == "", "a check that refuses prints nothing"
        return str(error)
    assert printed.getvalue() == ""
    return ""
