"""The times at which a video shows its frames, read from packets as far as they can be trusted; and what is missing."""

from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

import av

from vinpaint_lib.errors import UserError
from vinpaint_lib.video.media import decoded, film, reading

FALLBACK_FPS = Fraction(24)
# Usual rates. Some containers have a coarse clock (Matroska counts milliseconds), so their times are rounded.
USUAL_RATES = (
    *(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60, 120)),
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120)),
)
# The duration in a header is rounded and may count the last packet differently; a file cut short misses more than this.
MISSING_SHARE, MISSING_SECONDS = 0.05, 0.5


@dataclass(frozen=True)
class Timing:
    """Frames per second and number of frames; times in seconds from the first frame, None if they are k / fps.

    `notes` are sentences on missing frames for the user.
    """

    fps: Fraction
    length: int
    times: tuple[Fraction, ...] | None = None
    notes: tuple[str, ...] = ()


def read_timing(path: Path, stamps: list[int | None] | None = None) -> Timing:
    """Length and rate of the film in a file, from the times of its packets; with `stamps`, from these instead.

    Where packets cannot be trusted, frames are decoded for their times: all of them, or those before the first key
    frame, which may lean on frames that were cut off. FFmpeg's errors pass through.
    """
    with reading(path) as container:
        stream = film(path, container)
        tick = stream.time_base or Fraction(1, 1000)
        sent: list[int | None] = []
        trusted, end = True, Fraction(0)
        for packet in container.demux():
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            if packet.stream.index == stream.index:
                # A broken packet may give no picture, and so may a first packet that is no key frame.
                trusted = trusted and (bool(sent) or packet.is_keyframe) and not packet.is_corrupt
                sent.append(packet.pts)
        notes = missing_notes(path, container, end)
        rates = [rate for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate) if rate]
    if stamps is None:
        stamps = sent
        if not trusted or None in sent or len(set(sent)) < len(sent):
            stamps = decoded_stamps(path)
        else:
            known = [stamp for stamp in sent if stamp is not None]
            if known and min(known) < known[0]:
                stamps = [*decoded_stamps(path, before=known[0]), *(stamp for stamp in known if stamp >= known[0])]
    if len(stamps) < len(sent):
        notes.append(
            f"{path}: {len(sent) - len(stamps)} of {len(sent)} frames cannot be shown, since they lean on frames that "
            f"are not in the file; the other {len(stamps)} are used"
        )
    rate, times = spacing([stamp for stamp in stamps if stamp is not None], len(stamps), tick, rates)
    return Timing(rate, len(stamps), times, tuple(notes))


def decoded_stamps(path: Path, before: int | None = None) -> list[int | None]:
    """The times of all frames that come out of the decoder, or only of those at the start that are < `before`."""
    with reading(path) as container, closing(decoded(container, film(path, container))) as frames:
        stamps = (frame.pts for frame in frames)
        return list(stamps if before is None else takewhile(lambda stamp: stamp is None or stamp < before, stamps))


def spacing(
    stamps: list[int], length: int, tick: Fraction, rates: list[Fraction]
) -> tuple[Fraction, tuple[Fraction, ...] | None]:
    """A rate that explains all times to within one tick, and None. If there is none, the average rate and the times."""
    fallback = rates[0] if rates else FALLBACK_FPS
    stamps = sorted(set(stamps))
    if length < 2 or len(stamps) < length:
        return fallback, None
    offsets = [(stamp - stamps[0]) * tick for stamp in stamps]
    for rate in (*rates, *USUAL_RATES):
        if all(abs(offset - index / rate) <= tick for index, offset in enumerate(offsets)):
            return rate, None
    return (length - 1) / offsets[-1], tuple(offsets)


def missing_notes(path: Path, container: av.container.InputContainer, end: Fraction) -> list[str]:
    """A sentence if the packets end well before the duration that the header announces."""
    if container.duration is None:
        return []
    announced = container.duration / 1e6
    # Some headers count from the start of the first packet, and Matroska's from 0, also if the first packet is later.
    found = float(end) - min((container.start_time or 0) / 1e6, 0)
    if announced - found <= max(MISSING_SECONDS, MISSING_SHARE * announced):
        return []
    return [f"{path}: the file announces {announced:.1f} s but holds {found:.1f} s; it may be damaged or cut short"]


def check_whole(path: Path) -> None:
    """Raises UserError if a box of an MP4 ends behind the end of the file: the rest was never written or copied."""
    size, position, kind = path.stat().st_size, 0, b"ftyp"
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            header = file.read(16)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8 or (position == 0 and kind != b"ftyp"):  # a box of length 0 is the last; else no MP4
                return
            position += length
    if position > size and kind in (b"mdat", b"moov", b"moof"):
        raise UserError(f"{path}: the file is cut short, {size} of {position} bytes are there; copy or record it again")
