"""All runs of a grid: what is done is left alone, what fails is kept, and the others go on.

In OUT each run has a folder by its name (`names.py`), a failed one in `OUT/failed`. There is nothing else to know of a
grid: a second call looks there, and goes on.
"""

import secrets
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons.manifest import FOLDER
from vinpaint_lib.places import check_folder, claimed
from vinpaint_lib.reruns import names, table
from vinpaint_lib.reruns.attempt import DONE, FAILED, Outcome, Session, Task, Tell, read_record
from vinpaint_lib.reruns.grid import Grid
from vinpaint_lib.reruns.rehearsal import refusals

BAR = "{desc}{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} runs, {remaining} left"
SESSION = ".session-{}.json"
Engine = Callable[[Sequence[Task], Path], Generator[Outcome, None, None]]


@dataclass(frozen=True)
class Count:
    """How many runs are done, and how many of them were before; how many have failed, and failed before."""

    done: int = 0
    before: int = 0
    failed: int = 0
    failed_before: int = 0


@dataclass(frozen=True)
class Result:
    """The end of a call: what became of the runs, and what there is to look at."""

    runs: int
    count: Count
    shown: tuple[Path, ...]


def named(grid: Grid) -> tuple[Task, ...]:
    """The runs of a grid with their names."""
    namer = names.Namer(grid.notebook, names.library())
    return tuple(Task(namer.name(given, repeat), given, repeat) for given, repeat in grid.runs)


def run(grid: Grid, out: Path, engine: Engine, tell: Tell, *, asker: str, retry: bool = False) -> Result:
    """Make the runs of the grid that are not done, in the folder `out`, and write its table.

    `asker` is what the grid came from, for sentences. Runs that failed before are made again if `retry` is set. Raises
    UserError before the first run for values that the notebook refuses, each with a line, and if `out` cannot be
    written to; and KeyboardInterrupt, which says what is kept.
    """
    check_folder(out)
    tasks = named(grid)
    with claimed(out, folder=True, names=[*table.FILES, *(task.name for task in tasks)]) as place:
        done = {task.name for task in tasks if read_record(place / task.name)}
        failed = {task.name for task in tasks if read_record(place / FAILED / task.name)} - done
        known = done if retry else done | failed
        todo = [task for task in tasks if task.name not in known]
        said = refusals(grid.notebook, [task.given for task in todo]) if todo else []
        if said:
            raise UserError(*(f"{asker}: {line}" for line in said))
        count = Count(len(done), len(done), 0, 0 if retry else len(failed))
        try:
            count = made(todo, count, place, grid.notebook, engine, tell)
        except KeyboardInterrupt:
            here = sum(read_record(place / task.name) is not None for task in tasks)
            show(place, grid, tasks)
            raise KeyboardInterrupt(
                f"stopped: {here} of {len(tasks)} runs are done and kept in {out}; the same command goes on"
            ) from None
        return Result(len(tasks), count, tuple(out / path.relative_to(place) for path in show(place, grid, tasks)))


def show(place: Path, grid: Grid, tasks: Sequence[Task]) -> tuple[Path, ...]:
    """Write the table of a grid and give its files; of one run, give the executed notebook."""
    if not grid.alone:
        return table.write(place, table.rows_of(place, tasks))
    places = (place / tasks[0].name, place / FAILED / tasks[0].name)
    return tuple(path for folder in places if (path := folder / grid.notebook.name).is_file())


def made(todo: Sequence[Task], count: Count, place: Path, notebook: Path, engine: Engine, tell: Tell) -> Count:
    """Hand the runs out, and give the count when all have ended."""
    if not todo:
        return count
    for old in place.glob(SESSION.format("*")):
        old.unlink(missing_ok=True)
    session = Session(place / SESSION.format(secrets.token_hex(4)), notebook.resolve())
    session.open()
    total = count.done + count.failed_before + len(todo)
    try:
        with (
            tqdm(total=total, initial=total - len(todo), bar_format=BAR, file=sys.stderr, disable=None) as bar,
            closing(engine(todo, session.file)) as outcomes,
        ):
            for outcome in outcomes:
                if outcome.status == DONE:
                    count = replace(count, done=count.done + 1)
                elif outcome.status == FAILED:
                    count = replace(count, failed=count.failed + 1)
                    tell(f"{outcome.name} failed: {outcome.sentence}")
                bar.update()
    finally:
        session.close()
    return count


def alone(notebook: Path, given: Mapping[str, Any]) -> Grid:
    """A grid of one run. Raises UserError if it says where the results go to."""
    if FOLDER in given:
        raise UserError(f"-p {FOLDER}={given[FOLDER]}: each run has a folder of its own; leave it out, and give --out")
    return Grid(notebook, ((given, 0),), alone=True)


def sentence(result: Result, out: Path) -> str:
    """What a call ends with."""
    count = result.count
    said = [f"{count.done} of {result.runs} runs are done" + (f" ({count.before} were before)" if count.before else "")]
    if count.failed:
        said.append(f"{count.failed} failed")
    if count.failed_before:
        said.append(f"{count.failed_before} failed before (--retry makes them again)")
    return f"{', '.join(said)}: {out}"


def default_out(target: Path) -> Path:
    """Where runs of this grid or notebook lie if nobody says it."""
    return Path("runs") / "reruns" / target.stem
