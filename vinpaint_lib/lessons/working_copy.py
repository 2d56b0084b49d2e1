"""The reader's own copies of the notebooks, which `make lab` opens: what is stored stays as it was.

    python -m vinpaint_lib.lessons.working_copy work

The first call copies every notebook, with its outputs, and the pages that it links to. A later call brings what is new
in the project: a copy that its reader has not changed is replaced, and beside one that was changed the new lesson is
written as `NAME-new.ipynb`. Where nothing is new, nothing is written.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat

from vinpaint_lib.errors import run_program
from vinpaint_lib.files import draft_of
from vinpaint_lib.lessons import catalogue, copies, declared
from vinpaint_lib.lessons.copies import Written
from vinpaint_lib.lessons.progress import file as progress
from vinpaint_lib.places import check_folder, claimed


def lay(folder: Path, source: Path = catalogue.FOLDER) -> list[Written]:
    """Bring the notebooks and pages of `source` into `folder`; what was written, but for what was there already.

    Raises UserError as `check_folder` does for `folder`, and as `declared.read` does for a notebook.
    """
    check_folder(folder)
    lessons = {path.name: declared.read(path) for path in sorted(source.glob("[0-9][0-9]_*.ipynb"))}
    with claimed(folder, folder=True, names=[*lessons, copies.RECORD, progress.FILE]):
        known = copies.read_record(folder)
        new = {name: lesson for name, lesson in lessons.items() if not is_laid(folder / name, known, lesson)}
        for page in sorted(source.glob("*.md")):
            with draft_of(folder / page.name) as draft:
                shutil.copyfile(page, draft)
        progress.begin(folder, solutions=True)
        return copies.write(new, folder) if new else []


def is_laid(path: Path, known: dict[str, str], lesson: nbformat.NotebookNode) -> bool:
    """Whether this text of the lesson was written to `path` or beside it, whatever its reader did with it since."""
    own = [name for name in known if name == path.name or name.startswith(f"{path.stem}-new")]
    return path.exists() and copies.hash_of(lesson) in {known[name] for name in own}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module; a UserError is one sentence and exit code 2."""
    run_program(work, arguments, name="python -m vinpaint_lib.lessons.working_copy")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(
        prog="python -m vinpaint_lib.lessons.working_copy", description="Copies of the notebooks to work in."
    )
    parser.add_argument("folder", type=Path, help="folder for the copies; made if it is missing")
    for written in lay(parser.parse_args(arguments).folder):
        print(written)


if __name__ == "__main__":
    main()
