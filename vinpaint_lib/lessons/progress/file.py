"""The file `progress.json` beside a reader's copies of the lessons: which exercises were solved, and when.

`make lab` and `make assignments` begin it. A check that is passed adds its exercise, if the notebook lies beside such a
file; so does `vinpaint check`. To forget everything, delete the file.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of

FILE = "progress.json"


class Progress(NamedTuple):
    """The exercises that were solved, each with its day; whether the copies beside the file hold the solutions."""

    solved: dict[str, str]
    solutions: bool


def begin(folder: Path, *, solutions: bool) -> None:
    """Begin an empty file beside the copies, unless there is one."""
    if not (folder / FILE).exists():
        write(folder, Progress({}, solutions))


def read(folder: Path) -> Progress:
    """What the file says. Raises UserError if it is missing or holds anything else."""
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        solved, solutions = found["solved"], found["solutions"]
        if not all(isinstance(part, str) for pair in solved.items() for part in pair):
            raise TypeError
        return Progress(dict(solved), bool(solutions))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); write the copies with `make lab`") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: is no list of solved exercises; delete it to begin anew") from error


def write(folder: Path, progress: Progress) -> None:
    """Replace the file, whole or not at all."""
    with draft_of(folder / FILE) as draft:
        draft.write_text(json.dumps(progress._asdict(), indent=1) + "\n", encoding="utf-8")


def add(folder: Path, names: Iterable[str]) -> None:
    """Note exercises as solved today, if the folder has such a file. An exercise keeps its first day.

    Nothing is raised for a file that cannot be read or written: a right answer stays right.
    """
    if not (folder / FILE).is_file():
        return
    with suppress(UserError, OSError):
        before = read(folder)
        new = {name: date.today().isoformat() for name in names if name not in before.solved}
        if new:
            write(folder, before._replace(solved=before.solved | new))


def passed(name: str, function: Any, solution: Callable[[str], str], folder: Path | None = None) -> None:
    """A reader's function passed the check `name`, in a notebook that runs in `folder` (the current one).

    Where the copies hold the solutions, the solution itself does not count; `solution` gives its source by the name of
    the check.
    """
    place = folder or Path.cwd()
    if not (place / FILE).is_file():
        return
    with suppress(UserError):
        if read(place).solutions and is_the_same(function, solution(name)):
            return
        add(place, [name])


def is_the_same(function: Any, source: str) -> bool:
    """Whether a function is written as in `source`, but for spaces and comments; False if its lines are unknown."""
    try:
        return body(textwrap.dedent(inspect.getsource(function))) == body(source)
    except (OSError, TypeError, SyntaxError, ValueError):
        return False


def body(source: str) -> str:
    """The code of the first statement of a text, without its spaces, comments and docstring."""
    first = ast.parse(source).body[0]
    if isinstance(first, ast.FunctionDef) and ast.get_docstring(first) is not None:
        first.body = first.body[1:]
    return ast.dump(first)
