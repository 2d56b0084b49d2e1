"""The name of a run: a hash of all that its result depends on, so that a finished run is known and not run again.

What counts is the notebook's cells, all of its parameters (also those that keep their own value), files that a
parameter names (such as weights), the number of the repeat, the project's commit, and the weights that ship. The folder
for results does not count, and neither do versions of other packages nor the machine: the manifest tells those.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import vinpaint_lib
from vinpaint_lib.files import sha256_of
from vinpaint_lib.lessons import declared, manifest

DIGITS = 12  # of the hash; two of a million runs share them with a chance of 1 in 500
STEM = 40  # characters of the notebook's name before the hash


@cache
def surroundings() -> dict[str, Any]:
    """`manifest.surroundings`, once in a process: it loads torch and asks git."""
    return manifest.surroundings()


@cache
def library() -> dict[str, Any]:
    """What of the library a result depends on: commit (or version) and weights. Where files differ from the commit, or
    there is none, the code itself counts."""
    around = surroundings()
    commit = around["commit"]
    exact = commit is not None and " " not in commit
    return {
        "commit": commit if exact else f"{commit or around['versions']['vinpaint']}, code {code()}",
        "weights": around["weights"],
    }


def code() -> str:
    """A hash of the library's Python files."""
    root = Path(vinpaint_lib.__file__).parent
    whole = sha256()
    for path in sorted(root.rglob("*.py")):
        whole.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size}\n".encode() + path.read_bytes())
    return whole.hexdigest()[:DIGITS]


class Namer:
    """Names runs of one notebook."""

    def __init__(self, notebook: Path, made_by: Mapping[str, Any]) -> None:
        cells = [[cell.cell_type, cell.source, cell.metadata.get("tags", [])] for cell in declared.read(notebook).cells]
        self.common = {"cells": digest(cells), "library": digest(made_by)}
        self.own = manifest.defaults(notebook)
        self.folder = notebook.resolve().parent
        self.stem = re.sub(r"[^A-Za-z0-9_-]", "_", notebook.stem)[:STEM]
        self.files: dict[str, str | None] = {}

    def name(self, given: Mapping[str, Any], repeat: int) -> str:
        """The name of a run, which is that of its folder too."""
        values = {name: value for name, value in {**self.own, **given}.items() if name != manifest.FOLDER}
        files = {name: self.file(value) for name, value in values.items() if isinstance(value, str)}
        named = {name: found for name, found in files.items() if found}
        whole = {**self.common, "parameters": values, "files": named, "repeat": repeat}
        return f"{self.stem}-{digest(whole)[:DIGITS]}"

    def file(self, text: str) -> str | None:
        """The hash of the file that a text names from the notebook's folder, if there is one."""
        if text not in self.files:
            try:
                path = self.folder / text
                self.files[text] = sha256_of(path) if text and path.is_file() else None
            except (OSError, ValueError):
                self.files[text] = None
        return self.files[text]


def digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
