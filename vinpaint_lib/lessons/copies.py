"""Copies of notebooks that somebody may have worked on since they were written: these are never overwritten.

Beside the copies lies a record, `.copies.json`: for each name the hash of what was written. A copy whose text has
another hash was changed by its reader. Outputs, counts and metadata are no part of the hash: to run a copy, to fold
its cells or to store it again is no change.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from vinpaint_lib.files import draft_of

RECORD = ".copies.json"


class Written(NamedTuple):
    """What became of one copy: where the new one lies, and the file that was kept because its reader changed it."""

    path: Path
    kept: Path | None = None

    def __str__(self) -> str:
        if self.kept is None:
            return str(self.path)
        return f"{self.path}: {self.kept.name} has changes of yours and was kept; --force replaces it"


def write(copies: Mapping[str, NotebookNode], folder: Path, *, force: bool = False) -> list[Written]:
    """Write the notebooks by name into an existing folder. One that its reader changed stays, and the new one is
    written beside it as `NAME-new.ipynb`; with `force` it is replaced. A copy that has the new text already stays as it
    is, with its outputs."""
    record = read_record(folder)
    done = []
    for name, copy in copies.items():
        path = folder / name
        path, kept = (path, None) if force or is_free(path, record, copy) else (beside(path, record, copy), path)
        if force or hash_at(path) != hash_of(copy):
            with draft_of(path) as draft:
                nbformat.write(copy, draft)
        record[path.name] = hash_of(copy)
        with draft_of(folder / RECORD) as draft:  # after each: what a killed run wrote is known
            draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        done.append(Written(path, kept))
    return done


def beside(path: Path, record: Mapping[str, str], copy: NotebookNode) -> Path:
    """The first of `NAME-new.ipynb`, `NAME-new-2.ipynb` and so on that its reader has not changed."""
    return next(place for place in names_beside(path) if is_free(place, record, copy))


def names_beside(path: Path) -> Iterator[Path]:
    yield path.with_name(f"{path.stem}-new{path.suffix}")
    for number in count(2):
        yield path.with_name(f"{path.stem}-new-{number}{path.suffix}")


def is_free(path: Path, record: Mapping[str, str], copy: NotebookNode) -> bool:
    """Whether nothing of a reader is lost if `copy` is written to `path`."""
    if not path.exists() and not path.is_symlink():
        return True
    there = hash_at(path)
    return there is not None and there in (record.get(path.name), hash_of(copy))


def is_changed(path: Path) -> bool:
    """Whether somebody changed the copy at `path` since it was written; also where nothing is known of it."""
    there = hash_at(path)
    return there is None or there != read_record(path.parent).get(path.name)


def hash_at(path: Path) -> str | None:
    """The hash of a notebook's text; None for what is no notebook."""
    with suppress(Exception):  # nbformat raises a dozen kinds for what is no notebook
        return hash_of(nbformat.read(path, as_version=4))
    return None


def hash_of(notebook: NotebookNode) -> str:
    """The hash of the cells' kinds and texts, without spaces at the ends of texts: editors differ in these."""
    cells = [(cell.cell_type, cell.source.rstrip()) for cell in notebook.cells]
    while cells and not cells[-1][1]:  # Run All in Jupyter adds an empty cell
        cells.pop()
    return sha256(json.dumps(cells).encode("utf-8", "backslashreplace")).hexdigest()


def read_record(folder: Path) -> dict[str, str]:
    """The record of a folder; empty where there is none that can be read, and then every copy counts as changed."""
    with suppress(OSError, ValueError):
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {str(name): str(value) for name, value in found.items()}
    return {}
