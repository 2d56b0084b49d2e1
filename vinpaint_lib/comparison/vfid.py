"""VFID of the rows of a table: the Frechet distance between the features of the true and of the filled clips.

It belongs to a whole set of clips, so it has no value for one clip, and no interval. It grows where clips are few, so
the rows of one network are taken on the clips and draws that all of them have. Rows of two networks stand in two
columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vinpaint_lib.comparison.results import Line
from vinpaint_lib.comparison.tables import Row
from vinpaint_lib.scoring import frechet

FEWEST = 2  # fillings; a covariance needs two


@dataclass(frozen=True)
class Vfid:
    """One network: its name, what is to be said of it, how many fillings were compared, and the distance by row."""

    network: str
    note: str
    fillings: int
    values: dict[str, float]


def distances(rows: Sequence[Row]) -> list[Vfid]:
    """A column for each feature network of the lines, sorted by name; none where too few fillings are shared."""
    networks = {line["feature_nets"] for row in rows for line in row.units.values() if "vfid" in line}
    columns = []
    for network in sorted(networks):
        known = {
            row.label: {unit: line for unit, line in row.units.items() if with_features(line, network)} for row in rows
        }
        known = {label: units for label, units in known.items() if units}
        shared = sorted(set.intersection(*(set(units) for units in known.values())))
        if len(shared) < FEWEST:
            continue
        values = {
            label: frechet.distance(
                torch.tensor([units[unit]["vfid"]["true"] for unit in shared]),
                torch.tensor([units[unit]["vfid"]["filled"] for unit in shared]),
            )
            for label, units in known.items()
        }
        note = next(iter(next(iter(known.values())).values()))["vfid"]["note"]
        columns.append(Vfid(network, note, len(shared), values))
    return columns


def with_features(line: Line, network: str) -> bool:
    return "vfid" in line and line["feature_nets"] == network
