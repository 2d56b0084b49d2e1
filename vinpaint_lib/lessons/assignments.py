"""The exercises of the notebooks, and the notebooks without their solutions, for students.

An exercise is three cells: its text, a function whose solution stands between two markers, and a check of that
function. The last two carry nbgrader's metadata, so that courses which use nbgrader can grade them.

    python -m vinpaint_lib.lessons.assignments notebooks/*.ipynb --out notebooks/assignments/build

A copy that its reader has changed is never overwritten (`lessons/copies.py`).
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from vinpaint_lib.errors import UserError, run_program
from vinpaint_lib.lessons import copies, declared
from vinpaint_lib.lessons.copies import Written
from vinpaint_lib.lessons.progress import file as progress
from vinpaint_lib.places import check_folder, claimed

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
TELLING = 30  # characters: shorter lines, such as `height, width = x.shape[-2:]`, stand in any code
STUB = "raise NotImplementedError"
LINK = re.compile(r"\]\((?!https?://|#|[\w.-]+\.ipynb)")  # to anything but the web, this page or another notebook


class Exercise(NamedTuple):
    """One exercise: the check's name, and the three cells."""

    name: str
    text: NotebookNode
    stub: NotebookNode
    check: NotebookNode


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises in their order; one begins at each cell of code that nbgrader calls a solution.

    Raises UserError if such a cell is not between a text and its check.
    """
    found = []
    for place, cell in enumerate(notebook.cells):
        about = cell.metadata.get("nbgrader", {})
        if about.get("solution") and cell.cell_type == "code":  # a course has answers in words too
            around = (*notebook.cells[max(0, place - 1) : place], cell, *notebook.cells[place + 1 : place + 2])
            name, check = about.get("grade_id"), around[-1].metadata.get("nbgrader", {}).get("grade_id")
            if len(around) != 3 or around[0].cell_type != "markdown" or check != f"{name}_check":
                raise UserError(f"exercise {name}: a text stands before the function, and its check {name}_check after")
            found.append(Exercise(name, *around))
    return found


def split(source: str) -> tuple[list[str], list[str], list[str]]:
    """The lines before, between and after the markers.

    Raises UserError unless BEGIN and END stand there once each, in this order, indented alike, with something between.
    """
    lines = source.splitlines()
    begins, ends = ([n for n, line in enumerate(lines) if line.strip() == marker] for marker in (BEGIN, END))
    if len(begins) != 1 or len(ends) != 1 or begins[0] >= ends[0]:
        raise UserError(
            f"{lines[0] if lines else 'an empty cell'!r} has {len(begins)} x {BEGIN!r} and {len(ends)} x {END!r}: "
            "write one of each, the solution between them"
        )
    begin, end = begins[0], ends[0]
    if indent(lines[begin]) != indent(lines[end]) or not "".join(lines[begin + 1 : end]).strip():
        raise UserError(f"{lines[0]!r}: the solution between {BEGIN!r} and {END!r} is empty or they are indented apart")
    return lines[:begin], lines[begin + 1 : end], lines[end + 1 :]


def indent(line: str) -> str:
    """The spaces that a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def without_solution(source: str) -> str:
    """The source with `raise NotImplementedError` in the place of markers and solution."""
    before, solution, after = split(source)
    first = next(line for line in solution if line.strip())
    return "\n".join([*before, indent(first) + STUB, *after])


def student_version(notebook: NotebookNode) -> NotebookNode:
    """A copy without solutions, outputs and counts; cell ids and nbgrader's metadata stay.

    Relative links and folders are changed to fit a notebook that lies two folders deeper. Raises UserError for markers
    that do not come in pairs, markers outside of an exercise, and a line of a solution that is still in the copy.
    """
    copy = nbformat.from_dict(notebook)
    hidden: set[str] = set()
    for cell in copy.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            hidden |= telling(split(cell.source)[1])
            cell.source = without_solution(cell.source)
        elif BEGIN in cell.source or END in cell.source:
            raise UserError(f"cell {cell.id}: a marker of a solution in a cell that nbgrader knows nothing of")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if cell.cell_type == "markdown":
            cell.source = LINK.sub("](../../", cell.source)
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('"../runs/', '"../../../runs/assignments/')
    for cell in copy.cells:
        left = hidden & telling(cell.source.splitlines())
        if cell.cell_type == "code" and left:
            raise UserError(f"cell {cell.id} gives away a line of a solution: {min(left)!r}")
    nbformat.validate(copy)
    return copy


def telling(lines: Sequence[str]) -> set[str]:
    """The lines that would give away a part of a solution: no comments, and no short lines that any code has."""
    plain = {line.strip() for line in lines}
    return {line for line in plain if len(line) >= TELLING and not line.startswith("#")}


def build(notebooks: Sequence[Path], out: Path, *, force: bool = False) -> list[Written]:
    """Write the student version of each notebook that has exercises into `out`; nothing is written if one is refused.

    A copy that a student has changed is kept, and the new one is written beside it; `force` replaces it.

    Raises UserError, which names the notebook, for a missing file and as `student_version` does, and as `check_folder`
    does for `out`.
    """
    check_folder(out)
    made = {}
    for path in notebooks:
        notebook = declared.read(path)
        try:
            if exercises(notebook):
                made[path.name] = student_version(notebook)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    with claimed(out, folder=True, names=[*made, copies.RECORD, progress.FILE]):
        progress.begin(out, solutions=False)
        return copies.write(made, out, force=force) if made else []


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module; a UserError is one sentence and exit code 2."""
    run_program(work, arguments, name="python -m vinpaint_lib.lessons.assignments")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(
        prog="python -m vinpaint_lib.lessons.assignments", description="Notebooks for students."
    )
    parser.add_argument("notebooks", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, required=True, help="folder for the notebooks without solutions")
    parser.add_argument("--force", action="store_true", help="replace copies that were changed since they were written")
    given = parser.parse_args(arguments)
    print(*build(given.notebooks, given.out, force=given.force), sep="\n")


if __name__ == "__main__":
    main()
