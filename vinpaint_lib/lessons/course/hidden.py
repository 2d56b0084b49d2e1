"""The hidden tests of a course: the reader's function against the lesson's own solution, on other sizes and numbers.

A check knows usual mistakes by name, and asks with sizes and numbers that everybody can read. These tests know only
the right answer, and draw sizes and numbers from the course's seed. They also see whether the answer is a call of the
library's own function: allowed is what the lesson's solution calls too.
"""

import ast
import math
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import torch
from nbformat import NotebookNode
from torch import Tensor

import vinpaint_lib
from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments, catalogue, declared
from vinpaint_lib.lessons.checks import verdict
from vinpaint_lib.lessons.checks.verdict import Wrong
from vinpaint_lib.lessons.course import inputs, inputs_of_systems
from vinpaint_lib.lessons.course.draw import Draw
from vinpaint_lib.lessons.course.inputs import Inputs
from vinpaint_lib.lessons.verdicts.answers import bound, function_of, used

CASES = 3
LIBRARY = str(Path(vinpaint_lib.__file__).parent)
OURS = (verdict.__file__, str(Path(__file__).parent))  # what the test itself calls


def makers() -> dict[str, Callable[[Draw], Inputs]]:
    """The maker of inputs for each check that has one."""
    return {name: maker for module in (inputs, inputs_of_systems) for name, maker in in_module(module).items()}


def in_module(module: ModuleType) -> dict[str, Callable[[Draw], Inputs]]:
    """The functions of a module whose one argument is a draw."""
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__ and arguments(value) == ("draw",)
    }


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's arguments; shape checks of tests may have wrapped it."""
    code: CodeType | None = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    return code.co_varnames[: code.co_argcount] if code else ()


def again(lesson: str, name: str, function: Any, seed: int, folder: Path = catalogue.FOLDER) -> None:
    """Raise Wrong, in one sentence, unless `function` does on drawn inputs what the solution of `lesson` does for the
    check `name`, without a call of the library that the solution does not make.

    Raises UserError if the lesson's notebook has no such exercise, and KeyError if there are no inputs for it.
    """
    solution = solution_of(lesson, name, folder)
    maker = makers()[name]
    for case in range(CASES):
        wanted, allowed = called(solution, maker(Draw(seed, case)))
        given = maker(Draw(seed, case))
        found, calls = called(function, given)
        if extra := sorted(calls - allowed):
            raise Wrong(
                f"{title(function)} calls {', '.join(extra)} of the library: the exercise asks for lines of your own."
            )
        if difference := differs(found, wanted):
            where = f"on inputs of other sizes and numbers ({sizes(given)})"
            raise Wrong(
                f"{where} {title(function)} {difference}: does it hold a number or a size of the check, or of one clip?"
            )


def solution_of(lesson: str, name: str, folder: Path) -> Callable[..., Any]:
    """The function that the lesson's notebook has between the markers."""
    notebook = lesson_at(folder / f"{lesson}.ipynb")
    exercise = next((each for each in assignments.exercises(notebook) if each.name == name), None)
    if exercise is None:
        raise UserError(f"{lesson}: has no exercise {name}; build the course again from the lessons as they are now")
    (function,) = ast.parse(exercise.stub.source).body
    space: dict[str, Any] = {"__name__": "solution"}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "import" in cell.source:
            for each in declared.parsed(cell.source).body:
                if isinstance(each, ast.Import | ast.ImportFrom) and bound(each) & used(function):
                    exec(compile(ast.unparse(each), "imports", "exec"), space)
    exec(compile(ast.unparse(function), "solution", "exec"), space)
    return space[function_of(exercise)]


@cache
def lesson_at(path: Path) -> NotebookNode:
    """A lesson's notebook; each is read once, since a submission asks for several of its exercises."""
    return declared.read(path)


def called(function: Callable[..., Any], given: Inputs) -> tuple[Any, set[str]]:
    """What the function returns, and the names of the library's functions that it calls itself.

    Raises Wrong for a function that is still empty, stops with an error, or returns nothing.
    """
    names: set[str] = set()

    def listen(frame: FrameType, event: str, value: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(LIBRARY):
            return
        caller = frame.f_back.f_code.co_filename if frame.f_back else ""
        inside = caller.startswith(LIBRARY) and not caller.startswith(OURS)
        if not inside and not frame.f_code.co_filename.startswith(OURS):
            names.add(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(listen)
    try:
        found = function(*given)
    except Wrong:
        raise
    except SystemExit:
        raise Wrong(f"{title(function)} ends the program: take out the call of exit.") from None
    except Exception as error:
        if isinstance(error, NotImplementedError) and not str(error):  # those of torch have a text
            raise Wrong(f"{title(function)} is not written yet.") from None
        raise Wrong(f"{title(function)} stops with {verdict.error_in_words(error, function)}") from None
    finally:
        sys.setprofile(before)
    if found is None:
        raise Wrong(f"{title(function)} returns nothing: is the `return` missing?")
    return found, names


def title(function: Any) -> str:
    """What a sentence calls a reader's function."""
    return str(getattr(function, "__name__", "the function"))


def differs(found: Any, wanted: Any) -> str:
    """How a result differs from the wanted one, in the words after the function's name; "" if it does not."""
    if isinstance(wanted, tuple | list):
        if not isinstance(found, Sequence) or len(found) != len(wanted):
            return f"does not give {len(wanted)} values"
        return next(filter(None, map(differs, found, wanted)), "")
    try:
        one, other = (torch.as_tensor(value).detach().cpu().double() for value in (found, wanted))
    except (TypeError, ValueError, RuntimeError):
        return f"gives {verdict.with_article(verdict.kind(found))}, which is no number"
    if one.shape != other.shape:
        return f"gives the shape {tuple(one.shape)} instead of {tuple(other.shape)}"
    exact = isinstance(wanted, bool | int)
    if torch.allclose(one, other, rtol=0 if exact else 1e-3, atol=0 if exact else 1e-4, equal_nan=True):
        return ""
    gap = float((one - other).abs().max())
    return f"is off by up to {gap:.2g}" if math.isfinite(gap) else "gives values that are not finite"


def sizes(given: Inputs) -> str:
    """The inputs in short: shapes of tensors, numbers as they are."""
    shown = [
        "x".join(map(str, each.shape)) if isinstance(each, Tensor) else f"{each:.4g}"
        for each in given
        if isinstance(each, Tensor | int | float)
    ]
    return ", ".join(shown) or "no tensors"
