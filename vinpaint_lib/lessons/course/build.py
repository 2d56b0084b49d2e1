"""`make course`: the folder of an nbgrader course from the lessons.

    python -m vinpaint_lib.lessons.course.build notebooks/*.ipynb --out course

    course/GUIDE.md, SYLLABUS.md, RUBRIC.md    for the teacher; written anew each time
    course/nbgrader_config.py                  written once; yours to change
    course/source/NAME/NAME.ipynb              with solutions, hidden tests, model answers; one that was changed is kept
    course/release/NAME/NAME.ipynb             for the students
    course/course.json                         the seed of the hidden tests, and what was written

Submissions, grades and feedback, which nbgrader keeps in the same folder, are never touched.
"""

import argparse
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from vinpaint_lib.errors import UserError, run_program
from vinpaint_lib.files import draft_of
from vinpaint_lib.lessons import assignments, catalogue, copies, declared
from vinpaint_lib.lessons.course import pages, release
from vinpaint_lib.lessons.course.assignment import source_version
from vinpaint_lib.places import check_folder, claimed

SETTINGS = "course.json"
CONFIG = """# Written by `make course` once; change what you like. https://nbgrader.readthedocs.io/en/stable/configuration
from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, DeduplicateIds, OverwriteKernelspec

from vinpaint_lib.lessons.course.restore import RestoreCells


def seconds(cell):  # for one cell: imports are slow on a busy machine; what else takes so long is an endless loop
    return 300 if cell.metadata.get("nbgrader", {}).get("grade_id") == "imports" else 60


c = get_config()
c.CourseDirectory.course_id = "vinpaint"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ClearSolutions.text_stub = "*Your answer.*"
c.Execute.timeout_func = seconds
# A traceback would show lines of the checks in the students' pages; a sentence of a check is shown whole.
c.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--InteractiveShell.xmode=Minimal"]
c.Execute.iopub_timeout = 60  # seconds in which a cell that has ended must hand over its output
c.Autograde.sanitize_preprocessors = [ClearOutput, DeduplicateIds, OverwriteKernelspec, RestoreCells, CheckCellMetadata]
"""


def build(notebooks: Sequence[Path], out: Path, *, force: bool = False, seed: int | None = None) -> list[str]:
    """Write the course of all notebooks that have exercises, and say what was done, a line for each assignment.

    `force` replaces sources that were changed by hand, and the configuration. `seed` is that of the hidden tests:
    without it the one that the course has, or a new one. Raises UserError without nbgrader, as `assignments.build`
    does, for a course without assignments, and if a release would give away a line of an answer: it is removed then.
    """
    if importlib.util.find_spec("nbgrader") is None:
        raise UserError(
            "nbgrader is not installed: run `pip install -c constraints.txt -e '.[course]'`, or `make course`"
        )
    check_folder(out)
    settings = read_settings(out)
    settings["seed"] = settings.get("seed", secrets.randbelow(10**6)) if seed is None else seed
    sources, lessons = {}, []
    for path in notebooks:
        notebook = declared.read(path)
        try:
            if assignments.exercises(notebook):
                sources[path.stem] = source_version(notebook, path.stem, settings["seed"])
                lessons.append(catalogue.read(path))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    if not sources:
        raise UserError("there are no notebooks with exercises among those given: name some, as in notebooks/*.ipynb")
    with claimed(out, folder=True, names=[SETTINGS]) as place:
        said = write_sources(sources, place, settings, force=force)
        for name, text in (*pages.written(lessons, sources).items(), (SETTINGS, json.dumps(settings, indent=1) + "\n")):
            write(place / name, text)
        if force or not (place / "nbgrader_config.py").exists():
            write(place / "nbgrader_config.py", CONFIG)
        generate(place, list(sources))
    return said


def read_settings(out: Path) -> dict[str, Any]:
    """What is known of the course in `out`; empty for a new one. Raises UserError if the file cannot be read."""
    path = out / SETTINGS
    if not path.exists():
        return {}
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and isinstance(found.get("seed"), int):
            return found
    raise UserError(f"{path}: is no settings of a course; mend it, or remove it to draw a new seed")


def write_sources(
    sources: Mapping[str, NotebookNode], out: Path, settings: dict[str, Any], *, force: bool
) -> list[str]:
    """Write the sources that nobody changed by hand, note in `settings` what was written, and say what became of
    each."""
    record, said = settings.setdefault("written", {}), []
    for name, notebook in sources.items():
        path = out / "source" / name / f"{name}.ipynb"
        if force or copies.is_free(path, {path.name: record.get(name, "")}, notebook):
            path.parent.mkdir(parents=True, exist_ok=True)
            with draft_of(path) as draft:
                nbformat.write(notebook, draft)
            record[name] = copies.hash_of(notebook)
            said.append(name)
        else:
            said.append(f"{name}: {path} has changes of yours and was kept; --force replaces it")
    return said


def generate(out: Path, names: Sequence[str]) -> None:
    """Let nbgrader write the releases, and look at each. Raises UserError, and leaves no release that gives away."""
    command = [sys.executable, "-m", "vinpaint_lib.lessons.course.generate", *names]
    scripts = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # nbgrader calls alembic
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, env={**os.environ, "PATH": scripts})
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"{out}: nbgrader could not write the releases ({last}); look at nbgrader_config.py there")
    for name in names:
        look_at(out, name)


def look_at(out: Path, name: str) -> None:
    """Check one release against its source. Raises UserError for one that gives away a line, and removes it."""
    source, released = (declared.read(out / part / name / f"{name}.ipynb") for part in ("source", "release"))
    try:
        release.check(released, source)
    except UserError as error:
        shutil.rmtree(out / "release" / name)
        raise UserError(f"{name}: {error}; the release was removed") from error


def write(path: Path, text: str) -> None:
    """Write a page whole."""
    with draft_of(path) as draft:
        draft.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module; a UserError is one sentence and exit code 2."""
    run_program(work, arguments, name="python -m vinpaint_lib.lessons.course.build")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(
        prog="python -m vinpaint_lib.lessons.course.build", description="An nbgrader course."
    )
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="folder of the course")
    parser.add_argument("--force", action="store_true", help="replace sources and configuration that were changed")
    parser.add_argument("--seed", type=int, help="of the hidden tests; a course keeps the one that it has")
    given = parser.parse_args(arguments)
    print(*build(given.notebooks, given.out, force=given.force, seed=given.seed), sep="\n")
    print(f"\n{given.out}: the course is built; {given.out / 'GUIDE.md'} says how to go on")


if __name__ == "__main__":
    main()
