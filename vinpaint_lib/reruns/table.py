"""One table of all runs of a grid: `results.csv` for programs, `results.html` for readers.

Each run is a row: its name, how it went, its parameters, seconds, and every number, text or flag of its `metrics.json`;
lists stay there. Rows are written as they come and read once more, so a table needs little memory, however long it is.
"""

import csv
import html
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from vinpaint_lib.files import draft_of
from vinpaint_lib.reruns.attempt import FAILED, Task, read_record

NAME = "results"
FILES = (f"{NAME}.csv", f"{NAME}.html")
FIRST, LAST = ("run", "status"), ("seconds", "error", "folder")
SHOWN = 2000  # rows of the page; a browser is slow with more
STYLE = """
body { font: 14px system-ui, sans-serif; margin: 1.5em; }
table { border-collapse: collapse; }
th, td { padding: .25em .7em; border-bottom: 1px solid #ccc; text-align: left; white-space: nowrap; }
th { position: sticky; top: 0; background: #eee; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.failed td { background: #fdd; color: #600; }
td.error { white-space: normal; min-width: 20em; }
"""


def rows_of(out: Path, tasks: Iterable[Task]) -> Iterator[dict[str, Any]]:
    """A row for each run, in the grid's order. A run that was not made yet has the status "not run"."""
    for task in tasks:
        place = out / task.name if (out / task.name).is_dir() else out / FAILED / task.name
        record = read_record(place)
        row: dict[str, Any] = {"run": task.name, "status": record["status"] if record else "not run"}
        row |= {name: as_text(value) for name, value in task.given.items()} | (
            {"repeat": task.repeat} if task.repeat else {}
        )
        if record:
            row |= {"seconds": round(record["seconds"], 3)} if "seconds" in record else {}
            row |= {"error": record["error"], "folder": place.relative_to(out).as_posix()}
            row |= {f"metrics.{name}": value for name, value in flat(metrics_of(place)).items()}
        yield row


def as_text(value: Any) -> Any:
    """A parameter in one field: a list or a mapping as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def metrics_of(folder: Path) -> Mapping[str, Any]:
    """What the notebook recorded; nothing if it recorded nothing, or was stopped before."""
    try:
        found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Values by names with dots, without lists."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}.")
        elif not isinstance(value, list):
            found[f"{before}{name}"] = value
    return found


def write(out: Path, rows: Iterable[Mapping[str, Any]]) -> tuple[Path, Path]:
    """Write both files into the folder `out`."""
    table, page = (out / name for name in FILES)
    with tempfile.TemporaryFile("w+", dir=out, encoding="utf-8") as lines:
        columns = spool(rows, lines)
        with draft_of(table) as draft, open(draft, "w", encoding="utf-8", newline="") as target:
            lines.seek(0)
            write_csv(target, columns, lines)
        with draft_of(page) as draft, open(draft, "w", encoding="utf-8") as target:
            lines.seek(0)
            write_page(target, columns, lines)
    return table, page


def spool(rows: Iterable[Mapping[str, Any]], file: TextIO) -> list[str]:
    """Write a line of JSON for each row; the columns of all of them, in the table's order."""
    seen: dict[str, None] = {}
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        seen |= dict.fromkeys(row)
    middle = [name for name in seen if name not in (*FIRST, *LAST)]
    measured = [name for name in middle if name.startswith("metrics.")]
    return [*FIRST, *(name for name in middle if name not in measured), *measured, *LAST]


def write_csv(target: TextIO, columns: Sequence[str], lines: Iterable[str]) -> None:
    writer = csv.DictWriter(target, columns, restval="")
    writer.writeheader()
    writer.writerows(map(json.loads, lines))


def write_page(target: TextIO, columns: Sequence[str], lines: Iterable[str]) -> None:
    head = "".join(f"<th>{html.escape(name.removeprefix('metrics.'))}</th>" for name in columns)
    target.write(f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Runs</title><style>{STYLE}</style>\n')
    target.write(f"<table>\n<thead><tr>{head}</tr></thead>\n")
    more = 0
    for number, line in enumerate(lines):
        if number < SHOWN:
            target.write(page_row(columns, json.loads(line)))
        more += number >= SHOWN
    target.write("</table>\n")
    if more:
        target.write(f"<p>{more:,} more rows are in {NAME}.csv.</p>\n")
    target.write("</html>\n")


def page_row(columns: Sequence[str], row: Mapping[str, Any]) -> str:
    """A row of the page; the run's name leads to its folder."""
    cells = []
    for name in columns:
        value = row.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        text = html.escape("" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value))
        if name == "run" and row.get("folder"):
            text = f'<a href="{html.escape(str(row["folder"]))}/">{text}</a>'
        cells.append(f'<td class="{"number" if number else "error" if name == "error" else ""}">{text}</td>')
    return f'<tr class="{"failed" if row.get("status") == FAILED else ""}">{"".join(cells)}</tr>\n'
