"""Pictures: several in one file are a clip, whatever its suffix; and what they carry is kept or said."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image, ImageCms, TiffImagePlugin

from tests.video.little_videos import moving_square
from vinpaint_lib.datasets.footage import VideoFolder
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import check_output, open_clip, read_clip, write_clip
from vinpaint_lib.video.sources import PictureFiles, open_source

FRAMES = moving_square(6)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # it holds the second it was made in
EXACT = {
    ".png": {},
    ".apng": {"format": "PNG"},
    ".tif": {},
    ".tiff": {"compression": "tiff_lzw"},
    ".webp": {"lossless": True},
}
LOSSY = {".avif": {"quality": 95}}


def stack(path: Path, frames: list[np.ndarray], **options: object) -> Path:
    """One file with several pictures."""
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=rest, **options)
    return path


def tensor(frames: list[np.ndarray]) -> torch.Tensor:
    return rearrange(torch.from_numpy(np.stack(frames)), "t h w c -> t c h w") / 255


# --- several pictures in one file


@pytest.mark.parametrize("suffix", [*EXACT, *LOSSY, ".gif"])
def test_every_picture_of_a_file_is_a_frame(tmp_path: Path, suffix: str) -> None:
    path = stack(tmp_path / f"c{suffix}", FRAMES, **(EXACT | LOSSY).get(suffix, {}))
    clip = read_clip(path)
    assert len(clip) == 6
    tolerance = 1e-6 if suffix in EXACT else 0.06  # AVIF is lossy, GIF has 256 colours
    assert (clip.frames - tensor(FRAMES)).abs().mean() < tolerance
    assert clip.names == ()
    out = write_clip(tmp_path / "out", iter(clip.frames), clip)
    assert sorted(file.name for file in out.iterdir()) == [f"{index:05d}.png" for index in range(6)]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif", ".gif"])
@pytest.mark.parametrize("durations", [[40] * 6, [40, 120, 40, 80, 40, 40]])
def test_times_of_an_animation_are_kept(tmp_path: Path, suffix: str, durations: list[int]) -> None:
    clip = open_clip(stack(tmp_path / f"c{suffix}", FRAMES, duration=durations))
    if len(set(durations)) == 1:
        assert (clip.fps, clip.times) == (25, None)
    else:
        assert clip.times == tuple(Fraction(sum(durations[:index]), 1000) for index in range(6))
        assert any("not evenly spaced" in note for note in clip.notes)
    back = open_clip(write_clip(tmp_path / "out.mp4", (frame for frame, _ in clip), clip))
    assert (len(back), back.times) == (6, clip.times)


def test_a_stack_of_tiff_has_the_rate_that_is_given(tmp_path: Path) -> None:
    path = stack(tmp_path / "c.tif", FRAMES)
    assert open_clip(path).fps == 24
    assert open_clip(path, fps=Fraction(12)).fps == 12


@pytest.mark.parametrize("durations", [[40] * 6, [40, 120, 40, 80, 40, 40]])
def test_a_rate_that_is_given_replaces_the_times_of_an_animation(tmp_path: Path, durations: list[int]) -> None:
    clip = open_clip(stack(tmp_path / "c.png", FRAMES, duration=durations), fps=Fraction(12))
    assert (clip.fps, clip.times, clip.notes) == (12, None, ())
    back = open_clip(write_clip(tmp_path / "out.mp4", (frame for frame, _ in clip), clip))
    assert (back.fps, back.times) == (12, None)


@pytest.mark.parametrize(
    "form, more, lossless",
    [
        ("PNG", {}, True), ("BMP", {}, True), ("GIF", {}, True), ("TIFF", {}, True),
        ("TIFF", {"compression": "jpeg"}, False),
        ("JPEG", {}, False), ("WEBP", {}, False), ("AVIF", {}, False),
    ],
)  # fmt: skip
def test_the_content_of_a_file_says_whether_it_is_lossless(
    tmp_path: Path, form: str, more: dict[str, str], lossless: bool
) -> None:
    path = tmp_path / "named.png"
    Image.fromarray(FRAMES[0]).save(path, format=form, **more)
    source = open_source(path)
    assert isinstance(source, PictureFiles)
    assert source.lossless is lossless


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".gif"])
def test_several_masks_in_one_file(tmp_path: Path, suffix: str) -> None:
    masks = [np.zeros((48, 64), np.uint8) for _ in range(6)]
    for index, mask in enumerate(masks):
        mask[8:24, 4 * index : 4 * index + 16] = 255
    options = {"lossless": True} if suffix == ".webp" else {}
    path = stack(tmp_path / f"m{suffix}", masks, **options)
    clip = read_clip(stack(tmp_path / "c.png", FRAMES), path)
    assert torch.equal(clip.masks[:, 0], torch.from_numpy(np.stack(masks)) / 255)


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".webp"), ("WEBP", ".png"), ("TIFF", ".jpg"), ("GIF", ".png")])
def test_the_content_says_what_a_file_is(tmp_path: Path, kind: str, suffix: str) -> None:
    path = stack(tmp_path / f"c{suffix}", FRAMES, format=kind)
    assert len(list(open_clip(path))) == 6
    Image.fromarray(FRAMES[0]).save(tmp_path / f"one{suffix}", format=kind)
    assert len(list(open_clip(tmp_path / f"one{suffix}"))) == 1
    Image.fromarray(FRAMES[0]).save(tmp_path / "one.mp4", format="PNG")
    assert torch.equal(read_clip(tmp_path / "one.mp4").frames, tensor(FRAMES[:1]))


def test_pictures_that_are_no_frames_are_none(tmp_path: Path) -> None:
    """A photograph's second view, a TIFF's thumbnail, a PNG's picture for viewers that know no animation."""
    stack(tmp_path / "phone.jpg", FRAMES[:2], format="MPO")
    assert len(open_clip(tmp_path / "phone.jpg")) == 1
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    small = Image.fromarray(FRAMES[0]).resize((16, 12))
    small.encoderinfo = {"tiffinfo": tags}
    Image.fromarray(FRAMES[0]).save(tmp_path / "scan.tif", save_all=True, append_images=[small])
    assert (len(open_clip(tmp_path / "scan.tif")), open_clip(tmp_path / "scan.tif").size) == (1, (48, 64))
    black = np.zeros((48, 64, 3), np.uint8)
    stack(tmp_path / "a.png", [black, *FRAMES], default_image=True)
    assert torch.equal(read_clip(tmp_path / "a.png").frames, tensor(FRAMES))


def test_pictures_of_two_sizes_in_one_file_are_refused(tmp_path: Path) -> None:
    path = stack(tmp_path / "c.tif", [FRAMES[0], FRAMES[1][:40]])
    with pytest.raises(UserError, match=r"c\.tif: holds pictures of different sizes, the first is 64x48 and picture 2"):
        open_clip(path)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_a_stack_that_is_cut_short_is_refused_when_opened(tmp_path: Path, suffix: str) -> None:
    noise = list(np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8))
    path = stack(tmp_path / f"c{suffix}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"c\{suffix}"):
        open_clip(path)


def test_a_folder_gives_the_first_of_each_file_and_says_so(tmp_path: Path) -> None:
    for index in range(2):
        stack(tmp_path / f"{index}.webp", FRAMES[index : index + 3], lossless=True)
    clip = read_clip(tmp_path)
    assert torch.equal(clip.frames, tensor(FRAMES[:2]))
    assert any("0.webp holds several" in note for note in open_clip(tmp_path).notes)


def test_part_of_a_stack_is_read_for_training(tmp_path: Path) -> None:
    path = stack(tmp_path / "c.tif", FRAMES)
    clip = VideoFolder(path).read(0, (48, 64), range(1, 6, 2))
    torch.testing.assert_close(clip.frames, tensor(FRAMES[1:6:2]), atol=1e-6, rtol=0)


# --- what pictures carry


def folder(place: Path, arrays: list[np.ndarray], suffix: str = ".png", **options: object) -> Path:
    place.mkdir()
    for index, array in enumerate(arrays):
        Image.fromarray(array).save(place / f"{index}{suffix}", **options)
    return place


def said(path: Path, *words: str) -> bool:
    """Whether the one note of a clip has all these words."""
    notes = open_clip(path).notes
    return len(notes) == 1 and all(word in notes[0] for word in words)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_pictures_are_said(tmp_path: Path, suffix: str, channels: int) -> None:
    deep = np.dstack([FRAMES[0].astype(np.uint16) * 257 + 100, np.full((48, 64), 65535, np.uint16)])
    (tmp_path / "f").mkdir()
    cv2.imwrite(str(tmp_path / "f" / f"0{suffix}"), deep[..., :channels].squeeze())
    assert said(tmp_path / "f", "more than 8 bits")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp", ".jpg"])
def test_plain_pictures_need_no_word(tmp_path: Path, suffix: str) -> None:
    assert open_clip(folder(tmp_path / "f", FRAMES[:2], suffix)).notes == ()
    mask = np.zeros((48, 64, 4), np.uint8)
    mask[8:20, 8:20] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    assert open_clip(tmp_path / "f", tmp_path / "m.png").notes == ()  # the alpha of a mask is used, not lost


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif"])
def test_transparency_is_said(tmp_path: Path, suffix: str) -> None:
    clear = np.full((48, 64), 255, np.uint8)
    clear[:, :20] = 0
    path = tmp_path / f"one{suffix}"
    Image.fromarray(np.dstack([FRAMES[0], clear])).save(path)
    assert said(path, "transparency")


def test_camera_data_is_said_and_a_turn_alone_is_not(tmp_path: Path) -> None:
    turn, shot = Image.Exif(), Image.Exif()
    turn[0x0112] = 3
    shot[0x0110] = "a camera"
    assert open_clip(folder(tmp_path / "turn", FRAMES[:1], ".jpg", exif=turn)).notes == ()
    assert said(folder(tmp_path / "shot", FRAMES[:1], ".jpg", exif=shot), "EXIF")


def profile(wide: bool = False) -> bytes:
    """sRGB's profile, or the same with another name."""
    content = SRGB
    for old, new in {"sRGB built-in": "Wide made-up!"}.items() if wide else ():
        for form in ("utf-16-be", "ascii"):
            content = content.replace(old.encode(form), new.encode(form))
    assert (content != SRGB) == wide
    return content


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_a_colour_profile_goes_into_the_pngs(tmp_path: Path, suffix: str) -> None:
    clip = open_clip(folder(tmp_path / "f", FRAMES[:2], suffix, icc_profile=profile()))
    assert clip.notes == ()
    out = write_clip(tmp_path / "out", (frame for frame, _ in clip), clip)
    for file in sorted(out.iterdir()):
        with Image.open(file) as picture:
            assert picture.info["icc_profile"] == profile()
            picture.load()
    assert torch.equal(read_clip(out).frames, clip.load().frames)  # pixels as they were
    assert check_output(tmp_path / "out.mp4", clip) == []  # sRGB is what players show anyway
    one = open_clip(tmp_path / "f" / f"0{suffix}")
    written = write_clip(tmp_path / "one.png", (frame for frame, _ in one), one)
    with Image.open(written) as picture:
        assert picture.info["icc_profile"] == profile()


def test_profiles_that_cannot_be_kept_are_said(tmp_path: Path) -> None:
    wide = profile(wide=True)
    clip = open_clip(folder(tmp_path / "wide", FRAMES[:2], icc_profile=wide))
    assert any("colour profile" in note for note in check_output(tmp_path / "out.mp4", clip))
    place = folder(tmp_path / "two", FRAMES[:1], icc_profile=wide)
    Image.fromarray(FRAMES[1]).save(place / "1.png", icc_profile=profile())
    assert said(place, "profiles", "differ")
    grey = bytearray(profile())
    grey[16:20] = b"GRAY"
    assert said(folder(tmp_path / "grey", [FRAMES[0][..., 0]], icc_profile=bytes(grey)), "profile", "grey")
