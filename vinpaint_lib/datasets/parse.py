"""Opens a data set by its name in words: "toy", or a kind of folder and its path, such as "davis:PATH".

A path may hold commas, stars, spaces and quotes: a comma ends it only where another source follows, and a star only
where a number ends the source. What reads otherwise is put in quotes: `videos:"my clips, toy"*2`.

Data sets that are opened for training leave out the published test clips of DAVIS and YouTube-VOS (`heldout.py`).
"""

import re
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import NamedTuple

from vinpaint_lib.datasets.clip_set import ClipSet, Mixture
from vinpaint_lib.datasets.footage import DavisFolder, VideoFolder, YouTubeVosFolder
from vinpaint_lib.datasets.sintel import SintelFolder
from vinpaint_lib.datasets.synthetic import PhotoMotion, ToyClips
from vinpaint_lib.errors import UserError

FOLDERS: dict[str, Callable[[str, bool], ClipSet]] = {
    "davis": DavisFolder,
    "youtube-vos": YouTubeVosFolder,
    "sintel": SintelFolder,
    "sintel-final": partial(SintelFolder, rendering="final"),
    "videos": VideoFolder,
    "photos": PhotoMotion,
}
FORMS = "toy, " + ", ".join(f"{kind}:PATH" for kind in FOLDERS)
WEIGHT = r"(?:\*(?P<weight>\d+(?:\.\d+)?))?"
NEXT = rf"\s*(?:$|,(?=\s*(?:(?:{'|'.join(FOLDERS)}):|toy\s*(?:[*,]|$))))"  # the end, or a comma and another source
PATH = r"""(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>.+?))"""
SOURCE = re.compile(rf"\s*(?:toy|(?P<kind>{'|'.join(FOLDERS)}):{PATH}){WEIGHT}{NEXT}", re.DOTALL)


class Source(NamedTuple):
    """One source of a text: its kind, "toy" or a key of FOLDERS, its path (empty for toy), its weight as written."""

    kind: str
    path: str
    weight: str

    def __str__(self) -> str:
        """The words for it, with quotes where they are needed."""
        star = f"*{self.weight}" if self.weight else ""
        if self.kind == "toy":
            return f"toy{star}"
        plain = f"{self.kind}:{self.path}{star}"
        if split_sources_or_none(plain) == [self] and not re.search(r"[,*]", self.path):
            return plain
        quote = "'" if '"' in self.path else '"'
        return f"{self.kind}:{quote}{self.path}{quote}{star}"


def split_sources(text: str) -> list[Source]:
    """The sources that a text names, separated by commas. Raises UserError for a part that is none."""
    found: list[Source] = []
    place = 0
    while place < len(text) or not found:
        item = SOURCE.match(text, place)
        weight = item["weight"] or "" if item else ""
        if not item or (weight and not 0 < float(weight) < inf):
            wrong = text[place:].split(",")[0].strip()[:60]
            raise UserError(f"{wrong!r} is no source of clips; use {FORMS}, with *WEIGHT where one counts more")
        found.append(Source(item["kind"] or "toy", item["double"] or item["single"] or item["bare"] or "", weight))
        place = item.end()
    return found


def split_sources_or_none(text: str) -> list[Source] | None:
    """The same, or None for a text that names no sources."""
    try:
        return split_sources(text)
    except UserError:
        return None


def parse_source(text: str, *, training: bool = False) -> ClipSet:
    """The data set that `text` names: "toy", or one of "davis:PATH", "youtube-vos:PATH", "sintel:PATH" (its clean
    rendering), "sintel-final:PATH", "videos:PATH" and "photos:PATH".

    Commas separate several sets. All sets are drawn from equally often, or by weight: "videos:PATH*3,photos:PATH".
    `training` leaves out the published test clips and warns of it. Raises UserError for any other text, a weight that
    is not above 0, and folders that are missing, empty or hold nothing but test clips.
    """
    named = split_sources(text)
    sources = [FOLDERS[source.kind](source.path, training) if source.path else ToyClips() for source in named]
    weights = [float(source.weight or 1) for source in named]
    return sources[0] if len(sources) == 1 else Mixture(sources, weights)


def without_places(data: str) -> str:
    """The text for `parse_source` with folder names in place of paths.

    A file of weights stores this form, so that it does not tell where it was trained.
    """
    named = split_sources_or_none(data)
    if named is None:  # an old file may hold a kind of data set that is gone
        items = [item.strip().partition(":") for item in data.split(",")]
        return ",".join(f"{kind}{colon}{Path(path).name}" for kind, colon, path in items)
    return ",".join(str(source._replace(path=Path(source.path).name)) for source in named)
