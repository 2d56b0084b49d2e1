"""The notebooks as a list: title, paper, sections, minutes to read, seconds, exercises, points, read from themselves.

python -m vinpaint_lib.lessons.catalogue        the rows of README's table
"""

import contextlib
import math
import re
from pathlib import Path
from typing import NamedTuple

from nbformat import NotebookNode

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments, declared

FOLDER = Path(__file__).parents[2] / "notebooks"
TITLE = re.compile(r"# (\d\d · .+?)(?: \(([^()]+), sections? ([^()]+)\))?")
SECONDS = re.compile(r"\*\*Runs\*\* in about (\d+) s on two CPU cores")
# Operations per second in a training step of the small network (`doctor.speed`), on one thread of the machine that
# measured the notebooks' seconds.
SPEED = 95e9
WORDS = 120  # read in a minute; prose of a lesson is slower to read than a novel
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


class Lesson(NamedTuple):
    """A notebook: path, number and title, the paper and its sections, seconds on two CPU cores, names of exercises.

    `minutes` is what its text takes to read at `WORDS` a minute, rounded up to the next five; exercises come on top.
    `points` is what all exercises give together.
    """

    path: Path
    title: str
    paper: str
    sections: str
    seconds: int
    exercises: tuple[str, ...]
    minutes: int
    points: int

    def row(self) -> str:
        """The notebook's row in README's table."""
        name = self.title.replace(" · ", " ")
        link = f"[{name}](notebooks/{self.path.name})"
        source = f"{self.paper}, {self.sections}" if self.paper else "-"
        return f"| {link} | {source} | {self.minutes} min | {self.seconds} s | {len(self.exercises)} | {self.points} |"


def read(path: Path) -> Lesson:
    """The lesson in a notebook. Raises UserError if its first cell lacks the title or the seconds."""
    notebook = declared.read(path)
    head = notebook.cells[0].source if notebook.cells else ""
    title, seconds = TITLE.fullmatch(head.partition("\n")[0]), SECONDS.search(head)
    if not title or not seconds:
        raise UserError(
            f"{path}: begins with no `# 09 · Title (TGF-Net, section 3D)` and `**Runs** in about 40 s on two CPU cores`"
        )
    found = assignments.exercises(notebook)
    names = tuple(exercise.name for exercise in found)
    points = sum(exercise.check.metadata["nbgrader"].get("points", 0) for exercise in found)
    return Lesson(
        path, title[1], title[2] or "", title[3] or "", int(seconds[1]), names, minutes_to_read(notebook), points
    )


def minutes_to_read(notebook: NotebookNode) -> int:
    """What the text of a notebook takes at `WORDS` a minute, rounded up to the next five; commands are not counted."""
    words = sum(len(FENCED.sub("", cell.source).split()) for cell in notebook.cells if cell.cell_type == "markdown")
    return 5 * math.ceil(words / WORDS / 5)


def listed(folder: Path = FOLDER) -> list[Lesson]:
    """All lessons of a folder in their order. Other notebooks, such as a reader's, are left out."""
    found = []
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        with contextlib.suppress(UserError):
            found.append(read(path))
    return found


def solution(name: str, folder: Path = FOLDER) -> str:
    """The source of an exercise's solution, by the name of its check; "" if no lesson of the folder has it."""
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        with contextlib.suppress(UserError):
            for exercise in assignments.exercises(declared.read(path)):
                if exercise.name == name:
                    before, lines, after = assignments.split(exercise.stub.source)
                    return "\n".join([*before, *lines, *after])
    return ""


def readme_table(lessons: list[Lesson]) -> str:
    """README's table."""
    head = ["| notebook | paper, sections | to read | to run | exercises | points |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(lesson.row() for lesson in lessons)])


if __name__ == "__main__":
    print(readme_table(listed()))
