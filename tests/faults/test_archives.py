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
    Bad("a name that leads out", named("../evil"), SETS, "a.zip: the member '../evil' leads out of the folder: nothing was unpacked; get the archive from its own page"),
    Bad("a name that leads out behind a folder", named("train/../../evil"), SETS, "a.zip: the member 'train/../../evil' leads out of the folder: nothing was unpacked; get the archive from its own page"),
    Bad("a name that leads out as on Windows", named("train\\..\\..\\evil"), SETS, "a.zip: the member 'train\\\\..\\\\..\\\\evil' leads out of the folder: nothing was unpacked; get the archive from its own page"),
    Bad("an absolute name", named("/etc/evil"), SETS, "a.zip: the member '/etc/evil' is an absolute path: nothing was unpacked; get the archive from its own page"),
    Bad("an absolute name of Windows", named("C:\\evil"), SETS, "a.zip: the member 'C:\\\\evil' is an absolute path: nothing was unpacked; get the archive from its own page"),
    Bad("a name with a line break that leads out", named("../a\nb"), SETS, "a.zip: the member '../a\\nb' leads out of the folder: nothing was unpacked; get the archive from its own page"),
    Bad("a link", zipped("a.zip", ("link", b"/etc", 0o120777), ("link/evil", b"x", 0)), SETS, "a.zip: the member 'link' is a link or a device: nothing was unpacked; get the archive from its own page"),
    Bad("a name twice", zipped("a.zip", ("JPEGImages/a/0.jpg", b"x", 0), ("JPEGImages/a/./0.jpg", b"y", 0)), SETS, "a.zip: holds 'JPEGImages/a/0.jpg' twice, and was not unpacked"),
    Bad("a link in a tar", tarred("a.tar", ("2", b"", "link -> /etc"), ("0", b"x", "link/evil")), TAR, "a.tar: the member 'link' is a link or a device: nothing was unpacked; get the archive from its own page"),
    Bad("a hard link in a tar", tarred("a.tar", ("1", b"", "link -> /etc/passwd")), TAR, "a.tar: the member 'link' is a link or a device: nothing was unpacked; get the archive from its own page"),
    Bad("a device in a tar", tarred("a.tar", ("3", b"", "device")), TAR, "a.tar: the member 'device' is a link or a device: nothing was unpacked; get the archive from its own page"),
    Bad("a pipe in a tar", tarred("a.tar.gz", ("6", b"", "pipe")), GZ, "a.tar.gz: the member 'pipe' is a link or a device: nothing was unpacked; get the archive from its own page"),
    Bad("a name that leads out of a tar", tarred("a.tar.gz", ("0", b"x", "../evil")), GZ, "a.tar.gz: the member '../evil' leads out of the folder: nothing was unpacked; get the archive from its own page"),
    Bad("an absolute name in a tar", tarred("a.tar", ("0", b"x", "/evil")), TAR, "a.tar: the member '/evil' is an absolute path: nothing was unpacked; get the archive from its own page"),
    Bad("nothing of the set", named("a/b.jpg"), SETS, "a.zip: holds no JPEGImages/<clip>/*.jpg: get train_all_frames.zip from https://youtube-vos.org/dataset/ or https://competitions.codalab.org/competitions/19544"),
    Bad("other clips", named("JPEGImages/a/0.jpg"), SETS, "a.zip: none of its 1 clips is in the published train or test list (the papers use no other part): get train_all_frames.zip and test_all_frames.zip from https://youtube-vos.org/dataset/ or https://competitions.codalab.org/competitions/19544"),
    Bad("an empty zip", zipped("a.zip"), SETS, "a.zip: holds no JPEGImages/<clip>/*.jpg: get train_all_frames.zip from https://youtube-vos.org/dataset/ or https://competitions.codalab.org/competitions/19544"),
    Bad("text", wrote("a.zip", "no archive"), SETS, "a.zip: is no whole zip or tar archive (File is not a zip file): download it again"),
    Bad("nothing", wrote("a.zip", b""), SETS, "a.zip: is no whole zip or tar archive (File is not a zip file): download it again"),
    Bad("a zip cut short", several(named("JPEGImages/a/0.jpg"), cut("a.zip", 0.6)), SETS, "a.zip: is no whole zip or tar archive (File is not a zip file): download it again"),
    Bad("a tar cut short", several(tarred("a.tar.gz", ("0", b"x" * 9999, "JPEGImages/a/0.jpg")), cut("a.tar.gz", 0.6)), GZ, "a.tar.gz: is no whole zip or tar archive (Compressed file ended before the end-of-stream marker was reached): download it again"),
    Bad("a folder", made_folder("a.zip"), SETS, "a.zip: is no file: give the path of the downloaded archive"),
    Bad("a missing archive", nothing, SETS, "a.zip: is no file: give the path of the downloaded archive"),
    Bad("a loop of links", linked("a.zip", "a.zip"), SETS, "a.zip: cannot be read (Too many levels of symbolic links): check the path and its rights"),
    Bad("no archive", nothing, "fetch_youtube_vos --target out", "no archive given: YouTube-VOS needs an account; download train_all_frames.zip and test_all_frames.zip from https://youtube-vos.org/dataset/ or https://competitions.codalab.org/competitions/19544 and give their paths"),
    Bad("another archive as DAVIS", named("../evil"), DAVIS, "a.zip: has 115 bytes where 832766765 are known: move it away and run again, or save the file from https://davischallenge.org/davis2017/code.html there by hand"),
    Bad("a film as DAVIS", moved("film.mp4", "a.zip"), DAVIS, "a.zip: has 1686 bytes where 832766765 are known: move it away and run again, or save the file from https://davischallenge.org/davis2017/code.html there by hand"),
    Bad("a page as DAVIS", wrote("a.zip", "<html>sign in</html>"), DAVIS, "a.zip: is a web page: move it away and run again, or save the file from https://davischallenge.org/davis2017/code.html there by hand"),
    Bad("DAVIS from a file", nothing, "fetch_davis --url file:///etc/passwd --target out/davis", "file:///etc/passwd: is no http or https address: copy it whole from the browser"),
    Bad("DAVIS into a full folder", wrote("out/a.txt", "a"), "fetch_davis --target out", "out: JPEGImages/480p: 90 clips differ (bear has 0 frames where 82 are known; bike-packing has 0 frames where 69 are known; blackswan has 0 frames where 50 are known): move it away and run again, or pass another --target"),
    Bad("DAVIS with a hash of words", nothing, "fetch_davis --sha256 nope --target out", "--sha256 nope: give 8 to 64 hex digits, as sha256sum prints them"),
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
