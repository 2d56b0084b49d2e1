"""Run a notebook again: with other parameters, or in place, brought into the form that is stored.

papermill runs the cells. This module changes five things. A parameter that the notebook does not have is refused
(papermill only warns, and runs with the default). A value is read by the type that the notebook gives its parameter
(`lessons/words.py`). The kernel starts in the notebook's folder, not in the caller's. The executed copy begins with a
list of what it was made with (`lessons/manifest.py`). The copy takes its name when the run has ended; a run whose
parameters the notebook refuses leaves none.

    python -m vinpaint_lib.rerun run notebooks/09_attention_maps.ipynb runs/9.ipynb -p seed=3 -p out_dir=../runs/nine
    python -m vinpaint_lib.rerun store notebooks/*.ipynb
    python -m vinpaint_lib.rerun demo
"""

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from vinpaint_lib.errors import DEBUG_HELP, UserError, run_program
from vinpaint_lib.files import draft_of, real
from vinpaint_lib.lessons import declared, manifest, words
from vinpaint_lib.lessons.words import parse_parameter
from vinpaint_lib.places import check_file, claimed

__all__ = ["demo", "main", "parse_parameter", "run", "store"]

DEMO = Path("notebooks/09_attention_maps.ipynb")
DEMO_OUT = Path("runs/demo")
SCORES = ("psnr", "hole_psnr", "ssim", "warping_error")
LOUD = ("asyncio", "nbclient", "papermill", "traitlets")  # they log what an exception says too
CHECK = "parameters.check("  # the cell in which a notebook refuses values
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(notebook: Path, out: Path, parameters: Mapping[str, Any] | None = None, *, progress: bool = False) -> Path:
    """Execute `notebook` in its own folder and write the executed copy to `out`; the original stays as it is.

    `parameters` replace values of the cell tagged `parameters`; relative paths among them start at the
    notebook's folder. The copy begins with its manifest.

    Raises UserError before the run if the notebook is missing or damaged, if it has no parameter of a given name, for a
    value that JSON cannot hold, and if `out` cannot be written. Raises UserError too when the notebook's own check
    refuses a value; what stood at `out` before then stays. A cell that fails otherwise raises UserError if it did so
    itself, else papermill's PapermillExecutionError, which shows the cell; `out` then ends at that cell.
    """
    given = dict(parameters or {})
    check_names(notebook, given)
    check_values(given)
    check_out(out, notebook)
    made_with = manifest.gather(notebook, given)  # before the run, which may change files
    folder = Path(tempfile.mkdtemp(prefix="vinpaint-rerun-"))
    executed = folder / "executed.ipynb"
    try:
        with claimed(out):
            fill_copy(notebook, executed, given, made_with, out, progress=progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return real(out)


def fill_copy(
    notebook: Path,
    executed: Path,
    given: Mapping[str, Any],
    made_with: Mapping[str, Any],
    out: Path,
    *,
    progress: bool,
) -> None:
    """Execute the notebook into the draft `executed`, and put it to `out`, as far as it came.

    A value that the notebook's own check refuses leaves nothing.
    """
    try:
        execute(notebook, executed, given, progress=progress)
    except PapermillExecutionError as error:
        told = "; ".join(str(error.evalue).splitlines())
        if error.ename == UserError.__name__ and CHECK in str(error.source):
            raise UserError(f"{notebook}: {told}") from error
        keep(executed, made_with, out)
        if error.ename == UserError.__name__:
            raise UserError(f"{notebook}: {told} ({out} ends at the cell that says so)") from error
        raise
    except DeadKernelError:
        if executed.is_file():
            keep(executed, made_with, out)
        raise
    keep(executed, made_with, out)


def keep(executed: Path, made_with: Mapping[str, Any], out: Path) -> None:
    """Give the executed notebook its manifest and its name. Raises UserError, which says where it lies, if that place
    cannot be written."""
    manifest.put(executed, made_with, real(out))
    try:
        with draft_of(real(out)) as draft:
            shutil.copyfile(executed, draft)
    except OSError as error:
        saved = Path(shutil.move(executed, f"{executed.parent}.ipynb"))
        raise UserError(f"{out} cannot be written ({error.strerror}): the executed notebook is {saved}.") from error


def check_names(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Raise UserError unless the notebook is there and whole, and has all of these parameters."""
    known = declared.parameters_of(notebook)
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise UserError(
            f"{notebook} has no parameter {', '.join(unknown)}: it has {', '.join(sorted(known)) or 'none at all'}."
        )


def check_values(parameters: Mapping[str, Any]) -> None:
    """Raise UserError for a value that a notebook file cannot hold, such as NaN."""
    for name, value in parameters.items():
        if not declared.is_plain(value):
            raise UserError(f"parameter {name} is {value!r}: give text, a finite number, True, False, None or a list.")


def check_out(out: Path, notebook: Path) -> None:
    """Raise UserError unless `out` can be written, and is not the notebook itself."""
    if real(out) == real(notebook):
        raise UserError(f"{out} is the notebook itself: give the executed copy another name.")
    if out.is_dir():
        raise UserError(f"{out} is a folder: give the name of the executed copy, as in {out / notebook.name}.")
    check_file(out)


def execute(notebook: Path, out: Path, parameters: Mapping[str, Any], *, progress: bool = False) -> None:
    """Run the cells in the notebook's folder and write the executed copy to `out`, as far as it came."""
    papermill.execute_notebook(
        notebook.resolve(),
        out,
        dict(parameters),
        kernel_name="python3",
        cwd=notebook.resolve().parent,
        progress_bar=progress,
        extra_arguments=["--log-level=CRITICAL"],  # its notes on its connection do not concern the user
    )


def store(notebook: Path) -> Path:
    """Execute `notebook` with its defaults and replace it by the stored form (see `stored_form`)."""
    check_names(notebook, {})
    with tempfile.TemporaryDirectory() as folder:
        execute(notebook, Path(folder) / "executed.ipynb", {})
        executed = nbformat.read(Path(folder) / "executed.ipynb", as_version=4)
    with draft_of(notebook) as draft:
        nbformat.write(stored_form(executed, notebook), draft)
    return notebook


def stored_form(executed: NotebookNode, notebook: Path) -> NotebookNode:
    """An executed notebook without what changes from run to run or from machine to machine.

    Outputs, execution counts and cell ids stay. Timings, papermill's notes, widget state and the exact
    Python version go. Raises UserError if a cell wrote to stderr or shows a path of this machine. Both
    would differ on another machine, and tests compare a run there with the stored form.
    """
    executed.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    places = {str(Path(__file__).resolve().parents[1]), str(notebook.resolve().parent), str(Path.home()), sys.prefix}
    for number, cell in enumerate(executed.cells, start=1):
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)
        if "outputs" in cell:
            cell.outputs = joined(cell.outputs)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
            if output.get("name") == "stderr":
                raise UserError(
                    f"{notebook}, cell {number} writes to stderr ({output.text[:120]!r}): silence its cause."
                )
            text = json.dumps(output)
            shown = [place for place in places if f"{place.rstrip('/')}/" in text and place != "/"]
            if shown:
                raise UserError(
                    f"{notebook}, cell {number} shows the path {shown[0]}: print a path relative to a folder."
                )
    nbformat.validate(executed)
    return executed


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of one stream, joined: a busy machine cuts the text of a cell at random places."""
    result: list[NotebookNode] = []
    for output in outputs:
        last = result[-1] if result else None
        if last is not None and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            result.append(output)
    return result


def to_html(notebook: Path) -> Path:
    """Write a page beside an executed notebook: same name, suffix .html."""
    body, _ = HTMLExporter().from_filename(str(notebook))
    out = notebook.with_suffix(".html")
    with draft_of(out) as draft:
        draft.write_text(body, encoding="utf-8")
    return out


def table(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Lines of text: a row for each method, best hole PSNR first. PSNR (dB): higher is better; warping error: lower."""
    width = max(len("method"), *map(len, scores))
    lines = [f"{'method':{width}}  {'PSNR':>6}  {'hole PSNR':>9}  {'SSIM':>6}  {'warping error':>13}"]
    for name, row in sorted(scores.items(), key=lambda item: -item[1]["hole_psnr"]):
        psnr, hole, ssim, warping = (row[key] for key in SCORES)
        lines.append(f"{name:{width}}  {psnr:6.2f}  {hole:9.2f}  {ssim:6.4f}  {warping:13.3g}")
    return "\n".join(lines)


def demo() -> Path:
    """Fill the holes of a clip with the shipped weights; print the scores and where the results are.

    Runs notebook 09, which writes two videos, the attention figure and metrics.json, and keeps the executed
    notebook and a page of it beside them. Returns the folder.
    """
    metrics = DEMO_OUT / "metrics.json"
    metrics.unlink(missing_ok=True)  # scores of an earlier run must not pass for this one's
    executed = run(DEMO, DEMO_OUT / DEMO.name, {"out_dir": os.path.relpath(DEMO_OUT, DEMO.parent)}, progress=True)
    page = to_html(executed)
    if not metrics.is_file():
        raise UserError(f"{DEMO} ran but wrote no {metrics}: its last cells should write the scores there.")
    result = json.loads(metrics.read_text(encoding="utf-8"))
    print(f"\n{result['clip']}\n{table(result['scores'])}\n")
    for name in ("filled.mp4", "before_after.mp4", "attention.png", metrics.name, DEMO.name, page.name):
        path = DEMO_OUT / name
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
    commands.add_parser("demo", help="notebook 09 with its scores")
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
