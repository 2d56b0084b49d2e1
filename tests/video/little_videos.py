"""Little videos for tests, made on the spot: pictures, a flash with a click in the sound, rotation marks."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FORMATS = {".mp4": "mp4", ".mkv": "matroska", ".ts": "mpegts", ".avi": "avi", ".webm": "webm", ".mpg": "mpeg"}


def film(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    rate: Fraction = Fraction(24),
    times: Sequence[int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    sound: str | None = None,
    wave: np.ndarray | None = None,
    samples: int = 48000,
    first: int = 0,
    mux: dict[str, str] | None = None,
    tags: Callable[[av.VideoStream], None] = lambda stream: None,
) -> Path:
    """Encodes uint8 pictures (h, w, 3); `times` in milliseconds, `first` the number the first frame gets."""
    tick = Fraction(1, 1000) if times is not None else 1 / rate
    with av.open(str(path), "w", format=FORMATS[path.suffix], options=mux or {}) as output:
        video = output.add_stream(codec, rate=rate, options=options or {"crf": "10"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = pixels
        video.codec_context.time_base = tick
        tags(video)
        audio = output.add_stream(sound, rate=samples, layout="mono") if sound else None
        heard = 0
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = (times[index] if times is not None else index + first), tick
            output.mux(video.encode(frame))
            while audio is not None and heard < int((index + 1) / rate * samples):
                piece = wave[heard : min(heard + 1024, int((index + 1) / rate * samples))]
                block = av.AudioFrame.from_ndarray(piece[None].astype(np.float32), format="fltp", layout="mono")
                block.sample_rate, block.time_base = samples, Fraction(1, samples)
                block.pts = heard + round(first / rate * samples)
                heard += len(piece)
                output.mux(audio.encode(block))
        output.mux(video.encode(None))
        if audio is not None:
            output.mux(audio.encode(None))
    return path


def remuxed(source: Path, target: Path, begin: float = 0, *, from_zero: bool = True) -> Path:
    """The packets from the first key frame at or after `begin` seconds, as they are: a cut without encoding."""
    with av.open(str(source)) as old, av.open(str(target), "w", format=FORMATS[target.suffix]) as new:
        stream, first = old.streams.video[0], None
        start = stream.start_time * stream.time_base
        copy = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if not packet.size or (
                first is None and not (packet.is_keyframe and packet.pts * packet.time_base - start >= begin)
            ):
                continue
            first = packet.dts if first is None else first
            if from_zero:
                packet.pts, packet.dts = packet.pts - first, packet.dts - first
            packet.stream = copy
            new.mux(packet)
    return target


def moving_square(length: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """A bright square on a gradient, somewhere else in each frame."""
    y, x = np.mgrid[:height, :width]
    ground = np.stack([x * 3 % 256, y * 4 % 256, (x + y) % 256], axis=-1).astype(np.uint8)
    frames = []
    for index in range(length):
        frame = ground.copy()
        left = 2 * index % (width - 12)
        frame[10:22, left : left + 12] = (230, 40, 60)
        frames.append(frame)
    return frames


def flash_and_click(length: int, at: int, rate: Fraction, samples: int = 48000) -> tuple[list[np.ndarray], np.ndarray]:
    """Dark frames with a white one at `at`, and a faint tone with a click at the same moment."""
    pictures = [np.full((48, 64, 3), 255 if index == at else 20, np.uint8) for index in range(length)]
    t = np.arange(int(samples * length / rate) + samples) / samples
    wave = 0.01 * np.sin(2 * np.pi * 440 * t)
    click = round(at / rate * samples)
    wave[click : click + 200] = 0.9
    return pictures, wave


def flash_time(path: Path) -> float:
    """When the brightest frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return max((frame.to_ndarray(format="gray").mean(), frame.time) for frame in container.decode(video=0))[1]


def heard(path: Path) -> tuple[np.ndarray, float, int]:
    """The sound as mono samples, the second it begins at, its rate."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono")
        frames = [mono for frame in container.decode(audio=0) for mono in resampler.resample(frame)]
    wave = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return wave, frames[0].time, frames[0].sample_rate


def click_time(path: Path) -> float:
    """When the sound becomes loud, in seconds."""
    wave, begin, samples = heard(path)
    return begin + np.flatnonzero(np.abs(wave) > 0.4)[0] / samples


def sound_packets(path: Path) -> list[bytes]:
    """The coded sound, packet by packet."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def turn(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Writes the display matrix (a, b, c, d) of +-1 and 0 into the track header of an MP4."""
    content = bytearray(path.read_bytes())
    box = content.find(b"tkhd")
    start = box + 4 + 4 + (32 if content[box + 4] == 1 else 20) + 16
    a, b, c, d = (65536 * value for value in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path
