"""The notebooks as a list: title, paper, sections, seconds, exercises, all read from the notebooks themselves.

python -m vinpaint_lib.lessons.catalogue        the rows of README's table
"""

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments, declared

FOLDER = Path(__file__).parents[2] / "notebooks"
TITLE = re.compile(r"# (\d\d · .+?)(?: \(([^()]+), sections? ([^()]+)\))?")
SECONDS = re.compile(r"\*\*Runs\*\* in about (\d+) s on two CPU cores")
# Operations per second in a training step of the small network (`doctor.speed`), on one thread of the machine that
# measured the notebooks' seconds.
SPEED = 95e9


class Lesson(NamedTuple):
    """A notebook: path, number and title, the paper and its sections, seconds on two CPU cores, names of exercises."""

    path: Path
    title: str
    paper: str
    sections: str
    seconds: int
    exercises: tuple[str, ...]

    def row(self) -> str:
        """The notebook's row in README's table."""
        name = self.title.replace(" · ", " ")
        link = f"[{name}](notebooks/{self.path.name})"
        source = f"{self.paper}, {self.sections}" if self.paper else "-"
        return f"| {link} | {source} | {self.seconds} s | {len(self.exercises)} |"


def read(path: Path) -> Lesson:
    """The lesson in a notebook. Raises UserError if its first cell lacks the title or the seconds."""
    notebook = declared.read(path)
    head = notebook.cells[0].source if notebook.cells else ""
    title, seconds = TITLE.fullmatch(head.partition("\n")[0]), SECONDS.search(head)
    if not title or not seconds:
        raise UserError(
            f"{path}: begins with no `# 09 · Title (TGF-Net, section 3D)` and `**Runs** in about 40 s on two CPU cores`"
        )
    names = tuple(exercise.name for exercise in assignments.exercises(notebook))
    return Lesson(path, title[1], title[2] or "", title[3] or "", int(seconds[1]), names)


def listed(folder: Path = FOLDER) -> list[Lesson]:
    """All lessons of a folder in their order. Other notebooks, such as a reader's, are left out."""
    found = []
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        with contextlib.suppress(UserError):
            found.append(read(path))
    return found


def readme_table(lessons: list[Lesson]) -> str:
    """README's table."""
    head = ["| notebook | paper, sections | on two CPU cores | exercises |", "|---|---|---|---|"]
    return "\n".join([*head, *(lesson.row() for lesson in lessons)])


if __name__ == "__main__":
    print(readme_table(listed()))
