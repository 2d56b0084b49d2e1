"""Masks: every usual form gives the same holes, noise gives none, and the lint says what is odd."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.video.little_videos import film, moving_square
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import lint_masks, open_clip
from vinpaint_lib.video.mask_files.reader import open_masks

SIZE = (40, 56)
LENGTH = 6


def truth(index: int = 0) -> np.ndarray:
    """A disc that moves, with a notch: neither symmetric nor convex."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    hole = (y - 16) ** 2 + (x - 18 - 2 * index) ** 2 < 100
    return hole & ~((y > 16) & (x > 20 + 2 * index))


def save(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def read(path: Path, length: int = 1, **options: object) -> torch.Tensor:
    masks = list(open_masks(path, length=length, size=SIZE, **options).masks())
    assert all(mask.dtype == torch.float32 and mask.shape == (1, *SIZE) for mask in masks)
    assert all(((mask == 0) | (mask == 1)).all() for mask in masks)
    return torch.stack(masks)


def lint(path: Path, length: int = 1, **options: object) -> str:
    return " | ".join(lint_masks(path, length=length, size=SIZE, **options))


def indexed(hole: np.ndarray, palette: list[int], labels: tuple[int, int] = (0, 1)) -> Image.Image:
    picture = Image.fromarray(np.where(hole, labels[1], labels[0]).astype(np.uint8), mode="P")
    picture.putpalette(palette)
    return picture


def form(kind: str, path: Path) -> Path:
    """The disc as people save it."""
    hole = truth()
    byte = hole.astype(np.uint8)
    colours = np.stack([byte * 255] * 3, axis=-1)
    photo = moving_square(1, *SIZE)[0]
    match kind:
        case "0/255":
            save(path, byte * 255)
        case "0/1":
            save(path, byte)
        case "one bit":
            save(path, byte * 255, "1")
        case "16 bit":
            save(path, byte.astype(np.uint16) * 65535)
        case "16 bit, 0/1":
            save(path, byte.astype(np.uint16))
        case "16 bit, 0/255":
            save(path, byte.astype(np.uint16) * 255)
        case "grey as RGB":
            save(path, colours)
        case "red":
            save(path, colours * np.array([1, 0, 0], np.uint8))
        case "dark red":
            save(path, colours // 255 * np.array([128, 0, 0], np.uint8))
        case "blue of DAVIS's ninth object":
            save(path, colours // 255 * np.array([0, 0, 64], np.uint8))
        case "alpha: strokes on nothing":
            save(path, np.concatenate([np.zeros_like(colours), colours[..., :1]], axis=-1))
        case "alpha: a cut-out of the photograph":
            save(path, np.concatenate([photo, colours[..., :1]], axis=-1))
        case "alpha that says nothing":
            save(path, np.concatenate([colours, np.full_like(colours[..., :1], 255)], axis=-1))
        case "grey and alpha":
            Image.merge("LA", [Image.fromarray(byte * 0), Image.fromarray(byte * 255)]).save(path)
        case "indexed, DAVIS colours":
            indexed(hole, [0, 0, 0, 128, 0, 0, 0, 128, 0], (0, 2)).save(path)
        case "indexed, index as grey":
            indexed(hole, [level for level in range(256) for _ in range(3)], (0, 3)).save(path)
        case "indexed, white first":
            indexed(hole, [255, 255, 255, 0, 0, 0], (1, 0)).save(path)
        case "indexed, one bit":
            indexed(hole, [0, 0, 0, 255, 0, 0]).save(path, bits=1)
    return path


FORMS = (
    "0/255", "0/1", "one bit", "16 bit", "16 bit, 0/1", "16 bit, 0/255", "grey as RGB", "red", "dark red",
    "blue of DAVIS's ninth object",
    "alpha: strokes on nothing", "alpha: a cut-out of the photograph", "alpha that says nothing", "grey and alpha",
    "indexed, DAVIS colours", "indexed, index as grey", "indexed, white first", "indexed, one bit",
)  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_every_usual_form_gives_the_same_hole(tmp_path: Path, kind: str) -> None:
    path = form(kind, tmp_path / "mask.png")
    assert torch.equal(read(path)[0, 0], torch.from_numpy(truth()).float())
    assert lint(path) == ""


def test_float_tiff_counts_from_half(tmp_path: Path) -> None:
    path = save(tmp_path / "mask.tif", truth().astype(np.float32))
    assert torch.equal(read(path)[0, 0], torch.from_numpy(truth()).float())


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_noise_does_not_become_hole(tmp_path: Path, quality: int) -> None:
    path = save(tmp_path / "mask.jpg", truth().astype(np.uint8) * 255, quality=quality)
    values = np.asarray(Image.open(path))
    assert ((values > 0) & (values < 64)).any(), "the file has no noise to be fooled by"
    # The hole may move by the edge pixels that JPEG blurs across half grey, not by the noise around it.
    wrong = read(path)[0, 0].numpy() != truth()
    edge = cv2.dilate(truth().astype(np.uint8), np.ones((3, 3))) - cv2.erode(truth().astype(np.uint8), np.ones((3, 3)))
    assert not (wrong & (edge == 0)).any()
    assert wrong.sum() < 0.02 * truth().sum()


def test_an_empty_jpeg_with_noise_of_one_level_stays_empty(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2, SIZE).astype(np.uint8)
    path = save(tmp_path / "mask.jpg", noise, quality=100)
    assert np.asarray(Image.open(path)).max() >= 1
    assert "no mask has a hole" in lint(path)
    with pytest.raises(UserError, match="no mask has a hole, nothing would be filled"):
        read(path)


def test_video_masks_survive_compression(tmp_path: Path) -> None:
    pictures = [np.repeat(truth(index)[..., None].astype(np.uint8) * 255, 3, axis=-1) for index in range(LENGTH)]
    path = film(tmp_path / "mask.mp4", pictures, options={"crf": "28"})
    wrong = read(path, LENGTH)[:, 0].numpy() != np.stack([truth(index) for index in range(LENGTH)])
    assert wrong.mean() < 0.01
    empty = film(tmp_path / "empty.mp4", [picture // 255 for picture in pictures])
    assert "no mask has a hole" in lint(empty, LENGTH), "one level of compressed video is noise"
    exact = film(
        tmp_path / "exact.mkv", [p // 255 for p in pictures], codec="ffv1", pixels="gray", options={"level": "3"}
    )
    assert np.array_equal(read(exact, LENGTH)[:, 0].numpy(), np.stack([truth(index) for index in range(LENGTH)]))


def test_folder_of_masks_goes_frame_by_frame_and_one_serves_all(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for index in range(LENGTH):
        save(tmp_path / "masks" / f"{index}.png", truth(index).astype(np.uint8) * 255)
    masks = read(tmp_path / "masks", LENGTH)
    assert np.array_equal(masks[:, 0].numpy(), np.stack([truth(index) for index in range(LENGTH)]))
    one = read(tmp_path / "masks" / "2.png", LENGTH)
    assert len(one) == LENGTH
    assert all(np.array_equal(mask[0].numpy(), truth(2)) for mask in one)
    first, second = list(open_masks(tmp_path / "masks" / "2.png", length=2, size=SIZE).masks())
    first.zero_()
    assert second.any(), "frames must not share memory"


def test_scale_is_decided_by_the_whole_clip(tmp_path: Path) -> None:
    """A faint frame among 0/255 masks is an empty one, not a 0/1 mask."""
    (tmp_path / "masks").mkdir()
    save(tmp_path / "masks" / "0.png", truth().astype(np.uint8) * 255)
    save(tmp_path / "masks" / "1.png", truth().astype(np.uint8))
    masks = read(tmp_path / "masks", 2)
    assert masks[0].any()
    assert not masks[1].any()
    assert "areas of the values 1 to 1 count as known" in lint(tmp_path / "masks", 2)


def test_alpha_is_decided_by_the_whole_clip(tmp_path: Path) -> None:
    """Strokes on nothing: a frame without strokes is empty though its colour is white."""
    (tmp_path / "masks").mkdir()
    layer = np.full((*SIZE, 4), 255, np.uint8)
    for index, alpha in enumerate((truth(), np.zeros(SIZE))):
        layer[..., 3] = alpha * 255
        save(tmp_path / "masks" / f"{index}.png", layer)
    masks = read(tmp_path / "masks", 2)
    assert np.array_equal(masks[0, 0].numpy(), truth())
    assert not masks[1].any()


def test_invert_and_dilate(tmp_path: Path) -> None:
    path = save(tmp_path / "mask.png", truth().astype(np.uint8) * 255)
    assert np.array_equal(read(path, invert=True)[0, 0].numpy(), ~truth())
    grown = read(path, dilate=3)[0, 0].numpy()
    y, x = np.nonzero(truth())
    slow = np.zeros(SIZE, bool)
    for i in range(SIZE[0]):
        for j in range(SIZE[1]):
            slow[i, j] = ((y - i) ** 2 + (x - j) ** 2).min() <= 9
    assert np.array_equal(grown, slow)
    y, x = np.nonzero(~truth())
    both = read(path, invert=True, dilate=2)[0, 0].numpy()
    slow = [[((y - i) ** 2 + (x - j) ** 2).min() <= 4 for j in range(SIZE[1])] for i in range(SIZE[0])]
    assert np.array_equal(both, np.array(slow)), "holes grow after they were swapped"
    with pytest.raises(UserError, match="-1 pixels"):
        read(path, dilate=-1)


# --- the lint


def test_half_grey_is_reported_and_soft_edges_are_not(tmp_path: Path) -> None:
    half = save(tmp_path / "half.jpg", truth().astype(np.uint8) * 140, quality=95)
    assert "half grey" in lint(half)
    ground = save(tmp_path / "ground.png", np.where(truth(), 255, 120).astype(np.uint8))
    assert "half grey" in lint(ground)
    big = cv2.resize(truth().astype(np.uint8) * 255, (560, 400), interpolation=cv2.INTER_LINEAR)
    soft = save(tmp_path / "soft.png", cv2.GaussianBlur(big, (0, 0), 1.5))
    assert lint_masks(soft, length=1, size=(400, 560)) == []


def test_wrong_polarity_is_reported_with_the_remedy(tmp_path: Path) -> None:
    path = save(tmp_path / "mask.png", np.where(truth(), 0, 255).astype(np.uint8))
    assert "looks inverted; use --invert-mask" in lint(path)
    assert lint(path, invert=True) == ""
    right = save(tmp_path / "right.png", truth().astype(np.uint8) * 255)
    assert "looks inverted; leave out --invert-mask" in lint(right, invert=True)


def test_empty_masks_are_named(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for index in range(9):
        save(tmp_path / "masks" / f"{index}.png", truth().astype(np.uint8) * (0 if index in (1, 4, 5, 6, 8) else 255))
    assert "5 of 9 masks are empty (frame 1, 4-6, 8, counted from 0)" in lint(tmp_path / "masks", 9)
    dark = save(tmp_path / "dark.jpg", truth().astype(np.uint8) * 3, quality=100)
    message = lint(dark)
    assert "no mask has a hole" in message
    assert "largest value is 4" in message
    white = save(tmp_path / "white.png", np.full(SIZE, 255, np.uint8))
    assert "leave it out" in lint(white, invert=True)


def test_other_sizes_of_the_same_shape_are_resized_and_said(tmp_path: Path) -> None:
    double = np.kron(truth(), np.ones((2, 2))).astype(np.uint8) * 255
    path = save(tmp_path / "mask.png", double)
    assert "masks of 112x80 are resized to 56x40" in lint(path)
    assert np.array_equal(read(path)[0, 0].numpy(), truth())
    # Single pixels, and a size at which no centre falls on a border: blending four neighbours would differ.
    noise = np.random.default_rng(0).integers(0, 2, (80, 112), dtype=np.uint8)
    other = next(open_masks(save(path, noise * 255), length=1, size=SIZE).at((96, 96)).masks())[0]
    slow = [[noise[int((i + 0.5) * 80 / 96), int((j + 0.5) * 112 / 96)] for j in range(96)] for i in range(96)]
    assert other.tolist() == np.array(slow).tolist()
    turned = save(tmp_path / "turned.png", truth().T.astype(np.uint8) * 255)
    assert "40x56 do not fit frames of 56x40" in lint(turned)
    with pytest.raises(UserError, match="do not fit"):
        read(turned)
    davis = save(tmp_path / "davis.png", np.pad(np.ones((239, 432), np.uint8), ((1, 0), (0, 0))))
    assert open_masks(davis, length=1, size=(480, 854)).notes[0].endswith("nearest neighbour")


def test_other_counts_are_refused_with_both_numbers(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for index in range(4):
        save(tmp_path / "masks" / f"{index}.png", truth().astype(np.uint8) * 255)
    assert "4 masks for 6 frames" in lint(tmp_path / "masks", 6)
    assert "4 masks for 3 frames" in lint(tmp_path / "masks", 3)
    clip = film(tmp_path / "clip.mp4", moving_square(LENGTH, *SIZE), rate=Fraction(24))
    with pytest.raises(UserError, match="4 masks for 6 frames, of which 5 are used"):
        open_clip(clip, tmp_path / "masks", limit=5)
    assert open_clip(clip, tmp_path / "masks", limit=4).load().masks.shape == (4, 1, *SIZE)
    single = save(tmp_path / "single.png", moving_square(1, *SIZE)[0])
    with pytest.raises(UserError, match="4 masks for 1 frames"):
        open_clip(single, tmp_path / "masks")


def test_limit_walks_only_the_masks_that_are_used(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for index in range(4):
        save(tmp_path / "masks" / f"{index}.png", truth().astype(np.uint8) * (255 if index < 2 else 0))
    assert open_masks(tmp_path / "masks", length=4, size=SIZE, limit=2).notes == ()
    assert "frame 2-3" in open_masks(tmp_path / "masks", length=4, size=SIZE).notes[0]


def test_unreadable_masks_are_named(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"mask\.png"):
        read(tmp_path / "mask.png")
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "none.png")


def test_davis_annotations_are_clean(davis: Path) -> None:
    for clip in ("dog", "bmx-trees"):
        folder = davis / "Annotations" / "480p" / clip
        length = len(list(folder.glob("*.png")))
        reader = open_masks(folder, length=length, size=(480, 854), limit=5)
        assert reader.notes == ()
        first = cv2.imread(str(folder / "00000.png"), cv2.IMREAD_GRAYSCALE)
        assert np.array_equal(next(reader.masks())[0].numpy(), first > 127)
