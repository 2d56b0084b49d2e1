"""Archives that would write elsewhere, fill the disk, or are none."""

import zipfile

import pytest

from data_scripts.unpack import unpack

from tests.faults.battery import Bad, hold
from tests.faults.made import Spoil, cut, linked, made_folder, moved, nothing, several, tarred, wrote, zipped
from vinpaint_lib.errors import UserError

SETS = "fetch_youtube_vos a.zip --target out"
TAR = "fetch_youtube_vos a.tar --target out"
GZ = "fetch_youtube_vos a.tar.gz --target out"
DAVIS = "fetch_davis --archive a.zip --target out"


def named(name: str, mode: int = 0) -> Spoil:
    return zipped("a.zip", (name, b"x", mode))


BAD = [
    Bad("a name that leads out", named("../evil"), SETS, ""),
    Bad("a name that leads out behind a folder", named("train/../../evil"), SETS, ""),
    Bad("a name that leads out as on Windows", named("train\\..\\..\\evil"), SETS, ""),
    Bad("an absolute name", named("/etc/evil"), SETS, ""),
    Bad("an absolute name of Windows", named("C:\\evil"), SETS, ""),
    Bad("a name with a line break that leads out", named("../a\nb"), SETS, ""),
    Bad("a link", zipped("a.zip", ("link", b"/etc", 0o120777), ("link/evil", b"x", 0)), SETS, ""),
    Bad("a name twice", zipped("a.zip", ("JPEGImages/a/0.jpg", b"x", 0), ("JPEGImages/a/./0.jpg", b"y", 0)), SETS, ""),
    Bad("a link in a tar", tarred("a.tar", ("2", b"", "link -> /etc"), ("0", b"x", "link/evil")), TAR, ""),
    Bad("a hard link in a tar", tarred("a.tar", ("1", b"", "link -> /etc/passwd")), TAR, ""),
    Bad("a device in a tar", tarred("a.tar", ("3", b"", "device")), TAR, ""),
    Bad("a pipe in a tar", tarred("a.tar.gz", ("6", b"", "pipe")), GZ, ""),
    Bad("a name that leads out of a tar", tarred("a.tar.gz", ("0", b"x", "../evil")), GZ, ""),
    Bad("an absolute name in a tar", tarred("a.tar", ("0", b"x", "/evil")), TAR, ""),
    Bad("nothing of the set", named("a/b.jpg"), SETS, ""),
    Bad("other clips", named("JPEGImages/a/0.jpg"), SETS, ""),
    Bad("an empty zip", zipped("a.zip"), SETS, ""),
    Bad("text", wrote("a.zip", "no archive"), SETS, ""),
    Bad("nothing", wrote("a.zip", b""), SETS, ""),
    Bad("a zip cut short", several(named("JPEGImages/a/0.jpg"), cut("a.zip", 0.6)), SETS, ""),
    Bad("a tar cut short", several(tarred("a.tar.gz", ("0", b"x" * 9999, "JPEGImages/a/0.jpg")), cut("a.tar.gz", 0.6)), GZ, ""),
    Bad("a folder", made_folder("a.zip"), SETS, ""),
    Bad("a missing archive", nothing, SETS, ""),
    Bad("a loop of links", linked("a.zip", "a.zip"), SETS, ""),
    Bad("no archive", nothing, "fetch_youtube_vos --target out", ""),
    Bad("another archive as DAVIS", named("../evil"), DAVIS, ""),
    Bad("a film as DAVIS", moved("film.mp4", "a.zip"), DAVIS, ""),
    Bad("a page as DAVIS", wrote("a.zip", "<html>sign in</html>"), DAVIS, ""),
    Bad("DAVIS from a file", nothing, "fetch_davis --url file:///etc/passwd --target out/davis", ""),
    Bad("DAVIS into a full folder", wrote("out/a.txt", "a"), "fetch_davis --target out", ""),
    Bad("DAVIS with a hash of words", nothing, "fetch_davis --sha256 nope --target out", ""),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_archives(bad, whole, tmp_path, capsys, monkeypatch, record_property):
    hold(bad, whole, tmp_path / "place", capsys, monkeypatch)
    record_property("fault", "bad input")


def test_a_bomb_is_not_unpacked(tmp_path, record_property):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed, packed.open("zeros", "w") as file:
        for _ in range(120):
            file.write(bytes(1 << 20))
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"a\.zip: would unpack to 125\.8 MB, more than 100 times its size"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    record_property("fault", "bad input")
