"""The notebook's own check, asked about every run before the first one begins.

Names and types are known from the text of a notebook. What else a value must be, its cell with `parameters.check` says,
which may compute it. So the cells up to that one are run once, in a process of their own, and that cell again with the
parameters of each run. A notebook whose first cells fail for another reason is not judged here: its runs will tell.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import declared
from vinpaint_lib.lessons.declared import CHECK
from vinpaint_lib.lessons.manifest import FOLDER
from vinpaint_lib.reruns.attempt import ROOT, START


def refusals(notebook: Path, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the notebook says against the parameters of the runs, each sentence once; empty if it checks nothing."""
    if not any(CHECK in cell.source for cell in declared.read(notebook).cells if cell.cell_type == "code"):
        return []
    with tempfile.TemporaryDirectory(prefix="vinpaint-rehearsal-") as folder:
        asked, said = Path(folder) / "asked.json", Path(folder) / "said.json"
        asked.write_text(json.dumps({"notebook": str(notebook.resolve()), "runs": list(runs)}), encoding="utf-8")
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        subprocess.run(
            [sys.executable, "-c", START, "vinpaint_lib.reruns.rehearsal", str(asked), str(said)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths, "MPLBACKEND": "Agg", "IPYTHONDIR": folder},
        )
        return json.loads(said.read_text(encoding="utf-8")) if said.is_file() else []


class Shell(InteractiveShell):
    """A shell for cells that ask for a window, as `%matplotlib inline` does: there is none."""

    def enable_gui(self, gui: Any = None) -> None:
        pass


def rehearse(notebook: Path, runs: Sequence[Mapping[str, Any]], scratch: Path) -> list[str]:
    """`refusals`, in this process. Results that the cells write go to the folder `scratch`."""
    shell = Shell.instance()
    cells = [cell for cell in declared.read(notebook).cells if cell.cell_type == "code"]
    own: dict[str, Any] = {}
    for cell in cells:
        if CHECK in cell.source:
            break
        if not shell.run_cell(cell.source, store_history=False).success:
            return []
        if "parameters" in cell.metadata.get("tags", []):
            own = {name: shell.user_ns[name] for name in declared.parameters_of(notebook)}
            own |= {FOLDER: str(scratch)} if FOLDER in own else {}
            shell.user_ns.update(own)
    check = compile(shell.transform_cell(cell.source), str(notebook), "exec")
    said: dict[str, None] = {}
    for given in runs:
        shell.user_ns.update({**own, **given})
        try:
            exec(check, shell.user_ns)
        except UserError as error:
            said |= dict.fromkeys(str(error).splitlines())
        except Exception:  # a check that needs what a run would have: the run itself says what is wrong
            continue
    return list(said)


if __name__ == "__main__":
    question = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.chdir(Path(question["notebook"]).parent)
    answer = rehearse(Path(question["notebook"]), question["runs"], Path(sys.argv[2]).parent / "results")
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")
