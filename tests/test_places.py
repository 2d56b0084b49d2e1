"""Places: what cannot be written is refused before the work, one run at a time writes, and nobody is locked out."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from vinpaint_lib import places
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import STAGE, hidden
from vinpaint_lib.places import check_file, check_folder, claimed

NOBODY = 65534


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A temporary folder that every user may enter, which pytest's own is not."""
    folder = Path(mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_a_stranger(call: Callable[[], object]) -> str:
    """What the call says to a user without special rights: "" or the text of its UserError."""
    if os.geteuid() != 0:
        return said(call)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        text = "died"
        try:
            os.setgroups([])
            os.setuid(NOBODY)
            text = said(call)
        except BaseException as error:
            text = repr(error)
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def said(call: Callable[[], object]) -> str:
    try:
        call()
    except UserError as error:
        return str(error)
    return ""


def test_a_folder_may_be_open_though_the_one_above_it_is_closed(open_place: Path) -> None:
    for name in ("closed/open", "closed/shut"):
        (open_place / name).mkdir(parents=True)
    (open_place / "closed" / "file.mp4").write_text("x")
    (open_place / "closed" / "file.mp4").chmod(0o666)
    (open_place / "closed" / "open").chmod(0o777)
    (open_place / "closed" / "shut").chmod(0o555)
    (open_place / "closed").chmod(0o555)
    closed = open_place / "closed"
    for path in (closed / "open", closed / "open" / "new", closed / "open" / "a" / "b" / "c"):
        assert as_a_stranger(lambda path=path: check_folder(path)) == ""
        assert as_a_stranger(lambda path=path: check_file(path / "o.mp4")) == ""
    for path in (closed, closed / "shut", closed / "new", closed / "shut" / "a" / "b"):
        assert "cannot be written to (Permission denied)" in as_a_stranger(lambda path=path: check_folder(path))
        assert "cannot be written to (Permission denied)" in as_a_stranger(lambda path=path: check_file(path / "o.mp4"))
    # the file could be written into, but not be replaced as a whole
    assert "cannot be written to" in as_a_stranger(lambda: check_file(closed / "file.mp4"))
    assert not any(name.startswith(".") for _, _, names in os.walk(open_place) for name in names)
    closed.chmod(0o755)


def test_protected_files_are_refused(open_place: Path) -> None:
    open_place.chmod(0o777)
    (open_place / "mine.json").write_text("x")
    (open_place / "mine.json").chmod(0o444)
    assert "is protected" in as_a_stranger(lambda: check_file(open_place / "mine.json"))
    (open_place / "mine.json").chmod(0o666)
    assert as_a_stranger(lambda: check_file(open_place / "mine.json")) == ""
    if os.geteuid() == 0:  # who owns folder and file is another
        open_place.chmod(0o1777)
        assert "is protected" in as_a_stranger(lambda: check_file(open_place / "mine.json"))
        assert as_a_stranger(lambda: check_file(open_place / "new.json")) == ""


def test_what_is_no_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    cases = [
        (check_folder, "file", "is a file"),
        (check_folder, "file/a/b", "file is no folder"),
        (check_folder, "loop/a", "cannot be written|is no folder"),
        (check_folder, "pipe", "is a file"),
        (check_file, "folder", "is a folder"),
        (check_file, "file/a.json", "file is no folder"),
        (check_file, "pipe", "no ordinary file"),
        (check_file, "/dev/null", "no ordinary file"),
    ]
    before = sorted(os.listdir(tmp_path))
    for check, name, message in cases:
        with pytest.raises(UserError, match=message):
            check(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("error", [errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_takes_no_file_is_found_by_trying(tmp_path: Path, monkeypatch, error: int) -> None:
    """A read-only volume, a full one, a spent quota: the rights alone do not show them."""

    def refuse(**options: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(places.tempfile, "NamedTemporaryFile", refuse)
    for check in (check_file, check_folder):
        with pytest.raises(UserError, match=os.strerror(error)):
            check(tmp_path / "a")


def test_a_file_in_use_is_refused(tmp_path: Path, monkeypatch) -> None:
    """As Windows says it; elsewhere a file in use can be replaced."""

    def refuse(*paths: Path) -> None:
        raise PermissionError(13, "is being used by another process")

    (tmp_path / "o.mp4").write_text("x")
    check_file(tmp_path / "o.mp4")
    assert (tmp_path / "o.mp4").read_text() == "x"
    monkeypatch.setattr(places.os, "replace", refuse)
    with pytest.raises(UserError, match="is in use"):
        check_file(tmp_path / "o.mp4")


# --- claims


def claim(path: Path, folder: bool) -> None:
    (check_folder if folder else check_file)(path)
    with claimed(path, folder=folder):
        pass


def test_missing_folders_are_made_and_go_again_if_nothing_was_written(tmp_path: Path) -> None:
    for folder in (False, True):
        path = tmp_path / "a" / "b" / "c"
        with claimed(path, folder=folder) as place:
            assert place == path
            assert path.is_dir() == folder
            assert path.parent.is_dir()
        assert os.listdir(tmp_path) == []
        with pytest.raises(ZeroDivisionError), claimed(path, folder=folder):
            raise ZeroDivisionError
        assert os.listdir(tmp_path) == []
    (tmp_path / "kept").mkdir()
    with claimed(tmp_path / "kept" / "new", folder=True) as place:
        (place / "a").write_text("x")
    claim(tmp_path / "kept", True)
    assert os.listdir(tmp_path / "kept" / "new") == ["a"]


HOLDER = """
import os, sys, time
from pathlib import Path
from vinpaint_lib.places import claimed
from vinpaint_lib.files import draft_of, filling
path, folder = Path(sys.argv[1]), sys.argv[2] == "folder"
with claimed(path, folder=folder) as place, (filling(place) if folder else draft_of(place)) as draft:
    (draft / "0.png" if folder else draft).write_text("half")
    child = os.fork() if sys.argv[3:] else 1
    if child:
        print(os.getpid(), child, flush=True)
    time.sleep(600)
"""


def holder(path: Path, folder: bool, *more: str) -> tuple[subprocess.Popen[str], list[int]]:
    """Another process that claims the place and writes a draft there."""
    command = [sys.executable, "-c", HOLDER, str(path), "folder" if folder else "file", *more]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert process.stdout is not None
    return process, [int(word) for word in process.stdout.readline().split()]


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("name", ["o.mp4", "a b #1", "é" * 127])
def test_the_second_run_is_refused_and_a_killed_one_locks_nobody_out(tmp_path: Path, folder: bool, name: str) -> None:
    path = tmp_path / name
    (tmp_path / "link").symlink_to(path)
    process, (number, _) = holder(path, folder)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=rf"another run \(process {number}\) is writing there"):
        claim(path, folder)
    with pytest.raises(UserError, match="another run"):
        claim(tmp_path / "link", folder)
    with pytest.raises(UserError, match="another run"), claimed(path, folder=folder):
        pass
    claim(tmp_path / "other", folder)
    assert sorted(tmp_path.rglob("*")) == before, "what the first run has is left alone"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert sorted(tmp_path.rglob("*")) == before, "a killed run leaves its draft"
    claim(tmp_path / "other", folder)
    assert sorted(tmp_path.rglob("*")) == before, "only the next run of the same place clears it"
    claim(path, folder)
    left = [entry for entry in tmp_path.rglob("*") if entry.name != "link"]
    assert left == ([path] if folder else [])


def test_a_child_of_a_killed_run_locks_nobody_out(tmp_path: Path) -> None:
    process, (_, child) = holder(tmp_path / "o.mp4", False, "with a child")
    process.send_signal(signal.SIGKILL)
    process.wait()
    try:
        claim(tmp_path / "o.mp4", False)
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("folder", [False, True])
def test_one_program_does_not_write_to_a_place_twice_at_once(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "out"
    with claimed(path, folder=folder):
        with pytest.raises(UserError, match="another run of this program"):
            claim(path, folder)
        with pytest.raises(UserError, match="another run of this program"), claimed(path, folder=folder):
            pass
        claim(tmp_path / "o.mp4", False)  # another file in the same folder is another place
        process = subprocess.run(
            [sys.executable, "-c", HOLDER, str(path), "folder" if folder else "file"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True,
        )  # fmt: skip
        assert f"another run (process {os.getpid()})" in process.stderr, "the refusals above must not free the lock"
    claim(path, folder)
    assert os.listdir(tmp_path) == []


def test_named_drafts_in_a_folder_are_cleared_and_others_not(tmp_path: Path) -> None:
    kept, gone = hidden("film.mp4"), [hidden("state.pt"), hidden(STAGE)]
    for name in (kept, *gone):
        (tmp_path / name).write_text("half")
    with claimed(tmp_path, folder=True, names=["state.pt"]):
        assert set(os.listdir(tmp_path)) == {kept, ".vinpaint.lock"}
    assert os.listdir(tmp_path) == [kept]


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_without_locks_the_work_goes_on_and_nothing_is_cleared(tmp_path: Path, monkeypatch, error: int) -> None:
    """On a network drive without locks a draft may be that of a living run."""

    def none(handle: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(places, "lock", none)
    draft = hidden("o.mp4")
    (tmp_path / draft).write_text("half")
    with claimed(tmp_path / "o.mp4") as place:
        place.write_text("x")
    check_file(tmp_path / "o.mp4")
    assert sorted(os.listdir(tmp_path)) == sorted([draft, "o.mp4"])


def test_a_lock_that_its_holder_removed_meanwhile_is_none(tmp_path: Path, monkeypatch) -> None:
    """Between opening and locking, the holder may end and another run may take the place with a new file."""
    file, real = tmp_path / ".a.lock", places.lock
    file.write_text("")
    swapped = []

    def late(handle: int) -> None:
        if not swapped:
            swapped.append(file.unlink())
        real(handle)

    monkeypatch.setattr(places, "lock", late)
    handle = places.take(file)
    assert handle is not None
    assert os.path.samestat(os.fstat(handle), file.stat())
    places.release(file, handle)
