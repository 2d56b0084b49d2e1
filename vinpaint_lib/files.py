"""A file or folder that is written beside its final name, and takes that name when it is whole."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A hidden name in the folder of `path`, to be written under. It becomes `path` at the end of the block.

    Where the block raises, the draft is removed and what stood under `path` stays. A folder takes the place of a
    folder, a file that of a file.
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
    """Put a folder in the place of an old one, which is deleted only when the new one stands."""
    old = draft.with_suffix(".old")
    os.rename(path, old)
    try:
        os.rename(draft, path)
    except BaseException:
        os.rename(old, path)
        raise
    shutil.rmtree(old)
