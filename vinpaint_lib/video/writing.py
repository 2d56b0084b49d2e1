"""Writes clips: a video (H.264, BT.709) with its sound, a folder of PNGs, or one PNG. Frames may be a generator.

Every output is written as a hidden draft and takes its final name when it is complete (`files.py`). If a run stops
early, the draft is removed, and no half-written output stands under the final name. One run at a time writes to a place
(`places.py`).
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

import av
import cv2
import numpy as np
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of, filling
from vinpaint_lib.places import check_file, check_folder, claimed
from vinpaint_lib.video.companions import companion_notes, lost_in_pictures
from vinpaint_lib.video.encoding import encode
from vinpaint_lib.video.hidden import visible
from vinpaint_lib.video.media import writing
from vinpaint_lib.video.profiles import profile_notes, with_profile
from vinpaint_lib.video.sources import PICTURE_SUFFIXES

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mp4", ".mkv": "matroska"}


@runtime_checkable
class Origin(Protocol):
    """The clip that the frames were made from, a `Clip` or a `ClipStream`; a writer takes these attributes from it."""

    @property
    def fps(self) -> Fraction: ...

    @property
    def audio(self) -> Path | None: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def times(self) -> tuple[Fraction, ...] | None: ...

    @property
    def pixel_aspect(self) -> Fraction: ...

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def companions(self) -> Path | None: ...

    @property
    def profile(self) -> bytes | None: ...

    def __len__(self) -> int: ...


def check_output(out: str | Path, clip: Origin, *, overwrite: bool = False) -> list[str]:
    """Checks before any work that `clip` can be written to `out`; returns sentences on what the output cannot keep.

    Raises UserError as `check_target` does, for an output that is the clip itself or would replace a picture of it, and
    for one picture if there are several frames.
    """
    out = Path(out)
    source = getattr(clip, "path", None) or clip.audio
    if source is not None:
        check_apart(out, source, "the input")
    check_target(out, overwrite=overwrite)
    if out.suffix.lower() in CONTAINERS and not out.is_dir():
        height, width = clip.size
        beside = clip.companions or clip.audio
        notes = [] if beside is None else companion_notes(beside, CONTAINERS[out.suffix.lower()])
        notes += profile_notes(out, clip.profile)
        if height % 2 or width % 2:
            notes.append(
                f"{out}: H.264 has even sizes only; {width}x{height} is stored as {width + width % 2}x"
                f"{height + height % 2} with its last row or column repeated"
            )
        return notes
    if out.suffix.lower() == ".png" and not out.is_dir() and len(clip) != 1:
        raise UserError(f"{out}: one picture cannot hold {len(clip)} frames; give a folder (no suffix) or an .mp4")
    beside = clip.companions or clip.audio
    return [] if beside is None else lost_in_pictures(out, beside)


def write_clip(
    out: str | Path, frames: Iterable[Float[Tensor, "3 h w"]], clip: Origin, *, overwrite: bool = False
) -> Path:
    """Writes frames as the suffix of `out` says: video (.mp4 .m4v .mov .mkv), one picture (.png), else a folder.

    Rate, times, sound, pixel shape and picture names come from `clip`. Raises UserError as `check_output` does.
    """
    out = Path(out)
    check_output(out, clip, overwrite=overwrite)
    if out.is_dir() or not out.suffix:
        return write_folder(out, frames, clip.names or None, overwrite=overwrite, profile=clip.profile)
    if out.suffix.lower() == ".png":
        return write_picture(out, frames, profile=clip.profile)
    beside = clip.companions or clip.audio
    seconds = clip.times[-1] + 1 / clip.fps if clip.times else len(clip) / clip.fps
    return write_video(
        out, frames, clip.fps, beside, times=clip.times, pixel_aspect=clip.pixel_aspect, seconds=seconds
    )  # fmt: skip


def write_video(
    path: str | Path,
    frames: Iterable[Float[Tensor, "3 h w"]],
    fps: Fraction,
    audio: Path | None = None,
    *,
    times: Sequence[Fraction] | None = None,
    pixel_aspect: Fraction = Fraction(1),
    seconds: Fraction | None = None,
    crf: int = 17,
) -> Path:
    """Writes RGB frames in [0, 1] as H.264 (yuv420p, BT.709, limited range) with the sound of the file `audio`.

    If `audio` is a video, its subtitles, chapters and title go along; `seconds`, the length of the pictures, says where
    these end.

    Frame k is shown at k / fps seconds, or at times[k]. The sound keeps its place relative to the first picture of the
    file `audio`, and is cut to the length of the pictures. Odd sizes: see `encoding.py`. An existing file is replaced.

    Raises UserError as `check_target` does, and if there are no frames, if `audio` is missing, or if the disk refuses.
    """
    path = Path(path)
    check_target(path, (*CONTAINERS,), folder=False)
    if audio is not None and not audio.is_file():
        raise UserError(f"{audio}: no such file to take the sound from; check the path")
    with claimed(path), draft_of(path) as draft:
        try:
            with writing(draft, CONTAINERS[path.suffix.lower()]) as output:
                encode(output, map(to_picture, frames), fps, audio, times, pixel_aspect, crf, path, seconds)
        except (av.error.FFmpegError, OSError) as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); check space and rights") from error
    return path


def write_folder(
    path: str | Path,
    frames: Iterable[Float[Tensor, "3 h w"]],
    names: Sequence[str] | None = None,
    *,
    overwrite: bool = False,
    profile: bytes | None = None,
) -> Path:
    """Writes RGB frames in [0, 1] as 8-bit PNGs: `names` with the suffix .png, or 00000.png, 00001.png, ...

    profile: a colour profile (ICC) that every PNG gets.

    A folder that is not empty is refused. With `overwrite` its pictures are replaced, if it holds nothing but pictures.
    The folder itself and its hidden files stay; the pictures appear in it when all of them are written. Raises
    UserError as `check_target` does, and if there are no frames or the disk refuses.
    """
    path = Path(path)
    check_target(path, overwrite=overwrite, folder=True)
    chosen = png_names(names) if names is not None else None
    with claimed(path, folder=True) as place, filling(place, visible(place)) as draft:
        index = -1
        for index, frame in enumerate(frames):
            if chosen is not None and index == len(chosen):
                raise ValueError(f"more frames than the {index} names they are to be written under")
            save_png(draft / (chosen[index] if chosen is not None else f"{index:05d}.png"), frame, path, profile)
        if index < 0:
            raise UserError(f"{path}: there are no frames to write; check the input's length and --limit")
    return path


def write_picture(path: str | Path, frames: Iterable[Float[Tensor, "3 h w"]], *, profile: bytes | None = None) -> Path:
    """Writes the only frame as one PNG. Raises UserError as `check_target` does, and for no frame or several frames."""
    path = Path(path)
    check_target(path, (".png",), folder=False)
    with claimed(path), draft_of(path) as draft:
        pictures = list(frames)
        if len(pictures) != 1:
            raise UserError(f"{path}: one picture cannot hold {len(pictures)} frames; give a folder or an .mp4")
        save_png(draft, pictures[0], path, profile)
    return path


def check_target(
    path: Path,
    suffixes: tuple[str, ...] = (*CONTAINERS, ".png"),
    *,
    overwrite: bool = False,
    folder: bool | None = None,
) -> None:
    """Raises UserError if `path` cannot be written: as a file with one of `suffixes`, or as a folder.

    `folder` says which of the two; None: an existing folder, or a path without a suffix, becomes a folder.
    """
    if folder or (folder is None and (path.is_dir() or not path.suffix)):
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: is a file, a folder of pictures cannot be written over it; give another name")
        if path.is_dir():
            check_replaceable(path, overwrite)
        check_folder(path)
        return
    if not path.is_dir() and path.suffix.lower() not in suffixes:
        raise UserError(
            f"{path}: '{path.suffix}' cannot be written; give {', '.join(suffixes)}, or a folder name without a dot"
        )
    check_file(path)


def check_replaceable(folder: Path, overwrite: bool) -> None:
    """Raises UserError unless the folder is empty, or `overwrite` is set and it holds nothing but pictures.

    Hidden files do not count: they stay.
    """
    entries = visible(folder)
    if entries and not overwrite:
        raise UserError(f"{folder}: the folder is not empty; give a new name, or --overwrite to replace its pictures")
    for entry in entries:
        if entry.is_dir() or not is_picture(entry):
            raise UserError(f"{folder}: holds more than pictures ({entry.name}) and is not replaced; give a new name")


def check_apart(out: Path, source: Path, what: str) -> None:
    """Raises UserError if the output is the file or folder `source`, or would replace a picture of it."""
    if not out.exists() or not source.exists():
        return
    if out.samefile(source):
        raise UserError(f"{out}: is {what} itself; give another name")
    folder, file = (out, source) if out.is_dir() else (source, out)
    pictures = [entry for entry in visible(folder) if is_picture(entry)] if folder.is_dir() else []
    if file.is_file() and any(entry.exists() and entry.samefile(file) for entry in pictures):
        raise UserError(f"{out}: would replace {what} {source}; give another name")


def is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES


def to_picture(frame: Float[Tensor, "3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """[0, 1] -> 0 .. 255, rounded; values outside are clipped."""
    levels = frame.detach().float().clamp(0, 1).mul_(255).round_().byte()  # in place: frames may be large
    return rearrange(levels, "c h w -> h w c").cpu().numpy()


def save_png(file: Path, frame: Float[Tensor, "3 h w"], target: Path, profile: bytes | None = None) -> None:
    """Writes one PNG. The UserError for a full or protected disk names `target`, the path that the user gave."""
    encoded = cv2.imencode(".png", np.ascontiguousarray(to_picture(frame)[..., ::-1]))[1].tobytes()
    try:
        file.write_bytes(with_profile(encoded, profile) if profile else encoded)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror}); check space and rights") from error


def png_names(names: Sequence[str]) -> list[str]:
    """The names with the suffix .png. If two would be the same (a.jpg, a.png), every name keeps its old suffix too."""
    stems = [Path(name).stem for name in names]
    if len(set(stems)) < len(stems):
        stems = [Path(name).name for name in names]
    return [f"{stem}.png" for stem in stems]
