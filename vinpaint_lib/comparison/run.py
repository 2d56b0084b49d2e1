"""Run what is missing in a file of results, cell by cell.

A cell that fails is a line with its error, and the others go on. Every line is whole on the disk before the next cell
begins, so that a run that is stopped or killed goes on with the same command.
"""

import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vinpaint_lib import __version__
from vinpaint_lib.comparison import results
from vinpaint_lib.comparison.cells import Comparison, Group, groups
from vinpaint_lib.comparison.clock import Clock
from vinpaint_lib.comparison.measure import Contestant, Scene, begun, contestants, machine, measured, now, scene
from vinpaint_lib.comparison.pictures import keep
from vinpaint_lib.comparison.provenance import commit
from vinpaint_lib.comparison.results import Line
from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.evaluate import PACKAGES, build_all
from vinpaint_lib.options import spell_names
from vinpaint_lib.places import check_file, check_folder, claimed
from vinpaint_lib.scoring import protocols, video_features
from vinpaint_lib.scoring.video_features import VideoFeatures

Tell = Callable[[object], None]
Task = tuple[Group, list[Contestant]]


def compare(asked: Comparison, tell: Tell, say: Tell, on_fault: Callable[[Exception], str]) -> bool:
    """Measure all cells that the file lacks; whether no cell of what was asked for is broken at the end.

    `tell` gets notes, `say` lines about the work; `on_fault` puts an exception that is no UserError in words. Raises
    UserError before anything is filled: for an `out` that is no name of a .jsonl file, holds other things, or is
    written by another run, and for an unknown model, protocol, kind of holes, clip or folder. Ctrl-C raises a
    KeyboardInterrupt that says what is kept.
    """
    if asked.out.is_dir() or asked.out.suffix.lower() != ".jsonl":
        raise UserError(f"--out {asked.out}: cannot hold the results; give the name of a .jsonl file")
    check(asked)
    check_file(asked.out)
    source = parse_source(asked.data)
    wanted = list(groups(asked, source))
    systems = contestants(build_all(asked.models, dict(asked.weights or {})), asked.weights, asked.device)
    return report(measure(asked, source, wanted, systems, command(asked), tell, say, on_fault), say)


def measure(
    asked: Comparison,
    source: ClipSet,
    wanted: Sequence[Group],
    systems: Sequence[Contestant],
    words: str,
    tell: Tell,
    say: Tell,
    on_fault: Callable[[Exception], str],
    notes: Sequence[str] = (),
) -> list[Line]:
    """The last line of every cell of these groups and systems, measured if the file lacks it.

    `words` is the command line of the run, and `notes` are what its tables say below; both are written down with each
    line. Raises UserError for a file that holds other things or is written by another run; Ctrl-C as `compare`.
    """
    features = video_features.find(asked.features, asked.device)
    with claimed(asked.out) as place:
        lines = opened(place, asked.out, tell)
        there = results.one_each(lines)
        tasks = missing(wanted, systems, there, asked.retry, asked.features)
        finished = len(wanted) * len(systems) - sum(len(left) for _, left in tasks)
        if asked.pictures is not None and finished:
            tell(f"{finished} cells were finished before and give no pictures; measure them into another file for that")
        told = {"command": words, "notes": list(notes)}
        work = Work(asked, place, source, features, Clock(lines), say, on_fault, told)
        try:
            work.through(tasks)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(work.kept()) from stop
    last = there | {line["key"]: line for line in work.done}
    return [last[one.key(group)] for group in wanted for one in systems]


def check(asked: Comparison) -> None:
    """Raises UserError for options that mean nothing."""
    for protocol in asked.protocols:
        if protocol not in protocols.PROTOCOLS:
            raise UserError(f"--protocol {protocol}: is not known; use one of {', '.join(protocols.PROTOCOLS)}")
    for masks in asked.masks:
        protocols.parse_masks(masks)
    if not asked.masks or not asked.protocols or not asked.sizes:
        raise UserError("--masks, --protocol and --size: each needs one value or more; leave one away for its default")
    if not asked.seeds:
        raise UserError("--trials: draws no holes, so nothing is measured; give 1 or more")
    if min(asked.seeds) < 0:
        raise UserError(f"--seed {min(asked.seeds)}: is below 0; give 0 or more")
    if asked.limit is not None and asked.limit < 1:
        raise UserError(f"--limit {asked.limit}: is no number of frames; give 1 or more, or None for all")
    if asked.pictures is not None:
        check_folder(asked.pictures)


def opened(place: Path, name: Path, tell: Tell) -> list[Line]:
    """The lines that the file holds. Half a line at its end is cut off, with a note."""
    if not place.exists():
        return []
    found = results.read(place)
    if found.rest:
        results.cut(place, found.end)
        tell(
            f"{name}: the last line was cut short, as a killed run leaves it; it is dropped, and its cell is run again"
        )
    return found.lines


def missing(
    wanted: Sequence[Group], systems: Sequence[Contestant], there: dict[str, Line], retry: bool, features: str
) -> list[Task]:
    """The groups with the systems that have still to be run; a finished cell is, if it lacks the features asked for."""

    def open_(key: str) -> bool:
        if key not in there or "error" in there[key]:
            return key not in there or retry
        return features not in ("none", there[key].get("feature_nets", "none"))

    tasks = [(group, [one for one in systems if open_(one.key(group))]) for group in wanted]
    return [task for task in tasks if task[1]]


class Work:
    """The way through the cells of a run; `done` are the lines that it wrote, `told` is what each says of the run."""

    def __init__(
        self,
        asked: Comparison,
        place: Path,
        source: ClipSet,
        features: VideoFeatures | None,
        clock: Clock,
        say: Tell,
        on_fault: Callable[[Exception], str],
        told: dict[str, Any],
    ) -> None:
        self.asked, self.place, self.source, self.features, self.clock = asked, place, source, features, clock
        self.say, self.on_fault = say, on_fault
        self.done: list[Line] = []
        self.total = 0
        self.run = {
            **{name: value for name, value in told.items() if value},
            "data": asked.data,
            "commit": commit(),
            "versions": {"vinpaint": __version__, "python": platform.python_version()}
            | {package: version(package) for package in PACKAGES},
            **machine(asked.device),
        }

    def through(self, tasks: Sequence[Task]) -> None:
        """Measure and write down the cells of all tasks."""
        self.total = sum(len(systems) for _, systems in tasks)
        length = {group: min(self.source.frames(group.number), group.limit or sys.maxsize) for group, _ in tasks}
        left = [(one.name, length[group]) for group, systems in tasks for one in systems]
        layout = "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} frames{postfix}"
        with tqdm(total=sum(n for _, n in left), file=sys.stderr, bar_format=layout) as bar:
            for group, systems in tasks:
                bar.set_description_str(str(group))
                made: Scene | Exception
                try:
                    made = scene(group, self.source, self.features)
                except Exception as error:  # all systems of the group fail alike
                    made = error
                for one in systems:
                    bar.set_description_str(f"{one.name}: {group}", refresh=False)
                    bar.set_postfix_str(self.clock.words(left))
                    before = bar.n
                    self.write(self.line(group, made, one, bar))
                    bar.update(before + left.pop(0)[1] - bar.n)

    def line(self, group: Group, made: Scene | Exception, one: Contestant, bar: tqdm) -> Line:
        """The line of a cell: its scores, or its error."""
        try:
            if isinstance(made, Exception):
                raise made
            with self.clock.timing(one.name, len(made.case.clip)):
                found, filled = measured(group, made, one, self.asked.device, bar.update)
            if self.asked.pictures is not None:
                keep(self.asked.pictures, group, made.case.clip, one.name, filled)
            return found
        except Exception as error:
            told = str(error) if isinstance(error, UserError) else self.on_fault(error)
            self.say(f"{one.name}: {group}: FAILED: {told}")
            text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            return {**begun(group, one), "error": text}

    def write(self, line: Line) -> None:
        """Add a line to the file; the load of the machine and the time belong to the run."""
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        line = {**line, "run": {**self.run, "cores": os.cpu_count(), "load": load, "ended": now()}}
        results.append(self.place, line)
        self.done.append(line)

    def kept(self) -> str:
        """What Ctrl-C says."""
        return (
            f"stopped: {len(self.done)} of {self.total} cells of this run are kept in {self.asked.out}, "
            "and the same command goes on there"
        )


def report(lines: Sequence[Line], say: Tell) -> bool:
    """Say how many cells are finished and which are broken; whether none is."""
    broken = [line for line in lines if "error" in line]
    say(f"{len(lines) - len(broken)} of {len(lines)} cells are finished")
    for line in broken:
        cell = line["cell"]
        where = ", ".join(str(cell[name]) for name in ("system", "clip", "masks", "protocol", "size"))
        say(f"broken, and run again with --retry: {where}, seed {cell['seed']}: {line['error']}")
    return not broken


def command(asked: Comparison) -> str:
    """The command line that measures these cells again."""
    words = ["vinpaint", "compare", "--model", ",".join(asked.models), "--data", asked.data]
    words += ["--masks", spell_names(asked.masks), "--protocol", ",".join(asked.protocols)]
    words += ["--size", ",".join(f"{width}x{height}" for height, width in asked.sizes), "--limit", str(asked.limit)]
    options: dict[str, Any] = {
        "--clips": None if asked.clips is None else spell_names(asked.clips),
        "--seed": asked.seeds[0],
        "--trials": len(asked.seeds) if len(asked.seeds) > 1 else None,
        "--sample": asked.sample,
        "--weights": spell_names(f"{name}={path}" for name, path in (asked.weights or {}).items()) or None,
        "--features": None if asked.features == "none" else asked.features,
        "--device": asked.device,
        "--out": asked.out,
    }
    words += [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return shlex.join(words)
