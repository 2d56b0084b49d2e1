"""One notebook, run again with other parameters.

papermill runs the cells. This module changes five things. A parameter that the notebook does not have is refused
(papermill only warns, and runs with the default). A value is read by the type that the notebook gives its parameter
(`lessons/words.py`). The kernel starts in the notebook's folder, not in the caller's. The executed copy begins with a
list of what it was made with (`lessons/manifest.py`), after a banner if parameters differ from the notebook's own. The
copy takes its name when the run has ended; a run whose parameters the notebook refuses leaves none.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of, real
from vinpaint_lib.lessons import declared, manifest
from vinpaint_lib.places import check_file, claimed

LOUD = ("asyncio", "nbclient", "papermill", "traitlets")  # they log what an exception says too


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
        if error.ename == UserError.__name__ and declared.CHECK in str(error.source):
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
        language="python",
        cwd=notebook.resolve().parent,
        progress_bar=progress,
        extra_arguments=["--log-level=CRITICAL"],  # its notes on its connection do not concern the user
    )
