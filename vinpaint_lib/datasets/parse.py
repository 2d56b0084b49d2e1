"""Opens a data set by its name in words: "toy", or a kind of folder and its path, such as "davis:PATH".

Data sets that are opened for training leave out the published test clips of DAVIS and YouTube-VOS (`heldout.py`).
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

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


def parse_source(text: str, *, training: bool = False) -> ClipSet:
    """The data set that `text` names: "toy", or one of "davis:PATH", "youtube-vos:PATH", "sintel:PATH" (its clean
    rendering), "sintel-final:PATH", "videos:PATH" and "photos:PATH".

    Commas separate several sets. All sets are drawn from equally often, or by weight: "videos:PATH*3,photos:PATH".
    `training` leaves out the published test clips and warns of it. Raises UserError for any other text, a weight that
    is not above 0, and folders that are missing, empty or hold nothing but test clips.
    """
    sources, weights = [], []
    for item in text.split(","):
        words, star, weight = item.strip().partition("*")
        kind, colon, path = words.partition(":")
        known = kind in FOLDERS and path if colon else words == "toy"
        counted = not star or (re.fullmatch(r"\d+(\.\d+)?", weight) and float(weight) > 0)
        if not known or not counted:
            raise UserError(f"{item.strip()!r} is no source of clips; use {FORMS}, with *WEIGHT where one counts more")
        sources.append(FOLDERS[kind](path, training) if colon else ToyClips())
        weights.append(float(weight) if star else 1.0)
    return sources[0] if len(sources) == 1 else Mixture(sources, weights)


def without_places(data: str) -> str:
    """The text for `parse_source` with folder names in place of paths.

    A file of weights stores this form, so that it does not tell where it was trained.
    """
    items = [item.strip().partition(":") for item in data.split(",")]
    return ",".join(f"{kind}{colon}{Path(path).name}" for kind, colon, path in items)
