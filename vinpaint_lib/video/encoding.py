"""Encodes pictures and sound into one open container: H.264 in a form that every player shows in the right colours.

Colour    yuv420p, limited range, BT.709 matrix. Tags in the file say so, since players guess the colours of an
          untagged file from its size.
Odd size  yuv420p has one colour sample for 2x2 pixels, and H.264 can crop only by whole samples. So the last
          row or column is repeated, and the container's comment keeps the size of the content. `sources.py`
          reads the comment and cuts the repeated line off. A player shows this line, and nothing is lost.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from fractions import Fraction
from itertools import chain
from math import lcm
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from jaxtyping import UInt8

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.companions import Companions

BT709, LIMITED = 1, 1  # code points of ITU-T H.273
# FFmpeg's default conversion rounds down: each conversion, to YUV or back, makes a picture 1.3 of 255 levels darker.
# With these flags the loss is 0.02.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
# Frames that the encoder sees ahead of the one that it writes. This is x264's own choice for frames of up to FULL
# pixels; larger frames get fewer, since it holds all of them, each with so many bytes for a pixel.
LOOKAHEAD, FEWEST, FULL = 40, 10, 1280 * 720
BESIDE = 10  # more frames that it holds, for the order of frames and for its threads
BYTES = 6
ENDING = 24  # bytes more for a pixel, once, when a clip ends before the encoder has begun to write
FINEST_TICK = 90_000  # ticks per second, if the common denominator of the times is too small or too large


def encode(
    output: av.container.OutputContainer,
    pictures: Iterator[UInt8[np.ndarray, "h w 3"]],
    fps: Fraction,
    audio: Path | None,
    times: Sequence[Fraction] | None,
    pixel_aspect: Fraction,
    crf: int,
    target: Path,
    seconds: Fraction | None,
) -> None:
    """Writes each picture with the sound that belongs before it; takes `pictures` once. UserError if there are none.

    target: the path in the sentence of the UserError. seconds: how long the pictures will last, if that is known.
    """
    first = next(pictures, None)
    if first is None:
        raise UserError(f"{target}: there are no frames to write; check the input's length and --limit")
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        output.metadata["comment"] = f"content {width}x{height} of {width + width % 2}x{height + height % 2}"
    stream = output.add_stream("libx264", rate=fps, options=options(crf, (height, width)))
    stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
    context = stream.codec_context
    context.time_base = tick_of(fps, times)
    context.sample_aspect_ratio = pixel_aspect
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED
    with closing(Companions(audio, output, seconds)) if audio else nullcontext() as beside:
        moment = Fraction(0)
        for index, picture in enumerate(chain([first], pictures)):
            moment = index / fps if times is None else times[index]
            if beside:
                beside.pump(moment)
            if picture.shape != first.shape:
                raise ValueError(f"frame {index} is {picture.shape[:2]}, the first was {first.shape[:2]}")
            frame = to_yuv(picture)
            frame.time_base = context.time_base
            frame.pts = round(moment / context.time_base)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if beside:
            beside.pump(moment + 1 / fps)
            beside.finish()


def lookahead(size: tuple[int, int]) -> int:
    """Frames of (height, width) `size` that the encoder looks ahead."""
    return min(LOOKAHEAD, max(FEWEST, LOOKAHEAD * FULL // (size[0] * size[1])))


def options(crf: int, size: tuple[int, int]) -> dict[str, str]:
    """What x264 is told."""
    ahead = lookahead(size)
    return {"crf": str(crf)} | ({"rc-lookahead": str(ahead)} if ahead < LOOKAHEAD else {})


def held_by_encoder(size: tuple[int, int], frames: int, *, ended: bool = False) -> float:
    """About the memory, in MiB, that the encoder holds once it was given so many frames of (height, width) `size`;
    with `ended`, what it takes at most until such a clip is written."""
    most = (lookahead(size) + BESIDE) * BYTES
    needed = frames * BYTES + (ENDING if ended else 0)
    return min(needed, most) * size[0] * size[1] / 2**20


def tick_of(fps: Fraction, times: Sequence[Fraction] | None) -> Fraction:
    """The unit of time, in seconds, in which all frames have whole numbers as times, as far as that is reasonable."""
    if times is None:
        return 1 / fps
    common = lcm(*(time.denominator for time in times))
    return Fraction(1, common if 1000 <= common <= 1_000_000 else FINEST_TICK)


def to_yuv(picture: UInt8[np.ndarray, "h w 3"]) -> av.VideoFrame:
    """The picture as yuv420p of even size, in BT.709 with limited range."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame = frame.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=EXACT,
    )
    frame.colorspace, frame.color_range = BT709, LIMITED
    return frame


def content_size(comment: str, coded: tuple[int, int]) -> tuple[int, int] | None:
    """(height, width) of the content, read from the comment of `encode`; None if it is not about `coded` size."""
    found = re.search(r"content (\d+)x(\d+) of (\d+)x(\d+)", comment)
    if not found:
        return None
    width, height, whole_width, whole_height = map(int, found.groups())
    fits = (whole_height, whole_width) == coded and 0 <= whole_height - height < 2 and 0 <= whole_width - width < 2
    return (height, width) if fits else None
