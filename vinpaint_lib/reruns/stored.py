"""The form in which notebooks are stored: executed with their defaults, and without what changes from run to run."""

import json
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of
from vinpaint_lib.reruns.one import check_names, execute

WIDGET = "application/vnd.jupyter.widget-view+json"


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
    places = {str(Path(__file__).resolve().parents[2]), str(notebook.resolve().parent), str(Path.home()), sys.prefix}
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
