"""What a grid of reruns costs beside its notebooks, measured with stubs on this machine.

    python -m vinpaint_lib.bench.reruns [--cells 1,100,10000] [--workers 1,2,4] [--rows 1000000] [--out reruns.json]

Four tables: reading a grid and naming its runs; a Dask scheduler that hands out runs that do nothing; runs an hour of a
notebook of one line, and what a run takes beyond its cells; and a results file of many rows.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from distributed import LocalCluster
from nbformat.v4 import new_code_cell, new_notebook

from vinpaint_lib.bench.report import show
from vinpaint_lib.errors import DEBUG_HELP, run_program
from vinpaint_lib.files import draft_of
from vinpaint_lib.reruns import cluster, local, many, names, table
from vinpaint_lib.reruns.attempt import DONE, Task, read_record
from vinpaint_lib.reruns.grid import Grid, read_grid

RUNS_A_WORKER = 4


def stub(folder: Path, cells: int) -> Grid:
    """A grid of so many runs of a notebook of one line, read from its file."""
    first = new_code_cell("seed: int = 0", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(
        new_notebook(cells=[first, new_code_cell("seed + 1")], metadata={"kernelspec": kernel}), folder / "a.ipynb"
    )
    (folder / "grid.yml").write_text(f"notebook: a.ipynb\nseeds: {cells}\n", encoding="utf-8")
    return read_grid(folder / "grid.yml")


def nothing(task: Mapping[str, Any], session: str) -> tuple[str, str, str]:
    """A run that does nothing."""
    return task["name"], DONE, ""


def plan(cells: int) -> dict[str, float]:
    """Seconds to read a grid and to name its runs."""
    names.library()  # loads torch, once in a process
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        tasks = many.named(stub(Path(folder), cells))
        seconds = time.perf_counter() - began
    assert len({task.name for task in tasks}) == cells
    return {"seconds": seconds, "microseconds a run": 1e6 * seconds / cells}


def schedule(cells: int, address: str) -> dict[str, float]:
    """Seconds for runs that do nothing to go to the worker of a scheduler and back."""
    tasks = [Task(f"stub-{number}", {"seed": number}) for number in range(cells)]
    began = time.perf_counter()
    found = list(cluster.hand_out(tasks, Path("none"), address=address, tell=print, make=nothing))
    seconds = time.perf_counter() - began
    assert sorted(outcome.name for outcome in found) == sorted(task.name for task in tasks)
    return {"seconds": seconds, "milliseconds a run": 1e3 * seconds / cells}


def throughput(workers: int) -> dict[str, float]:
    """Runs an hour of a notebook of one line, and what a run takes beyond its cells."""
    cells = RUNS_A_WORKER * workers
    with tempfile.TemporaryDirectory() as folder:
        grid, out = stub(Path(folder), cells), Path(folder) / "out"
        engine = partial(local.hand_out, free=local.slots(workers))
        began = time.perf_counter()
        many.run(grid, out, engine, print, asker="stub")
        seconds = time.perf_counter() - began
        records = [read_record(out / task.name) or {} for task in many.named(grid)]
    beyond = [record["seconds"] - record["seconds_in_cells"] for record in records]
    return {"runs an hour": 3600 * cells / seconds, "seconds a run beyond its cells": sum(beyond) / cells}


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Rows like those of a grid of evaluations."""
    for number in range(count):
        row = {"run": f"09_attention_maps-{number:012x}", "status": DONE, "hole": "moving", "seed": number}
        scores = {
            f"metrics.scores.tgfnet.{name}": number / 7 for name in ("psnr", "hole_psnr", "ssim", "warping_error")
        }
        yield row | scores | {"seconds": 81.25, "error": "", "folder": row["run"]}


def results(count: int) -> dict[str, float]:
    """Seconds from rows to the table, and its size."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        sheet, page = table.write(Path(folder), rows(count))
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "MB of CSV": sheet.stat().st_size / 1e6, "MB of HTML": page.stat().st_size / 1e6}


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=DEBUG_HELP)
    parser.add_argument("--cells", type=whole_numbers, default=[1, 100, 10_000], help="sizes of the stub grids")
    parser.add_argument("--workers", type=whole_numbers, default=[1, 2, 4], help="runs at a time")
    parser.add_argument("--rows", type=whole_numbers, default=[1_000_000], help="rows of the results file")
    parser.add_argument("--out", type=Path, help="write all numbers as JSON")
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {}

    def note(title: str, numbers: dict[str, float]) -> None:
        found[title] = show(title, numbers)

    for cells in options.cells:
        note(f"reading and naming {cells:,} runs", plan(cells))
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as dask:
        for cells in options.cells:
            note(f"Dask scheduler, {cells:,} runs that do nothing", schedule(cells, dask.scheduler_address))
    for workers in options.workers:
        note(f"notebook of one line, {workers} at a time", throughput(workers))
    for count in options.rows:
        note(f"table of {count:,} rows", results(count))
    if options.out:
        with draft_of(options.out) as draft:
            draft.write_text(json.dumps(found, indent=1), encoding="utf-8")


def whole_numbers(text: str) -> list[int]:
    """Whole numbers with commas between them, or none."""
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    run_program(work, None, name="python -m vinpaint_lib.bench.reruns")


if __name__ == "__main__":
    main()
