"""Broken files of a data set are told all at once, before a training; whole ones of every kind are not."""

from fractions import Fraction
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vinpaint_lib import train
from vinpaint_lib.datasets import DavisFolder, Mixture, PhotoMotion, ToyClips, VideoFolder
from vinpaint_lib.datasets.broken import check_files
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import write_video

NOISE = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)


def photo(file: Path, **options) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(NOISE).save(file, **options)
    return file


def cut(file: Path, share: float = 0.6) -> Path:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    return file


def video(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return write_video(file, torch.rand(4, 3, 48, 64), Fraction(24))


def told(source) -> str:
    with pytest.raises(UserError) as error:
        check_files(source)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".png", ".webp", ".bmp", ".tif"])
def test_whole_pictures_are_whole(tmp_path, suffix):
    photo(tmp_path / f"a{suffix}")
    check_files(PhotoMotion(tmp_path))


def test_a_picture_with_more_behind_its_end_is_whole(tmp_path):
    for suffix in (".jpg", ".png"):
        file = photo(tmp_path / f"a{suffix}")
        file.write_bytes(file.read_bytes() + b"\0" * 10_000)  # the end is not in the tail: it is decoded
    check_files(PhotoMotion(tmp_path))


def test_broken_photographs_are_listed_at_once(tmp_path):
    photo(tmp_path / "whole.jpg")
    cut(photo(tmp_path / "a.jpg"))
    cut(photo(tmp_path / "b.png"))
    cut(photo(tmp_path / "header.png"), 0.0005)
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.webp").write_text("no picture")
    said = told(PhotoMotion(tmp_path))
    assert said.startswith("5 training files cannot be used: ")
    for part in ("a.jpg is cut short", "b.png: cannot be read", "header.png", "empty.jpg", "text.webp: cannot be read"):
        assert part in said
    assert "whole.jpg" not in said


def test_broken_clips_are_listed_with_those_of_other_sources(tmp_path):
    clips, davis, photos = tmp_path / "clips", tmp_path / "davis", tmp_path / "photos"
    video(clips / "whole.mp4")
    cut(video(clips / "half.mp4"))
    (clips / "none.mkv").write_bytes(b"")
    photo(clips / "walk" / "0.png")
    cut(photo(clips / "walk" / "1.png"))
    (clips / "walk" / "2.png").write_bytes(b"x")
    photo(clips / "sizes" / "0.png")
    Image.fromarray(NOISE[:40]).save(clips / "sizes" / "1.png")
    for part, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        photo(davis / part / "480p" / "run" / f"0.{suffix}")
    cut(davis / "Annotations" / "480p" / "run" / "0.png")
    cut(photo(photos / "p.jpg"))
    source = Mixture([VideoFolder(clips), ToyClips(), DavisFolder(davis), PhotoMotion(photos)], [1.0] * 4)
    said = told(source)
    assert said.startswith("7 training files cannot be used: ")
    for part in (
        "half.mp4",
        "none.mkv",
        "1.png",
        "2.png",
        "pictures of different sizes",
        "Annotations/480p/run/0.png",
        "p.jpg",
    ):
        assert part in said
    check_files(source.only(["whole"]))
    assert "half.mp4" in told(source.only(["half", "whole"]))


def test_it_stops_looking_after_a_while_and_says_so(tmp_path):
    for number in range(5):
        photo(tmp_path / f"{number}.png")
    cut(tmp_path / "4.png")
    clock = count(0.0)
    with pytest.warns(UserWarning, match="in the first 3 of 5 clips or photographs"):
        check_files(PhotoMotion(tmp_path), longest=3.0, clock=lambda: next(clock))
    with pytest.raises(UserError):
        check_files(PhotoMotion(tmp_path))


def test_a_training_looks_before_it_makes_anything(tmp_path):
    cut(photo(tmp_path / "photos" / "a.jpg"))
    cut(photo(tmp_path / "photos" / "b.jpg"))
    asked = train.Training(
        "sttn", "tiny", tmp_path / "out", data=f"photos:{tmp_path / 'photos'}", device="cpu", workers=0
    )
    with pytest.raises(UserError, match="2 training files cannot be used"):
        train.train(asked)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["file", "file/below", "link"])
def test_a_training_into_a_file_is_a_sentence(tmp_path, out):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"is a file, a folder cannot|is no folder, and nothing can be made"):
        train.train(train.Training("sttn", "tiny", tmp_path / out, device="cpu", workers=0))
    assert (tmp_path / "file").read_text() == "x"
