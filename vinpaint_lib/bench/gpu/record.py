"""The lines of a run: one JSON object for each cell, written as soon as the cell is over, and said in words."""

import json
import math
from pathlib import Path
from typing import Any

DONE, LEFT_OUT, FAILED = "done", "left out", "failed"


class Record:
    """A file of JSON lines that grows; a run appends to it.

    where    what cells of earlier runs must agree with to count: the device's name, and whether the run is quick
    resume   cells that an earlier run has done on the same `where` count as done
    """

    def __init__(self, path: Path, where: dict[str, Any], resume: bool) -> None:
        self.path, self.where = path, where
        self.counts = dict.fromkeys((DONE, LEFT_OUT, FAILED), 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        old = read(path)
        self.done = {
            (row["section"], row["cell"])
            for row in (old if resume else [])
            if row.get("state") == DONE and all(row.get(key) == value for key, value in where.items())
        }
        if path.exists() and not path.read_bytes().endswith(b"\n"):
            with path.open("a") as file:  # a run that was killed in the middle of a line
                file.write("\n")

    def has(self, section: str, cell: str) -> bool:
        """Whether an earlier run has done this cell."""
        return (section, cell) in self.done

    def write(self, section: str, cell: str, state: str, at: float, **values: Any) -> None:
        """Append one line and print it; `at` is the number of seconds since the beginning of the run.

        A line that stands for several cells names them as `cells`.
        """
        self.counts[state] += len(values.get("cells", [cell]))
        row = {"section": section, "cell": cell, "state": state, "at": round(at, 1), **self.where, **plain(values)}
        with self.path.open("a") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
        said = ", ".join(value if key == "why" else f"{key} {value}" for key, value in plain(values).items())
        print(f"[{at:6.1f} s] {section}: {cell}: {'' if state == DONE else state + ', '}{said}", flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file; a line that was cut off is left out, and a missing file has none."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and {"section", "cell"} <= set(row):
            rows.append(row)
    return rows


def plain(value: Any) -> Any:
    """Values as JSON has them: floats with five digits, and words for those that are not finite."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
