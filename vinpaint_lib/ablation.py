"""Ablations of a paper's table, measured with one network whose parts are switched off at test time.

The paper's numbers stand beside ours. They are another measure, of other networks, on other clips: the order of rows
may be compared, a number of one column with a number of the other may not.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vinpaint_lib.models import Inpainter, registry


class Row(NamedTuple):
    """One row: what the configuration changes, and the FID that the paper prints for it (number in brackets)."""

    name: str
    options: dict[str, Any]
    published: tuple[float, float] | None


@dataclass(frozen=True)
class Ablation:
    """Rows of one model; `switches` are the options that are shown as ticks; `notes` stand below the table."""

    model: str
    switches: tuple[str, ...]
    rows: tuple[Row, ...]
    heading: str
    notes: tuple[str, ...]


# The paper's network: hole against visible positions, and no pixels copied past it.
PLAIN = {"matching": "hole", "merged": False}


def combination(number: int) -> dict[str, Any]:
    """Options of row `number` of Table 2a, read as binary counting: align, refine, flow."""
    return {"align": bool(number & 4), "refine": bool(number & 2), "flow": bool(number & 1)} | PLAIN


ABLATIONS = {
    "align_attend": Ablation(
        model="align_attend",
        switches=("align", "refine", "flow"),
        rows=(
            Row("none", combination(0), (8.966, 0.709)),
            Row("flow", combination(1), (8.139, 1.017)),
            Row("refine", combination(2), (8.577, 0.838)),
            Row("refine, flow", combination(3), (8.262, 1.615)),
            Row("align", combination(4), (7.515, 0.608)),
            Row("align, flow", combination(5), (7.196, 1.863)),
            Row("align, refine", combination(6), (7.149, 1.753)),
            Row("all", combination(7), (5.775, 1.707)),
            Row("all, entire-entire", combination(7) | {"matching": "entire"}, (7.156, 1.818)),
            Row("all, as it ships", combination(7) | {"merged": True}, None),
        ),
        heading="FID in the paper",
        notes=(
            "measured here: one network, parts switched off at test time. It was trained with parts left out at "
            "random (half of the steps use all), so that it knows each choice of align, refine and flow. Entire "
            "matching was never trained: part of what that row loses is the decoder's surprise.",
            "all rows but the last show the picture of the paper's network, and go on from it to the next frame, which "
            "training did not; `as it ships` merges copied pixels into it, which is ours and has no row in the paper.",
            "flow begins with the camera's motion as the affine estimator finds it (ours), also where align is off: "
            "part of what flow brings there is that map's.",
            "FID in the paper: Woo et al., Tables 2a and 2b, mean of five trials on 20 DAVIS clips of 64 frames with "
            "other clips' masks, in brackets presumably the standard deviation; lower is better. Another measure, of "
            "other networks, on other clips: compare the order of the rows, never a number with a number of the other "
            "columns.",
            "which row of Table 2a is which is an inference: our source lost the columns of the ticks, and their "
            "number by row (0, 1, 1, 2, 1, 2, 2, 3) is that of binary counting of align, refine, flow.",
            "`entire-entire` is Table 2b: every position matched with every position, not the hole with what is "
            "visible (hole-nonhole, as in `all`).",
            "the paper also prints a warping error of 0.0027 (0.0001) without and 0.0019 (0.0001) with the flow "
            "estimator (Table 2c: Sintel, true flow); compare the order of `align, refine` and `all` in E_warp.",
        ),
    )
}


def build(which: str, weights: Path | None) -> dict[str, Inpainter]:
    """A system for each row. Raises UserError as `registry.build`."""
    ablation = ABLATIONS[which]
    return {row.name: registry.build(ablation.model, weights, **row.options) for row in ablation.rows}


def beside_paper(lines: list[list[str]], which: str) -> list[list[str]]:
    """The lines of a table with ticks for what is on, and the paper's numbers behind a bar on the right."""
    about, (heading, *rows) = ABLATIONS[which], lines
    done = [["parts", *about.switches, *heading[1:], "|", about.heading]]
    for row, (name, *values) in zip(about.rows, rows, strict=True):
        ticks = ["x" if row.options[switch] else "" for switch in about.switches]
        done.append([name, *ticks, *values, "|", "{:.3f} ({:.3f})".format(*row.published) if row.published else "-"])
    return done


def describe(which: str) -> dict[str, Any]:
    """For the JSON file: the rows with the paper's numbers, and the notes."""
    ablation = ABLATIONS[which]
    rows = {
        row.name: row.options | dict(zip(("paper_fid", "paper_fid_std"), row.published or (None, None), strict=True))
        for row in ablation.rows
    }
    return {"of": which, "rows": rows, "notes": list(ablation.notes)}
