"""data_scripts: safe unpacking of zip and tar, and frame counts."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from data_scripts import counts, fetch_davis, unpack as unpacking
from data_scripts.unpack import publish, staging, unpack
from vinpaint_lib.errors import UserError

CLIPS = {"bear": 3, "bus": 2}


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in files.items():
            packed.writestr(name, body)
    return path


def tar_of(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as packed:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            packed.addfile(info, io.BytesIO(body))
    return path


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def refuses(archive: Path, tmp_path: Path, sentence: str) -> None:
    """The archive is refused with the sentence, and neither the target nor anything around it was written."""
    before = tree(tmp_path)
    (tmp_path / "deep" / "target").mkdir(parents=True)
    with pytest.raises(UserError, match=sentence) as caught:
        unpack(archive, tmp_path / "deep" / "target")
    assert "\n" not in str(caught.value)
    assert tree(tmp_path) == before


# Safe unpacking


@pytest.mark.parametrize("suffix, mode", [("zip", ""), ("tar", "w"), ("tar.gz", "w:gz"), ("tar.xz", "w:xz")])
def test_unpacks_zip_and_tar(tmp_path, suffix, mode):
    files = {"a/b/1.jpg": b"one", "./a/2.jpg": b"two" * 100_000, "empty": b"", "__MACOSX/._1.jpg": b"junk"}
    archive = tmp_path / f"x.{suffix}"
    zip_of(archive, files) if suffix == "zip" else tar_of(archive, files, mode)
    (tmp_path / "out").mkdir()
    assert unpack(archive, tmp_path / "out") == 3
    assert tree(tmp_path / "out") == {"a/b/1.jpg", "a/2.jpg", "empty"}
    assert (tmp_path / "out/a/2.jpg").read_bytes() == b"two" * 100_000


@pytest.mark.parametrize("make", [zip_of, tar_of])
@pytest.mark.parametrize(
    "name, sentence",
    [
        ("../../out.txt", r"'\.\./\.\./out.txt' leads out of the folder"),
        ("a/../../../out.txt", "leads out of the folder"),
        ("..\\..\\out.txt", "leads out of the folder"),
        ("{tmp}/out.txt", "is an absolute path"),
        ("\\out.txt", "is an absolute path"),
        ("C:\\out.txt", "is an absolute path"),
    ],
)
def test_names_that_leave_the_folder_are_refused(tmp_path, make, name, sentence):
    name = name.replace("{tmp}", str(tmp_path))
    refuses(make(tmp_path / "x", {"good.txt": b"1", name: b"2"}), tmp_path, sentence)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "x.tar", "w") as packed:
        info = tarfile.TarInfo("way")
        info.type, info.linkname = kind, "../.."
        packed.addfile(info)
        through = tarfile.TarInfo("way/out.txt")
        through.size = 1
        packed.addfile(through, io.BytesIO(b"1"))
    refuses(tmp_path / "x.tar", tmp_path, "the member 'way' is a link or a device: nothing was unpacked")


def test_links_in_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        info = zipfile.ZipInfo("way")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        packed.writestr(info, "../..")
        packed.writestr("way/out.txt", b"1")
    refuses(tmp_path / "x.zip", tmp_path, "the member 'way' is a link or a device")


def test_member_names_that_clash_are_refused(tmp_path):
    refuses(tar_of(tmp_path / "x.tar", {"a": b"1", "./a": b"2"}), tmp_path, "holds 'a' twice")
    archive = tar_of(tmp_path / "y.tar", {"a": b"1", "a/b": b"2"})
    with pytest.raises(UserError, match="a file and a folder at once"), staging(tmp_path / "t") as folder:
        unpack(archive, folder)
    assert not (tmp_path / ".t.unpacking").exists()


def test_damaged_archives_are_refused(tmp_path):
    whole = zip_of(tmp_path / "x.zip", {"a": os.urandom(5000)}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:3000])
    (tmp_path / "flipped.zip").write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    (tmp_path / "cut.tar").write_bytes(tar_of(tmp_path / "x.tar", {"a": os.urandom(50_000)}).read_bytes()[:30_000])
    (tmp_path / "empty.zip").write_bytes(b"")
    for name in ("cut.zip", "flipped.zip", "cut.tar", "empty.zip", "none.zip"):
        with pytest.raises(UserError, match=name), staging(tmp_path / "target") as folder:
            unpack(tmp_path / name, folder)
    assert not (tmp_path / "target").exists()
    assert not (tmp_path / ".target.unpacking").exists()


def test_full_disk_is_noticed_before_the_first_byte(tmp_path, monkeypatch):
    archive = zip_of(tmp_path / "x.zip", {"a": b"0" * 5000})
    free = unpacking.shutil.disk_usage(tmp_path)._replace(free=4999)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: free)
    refuses(archive, tmp_path, r"5.0 kB more is needed")


def test_a_filled_target_is_never_replaced(tmp_path):
    for name in ("new", "old", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "old/mine").touch()
    (tmp_path / "new/theirs").touch()
    with pytest.raises(UserError, match="is not empty"):
        publish(tmp_path / "new", tmp_path / "old")
    publish(tmp_path / "new", tmp_path / "empty")
    assert tree(tmp_path) == {"old/mine", "empty/theirs"}


# Counts


def test_published_lists_are_whole():
    for name, clips, frames in (
        ("davis_trainval", 90, 6208),
        ("youtube_vos_train", 3471, 469_887),
        ("youtube_vos_test", 508, 70_382),
    ):
        assert counts.size(counts.published(name)) == f"{clips} clips, {frames} frames"


def test_counts_agree_with_real_davis():
    data = os.environ.get("VINPAINT_DATA")
    if not data or not Path(data, "davis").is_dir():
        pytest.skip("VINPAINT_DATA does not hold davis/")
    expected = counts.published("davis_trainval")
    for folder, suffix in (fetch_davis.FRAMES, fetch_davis.OBJECTS):
        found = counts.in_folder(Path(data, "davis", folder), suffix)
        assert found
        assert found == {clip: expected[clip] for clip in found}


def test_counting_by_name_and_by_folder_agree(tmp_path):
    names = ["D/JPEGImages/480p/bear/0.jpg", "D/JPEGImages/480p/bear/1.jpg", "D/JPEGImages/480p/bus/0.jpg"]
    for name in [*names, "D/JPEGImages/480p/bear/note.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    others = ["D/JPEGImages/480p/bear/.0.jpg", "D/JPEGImages/full/bear/0.jpg", "D/480p/bear/0.jpg", "0.jpg"]
    found = counts.in_names([*names, *others], "JPEGImages/480p", ".jpg")
    assert found == counts.in_folder(tmp_path / "D/JPEGImages/480p", ".jpg") == {"bear": 2, "bus": 1}
    assert counts.in_folder(tmp_path / "none", ".jpg") == {}


def test_differences_are_told_with_examples():
    assert counts.difference(CLIPS, CLIPS) is None
    told = counts.difference({"bear": 3, "cat": 1}, CLIPS)
    assert told == "2 clips differ (bus has 0 frames where 2 are known; cat is not in the list)"
