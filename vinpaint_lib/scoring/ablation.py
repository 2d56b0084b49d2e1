"""Ablations of a paper's table, measured with one network whose parts are switched off at test time.

The paper's numbers stand beside ours. They come from another measure, other networks and other clips. So the order of
the rows may be compared, but never a number of one column with a number of the other.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple


class AblationRow(NamedTuple):
    """One row: what the configuration changes, and the FID that the paper prints for it (number in brackets)."""

    name: str
    options: dict[str, Any]
    published: tuple[float, float] | None


@dataclass(frozen=True)
class Ablation:
    """Rows of one model.

    `switches` are the options that are shown as ticks. `heading` stands above the paper's numbers; "" where the paper
    prints none. `notes` stand below the table.
    """

    model: str
    switches: tuple[str, ...]
    rows: tuple[AblationRow, ...]
    heading: str
    notes: tuple[str, ...]


def beside_paper(ablation: Ablation, lines: list[list[str]]) -> list[list[str]]:
    """The lines of a table with a tick for each part that is on, and the paper's numbers behind a bar on the right."""
    heading, *rows = lines
    done = [["parts", *ablation.switches, *heading[1:]]]
    for row, (name, *values) in zip(ablation.rows, rows, strict=True):
        done.append([name, *("x" if row.options[switch] else "" for switch in ablation.switches), *values])
    if ablation.heading:
        published = ["{:.3f} ({:.3f})".format(*row.published) if row.published else "-" for row in ablation.rows]
        done = [[*line, "|", number] for line, number in zip(done, [ablation.heading, *published], strict=True)]
    return done


def describe(ablation: Ablation) -> dict[str, Any]:
    """For the JSON file: the rows with the paper's numbers, and the notes."""
    rows = {
        row.name: row.options | dict(zip(("paper_fid", "paper_fid_std"), row.published or (None, None), strict=True))
        for row in ablation.rows
    }
    return {"of": ablation.model, "rows": rows, "notes": list(ablation.notes)}
