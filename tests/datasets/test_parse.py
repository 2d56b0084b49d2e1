"""Data sets: small folders in each layout, made here; real DAVIS where it is at hand; what training never sees."""

import json
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vinpaint_lib.datasets import (
    DavisFolder,
    Mixture,
    PhotoMotion,
    ToyClips,
    VideoFolder,
    YouTubeVosFolder,
    parse_source,
)
from vinpaint_lib.errors import UserError
from vinpaint_lib.toy.clip import PHOTOS
from vinpaint_lib.video.clip import write_video

SIZE = (24, 40)


def picture(t: int) -> np.ndarray:
    """Every frame has its own brightness, so that its number can be read from it."""
    return np.full((*SIZE, 3), 10 * t, np.uint8)


def numbers(clip) -> list[int]:
    """Frame numbers from brightness; JPEG and H.264 stay within 2 of 255 on flat pictures."""
    level = clip.frames.mean(dim=(1, 2, 3)) * 255 / 10
    assert float((level - level.round()).abs().max()) < 0.25
    return level.round().int().tolist()


def write_frames(folder: Path, count: int, suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True)
    for t in range(count):
        Image.fromarray(picture(t)).save(folder / f"{t:05d}{suffix}")


def write_annotation(file: Path, t: int, kind: str) -> None:
    """Two objects: rows 0-3 are object 1, rows 4-7 object 2, in the first t + 1 columns."""
    values = np.zeros(SIZE, np.uint8)
    values[:4, : t + 1], values[4:8, : t + 1] = 1, 2
    if kind == "indexed":
        image = Image.fromarray(values, "P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    elif kind == "grey":
        image = Image.fromarray((values > 0).astype(np.uint8) * 255)
    else:
        image = Image.fromarray(np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)[values])
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)


@pytest.fixture
def davis_folder(tmp_path) -> Path:
    """Three clips as DAVIS has them; "dog" is one of the published test clips."""
    root = tmp_path / "DAVIS"
    for name, count, kind in (("dog", 5, "indexed"), ("mine", 6, "grey"), ("yours", 4, "colour")):
        write_frames(root / "JPEGImages" / "480p" / name, count)
        for t in range(count):
            write_annotation(root / "Annotations" / "480p" / name / f"{t:05d}.png", t, kind)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("dog\nyours\n")
    (root / "ImageSets" / "480p").mkdir()
    lines = [f"/JPEGImages/480p/mine/{t:05d}.jpg /Annotations/480p/mine/{t:05d}.png" for t in range(3)]
    (root / "ImageSets" / "480p" / "train.txt").write_text("\n".join(lines))
    return root


@pytest.fixture
def video_folder(tmp_path) -> Path:
    root = tmp_path / "videos"
    root.mkdir()
    for name, count in (("a", 9), ("b", 5)):
        frames = torch.stack([torch.full((3, *SIZE), t * 10 / 255) for t in range(count)])
        write_video(root / f"{name}.mp4", frames, Fraction(24))
    write_frames(root / "c", 7, ".png")
    (root / "notes.txt").write_text("no clip")
    (root / "empty").mkdir()
    return root


def test_davis_clips_have_their_frames_and_merged_objects(davis_folder):
    source = DavisFolder(davis_folder)
    assert source.names == ["dog", "mine", "yours"]
    assert [source.frames(i) for i in range(3)] == [5, 6, 4]
    for i in range(3):
        clip = source.load(i)
        assert numbers(clip) == list(range(source.frames(i)))
        assert clip.size == SIZE
        for t, mask in enumerate(clip.masks):
            expected = torch.zeros(1, *SIZE)
            expected[0, :8, : t + 1] = 1
            assert torch.equal(mask, expected)


@pytest.mark.parametrize(
    ("start", "length", "stride", "expected"),
    [
        (0, None, 1, [0, 1, 2, 3, 4, 5]),
        (2, 2, 1, [2, 3]),
        (1, None, 2, [1, 3, 5]),
        (0, 2, 4, [0, 4]),
        (4, 9, 1, [4, 5]),
    ],
)
def test_loading_takes_the_frames_that_were_asked_for(davis_folder, start, length, stride, expected):
    clip = DavisFolder(davis_folder).load(1, start=start, length=length, stride=stride)
    assert numbers(clip) == expected
    assert clip.masks[:, 0, 0].sum(dim=-1).tolist() == [t + 1 for t in expected]


@pytest.mark.parametrize(
    ("clip", "start", "length", "stride"), [(0, 0, 4, 2), (1, 2, None, 1), (2, 1, 3, 2), (0, 8, 1, 1)]
)
def test_videos_and_folders_of_pictures_load_alike(video_folder, clip, start, length, stride):
    source = VideoFolder(video_folder)
    assert source.names == ["a", "b", "c"]
    loaded = source.load(clip, start=start, length=length, stride=stride)
    everything = list(range(source.frames(clip)))[start::stride][:length]
    assert numbers(loaded) == everything
    assert loaded.masks.sum() == 0
    assert loaded.fps * stride == 24


def test_one_video_is_a_source_too(video_folder):
    assert VideoFolder(video_folder / "b.mp4").names == ["b"]


def test_sizes_are_height_and_width_and_masks_stay_exact(davis_folder):
    clip = DavisFolder(davis_folder).load(0, size=(13, 50))
    assert clip.frames.shape == (5, 3, 13, 50)
    assert set(clip.masks.unique().tolist()) == {0.0, 1.0}


def test_random_loading_keeps_the_aspect_and_stays_within_the_clip(davis_folder):
    source = DavisFolder(davis_folder)
    starts = set()
    for seed in range(12):
        clip = source.load_random(1, np.random.default_rng(seed), height=48, length=3, stride=2)
        assert clip.size == (48, 80)
        shown = numbers(clip)
        assert shown == [shown[0], shown[0] + 2, shown[0] + 4]
        starts.add(shown[0])
    assert starts == {0, 1}
    assert len(source.load_random(2, np.random.default_rng(0), height=48, length=30)) == 4


def test_davis_lists_of_both_editions(davis_folder):
    assert DavisFolder(davis_folder, split="2017/val").names == ["dog", "yours"]
    assert DavisFolder(davis_folder, split="480p/train").names == ["mine"]
    with pytest.raises(UserError, match="2017/val"):  # the message names what there is
        DavisFolder(davis_folder, split="2016/val")
    (davis_folder / "ImageSets" / "2017" / "more.txt").write_text("dog\nlost\n")
    with pytest.raises(UserError, match="lost"):
        DavisFolder(davis_folder, split="2017/more")


def test_youtube_vos_repeats_the_nearest_annotation(tmp_path):
    write_frames(tmp_path / "train" / "JPEGImages" / "0a1b", 9)
    write_frames(tmp_path / "train" / "JPEGImages" / "ffff", 3)
    for t in (1, 6):
        write_annotation(tmp_path / "train" / "Annotations" / "0a1b" / f"{t:05d}.png", t, "indexed")
    for root in (tmp_path, tmp_path / "train"):
        source = YouTubeVosFolder(root)
        assert source.names == ["0a1b", "ffff"]
        assert source.annotated(0) == [1, 6]
        assert source.annotated(1) == []
        clip = source.load(0)
        assert (clip.masks[:, 0, 0].sum(dim=-1) - 1).tolist() == [1, 1, 1, 1, 6, 6, 6, 6, 6]
        assert source.load(1).masks.sum() == 0


def test_training_never_sees_a_davis_test_clip(davis_folder, video_folder, tmp_path):
    with pytest.warns(UserWarning, match="dog"):
        assert DavisFolder(davis_folder, training=True).names == ["mine", "yours"]
    (video_folder / "a.mp4").rename(video_folder / "bmx-trees.mp4")
    with pytest.warns(UserWarning, match="bmx-trees"):
        assert VideoFolder(video_folder, training=True).names == ["b", "c"]
    assert VideoFolder(video_folder).names == ["b", "bmx-trees", "c"]
    frames = davis_folder / "JPEGImages" / "480p"
    with pytest.warns(UserWarning, match="dog"):
        assert parse_source(f"videos:{frames}", training=True).names == ["mine", "yours"]
    for hidden in (f"photos:{frames / 'dog'}", f"videos:{video_folder / 'bmx-trees.mp4'}", f"toy,davis:{davis_folder}"):
        if "davis:" in hidden:
            for name in ("mine", "yours"):
                (frames / name).rename(tmp_path / name)
        with pytest.raises(UserError, match="DAVIS test clip"):
            parse_source(hidden, training=True)
        parse_source(hidden)
    assert parse_source(f"photos:{tmp_path / 'mine'}", training=True).names[0] == "00000"


def test_synthetic_clips_are_fixed_by_number_and_new_by_generator(tmp_path):
    for k in range(3):
        noise = np.random.default_rng(k).integers(0, 255, (60, 90 - 40 * (k == 2), 3)).astype(np.uint8)
        Image.fromarray(noise).resize((300, 200) if k < 2 else (100, 200)).save(tmp_path / f"p{k}.png")
    for source in (PhotoMotion(tmp_path), ToyClips()):
        clip = source.load(1, size=(48, 72), start=3, length=4, stride=5)
        assert torch.equal(clip.frames, source.load(1, size=(48, 72)).frames[[3, 8, 13, 18]])
        assert clip.masks.shape == (4, 1, 48, 72)
        first, again, other = (
            source.load_random(1, np.random.default_rng(seed), height=48, length=5) for seed in (0, 0, 1)
        )
        assert torch.equal(first.frames, again.frames)
        assert not torch.equal(first.frames, other.frames)
        assert first.frames.shape[0] == 5
    assert [PhotoMotion(tmp_path).size(i) for i in range(3)] == [(200, 300), (200, 300), (200, 200)]
    assert ToyClips().names == list(PHOTOS)


def test_a_mixture_draws_by_weight_and_counts_through(davis_folder, video_folder):
    source = parse_source(f"davis:{davis_folder}*3, videos:{video_folder},toy*0.5")
    assert isinstance(source, Mixture)
    assert source.names == ["dog", "mine", "yours", "a", "b", "c", *PHOTOS]
    assert numbers(source.load(4, start=2)) == [2, 3, 4]
    assert source.frames(5) == 7
    rng = np.random.default_rng(0)
    drawn = np.array([source.draw(rng) for _ in range(3000)])
    shares = [np.mean(drawn < 3), np.mean((drawn >= 3) & (drawn < 6)), np.mean(drawn >= 6)]
    # Weights 3 : 1 : 0.5; four standard deviations of 3000 draws are 0.035.
    assert shares == pytest.approx([3 / 4.5, 1 / 4.5, 0.5 / 4.5], abs=0.035)
    assert set(drawn) == set(range(len(source)))


def test_only_and_without_split_a_source_by_name(davis_folder, video_folder):
    source = parse_source(f"davis:{davis_folder}*3,videos:{video_folder}")
    kept, left_out = source.without(("dog", "b")), source.only(("dog", "b"))
    assert kept.names == ["mine", "yours", "a", "c"]
    assert left_out.names == ["dog", "b"]
    assert numbers(left_out.load(1)) == [0, 1, 2, 3, 4]
    rng = np.random.default_rng(0)
    drawn = np.array([kept.draw(rng) for _ in range(2000)])
    # mine and yours have 1/4 each of the whole, a and c 1/12: together 2/3, so 3/8, 3/8, 1/8, 1/8 of what is left.
    assert np.bincount(drawn, minlength=4) / 2000 == pytest.approx([3 / 8, 3 / 8, 1 / 8, 1 / 8], abs=0.044)
    with pytest.raises(UserError, match="nobody"):
        source.without(("nobody",))
    with pytest.raises(UserError):
        source.without(source.names)


def test_sources_travel_to_workers_and_describe_their_content(davis_folder, video_folder, tmp_path):
    words = f"davis:{davis_folder}*3,videos:{video_folder},toy"
    source = parse_source(words).without(("dog",))
    copy = pickle.loads(pickle.dumps(source))
    assert torch.equal(copy.load(0).frames, source.load(0).frames)
    description = json.dumps(source.describe())
    assert description == json.dumps(copy.describe())
    assert description != json.dumps(parse_source(words).describe())
    assert str(tmp_path) not in description
    (davis_folder / "JPEGImages" / "480p" / "mine" / "00005.jpg").unlink()
    assert description != json.dumps(parse_source(words).without(("dog",)).describe())


@pytest.mark.parametrize(
    "words",
    ["", "toys", "toy:x", "davis", "davis:", "videos:/nowhere*x", "toy*0", "toy*-1", "toy,", "davis:/nowhere",
     "youtube-vos:/nowhere", "sintel:/nowhere", "sintel-final:/nowhere", "sintel", "sintel-albedo:/nowhere",
     "videos:/nowhere", "photos:/nowhere"],
)  # fmt: skip
def test_wrong_words_and_paths_are_refused_in_one_sentence(words):
    with pytest.raises(UserError) as error:
        parse_source(words)
    assert "\n" not in str(error.value)
    assert "/nowhere" not in words or "/nowhere" in str(error.value)


def test_folders_without_clips_and_frames_that_do_not_exist_are_refused(tmp_path, davis_folder):
    for words in (f"videos:{tmp_path}", f"photos:{tmp_path}"):
        with pytest.raises(UserError):
            parse_source(words)
    source = DavisFolder(davis_folder)
    for wrong in ({"i": 3}, {"i": -1}, {"i": 0, "start": 5}, {"i": 0, "stride": 0}, {"i": 0, "length": 0}):
        with pytest.raises(UserError):
            source.load(**wrong)


def test_real_davis(davis):
    source = DavisFolder(davis)
    assert len(source) >= 10
    assert source.size(0) == (480, 854)
    for i in range(len(source)):
        clip = source.load(i, size=(120, 216), length=2, stride=20)
        assert len(clip) == 2
        assert 0.05 < clip.frames.mean() < 0.95
        assert 0.001 < clip.masks.mean() < 0.6
        assert set(clip.masks.unique().tolist()) == {0.0, 1.0}
    with pytest.raises(UserError, match="DAVIS test clip"):
        DavisFolder(davis, training=True)
