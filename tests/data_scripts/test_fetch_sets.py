"""data_scripts: fetch_davis.py and fetch_youtube_vos.py on small archives of the same layout."""

import dataclasses
import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from data_scripts import assets, counts, fetch_davis, fetch_youtube_vos
from tests.data_scripts.local_server import Served, serving

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


# DAVIS


def davis_files(clips: dict[str, int] = CLIPS, masks: dict[str, int] = CLIPS) -> dict[str, bytes]:
    frames = {f"DAVIS/JPEGImages/480p/{c}/{i:05}.jpg": os.urandom(900) for c, n in clips.items() for i in range(n)}
    objects = {f"DAVIS/Annotations/480p/{c}/{i:05}.png": os.urandom(90) for c, n in masks.items() for i in range(n)}
    return {**frames, **objects, "DAVIS/ImageSets/2017/val.txt": b"bear\n"}


@pytest.fixture
def davis(tmp_path, monkeypatch):
    """A small DAVIS archive on a local server, standing in for the real one; `run(*options)` gives the exit code."""
    body = zip_of(tmp_path / "served.zip", davis_files()).read_bytes()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(counts, "published", lambda _: CLIPS)
    with serving() as server:
        server.files["davis.zip"] = Served(body)
        digest = hashlib.sha256(body).hexdigest()
        asset = dataclasses.replace(
            assets.DAVIS, urls=(server.url("davis.zip"),), size=len(body), sha256=digest, file="d.zip"
        )
        monkeypatch.setattr(assets, "DAVIS", asset)
        server.run = lambda *options: fetch_davis.main(["--target", str(tmp_path / "data/davis"), *options])
        yield server


def test_davis_is_fetched_unpacked_and_then_left_alone(davis, tmp_path, capsys):
    assert davis.run() == 0
    assert tree(tmp_path / "data") == {name.replace("DAVIS", "davis") for name in davis_files()}
    assert "2 clips, 5 frames, as published" in capsys.readouterr().out
    (tmp_path / "data/davis/JPEGImages/480p/of-another-part").mkdir()
    davis.requests.clear()
    assert davis.run() == 0
    assert davis.requests == []
    assert "nothing to do" in capsys.readouterr().out


def test_davis_archive_can_be_kept_and_given(davis, tmp_path):
    assert davis.run("--keep-archive") == 0
    assert (tmp_path / "data/d.zip").exists()
    davis.requests.clear()
    target = ["--target", str(tmp_path / "again")]
    assert fetch_davis.main([*target, "--archive", str(tmp_path / "data/d.zip")]) == 0
    assert davis.requests == []
    assert (tmp_path / "data/d.zip").exists()
    assert fetch_davis.main([*target, "--archive", str(tmp_path / "none.zip")]) == 0  # all there: not looked at
    assert fetch_davis.main(["--target", str(tmp_path / "c"), "--archive", str(tmp_path / "none.zip")]) == 2


def test_davis_from_a_mirror_must_be_the_same_file(davis, tmp_path, capsys):
    body = zip_of(tmp_path / "less.zip", davis_files(clips={"bear": 3, "bus": 1})).read_bytes()
    davis.files["less.zip"] = Served(body)
    assert davis.run("--url", davis.url("less.zip")) == 2
    assert "are known" in capsys.readouterr().err
    assert davis.run("--url", davis.url("less.zip"), "--sha256", hashlib.sha256(body).hexdigest()) == 2
    error = capsys.readouterr().err
    assert "JPEGImages/480p: 1 clips differ (bus has 1 frames where 2 are known)" in error
    assert "nothing was unpacked" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "data/davis").exists()
    assert davis.requests[0][0] == "less.zip"


def test_davis_refused(davis, tmp_path, capsys):
    davis.files["davis.zip"].status = 403
    assert davis.run() == 2
    assert "HTTP 403" in (error := capsys.readouterr().err)
    assert "https://davischallenge.org/davis2017/code.html" in error
    assert not any((tmp_path / "data").iterdir())


def test_davis_target_with_missing_frames_is_not_touched(davis, tmp_path, capsys):
    assert davis.run() == 0
    (tmp_path / "data/davis/Annotations/480p/bear/00001.png").unlink()
    davis.requests.clear()
    assert davis.run() == 2
    assert "Annotations/480p: 1 clips differ (bear has 2 frames where 3 are known)" in capsys.readouterr().err
    assert davis.requests == []


# YouTube-VOS

LISTS = {"train": {"003234408d": 180, "0043f083b5": 96}, "test": {"0070461469": 91}}


def youtube_files(root: str, clips: dict[str, int]) -> dict[str, bytes]:
    return {f"{root}JPEGImages/{c}/{i:05}.jpg": b"jpeg" for c, n in clips.items() for i in range(n)}


def youtube(*arguments: object, monkeypatch) -> int:
    monkeypatch.setattr(counts, "published", lambda name: LISTS[name.removeprefix("youtube_vos_")])
    return fetch_youtube_vos.main([str(argument) for argument in arguments])


def test_youtube_vos_archives_land_in_their_splits(tmp_path, monkeypatch, capsys):
    train = zip_of(
        tmp_path / "a.zip", {**youtube_files("train_all_frames/", LISTS["train"]), "train_all_frames/meta.json": b"{}"}
    )
    test = tar_of(tmp_path / "b.tar", youtube_files("", LISTS["test"]))
    assert youtube(train, test, "--target", tmp_path / "yt", monkeypatch=monkeypatch) == 0
    assert counts.in_folder(tmp_path / "yt/train/JPEGImages", ".jpg") == LISTS["train"]
    assert counts.in_folder(tmp_path / "yt/test/JPEGImages", ".jpg") == LISTS["test"]
    assert (tmp_path / "yt/train/meta.json").exists()
    assert {path.name for path in (tmp_path / "yt").iterdir()} == {"train", "test"}
    capsys.readouterr()
    assert youtube(train, test, "--target", tmp_path / "yt", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.count("nothing to do") == 2


def test_youtube_vos_at_6_fps_is_explained_and_not_unpacked(tmp_path, monkeypatch, capsys):
    archive = tar_of(tmp_path / "train.tar", youtube_files("train/", {"003234408d": 36, "0043f083b5": 20}))
    assert youtube(archive, "--target", tmp_path / "yt", monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert "003234408d has 36 frames where 180 are known" in error
    assert "re-issue of 2024 at 6 fps" in error
    assert "train_all_frames.zip" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "yt").exists()
    assert youtube(archive, "--target", tmp_path / "yt", "--other-edition", monkeypatch=monkeypatch) == 0
    assert "6 fps" in (tmp_path / "yt/train/EDITION.txt").read_text()
    assert "NOT as published" in capsys.readouterr().out


@pytest.mark.parametrize(
    "files, sentence",
    [
        (youtube_files("", {"003234408d": 180}), "1 clips differ (0043f083b5 has 0 frames where 96 are known)"),
        (youtube_files("valid/", {"ffffffffff": 3}), "none of its 1 clips is in the published train or test list"),
        ({"readme.txt": b""}, "holds no JPEGImages/<clip>/*.jpg"),
    ],
)
def test_youtube_vos_archives_that_differ_otherwise(tmp_path, monkeypatch, capsys, files, sentence):
    archive = zip_of(tmp_path / "x.zip", files)
    assert youtube(archive, "--target", tmp_path / "yt", monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert "6 fps" not in error
    assert not (tmp_path / "yt").exists()


def test_youtube_vos_without_archives_says_where_to_get_them(monkeypatch, capsys):
    assert youtube(monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert "needs an account" in error
    assert assets.YOUTUBE_VOS_PAGE in error
