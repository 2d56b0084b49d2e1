"""The tables of a file of results as text and as Markdown, and its figures."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from vinpaint_lib.comparison import results, vfid
from vinpaint_lib.comparison.pictures import strip
from vinpaint_lib.comparison.results import Line
from vinpaint_lib.comparison.tables import Table, split, tables as made
from vinpaint_lib.errors import UserError
from vinpaint_lib.figures import trade_off
from vinpaint_lib.places import check_folder, claimed
from vinpaint_lib.scoring import strata
from vinpaint_lib.scoring.intervals import Estimate
from vinpaint_lib.scoring.table import COLUMNS

Tell = Callable[[object], None]


def tables(path: Path, tell: Tell) -> str:
    """All tables of a file, each with its notes, and then the main score split by camera and hole.

    Raises UserError for a file that holds no finished cell.
    """
    found = results.read(path)
    if found.rest:
        tell(f"{path}: the last line is not whole (a run writes it, or was killed) and is left out")
    return text(finished(path, found.lines))


def text(lines: Sequence[Line], *, split_too: bool = True) -> str:
    """All tables of these lines, likewise; `split_too`: with the main score by camera and hole, a column each row."""
    parts = []
    for table in made(lines):
        parts.append("\n".join([heading(table), "", *aligned(cells(table)), "", *notes(table)]))
        parts += ["\n".join(aligned(split_cells(table)))] if split_too else []
    return "\n\n".join(parts)


def finished(path: Path, lines: Sequence[Line]) -> Sequence[Line]:
    """The lines. Raises UserError if none of them is finished."""
    if not any("scores" in line for line in lines):
        raise UserError(f"{path}: holds no finished cell; run `vinpaint compare --out {path}` first")
    return lines


def heading(table: Table) -> str:
    """What was measured, in one line."""
    lines, setting = table.lines(), table.setting
    holes = sorted({line["clip"]["holes"] for line in lines}) or [setting["masks"]]
    limit = "all frames" if setting["limit"] is None else f"{setting['limit']} frames at most"
    return f"{' and '.join(holes)}; protocol {setting['protocol']}, {setting['size']}, {limit}"


def cells(table: Table) -> list[list[str]]:
    """The table as rows of text, the heading first."""
    shown = [score for score in COLUMNS if any(score in row.means for row in table.rows)]
    shown.sort(key=lambda score: score != table.main)
    name, factor, digits = COLUMNS[table.main]
    rows = [["system", name, f"{name} less `{table.reference}`", "rank", *(COLUMNS[score][0] for score in shown[1:])]]
    columns = vfid.distances(table.rows)
    rows[0] += [*(f"VFID ({column.network})" for column in columns), "s/frame", "CPU s/frame", "peak MiB", "clips"]
    for row in table.rows:
        line = [row.label, spelled(row.means.get(table.main), factor, digits)]
        line += [spelled(row.more, factor, digits, signed=True), "-" if row.rank is None else f"{row.rank:.1f}"]
        line += [spelled(row.means.get(score), *COLUMNS[score][1:]) for score in shown[1:]]
        line += [f"{column.values[row.label]:.4g}" if row.label in column.values else "-" for column in columns]
        seconds = [row.seconds(), row.seconds("cpu_seconds_per_frame")]
        line += ["-" if math.isnan(each) else f"{each:.3f}" for each in seconds]
        memory = row.memory()
        line.append("-" if memory is None else f"{memory:.0f}")
        rows.append([*line, f"{row.clips}" + (f", {row.broken} failed" if row.broken else "")])
    return rows


def split_cells(table: Table) -> list[list[str]]:
    """The main score of each system in each part of the clips, and its difference to the reference in brackets."""
    _, factor, digits = COLUMNS[table.main]
    rows = [["part", "clips", *(row.label for row in table.rows)]]
    for name, part in split(table).items():
        by_label = {row.label: row for row in part.rows}
        line = [strata.WORDS[name], str(max(row.clips for row in part.rows))]
        for row in table.rows:
            there = by_label.get(row.label)
            value = "-" if there is None else spelled(bare(there.means.get(table.main)), factor, digits)
            further = "" if there is None or there.more is None else spelled(there.more, factor, digits, signed=True)
            line.append(f"{value} ({further})" if further else value)
        rows.append(line)
    return rows


def bare(found: Estimate | None) -> Estimate | None:
    """Without its interval."""
    return found and found._replace(low=None, high=None)


def spelled(found: Estimate | None, factor: float, digits: int, *, signed: bool = False) -> str:
    """'16.07 [15.20, 17.01]', or the mean alone where there is no interval."""
    if found is None or math.isnan(found.value):
        return "-"
    form = f"{'+' if signed else ''}.{digits}f"
    text = f"{found.value * factor:{form}}"
    if found.low is None or found.high is None:
        return text
    return f"{text} [{found.low * factor:{form}}, {found.high * factor:{form}}]"


def notes(table: Table) -> list[str]:
    """How the numbers of a table came about, and what is missing in it; short sentences."""
    lines = table.lines()
    clips = {line["cell"]["number"] for line in lines}
    seeds = sorted({line["cell"]["seed"] for line in lines})
    shares = [line["clip"]["mask_share"] for line in lines]
    said = [
        f"Mean over {len(clips)} clips [95 % interval over clips: bootstrap, BCa]; "
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}; holes of {sum(shares) / len(shares):.1%} on "
        "average.",
        f"The difference to `{table.reference}` is paired by clip; rank 1 is the best of a clip, over {table.shared} "
        "clips.",
    ]
    if len(clips) < 3:
        said.append("There are no intervals: they need three clips.")
    whole = {(line["cell"]["number"], line["cell"]["seed"]) for line in lines}
    if short := [row.label for row in table.rows if set(row.units) != whole]:
        said.append(f"Not all clips are measured for {', '.join(short)}: compare by the difference and the rank only.")
    said += [
        f"VFID ({column.network}): {column.note}; Frechet distance over {column.fillings} fillings that all its rows "
        "have. It is larger for fewer fillings, so compare it inside of this column only."
        for column in vfid.distances(table.rows)
    ]
    said.append(f"E_warp follows {' and '.join(sorted({line['clip']['flow'] for line in lines}))}.")
    rows = {row.label: line["model"].get("says") for row in table.rows for line in row.units.values()}
    said += [f"`{label}`: {says}" for label, says in rows.items() if says]
    said += dict.fromkeys(note for line in lines for note in line["run"].get("notes", ()))
    return [*said, machines(lines), f"Commits: {', '.join(sorted({short_commit(line) for line in lines}))}."]


def machines(lines: Sequence[Line]) -> str:
    """What the seconds were measured on, and how busy it was."""
    runs = [line["run"] for line in lines]
    kinds = sorted({f"{run['device']}, {run['processor']}, threads: {run['threads']}" for run in runs})
    loads = [run["load"] for run in runs if run["load"] is not None]
    said = f"Seconds on {' and '.join(kinds)}"
    if not loads:
        return f"{said}."
    said += f"; the machine's load was {min(loads):.1f} to {max(loads):.1f} on {runs[0]['cores']} cores"
    alone = max(loads) <= runs[0]["cores"] + 0.5
    return f"{said}." if alone else f"{said}, so other programs made them longer: compare CPU seconds."


def short_commit(line: Line) -> str:
    commit = line["run"]["commit"]
    return "unknown" if commit is None else commit[:8] + commit[40:]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines of text, columns aligned, a rule below the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as a table of Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]


def figures(path: Path, folder: Path, pictures: Path | None = None) -> list[Path]:
    """Write quality against seconds for each table, and a film strip for each folder of `pictures`; gives the files.

    Raises UserError for a folder that cannot be written, and as `tables` and `pictures.strip`.
    """
    check_folder(folder)
    lines = finished(path, results.read(path).lines)
    written = []
    with claimed(folder, folder=True) as place:
        for table in made(lines):
            name, factor, _ = COLUMNS[table.main]
            points = {
                row.label: trade_off.Point(row.seconds(), *(scaled(row.means[table.main], factor)))
                for row in table.rows
                if table.main in row.means
            }
            setting = table.setting
            out = place / f"trade-off-{setting['masks'].partition(':')[0]}-{setting['protocol']}-{setting['size']}.png"
            written.append(trade_off.save(points, name, out))
        for each in sorted(entry for entry in pictures.iterdir() if entry.is_dir()) if pictures else ():
            written.append(strip(each, place / f"strip-{each.name}.png"))
    return written


def scaled(found: Estimate, factor: float) -> tuple[float, float, float]:
    """Mean and interval for a figure; without an interval, the mean alone."""
    low, high = (found.value if end is None else end for end in (found.low, found.high))
    return found.value * factor, low * factor, high * factor
