"""A lesson as an assignment: the notebook that nbgrader calls the source, with solutions, hidden tests and rubrics.

The lesson stays whole. When a submission is graded, only the import cell, the exercises, and cells that the student
added are run: the lesson's own cells carry the tag that tells nbclient to pass them over.
"""

import re
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from vinpaint_lib.lessons import assignments
from vinpaint_lib.lessons.course import hidden, reading
from vinpaint_lib.lessons.course.marks import BEGIN, END, IMPORTS, PASSED_OVER
from vinpaint_lib.lessons.verdicts.answers import function_of

LINKED = re.compile(r"(?<!!)\[([^\]\n]+)\]\((?!https?://|#)[^)\s]*\)")  # to a file that the students do not have
ABOUT = """**This lesson is an assignment.** Write your lines in the place of `raise NotImplementedError`, in the cells
of the exercises, and your answers to the reading questions in their cells at the end.

- Please do not delete, copy or rename cells. Helpers of your own go into the cell of the function, or into a new cell.
- When your work is graded, the import cell, the exercises and your own new cells are run, and nothing else: a function
  cannot use what the lesson's cells have computed.
- Each exercise is asked once more, with other sizes and numbers than those of the check below it.
- Functions of the library may be called only where the exercise names them."""


def source_version(notebook: NotebookNode, lesson: str, seed: int) -> NotebookNode:
    """The source of an assignment from the notebook of a lesson; `seed` is the course's, for the hidden tests.

    Raises UserError as `assignments.student_version` does, and as `reading.with_answers` does.
    """
    copy = assignments.student_version(notebook)
    solved = {cell.id: cell.source for cell in notebook.cells}
    code = [cell for cell in copy.cells if cell.cell_type == "code"]
    cells: list[NotebookNode] = [copy.cells[0], new_markdown_cell(ABOUT, id="course-about")]
    for cell in copy.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("solution"):
            cell.source = solved[cell.id]
        elif about.get("grade"):
            cell.source = with_hidden_test(cell.source, lesson, about["grade_id"].removesuffix("_check"), copy, seed)
        elif len(code) > 1 and cell is code[1]:  # the imports
            cell.metadata["nbgrader"] = metadata_of(IMPORTS, locked=True)
        elif cell.cell_type == "code":
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), PASSED_OVER]
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('"../../../runs/assignments/', '"runs/')
        asked: list[tuple[int, str]] = []
        if cell.cell_type == "markdown":
            cell.source, asked = reading.taken_out(LINKED.sub(r"\1", cell.source))
        cells += [cell] if cell is not copy.cells[0] else []
        cells += (
            [part for question in reading.with_answers(lesson, asked) for part in asking(question)] if asked else []
        )
    copy.cells = cells
    nbformat.validate(copy)
    return copy


def with_hidden_test(check: str, lesson: str, name: str, notebook: NotebookNode, seed: int) -> str:
    """A check's cell with its hidden test; as it is where the project has no inputs for the exercise."""
    if name not in hidden.makers():
        return check
    function = next(function_of(each) for each in assignments.exercises(notebook) if each.name == name)
    call = f'hidden.again("{lesson}", "{name}", {function}, seed={seed})'
    return "\n".join([check, BEGIN, "from vinpaint_lib.lessons.course import hidden", "", call, END])


def asking(question: reading.Question) -> list[NotebookNode]:
    """The two cells of a reading question: its text, and the place of the answer, where the source has the rubric."""
    name = f"reading_{question.number}"
    text = f"### Reading question {question.number}\n\n{reading.POINTS} points, read by a person\n\n{question.text}"
    rubric = f"**Model answer.** {question.answer}\n\n**Rubric.** {reading.RULE}"
    return [
        new_markdown_cell(text, id=f"{name}_text", metadata={"nbgrader": metadata_of(f"{name}_text", locked=True)}),
        new_markdown_cell(
            rubric, id=name, metadata={"nbgrader": metadata_of(name, grade=True, solution=True, points=reading.POINTS)}
        ),
    ]


def metadata_of(name: str, **more: Any) -> dict[str, Any]:
    """nbgrader's metadata of a cell."""
    return {
        "grade_id": name,
        "grade": False,
        "locked": False,
        "schema_version": 3,
        "solution": False,
        "task": False,
    } | more
