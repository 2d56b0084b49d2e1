"""Clips that are kept for evaluation: a data set that is opened for training leaves them out.

DAVIS        the 50 test clips that FuseFormer, E2FGVI and ProPainter publish; most published numbers are measured
             on them.
YouTube-VOS  the 508 test clips that STTN and ProPainter publish.

A clip is recognised by its name, in whichever folder it lies: the folder of its frames, or the stem of its video file.
YouTube-VOS names are ten hex digits, which other footage does not have by chance.
"""

import json
import warnings
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from vinpaint_lib.datasets.clip_set import listed
from vinpaint_lib.errors import UserError

DAVIS_RESOLUTIONS = ("480p", "Full-Resolution", "1080p")
LISTS = {"DAVIS": "davis_test.json", "YouTube-VOS": "youtube_vos_test.json"}


@cache
def published_names(data_set: str) -> frozenset[str]:
    """Names of the published test clips of a data set of LISTS, e.g. "bmx-trees" of "DAVIS"."""
    text = resources.files("vinpaint_lib.datasets").joinpath(LISTS[data_set]).read_text(encoding="utf-8")
    return frozenset(json.loads(text)["clips"])


def owner_of(clip: Path) -> str | None:
    """The data set whose published test list names this folder of frames or video file; None for other clips."""
    names = {clip.stem.lower(), clip.name.lower()}
    return next((data_set for data_set in LISTS if names & published_names(data_set)), None)


def for_training(clips: Sequence[Path], where: Path) -> list[Path]:
    """The clips (frame folders or video files) that may be used for training; a warning names the withheld clips.

    Raises UserError when nothing is left.
    """
    withheld = {clip: data_set for clip in clips if (data_set := owner_of(clip)) is not None}
    kept = [clip for clip in clips if clip not in withheld]
    sets = " or ".join(data_set for data_set in LISTS if data_set in withheld.values())
    if not kept:
        raise UserError(f"{where}: every clip here is a {sets} test clip; train on other clips")
    if withheld:
        names = listed(sorted(clip.name for clip in withheld), 60)  # all of DAVIS, not the hundreds of YouTube-VOS
        warnings.warn(
            f"{where}: {names} not used for training, being named as {sets} test clips are "
            f"(rename what is not from {sets})",
            stacklevel=3,
        )
    return kept


def check_photographs(folder: Path) -> None:
    """Raise UserError when a folder of photographs in truth holds the frames of a published test clip."""
    *_, above, name = ("", *folder.resolve().parts)
    inside = {"DAVIS": above in DAVIS_RESOLUTIONS, "YouTube-VOS": above == "JPEGImages"}
    for data_set in LISTS:
        if inside[data_set] and name in published_names(data_set):
            raise UserError(
                f"{folder}: these are frames of the {data_set} test clip {name}; train on other photographs"
            )
