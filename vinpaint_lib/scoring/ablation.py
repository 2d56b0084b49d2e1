"""Ablations measured with one network whose parts are switched off, or exchanged, at test time.

A switch at test time says less than a training without the part: the weights were trained with it, and what a row loses
is also their surprise. `training/variants.py` has the forms that are trained.

Where a paper prints such a table, the paper's numbers stand beside ours. They come from another measure, other
networks and other clips. So the order of the rows may be compared, but never a number of one column with a number of
the other.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

AT_TEST_TIME = (
    "measured here: one network, its parts switched off or exchanged at test time, with weights that were trained with "
    "the part. What a row loses shows how much these weights lean on the part, their surprise included; it does not "
    "show what a network would reach that was trained without it (`vinpaint ablate` trains such networks)."
)


class AblationRow(NamedTuple):
    """One row: what the configuration changes, the FID that the paper prints for it (number in brackets), and, in a
    sentence, what the row is and what it is not."""

    name: str
    options: dict[str, Any]
    published: tuple[float, float] | None = None
    says: str = ""


@dataclass(frozen=True)
class Ablation:
    """Rows of one model. `whole` names the row that the others are held against; "": the first.

    `switches` are the options that are shown as ticks. `heading` stands above the paper's numbers; "" where the paper
    prints none. `notes` stand below the table.
    """

    model: str
    switches: tuple[str, ...]
    rows: tuple[AblationRow, ...]
    heading: str
    notes: tuple[str, ...]
    whole: str = ""

    @property
    def reference(self) -> AblationRow:
        """The row that the others are held against."""
        return next((row for row in self.rows if row.name == self.whole), self.rows[0])


def switches(model: str, *rows: AblationRow, notes: tuple[str, ...] = ()) -> Ablation:
    """Rows without numbers of a paper, the first of which is the form that ships. What holds of them all is noted."""
    return Ablation(model, (), rows, "", (AT_TEST_TIME, *notes))


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


def explained(ablation: Ablation) -> list[str]:
    """What the rows are and are not, for those that say it, and then the notes."""
    return [*(f"`{row.name}`: {row.says}" for row in ablation.rows if row.says), *ablation.notes]


def describe(ablation: Ablation) -> dict[str, Any]:
    """For the JSON file: the rows with the paper's numbers, and the notes."""
    rows = {
        row.name: row.options | dict(zip(("paper_fid", "paper_fid_std"), row.published or (None, None), strict=True))
        for row in ablation.rows
    }
    return {"of": ablation.model, "rows": rows, "notes": explained(ablation)}
