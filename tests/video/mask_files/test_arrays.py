"""Masks from NumPy: every usual shape and type gives the same hole, and what is unclear is refused in words."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.video.little_videos import film, moving_square
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import read_clip
from vinpaint_lib.video.mask_files.reader import open_masks

SIZE, LENGTH = (40, 56), 4


def holes() -> np.ndarray:
    """(t h w), a square that moves."""
    masks = np.zeros((LENGTH, *SIZE), bool)
    for t in range(LENGTH):
        masks[t, 10:20, 10 + 3 * t : 22 + 3 * t] = True
    return masks


def read(path: Path, **options: object) -> np.ndarray:
    return torch.cat(list(open_masks(path, length=LENGTH, size=SIZE, **options).masks())).numpy()


SHAPES = {
    "t h w": lambda a: a,
    "t 1 h w": lambda a: a[:, None],
    "t h w 1": lambda a: a[..., None],
    "other order in memory": np.asfortranarray,
}
TYPES = {
    "bool": lambda a: a,
    "0 and 1": lambda a: a.astype(np.uint8),
    "0 and 255": lambda a: a.astype(np.uint8) * 255,
    "int64": lambda a: a.astype(np.int64),
    "float32": lambda a: a.astype(np.float32),
    "float16 of 255": lambda a: (a * 255).astype(np.float16),
    "big-endian": lambda a: a.astype(">i4"),
    "16 bits": lambda a: a.astype(np.uint16) * 65535,
    "probabilities": lambda a: np.where(a, 0.6, 0.4),
    "soft, to 255": lambda a: np.where(a, 200.5, 3.25),
    "labels": lambda a: a * (1 + np.arange(LENGTH))[:, None, None],
    "many labels": lambda a: a * (1 + 300 * np.arange(LENGTH))[:, None, None],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("suffix", [".npy", ".NPZ"])
def test_every_usual_form_gives_the_same_holes(tmp_path: Path, shape: str, kind: str, suffix: str) -> None:
    path, array = tmp_path / f"m{suffix}", SHAPES[shape](TYPES[kind](holes()))
    with path.open("wb") as file:
        np.save(file, array) if suffix == ".npy" else np.savez_compressed(file, array)
    assert np.array_equal(read(path), holes())


@pytest.mark.parametrize("shape", [(40, 56), (1, 40, 56), (40, 56, 1), (1, 1, 40, 56), (1, 40, 56, 1)])
def test_one_array_serves_all_frames(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "m.npy", holes()[1].reshape(shape))
    assert np.array_equal(read(tmp_path / "m.npy"), np.stack([holes()[1]] * LENGTH))
    assert np.array_equal(read(tmp_path / "m.npy", invert=True)[0], ~holes()[1])


@pytest.mark.parametrize("kind", TYPES)
def test_a_folder_has_an_array_for_each_frame(tmp_path: Path, kind: str) -> None:
    for number, mask in enumerate(TYPES[kind](holes())):
        np.save(tmp_path / f"{number + 8}.npy", mask)
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    assert np.array_equal(read(tmp_path), holes())
    names = [f"{number}.jpg" for number in (10, 8, 9, 11)]
    assert np.array_equal(read(tmp_path, names=names), holes()[[2, 0, 1, 3]])


def test_an_array_named_masks_counts(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", scores=np.zeros(3), masks=holes())
    assert np.array_equal(read(tmp_path / "m.npz"), holes())


def test_arrays_fill_a_clip(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", holes())
    clip = read_clip(film(tmp_path / "c.mp4", moving_square(LENGTH, *SIZE)), tmp_path / "m.npy", limit=3)
    assert np.array_equal(clip.masks[:, 0].numpy(), holes()[:3])


def nan(array: np.ndarray) -> np.ndarray:
    array = array.astype(float)
    array[0, 0] = np.nan
    return array


REFUSED = {
    "colour": (np.zeros((40, 56, 3), np.uint8), r"shape \(40, 56, 3\) is no mask; save one number a pixel"),
    "flat": (np.zeros(40 * 56), "shape"),
    "one-hot": (np.zeros((4, 5, 40, 56)), "shape"),
    "none": (np.zeros((0, 40, 56)), "shape"),
    "wrong size": (np.ones((56, 40)), "do not fit frames of 56x40"),
    "too few": (holes()[:3], "3 masks for 4 frames"),
    "below 0": (np.where(holes(), 1.5, -2), "from -2 to 1.5"),
    "not a number": (nan(holes()[0]), "nan"),
    "infinite": (np.where(holes(), np.inf, 0), "inf"),
    "unbounded fractions": (np.where(holes(), 7.25, 0.5), "go up to 7.25"),
    "huge": (holes() * 70_000, "go up to 70000"),
    "text": (np.full(SIZE, "hole"), "no numbers"),
    "complex": (np.zeros(SIZE, complex), "no numbers"),
    "objects": (np.array([{"a": 1}], object), "cannot be read as a NumPy array"),
    "empty": (np.zeros(SIZE), "no mask has a hole"),
    "small fractions": (np.where(holes(), 0.3, 0.1), "no mask has a hole"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unclear_is_refused_in_words(tmp_path: Path, name: str) -> None:
    array, message = REFUSED[name]
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path / "m.npy")
    assert "m.npy" in str(error.value)


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", holes())
    np.savez(tmp_path / "two.npz", a=holes(), b=holes())
    whole = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-9])
    (tmp_path / "head.npy").write_bytes(whole[:30])
    (tmp_path / "nothing.npy").write_bytes(b"")
    (tmp_path / "text.npz").write_bytes(b"PK\3\4 no zip")
    for name in ("cut.npy", "head.npy", "nothing.npy", "text.npz"):
        with pytest.raises(UserError, match=f"{name}: cannot be read as a NumPy array"):
            read(tmp_path / name)
    with pytest.raises(UserError, match=r"holds 2 arrays \(a, b\); save one, named masks"):
        read(tmp_path / "two.npz")
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "none.npy")
    (tmp_path / "f").mkdir()
    np.save(tmp_path / "f" / "0.npy", holes()[0])
    np.save(tmp_path / "f" / "1.npy", holes()[0, 1:])
    with pytest.raises(UserError, match="different sizes"):
        read(tmp_path / "f")
    np.save(tmp_path / "f" / "1.npy", holes())
    with pytest.raises(UserError, match=r"1\.npy: holds 4 masks; in a folder"):
        read(tmp_path / "f")
