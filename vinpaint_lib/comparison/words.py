"""The options of `vinpaint compare`, as they are written. Nothing heavy is imported: `--help` answers at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

Names = Annotated[str, tyro.conf.arg(metavar="NAMES")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")]
Count = Annotated[int | None, tyro.conf.arg(metavar="INT")]


@dataclass(frozen=True)
class Words:
    """What to compare, or which file of results to show."""

    model: Names = "all"
    """names from `vinpaint models`, joined by commas; all: every system and baseline, without variants"""
    data: Annotated[str, tyro.conf.arg(metavar="SPEC")] = ""
    """davis:PATH and others, as `vinpaint evaluate` has them"""
    masks: Names = "stationary,moving"
    """kinds of holes, joined by commas: stationary, watermark, moving, object, fvi:PATH"""
    protocol: Names = "clean"
    """clean, paper, or both"""
    size: Annotated[str, tyro.conf.arg(metavar="SIZES")] = "432x240"
    """sizes to work at, WIDTHxHEIGHT, joined by commas; TGF-Net's own is 384x256"""
    limit: Count = 40
    """only the first so many frames of each clip; None for all"""
    clips: Names = ""
    """only these of the data, joined by commas; quotes keep a comma in a name"""
    seed: int = 0
    """of the holes of the first trial"""
    trials: int = 1
    """draw the holes so many times, with the seeds SEED, SEED+1, ..."""
    sample: Count = None
    """each trial draws so many of the clips; Align-and-Attend's: --trials 5 --sample 20 --limit 64"""
    weights: Annotated[str, tyro.conf.arg(metavar="NAME=FILE,...")] = ""
    """other weights than those that ship, for systems by name"""
    features: Annotated[str, tyro.conf.arg(metavar="NAME")] = "none"
    """of VFID: i3d, i3d-train-mode (as in the papers), or stand-ins: vgg16, vgg16-first-blocks, squeezenet"""
    out: File = None
    """the file of results (.jsonl), a line for each system and clip; what it holds already is not run again"""
    retry: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """run what failed before once more"""
    pictures: Folder = None
    """keep five frames of every filled clip there, for film strips"""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps"""
    table: File = None
    """instead of running: print the tables of this file of results"""
    figures: Folder = None
    """with --table: write the figures there; with --pictures also the film strips"""
