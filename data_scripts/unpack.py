"""Unpack zip and tar archives so that nothing can land outside the target folder.

Every member is checked before the first byte is written. Absolute names, names with '..', links (no data set
here needs a link), devices, encrypted members and a name that comes twice are refused; the error names the member.
Members are written to a folder beside the target, which takes the target's name in one step when all are there.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from data_scripts.report import full_disk, in_words, is_full, progress
from vinpaint_lib.errors import UserError

DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
)
MOST, SMALL = 100, 10**8  # an archive of pictures grows by a few percent; below so many bytes nothing is a bomb


@dataclass(frozen=True, slots=True)  # there may be half a million
class Member:
    """One file of an archive: its name below the target folder, with '/', its size in bytes, and how to read it."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


@contextlib.contextmanager
def members(archive: Path) -> Iterator[list[Member]]:
    """The files of an archive, every name of which is safe. Folders and macOS's leftovers are not listed.

    Raises UserError for a missing, damaged or unsafe archive.
    """
    with contextlib.ExitStack() as stack:
        try:
            if tarfile.is_tarfile(archive):
                tar = stack.enter_context(tarfile.open(archive))
                found = [_from_tar(archive, tar, info) for info in tar]
            else:
                packed = stack.enter_context(zipfile.ZipFile(archive))
                found = [_from_zip(archive, packed, info) for info in packed.infolist()]
        except (FileNotFoundError, IsADirectoryError):
            raise UserError(f"{archive}: is no file: give the path of the downloaded archive") from None
        except OSError as error:
            if isinstance(error, DAMAGED):
                raise UserError(f"{archive}: is no whole zip or tar archive ({error}): download it again") from error
            raise UserError(f"{archive}: cannot be read ({error.strerror}): check the path and its rights") from error
        except DAMAGED as error:
            raise UserError(f"{archive}: is no whole zip or tar archive ({error}): download it again") from error
        files = [member for member in found if member is not None]
        names: set[str] = set()
        for member in files:
            if member.name in names:
                raise UserError(f"{archive}: holds {member.name!r} twice, and was not unpacked")
            names.add(member.name)
        yield files


def unpack(archive: Path, folder: Path) -> int:
    """Write every file of `archive` below `folder`, which must be new or empty. Returns the number of files.

    Raises UserError for an unsafe or damaged archive and for a full disk. Use it inside `staging`.
    """
    with members(archive) as files:
        needed = sum(member.size for member in files)
        if needed > max(SMALL, MOST * archive.stat().st_size):
            raise UserError(
                f"{archive}: would unpack to {in_words(needed)}, more than {MOST} times its size: nothing was "
                "unpacked; get the archive from its own page"
            )
        if needed > shutil.disk_usage(folder).free:
            raise full_disk(folder, needed)
        done = 0
        for member in files:
            try:
                _write(member, folder)
            except DAMAGED as error:
                raise UserError(f"{archive}: {member.name!r} is damaged ({error}): download it again") from error
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise UserError(f"{archive}: {member.name!r} is a file and a folder at once: not unpacked") from error
            except OSError as error:
                if is_full(error):
                    raise full_disk(folder) from error
                raise
            done += member.size
            progress(f"unpacking {archive.name}", done, needed)
    return len(files)


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """An empty folder beside `target` to build it in. A killed run's files are removed first, the folder at the end."""
    folder = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(built: Path, target: Path) -> None:
    """Give a finished folder its final name, in one step. Raises UserError when `target` holds something."""
    if target.exists() and any(target.iterdir()):
        raise UserError(f"{target}: is not empty: move it away, or pass another --target")
    if target.exists():
        target.rmdir()  # a rename over an empty folder works on Linux only
    os.replace(built, target)


def _from_zip(archive: Path, packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member | None:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(archive, info.filename, "is a link or a device")
    if info.flag_bits & 1:
        raise _unsafe(archive, info.filename, "is encrypted")
    name = _safe(archive, info.orig_filename)
    return None if not name else Member(name, info.file_size, lambda: packed.open(info))


def _from_tar(archive: Path, tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member | None:
    if not (info.isreg() or info.isdir()):
        raise _unsafe(archive, info.name, "is a link or a device")
    name = _safe(archive, info.name)
    return None if info.isdir() or not name else Member(name, info.size, lambda: tar.extractfile(info))


def _safe(archive: Path, name: str) -> str:
    """A member's name with '/' between its parts; '' for what is left out. Raises UserError when it would escape."""
    parts = re.split(r"[/\\]", name)  # both, since an archive made on Windows may be unpacked anywhere
    if parts[0] == "" or re.match(r"[A-Za-z]:", name):
        raise _unsafe(archive, name, "is an absolute path")
    if ".." in parts or "\0" in name:
        raise _unsafe(archive, name, "leads out of the folder")
    if "__MACOSX" in parts or parts[-1] in ("", ".DS_Store"):  # a name that ends in '/' is a folder
        return ""
    return "/".join(part for part in parts if part not in ("", "."))


def _unsafe(archive: Path, name: str, why: str) -> UserError:
    return UserError(f"{archive}: the member {name!r} {why}: nothing was unpacked; get the archive from its own page")


def _write(member: Member, folder: Path) -> None:
    """Write one member. Raises EOFError when the archive ends before the member does."""
    path = folder / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    assert source is not None  # only regular files are listed
    with source, open(path, "xb") as file:
        shutil.copyfileobj(source, file)
    if path.stat().st_size != member.size:
        raise EOFError("the archive ends too early")
