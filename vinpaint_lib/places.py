"""Where results may be written: checks before any work, and a claim so that one run at a time writes to a place.

A claim is a lock of the operating system on a hidden file: `.vinpaint.lock` in a folder that is written to, and
`.NAME.lock` beside a file. The system frees it when the process ends, however it ends: a killed run locks nobody out.
Where a file system has no locks (some network drives), two runs are not told apart, and drafts of killed runs stay.
"""

import errno
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import STAGE, clear_drafts, real, short

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FAR = 2**30  # a byte that nobody reads; Windows keeps others from a locked byte
HELD: set[tuple[int, Path]] = set()  # locks of this process, which the system would grant it twice
GUARD = Lock()


class Taken(Exception):
    """Somebody holds the lock; the text names the process, if it is known."""


def check_file(path: Path) -> None:
    """Raises UserError if the file `path` cannot be written: made, or put in the place of the one that is there.

    Missing folders on the way are no fault, since `claimed` makes them.
    """
    place = real(path)
    if place.is_dir():
        raise UserError(f"{path}: is a folder, a file cannot be written over it; give another name")
    check_links(path, place)
    check_ground(path, place.parent)
    if place.exists():
        about = place.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UserError(f"{path}: is no ordinary file and cannot be replaced; give another name")
        if not os.access(place, os.W_OK) or keeps_to_owners(place.parent, about.st_uid):
            raise UserError(f"{path}: is protected and cannot be replaced; give another name, or change its rights")
        try:
            os.replace(place, place)  # changes nothing; Windows refuses it while another program uses the file
        except OSError as error:
            raise UserError(
                f"{path}: is in use ({error.strerror}); close it elsewhere, or give another name"
            ) from error
    check_free(path, lock_beside(place))


def check_folder(path: Path) -> None:
    """Raises UserError if files cannot be written into the folder `path`. That it is missing is no fault."""
    place = real(path)
    if place.exists() and not place.is_dir():
        raise UserError(f"{path}: is a file, a folder cannot be written over it; give another name")
    check_links(path, place)
    check_ground(path, place)
    check_free(path, lock_inside(place))


def check_links(path: Path, place: Path) -> None:
    """Raises UserError if the links of `path` lead nowhere but in a circle."""
    if place.is_symlink():
        raise UserError(f"{path}: is a link that leads back to itself; remove it, or give another name")


def check_ground(path: Path, folder: Path) -> None:
    """Raises UserError unless `folder`, or the nearest folder above it that exists, takes a new file.

    A file is made there for a moment: rights, read-only volumes and full quotas show in no other way for sure.
    """
    ground = folder
    while not os.path.lexists(ground) and ground != ground.parent:
        ground = ground.parent
    if not ground.is_dir():
        raise UserError(f"{path}: {ground} is no folder, and nothing can be made in it; give another place")
    try:
        with tempfile.NamedTemporaryFile(dir=ground, prefix=f".{STAGE}."):
            pass
    except OSError as error:
        raise UserError(
            f"{path}: the folder {ground} cannot be written to ({error.strerror}); give another, or change its rights"
        ) from error


def keeps_to_owners(folder: Path, owner: int) -> bool:
    """Whether files of `owner` in this folder cannot be replaced by us, though it is open to all, as in /tmp."""
    if sys.platform == "win32":
        return False
    about = folder.stat()
    return bool(about.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, owner, about.st_uid)


@contextmanager
def claimed(path: Path, *, folder: bool = False, names: Sequence[str] = ()) -> Iterator[Path]:
    """Keep other runs from the file `path`, or from the folder `path`, until the block ends; gives its real place.

    Missing folders are made, and removed at the end if nothing was written. Drafts that a killed run left are cleared:
    those of the file, or, in a folder, of a filled folder and of the files `names`. Raises UserError if another run
    holds the place, or if the folders cannot be made.
    """
    place = real(path)
    home = place if folder else place.parent
    made: list[Path] = []
    try:
        make(home, made)
        file = lock_inside(place) if folder else lock_beside(place)
        handle = take(file)
    except OSError as error:
        remove_empty(made)
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another place") from error
    except Taken as taken:
        raise UserError(said(path, taken)) from None
    try:
        if handle is not None and clear_drafts(home, (STAGE, *names) if folder else (place.name,)):
            warnings.warn(f"{path}: what a run that was killed left half made there is removed", stacklevel=3)
        yield place
    finally:
        release(file, handle)
        remove_empty(made)


def make(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; `made` collects them, the outermost first."""
    if folder.is_dir():
        return
    make(folder.parent, made)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        made.append(folder)


def remove_empty(made: Sequence[Path]) -> None:
    """Remove folders again if they are empty, the innermost first."""
    with suppress(OSError):
        for folder in reversed(made):
            folder.rmdir()


def lock_inside(folder: Path) -> Path:
    return folder / f".{STAGE}.lock"


def lock_beside(file: Path) -> Path:
    return file.with_name(f".{short(file.name)}.lock")


def said(path: Path, taken: Taken) -> str:
    return f"{path}: another run{taken} is writing there; wait until it ends, or give another name"


def check_free(path: Path, file: Path) -> None:
    """Raises UserError if somebody holds the lock."""
    if not os.path.lexists(file):
        return
    try:
        release(file, take(file))
    except Taken as taken:
        raise UserError(said(path, taken)) from None
    except OSError as error:
        raise UserError(f"{path}: {file} is in the way ({error.strerror}); remove it") from error


def take(file: Path) -> int | None:
    """Lock the file, which is made if need be: its descriptor, or None where the file system has no locks.

    Raises Taken if somebody holds it, and OSError if the file cannot be made.
    """
    key = (os.getpid(), file)
    with GUARD:
        # before the file is opened: closing it here would free the lock of this process
        if key in HELD:
            raise Taken(" of this program")
        HELD.add(key)
    try:
        while True:
            handle = opened(file)
            try:
                lock(handle)
            except OSError as error:
                holder = owner(handle)
                os.close(handle)
                if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                    raise Taken(holder) from None
                return None
            if is_still(handle, file):
                break
            os.close(handle)  # its holder removed it while it was opened here: lock the next one
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
    except BaseException:
        HELD.discard(key)
        raise
    return handle


def release(file: Path, handle: int | None) -> None:
    """Free the lock and remove its file."""
    if handle is None:
        with suppress(OSError):
            file.unlink()
    else:
        try:
            file.unlink()
            os.close(handle)
        except OSError:
            os.close(handle)
            with suppress(OSError):
                file.unlink()
    HELD.discard((os.getpid(), file))


def opened(file: Path) -> int:
    """A descriptor of the lock's file, which every user may open who may write to the folder."""
    while True:
        try:
            return os.open(file, os.O_RDWR)
        except FileNotFoundError:
            with suppress(FileExistsError):
                handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL)
                with suppress(OSError):
                    os.chmod(file, 0o666)
                return handle


def lock(handle: int) -> None:
    """Lock without waiting. On POSIX the lock belongs to the process: a child does not keep it alive."""
    if sys.platform == "win32":
        os.lseek(handle, FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
    else:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, FAR)


def owner(handle: int) -> str:
    """The process that holds the lock, as it wrote itself down."""
    with suppress(OSError):
        text = os.read(handle, 20).decode("ascii", "replace")
        if text.isdigit():
            return f" (process {text})"
    return ""


def is_still(handle: int, file: Path) -> bool:
    """Whether the descriptor is that of the file that lies under this name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(file))
    except OSError:
        return False
