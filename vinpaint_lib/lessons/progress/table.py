"""The table of `vinpaint lessons`: of each lesson what is done, and the minutes that are left."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments, catalogue, declared
from vinpaint_lib.lessons.progress import file

MINUTES = re.compile(r"^Difficulty \d of 5 · (\d+) minutes?", re.MULTILINE)
PLACES = (Path("work"), Path("notebooks") / "assignments" / "build")  # of `make lab` and `make assignments`
FOOTNOTE = (
    "Minutes left: those of the exercises that are not solved, and of reading, where none is solved yet.\n"
    "An exercise counts when its check passes in your copy, or in `vinpaint check`. In the copies of `make lab`,\n"
    "which hold the solutions, an unchanged solution does not count."
)


class Line(NamedTuple):
    """One lesson: exercises and points, solved and all, and the minutes that are left."""

    title: str
    solved: int
    exercises: int
    points: int
    most: int
    left: int
    first: str  # the first exercise that is not solved; "" if all are


def line(path: Path, solved: set[str]) -> Line:
    """One lesson's line. Raises UserError as `catalogue.read` does."""
    lesson = catalogue.read(path)
    found = assignments.exercises(declared.read(path))
    points = {each.name: int(each.check.metadata["nbgrader"]["points"]) for each in found}
    minutes = {each.name: sum(map(int, MINUTES.findall(each.text.source))) for each in found}
    open_ = [each.name for each in found if each.name not in solved]
    reading = lesson.minutes if len(open_) == len(found) else 0
    return Line(
        lesson.title,
        len(found) - len(open_),
        len(found),
        sum(points[name] for name in points if name not in open_),
        sum(points.values()),
        reading + sum(minutes[name] for name in open_),
        open_[0] if open_ else "",
    )


def solved_in(folders: Sequence[Path]) -> set[str]:
    """The exercises that are solved in any of the folders. Raises UserError for a file that is broken."""
    return {name for folder in folders for name in file.read(folder).solved}


def table(lines: Sequence[Line]) -> str:
    """The lines and their sums."""
    solved, exercises, points, most, left = (sum(column) for column in zip(*(each[1:6] for each in lines), strict=True))
    whole = Line("total", solved, exercises, points, most, left, "")
    rows = [("lesson", "solved", "points", "minutes left")]
    for each in (*lines, whole):
        done = f"{each.solved} of {each.exercises}", f"{each.points} of {each.most}"
        rows.append((each.title, *done, str(each.left)))
    wide, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join("  ".join([row[0].ljust(wide), *map(str.rjust, row[1:], widths)]) for row in rows)


def report(folder: Path | None, lessons: Path = catalogue.FOLDER, root: Path | None = None) -> str:
    """The whole text: table, what to do next, and how it is counted.

    folder: of the copies; None: those of `make lab` and of `make assignments`, if they are there. Raises UserError for
    a folder without the file, and where there are no lessons.
    """
    here = root or lessons.parent
    folders = [folder] if folder else [here / place for place in PLACES if (here / place / file.FILE).is_file()]
    solved = solved_in(folders)
    paths = [each.path for each in catalogue.listed(lessons)]
    if not paths:
        raise UserError(f"{lessons}: holds no lessons; run this in the project's folder")
    lines = [line(path, solved) for path in paths]
    begun = next((each for each in lines if each.first), None)
    if not folders:
        hint = "Nothing is counted yet: begin with `make lab`, or with `make assignments` for copies without solutions."
    elif begun is None:
        hint = "All exercises are solved."
    else:
        hint = f"Next: {begun.title}, exercise {begun.first}."
    return "\n".join([table(lines), "", hint, FOOTNOTE])
