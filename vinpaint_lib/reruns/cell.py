"""The process of one run: `python -m vinpaint_lib.reruns.cell`, which `attempt.py` starts.

It gets one line of JSON on stdin, and ends with all that it started when stdin closes: so a run ends with whoever
started it, even if that one was killed. The folder of the run then has the executed notebook, `metrics.json` (the
notebook writes it), `manifest.json`, and, written last, `run.json`, which says how it went.
"""

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import nbformat
import papermill
import psutil
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import manifest
from vinpaint_lib.reruns.attempt import DONE, FAILED, RUN, write_json
from vinpaint_lib.reruns.one import LOUD

MANIFEST = "manifest.json"
STARTS = 3  # a kernel that does not come up is started again: two that start at once may draw the same port
START = 300  # seconds that a kernel may take to come up on a busy machine
LONGEST = 500  # characters of a sentence


def main() -> None:
    asked = json.loads(sys.stdin.buffer.readline())
    Thread(target=end_with_stdin, daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.INFO if name == "papermill" else logging.CRITICAL)
    try:
        result = work(Path(asked["notebook"]), Path(asked["folder"]), asked["given"], asked["around"])
    except Exception as error:  # a fault of ours, or a full disk: the run has failed, and its log shows how
        traceback.print_exc()
        result = {"status": FAILED, "error": f"{type(error).__name__}: {error}"[:LONGEST]}
    write_json(Path(asked["folder"]) / RUN, {**asked["about"], **result})


def end_with_stdin() -> None:
    """End this process and those that it started as soon as nobody holds the other end of stdin."""
    while os.read(sys.stdin.fileno(), 1):  # not through the buffer, which Python locks when it ends
        pass
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def work(notebook: Path, folder: Path, given: Mapping[str, Any], around: Mapping[str, Any]) -> dict[str, Any]:
    """Run the notebook into the folder: how it went, as `run.json` says it."""
    began = time.time()
    executed = folder / notebook.name
    own = manifest.defaults(notebook)
    made_with = manifest.made_with(notebook, given, around)
    values = {**given, manifest.FOLDER: str(folder)} if manifest.FOLDER in own else dict(given)
    if manifest.FOLDER in own:
        made_with["parameters"][manifest.FOLDER] = "."
    error = execute(notebook, executed, values)
    if executed.is_file():
        manifest.put(executed, made_with)
        write_json(folder / MANIFEST, made_with)
    return {
        "status": FAILED if error else DONE,
        "error": error,
        "started": began,
        "seconds_in_cells": seconds_in_cells(executed),
        "parameters": made_with["parameters"],
    }


def execute(notebook: Path, executed: Path, values: Mapping[str, Any]) -> str:
    """Run the cells in the notebook's folder, as far as they go: a sentence if one fails, else ""."""
    for _ in range(STARTS):
        try:
            papermill.execute_notebook(
                notebook,
                executed,
                dict(values),
                kernel_name="python3",
                language="python",
                cwd=notebook.parent,
                progress_bar=False,
                log_output=True,
                start_timeout=START,
                # a thousand kernels need no common history, which is a file with a lock
                extra_arguments=["--log-level=CRITICAL", "--HistoryManager.enabled=False"],
            )
        except PapermillExecutionError as error:
            said = "; ".join(str(error.evalue).splitlines())
            return said[:LONGEST] if error.ename == UserError.__name__ else f"{error.ename}: {said}"[:LONGEST]
        except DeadKernelError:
            return "the notebook's process was ended from outside, as a machine does that runs out of memory"
        except RuntimeError as error:
            if seconds_in_cells(executed):
                raise
            fault = str(error)
        else:
            return ""
    return f"no kernel came up: {fault}"[:LONGEST]


def seconds_in_cells(executed: Path) -> float:
    """What the cells of a notebook took; 0 if none ran."""
    if not executed.is_file():
        return 0.0
    cells = nbformat.read(executed, as_version=4).cells
    return sum(cell.metadata.get("papermill", {}).get("duration") or 0.0 for cell in cells)


if __name__ == "__main__":
    main()
