"""Writing: what was given comes back from the file, sound stays in time, and nothing half written is left."""

import os
import shutil
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from einops import rearrange, repeat
from skimage import data as photographs

from tests.video.little_videos import click_time, film, flash_and_click, flash_time, heard, moving_square, sound_packets
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import Clip, check_output, open_clip, read_clip, write_clip, write_folder, write_video
from vinpaint_lib.video.writing import write_picture

pytestmark = pytest.mark.slow

NTSC = Fraction(24000, 1001)


def ramp(length: int, height: int = 40, width: int = 56) -> torch.Tensor:
    """Frames that differ, with soft colours."""
    y, x, t = torch.meshgrid(torch.arange(height), torch.arange(width), torch.arange(length), indexing="ij")
    planes = torch.stack([x / width, y / height, (x + 3 * t) % width / width])
    return rearrange(planes, "c h w t -> t c h w").contiguous()


def clip_of(frames: torch.Tensor, **fields: object) -> Clip:
    return Clip(frames, torch.zeros(len(frames), 1, *frames.shape[-2:]), **fields)


# --- videos


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".MP4"])
@pytest.mark.parametrize("fps", [NTSC, Fraction(25), Fraction(30000, 1001)])
def test_video_keeps_rate_length_and_frames(tmp_path: Path, suffix: str, fps: Fraction) -> None:
    frames = ramp(9)
    path = write_video(tmp_path / f"out{suffix}", iter(frames), fps)
    clip = read_clip(path)
    assert (clip.fps, len(clip), clip.times, clip.audio) == (fps, 9, None, None)
    # crf 17 with half the colour resolution.
    assert (clip.frames - frames).abs().mean() * 255 < 4
    assert os.listdir(tmp_path) == [path.name]


def test_colours_do_not_shift(tmp_path: Path) -> None:
    """Flat patches of all colours come back within 2 levels each, and without a shift on average."""
    colours = torch.rand(3, 6, 8)
    frame = repeat(colours, "c h w -> c (h y) (w x)", y=16, x=16)
    back = read_clip(write_video(tmp_path / "out.mp4", [frame] * 3, Fraction(24))).frames
    inner = rearrange(back - frame, "t c (h y) (w x) -> t c h w y x", y=16, x=16)[..., 5:11, 5:11] * 255
    # 8-bit YUV alone costs up to 2 levels on saturated colours; the encoder may add one.
    assert inner.mean(dim=(-1, -2)).abs().max() < 3
    assert inner.mean(dim=(0, 2, 3, 4, 5)).abs().max() < 0.3


def test_colours_of_a_photograph_do_not_shift_through_many_generations(tmp_path: Path) -> None:
    # Soft and away from black and white: fine or extreme colours drift by subsampling and clipping, in any encoder.
    photo = cv2.GaussianBlur(cv2.resize(photographs.astronaut(), (256, 256)), (0, 0), 2)
    frames = first = 0.1 + 0.8 * rearrange(torch.from_numpy(photo), "h w c -> 1 c h w") / 255
    for generation in range(4):
        frames = read_clip(write_video(tmp_path / f"{generation}.mp4", frames, Fraction(24))).frames
    assert ((frames - first).mean(dim=(0, 2, 3)) * 255).abs().max() < 1  # 5.0 by FFmpeg's own rounding


def test_colour_tags_are_written(tmp_path: Path) -> None:
    path = write_video(tmp_path / "out.mp4", ramp(2), Fraction(24))
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range, context.pix_fmt)
    assert tags == (1, 1, 1, 1, "yuv420p")
    assert b"colrnclx" in path.read_bytes()


@pytest.mark.parametrize("size", [(39, 55), (39, 56), (40, 55), (1, 1), (3, 5), (2, 2)])
def test_odd_sizes_lose_nothing(tmp_path: Path, size: tuple[int, int]) -> None:
    # Colours of single pixels cannot survive yuv420p; grey can.
    frames = ramp(3, *size) if min(size) > 8 else repeat(ramp(3, *size)[:, 0], "t h w -> t c h w", c=3)
    path = write_video(tmp_path / "out.mp4", frames, Fraction(24))
    clip = read_clip(path)
    assert clip.size == size
    assert clip.frames.shape == frames.shape
    assert (clip.frames - frames).abs().mean() * 255 < 6
    with av.open(str(path)) as container:  # what a player without our comment shows: one line more, a copy of the last
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    height, width = size
    assert shown.shape[:2] == (height + height % 2, width + width % 2)
    if height % 2 and height > 8:
        assert np.abs(shown[-1] - shown[-2]).mean() < 8
    if width % 2 and width > 8:
        assert np.abs(shown[:, -1] - shown[:, -2]).mean() < 8


def test_comment_of_another_size_is_not_believed(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", moving_square(2))
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mp4"), "w") as output:
        output.metadata["comment"] = "content 27x19 of 28x20"
        track = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = track
                output.mux(packet)
    assert open_clip(tmp_path / "b.mp4").size == (48, 64)


def test_uneven_times_and_pixel_shape_are_kept(tmp_path: Path) -> None:
    times = [0, 33, 66, 133, 166, 200, 300, 333]

    def wide(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    clip = open_clip(film(tmp_path / "in.mp4", moving_square(8), times=times, tags=wide))
    assert clip.pixel_aspect == Fraction(4, 3)
    for suffix in (".mp4", ".mkv"):
        back = open_clip(write_clip(tmp_path / f"out{suffix}", (frame for frame, _ in clip), clip))
        assert back.times == clip.times
        assert back.pixel_aspect == Fraction(4, 3)
    assert open_clip(tmp_path / "in.mp4", size=(20, 30)).pixel_aspect == 1


def test_values_outside_are_clipped_and_rounded(tmp_path: Path) -> None:
    frame = torch.tensor([-0.5, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 7.0])
    write_folder(tmp_path / "out", [repeat(frame, "w -> 3 1 w")])
    levels = cv2.imread(str(tmp_path / "out" / "00000.png"))[0, :, 0]
    assert levels.tolist() == [0, 0, 0, 1, 255, 255]


# --- sound


@pytest.fixture
def sounding(tmp_path: Path) -> Path:
    pictures, wave = flash_and_click(48, 24, NTSC)
    return film(tmp_path / "in.mp4", pictures, rate=NTSC, sound="aac", wave=wave)


def test_sound_is_copied_bit_by_bit_and_stays_in_time(sounding: Path, tmp_path: Path) -> None:
    clip = open_clip(sounding)
    assert clip.audio == sounding
    assert check_output(tmp_path / "out.mp4", clip) == []
    out = write_clip(tmp_path / "out.mp4", (frame for frame, _ in clip), clip)
    assert sound_packets(out) == sound_packets(sounding)
    assert flash_time(out) == flash_time(sounding)
    assert abs(click_time(out) - flash_time(out)) < 0.002
    before, after = heard(sounding), heard(out)
    assert before[1:] == after[1:]
    np.testing.assert_array_equal(before[0], after[0])


def test_sound_is_cut_to_the_pictures(sounding: Path, tmp_path: Path) -> None:
    clip = open_clip(sounding, limit=30)
    out = write_clip(tmp_path / "out.mp4", (frame for frame, _ in clip), clip)
    wave, begin, samples = heard(out)
    end = begin + len(wave) / samples
    # One AAC packet is 1024 samples.
    assert 30 / NTSC <= end < 30 / NTSC + Fraction(1024, samples)
    assert abs(click_time(out) - flash_time(out)) < 0.002


@pytest.mark.parametrize(
    "suffix, codec, samples, first, kept",
    [
        (".mkv", "pcm_s16le", 48000, 0, "aac"),
        (".mkv", "pcm_s16le", 10000, 0, "aac"),
        (".ts", "aac", 48000, 5, "aac"),
        (".mkv", "libopus", 48000, 0, "opus"),
        (".mkv", "flac", 44100, 0, "flac"),
        (".mkv", "ac3", 48000, 0, "ac3"),
        (".mp4", "libmp3lame", 44100, 0, "mp3"),
    ],
)
@pytest.mark.parametrize("target", [".mp4", ".mkv"])
def test_sound_of_every_kind_stays_in_time(
    tmp_path: Path, suffix: str, codec: str, samples: int, first: int, kept: str, target: str
) -> None:
    pictures, wave = flash_and_click(48, 24, NTSC, samples)
    source = film(tmp_path / f"in{suffix}", pictures, rate=NTSC, sound=codec, wave=wave, samples=samples, first=first)
    clip = open_clip(source)
    notes = check_output(tmp_path / f"out{target}", clip)
    out = write_clip(tmp_path / f"out{target}", (frame for frame, _ in clip), clip)
    with av.open(str(out)) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == kept
    # The source's own offset between picture and sound is what must be kept; a millisecond is Matroska's clock.
    offset = click_time(source) - flash_time(source)
    assert abs(click_time(out) - flash_time(out) - offset) < 0.002
    assert open_clip(out).fps == NTSC
    assert len(open_clip(out)) == 48
    if codec.startswith("pcm"):
        assert len(notes) == 1
        assert "pcm_s16le" in notes[0]
    else:
        assert notes == []
        header = 7 if suffix == ".ts" else 0  # ADTS, which other containers leave out
        assert set(sound_packets(out)) <= {packet[header:] for packet in sound_packets(source)}


def test_every_sound_stream_is_kept(sounding: Path, tmp_path: Path) -> None:
    with av.open(str(sounding)) as source, av.open(str(tmp_path / "two.mp4"), "w") as output:
        tracks = {0: [output.add_stream_from_template(source.streams.video[0])]}
        tracks[1] = [output.add_stream_from_template(source.streams.audio[0]) for _ in range(2)]
        for packet in source.demux():
            if packet.size:
                content, stamps = bytes(packet), (packet.pts, packet.dts, packet.time_base, packet.is_keyframe)
                for track in tracks[packet.stream.index]:
                    copy = av.Packet(content)
                    copy.pts, copy.dts, copy.time_base, copy.is_keyframe = stamps
                    copy.stream = track
                    output.mux(copy)
    clip = open_clip(tmp_path / "two.mp4")
    out = write_clip(tmp_path / "out.mp4", (frame for frame, _ in clip), clip)
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 2


def test_sound_file_without_pictures_and_a_missing_one(tmp_path: Path) -> None:
    wave = np.zeros(48000, np.int16)
    wave[24000:24100] = 30000
    with av.open(str(tmp_path / "s.wav"), "w") as output:
        track = output.add_stream("pcm_s16le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        frame.sample_rate = 48000
        output.mux(track.encode(frame))
        output.mux(track.encode(None))
    out = write_video(tmp_path / "out.mp4", ramp(24), Fraction(24), tmp_path / "s.wav")
    assert abs(click_time(out) - 0.5) < 0.002
    with pytest.raises(UserError, match=r"none\.wav"):
        write_video(tmp_path / "no.mp4", ramp(2), Fraction(24), tmp_path / "none.wav")


# --- folders and pictures


def test_folder_of_pngs_is_exact_and_keeps_names(tmp_path: Path) -> None:
    frames = (ramp(3) * 255).round() / 255
    out = write_folder(tmp_path / "out", iter(frames), ["b10.jpg", "b9.png", "c.d.png"])
    assert sorted(os.listdir(out)) == ["b10.png", "b9.png", "c.d.png"]
    back = read_clip(out)
    assert back.names == ("b9.png", "b10.png", "c.d.png")
    torch.testing.assert_close(back.frames, frames[[1, 0, 2]], atol=1e-6, rtol=0)
    assert sorted(os.listdir(write_folder(tmp_path / "plain", frames))) == ["00000.png", "00001.png", "00002.png"]
    assert os.listdir(write_folder(tmp_path / "same", frames[:2], ["a.jpg", "a.png"])) != ["a.png"]
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode
    with pytest.raises(ValueError, match="more frames"):
        write_folder(tmp_path / "few", frames, ["one.png"])
    assert not (tmp_path / "few").exists()


def test_folder_in_folder_out_by_write_clip(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "in", ramp(3), ["x1.png", "x2.png", "x10.png"])
    clip = open_clip(source)
    out = write_clip(tmp_path / "out", (frame for frame, _ in clip), clip)
    assert read_clip(out).names == clip.names
    assert torch.equal(read_clip(out).frames, clip.load().frames)


def test_one_picture(tmp_path: Path) -> None:
    clip = clip_of(ramp(1))
    out = write_clip(tmp_path / "one.png", iter(clip.frames), clip)
    assert (read_clip(out).frames - clip.frames).abs().max() <= 0.51 / 255
    with pytest.raises(UserError, match="cannot hold 2 frames"):
        write_clip(tmp_path / "two.png", ramp(2), clip_of(ramp(2)))
    with pytest.raises(UserError, match="cannot hold 2 frames"):
        write_picture(tmp_path / "two.png", ramp(2))
    assert os.listdir(tmp_path) == ["one.png"]


def test_a_full_folder_is_kept_unless_it_holds_only_pictures_and_may_go(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write_folder(out, ramp(3))  # an empty one is taken
    assert len(os.listdir(out)) == 3
    with pytest.raises(UserError, match="not empty"):
        write_folder(out, ramp(2))
    write_folder(out, ramp(2), overwrite=True)
    assert len(os.listdir(out)) == 2
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        write_folder(out, ramp(2), overwrite=True)
    assert (out / "thesis.txt").read_text() == "years of work"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["a/b/c/out", "a/b/out.mp4", "a/b/out.MKV", "a/ü #%/one.png"])
def test_missing_folders_are_made_and_an_interrupted_run_takes_them_back(tmp_path: Path, name: str) -> None:
    clip = clip_of(ramp(1))
    with pytest.raises(KeyboardInterrupt):
        write_clip(tmp_path / name, failing(KeyboardInterrupt(), 1), clip)
    assert os.listdir(tmp_path) == []
    check_output(tmp_path / name, clip)
    assert os.listdir(tmp_path) == [], "a check makes nothing"
    write_clip(tmp_path / name, iter(clip.frames), clip)
    assert len(open_clip(tmp_path / name)) == 1


@pytest.mark.parametrize("name", ["link", "link.mp4", "link.mov", "link.png"])
def test_an_output_may_be_a_link(tmp_path: Path, name: str) -> None:
    real, clip = tmp_path / "far" / "real", clip_of(ramp(1))
    real.parent.mkdir()
    (tmp_path / name).symlink_to("far/real")
    for _ in range(2):  # made, then replaced
        write_clip(tmp_path / name, iter(clip.frames), clip, overwrite=True)
        assert (tmp_path / name).is_symlink()
        assert real.is_dir() == (name == "link")
        assert os.listdir(real.parent) == ["real"]
    assert len(open_clip(tmp_path / name)) == 1


def test_a_folder_keeps_its_rights_and_who_stands_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_folder(tmp_path, ramp(number + 1), overwrite=True)
        (tmp_path / ".hidden").write_text("mine")
    tmp_path.chmod(0o2755)
    before = tmp_path.stat()
    monkeypatch.chdir(tmp_path)
    write_folder(".", ramp(2), overwrite=True)
    assert (os.stat(".").st_ino, os.stat(".").st_mode) == (before.st_ino, before.st_mode)
    assert sorted(os.listdir(".")) == [".hidden", "00000.png", "00001.png"]


@pytest.mark.parametrize("name", ["out", "out.mp4", "one.png"])
def test_two_runs_do_not_write_to_one_place(tmp_path: Path, name: str) -> None:
    clip, said = clip_of(ramp(1)), []

    def meanwhile() -> Iterator[torch.Tensor]:
        for call in (check_output, lambda out, clip: write_clip(out, iter(clip.frames), clip)):
            with pytest.raises(UserError, match="another run") as error:
                call(tmp_path / name, clip)
            said.append(error)
        yield clip.frames[0]

    write_clip(tmp_path / name, meanwhile(), clip)
    assert len(said) == 2
    assert os.listdir(tmp_path) == [name]


def test_the_clip_s_own_pictures_are_never_replaced(tmp_path: Path) -> None:
    one = write_picture(tmp_path / "in" / "a.png", ramp(1))
    (tmp_path / "in" / "b.mp4").write_text("no picture of it")
    (tmp_path / "same").symlink_to("in")
    alone, clip = open_clip(one), open_clip(tmp_path / "in")
    (tmp_path / "in" / "b.mp4").unlink()
    for given, out in ((alone, "in"), (alone, "same"), (clip, "in"), (clip, "in/a.png"), (clip, "same/a.png")):
        with pytest.raises(UserError, match=r"would replace the input|is the input itself"):
            check_output(tmp_path / out, given, overwrite=True)
    for out in ("in/b.mp4", "in/b.png"):
        check_output(tmp_path / out, clip)


# --- interruption


def failing(error: BaseException, after: int = 3) -> Iterator[torch.Tensor]:
    yield from ramp(after)
    raise error


@pytest.mark.parametrize("error", [RuntimeError("model"), KeyboardInterrupt(), UserError("input"), GeneratorExit()])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out"])
@pytest.mark.parametrize("after", [0, 3, 90])  # the encoder looks ahead: 3 frames have not reached the disk, 90 have
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, name: str, error: BaseException, after: int) -> None:
    clip = clip_of(ramp(9))
    with pytest.raises(type(error)):
        write_clip(tmp_path / name, failing(error, after), clip)
    assert os.listdir(tmp_path) == []


def test_an_interrupted_run_keeps_what_stood_there(tmp_path: Path) -> None:
    video = write_video(tmp_path / "out.mp4", ramp(2), Fraction(24))
    folder = write_folder(tmp_path / "out", ramp(2))
    before = video.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_video(video, failing(KeyboardInterrupt()), Fraction(24))
    with pytest.raises(KeyboardInterrupt):
        write_folder(folder, failing(KeyboardInterrupt()), overwrite=True)
    assert video.read_bytes() == before
    assert len(os.listdir(folder)) == 2
    assert sorted(os.listdir(tmp_path)) == ["out", "out.mp4"]


def test_nothing_stands_under_the_final_name_while_it_is_written(tmp_path: Path) -> None:
    def watched(name: str) -> Iterator[torch.Tensor]:
        for frame in ramp(3):
            there = [*tmp_path.iterdir(), *(tmp_path / "out").glob("*")]
            assert [path.name for path in there if not path.name.startswith(".")] in ([], ["out"])
            yield frame

    for name in ("out", "out.mp4"):
        write_clip(tmp_path / name, watched(name), clip_of(ramp(3)))
        assert (tmp_path / name).exists()
        shutil.rmtree(tmp_path / "out", ignore_errors=True)


def test_frames_are_taken_one_by_one(tmp_path: Path) -> None:
    """A writer that collected the clip first would hold all of it."""

    def counted() -> Iterator[torch.Tensor]:
        made: list[weakref.ref] = []
        for index in range(30):
            frame = torch.full((3, 40, 56), index / 30)
            made.append(weakref.ref(frame))
            assert sum(kept() is not None for kept in made) < 4
            yield frame

    write_folder(tmp_path / "out", counted())
    write_video(tmp_path / "out.mp4", counted(), Fraction(24))


# --- what cannot be written


def test_targets_that_cannot_be_are_refused_before_any_frame_is_made(sounding: Path, tmp_path: Path) -> None:
    def never() -> Iterator[torch.Tensor]:
        pytest.fail("a frame was asked for")
        yield

    clip = open_clip(sounding)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dir.mp4").mkdir()
    cases = {
        "out.avi": "'.avi' cannot be written",
        "out.jpg": "'.jpg' cannot be written",
        "in.mp4/out.mp4": "in.mp4 is no folder",
        "file/a/b/out": "file is no folder",
        "file": "is a file",
        "in.mp4": "the input itself",
        "out.png": "cannot hold 48 frames",
    }
    for name, message in cases.items():
        with pytest.raises(UserError, match=message):
            write_clip(tmp_path / name, never(), clip)
        with pytest.raises(UserError, match=message):
            check_output(tmp_path / name, clip)
    with pytest.raises(UserError, match="is a folder"):
        write_video(tmp_path / "dir.mp4", never(), Fraction(24))
    assert sorted(os.listdir(tmp_path)) == ["dir.mp4", "file", "in.mp4"]
    assert (tmp_path / "file").read_text() == "mine"


def test_what_changes_is_said_before(sounding: Path, tmp_path: Path) -> None:
    clip = open_clip(sounding)
    assert "no sound" in check_output(tmp_path / "out", clip)[0]
    odd = clip_of(ramp(2, 39, 55))
    assert "55x39 is stored as 56x40" in check_output(tmp_path / "out.mp4", odd)[0]


def test_no_frames_and_frames_of_two_sizes(tmp_path: Path) -> None:
    for name in ("out.mp4", "out"):
        with pytest.raises(UserError, match="no frames"):
            write_clip(tmp_path / name, iter(()), clip_of(ramp(2)))
    with pytest.raises(ValueError, match="frame 1"):
        write_video(tmp_path / "out.mp4", [ramp(1, 40, 56)[0], ramp(1, 42, 56)[0]], Fraction(24))
    assert os.listdir(tmp_path) == []


def test_davis_clip_through_video_and_folder(davis: Path, tmp_path: Path) -> None:
    clip = open_clip(davis / "JPEGImages" / "480p" / "dog", size=(240, 432), limit=5)
    truth = clip.load()
    video = read_clip(write_clip(tmp_path / "out.mp4", (frame for frame, _ in clip), clip))
    assert ((video.frames - truth.frames).mean(dim=(0, 2, 3)) * 255).abs().max() < 0.5
    error = (video.frames - truth.frames).square().mean()
    assert -10 * torch.log10(error) > 34  # grass at crf 17, half the colour resolution: PSNR in dB
    folder = read_clip(write_clip(tmp_path / "out", (frame for frame, _ in clip), clip))
    assert (folder.frames - truth.frames).abs().max() <= 0.51 / 255
    assert folder.names == tuple(name.replace(".jpg", ".png") for name in truth.names)
