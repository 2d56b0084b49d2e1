"""What a student gets is looked at before anybody gets it: no solution, no hidden test, no model answer, no output."""

from nbformat import NotebookNode

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments
from vinpaint_lib.lessons.course import marks


def check(release: NotebookNode, source: NotebookNode) -> None:
    """Raises UserError, which names the cell and the line, for a release that gives away a part of its source."""
    lines = secrets_of(source)
    for cell in release.cells:
        found = lines & {line.strip() for line in cell.source.splitlines()}
        if found:
            raise UserError(f"cell {cell.id} of the release gives away a line of the answers: {min(found)!r}")
        for marker in (assignments.BEGIN, assignments.END, marks.BEGIN, marks.END):
            if marker in cell.source:
                raise UserError(f"cell {cell.id} of the release still holds {marker!r}")
        if cell.get("outputs"):
            raise UserError(f"cell {cell.id} of the release holds an output")
    stubs = [cell for cell in release.cells if assignments.STUB in cell.source and is_answer(cell)]
    asked = [cell for cell in source.cells if cell.cell_type == "code" and is_answer(cell)]
    if len(stubs) != len(asked):
        raise UserError(f"the release has {len(stubs)} empty functions, and its source {len(asked)} solutions")


def secrets_of(source: NotebookNode) -> set[str]:
    """Lines that no release may hold: of solutions (but short ones, which any code has), hidden tests, rubrics."""
    found: set[str] = set()
    for cell in source.cells:
        lines = cell.source.splitlines()
        if cell.cell_type == "code" and is_answer(cell):
            found |= assignments.telling(assignments.split(cell.source)[1])
        elif marks.BEGIN in lines:
            found |= assignments.telling(lines[lines.index(marks.BEGIN) :])
        elif cell.cell_type == "markdown" and is_answer(cell):
            found |= assignments.telling(lines)
    return found


def is_answer(cell: NotebookNode) -> bool:
    """Whether nbgrader takes a cell for one that the student writes."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))
