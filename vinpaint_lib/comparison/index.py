"""`results/systems.json`: every system for programs to read, from the registry, the headers of weights, the results.

It is made by `make tables` and never by hand. `training` is what the header of the weights says of their training:
preset with its budget, data, seed, device. `scores` are the means of the tables, with their intervals, over what is
measured with the weights that ship.
"""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vinpaint_lib import checkpoints
from vinpaint_lib.comparison.results import Line
from vinpaint_lib.comparison.tables import SETTING, Table, tables
from vinpaint_lib.files import draft_of, sha256_of
from vinpaint_lib.scoring.intervals import Estimate
from vinpaint_lib.systems.registry import BASELINES, KNOWN, MODELS, VARIANTS, weights_of

DIGITS = 5


def index(lines: Iterable[Line]) -> dict[str, Any]:
    """All systems by name, as JSON's types."""
    made = tables(lines)
    return {name: system(name, made) for name in MODELS}


def system(name: str, made: Sequence[Table]) -> dict[str, Any]:
    """What is known of one system, variant or baseline."""
    path = weights_of(name)
    card = KNOWN[VARIANTS[name][0]].model.card if name in VARIANTS else BASELINES[name]().card
    about: dict[str, Any] = {"title": card.title, "paper": card.paper, "sections": card.sections}
    about |= {"kind": "baseline" if path is None else "network", "weights": None, "config": None, "training": None}
    sha = None
    if path is not None and path.exists():
        header = checkpoints.read_provenance(path)
        sha = sha256_of(path)
        about |= {"weights": {"file": path.name, "sha256": sha}, "config": header.get("config")}
        about["config"] = (about["config"] or {}) | VARIANTS[name][1]
        about["training"] = {key: value for key, value in header.items() if key not in ("model", "config")}
    return about | {"scores": scores(name, sha, made)}


def scores(name: str, sha: str | None, made: Sequence[Table]) -> list[dict[str, Any]]:
    """The row of a system in every table."""
    return [
        {
            **{key: table.setting[key] for key in SETTING},
            "clips": row.clips,
            "mean": {score: rounded(each) for score, each in row.means.items()},
            f"{table.main}_less_reference": None if row.more is None else rounded(row.more),
            "rank": None if row.rank is None else short(row.rank),
            "seconds_per_frame": short(row.seconds()),
        }
        for table in made
        for row in table.rows
        if row.system == name and row.units and row.weights == sha
    ]


def rounded(found: Estimate) -> list[float | None]:
    """[mean, low, high]."""
    return [short(found.value), short(found.low), short(found.high)]


def short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


def text(lines: Iterable[Line]) -> str:
    """The file's text."""
    return json.dumps(index(lines), indent=1, sort_keys=True, allow_nan=False) + "\n"


def write(path: Path, lines: Iterable[Line], *, check: bool) -> bool:
    """Write the file again; whether it changed. With `check` nothing is written."""
    new = text(lines)
    if path.exists() and path.read_text(encoding="utf-8") == new:
        return False
    if not check:
        with draft_of(path) as draft:
            draft.write_text(new, encoding="utf-8")
    return True
