"""Brings the sound of an input file into an output video: copied where MP4 can hold it, else encoded as AAC."""

import warnings
from collections.abc import Generator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av

from vinpaint_lib.video.media import reading

# Codecs that MP4 holds and ordinary players play. Matroska holds more, but one rule keeps all outputs alike.
COPIED = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
PREROLL = Fraction(1, 10)  # seconds before the first picture: a decoder needs a packet or two to settle


class Sound(NamedTuple):
    """A packet of the input and when it begins, in seconds from the first picture."""

    seconds: Fraction
    track: "Track"
    packet: av.Packet


class Soundtrack:
    """All sound streams of `path`, added to the open `output`, and fed to it in step with the pictures.

    start: the second on the clock of `path` at which the pictures begin.
    """

    def __init__(self, path: Path, output: av.container.OutputContainer, start: Fraction) -> None:
        self.path = path
        self.output = output
        self.start = start
        self.stack = ExitStack()
        self.input = self.stack.enter_context(reading(path))
        self.tracks = [Track(stream, output) for stream in self.input.streams.audio if is_known(stream)]
        self.sounds = self._sounds()
        self.ahead: Sound | None = None

    def close(self) -> None:
        """Closes the file."""
        self.sounds.close()
        self.stack.close()

    def pump(self, until: Fraction) -> None:
        """Writes the packets that begin before `until` seconds."""
        while True:
            self.ahead = self.ahead or next(self.sounds, None)
            if self.ahead is None or self.ahead.seconds >= until:
                return
            self.output.mux(self.ahead.track.converted(self.ahead))
            self.ahead = None

    def finish(self) -> None:
        """Writes the packets that the encoders still hold."""
        for track in self.tracks:
            if not track.copied:
                self.output.mux(track.output.encode(None))

    def _sounds(self) -> Generator[Sound, None, None]:
        tracks = {track.input.index: track for track in self.tracks}
        seconds = Fraction(0)
        try:
            for packet in self.input.demux([track.input for track in self.tracks]) if tracks else ():
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is None or not packet.size:
                    continue
                seconds = stamp * packet.time_base - self.start
                if seconds >= -PREROLL:
                    yield Sound(seconds, tracks[packet.stream.index], packet)
        except av.error.FFmpegError as error:
            # The pictures are worth keeping even if the sound is broken. A warning says that the sound ends early.
            warnings.warn(
                f"{self.path}: the sound is damaged after {float(seconds):.1f} s ({error.strerror})", stacklevel=2
            )


class Track:
    """One stream of sound on its way from input to output."""

    def __init__(self, stream: av.AudioStream, output: av.container.OutputContainer) -> None:
        self.input = stream
        self.copied = is_copied(stream)
        self.tick = Fraction(1, stream.rate)  # the clock of some containers is coarser than a packet
        self.output: av.AudioStream
        if self.copied:
            self.output = output.add_stream_from_template(stream)
        else:
            rate = stream.rate if stream.rate in AAC_RATES else 48000
            # Uncompressed sound often has a number of channels but no names for them.
            self.output = output.add_stream("aac", rate=rate, layout=AAC_LAYOUTS.get(stream.channels, "stereo"))
        mark(stream, self.output)

    def converted(self, sound: Sound) -> list[av.Packet]:
        """The packets of the output for one packet of the input."""
        packet, begin = sound.packet, round(sound.seconds / self.tick)
        if not self.copied:
            return self._encoded(packet, begin)
        packet.duration = round((packet.duration or 0) * packet.time_base / self.tick)
        packet.time_base = self.tick
        packet.pts = packet.dts = begin  # sound is never reordered, and some files leave dts out
        packet.stream = self.output
        return [packet]

    def _encoded(self, packet: av.Packet, begin: int) -> list[av.Packet]:
        coded = []
        for frame in self.input.decode(packet):
            frame.time_base, frame.pts = self.tick, begin
            begin += frame.samples
            if begin > 0:
                coded += self.output.encode(frame)
        return coded


def mark(stream: Any, target: Any) -> None:
    """Language, title and use (default, comment, forced, ...) of a stream go over to the one made from it."""
    for key, text in stream.metadata.items():
        if key.lower() in ("language", "title", "handler_name"):
            target.metadata[key] = text
    if stream.disposition:
        target.disposition = stream.disposition


def is_known(stream: av.AudioStream) -> bool:
    return stream.codec_context is not None and stream.rate > 0


def is_copied(stream: av.AudioStream) -> bool:
    """Whether a stream goes into the output as it is."""
    return stream.codec_context.codec.canonical_name in COPIED


def sound_notes(path: Path) -> list[str]:
    """Sentences on the sound of `path` that will not be copied as it is."""
    with reading(path) as container:
        streams = container.streams.audio
        known = [stream for stream in streams if is_known(stream)]
        coded = [stream.codec_context.codec.canonical_name for stream in known if not is_copied(stream)]
    notes = [f"{path}: the sound ({name}) is encoded anew as AAC, since MP4 does not hold it" for name in coded]
    if len(known) < len(streams):
        notes.append(f"{path}: {len(streams) - len(known)} sound stream(s) of unknown kind are left out")
    return notes
