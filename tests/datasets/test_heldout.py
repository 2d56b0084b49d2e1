"""Clips that are never trained on: the lists are the published ones, and every way to a test clip is closed."""

import warnings

import numpy as np
import pytest
from PIL import Image

from data_scripts import counts
from vinpaint_lib.datasets import VideoFolder, YouTubeVosFolder, heldout, parse_source
from vinpaint_lib.errors import UserError

TEST, TRAIN = "00bd64cb00", "003234408d"


def write_clip(folder):
    folder.mkdir(parents=True)
    Image.fromarray(np.zeros((24, 40, 3), np.uint8)).save(folder / "00000.jpg")


def test_the_lists_are_the_published_ones():
    davis, youtube = (heldout.published_names(name) for name in ("DAVIS", "YouTube-VOS"))
    assert len(davis) == 50
    assert {"blackswan", "bmx-trees", "train", "tennis"} <= davis <= set(counts.published("davis_trainval"))
    assert youtube == set(counts.published("youtube_vos_test"))
    assert len(youtube) == 508
    assert not youtube & set(counts.published("youtube_vos_train"))


def test_a_youtube_vos_test_clip_is_left_out_wherever_it_lies(tmp_path):
    for name in (TEST, TRAIN):
        write_clip(tmp_path / "train" / "JPEGImages" / name)
    frames = tmp_path / "train" / "JPEGImages"
    with pytest.warns(UserWarning, match=f"{TEST} not used for training, being named as YouTube-VOS test clips are"):
        assert YouTubeVosFolder(tmp_path, training=True).names == [TRAIN]
    with pytest.warns(UserWarning, match=TEST):
        assert VideoFolder(frames, training=True).names == [TRAIN]
    assert YouTubeVosFolder(tmp_path).names == [TRAIN, TEST]
    with pytest.raises(UserError, match=f"frames of the YouTube-VOS test clip {TEST}"):
        parse_source(f"photos:{frames / TEST}", training=True)
    assert parse_source(f"photos:{frames / TRAIN}", training=True).names == ["00000"]


def test_a_folder_of_test_clips_alone_is_refused(tmp_path):
    write_clip(tmp_path / "test" / "JPEGImages" / TEST)
    with pytest.raises(UserError, match="every clip here is a YouTube-VOS test clip; train on other clips"):
        parse_source(f"youtube-vos:{tmp_path / 'test'}", training=True)
    write_clip(tmp_path / "test" / "JPEGImages" / "dog")
    with pytest.raises(UserError, match="every clip here is a DAVIS or YouTube-VOS test clip"):
        parse_source(f"youtube-vos:{tmp_path / 'test'}", training=True)
    assert parse_source(f"youtube-vos:{tmp_path / 'test'}").names == [TEST, "dog"]


def test_hundreds_of_withheld_clips_are_not_all_named(tmp_path):
    for name in (*sorted(heldout.published_names("YouTube-VOS"))[:70], TRAIN):
        write_clip(tmp_path / name)
    with pytest.warns(UserWarning, match="and 10 more not used for training"):
        assert VideoFolder(tmp_path, training=True).names == [TRAIN]


def test_other_clips_are_used_without_a_word(tmp_path):
    for name in (TRAIN, "0123456789abcdef", "street"):
        write_clip(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(VideoFolder(tmp_path, training=True)) == 3
