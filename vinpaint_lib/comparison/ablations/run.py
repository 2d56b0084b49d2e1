"""An ablation from its options to the printed table: train what is missing, score what is missing."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from vinpaint_lib.comparison import run, show
from vinpaint_lib.comparison.ablations import retrained, switched
from vinpaint_lib.comparison.ablations.asked import Ablating, Tell
from vinpaint_lib.comparison.ablations.forms import system_of
from vinpaint_lib.comparison.cells import groups
from vinpaint_lib.comparison.measure import Contestant
from vinpaint_lib.comparison.results import Line
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.options import spell_names
from vinpaint_lib.places import check_file, check_folder, claimed

RESULTS = "results.jsonl"
Fault = Callable[[Exception], str]


def ablate(asked: Ablating, tell: Tell, say: Tell, on_fault: Fault) -> bool:
    """Train and score what is not there yet, and print the table; whether no cell is broken.

    `tell` gets notes, `say` lines about the work; `on_fault` puts an exception that is no UserError in words. Raises
    UserError before anything is trained: for an unknown system, form, preset, protocol, kind of holes, clip or folder,
    and for an `out` that cannot be written or is written by another run. Ctrl-C raises a KeyboardInterrupt that says
    what is kept.
    """
    if asked.seeds < 1:
        raise UserError(f"--seeds {asked.seeds}: trains nothing; give 1 or more")
    lines = of_switches(asked, tell, say, on_fault) if asked.switches else of_trainings(asked, tell, say, on_fault)
    if any("scores" in line for line in lines):
        print(show.text(lines, split_too=False))
    return run.report(lines, say)


def of_switches(asked: Ablating, tell: Tell, say: Tell, on_fault: Fault) -> list[Line]:
    """The cells of all rows of switches."""
    system_of(asked.name, switches=True)
    cells = asked.comparison(asked.out, range(asked.seed, asked.seed + asked.seeds), asked.clips)
    run.check(cells)
    check_file(asked.out)
    source = parse_source(asked.score)
    wanted = list(groups(cells, source))
    rows, parts = switched.rows(asked, tell)
    return run.measure(cells, source, wanted, rows, command(asked), tell, say, on_fault, parts.notes)


def of_trainings(asked: Ablating, tell: Tell, say: Tell, on_fault: Fault) -> list[Line]:
    """The cells of all forms, which are trained first."""
    system_of(asked.name, switches=False)
    clips, file = retrained.scored_clips(asked), asked.out / RESULTS
    trials = {
        seed: retrained.forms(asked, seed, tell if seed == asked.seed else silent)
        for seed in range(asked.seed, asked.seed + asked.seeds)
    }
    cells = {seed: asked.comparison(file, [seed], clips) for seed in trials}
    source = parse_source(asked.score)
    wanted = {}
    for seed, each in cells.items():
        run.check(each)
        wanted[seed] = list(groups(each, source))
    check_folder(asked.out)
    notes = retrained.notes(trials[asked.seed], asked.seeds)
    lines: list[Line] = []
    with claimed(asked.out, folder=True):
        retrained.train_all([form for every in trials.values() for form in every], say)
        for seed, every in trials.items():
            rows: Sequence[Contestant] = retrained.contestants(asked, every)
            lines += run.measure(cells[seed], source, wanted[seed], rows, command(asked), tell, say, on_fault, notes)
    return lines


def silent(note: object) -> None:
    """Says nothing: the first trial has said it."""


def command(asked: Ablating) -> str:
    """The command line that makes the table again."""
    words = ["vinpaint", "ablate", asked.name, "--score", asked.score, "--out", str(asked.out)]
    height, width = asked.size
    steps = {} if asked.switches else {"--preset": asked.preset, "--data": asked.data, "--steps": asked.steps}
    options: dict[str, Any] = {
        **steps,
        "--held-back": spell_names(asked.held_back) or None,
        "--variants": spell_names(asked.variants) or None,
        "--weights": asked.weights,
        "--seed": asked.seed,
        "--seeds": asked.seeds if asked.seeds > 1 else None,
        "--masks": spell_names(asked.masks),
        "--protocol": asked.protocol,
        "--size": f"{width}x{height}",
        "--limit": str(asked.limit),
        "--clips": spell_names(asked.clips) or None,
        "--device": asked.device,
    }
    words += ["--switches"] if asked.switches else []
    words += [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return shlex.join(words)
