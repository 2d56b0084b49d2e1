"""Run a notebook again: with other parameters, or in place, brought into the form that is stored.

    python -m vinpaint_lib.rerun run notebooks/09_attention_maps.ipynb runs/9.ipynb -p seed=3 -p out_dir=../runs/nine
    python -m vinpaint_lib.rerun store notebooks/*.ipynb
    python -m vinpaint_lib.rerun demo

`vinpaint rerun` (`reruns/command.py`) gives each run a folder of its own, and runs whole grids.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError

from vinpaint_lib.errors import DEBUG_HELP, UserError, run_program
from vinpaint_lib.files import draft_of
from vinpaint_lib.filling import demo as street_demo
from vinpaint_lib.lessons import declared, words
from vinpaint_lib.lessons.words import parse_parameter
from vinpaint_lib.reruns.one import LOUD, run
from vinpaint_lib.reruns.stored import store

__all__ = ["demo", "main", "parse_parameter", "run", "store"]

DEMO = Path("notebooks/09_attention_maps.ipynb")
DEMO_OUT = Path("runs/demo")


def to_html(notebook: Path) -> Path:
    """Write a page beside an executed notebook: same name, suffix .html."""
    body, _ = HTMLExporter().from_filename(str(notebook))
    out = notebook.with_suffix(".html")
    with draft_of(out) as draft:
        draft.write_text(body, encoding="utf-8")
    return out


def demo() -> Path:
    """Take a man out of a filmed street with the shipped weights: film and scores first, then notebook 09 with a page.

    The notebook opens the network on a clip of its own; it writes into a folder `lesson` beside the film. Returns the
    folder of all.
    """
    if not DEMO.is_file():
        raise UserError(f"{DEMO} is not a file; run this from the project's folder")
    street_demo.show(DEMO_OUT)
    lesson = DEMO_OUT / "lesson"
    print("\nnow notebook 09 opens the network: which frame did each pixel come from?", flush=True)
    executed = run(DEMO, DEMO_OUT / DEMO.name, {"out_dir": os.path.relpath(lesson, DEMO.parent)}, progress=True)
    page = to_html(executed)
    for path in (lesson / "attention.png", DEMO_OUT / DEMO.name, DEMO_OUT / page.name):
        print(path if path.is_file() else f"{path} (not written)")
    return DEMO_OUT


class CellFailed(UserError):
    """A cell of the notebook raised an error of Python; the executed copy shows it."""

    exit_code = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module: exit code 2 for a user's mistake, 1 for a cell that fails."""
    run_program(work, arguments, name="python -m vinpaint_lib.rerun")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(
        prog="python -m vinpaint_lib.rerun", description="Run notebooks again.", epilog=DEBUG_HELP
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="one notebook with other parameters; the original stays")
    one.add_argument("notebook", type=Path)
    one.add_argument("out", type=Path, help="the executed copy")
    one.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help=words.HELP)
    some = commands.add_parser("store", help="notebooks in place, brought into the stored form")
    some.add_argument("notebooks", type=Path, nargs="*")
    commands.add_parser("demo", help="a man taken out of a filmed street, scores, and notebook 09")
    given = parser.parse_args(arguments)
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if given.command == "demo":
            demo()
        elif given.command == "run":
            values = words.parse_all(given.parameter, declared.parameters_of(given.notebook))
            print(run(given.notebook, given.out, values, progress=sys.stderr.isatty()))
        else:
            # as `make test` runs them: other thread counts change the last digits of a float
            os.environ.update(OMP_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")
            for notebook in given.notebooks:
                print(store(notebook))
    except PapermillExecutionError as error:
        about = f"a cell failed ({error.ename}: {(str(error.evalue).splitlines() or [''])[0]})"
        if given.command == "store":
            raise CellFailed(f"{about}: the notebook was left as it is") from error
        notebook, out = (DEMO, DEMO_OUT / DEMO.name) if given.command == "demo" else (given.notebook, given.out)
        raise CellFailed(f"{notebook}: {about}; {out} ends there and shows it") from error


if __name__ == "__main__":
    main()
