"""Clips: what is in a file comes out of it, in number, size, rate, turn and colour; and what cannot be read is said."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image

from tests.video.little_videos import film, flash_and_click, moving_square, turn
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import Clip, open_clip, read_clip

NTSC = Fraction(24000, 1001)


def save(path: Path, picture: np.ndarray, **options: object) -> Path:
    Image.fromarray(picture).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures whose names sort wrongly as text, with things between them that are no frames."""
    place = tmp_path / "frames"
    place.mkdir()
    for index in range(12):
        save(place / f"f{index}.png", np.full((6, 8, 3), 20 * index, np.uint8))
    save(place / ".hidden.png", np.zeros((3, 3, 3), np.uint8))
    (place / "._f1.png").write_bytes(b"resource fork")
    (place / "Thumbs.db").write_bytes(b"no picture")
    (place / "masks").mkdir()
    return place


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return film(tmp_path / "square.mp4", moving_square(12), rate=NTSC)


# --- folders and pictures


def test_folder_comes_in_natural_order_without_hidden_files(folder: Path) -> None:
    clip = read_clip(folder)
    assert clip.names == tuple(f"f{index}.png" for index in range(12))
    levels = (clip.frames[:, 0, 0, 0] * 255).round().int().tolist()
    assert levels == [20 * index for index in range(12)]
    assert (clip.name, clip.fps, clip.audio, clip.size) == ("frames", 24, None, (6, 8))
    assert clip.masks.shape == (12, 1, 6, 8)
    assert not clip.masks.any()


def test_rate_of_a_folder_can_be_given(folder: Path) -> None:
    assert open_clip(folder, fps=Fraction(30000, 1001)).fps == Fraction(30000, 1001)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".TIFF"])
def test_every_kind_of_picture_is_a_clip_of_one_frame(tmp_path: Path, suffix: str) -> None:
    picture = np.kron(moving_square(1, 6, 8)[0], np.ones((8, 8, 1), np.uint8))
    clip = read_clip(save(tmp_path / f"one{suffix}", picture))
    assert len(clip) == 1
    lossy = suffix in (".jpg", ".jpeg", ".webp")
    # JPEG and WebP keep flat 8x8 blocks within some levels; the others keep every value.
    difference = (clip.frames[0] * 255 - rearrange(torch.from_numpy(picture), "h w c -> c h w")).abs()
    assert difference.mean() < (6 if lossy else 1e-4)


def test_forms_of_grey_and_transparency_become_rgb(tmp_path: Path) -> None:
    deep = save(tmp_path / "deep.png", np.array([[0, 32768, 65535]], np.uint16))
    torch.testing.assert_close(read_clip(deep).frames[0, :, 0], torch.tensor([[0, 128 / 255, 1]]).expand(3, 3))
    clear = save(tmp_path / "clear.png", np.array([[[10, 20, 30, 0], [40, 50, 60, 255]]], np.uint8))
    assert (read_clip(clear).frames[0, :, 0, 0] * 255).round().tolist() == [10, 20, 30]
    indexed = Image.fromarray(np.array([[1, 0]], np.uint8), mode="P")
    indexed.putpalette([1, 2, 3, 200, 100, 50])
    indexed.save(tmp_path / "indexed.png")
    assert (read_clip(tmp_path / "indexed.png").frames[0, :, 0, 0] * 255).round().tolist() == [200, 100, 50]


def test_exif_turn_of_a_photograph_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:8, :16] = 255
    clip = open_clip(save(tmp_path / "phone.jpg", picture, exif=exif, quality=95))
    assert clip.size == (32, 16)
    (frame, _), *_ = clip
    assert frame.shape == (3, 32, 16)
    assert frame[:, :14, 10:].min() > 0.9  # the bright quarter went from top left to top right
    assert frame[:, 18:].max() < 0.1


# --- videos


def test_video_keeps_exact_rate_length_and_content(video: Path) -> None:
    clip = open_clip(video)
    assert (clip.fps, len(clip), clip.size, clip.audio, clip.times) == (NTSC, 12, (48, 64), None, None)
    frames = torch.stack([frame for frame, _ in clip])
    truth = rearrange(torch.from_numpy(np.stack(moving_square(12))), "t h w c -> t c h w") / 255
    # crf 10 and half the colour resolution: the mean stays within 4 levels, and no frame is out of place.
    assert (frames - truth).abs().mean() * 255 < 4
    for index in range(12):
        nearest = (frames[index] - truth).abs().mean(dim=(1, 2, 3)).argmin()
        assert nearest == index


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi"])
@pytest.mark.parametrize("rate", [NTSC, Fraction(25), Fraction(30000, 1001)])
def test_rate_is_exact_in_every_container(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    clip = open_clip(film(tmp_path / f"clip{suffix}", moving_square(30), rate=rate))
    assert (clip.fps, len(clip), clip.times) == (rate, 30, None)
    assert sum(1 for _ in clip) == 30


def test_walks_are_lazy_and_repeatable(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = open_clip(video)
    opened: list[str] = []
    plain = av.open
    monkeypatch.setattr(av, "open", lambda *given, **named: opened.append(given[0]) or plain(*given, **named))
    walk = iter(clip)
    assert not opened
    next(walk)
    assert len(opened) == 1
    walk.close()
    first, second = list(clip), list(clip)
    assert len(first) == 12
    assert all(torch.equal(a, b) and torch.equal(m, n) for (a, m), (b, n) in zip(first, second))


def test_two_walks_at_once_do_not_disturb_each_other(video: Path) -> None:
    clip = open_clip(video)
    pairs = list(zip(clip, itertools.islice(clip, 12)))
    assert len(pairs) == 12
    assert all(torch.equal(a, b) for (a, _), (b, _) in pairs)


def test_uneven_times_are_kept_and_said(tmp_path: Path) -> None:
    times = [0, 33, 66, 133, 166, 200, 300, 333]
    clip = open_clip(film(tmp_path / "phone.mp4", moving_square(8), times=times))
    assert len(clip) == 8
    assert clip.times == tuple(Fraction(time, 1000) for time in times)
    assert clip.fps == Fraction(7, 1) / Fraction(333, 1000)
    assert any("not evenly spaced" in note for note in clip.notes)
    assert open_clip(tmp_path / "phone.mp4", limit=3).times == clip.times[:3]


@pytest.mark.parametrize(
    "matrix",
    [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]
    + [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)],
)  # fmt: skip
def test_rotation_marks_are_honoured(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 255
    path = turn(film(tmp_path / "phone.mp4", [picture] * 2), matrix)
    clip = open_clip(path)
    a, b, c, d = matrix
    # Oracle: x' = a x + c y, y' = b x + d y, from the centre; where the bright quarter's centre (-16, -12) goes.
    across, down = a * -16 + c * -12, b * -16 + d * -12
    assert clip.size == ((64, 48) if a == 0 else (48, 64))
    for frame, mask in clip:
        height, width = clip.size
        assert frame.shape == (3, height, width)
        assert mask.shape == (1, height, width)
        quarters = {
            (y, x): frame[:, y * height // 2 :, x * width // 2 :][:, : height // 2, : width // 2].mean()
            for y in (0, 1) for x in (0, 1)
        }  # fmt: skip
        assert max(quarters, key=quarters.__getitem__) == (int(down > 0), int(across > 0))


def test_colours_follow_the_tags_of_the_video(tmp_path: Path) -> None:
    """The same stored values mean other colours in BT.601, BT.709 and full range; against the matrices by hand."""
    luma, blue, red = 120, 90, 180
    matrices = {1: (0.2126, 0.0722), 5: (0.299, 0.114)}
    for (matrix, (kr, kb)), full in itertools.product(matrices.items(), (False, True)):
        y = luma / 255 if full else (luma - 16) / 219
        pb, pr = ((value - 128) / (255 if full else 224) for value in (blue, red))
        r, b = y + 2 * (1 - kr) * pr, y + 2 * (1 - kb) * pb
        expected = torch.tensor([r, (y - kr * r - kb * b) / (1 - kr - kb), b])
        path = tmp_path / f"{matrix}{full}.mp4"
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=24, options={"crf": "0", "profile": "high444"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full else 1
            planes = np.concatenate([np.full((48, 64), luma), np.full((12, 64), blue), np.full((12, 64), red)])
            frame = av.VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv420p")
            frame.colorspace, frame.color_range = matrix, 2 if full else 1
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        seen = read_clip(path).frames[0, :, 24, 32]
        assert (seen - expected).abs().max() * 255 < 1.01, (matrix, full)


# --- size, limit, masks


def test_resizing_averages_areas_and_masks_stay_binary(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    mask = np.zeros((12, 20), np.uint8)
    mask[:, 10:] = 255
    clip = read_clip(save(tmp_path / "a.png", picture), save(tmp_path / "m.png", mask), size=(4, 5))
    blocks = picture.reshape(4, 3, 5, 4, 3).astype(np.float64)
    slow = torch.tensor([[[blocks[i, :, j, :, c].mean() / 255 for j in range(5)] for i in range(4)] for c in range(3)])
    torch.testing.assert_close(clip.frames[0].double(), slow.double(), atol=1e-6, rtol=0)
    assert clip.size == (4, 5)
    assert clip.masks.unique().tolist() == [0, 1]
    larger = read_clip(tmp_path / "a.png", tmp_path / "m.png", size=(24, 40))
    assert larger.masks.unique().tolist() == [0, 1]
    assert torch.equal(larger.masks[0, 0, 0], (torch.arange(40) >= 20).float())
    assert torch.equal(read_clip(tmp_path / "a.png", size=(12, 20)).frames, read_clip(tmp_path / "a.png").frames)


def test_limit_and_load(folder: Path, video: Path) -> None:
    assert len(open_clip(video, limit=5)) == sum(1 for _ in open_clip(video, limit=5)) == 5
    assert len(open_clip(video, limit=99)) == 12
    clip = open_clip(folder).load(limit=3, size=(3, 4))
    assert (len(clip), clip.size, clip.names) == (3, (3, 4), ("f0.png", "f1.png", "f2.png"))
    assert clip.frames.shape == (3, 3, 3, 4)


def test_clip_in_memory_agrees_with_its_parts(video: Path, tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[8:20, 10:30] = 255
    clip = read_clip(video, save(tmp_path / "m.png", mask), limit=4)
    assert isinstance(clip, Clip)
    pairs = list(clip)
    assert len(pairs) == len(clip) == 4
    assert torch.equal(pairs[2][0], clip.frames[2])
    assert torch.equal(pairs[2][1], clip.masks[2])
    assert (clip.masked[:, :, 8:20, 10:30] == 0).all()
    assert torch.equal(clip.masked[:, :, 20:], clip.frames[:, :, 20:])


# --- what cannot be read


def refused(*given: object, **named: object) -> str:
    with pytest.raises(UserError) as caught:
        list(open_clip(*given, **named))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.mp4")
    for name, content in {
        "empty.mp4": b"",
        "zeros.mp4": bytes(4000),
        "notes.txt": b"a text\n" * 50,
        "x.png": b"no",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert name in refused(tmp_path / name)
    pictures, wave = flash_and_click(12, 6, Fraction(24))
    film(tmp_path / "both.mp4", pictures, sound="aac", wave=wave)
    with av.open(str(tmp_path / "both.mp4")) as source, av.open(str(tmp_path / "sound.mp4"), "w") as output:
        track = output.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = track
                output.mux(packet)
    assert "sound only" in refused(tmp_path / "sound.mp4")


@pytest.mark.parametrize("layout", [{}, {"movflags": "faststart"}, {"movflags": "frag_keyframe+empty_moov"}])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_cut_video_is_refused(tmp_path: Path, layout: dict[str, str], share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), dtype=np.uint8)
    path = film(tmp_path / "cut.mp4", list(noise), mux=layout)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "cut short" in refused(path)


def test_cut_matroska_is_read_as_far_as_it_goes_and_said(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), dtype=np.uint8)
    path = film(tmp_path / "cut.mkv", list(noise))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    clip = open_clip(path)
    assert any("cut short" in note for note in clip.notes)
    assert 20 < len(clip) < 40
    assert sum(1 for _ in clip) == len(clip)


def test_damage_inside_is_refused_at_its_place(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), dtype=np.uint8)
    path = film(tmp_path / "hurt.mp4", list(noise))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\x55" * 3000
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_a_length_that_the_decoder_does_not_confirm_is_refused(video: Path) -> None:
    clip = open_clip(video)
    for wrong in (11, 13):
        timing = type(clip.source.timing)(clip.fps, wrong)
        object.__setattr__(clip.source, "timing", timing)
        object.__setattr__(clip, "length", wrong)
        with pytest.raises(UserError, match=f"announces {wrong} frames"):
            list(clip)


def test_stream_that_begins_between_key_frames_is_counted_by_decoding(tmp_path: Path) -> None:
    """A recording cut at any packet: frames before the first key frame cannot be shown."""
    whole = film(tmp_path / "whole.ts", moving_square(40), options={"g": "10", "bf": "2", "x264-params": "scenecut=0"})
    with av.open(str(whole)) as source, av.open(str(tmp_path / "part.ts"), "w", format="mpegts") as output:
        track = output.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size and index >= 5:
                packet.stream = track
                output.mux(packet)
    clip = open_clip(tmp_path / "part.ts")
    assert len(clip) == sum(1 for _ in clip) > 25


def test_unreadable_pictures_are_named(folder: Path) -> None:
    whole = (folder / "f3.png").read_bytes()
    (folder / "f3.png").write_bytes(b"no picture at all")
    assert "f3.png" in refused(folder)
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    for cut, suffix in ((60, ".png"), (400, ".jpg")):
        (folder / "f3.png").unlink(missing_ok=True)
        save(folder / f"f3{suffix}", noise)
        content = (folder / f"f3{suffix}").read_bytes()
        (folder / f"f3{suffix}").write_bytes(content[: min(cut, len(content) - 30)])
        assert "f3" in refused(folder)
        (folder / f"f3{suffix}").unlink()
    (folder / "f3.png").write_bytes(whole)
    assert len(read_clip(folder)) == 12


def test_folders_that_are_no_clip_are_refused(folder: Path, tmp_path: Path) -> None:
    save(folder / "f5.png", np.zeros((6, 9, 3), np.uint8))
    message = refused(folder)
    assert "f0.png is 8x6" in message
    assert "f5.png is 9x6" in message
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    assert "no pictures" in refused(tmp_path / "outer")
    assert "inner" in refused(tmp_path / "outer")


def test_senseless_numbers_are_refused(video: Path) -> None:
    assert "0 frames" in refused(video, limit=0)
    assert "64x0" in refused(video, size=(0, 64))


# --- real video


def test_davis_clip_with_its_masks(davis: Path) -> None:
    frames, masks = (davis / kind / "480p" / "dog" for kind in ("JPEGImages", "Annotations"))
    clip = open_clip(frames, masks, size=(240, 432), limit=3)
    assert (len(clip), clip.size, clip.names[0], clip.notes) == (3, (240, 432), "00000.jpg", ())
    loaded = clip.load()
    assert loaded.masks.unique().tolist() == [0, 1]
    truth = cv2.imread(str(masks / "00002.png"), cv2.IMREAD_GRAYSCALE)
    # Nearest neighbour keeps the share of the hole within a fraction of a percent of the frame.
    assert abs(loaded.masks[2].mean() - (truth > 127).mean()) < 0.005
    picture = cv2.imread(str(frames / "00002.jpg"))[..., ::-1].copy()
    assert (
        loaded.frames[2].mean(dim=(1, 2)) * 255 - torch.from_numpy(picture).float().mean(dim=(0, 1))
    ).abs().max() < 1
