"""A file or folder that is written beside its final name, and takes that name when it is whole."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A hidden name in the folder of `path`: write the file or folder under this name.

    It takes the name `path` at the end of the block. If the block raises, the draft is removed and `path` stays as it
    was. A folder may replace a folder, and a file a file.
    """
    path = Path(os.path.abspath(path))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield draft
        if draft.is_dir() and path.is_dir():
            exchange(draft, path)
        else:
            os.replace(draft, path)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def exchange(draft: Path, path: Path) -> None:
    """Put a folder in the place of an old one. The old folder is deleted only when the new one is in place."""
    old = draft.with_suffix(".old")
    os.rename(path, old)
    try:
        os.rename(draft, path)
    except BaseException:
        os.rename(old, path)
        raise
    shutil.rmtree(old)
