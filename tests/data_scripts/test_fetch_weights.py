"""data_scripts: Google Drive through a stand-in for gdown, and fetch_weights.py."""

import dataclasses
import errno
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import gdown
import pytest
import requests

from data_scripts import assets, download, drive, fetch_weights
from data_scripts.assets import Asset
from tests.data_scripts.local_server import Served, Server, serving
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.registry import KNOWN

ROOT = Path(__file__).resolve().parents[2]
BODY = b"some weights" * 1000
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "TIMEOUT", 10.0)
    with serving() as running:
        yield running


@pytest.fixture
def asset(server: Server) -> Asset:
    server.files["w.pth"] = Served(BODY)
    return Asset("w", "w.pth", (server.url("w.pth"),), "https://example.org/page", "MIT", len(BODY), DIGEST)


def fetch(asset: Asset, folder: Path):
    said: list[str] = []
    path, new = download.fetch(asset, folder, say=said.append, pause=0.01)
    return path, new, "\n".join(said)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# Google Drive, with a stand-in for gdown.download


@pytest.fixture
def from_drive(asset, monkeypatch):
    """The asset behind a Drive link, and a list of what gdown was asked; `calls.act` does what Drive does."""

    class Calls(list):
        def act(self, output):
            Path(output).write_bytes(BODY)

    calls = Calls()

    def stand_in(**options):
        calls.append(options)
        if not Path(options["output"]).exists():  # as gdown does with resume=True
            calls.act(options["output"])
        return options["output"]

    monkeypatch.setattr(gdown, "download", stand_in)
    return dataclasses.replace(asset, urls=("https://drive.google.com/file/d/ID_of-it/view?usp=sharing",)), calls


def test_drive_goes_through_gdown_and_is_checked(from_drive, tmp_path):
    asset, calls = from_drive
    path, new, _ = fetch(asset, tmp_path)
    assert new
    assert path.read_bytes() == BODY
    assert names(tmp_path) == {"w.pth", "w.pth.sha256"}
    assert (calls[0]["id"], calls[0]["resume"]) == ("ID_of-it", True)
    fetch(asset, tmp_path)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "error, sentence",
    [
        (gdown.exceptions.FileURLRetrievalError("Too many users\nhave viewed it"), r"quota or permission.*open https"),
        (KeyError("Content-Type"), r"failed \(KeyError.*open https"),
        (gdown.exceptions.DownloadError("Download failed.\nmore"), r"failed \(Download failed\): open https"),
        (requests.exceptions.ConnectionError("HTTPSConnectionPool(...)"), r"it cannot be reached\): open https"),
        (OSError(errno.ENOSPC, "No space left on device"), r"the disk is full"),
    ],
)
def test_drive_refusals_are_one_sentence(from_drive, tmp_path, error, sentence):
    asset, calls = from_drive

    def fail(output):
        raise error

    calls.act = fail
    with pytest.raises(UserError, match=sentence) as caught:
        fetch(asset, tmp_path)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    "message, sentence, left",
    [
        (
            "Download is incomplete: received 4 bytes.\nmore",
            r"received 4 bytes\).*goes on from there",
            {"w.pth.drive12345678.part"},
        ),
        ("Server did not honor the requested byte range; kept", "was removed: run again", set()),
    ],
)
def test_drive_broken_off_keeps_what_can_be_continued(from_drive, tmp_path, message, sentence, left):
    asset, calls = from_drive

    def fail(output):
        Path(f"{output}12345678.part").write_bytes(b"some")  # the name gdown gives it
        raise gdown.exceptions.DownloadError(message)

    calls.act = fail
    with pytest.raises(UserError, match=sentence):
        fetch(asset, tmp_path)
    assert names(tmp_path) == left


def test_drive_quota_page_is_refused_and_the_mirror_tried(from_drive, server, tmp_path):
    asset, calls = from_drive
    calls.act = lambda output: Path(output).write_bytes(b"<html>Quota exceeded</html>")
    with pytest.raises(UserError, match="web page"):
        fetch(asset, tmp_path)
    assert names(tmp_path) == set()
    path, _, _ = fetch(dataclasses.replace(asset, urls=(*asset.urls, server.url("w.pth"))), tmp_path)
    assert path.read_bytes() == BODY


def test_what_a_killed_run_left_is_not_taken_for_the_file(from_drive, tmp_path):
    asset, _ = from_drive
    (tmp_path / "w.pth.drive").write_bytes(b"half")
    path, _, _ = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY


def test_drive_links_in_every_form():
    for link in ("/file/d/A-b_1/view", "/uc?id=A-b_1&export=download", "/open?id=A-b_1", "/drive/folders/A-b_1?usp=x"):
        assert drive.drive_id(f"https://drive.google.com{link}") == "A-b_1"
    with pytest.raises(UserError, match="holds no Drive id"):
        drive.drive_id("https://drive.google.com/drive/my-drive")


# fetch_weights


def test_table_names_every_asset_its_licence_and_its_check(capsys):
    assert fetch_weights.main(["list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    wanted = {"sttn", "vinet", "cpnet", "dfvi", "vgg16", "i3d", "fuseformer-masks", "e2fgvi-masks"}
    assert {row.split()[0] for row in rows} >= wanted
    assert any(row.startswith("vgg16") and "553.4 MB" in row and "size and sha256" in row for row in rows)
    assert any(row.startswith("fuseformer-masks") and "none found" in row for row in rows)
    for asset in (*assets.WEIGHTS, assets.DAVIS):
        assert asset.licence
        assert asset.page.startswith("https://")
        assert asset.sha256 is None or len(asset.sha256) == 64
    vgg16 = next(asset for asset in assets.WEIGHTS if asset.name == "vgg16")
    assert vgg16.file == f"vgg16-{vgg16.sha256[:8]}.pth"  # torchvision's own check


def test_get_puts_a_file_into_the_weights_folder(asset, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VINPAINT_WEIGHTS", str(tmp_path / "weights"))
    assert fetch_weights.main(["get", "w"], [asset]) == 0
    assert (tmp_path / "weights" / "w.pth").read_bytes() == BODY
    assert "licence: MIT" in capsys.readouterr().out
    server.files["v.pth"] = Served(b"mirror")
    mirror = ["--url", server.url("v.pth"), "--sha256", hashlib.sha256(b"mirror").hexdigest()]
    assert fetch_weights.main(["get", "w", "--target", str(tmp_path / "other"), *mirror], [asset]) == 0
    assert (tmp_path / "other" / "w.pth").read_bytes() == b"mirror"
    assert fetch_weights.main(["get", "w", "nothing"], [asset]) == 2
    assert "nothing: not in the table: choose from w" in capsys.readouterr().err
    assert fetch_weights.main(["get", "w", "w", *mirror], [asset]) == 2
    assert "belong to one file" in capsys.readouterr().err


def test_get_unpacks_masks_once(server, tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as packed:
        packed.writestr("masks/bear/00000.png", b"png")
        packed.writestr("__MACOSX/masks/._bear", b"junk")
    server.files["m.zip"] = Served((tmp_path / "m.zip").read_bytes())
    masks = Asset("some-masks", "m2.zip", (server.url("m.zip"),), "https://example.org", "none found", unpacks=True)
    place = fetch_weights.get(masks, tmp_path / "masks", say=lambda _: None)
    assert (place / "masks/bear/00000.png").read_bytes() == b"png"
    assert names(place) == {"masks", "FETCHED.json"}
    assert names(tmp_path / "masks") == {"some"}
    server.requests.clear()
    fetch_weights.get(masks, tmp_path / "masks", say=lambda _: None)
    assert server.requests == []
    (place / "masks/bear/00000.png").unlink()
    with pytest.raises(UserError, match="does not hold what was unpacked"):
        fetch_weights.get(masks, tmp_path / "masks", say=lambda _: None)


def test_get_takes_the_wanted_files_of_a_drive_folder(from_drive, tmp_path, monkeypatch):
    asset, calls = from_drive
    folder = dataclasses.replace(asset, file="f", size=None, sha256=None, wanted=("*.pth",))
    listed = [("1", "a.pth"), ("2", "demo/b.png"), ("3", "../../c.pth")]
    rows = [_Listed(key, path) for key, path in listed]
    monkeypatch.setattr(gdown, "download_folder", lambda **_: rows)
    place = fetch_weights.get(folder, tmp_path, say=lambda _: None)
    assert names(place) == {"a.pth", "c.pth", "SHA256SUMS"}
    assert [call["id"] for call in calls] == ["1", "3"]
    monkeypatch.setattr(gdown, "download_folder", None)  # not asked again
    fetch_weights.get(folder, tmp_path, say=lambda _: None)
    assert len(calls) == 2
    (place / "a.pth").write_bytes(b"changed")
    with pytest.raises(UserError, match=r"a\.pth: is not what was fetched"):
        fetch_weights.get(folder, tmp_path, say=lambda _: None)


@dataclasses.dataclass
class _Listed:
    id: str
    path: str


@pytest.mark.parametrize("start", ["file", "module"])
def test_scripts_start_as_files_and_as_modules(start, tmp_path):
    command = [str(ROOT / "data_scripts/fetch_weights.py")] if start == "file" else ["-m", "data_scripts.fetch_weights"]
    cwd = tmp_path if start == "file" else ROOT
    done = subprocess.run([sys.executable, *command, "get", "x"], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: x: not in the table")
    assert done.stdout == ""


@pytest.mark.parametrize("asset", assets.WEIGHTS, ids=lambda asset: asset.name)
def test_the_file_that_reads_an_asset_exists_if_its_system_is_built(asset):
    room, *rest = asset.module.split("/")
    built = room != "systems" or rest[0] in KNOWN
    assert (assets.ROOT / "vinpaint_lib" / asset.module).exists() == built
    assert (fetch_weights.taken_by(asset) == asset.option) == built
