"""data_scripts/download.py against a local server that cuts, corrupts and refuses."""

import dataclasses
import errno
import hashlib
import io
import random
import shutil
from pathlib import Path

import pytest

from data_scripts import download
from data_scripts.assets import Asset
from data_scripts.check import pinned
from tests.data_scripts.local_server import Served, Server, serving
from vinpaint_lib.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
BODY = random.Random(7).randbytes(700_001)  # more than two chunks, no round number
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


def fetch(asset: Asset, folder: Path, **options):
    said: list[str] = []
    path, new = download.fetch(asset, folder, say=said.append, pause=0.01, **options)
    return path, new, "\n".join(said)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_download_is_exact_and_leaves_the_file_and_its_sum(asset, tmp_path):
    path, new, said = fetch(asset, tmp_path / "a" / "b")
    assert new
    assert path.read_bytes() == BODY
    assert names(path.parent) == {"w.pth", "w.pth.sha256"}
    assert (tmp_path / "a/b/w.pth.sha256").read_text() == f"{DIGEST}  w.pth\n"
    assert "size and hash agree" in said


def test_second_run_makes_no_request(asset, server, tmp_path):
    fetch(asset, tmp_path)
    server.requests.clear()
    _, new, said = fetch(asset, tmp_path)
    assert not new
    assert server.requests == []
    assert "nothing to do" in said


def test_truncated_connection_is_continued_within_one_run(asset, server, tmp_path):
    server.files["w.pth"].cuts = [300_000, 100_000]
    path, _, said = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in server.requests] == [None, "bytes=300000-", "bytes=400000-"]
    assert "stopped after 300.0 kB of 700.0 kB" in said


def test_truncated_run_is_continued_by_the_next_one(asset, server, tmp_path):
    server.files["w.pth"].cuts = [300_000]
    with pytest.raises(UserError, match="run the same command again, it goes on from there"):
        fetch(asset, tmp_path, attempts=1)
    assert names(tmp_path) == {"w.pth.part", "w.pth.part.json"}
    path, _, _ = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY
    assert server.requests[-1][1] == "bytes=300000-"


def test_a_body_without_length_that_ends_early_is_noticed(asset, server, tmp_path):
    server.files["w.pth"].length = False
    server.files["w.pth"].cuts = [300_000]
    path, _, _ = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY


def test_new_edition_between_two_runs_is_never_joined_to_the_old_one(asset, server, tmp_path):
    server.files["w.pth"] = Served(bytes(len(BODY)), etag='"old"', cuts=[200_000])
    anything = dataclasses.replace(asset, size=None, sha256=None)
    with pytest.raises(UserError):
        fetch(anything, tmp_path, attempts=1)
    server.files["w.pth"] = Served(BODY)
    path, _, said = fetch(anything, tmp_path)
    assert path.read_bytes() == BODY
    assert "starting again" in said
    assert f"--sha256 {DIGEST}" in said


def test_what_came_from_one_address_is_not_joined_to_another(asset, server, tmp_path):
    server.files["v.pth"] = Served(bytes(len(BODY)), cuts=[200_000])
    with pytest.raises(UserError):
        fetch(asset, tmp_path, attempts=1, url=server.url("v.pth"))
    path, _, _ = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY
    assert server.requests[-1] == ("w.pth", None)


def test_without_edition_or_hash_nothing_is_resumed(asset, server, tmp_path):
    server.files["w.pth"] = Served(BODY, etag=None, cuts=[200_000])
    path, _, _ = fetch(dataclasses.replace(asset, sha256=None), tmp_path)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in server.requests] == [None, None]


def test_server_without_ranges_restarts_cleanly(asset, server, tmp_path):
    server.files["w.pth"].ranges = False
    server.files["w.pth"].cuts = [300_000]
    path, _, said = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY
    assert "starting again from 0" in said


def test_another_range_than_asked_is_not_joined(asset, server, tmp_path):
    server.files["w.pth"].shift = 5
    server.files["w.pth"].cuts = [300_000]
    path, _, said = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY
    assert "another range" in said
    assert [asked for _, asked in server.requests] == [None, "bytes=300000-", None]


def test_part_longer_than_the_file_restarts_cleanly(asset, server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(BODY + b"more")
    download.Partial(asset.urls[0], '"first"', None).write(tmp_path / "w.pth.part")
    path, _, _ = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in server.requests] == [f"bytes={len(BODY) + 4}-", None]


def test_run_killed_before_the_rename_needs_no_request(asset, server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(BODY)
    download.Partial(asset.urls[0], '"first"', len(BODY)).write(tmp_path / "w.pth.part")
    path, _, _ = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY
    assert server.requests == []


def test_corrupted_content_is_refused_and_removed(asset, server, tmp_path):
    server.files["w.pth"].body = BODY[:-1] + b"?"
    with pytest.raises(UserError, match=r"has sha256 \w{64} where \w{64} is known.*https://example.org/page"):
        fetch(asset, tmp_path)
    assert names(tmp_path) == set()


def test_wrong_size_is_refused_before_the_body(asset, server, tmp_path):
    server.files["w.pth"].body = BODY[:1000]
    with pytest.raises(UserError, match="offers 1000 bytes where 700001 are known"):
        fetch(asset, tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("status", [403, 404])
def test_refusal_is_one_sentence_with_the_remedy(asset, server, tmp_path, status):
    server.files["w.pth"].status = status
    with pytest.raises(
        UserError, match=rf"HTTP {status}.*open https://example.org/page .* save the file as "
    ) as caught:
        fetch(asset, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1
    assert names(tmp_path) == set()


def test_the_next_address_is_tried(asset, server, tmp_path):
    path, _, _ = fetch(dataclasses.replace(asset, urls=(server.url("gone"), *asset.urls)), tmp_path)
    assert path.read_bytes() == BODY
    assert [path for path, _ in server.requests] == ["gone", "w.pth"]


def test_busy_server_is_asked_again(asset, server, tmp_path):
    server.files["w.pth"].fails = [503, 429]
    path, _, _ = fetch(asset, tmp_path)
    assert path.read_bytes() == BODY
    assert len(server.requests) == 3


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_web_page_instead_of_the_file_is_refused(asset, server, tmp_path, kind):
    server.files["w.pth"] = Served(b"\n<!DOCTYPE html><html><body>Quota exceeded</body></html>", kind=kind)
    with pytest.raises(UserError, match="web page"):
        fetch(dataclasses.replace(asset, size=None, sha256=None), tmp_path)
    assert names(tmp_path) == set()


def test_web_page_does_not_cost_the_part(asset, server, tmp_path):
    server.files["w.pth"].cuts = [300_000]
    with pytest.raises(UserError):
        fetch(asset, tmp_path, attempts=1)
    server.files["w.pth"] = Served(b"<html>sign in</html>", kind="text/html", etag=None)
    with pytest.raises(UserError, match="web page"):
        fetch(asset, tmp_path)
    assert (tmp_path / "w.pth.part").read_bytes() == BODY[:300_000]


def test_unreachable_host_and_odd_address(asset, server, tmp_path):
    with pytest.raises(UserError, match="cannot be reached"):
        fetch(asset, tmp_path, url="http://127.0.0.1:9/w.pth")
    with pytest.raises(UserError, match="no http or https address"):
        fetch(asset, tmp_path, url="file:///etc/hostname")
    assert names(tmp_path) == set()


def test_full_disk_is_a_sentence_and_keeps_what_came(asset, server, tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    with monkeypatch.context() as patched:
        patched.setattr(download.shutil, "disk_usage", lambda _: free)
        with pytest.raises(UserError, match=r"700.0 kB more is needed: free some space"):
            fetch(asset, tmp_path)
    assert names(tmp_path) == set()

    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "open", lambda *_: Full(), raising=False)
    with pytest.raises(UserError, match="the disk is full"):
        fetch(asset, tmp_path)
    assert "w.pth" not in names(tmp_path)


def test_wrong_file_in_place_is_left_alone(asset, server, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"has 4 bytes where 700001 are known: move it away"):
        fetch(asset, tmp_path)
    assert (tmp_path / "w.pth").read_bytes() == b"mine"
    assert server.requests == []


def test_a_file_without_published_hash_is_held_to_its_first_sum(asset, tmp_path):
    unknown = dataclasses.replace(asset, size=None, sha256=None)
    path, _, said = fetch(unknown, tmp_path)
    assert "neither size nor hash is published; pin what you got with --sha256 " + DIGEST in said
    path.write_bytes(b"changed")
    with pytest.raises(UserError, match="came at first"):
        fetch(unknown, tmp_path)


def test_sha256_option_replaces_the_table(asset, server, tmp_path):
    server.files["w.pth"].body = b"another edition"
    path, _, _ = fetch(pinned(asset, hashlib.sha256(b"another edition").hexdigest()[:12].upper()), tmp_path)
    assert path.read_bytes() == b"another edition"
    with pytest.raises(UserError, match="8 to 64 hex digits"):
        pinned(asset, "latest")
