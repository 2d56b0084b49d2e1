"""Filmed clips on disk: a folder of videos, DAVIS, YouTube-VOS."""

from contextlib import closing
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vinpaint_lib.datasets import heldout
from vinpaint_lib.datasets.broken import cut_short, in_short, picture_fault
from vinpaint_lib.datasets.clip_set import ClipSet, Size, listed
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.video.clip import Clip, to_frame
from vinpaint_lib.video.hidden import visible
from vinpaint_lib.video.sources import (
    PICTURE_SUFFIXES,
    PictureFiles,
    VideoSource,
    load_picture,
    open_source,
    picture_files,
)

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


class VideoFolder(ClipSet):
    """The clips are every video file and every folder of pictures in a folder, or one video file. No silhouettes."""

    kind = "videos"

    def __init__(self, path: str | Path, training: bool = False) -> None:
        path = Path(path)
        found = [path] if path.is_file() else [entry for entry in entries(path) if is_clip(entry)]
        if not found:
            raise UserError(
                f"{path}: no videos ({', '.join(VIDEO_SUFFIXES)}) and no folders of pictures; check the path"
            )
        self.clips = heldout.for_training(found, path) if training else found

    def __len__(self) -> int:
        return len(self.clips)

    def name(self, i: int) -> str:
        clip = self.clips[i]
        return clip.stem if clip.suffix.lower() in VIDEO_SUFFIXES else clip.name

    def frames(self, i: int) -> int:
        return opened(self.clips[i]).length

    def size(self, i: int) -> Size:
        return opened(self.clips[i]).size

    def describe(self) -> dict[str, Any]:
        extent = [clip.stat().st_size if clip.is_file() else self.frames(i) for i, clip in enumerate(self.clips)]
        return {"kind": self.kind, "clips": [[clip.name, n] for clip, n in zip(self.clips, extent, strict=True)]}

    def faults(self, i: int) -> list[str]:
        clip = self.clips[i]
        try:
            source = opened(clip)
        except UserError as error:
            files = picture_files(clip) if clip.is_dir() else ()
            return [fault for file in files if (fault := picture_fault(file))] or [in_short(error)]
        files = source.files if isinstance(source, PictureFiles) else ()
        return [fault for file in files if (fault := cut_short(file))]

    def read(self, i: int, size: Size, chosen: range) -> Clip:
        source = opened(self.clips[i])
        pictures = read_pictures(source, chosen)
        frames = torch.stack([to_frame(picture, size) for picture in pictures])
        return Clip(frames, self.silhouettes(i, size, chosen), source.fps / chosen.step, self.name(i))

    def silhouettes(self, i: int, size: Size, chosen: range) -> Float[Tensor, "t 1 h w"]:
        """Masks of the chosen frames, 1 = object; empty where nothing is known."""
        return torch.zeros(len(chosen), 1, *size)


class DavisFolder(VideoFolder):
    """DAVIS 2016 or 2017: <path>/JPEGImages/480p/<clip>/*.jpg, Annotations/480p/<clip>/*.png; all objects merged.

    split: a list of clips under ImageSets, e.g. "2017/val" or "480p/val" (the 2016 edition); None takes all folders.
    """

    kind = "davis"
    layout = ("JPEGImages/480p", "Annotations/480p")

    def __init__(self, path: str | Path, training: bool = False, split: str | None = None) -> None:
        root = Path(path)
        frames, annotations = (root / part for part in self.layout)
        if not frames.is_dir():
            raise UserError(f"{frames}: no such folder; give the folder that holds {self.layout[0].split('/')[0]}")
        super().__init__(frames, training=False)
        if split is not None:
            wanted = read_split(root / "ImageSets" / f"{split}.txt")
            if missing := sorted(wanted - {clip.name for clip in self.clips}):
                raise UserError(f"{frames}: {listed(missing)} of the list {split} is missing; download the set again")
            self.clips = [clip for clip in self.clips if clip.name in wanted]
        if training:
            self.clips = heldout.for_training(self.clips, root)
        self.annotations = annotations

    def annotated(self, i: int) -> list[int]:
        """Numbers of the frames that have an annotation."""
        folder = self.annotations / self.clips[i].name
        drawn = {file.stem for file in folder.glob("*.png")}
        return [t for t, file in enumerate(picture_files(self.clips[i])) if file.stem in drawn]

    def faults(self, i: int) -> list[str]:
        drawn = visible(folder) if (folder := self.annotations / self.clips[i].name).is_dir() else []
        return super().faults(i) + [fault for file in drawn if file.suffix == ".png" and (fault := picture_fault(file))]

    def silhouettes(self, i: int, size: Size, chosen: range) -> Float[Tensor, "t 1 h w"]:
        """Masks of the chosen frames; a frame without annotation takes the mask of the nearest annotated frame."""
        drawn = self.annotated(i)
        if not drawn:
            return super().silhouettes(i, size, chosen)
        files, folder = picture_files(self.clips[i]), self.annotations / self.clips[i].name
        nearest = [min(drawn, key=lambda k: abs(k - t)) for t in chosen]
        shown = {k: masks.to_masks(read_silhouette(folder / f"{files[k].stem}.png")[None]) for k in set(nearest)}
        return torch.cat([masks.resize(shown[k], size) for k in nearest])


class YouTubeVosFolder(DavisFolder):
    """YouTube-VOS: <path>/train/JPEGImages/<id>/*.jpg; annotations of every fifth frame, or none.

    part: "train", "valid" or "test". A path that holds JPEGImages itself works as well.
    """

    kind = "youtube-vos"
    layout = ("JPEGImages", "Annotations")

    def __init__(self, path: str | Path, training: bool = False, part: str = "train") -> None:
        root = Path(path)
        super().__init__(root if (root / "JPEGImages").is_dir() else root / part, training)


def entries(folder: Path) -> list[Path]:
    """The files and folders in a folder, sorted, without hidden ones. Raises UserError if there is no such folder."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; check the path")
    return visible(folder)


def is_clip(path: Path) -> bool:
    """Whether the path is a video file, or a folder that holds pictures."""
    if path.is_dir():
        return any(entry.suffix.lower() in PICTURE_SUFFIXES for entry in visible(path))
    return path.suffix.lower() in VIDEO_SUFFIXES


def opened(path: Path) -> PictureFiles | VideoSource:
    """The source of a clip. Its headers are read once, and again only when the file changes."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); replace or remove it") from error
    return _opened(path, changed)


@lru_cache(maxsize=4096)
def _opened(path: Path, changed: int) -> PictureFiles | VideoSource:
    return open_source(path)


def read_pictures(source: PictureFiles | VideoSource, chosen: range) -> list[UInt8[np.ndarray, "h w 3"]]:
    """The chosen pictures of a source. In a folder only these files are opened; a video is decoded from its start."""
    if isinstance(source, PictureFiles):
        return list(source.part(chosen).pictures())
    with closing(source.pictures()) as pictures:
        return list(islice(pictures, chosen.start, chosen[-1] + 1, chosen.step))


def read_silhouette(file: Path) -> UInt8[np.ndarray, "h w"]:
    """An annotation as 1 = any object, 0 = background: palette index above 0, or any channel above 0."""
    picture = load_picture(file)
    values = np.asarray(picture) if picture.mode in ("P", "L", "1") else np.asarray(picture.convert("RGB")).max(axis=-1)
    return (values > 0).astype(np.uint8)


def read_split(file: Path) -> set[str]:
    """Clip names of a DAVIS list: one name a line (2017), or one pair of frame and annotation paths (2016)."""
    if not file.is_file():
        lists = sorted(
            str(other.relative_to(file.parents[1]).with_suffix("")) for other in file.parents[1].glob("*/*.txt")
        )
        raise UserError(f"{file}: no such list of clips; {'choose one of ' + ', '.join(lists) if lists else 'omit it'}")
    words = [line.split()[0] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {Path(word).parent.name if "/" in word else word for word in words}
