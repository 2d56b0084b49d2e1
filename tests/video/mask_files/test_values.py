"""Values of masks: labels of any grey are hole, soft edges and noise are not, and what is not understood is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from einops import reduce
from PIL import Image
from skimage import data as photographs

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.mask_files.reader import open_masks

SIZE = (60, 80)


def areas(*levels: int, ground: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A square for each level, some of which touch, on `ground`."""
    picture = np.full(size, ground, np.uint16)
    for number, level in enumerate(levels):
        y, x = 4 + 14 * (number % 4), 4 + 16 * (number // 4)
        picture[y : y + 15, x : x + 12] = level
    return picture


def opened(path: Path, picture: np.ndarray | Image.Image, **options: object) -> tuple[np.ndarray, str]:
    """The hole of a picture that is saved there, and the notes about it."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(path)
    height, width = image.height, image.width
    reader = open_masks(path, length=1, size=(height, width), **options)
    return next(reader.masks())[0].numpy() > 0, " | ".join(reader.notes)


LABELS = {
    "0 to 3": (1, 2, 3),
    "a single one": (7,),
    "half intensity": (127,),
    "up to 21": (1, 5, 9, 15, 20, 21),
    "one class and a rim of 255": (15, 255),
    "some above half": (40, 90, 140, 200),
    "spread over the range": (85, 170, 255),
    "high numbers of classes": (12, 77, 150),
    "forty classes": tuple(range(1, 17)),
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_labels_are_hole_and_said(tmp_path: Path, name: str, suffix: str) -> None:
    picture = areas(*LABELS[name]).astype(np.uint8)
    hole, notes = opened(tmp_path / f"m{suffix}", picture)
    assert np.array_equal(hole, picture > 0)
    assert "are taken for labels, and everything but 0 is hole" in notes
    assert f"({LABELS[name][0]}" in notes
    hole, _ = opened(tmp_path / f"m{suffix}", picture, invert=True)
    assert np.array_equal(hole, picture == 0)


@pytest.mark.parametrize("levels", [(1, 2, 3), (11, 300, 1000), (24001, 26001, 26002), (3, 3000, 40000)])
def test_labels_of_sixteen_bits(tmp_path: Path, levels: tuple[int, ...]) -> None:
    picture = areas(*levels)
    hole, notes = opened(tmp_path / "m.png", picture)
    assert np.array_equal(hole, picture > 0), "a low label must not be rounded to 0"
    assert "labels" in notes


def test_labels_in_thin_lines(tmp_path: Path) -> None:
    picture = np.zeros(SIZE, np.uint8)
    cv2.line(picture, (3, 3), (70, 50), 2)
    cv2.line(picture, (70, 5), (3, 40), 3)
    hole, _ = opened(tmp_path / "m.png", picture)
    assert np.array_equal(hole, picture > 0)


def test_dark_colours_of_labels(tmp_path: Path) -> None:
    """Colours that differ by less than compression does are grey to us; flat ones are labels all the same."""
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[10:30, 10:30], picture[30:50, 30:60] = (32, 0, 0), (0, 48, 16)
    hole, _ = opened(tmp_path / "m.png", picture)
    assert np.array_equal(hole, picture.any(axis=-1))


def silhouette(soft: float) -> np.ndarray:
    disc = np.zeros(SIZE, np.float32)
    cv2.circle(disc, (40, 30), 20, 1.0, -1)
    return cv2.GaussianBlur(disc, (0, 0), soft) if soft else disc


@pytest.mark.parametrize("soft", [0.6, 2.0, 6.0])
def test_soft_edges_are_no_labels(tmp_path: Path, soft: float) -> None:
    grey = np.rint(silhouette(soft) * 255).astype(np.uint8)
    hole, notes = opened(tmp_path / "m.png", grey)
    assert np.array_equal(hole, grey >= 128)
    assert "are taken for" not in notes


def test_a_wide_ramp_is_no_label_though_each_of_its_steps_is_flat(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8), 12)[None].repeat(8, axis=0)
    hole, notes = opened(tmp_path / "m.png", ramp)
    assert np.array_equal(hole, ramp >= 128)
    assert "are taken for" not in notes
    with pytest.raises(UserError, match="no mask has a hole"):
        opened(tmp_path / "m.png", ramp // 3)


def test_edges_of_few_greys_are_no_labels(tmp_path: Path) -> None:
    """As drawn by programs that smooth edges by two or four samples a side."""
    for samples in (2, 4):
        large = np.zeros((SIZE[0] * samples, SIZE[1] * samples), np.float32)
        cv2.circle(large, (40 * samples, 30 * samples), 20 * samples, 1.0, -1)
        grey = np.rint(255 * reduce(large, "(h a) (w b) -> h w", "mean", a=samples, b=samples)).astype(np.uint8)
        assert 3 < len(np.unique(grey)) < 32
        hole, notes = opened(tmp_path / "m.png", grey)
        assert np.array_equal(hole, grey >= 128)
        assert "labels" not in notes.replace(str(tmp_path), "")


@pytest.mark.parametrize("quality", [20, 50, 90])
def test_what_jpeg_left_in_a_png_is_no_label(tmp_path: Path, quality: int) -> None:
    _, coded = cv2.imencode(".jpg", np.rint(silhouette(0) * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    grey = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    assert ((grey > 0) & (grey < 128)).any()
    hole, notes = opened(tmp_path / "m.png", grey)
    assert np.array_equal(hole, grey >= 128)
    assert "are taken for" not in notes


@pytest.mark.parametrize("ground, white", [(1, 255), (16, 235), (120, 255), (0, 200), (0, 255)])
def test_two_tones_are_split_in_the_middle(tmp_path: Path, ground: int, white: int) -> None:
    picture = areas(white, white, ground=ground).astype(np.uint8)
    hole, notes = opened(tmp_path / "m.png", picture)
    assert np.array_equal(hole, picture == white)
    assert "if they are labels" not in notes
    assert "are taken for" not in notes


def test_faint_areas_beside_white_are_said(tmp_path: Path) -> None:
    hole, notes = opened(tmp_path / "m.png", areas(255, 2, 3).astype(np.uint8))
    assert hole.any()
    assert "areas of the values 1 to 3 count as known" in notes


NO_MASKS = {
    "black": np.zeros(SIZE, np.uint8),
    "a dark photograph": (photographs.camera()[:60, :80] // 3).astype(np.uint8),
    "dark noise": np.random.default_rng(0).integers(0, 100, SIZE).astype(np.uint8),
    "a soft mask at half strength": np.rint(silhouette(4) * 120).astype(np.uint8),
    "labels that begin at 1": areas(2, 3, ground=1).astype(np.uint8),
}


@pytest.mark.parametrize("name", NO_MASKS)
@pytest.mark.parametrize("how", ["as it is", "as alpha", "for all of five frames"])
def test_what_has_no_hole_is_refused_with_the_remedy(tmp_path: Path, name: str, how: str) -> None:
    picture = Image.fromarray(NO_MASKS[name])
    if how == "as alpha":
        picture = Image.merge("LA", [Image.new("L", picture.size), picture])
    picture.save(tmp_path / "m.png")
    with pytest.raises(UserError, match=r"m\.png: no mask has a hole, .* hole begins at 128\); paint holes white"):
        open_masks(tmp_path / "m.png", length=5 if "five" in how else 1, size=SIZE)


def test_masks_that_are_white_after_the_limit_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        Image.new("L", (8, 8), 255 * (number > 2)).save(tmp_path / f"{number}.png")
    assert len(list(open_masks(tmp_path, length=4, size=(8, 8)).masks())) == 4
    with pytest.raises(UserError, match="none of the first 2 masks has a hole"):
        open_masks(tmp_path, length=4, size=(8, 8), limit=2)


def test_labels_are_decided_by_the_whole_clip(tmp_path: Path) -> None:
    for number, levels in enumerate([(), (3,), (3, 90), (200,)]):
        Image.fromarray(areas(*levels).astype(np.uint8)).save(tmp_path / f"{number}.png")
    holes = [mask[0].numpy().sum() for mask in open_masks(tmp_path, length=4, size=SIZE).masks()]
    assert holes == [(areas(*levels) > 0).sum() for levels in [(), (3,), (3, 90), (200,)]]
