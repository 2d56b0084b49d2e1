"""What goes along with the pictures: languages, subtitles, chapters, titles, fonts; and what is said of the rest."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.video.little_videos import film, moving_square
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import check_output, open_clip, read_clip, write_clip, write_video

pytestmark = pytest.mark.slow

SRT = "1\n00:00:00,100 --> 00:00:00,400\nfirst\n\n2\n00:00:00,500 --> 00:00:05,000\nsecond line\n\n"
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,16\n\n"
    "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:00.10,0:00:00.40,Default,,0,0,0,,first\n"
    "Dialogue: 0,0:00:00.50,0:00:05.00,Default,,0,0,0,,second line\n"
)
VTT = "WEBVTT\n\n00:00.100 --> 00:00.400\nfirst\n\n00:00.500 --> 00:05.000\nsecond line\n\n"
TEXTS = {"subrip": ("s.srt", SRT), "ass": ("s.ass", ASS), "webvtt": ("s.vtt", VTT)}
SILENCE = np.zeros((1, 1024), np.float32)


def rich(
    path: Path,
    *,
    subtitles: tuple[str, ...] = (),
    languages: tuple[str, ...] = (),
    chapters: list[tuple[float, float, str]] | None = None,
    font: bytes = b"",
    begin: float = 0,
    **metadata: str,
) -> Path:
    """A second of film that begins at `begin` seconds, with what the options name."""
    with av.open(str(path), "w", format={".mkv": "matroska", ".mp4": "mp4"}[path.suffix]) as out:
        out.metadata.update(metadata)
        if font:
            out.add_attachment("a.ttf", "font/ttf", font)
        if chapters:
            edges = [
                (round(1000 * (start + begin)), round(1000 * (end + begin)), name) for start, end, name in chapters
            ]
            out.set_chapters(
                [
                    {"id": n, "start": s, "end": e, "time_base": Fraction(1, 1000), "metadata": {"title": name}}
                    for n, (s, e, name) in enumerate(edges)
                ]
            )
        video = out.add_stream("libx264", rate=24, options={"bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sounds, texts = [], []
        for n, language in enumerate(languages):
            sounds.append(out.add_stream("aac", rate=48000, layout="mono"))
            sounds[-1].metadata["language"] = language
            sounds[-1].metadata["title"] = f"track {n}"
        for kind in subtitles:
            name, text = TEXTS[kind]
            (path.parent / name).write_text(text)
            source = av.open(str(path.parent / name))
            if path.suffix == ".mp4":
                target: Any = out.add_stream("mov_text")
                source.streams[0].codec_context.open(strict=False)
                target.codec_context.time_base = Fraction(1, 1000)
                target.codec_context.subtitle_header = source.streams[0].codec_context.subtitle_header
            else:
                target = out.add_stream_from_template(source.streams[0])
            target.metadata["language"] = "fra"
            texts.append((source, target))
        for index, picture in enumerate(moving_square(24)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index + round(24 * begin), Fraction(1, 24)
            out.mux(video.encode(frame))
        for sound in sounds:
            for first in range(0, 48000, 1024):
                block = av.AudioFrame.from_ndarray(SILENCE, format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = 48000, first + round(48000 * begin), Fraction(1, 48000)
                out.mux(sound.encode(block))
            out.mux(sound.encode(None))
        for source, target in texts:
            for packet in source.demux():
                if packet.size:
                    start = round(1000 * (packet.pts * packet.time_base + Fraction(begin)))
                    span = round(1000 * packet.duration * packet.time_base)
                    if path.suffix == ".mp4":
                        packet = target.codec_context.encode_subtitle(source.streams[0].codec_context.decode2(packet))
                    packet.time_base, packet.pts, packet.dts, packet.duration = Fraction(1, 1000), start, start, span
                    packet.stream = target
                    out.mux(packet)
            source.close()
        out.mux(video.encode(None))
    return path


def through(source: Path, out: Path, **options: Any) -> tuple[Path, list[str]]:
    """The clip written again, and what was said before."""
    clip = open_clip(source, **options)
    notes = [*clip.notes, *check_output(out, clip)]
    return write_clip(out, (frame for frame, _ in clip), clip), notes


def lines(path: Path) -> list[tuple[str, str | None, float, float, str]]:
    """(kind, language, begin, end, text) of every subtitle; seconds from the first picture."""
    found = []
    with av.open(str(path)) as container:  # Matroska moves everything if the sound begins before 0
        first = next(container.decode(video=0)).time
    with av.open(str(path)) as container:
        for packet in container.demux(list(container.streams.subtitles)):
            context: Any = packet.stream.codec_context
            content = context.decode2(packet) if packet.size else None
            text = " ".join(part.dialogue.decode() for part in content or ()).strip()
            if text:
                begin = float(packet.pts * packet.time_base) - first
                end = begin + float(packet.duration * packet.time_base)
                kind = context.codec.canonical_name
                found.append((kind, packet.stream.metadata.get("language"), round(begin, 2), round(end, 2), text))
    return found


@pytest.mark.parametrize("begin", [0, 1.5])
@pytest.mark.parametrize(
    ("kind", "source", "target", "becomes"),
    [
        ("subrip", ".mkv", ".mkv", "subrip"),
        ("ass", ".mkv", ".mkv", "ass"),
        ("webvtt", ".mkv", ".mkv", "webvtt"),
        ("subrip", ".mkv", ".mp4", "mov_text"),
        ("ass", ".mkv", ".mp4", "mov_text"),
        ("subrip", ".mp4", ".mp4", "mov_text"),
        ("subrip", ".mp4", ".mkv", "subrip"),
    ],
)
def test_subtitles_of_text_are_kept(
    tmp_path: Path, kind: str, source: str, target: str, becomes: str, begin: float
) -> None:
    path = rich(tmp_path / f"c{source}", subtitles=(kind,), languages=("eng",), begin=begin)
    out, notes = through(path, tmp_path / f"out{target}")
    assert lines(out) == [(becomes, "fra", 0.1, 0.4, "first"), (becomes, "fra", 0.5, 1.0, "second line")]
    stored = "mov_text" if source == ".mp4" else kind
    assert any("subtitles" in note for note in notes) == (stored != becomes)


def test_subtitles_end_with_the_pictures(tmp_path: Path) -> None:
    path = rich(tmp_path / "c.mkv", subtitles=("subrip", "ass"))
    out, _ = through(path, tmp_path / "out.mkv", limit=6)
    assert [line[2:] for line in lines(out)] == [(0.1, 0.25, "first")] * 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_languages_titles_and_uses_of_sound_are_kept(tmp_path: Path, suffix: str) -> None:
    out, notes = through(rich(tmp_path / f"c{suffix}", languages=("eng", "deu", "jpn")), tmp_path / f"out{suffix}")
    with av.open(str(out)) as container:
        assert [stream.metadata.get("language") for stream in container.streams.audio] == ["eng", "deu", "jpn"]
        if suffix == ".mkv":
            assert [stream.metadata.get("title") for stream in container.streams.audio] == [
                "track 0",
                "track 1",
                "track 2",
            ]
    assert notes == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_chapters_and_title_are_kept_and_end_with_the_pictures(tmp_path: Path, suffix: str) -> None:
    chapters = [(0, 0.25, "one"), (0.25, 0.75, "two"), (0.75, 1, "three")]
    path = rich(tmp_path / f"c{suffix}", chapters=chapters, title="a title", artist="someone", begin=0.5)
    out, notes = through(path, tmp_path / f"out{suffix}", limit=12)
    with av.open(str(out)) as container:
        seen = [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"]["title"])
            for c in container.chapters()
        ]
        tags = {key.lower(): text for key, text in container.metadata.items()}
    assert seen == [(0, 0.25, "one"), (0.25, 0.5, "two")]
    assert (tags["title"], tags["artist"]) == ("a title", "someone")
    assert notes == []
    assert [stream.type for stream in av.open(str(out)).streams][:1] == ["video"]


def test_a_comment_is_kept_beside_our_own_through_generations(tmp_path: Path) -> None:
    path = rich(tmp_path / "c.mkv", comment="mine")
    one, _ = through(path, tmp_path / "one.mkv", size=(47, 63))
    two, _ = through(one, tmp_path / "two.mp4")
    three, _ = through(two, tmp_path / "three.mkv", size=(48, 64))
    assert (open_clip(one).size, open_clip(two).size, open_clip(three).size) == ((47, 63), (47, 63), (48, 64))
    comments = []
    for out in (one, two, three):
        with av.open(str(out)) as container:
            comments += [text for key, text in container.metadata.items() if key.lower() == "comment"]
    assert comments == ["mine; content 63x47 of 64x48"] * 2 + ["mine"]


def test_fonts_go_with_matroska_and_are_said_for_mp4(tmp_path: Path) -> None:
    path = rich(tmp_path / "c.mkv", subtitles=("ass",), font=b"no font " * 9)
    out, notes = through(path, tmp_path / "out.mkv")
    with av.open(str(out)) as container:
        assert [stream.data for stream in container.streams.attachments] == [b"no font " * 9]
    assert notes == []
    assert any("fonts" in note for note in through(path, tmp_path / "out.mp4")[1])


def test_a_film_without_sound_keeps_the_rest_also_in_memory(tmp_path: Path) -> None:
    clip = read_clip(rich(tmp_path / "c.mkv", subtitles=("subrip",), title="a title"))
    out = write_clip(tmp_path / "out.mkv", iter(clip.frames), clip)
    assert len(lines(out)) == 2
    with av.open(str(out)) as container:
        assert not container.streams.audio
        assert container.metadata["title"] == "a title"


def test_a_song_given_for_sound_does_not_give_its_title(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp3"), "w") as out:
        out.metadata["title"] = "a song"
        track = out.add_stream("libmp3lame", rate=48000, layout="mono")
        for first in range(0, 48000, 1024):
            block = av.AudioFrame.from_ndarray(SILENCE, format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = 48000, first, Fraction(1, 48000)
            out.mux(track.encode(block))
        out.mux(track.encode(None))
    frames = read_clip(rich(tmp_path / "c.mkv")).frames
    out = write_video(tmp_path / "out.mp4", iter(frames), Fraction(24), tmp_path / "song.mp3")
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 1
        assert "title" not in container.metadata


def test_pictures_say_what_they_do_not_hold(tmp_path: Path) -> None:
    path = rich(tmp_path / "c.mkv", subtitles=("subrip",), languages=("eng",))
    notes = check_output(tmp_path / "out", open_clip(path))
    assert any("sound" in note and "subtitles" in note for note in notes)


# --- what cannot be kept of the pictures is said, once, before the work


def tagged(**tags: int) -> Any:
    def put(stream: av.VideoStream) -> None:
        for key, value in tags.items():
            setattr(stream.codec_context, key, value)

    return put


QUIET = {"x265-params": "log-level=none"}
HEVC, H264 = ("libx265", "yuv420p10le", QUIET), ("libx264", "yuv420p", {})
LOOKS = {
    "PQ": (HEVC, {"color_trc": 16, "color_primaries": 9, "colorspace": 9}, ["HDR (PQ)", "8 bits"]),
    "HLG": (HEVC, {"color_trc": 18, "color_primaries": 9, "colorspace": 9}, ["HDR (HLG)", "8 bits"]),
    "PQ of 8 bits": (H264, {"color_trc": 16, "color_primaries": 9, "colorspace": 9}, ["HDR (PQ)"]),
    "BT.2020": (H264, {"color_trc": 1, "color_primaries": 9, "colorspace": 9}, ["BT.2020"]),
    "Display P3": (H264, {"color_trc": 1, "color_primaries": 12, "colorspace": 1}, ["Display P3"]),
    "12 bits": (("ffv1", "yuv444p12le", {}), {}, ["8 bits"]),
    "plain": (H264, {"color_trc": 1, "color_primaries": 1, "colorspace": 1}, []),
    "plain of 1990": (("mpeg4", "yuv420p", {}), {"color_trc": 6, "color_primaries": 6, "colorspace": 6}, []),
}


@pytest.mark.parametrize("name", LOOKS)
def test_looks_that_are_lost_are_said(name: str, tmp_path: Path) -> None:
    (codec, pixels, options), tags, words = LOOKS[name]
    path = film(tmp_path / "c.mkv", moving_square(3), codec=codec, pixels=pixels, options=options, tags=tagged(**tags))
    notes = open_clip(path).notes
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))


@pytest.mark.parametrize(("codec", "suffix"), [("mpeg2video", ".mpg"), ("mpeg4", ".avi"), ("libx264", ".mkv")])
def test_interlaced_frames_are_said(tmp_path: Path, codec: str, suffix: str) -> None:
    options = {"x264-params": "tff=1"} if codec == "libx264" else {"flags": "+ildct+ilme"}
    path = film(tmp_path / f"c{suffix}", moving_square(6), rate=Fraction(25), codec=codec, options=options)
    notes = open_clip(path).notes
    assert len(notes) == 1
    assert "is interlaced (6 of 6 frames)" in notes[0]


def test_a_disk_that_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written through Python, so its errors must become the same sentence as FFmpeg's."""
    clip = read_clip(rich(tmp_path / "c.mkv"))
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    monkeypatch.setattr("vinpaint_lib.files.secrets.token_hex", lambda count: "draft")
    (tmp_path / ".out.mp4.draft.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"out\.mp4: cannot be written \(No space left on device\)"):
        write_clip(tmp_path / "out.mp4", iter(clip.frames), clip)
