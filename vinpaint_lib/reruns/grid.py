"""A grid of runs: a notebook, lists of values for its parameters, what is left out, seeds and repeats.

    notebook: ../notebooks/09_attention_maps.ipynb   # from the folder of this file
    parameters:
      hole: [stationary, moving]                     # a list: one run for each value
      size: 128x96                                   # no list: the same for all
    exclude:
      - {hole: moving, seed: [1, 2]}                 # runs with all of these values are left out
    seeds: 3                                         # the same as [0, 1, 2]
    repeats: 1

The whole grid is read before the first run, and all of its mistakes are told together.
"""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import declared
from vinpaint_lib.lessons.declared import Kind, Parameter
from vinpaint_lib.lessons.manifest import FOLDER
from vinpaint_lib.reruns.written import Written, read, value_of

PARTS = ("notebook", "parameters", "exclude", "seeds", "repeats")
MOST = 1_000_000  # runs
WHOLE = Kind(int)


@dataclass(frozen=True)
class Grid:
    """A notebook and its runs: each a mapping of parameters and the number of the repeat, from 0; or one run alone."""

    notebook: Path
    runs: tuple[tuple[Mapping[str, Any], int], ...]
    alone: bool = False


@dataclass
class Reading:
    """What reads a grid, and collects its mistakes: a sentence each."""

    path: Path
    mistakes: list[str] = field(default_factory=list)

    def mistake(self, line: int, sentence: object) -> None:
        self.mistakes.append(f"{self.path}, line {line}: {sentence}")


def read_grid(path: Path) -> Grid:
    """The grid in a file. Raises UserError with a line for each mistake in it."""
    reading = Reading(path)
    whole = read(path)
    if whole.kind != "mapping":
        raise UserError(f"{path} is no grid: write name: value on each line, and begin with notebook:")
    parts = dict(whole.pairs())
    for name, line in whole.twice():
        reading.mistake(line, f"{name} stands twice; keep one of them")
    for name, part in parts.items():
        if name not in PARTS:
            reading.mistake(part.line, f"there is no {name}; a grid has {', '.join(PARTS)}")
    notebook, known = notebook_of(reading, parts.get("notebook"))
    if known is None:
        raise UserError(*reading.mistakes)
    axes = axes_of(reading, parts, known)
    repeats = repeats_of(reading, parts.get("repeats"))
    count = math.prod(map(len, axes.values())) * repeats
    if count > MOST:
        reading.mistake(1, f"the grid has {count:,} runs, and {MOST:,} are the most; make several grids of it")
        raise UserError(*reading.mistakes)
    excluded = list(exclusions(reading, parts.get("exclude"), known, axes))
    own = {name: parameter.default for name, parameter in known.items()}
    cells = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    kept = [given for given in cells if not any(rule.hits({**own, **given}) for rule in excluded)]
    for rule in excluded:
        if not rule.used and not reading.mistakes:
            reading.mistake(rule.line, "this leaves out no run that the others leave; correct or remove it")
    if not kept and not reading.mistakes:
        reading.mistake(parts["exclude"].line, "no run is left; exclude fewer")
    if reading.mistakes:
        raise UserError(*reading.mistakes)
    return Grid(notebook, tuple((given, repeat) for given in kept for repeat in range(repeats)))


def notebook_of(reading: Reading, part: Written | None) -> tuple[Path, dict[str, Parameter] | None]:
    """The notebook's path and parameters; None for them if it cannot be read."""
    if part is None or part.kind != "text" or not part.content:
        reading.mistake(part.line if part else 1, "there is no notebook; write notebook: and its path from this folder")
        return Path(), None
    path = reading.path.parent / str(part.content)
    try:
        return path, declared.parameters_of(path)
    except UserError as error:
        reading.mistake(part.line, error)
        return path, None


def axes_of(reading: Reading, parts: Mapping[str, Written], known: Mapping[str, Parameter]) -> dict[str, list[Any]]:
    """The values of each parameter of the grid, in the order of the file; the seeds come last."""
    axes: dict[str, list[Any]] = {}
    given = parts.get("parameters", Written((), "mapping", 1))
    if given.kind != "mapping":
        reading.mistake(given.line, "parameters are names with values, as in seed: [1, 2]")
    for name, line in given.twice():
        reading.mistake(line, f"parameter {name} stands twice; keep one of them")
    for name, values in given.pairs():
        if name == FOLDER and name in known:
            reading.mistake(values.line, f"{FOLDER} is each run's own folder; leave it out, and give --out")
        elif name not in known:
            has = ", ".join(sorted(set(known) - {FOLDER})) or "none at all"
            reading.mistake(values.line, f"the notebook has no parameter {name}: it has {has}")
        else:
            axes[name] = values_of(reading, name, values, known[name].kind)
    if "seeds" in parts:
        part = parts["seeds"]
        if "seed" not in known:
            reading.mistake(part.line, "the notebook has no parameter seed; leave seeds out, or take repeats")
        elif "seed" in axes:
            reading.mistake(part.line, "seed is among the parameters too; keep one of them")
        elif part.kind == "text":
            axes["seed"] = list(range(at_least_one(reading, "seeds", part)))
        else:
            axes["seed"] = values_of(reading, "seed", part, known["seed"].kind)
    return axes


def values_of(reading: Reading, name: str, part: Written, kind: Kind) -> list[Any]:
    """The values of one parameter: the items of a list, or one value."""
    items = part.items()
    if kind.base is list and part.kind == "list" and any(item.kind == "text" for item in items):
        reading.mistake(part.line, f"{name} takes a list: write a list of lists, as in {name}: [[1, 2]] for one run")
        return []
    if not items:
        reading.mistake(part.line, f"{name} has no value; give one, or leave it out")
    found, seen = [], set()
    for item in items:
        try:
            value = value_of(item, name, kind)
        except UserError as error:
            reading.mistake(item.line, error)
            continue
        key = json.dumps(value, sort_keys=True)
        if key in seen:
            reading.mistake(item.line, f"{name} has the value {value!r} twice; for several runs of it there is repeats")
        seen.add(key)
        found.append(value)
    return found


def repeats_of(reading: Reading, part: Written | None) -> int:
    return 1 if part is None else at_least_one(reading, "repeats", part)


def at_least_one(reading: Reading, name: str, part: Written) -> int:
    """A whole number from 1; 1 after a mistake."""
    try:
        number = value_of(part, name, WHOLE)
        if number < 1:
            raise UserError(f"{name} is {number}; give a whole number from 1")
        return int(number)
    except UserError as error:
        reading.mistake(part.line, error)
        return 1


@dataclass
class Exclusion:
    """Values of some parameters, several of each: a run that has one of each is left out."""

    line: int
    values: Mapping[str, Sequence[Any]]
    used: bool = False

    def hits(self, given: Mapping[str, Any]) -> bool:
        hit = all(given[name] in values for name, values in self.values.items())
        self.used |= hit
        return hit


def exclusions(
    reading: Reading, part: Written | None, known: Mapping[str, Parameter], axes: Mapping[str, Sequence[Any]]
) -> Iterator[Exclusion]:
    """What the grid leaves out."""
    for each in part.items() if part else ():
        if each.kind != "mapping" or not each.pairs():
            reading.mistake(each.line, "exclude is a list of values, as in - {hole: moving, seed: 1}")
            continue
        values: dict[str, Sequence[Any]] = {}
        for name, wanted in each.pairs():
            if name not in known:
                reading.mistake(wanted.line, f"exclude names {name}, which is no parameter of the notebook")
                continue
            values[name] = values_of(reading, name, wanted, known[name].kind)
            for value in values[name]:
                if value not in axes.get(name, [known[name].default]):
                    reading.mistake(wanted.line, f"exclude names {name} {value!r}, which the grid does not have")
        yield Exclusion(each.line, values)
