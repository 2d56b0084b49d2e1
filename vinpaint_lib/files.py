"""A result that is written under a hidden name where it belongs, and takes its own name when it is whole.

Drafts lie beside the final file, or inside the final folder, so that the last step is a rename on one file system. A
folder is never replaced or renamed: it may be a link, a mounted volume, the folder that somebody stands in, or one with
rights and a group of its own. A result that is finished is kept, also if the last step fails.
"""

import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from vinpaint_lib.errors import UserError

STAGE = "vinpaint"  # stands in the place of a file's name, in the hidden name of a folder's draft
PART = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part", re.DOTALL)
LONGEST = 200  # bytes; file systems take 255, and a draft's name is 15 bytes longer than the file's


def real(path: Path) -> Path:
    """The path without links. A link that leads back to itself stays what it is, where `Path.resolve` raises."""
    return Path(os.path.realpath(path))


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A hidden name in the folder of `path`: write the file under this name.

    It takes the name `path` at the end of the block. If the block raises, the draft is removed and `path` stays as it
    was. If `path` is a link, the file that it leads to is replaced. Mode and group of a file that is replaced stay.
    Raises UserError, which says where the finished draft lies, if it cannot take its name.
    """
    place = real(path)
    draft = place.with_name(hidden(place.name))
    try:
        yield draft
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    try:
        keep_rights(place, draft)
        os.replace(draft, place)
    except OSError as error:
        if not draft.exists():
            raise
        kept = shown(draft, place.with_name(f"{place.stem}-{secrets.token_hex(4)}{place.suffix}"))
        raise UserError(
            f"{path}: is finished but cannot take its name ({error.strerror}); it lies in {kept}: move it from there"
        ) from error


@contextmanager
def filling(folder: Path, old: Sequence[Path] = ()) -> Iterator[Path]:
    """A hidden folder inside the existing `folder`: write files into it.

    At the end of the block each file takes its place in `folder`, in the place of a file of its name. Then the files
    `old` are removed, but those that were replaced. If the block raises, `folder` stays as it was. Raises UserError,
    which says where the finished files lie, if one cannot take its place.
    """
    stage = folder / hidden(STAGE)
    try:
        stage.mkdir()
        yield stage
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    files = sorted(stage.iterdir())
    try:
        for file in files:
            keep_rights(folder / file.name, file)
            os.replace(file, folder / file.name)
        # a file system may take A.PNG and a.png for one file
        new = {identity(folder / file.name) for file in files}
        for path in old:
            if os.path.lexists(path) and identity(path) not in new:
                path.unlink()
        stage.rmdir()
    except OSError as error:
        kept = shown(stage, folder / f"finished-{secrets.token_hex(4)}")
        raise UserError(
            f"{folder}: all {len(files)} files are finished, but not all can be put in place ({error.strerror}: "
            f"{Path(str(error.filename)).name}); the others lie in {kept}: move them from there"
        ) from error


def identity(path: Path) -> tuple[int, int]:
    """What two names of one file have in common."""
    about = path.lstat()
    return about.st_dev, about.st_ino


def sha256_of(path: Path) -> str:
    """The hash of a file's content. Raises OSError as reading it does."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hidden(name: str) -> str:
    """A new hidden name for a draft of `name`."""
    return f".{short(name)}.{secrets.token_hex(4)}.part"


def short(name: str) -> str:
    """`name`, or, where a hidden name with it would be too long, a name that stands for it."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= LONGEST else hashlib.sha256(encoded).hexdigest()[:32]


def shown(draft: Path, path: Path) -> Path:
    """Rename a finished draft to a name that people see and no later run clears away; returns where it then lies."""
    try:
        os.rename(draft, path)
    except OSError:
        return draft
    return path


def keep_rights(old: Path, new: Path) -> None:
    """Give `new` the mode and, where that is allowed, the group of the file that it replaces, if there is one."""
    try:
        before = old.stat()
    except OSError:
        return
    with suppress(OSError):
        if sys.platform != "win32" and before.st_gid != new.stat().st_gid:
            os.chown(new, -1, before.st_gid)
        new.chmod(stat.S_IMODE(before.st_mode))


def clear_drafts(folder: Path, names: Sequence[str]) -> int:
    """Remove the drafts of `names` in `folder`, which only a run that was killed leaves behind; returns how many.

    Drafts of a living run look the same: call this only where no other run can write these names.
    """
    wanted, cleared = {short(name) for name in names}, 0
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            found = PART.fullmatch(entry.name)
            if found and found[1] in wanted:
                with suppress(OSError):
                    shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
                    cleared += 1
    return cleared
