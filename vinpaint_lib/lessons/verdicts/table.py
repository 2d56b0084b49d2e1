"""The checks of one lesson on a reader's notebook, and their table."""

from collections.abc import Sequence
from pathlib import Path

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments, catalogue, declared
from vinpaint_lib.lessons.progress import file as progress
from vinpaint_lib.lessons.verdicts import answers
from vinpaint_lib.lessons.verdicts.answers import Answer
from vinpaint_lib.lessons.verdicts.process import Verdict, judge

COPIES = Path("assignments") / "build"  # below the folder of the lessons: what `make assignments` writes


def check_lesson(
    lesson: str, notebook: Path | None, limit: float | int, folder: Path = catalogue.FOLDER
) -> tuple[str, bool]:
    """The table of a lesson's checks for `notebook` (None: the copy of `make assignments`), and whether all are right.

    Raises UserError for a lesson that there is not, or that has no exercises, for what is no notebook, for a notebook
    with none of the lesson's functions, and for a limit below a second.
    """
    if limit < 1:
        raise UserError(f"--limit {limit}: is less than a second; give some, as in --limit 60")
    path = lesson_named(lesson, folder)
    own = notebook or folder / COPIES / path.name
    if notebook is None and not own.is_file():
        raise UserError(f"there is no copy {own}: name your notebook, or write the copies with `make assignments`.")
    given = declared.read(path)
    asked = assignments.exercises(given)
    if not asked:
        raise UserError(f"lesson {lesson}: has no exercises")
    code = answers.code_of(declared.read(own))
    found = [answers.answer(exercise, code) for exercise in asked]
    if all(each.said.startswith("no cell defines") for each in found):
        named = ", ".join(each.function for each in found)
        raise UserError(
            f"{own}: has none of lesson {path.stem[:2]}'s functions ({named}); name the notebook with yours"
        )
    imports = [*answers.imports_of(answers.code_of(given)), *answers.imports_of(code)]
    verdicts = judge(found, imports, own.resolve().parent, limit)
    progress.add(own.resolve().parent, [name for name, each in verdicts.items() if each.right])
    return table(found, verdicts), all(each.right for each in verdicts.values())


def lesson_named(lesson: str, folder: Path) -> Path:
    """The notebook of a lesson: 4, 04, temporal_attention, or the name of its file."""
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise UserError(f"{folder}: holds no lessons; run this in the project's folder")
    word = Path(lesson).name.removesuffix(".ipynb")
    for path in paths:
        if word in (path.stem, path.stem[:2], path.stem[3:]) or (word.isdecimal() and word.zfill(2) == path.stem[:2]):
            return path
    raise UserError(f"there is no lesson {lesson}: the lessons are {', '.join(path.stem[:2] for path in paths)}")


def table(found: Sequence[Answer], verdicts: dict[str, Verdict]) -> str:
    """Exercise, points, verdict; the last line is the total."""
    rows = [("exercise", "points", "verdict")]
    total = 0
    for each in found:
        right, said = verdicts[each.name]
        total += each.points * right
        rows.append((each.name, f"{each.points * right} of {each.points}", said))
    rows.append(("total", f"{total} of {sum(each.points for each in found)}", ""))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in rows)
