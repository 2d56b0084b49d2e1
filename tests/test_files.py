"""Drafts: they lie where the result belongs, become it as a whole, and a finished one is never lost."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from vinpaint_lib import files
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import clear_drafts, draft_of, filling, hidden


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another device than `tmp_path`, where there is one."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no other device here")
    folder = Path(mkdtemp(dir=memory))
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def write(path: Path, text: str = "new", fail: bool = False) -> None:
    with draft_of(path) as draft:
        assert draft.parent == Path(os.path.realpath(path)).parent
        assert draft.name.startswith(".")
        draft.write_text(text)
        if fail:
            raise ZeroDivisionError


NAMES = ["a.txt", "no suffix", ".hidden", "a.part", "日本 #1 100%", "-x.txt", "a:b", "a\nb", "é" * 127]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("old", [None, "old"])
def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, name: str, old: str | None) -> None:
    path = tmp_path / name
    if old:
        path.write_text(old)
    with pytest.raises(ZeroDivisionError):
        write(path, "half", fail=True)
    assert (path.read_text() if path.exists() else None) == old
    write(path)
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == [name]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("old")
    (tmp_path / "link").symlink_to("real/a")
    (tmp_path / "chain").symlink_to("link")
    (tmp_path / "broken").symlink_to("real/b")
    for name, target in (("link", "a"), ("chain", "a"), ("broken", "b")):
        write(tmp_path / name, name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "real" / target).read_text() == name
    assert sorted(os.listdir(tmp_path / "real")) == ["a", "b"]


def test_a_link_may_lead_to_another_device(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "file").symlink_to(elsewhere / "a")
    (tmp_path / "folder").symlink_to(elsewhere)
    write(tmp_path / "file", "1")
    write(tmp_path / "folder" / "b", "2")
    with filling(tmp_path / "folder") as draft:
        (draft / "c").write_text("3")
    assert {path.name: path.read_text() for path in elsewhere.iterdir()} == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
def test_mode_and_group_of_a_replaced_file_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(mode)
    groups = [group for group in (*os.getgroups(), *([54321] if os.geteuid() == 0 else [])) if group != os.getegid()]
    if groups:
        os.chown(path, -1, groups[-1])
    before = path.stat()
    write(path)
    assert path.read_text() == "new"
    assert (path.stat().st_mode, path.stat().st_gid) == (before.st_mode, before.st_gid)


def test_a_finished_file_that_cannot_take_its_name_is_kept_and_named(tmp_path: Path, monkeypatch) -> None:
    def refuse(old: Path, new: Path) -> None:
        raise PermissionError(13, "is in use", str(new))

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(UserError, match=r"out\.mp4: is finished but cannot take its name \(is in use\)") as error:
        write(tmp_path / "out.mp4", "hours of work")
    (left,) = tmp_path.iterdir()
    assert str(left) in str(error.value)
    assert left.read_text() == "hours of work"
    assert left.name.startswith("out-")
    assert left.suffix == ".mp4"
    clear_drafts(tmp_path, ["out.mp4"])
    assert left.exists(), "the next run must not clear it away"


def test_over_a_folder_it_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="it lies in"):
        write(tmp_path / "out", "work")
    assert sorted(path.read_text() for path in tmp_path.iterdir() if path.is_file()) == ["work"]


def test_a_block_that_writes_nothing_is_a_fault_of_ours(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), draft_of(tmp_path / "a"):
        pass
    assert os.listdir(tmp_path) == []


# --- folders


def fill(folder: Path, names: str, old: str = "", fail: bool = False) -> None:
    with filling(folder, [folder / name for name in old.split()]) as draft:
        for name in names.split():
            (draft / name).write_text("new")
            assert not (folder / name).exists() or (folder / name).read_text() == "old"
        if fail:
            raise KeyboardInterrupt


def test_a_folder_that_is_filled_stays_the_same_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o2770)
    for name in ("a", "b", ".hidden", "thesis"):
        (out / name).write_text("old")
    before, inside = out.stat(), os.open(out, os.O_RDONLY)
    fill(out, "b c", old="a b gone")
    assert (out.stat().st_ino, out.stat().st_mode) == (before.st_ino, before.st_mode)
    assert sorted(os.listdir(inside)) == [".hidden", "b", "c", "thesis"]
    os.close(inside)
    assert [(out / name).read_text() for name in ("b", "c", "thesis", ".hidden")] == ["new", "new", "old", "old"]


def test_a_picture_that_is_a_link_is_replaced_and_its_original_is_not(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "original").write_text("old")
    (tmp_path / "out" / "a").symlink_to(tmp_path / "original")
    (tmp_path / "out" / "b").symlink_to(tmp_path / "nowhere")
    fill(tmp_path / "out", "a", old="a b")
    assert (tmp_path / "original").read_text() == "old"
    assert os.listdir(tmp_path / "out") == ["a"]
    assert (tmp_path / "out" / "a").read_text() == "new"


def test_a_folder_that_was_not_filled_to_the_end_is_as_before(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, "a b", old="a", fail=True)
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_files_that_cannot_take_their_place_are_kept_and_named(tmp_path: Path, monkeypatch) -> None:
    replace = os.replace

    def refuse_b(old: Path, new: Path) -> None:
        if Path(new).name == "b":
            raise PermissionError(13, "is in use", str(old), None, str(new))
        replace(old, new)

    monkeypatch.setattr(files.os, "replace", refuse_b)
    (tmp_path / "old").write_text("old")
    with pytest.raises(UserError, match=r"all 3 files are finished, but not all .*\(is in use: b\)") as error:
        fill(tmp_path, "a b c", old="old")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a", "old"]
    (kept,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert str(kept) in str(error.value)
    assert sorted(os.listdir(kept)) == ["b", "c"]
    clear_drafts(tmp_path, [files.STAGE])
    assert kept.exists()


# --- what a killed run leaves

KILLED = """
import os, signal, sys
from pathlib import Path
from vinpaint_lib.files import draft_of, filling
with draft_of(Path("o.mp4")) as file, filling(Path(".")) as folder:
    file.write_text("half")
    (folder / "0.png").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_drafts_of_a_killed_run_are_cleared_and_nothing_else(tmp_path: Path) -> None:
    path = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == -9
    assert len(os.listdir(tmp_path)) == 2
    others = {hidden("o.mkv"), ".o.mp4.part", ".o.mp4.12345678.part.txt", "o.mp4.12345678.part", ".o.mp4.1234567g.part"}
    for name in others:
        (tmp_path / name).write_text("mine")
    clear_drafts(tmp_path, ["o.mp4", files.STAGE])
    assert set(os.listdir(tmp_path)) == others
    clear_drafts(tmp_path / "none", ["o.mp4"])


def test_the_draft_of_a_long_name_is_found_again(tmp_path: Path) -> None:
    (tmp_path / hidden("é" * 127)).write_text("half")
    clear_drafts(tmp_path, ["é" * 127])
    assert os.listdir(tmp_path) == []


def test_a_mode_is_taken_over_where_it_can_be(tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text("x")
    before = stat.S_IMODE(new.stat().st_mode)
    files.keep_rights(tmp_path / "none", new)
    assert stat.S_IMODE(new.stat().st_mode) == before
