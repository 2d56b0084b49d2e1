"""What a run of a notebook was made with: the first cell of every executed copy, and the same in its metadata.

Parameters, seed, versions, device, the hash of the weights that ship, and the commit of the project.
"""

import platform
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

import vinpaint_lib
from vinpaint_lib.comparison.provenance import commit
from vinpaint_lib.lessons.declared import parameters_of

TAG = "manifest"


def gather(notebook: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a run of `notebook` with the parameters `given`, on this machine, as JSON's types."""
    import torch  # here, because it takes seconds, and `rerun --help` should answer at once

    from vinpaint_lib.options import choose_device
    from vinpaint_lib.systems.registry import SHIPPED

    parameters = {**defaults(notebook), **given}
    device = choose_device("auto")
    return {
        "notebook": notebook.name,
        "parameters": parameters,
        "seed": parameters.get("seed"),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "vinpaint": vinpaint_lib.__version__,
        },
        "device": f"cuda ({torch.cuda.get_device_name()})" if device == "cuda" else device,
        "weights": {path.name: sha256(path.read_bytes()).hexdigest() for path in SHIPPED.values() if path.is_file()},
        "commit": commit(),
    }


def defaults(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook with the values that its parameters cell gives them; what that cell computes is
    there as it is written."""
    return {name: parameter.default for name, parameter in parameters_of(notebook).items()}


def put(executed: Path, manifest: Mapping[str, Any], out: Path | None = None) -> None:
    """Make the manifest the first cell of an executed notebook, and a part of its metadata. `out` is the name that the
    notebook gets afterwards, which papermill does not know."""
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata[TAG] = manifest
    if out is not None and "papermill" in notebook.metadata:
        notebook.metadata.papermill.output_path = str(out)
    notebook.cells.insert(0, to_cell(manifest))
    nbformat.validate(notebook)
    nbformat.write(notebook, executed)


def to_cell(manifest: Mapping[str, Any]) -> NotebookNode:
    """The manifest as a table of text."""
    rows = [("notebook", manifest["notebook"])]
    rows += [(f"parameter {name}", repr(value)) for name, value in manifest["parameters"].items()]
    rows += [("seed", manifest["seed"]), *manifest["versions"].items(), ("device", manifest["device"])]
    rows += [(f"sha256 of {name}", value) for name, value in manifest["weights"].items()]
    rows.append(("commit", manifest["commit"] or "not a git checkout"))
    table = "\n".join(f"| {name} | `{str(value).replace('|', chr(92) + '|')}` |" for name, value in rows)
    return new_markdown_cell(f"**This run**\n\n| | |\n|---|---|\n{table}", metadata={"tags": [TAG]}, id="manifest")
