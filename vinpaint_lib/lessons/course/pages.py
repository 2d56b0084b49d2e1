"""The pages of a course for its teacher: guide, syllabus, rubric."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from nbformat import NotebookNode

from vinpaint_lib.lessons import assignments
from vinpaint_lib.lessons.catalogue import Lesson
from vinpaint_lib.lessons.course import reading
from vinpaint_lib.lessons.verdicts.answers import points_of

GUIDE = Path(__file__).with_name("guide.md")
MINUTES = re.compile(r"^Difficulty [1-5] of 5 · (\d+) minutes?", re.MULTILINE)


def written(lessons: Sequence[Lesson], sources: Mapping[str, NotebookNode]) -> dict[str, str]:
    """The pages by their names; `sources` has the assignment of each lesson by the name of its file."""
    rubrics = [rubric(lesson, sources[lesson.path.stem]) for lesson in lessons]
    return {
        "GUIDE.md": GUIDE.read_text(encoding="utf-8"),
        "SYLLABUS.md": syllabus(lessons, sources),
        "RUBRIC.md": "\n\n".join([f"# Reading questions\n\n{reading.RULE}", *filter(None, rubrics)]) + "\n",
    }


def syllabus(lessons: Sequence[Lesson], sources: Mapping[str, NotebookNode]) -> str:
    """One row for each assignment, and their sum."""
    head = (
        "assignment",
        "lesson",
        "paper, sections",
        "exercises",
        "their minutes",
        "points by tests",
        "by hand",
        "in all",
    )
    rows, sums = [], [0, 0, 0, 0, 0]
    for lesson in lessons:
        source = sources[lesson.path.stem]
        asked = assignments.exercises(source)
        minutes = sum(int(found[1]) for each in asked if (found := MINUTES.search(each.text.source)))
        tested, read = sum(map(points_of, asked)), reading.POINTS * len(questions(source))
        numbers = [len(asked), minutes, tested, read, tested + read]
        sums = [one + other for one, other in zip(sums, numbers)]
        source_of = f"{lesson.paper}, {lesson.sections}" if lesson.paper else "-"
        rows.append((f"`{lesson.path.stem}`", lesson.title.replace(" · ", " "), source_of, *map(str, numbers)))
    rows.append((f"{len(lessons)} assignments", "", "", *map(str, sums)))
    lines = ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)]
    return "# Syllabus\n\n" + "\n".join(lines) + "\n"


def rubric(lesson: Lesson, source: NotebookNode) -> str:
    """The questions of a lesson with their model answers; "" if it asks none."""
    parts = [f"{text}\n\n{answer}" for text, answer in questions(source)]
    return "\n\n".join([f"## {lesson.title}", *parts]) if parts else ""


def questions(source: NotebookNode) -> list[tuple[str, str]]:
    """The cells of the reading questions in an assignment: text, rubric."""
    named = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in source.cells}
    names = [name for name in named if name and re.fullmatch(r"reading_\d+", name)]
    return [(named[f"{name}_text"].replace("### ", "**", 1).replace("\n", "**\n", 1), named[name]) for name in names]
