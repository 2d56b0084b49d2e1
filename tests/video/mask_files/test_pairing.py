"""Pairing: a mask goes to the frame of its name or number; else the order decides, with a word, or it is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import open_clip
from vinpaint_lib.video.mask_files.pairing import keys, paired

PLACE = Path("m")


def names(pattern: str, numbers: str) -> list[str]:
    return [pattern.format(int(number)) for number in numbers.split()]


def test_what_all_names_have_in_common_does_not_count() -> None:
    assert keys(names("frame_{:04d}.jpg", "8 9 10")) == [8, 9, 10]
    assert keys(names("{}_of_60.png", "1 2 3")) == [1, 2, 3]
    assert keys(names("shot2-{:02d}-mask.png", "10 11 12")) == [10, 11, 12], "1 is no part of what they share"
    assert keys(names("{}.png", "10 20 30")) == [10, 20, 30], "nor is 0"
    assert keys(["Left.png", "middle.png"]) == ["left", "middle"]
    assert keys(["a.png", "10.png"]) == ["a", "10"]
    assert keys(["", "1.png"]) == ["", "1"]


PAIRS = [  # frames, masks, which mask for each frame
    ("{:05d}.jpg", "0 1 2", "{:05d}.png", "0 1 2", [0, 1, 2]),
    ("frame_{:04d}.jpg", "0 1 2", "mask{}.png", "0 1 2", [0, 1, 2]),
    ("{}.jpg", "8 9 10", "{:03d}_mask.png", "8 9 10", [0, 1, 2]),
    ("{}.jpg", "0 1 2 4 5", "{}.png", "0 1 2 3 4 5", [0, 1, 2, 4, 5]),
    ("a{}.jpg", "7 3 5", "b{}.png", "3 5 7", [2, 0, 1]),
    ("{}.jpg", "100 300", "m_{}.png", "100 200 300", [0, 2]),
]


@pytest.mark.parametrize("frame, ours, mask, theirs, expected", PAIRS)
def test_names_and_numbers_decide(frame: str, ours: str, mask: str, theirs: str, expected: list[int]) -> None:
    order, notes = paired(PLACE, names(mask, theirs), names(frame, ours), len(ours.split()))
    assert order == expected
    spare = len(theirs.split()) - len(expected)
    assert len(notes) == bool(spare)
    assert not spare or f"{spare} of {len(theirs.split())} masks have no frame of their name" in notes[0]


def test_words_pair_too() -> None:
    order, notes = paired(PLACE, ["b_mask.png", "c_mask.png", "a_mask.png"], ["A.jpg", "b.jpg", "C.jpg"], 3)
    assert (order, notes) == ([2, 0, 1], [])


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("0 1 2 3", "1 2 3 4"),
        ("1 2 3", "0 1 2"),
        ("1001 1002 1003", "0 1 2"),
        ("17 29 48", "0 1 2"),
        ("5 5 6", "0 1 2"),
    ],
)
def test_the_order_decides_where_names_have_nothing_in_common(ours: str, theirs: str) -> None:
    frames, masks = names("{}.jpg", ours), names("{}.png", theirs)
    order, (note,) = paired(PLACE, masks, frames, len(frames))
    assert order == list(range(len(masks)))
    assert f"pair in their order ({masks[0]} with {frames[0]}, {masks[-1]} with {frames[-1]})" in note


@pytest.mark.parametrize(
    "ours, theirs, lost",
    [
        ("0 1 2 4 5", "0 1 2 3 4", "5.jpg"),
        ("0 2 4 6", "0 1 2 3", "4.jpg, 6.jpg"),
        ("0 1 2 3 4 5 6 7 8", "0 1 2", "3.jpg, 4.jpg, 5.jpg, ..."),
        ("0 1 2", "0 2", "1.jpg"),
    ],
)
def test_frames_without_their_mask_are_named(ours: str, theirs: str, lost: str) -> None:
    frames, masks = names("{}.jpg", ours), names("{}.png", theirs)
    with pytest.raises(UserError, match=f"name or number of frame {lost};") as error:
        paired(PLACE, masks, frames, len(frames))
    if len(frames) != len(masks):
        assert f"{len(masks)} masks for {len(frames)} frames" in str(error.value)


def write(folder: Path, numbers: str, level: int | None = None) -> Path:
    """Grey pictures; the first so many columns of number k, from 0, are white if no level is given."""
    folder.mkdir()
    for number in map(int, numbers.split()):
        picture = np.full((6, 10), level or 0, np.uint8)
        if level is None:
            picture[:, : number + 1] = 255
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


def test_a_clip_gets_the_masks_of_its_frames(tmp_path: Path) -> None:
    frames, masks = write(tmp_path / "f", "0 1 2 4 5", 90), write(tmp_path / "m", "0 1 2 3 4 5")
    clip = open_clip(frames, masks)
    assert [int(mask[0, 0].sum()) for _, mask in clip] == [1, 2, 3, 5, 6]
    assert any("1 of 6 masks have no frame" in note for note in clip.notes)
    (masks / "5.png").unlink()
    with pytest.raises(UserError, match=r"5 masks for 5|frame 5\.png"):
        open_clip(frames, masks)
    assert [int(mask[0, 0].sum()) for _, mask in open_clip(frames, masks, limit=4)] == [1, 2, 3, 5]
    (masks / "4.png").unlink()
    with pytest.raises(UserError, match="4 masks for 5 frames"):
        open_clip(frames, masks)
