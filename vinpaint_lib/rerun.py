"""Run a notebook again: with other parameters, or in place, brought into the form that is stored.

papermill runs the cells. This module changes four things. A parameter that the notebook does not have is refused
(papermill only warns, and runs with the default). `-p live=false` means False, not the text "false". The kernel starts
in the notebook's folder, not in the caller's. The executed copy begins with a list of what it was made with
(`lessons/manifest.py`).

    python -m vinpaint_lib.rerun run notebooks/09_attention_maps.ipynb runs/9.ipynb -p seed=3 -p out_dir=../runs/nine
    python -m vinpaint_lib.rerun store notebooks/*.ipynb
    python -m vinpaint_lib.rerun demo
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of
from vinpaint_lib.lessons import manifest

DEMO = Path("notebooks/09_attention_maps.ipynb")
DEMO_OUT = Path("runs/demo")
SCORES = ("psnr", "hole_psnr", "ssim", "warping_error")
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(notebook: Path, out: Path, parameters: Mapping[str, Any] | None = None, *, progress: bool = False) -> Path:
    """Execute `notebook` in its own folder and write the executed copy to `out`; the original stays as it is.

    `parameters` replace values of the cell tagged `parameters`; relative paths among them start at the
    notebook's folder. The copy begins with its manifest. Raises UserError if the notebook is missing or has no
    parameter of a given name, and papermill's PapermillExecutionError, which shows the cell, if a cell fails; `out`
    then ends at that cell.
    """
    given = dict(parameters or {})
    check_names(notebook, given)
    if out.resolve() == notebook.resolve():
        raise UserError(f"{out} is the notebook itself: give the executed copy another name.")
    made_with = manifest.gather(notebook, given)  # before the run, which may change files
    try:
        execute(notebook, out, given, progress=progress)
    finally:
        if out.is_file():
            manifest.put(out, made_with)
    return out.resolve()


def check_names(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """Raise UserError unless the notebook is there and has all of these parameters."""
    if not notebook.is_file():
        raise UserError(
            f"{notebook} is not a file: give the path of a notebook, or run this from the project's folder."
        )
    known = set(papermill.inspect_notebook(notebook))
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise UserError(
            f"{notebook} has no parameter {', '.join(unknown)}: it has {', '.join(sorted(known)) or 'none at all'}."
        )


def execute(notebook: Path, out: Path, parameters: Mapping[str, Any], *, progress: bool = False) -> None:
    """Run the cells in the notebook's folder and write the executed copy to `out`, as far as it came."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)  # if this run does not start, no copy of an earlier run may stay
    papermill.execute_notebook(
        notebook.resolve(),
        out,
        dict(parameters),
        kernel_name="python3",
        cwd=notebook.resolve().parent,
        progress_bar=progress,
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


def parse_parameter(text: str) -> tuple[str, Any]:
    """`name=value`, where the value is read as YAML: 3, 0.5, true, null, [1, 2] and text mean what they look like."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UserError(f"{text!r} is no parameter: write name=value, as in seed=3.")
    return name, yaml.safe_load(value)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module; a UserError is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m vinpaint_lib.rerun", description="Run notebooks again.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="one notebook with other parameters; the original stays")
    one.add_argument("notebook", type=Path)
    one.add_argument("out", type=Path, help="the executed copy")
    one.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    some = commands.add_parser("store", help="notebooks in place, brought into the stored form")
    some.add_argument("notebooks", type=Path, nargs="*")
    commands.add_parser("demo", help="notebook 09 with its scores")
    given = parser.parse_args(arguments)
    try:
        if given.command == "demo":
            demo()
        elif given.command == "run":
            print(run(given.notebook, given.out, dict(map(parse_parameter, given.parameter)), progress=True))
        else:
            # as `make test` runs them: other thread counts change the last digits of a float
            os.environ.update(OMP_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")
            for notebook in given.notebooks:
                print(store(notebook))
    except UserError as error:
        print(f"vinpaint: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
