"""What the lines of a file of results say: for each setting, a row for each system.

The unit is the clip: the draws of one clip are averaged first. Differences and ranks are taken on the clips and draws
that both, or all, of the systems have. The order of the lines changes nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from vinpaint_lib.comparison.results import Line, one_each
from vinpaint_lib.scoring import intervals, strata
from vinpaint_lib.scoring.intervals import Estimate
from vinpaint_lib.scoring.table import SCORES

REFERENCE = "flow"
SETTING = ("masks", "protocol", "size", "limit", "data")
WHOLE = "whole"  # of what is known of a row of an ablation: the row that it is held against
HIGHER = ("psnr", "hole_psnr", "ssim")  # of these scores more is better
BY_FRAME = ("psnr", "hole_psnr", "ssim")  # of these the protocol `paper` counts every frame alike

Unit = tuple[int, int]  # clip and seed


class Score:
    """Mean of one score on one clip, and how much it counts in the mean over clips."""

    __slots__ = ("value", "weight")

    def __init__(self, value: float, weight: float) -> None:
        self.value, self.weight = value, weight


@dataclass(frozen=True)
class Row:
    """One system in one setting.

    units    its finished lines by clip and seed
    broken   how many of its cells failed
    means    of each score
    more     its main score less that of the reference, on the clips and draws of both; None for the reference itself
    rank     mean rank by the main score (1 is best) on what all rows have; None if they share nothing
    """

    label: str
    system: str
    units: dict[Unit, Line]
    broken: int
    means: dict[str, Estimate]
    more: Estimate | None
    rank: float | None

    @property
    def clips(self) -> int:
        return len({number for number, _ in self.units})

    @property
    def weights(self) -> str | None:
        """The sha256 of its weights; None for a baseline."""
        return next(iter(self.units.values()))["cell"]["weights"] if self.units else None

    def seconds(self, of: str = "seconds_per_frame") -> float:
        """Seconds a frame, the mean over cells; `of` cpu_seconds_per_frame: of processor time, which other programs
        do not make longer."""
        return float(np.mean([line[of] for line in self.units.values()])) if self.units else math.nan

    def memory(self) -> float | None:
        """The most memory that a cell took at its peak, in MiB: of the GPU, if it ran there; None if unknown."""
        known = [line["memory"]["gpu_peak_mib"] or line["memory"]["peak_mib"] for line in self.units.values()]
        return max((found for found in known if found is not None), default=None)


@dataclass(frozen=True)
class Table:
    """The rows of one setting, best first by the main score; `shared` is the number of clips that all rows have, and
    `reference` the system that all are held against."""

    setting: dict[str, Any]
    main: str
    rows: tuple[Row, ...]
    shared: int
    reference: str = REFERENCE

    def lines(self) -> list[Line]:
        """All finished lines."""
        return [line for row in self.rows for line in row.units.values()]


def tables(lines: Iterable[Line]) -> list[Table]:
    """A table for each setting. Of several lines of one cell one counts."""
    found = list(one_each(lines).values())
    settings: dict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in found:
        settings[tuple(str(line["cell"][name]) for name in SETTING)].append(line)
    labels = names_of(found)
    return [table(group, labels) for _, group in sorted(settings.items())]


def names_of(lines: Iterable[Line]) -> dict[tuple[str, str | None], str]:
    """The names of rows: systems, and where one appears with several weights, also the file and its hash.

    Weights of trainings that differ in their seeds alone are one row: each seed has a draw of its own.
    """
    forms: dict[str, dict[str | None, str]] = defaultdict(dict)
    for line in lines:
        cell, about = line["cell"], line["model"]["weights"] or {"file": "no weights"}
        told = f"{about['file']}, {str(cell['weights'])[:8]}"
        forms[cell["system"]][cell["weights"]] = line["model"].get("training", told)
    return {
        (system, sha): system if len(set(known.values())) == 1 else f"{system} ({form})"
        for system, known in forms.items()
        for sha, form in known.items()
    }


def table(lines: Sequence[Line], labels: Mapping[tuple[str, str | None], str]) -> Table:
    """The table of one setting."""
    first = lines[0]["cell"]
    units: dict[str, dict[Unit, Line]] = defaultdict(dict)
    broken: dict[str, int] = defaultdict(int)
    systems: dict[str, str] = {}
    for line in lines:
        cell = line["cell"]
        label = labels[cell["system"], cell["weights"]]
        systems[label] = cell["system"]
        if "scores" in line:
            units[label][cell["number"], cell["seed"]] = line
        broken[label] += "error" in line
    main = "hole_psnr" if any("hole_psnr" in line.get("scores", {}) for line in lines) else "hole_warping_error"
    against = next((line["model"][WHOLE] for line in lines if WHOLE in line["model"]), REFERENCE)
    reference = next((label for label, system in systems.items() if system == against), None)
    ranks, shared = ranked({label: units[label] for label in systems}, main, first["protocol"])
    rows = [
        Row(
            label,
            system,
            units[label],
            broken[label],
            {score: mean(units[label], score, first["protocol"]) for score in SCORES if has(units[label], score)},
            None if reference in (None, label) else more(units[label], units[reference], main, first["protocol"]),
            ranks.get(label),
        )
        for label, system in systems.items()
    ]
    rows.sort(key=lambda row: (*place(row, main), row.label))
    return Table({name: first[name] for name in SETTING}, main, tuple(rows), shared, against)


def place(row: Row, main: str) -> tuple[bool, float]:
    """Where a row stands: those with a mean by their main score, then the others."""
    value = row.means[main].value if main in row.means else math.nan
    return math.isnan(value), 0.0 if math.isnan(value) else (-value if main in HIGHER else value)


def has(units: Mapping[Unit, Line], score: str) -> bool:
    return any(score in line["scores"] for line in units.values())


def by_clip(units: Mapping[Unit, Line], score: str, protocol: str) -> dict[int, Score]:
    """The mean of each clip over its frames and draws; clips without a finite value are left out.

    By the protocol `paper` every frame of PSNR and SSIM counts alike, so longer clips count more.
    """
    values: dict[int, list[list[float]]] = defaultdict(list)
    for (number, _), line in sorted(units.items()):
        finite = [value for value in line["scores"].get(score, ()) if isinstance(value, int | float)]
        if finite:
            values[number].append(finite)
    if protocol == "paper" and score in BY_FRAME:
        pooled = {number: [value for draw in draws for value in draw] for number, draws in values.items()}
        return {number: Score(float(np.mean(each)), float(len(each))) for number, each in pooled.items()}
    return {number: Score(float(np.mean([np.mean(draw) for draw in draws])), 1.0) for number, draws in values.items()}


def mean(units: Mapping[Unit, Line], score: str, protocol: str) -> Estimate:
    """The mean over clips, with its interval."""
    each = by_clip(units, score, protocol).values()
    return intervals.mean([one.value for one in each], [one.weight for one in each])


def more(units: Mapping[Unit, Line], others: Mapping[Unit, Line], score: str, protocol: str) -> Estimate:
    """A score less that of a reference, on the clips and draws that both have."""
    both = units.keys() & others.keys()
    here, there = (by_clip({unit: part[unit] for unit in both}, score, protocol) for part in (units, others))
    clips = sorted(here.keys() & there.keys())
    a, b = [here[clip] for clip in clips], [there[clip] for clip in clips]
    return intervals.difference(
        [one.value for one in a], [one.value for one in b], [one.weight for one in a], [one.weight for one in b]
    )


def ranked(rows: Mapping[str, Mapping[Unit, Line]], score: str, protocol: str) -> tuple[dict[str, float], int]:
    """Mean rank of each row over the clips that all measured rows have, and how many these are. Equals share ranks."""
    measured = {label: units for label, units in rows.items() if by_clip(units, score, protocol)}
    if not measured:
        return {}, 0
    all_have = set.intersection(*(set(units) for units in measured.values()))
    parts = {
        label: by_clip({unit: units[unit] for unit in all_have}, score, protocol) for label, units in measured.items()
    }
    clips = sorted(set.intersection(*(set(part) for part in parts.values())))
    if not clips:
        return {}, 0
    sign = -1 if score in HIGHER else 1
    places = np.array([rankdata([sign * part[clip].value for part in parts.values()]) for clip in clips])
    return dict(zip(parts, places.mean(0).tolist(), strict=True)), len(clips)


def split(whole: Table) -> dict[str, Table]:
    """The same table for the clips with slow and with fast cameras, and with small, middle and large holes."""
    labels = {(row.system, line["cell"]["weights"]): row.label for row in whole.rows for line in row.units.values()}
    parts: dict[str, list[Line]] = {name: [] for name in (*strata.MOTION, "unknown", *strata.HOLE)}
    for line in whole.lines():
        parts[of_motion(line)].append(line)
        parts[of_hole(line)].append(line)
    return {name: table(lines, labels) for name, lines in parts.items() if lines}


def of_motion(line: Line) -> str:
    """The part by the camera's motion that a line belongs to."""
    return strata.of_motion(line["clip"]["camera_motion"])


def of_hole(line: Line) -> str:
    """The part by the hole's size, likewise. With several draws, those of one clip may lie in different parts."""
    return strata.of_hole(line["clip"]["mask_share"])
