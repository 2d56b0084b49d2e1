"""Clips that were cut without encoding: what decodes is used, its number is known before, and damage is still said."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from tests.video.little_videos import film, flash_and_click, flash_time, moving_square, remuxed
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.clip import open_clip, write_clip
from vinpaint_lib.video.sources import open_source

pytestmark = pytest.mark.slow

KEYS = "keyint=10:min-keyint=10:scenecut=0:bframes=3:b-adapt=0"
OPEN = {
    "libx264": {"x264-params": f"open-gop=1:{KEYS}", "flags": "-cgop"},
    "libx265": {"x265-params": f"log-level=none:open-gop=1:{KEYS}"},
    "mpeg2video": {"g": "10", "bf": "2"},
}
WHOLE = moving_square(40)


def shown(path: Path) -> list[int]:
    """The times of the frames that FFmpeg shows."""
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0)]


@pytest.mark.parametrize("from_zero", [True, False])
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx264", ".mkv"), ("libx264", ".mp4"), ("libx264", ".ts"), ("libx265", ".mkv"), ("libx265", ".ts")]
    + [("mpeg2video", ".mpg"), ("mpeg2video", ".mkv")],
)  # fmt: skip
def test_a_clip_cut_at_an_open_group_is_used_as_far_as_it_decodes(
    tmp_path: Path, codec: str, suffix: str, from_zero: bool
) -> None:
    whole = film(tmp_path / f"whole{suffix}", WHOLE, codec=codec, options=OPEN[codec])
    part = remuxed(whole, tmp_path / f"part{suffix}", 0.4, from_zero=from_zero)
    stamps = shown(part)
    assert 20 < len(stamps) < 40
    source, clip = open_source(part), open_clip(part)
    assert source.length == len(clip) == len(stamps)  # right from the packets, and confirmed
    assert (clip.fps, clip.times) == (24, None)
    frames = torch.stack([frame for frame, _ in clip])
    assert len(frames) == len(stamps)
    truth = torch.from_numpy(np.stack(WHOLE[-len(stamps) :])).permute(0, 3, 1, 2) / 255
    assert (frames - truth).abs().mean() * 255 < 8  # each frame is the one it should be; a shift by one costs more
    assert not any("damaged" in note for note in clip.notes)
    out = write_clip(tmp_path / "out.mp4", iter(frames), clip)
    assert len(open_clip(out)) == len(stamps)


def test_what_cannot_be_shown_is_said_once(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mkv", WHOLE, options=OPEN["libx264"])
    notes = open_clip(remuxed(whole, tmp_path / "part.mkv", 0.4)).notes
    assert len([note for note in notes if "cannot be shown" in note]) == len(notes) == 1
    assert open_clip(whole).notes == ()


def test_the_sound_stays_with_the_first_frame_that_can_be_shown(tmp_path: Path) -> None:
    rate = Fraction(24)
    pictures, wave = flash_and_click(48, 36, rate)
    whole = film(tmp_path / "whole.mkv", pictures, options=OPEN["libx264"], sound="flac", wave=wave)
    with av.open(str(whole)) as old, av.open(str(tmp_path / "part.mkv"), "w") as new:
        copies = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        started = False
        for packet in old.demux():
            begins = packet.stream.type == "video" and packet.is_keyframe and packet.pts * packet.time_base > 0.4
            started = started or bool(packet.size and begins)
            if started and packet.size:
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
    clip = open_clip(tmp_path / "part.mkv")
    assert len(clip) == len(shown(tmp_path / "part.mkv"))
    out = write_clip(tmp_path / "out.mkv", (frame for frame, _ in clip), clip)
    with av.open(str(out)) as container:
        blocks = [(frame.time, np.abs(frame.to_ndarray()).max()) for frame in container.decode(audio=0)]
    click = next(time for time, peak in blocks if peak > 0.4 * (32768 if peak > 2 else 1))
    # The click lies in the block of sound that plays while the flash is shown; a block of FLAC lasts 0.1 s.
    assert abs(click - flash_time(out)) < 0.11


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
@pytest.mark.parametrize("begin", [0.4, 1.2])
def test_a_file_that_begins_late_is_whole(tmp_path: Path, suffix: str, begin: float) -> None:
    whole = film(tmp_path / f"whole{suffix}", moving_square(60), options={"bf": "0", "g": "10"})
    clip = open_clip(remuxed(whole, tmp_path / f"late{suffix}", begin, from_zero=False))
    assert clip.notes == ()
    assert len(list(clip)) == len(clip) == len(shown(tmp_path / f"late{suffix}"))


def test_a_late_file_that_is_cut_short_is_still_said(tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 256, (90, 48, 64, 3), dtype=np.uint8))
    whole = film(tmp_path / "whole.mkv", noise, options={"bf": "0", "g": "10"})
    late = remuxed(whole, tmp_path / "late.mkv", 0.9, from_zero=False)
    late.write_bytes(late.read_bytes()[: late.stat().st_size // 2])
    assert any("cut short" in note for note in open_clip(late).notes)


@pytest.mark.parametrize("limit", [None, 25])
def test_damage_is_found_when_a_clip_is_opened(tmp_path: Path, limit: int | None) -> None:
    noise = list(np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), dtype=np.uint8))
    path = film(tmp_path / "hurt.mp4", noise)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\x55" * 3000
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"hurt\.mp4: the video is damaged after frame \d+ of 30"):
        open_clip(path, limit=limit)
    assert len(list(open_clip(path, limit=3))) == 3
