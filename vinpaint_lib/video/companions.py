"""Brings what a video has beside its pictures and its sound into an output video: subtitles, chapters, title, fonts.

MP4 holds one kind of subtitles (mov_text), Matroska holds most. Text goes over into the kind that the output holds;
subtitles that are pictures go into Matroska only.
"""

import re
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.stream import Discard, Disposition

from vinpaint_lib.video.media import decoded, films, reading
from vinpaint_lib.video.soundtrack import Soundtrack, mark, sound_notes

# For each container: kinds of subtitles that are copied, and the kind that other text becomes.
COPIED = {
    "mp4": ("mov_text",),
    "matroska": (
        "subrip", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "hdmv_text_subtitle", "dvd_subtitle", "dvb_subtitle",
    ),
}  # fmt: skip
BECOMES = {"mp4": "mov_text", "matroska": "subrip"}
TEXT = ("subrip", "mov_text", "ass", "ssa", "webvtt", "text", "microdvd", "subviewer", "sami")
# What a muxer writes by itself, and what belongs to the old file alone.
TECHNICAL = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
MILLISECOND = Fraction(1, 1000)


class Line(NamedTuple):
    """A subtitle: when it is shown, in seconds from the first picture, and its packet for the output."""

    seconds: Fraction
    duration: Fraction
    packet: av.Packet


class Companions:
    """Everything beside the pictures of `path`, added to the open `output`, and fed to it in step with the pictures.

    Second 0 is the first picture of `path`, and what begins after `length` seconds is left out. In a file without
    pictures, second 0 is the zero of the file's clock, and only its sound is taken.
    """

    def __init__(self, path: Path, output: av.container.OutputContainer, length: Fraction | None = None) -> None:
        self.output = output
        self.length = length
        self.lines: list[Line] = []
        self.start = first_picture(path)
        self.sound = Soundtrack(path, output, self.start)
        try:
            with reading(path) as container:
                if films(container):
                    copy_metadata(container, output)
                    self._add_chapters(container)
                    self._add_fonts(container)
                    self._add_subtitles(container)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        self.sound.close()

    def pump(self, until: Fraction) -> None:
        """Writes what begins before `until` seconds."""
        self.sound.pump(until)
        while self.lines and self.lines[0].seconds < until:
            self.output.mux(self.lines.pop(0).packet)

    def finish(self) -> None:
        """Writes what encoders still hold."""
        self.sound.finish()

    def _add_chapters(self, container: av.container.InputContainer) -> None:
        chapters: list[Any] = []
        for chapter in container.chapters():
            tick = Fraction(chapter["time_base"] or 0)
            begin, end = (chapter[edge] * tick - self.start for edge in ("start", "end"))
            if end > 0 and (self.length is None or begin < self.length):
                end = end if self.length is None else min(end, self.length)
                ticks = {"start": round(max(begin, Fraction(0)) * 1000), "end": round(end * 1000)}
                chapters.append({**chapter, **ticks, "id": len(chapters) + 1, "time_base": MILLISECOND})
        if chapters:
            self.output.set_chapters(chapters)

    def _add_fonts(self, container: av.container.InputContainer) -> None:
        if self.output.format.name == "matroska":
            for font in container.streams.attachments:
                self.output.add_attachment(font.name or "attachment", font.mimetype or "", font.data or b"")

    def _add_subtitles(self, container: av.container.InputContainer) -> None:
        """Reads all subtitles at once: they are small, and may lie far from the pictures that they belong to."""
        form, tracks = self.output.format.name, {}
        for stream in container.streams.subtitles:
            kind = kind_of(stream)
            target: Any
            if kind in COPIED[form]:
                target = self.output.add_stream_from_template(stream)
            elif kind in TEXT:
                stream.codec_context.open(strict=False)
                target = self.output.add_stream(BECOMES[form])
                target.codec_context.time_base = MILLISECOND
                target.codec_context.subtitle_header = stream.codec_context.subtitle_header
            else:
                continue
            mark(stream, target)
            tracks[stream.index] = target
        for packet in container.demux(list(container.streams.subtitles)) if tracks else ():
            if packet.stream.index in tracks and packet.size and packet.pts is not None:
                self._add_line(packet, packet.pts * packet.time_base - self.start, tracks[packet.stream.index])
        self.lines.sort(key=lambda line: line.seconds)

    def _add_line(self, packet: av.Packet, begin: Fraction, target: Any) -> None:
        end = begin + (packet.duration or 0) * packet.time_base
        end = end if self.length is None else min(end, self.length)
        if (begin < 0 and end <= 0) or (self.length is not None and begin >= self.length):
            return
        if kind_of(packet.stream) == kind_of(target):
            if kind_of(target) == "mov_text" and bytes(packet) == b"\0\0":
                return  # a gap between two lines, which MP4 spells out and a muxer writes by itself
            line = packet
        else:
            context: Any = packet.stream.codec_context
            subtitle = context.decode2(packet)
            if subtitle is None:
                return
            line = target.codec_context.encode_subtitle(subtitle)
        begin = max(begin, Fraction(0))
        line.stream, line.time_base = target, MILLISECOND
        line.pts = line.dts = round(begin / MILLISECOND)
        line.duration = round((end - begin) / MILLISECOND)
        self.lines.append(Line(begin, end - begin, line))


def kind_of(stream: Any) -> str:
    """FFmpeg's name for the codec of a stream, or "" if it is not known."""
    return "" if stream.codec_context is None else str(stream.codec_context.codec.canonical_name)


def copy_metadata(container: av.container.InputContainer, output: av.container.OutputContainer) -> None:
    """Title, date and the like; a comment is joined with one that stands in `output`."""
    own, theirs = output.metadata.get("comment", ""), ""
    for key, text in container.metadata.items():
        if key.lower() == "comment":
            # An earlier output of ours has its size in the comment, and this one may have another.
            theirs = re.sub(r"(; )?content \d+x\d+ of \d+x\d+", "", text)
        elif key.lower() not in TECHNICAL:
            output.metadata[key] = text
    if own or theirs:
        output.metadata["comment"] = "; ".join(part for part in (theirs, own) if part)


def first_picture(path: Path) -> Fraction:
    """When the first picture that can be shown is due, in seconds on the file's clock; 0 if there are no pictures."""
    with reading(path) as container:
        for stream in films(container)[:1]:
            with closing(decoded(container, stream)) as frames:
                first = next(frames, None)
            if first is not None and first.pts is not None and stream.time_base is not None:
                return first.pts * stream.time_base
    return Fraction(0)


def companion_notes(path: Path, form: str) -> list[str]:
    """Sentences on what an output in the container `form` will not keep of `path` as it is, besides the pictures."""
    notes = sound_notes(path)
    with reading(path) as container:
        if not films(container):
            return notes
        for stream in container.streams.subtitles:
            kind = kind_of(stream) or "unknown"
            if kind not in COPIED[form] and kind in TEXT:
                notes.append(f"{path}: subtitles ({kind}) become {BECOMES[form]}, since the output does not hold them")
            elif kind not in COPIED[form]:
                remedy = "give an .mkv to keep them" if kind in COPIED["matroska"] else "extract them to keep them"
                notes.append(f"{path}: subtitles ({kind}) are left out, since the output does not hold them; {remedy}")
        gone = []
        if any(stream.disposition & Disposition.attached_pic for stream in container.streams.video):
            gone.append("the cover picture")
        if container.streams.attachments and form != "matroska":
            gone.append("attachments (fonts)")
        # FFmpeg itself passes over the stream in which MP4 keeps its chapters.
        if any(stream.discard != Discard.all for stream in container.streams.data):
            gone.append("data streams (time code, sensors)")
    return notes + ([f"{path}: the output does not keep {' and '.join(gone)}"] if gone else [])


def lost_in_pictures(out: Path, path: Path) -> list[str]:
    """A sentence on the sound, subtitles and chapters of `path` that the pictures `out` will not hold."""
    with reading(path) as container:
        held = {
            "sound": container.streams.audio,
            "subtitles": container.streams.subtitles,
            "chapters": container.chapters(),
        }
    lost = " or ".join(name for name, there in held.items() if there)
    return [f"{out}: pictures have no {lost}; give an .mp4 to keep it"] if lost else []
