"""What a run of a notebook was made with: the first cell of every executed copy, and the same in its metadata.

Parameters, seed, versions, device, the hash of the weights that ship, and the commit of the project. Before it stands a
banner, where parameters differ from the notebook's own.
"""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

import vinpaint_lib
from vinpaint_lib.comparison.provenance import commit
from vinpaint_lib.files import sha256_of
from vinpaint_lib.lessons.declared import parameters_of

TAG, BANNER = "manifest", "banner"
FOLDER = "out_dir"  # the parameter that says where a notebook writes to


def gather(notebook: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a run of `notebook` with the parameters `given`, on this machine, as JSON's types."""
    return made_with(notebook, given, surroundings())


def made_with(notebook: Path, given: Mapping[str, Any], around: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a run in these `surroundings`."""
    parameters = {**defaults(notebook), **given}
    return {"notebook": notebook.name, "parameters": parameters, "seed": parameters.get("seed"), **around}


def surroundings() -> dict[str, Any]:
    """What is the same for all runs of this process: versions, device, weights that ship, commit."""
    import torch  # here, because it takes seconds, and `rerun --help` should answer at once

    from vinpaint_lib.options import choose_device
    from vinpaint_lib.systems.registry import SHIPPED

    device = choose_device("auto")
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "vinpaint": vinpaint_lib.__version__,
        },
        "device": f"cuda ({torch.cuda.get_device_name()})" if device == "cuda" else device,
        "weights": {path.name: sha256_of(path) for path in SHIPPED.values() if path.is_file()},
        "commit": commit(),
    }


def defaults(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook with the values that its parameters cell gives them; what that cell computes is
    there as it is written."""
    return {name: parameter.default for name, parameter in parameters_of(notebook).items()}


def changed(own: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Parameters with another value than the notebook's own: name -> (own value, value of the run). The folder for
    results is none of them, since it changes no result."""
    pairs = {name: (own.get(name), value) for name, value in values.items() if name != FOLDER}
    return {name: pair for name, pair in pairs.items() if not same(*pair)}


def same(own: Any, value: Any) -> bool:
    """Whether two values are one: 1 and 1.0 are, 1 and True are not, a tuple and a list of the same items are."""
    if isinstance(own, list | tuple) and isinstance(value, list | tuple):
        return len(own) == len(value) and all(map(same, own, value))
    return isinstance(own, bool) == isinstance(value, bool) and bool(own == value)


def put(executed: Path, manifest: Mapping[str, Any], out: Path | None = None) -> None:
    """Make the manifest the first cell of an executed notebook, and a part of its metadata; a banner comes before it if
    parameters differ from the notebook's own. `out` is the name that the notebook gets afterwards, which papermill does
    not know."""
    differing = changed(defaults(executed), manifest["parameters"])
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata[TAG] = manifest
    if out is not None and "papermill" in notebook.metadata:
        notebook.metadata.papermill.output_path = str(out)
    notebook.cells.insert(0, to_cell(manifest))
    if differing:
        notebook.cells.insert(0, banner(differing))
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


def banner(differing: Mapping[str, tuple[Any, Any]]) -> NotebookNode:
    """The warning that the text was written for other values."""
    rows = [f"`{name}` is {code(value)} (the notebook's own: {code(own)})" for name, (own, value) in differing.items()]
    text = (
        "> **Run with other parameters.** The text was written for the notebook's own parameters: what it says of "
        f"figures and numbers may not fit the ones below.\n>\n> {'; '.join(rows)}"
    )
    return new_markdown_cell(text, metadata={"tags": [BANNER]}, id="banner")


def code(value: Any) -> str:
    """A value as code in Markdown, on one line."""
    text = repr(value)
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"
