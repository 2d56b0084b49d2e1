"""Opens media files: every file that FFmpeg reads or writes passes here; and which stream of it is the film.

FFmpeg would take a name such as `take:2.mp4` or `http:a.mp4` for an address, and `%03d.gif` for a row of files. So it
gets an open file and never a name. What a file itself names (a playlist) is not followed either.
"""

import io
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from vinpaint_lib.errors import UserError

LISTS = ("hls", "concat", "dash", "sdp", "rtsp", "imf", "webm_dash_manifest")  # formats that only name other files
NO_VIDEOS = ("tty",)  # FFmpeg draws any text file as a terminal
NO_FILMS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
# FFmpeg's own decoders of VP8 and VP9 leave out the alpha that WebM keeps beside the picture; these do not.
KEPT_APART = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Unnamed(io.FileIO):
    """An open file of which FFmpeg knows the suffix alone, since that helps to tell formats apart."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.name = f"media{path.suffix}" if re.fullmatch(r"\.\w+", path.suffix, re.ASCII) else "media"

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """A damaged file sends FFmpeg to places that do not exist; this is a code and no error."""
        try:
            return super().seek(offset, whence)
        except OSError as error:
            return -(error.errno or 1)


@contextmanager
def reading(path: Path) -> Iterator[av.container.InputContainer]:
    """The file `path`, open for reading, whatever characters its name has. FFmpeg's errors pass through.

    Raises UserError if the file cannot be opened, or is no media file but text or a list of other files.
    """
    try:
        file = Unnamed(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from error
    with file, av.open(file, "r", options={"protocol_whitelist": "file"}) as container:
        if container.format.name in NO_VIDEOS:
            raise UserError(f"{path}: is no video; give a video, a folder of pictures or one picture")
        if container.format.name in LISTS:
            raise UserError(f"{path}: is a list of other files and no video; give the video itself")
        yield container


@contextmanager
def writing(path: Path, form: str) -> Iterator[av.container.OutputContainer]:
    """The file `path`, open for writing in the container format `form`. Errors of FFmpeg and the disk pass through."""
    with path.open("wb") as file, av.open(file, "w", format=form) as container:
        yield container


def films(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The streams that can be a film, best first; cover pictures, thumbnails and tiles of photographs are none.

    Better is, in this order: more than one picture, marked as default, larger, longer, earlier in the file.
    """
    found = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & NO_FILMS
    ]

    def worth(stream: av.VideoStream) -> tuple[bool, bool, int, float]:
        area = stream.codec_context.width * stream.codec_context.height
        length = float((stream.duration or 0) * (stream.time_base or 0))
        return stream.frames != 1, bool(stream.disposition & Disposition.default), area, length

    return sorted(found, key=worth, reverse=True)


def film(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    """The stream of `container` that is its film. Raises UserError if there is none."""
    found = films(container)
    if found:
        return found[0]
    if not container.streams.video:
        raise UserError(f"{path}: the file has no pictures (sound only?); give a video or a folder of pictures")
    raise UserError(
        f"{path}: the file has no film, only a cover picture, a photograph in tiles or a kind of video that is not "
        "known; give a video or a folder of pictures"
    )


def film_notes(path: Path, container: av.container.InputContainer) -> list[str]:
    """A sentence if one of several films was chosen."""
    found = films(container)
    if len(found) < 2:
        return []
    sizes = ", ".join(f"{stream.codec_context.width}x{stream.codec_context.height}" for stream in found)
    return [
        f"{path}: holds {len(found)} films ({sizes}); only the first of these, stream {found[0].index}, is used: "
        "save another one alone to use it"
    ]


def alpha_apart(stream: av.VideoStream) -> bool:
    """Whether the film has an alpha channel that WebM keeps beside the pictures."""
    decoder = KEPT_APART.get(stream.codec_context.codec.canonical_name)
    return stream.metadata.get("alpha_mode") == "1" and decoder in av.codecs_available


def decoded(
    container: av.container.InputContainer, stream: av.VideoStream, alpha: bool = False
) -> Generator[av.VideoFrame, None, None]:
    """The frames of `stream` in the order of their times; with `alpha`, also an alpha channel that is kept apart."""
    if not (alpha and alpha_apart(stream)):
        stream.thread_type = "AUTO"
        yield from container.decode(stream)
        return
    context: Any = av.CodecContext.create(KEPT_APART[stream.codec_context.codec.canonical_name], "r")
    context.extradata = stream.codec_context.extradata
    for packet in container.demux(stream):
        yield from context.decode(packet)
