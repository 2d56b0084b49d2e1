"""`vinpaint ablate`: its options, and what it does with them."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from vinpaint_lib import errors

Names = Annotated[str, tyro.conf.arg(metavar="NAMES")]
Count = Annotated[int | None, tyro.conf.arg(metavar="INT")]


def ablate(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")],
    *,
    score: Annotated[str, tyro.conf.arg(metavar="SPEC")],
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")],
    switches: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    variants: Names = "",
    preset: str = "laptop",
    steps: Count = None,
    data: Annotated[str, tyro.conf.arg(metavar="SPEC")] = "toy",
    held_back: Names = "",
    seed: int = 0,
    seeds: int = 1,
    weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    workers: Count = None,
    masks: Names = "stationary,moving",
    protocol: Literal["clean", "paper"] = "clean",
    size: Annotated[str, tyro.conf.arg(metavar="WIDTHxHEIGHT")] = "432x240",
    limit: Count = 40,
    clips: Names = "",
    retry: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    device: str = "auto",
) -> None:
    """Take parts of a system away, one at a time: train each form anew, score all of them, and print the differences.

    What is trained or scored already is not done again, a training that was stopped goes on from its last state, and
    Ctrl-C keeps what is there. With --switches nothing is trained: that takes minutes, and says less.

    Args:
        name: a system with parts to take away: tgfnet, sttn, vinet, combcn, align_attend
        score: clips to score on: davis:PATH and others, as `vinpaint evaluate` has them
        out: folder of the trainings, one folder for each form and seed, and of results.jsonl; with --switches the
            file of results (.jsonl)
        switches: switch parts of trained weights off, at test time, in place of training without them
        variants: only these forms, by the names in the table, and the full one; all if not given
        preset: of `vinpaint train`: tiny, laptop, gpu, paper
        steps: number of steps of each training, instead of the preset's
        data: clips to train on, as `vinpaint train` has them
        held_back: clips, joined by commas, that are not trained on
        seed: of the first trial: of its trainings and of its holes
        seeds: train and score every form so many times, with the seeds SEED, SEED+1, ...
        weights: that all trainings begin with; with --switches instead of those that ship
        workers: processes that make samples beside the training
        masks: kinds of holes, joined by commas
        protocol: clean, or paper
        size: the size to score at
        limit: only the first so many frames of each clip; None for all
        clips: only these of the clips to score on
        retry: score once more what failed before
        device: auto, cpu, cuda, cuda:1, mps
    """
    from vinpaint_lib.comparison.ablations import run
    from vinpaint_lib.comparison.ablations.asked import Ablating
    from vinpaint_lib.options import choose_device, parse_names, parse_size

    asked = Ablating(
        name=name,
        out=out,
        score=score,
        switches=switches,
        variants=parse_names(variants),
        preset=preset,
        steps=steps,
        data=data,
        held_back=parse_names(held_back),
        seed=seed,
        seeds=seeds,
        weights=weights,
        workers=workers,
        masks=parse_names(masks),
        protocol=protocol,
        size=parse_size(size),
        limit=limit,
        clips=parse_names(clips),
        retry=retry,
        device=choose_device(device),
    )
    if not run.ablate(asked, errors.tell, errors.say, errors.in_table):
        sys.exit(2)
