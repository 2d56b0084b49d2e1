"""Clips that are kept for evaluation: a data set that is opened for training leaves them out.

The 50 names are the DAVIS test list that FuseFormer, E2FGVI and ProPainter publish; most published numbers are
measured on it. A clip is recognised by its name: the folder of its frames, or the stem of its video file.
"""

import json
import warnings
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from vinpaint_lib.errors import UserError

DAVIS_RESOLUTIONS = ("480p", "Full-Resolution", "1080p")


@cache
def davis_test_names() -> frozenset[str]:
    """Names of the 50 published DAVIS test clips, e.g. "bmx-trees"."""
    text = resources.files("vinpaint_lib.datasets").joinpath("davis_test.json").read_text(encoding="utf-8")
    return frozenset(json.loads(text)["clips"])


def for_training(clips: Sequence[Path], where: Path) -> list[Path]:
    """The clips (frame folders or video files) that may be used for training; a warning names the withheld clips.

    Raises UserError when nothing is left.
    """
    withheld = [clip.name for clip in clips if {clip.stem.lower(), clip.name.lower()} & davis_test_names()]
    kept = [clip for clip in clips if clip.name not in withheld]
    if not kept:
        raise UserError(f"{where}: every clip here is a DAVIS test clip; train on other clips")
    if withheld:
        warnings.warn(
            f"{where}: {', '.join(sorted(withheld))} not used for training, being named as DAVIS test clips are "
            "(rename what is not from DAVIS)",
            stacklevel=3,
        )
    return kept


def check_photographs(folder: Path) -> None:
    """Raise UserError when a folder of photographs in truth holds the frames of a DAVIS test clip."""
    parts = folder.resolve().parts
    inside = len(parts) > 1 and parts[-2] in DAVIS_RESOLUTIONS
    if inside and parts[-1] in davis_test_names():
        raise UserError(f"{folder}: these are frames of the DAVIS test clip {parts[-1]}; train on other photographs")
