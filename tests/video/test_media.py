"""Opening: a name is a file and never an address, and the film is found among the streams of a file."""

import ast
import itertools
import os
import re
import socket
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.video.little_videos import film, flash_and_click, moving_square
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import Clip, open_clip, read_clip, write_clip

pytestmark = pytest.mark.slow

LIBRARY = Path(__file__).parents[2] / "vinpaint_lib"
# Names that FFmpeg, a shell, a format string or a URL would read as something else.
NAMES = [
    "subfile,,start,0,end,9,,:a",
    "12:30:05", "http:a", "https:b", "file:c", "concat:a|b", "pipe:0", "data:x", "crypto:a",
    "C:a", "%03d", "%d", "100%", "a%20b", "#1", "a#b?c=d", "-i", "--", "two  spaces ", "new\nline", "tab\t", "*[a]?",
    "日本 é ü", "e\u0301", "'quoted'", '"', "$HOME", "a;b", "\\", ".hidden", "~", "a.b.c",
]  # fmt: skip


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return film(tmp_path / "square.mp4", moving_square(3))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


# --- names


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_file_whatever_characters_it_has(name: str, video: Path, here: Path) -> None:
    """As clip, as mask, as output and as the source of sound and title; relative and absolute."""
    content = video.read_bytes()
    (here / f"{name}.mp4").write_bytes(content)
    for path in (Path(f"{name}.mp4"), here / f"{name}.mp4"):
        clip = open_clip(path, path)
        assert len(clip) == 3
        out = write_clip(path.with_suffix(".mkv"), (frame for frame, _ in clip), clip)
        assert len(open_clip(out)) == 3
    assert sorted(os.listdir(here)) == sorted([f"{name}.mp4", f"{name}.mkv"])


@pytest.mark.parametrize("name", ["%03d", "%d", "1:2", "http:a", "a*b"])
@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".jp2", ".ppm", ".bmp", ".avif"])
def test_a_picture_with_the_name_of_a_pattern_is_one_picture(name: str, suffix: str, here: Path) -> None:
    """Beside it lie the files that FFmpeg would take the pattern for."""
    for number in range(3):
        Image.new("RGB", (8, 6), (9, 9, 9)).save(here / f"{number}{suffix}")
        Image.new("RGB", (8, 6), (9, 9, 9)).save(here / f"{number:03d}{suffix}")
    Image.new("RGB", (16, 12), (200, 10, 10)).save(here / f"{name}{suffix}")
    clip = read_clip(f"{name}{suffix}")
    assert (len(clip), clip.size) == (1, (12, 16))
    assert clip.frames[0, 0].mean() > 0.6


def test_a_name_that_is_no_unicode(video: Path, here: Path) -> None:
    path = Path(os.fsdecode(b"caf\xe9.mp4"))
    path.write_bytes(video.read_bytes())
    clip = open_clip(path)
    assert len(list(clip)) == 3
    assert len(open_clip(write_clip(Path(os.fsdecode(b"o\xe9.mp4")), (frame for frame, _ in clip), clip))) == 3


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".txt", ".ffconcat"])
@pytest.mark.parametrize("kind", ["hls", "ffconcat"])
def test_a_list_of_other_files_is_refused_and_not_followed(
    suffix: str, kind: str, video: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = {
        "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile {video.name}\n",
    }
    monkeypatch.setattr(socket, "socket", lambda *given: pytest.fail("the network was asked"))
    (here / f"list{suffix}").write_text(lists[kind])
    (here / video.name).write_bytes(video.read_bytes())
    with pytest.raises(UserError, match=rf"list{suffix}") as caught:
        open_clip(f"list{suffix}")
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused_at_once(here: Path) -> None:
    os.mkfifo(here / "pipe.mp4")
    with pytest.raises(UserError, match="pipe or a device"):
        open_clip("pipe.mp4")
    (here / "link.mp4").symlink_to("nowhere")
    with pytest.raises(UserError, match="no such file"):
        open_clip("link.mp4")


def test_ffmpeg_gets_names_from_nobody() -> None:
    """`av.open` is called in media.py alone, and in doctor.py, which opens a buffer in memory."""
    callers = {
        path.relative_to(LIBRARY).as_posix()
        for path in LIBRARY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and re.fullmatch(r"av\.open|cv2\.(VideoCapture|imread)", ast.unparse(node.func))
    }
    assert callers == {"video/media.py", "doctor.py"}


# --- the film among the streams


def streams(
    path: Path, parts: list[tuple[list[np.ndarray], str, str]], dispositions: list[int], rate: int = 24
) -> Path:
    """A file with several video streams: (pictures, codec, pixel format) each, with a disposition."""
    with av.open(str(path), "w", format={".mp4": "mp4", ".mkv": "matroska", ".ts": "mpegts"}[path.suffix]) as output:
        tracks = []
        for (pictures, codec, pixels), disposition in zip(parts, dispositions, strict=True):
            track = output.add_stream(codec, rate=rate)
            track.height, track.width = pictures[0].shape[:2]
            track.pix_fmt = pixels
            track.disposition = disposition
            tracks.append(track)
        output.start_encoding()
        for index in range(max(len(pictures) for pictures, *_ in parts)):
            for track, (pictures, _, pixels) in zip(tracks, parts, strict=True):
                if index < len(pictures):
                    frame = av.VideoFrame.from_ndarray(pictures[index], format="rgb24").reformat(format=pixels)
                    frame.pts, frame.time_base = index, Fraction(1, rate)
                    output.mux(track.encode(frame))
        for track in tracks:
            output.mux(track.encode(None))
    return path


COVER, DEFAULT = 1024, 1
FILM, SMALL, STILL = moving_square(6), moving_square(6, 24, 32), [np.full((100, 100, 3), 90, np.uint8)]
H264 = ("libx264", "yuv420p")
CASES = {
    "the larger of two": (".mkv", [(SMALL, *H264), (FILM, *H264)], [0, 0], True),
    "the larger of two in a broadcast": (".ts", [(SMALL, *H264), (FILM, *H264)], [0, 0], True),
    "the default one, though smaller": (
        ".mkv",
        [(moving_square(6, 96, 128), *H264), (FILM, *H264)],
        [0, DEFAULT],
        True,
    ),
    "the moving one": (".mp4", [(STILL, "mjpeg", "yuvj420p"), (FILM, *H264)], [0, 0], True),
    "not the cover": (".mp4", [(FILM, *H264), (STILL, "mjpeg", "yuvj420p")], [DEFAULT, COVER], False),
    "not the preview": (".mp4", [(FILM, *H264), (SMALL, "mjpeg", "yuvj420p")], [DEFAULT, 0], True),
}


@pytest.mark.parametrize("name", CASES)
def test_the_film_is_found(name: str, tmp_path: Path) -> None:
    suffix, parts, dispositions, chosen = CASES[name]
    clip = open_clip(streams(tmp_path / f"c{suffix}", parts, dispositions))
    assert (len(clip), clip.size) == (6, (48, 64))
    frames = torch.stack([frame for frame, _ in clip])
    truth = torch.from_numpy(np.stack(FILM)).permute(0, 3, 1, 2) / 255
    assert (frames - truth).abs().mean() * 255 < 8  # H.264 at its usual quality, half the colour resolution
    assert any("2 films" in note for note in clip.notes) == chosen


@pytest.mark.parametrize("picture", [".png", ".jpg"])
def test_an_attached_cover_of_matroska_is_not_the_film(picture: str, tmp_path: Path) -> None:
    cover = cv2.imencode(picture, np.full((90, 90, 3), 200, np.uint8))[1].tobytes()
    kind = {".png": "image/png", ".jpg": "image/jpeg"}[picture]
    with av.open(str(tmp_path / "c.mkv"), "w") as output:
        output.add_attachment(f"cover{picture}", kind, cover)
        stream = output.add_stream("libx264", rate=24)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for picture in FILM:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    assert len(list(open_clip(tmp_path / "c.mkv"))) == 6


def test_sound_with_a_cover_is_no_film(tmp_path: Path) -> None:
    pictures, wave = flash_and_click(12, 6, Fraction(24))
    film(tmp_path / "both.mp4", pictures, sound="aac", wave=wave)
    with (
        av.open(str(tmp_path / "both.mp4")) as source,
        av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as output,
    ):
        track = output.add_stream_from_template(source.streams.audio[0])
        cover = output.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt, cover.disposition = 100, 100, "yuvj420p", COVER
        packets = [packet for packet in source.demux(audio=0) if packet.size]
        output.mux(cover.encode(av.VideoFrame.from_ndarray(STILL[0], format="rgb24").reformat(format="yuvj420p")))
        for packet in packets:
            packet.stream = track
            output.mux(packet)
        output.mux(cover.encode(None))
    with pytest.raises(UserError, match="no film, only a cover"):
        open_clip(tmp_path / "song.m4a")


# --- alpha that the container keeps apart


def clear_film(path: Path, codec: str, alphas: list[np.ndarray], **options: str) -> Path:
    with av.open(str(path), "w", format={".webm": "webm", ".mkv": "matroska"}[path.suffix]) as output:
        stream = output.add_stream(codec, rate=24, options={"auto-alt-ref": "0", **options})
        stream.height, stream.width = alphas[0].shape
        stream.pix_fmt = "yuva420p"
        for index, alpha in enumerate(alphas):
            picture = np.dstack([np.full((*alpha.shape, 3), 250, np.uint8), alpha])
            frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("codec", "suffix"), list(itertools.product(("libvpx", "libvpx-vp9"), (".webm", ".mkv"))))
@pytest.mark.parametrize("lag", ["0", "8"])
def test_alpha_beside_the_picture_is_the_mask(codec: str, suffix: str, lag: str, video: Path, tmp_path: Path) -> None:
    alphas = []
    for index in range(3):
        alphas.append(np.zeros((48, 64), np.uint8))
        alphas[-1][16:32, 8 * index + 8 : 8 * index + 24] = 255
    mask = clear_film(tmp_path / f"m{suffix}", codec, alphas, **{"lag-in-frames": lag})
    masks = read_clip(video, mask).masks[:, 0]
    truth = torch.from_numpy(np.stack(alphas)) / 255
    assert (masks - truth).abs().mean() < 0.01  # lossy at the edges
    film_of_it = open_clip(mask)
    assert len(list(film_of_it)) == 3
    assert any("transparency" in note for note in film_of_it.notes)


def test_an_opaque_film_with_an_alpha_channel_loses_nothing(tmp_path: Path) -> None:
    path = clear_film(tmp_path / "o.webm", "libvpx-vp9", [np.full((48, 64), 255, np.uint8)] * 3)
    assert open_clip(path).notes == ()


def test_a_clip_in_memory_keeps_what_belongs_to_it(video: Path) -> None:
    clip = read_clip(video)
    assert isinstance(clip, Clip)
    assert clip.companions == video
