"""Runs on the workers of a Dask cluster. All machines see the same OUT, notebook and library.

The scheduler gives a run of a worker that dies, or is not heard of, to another one. If the scheduler itself goes away,
its runs are handed out again as soon as one answers at its address. What is done is known from OUT (`attempt.py`), so
nothing of this finishes a run twice.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from distributed import CancelledError, Client, Future, KilledWorker

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import hidden
from vinpaint_lib.reruns import errand
from vinpaint_lib.reruns.attempt import FAILED, RUN, Outcome, Task, Tell, finish, write_json

FIRST, PATIENCE = 30.0, 600.0  # seconds that a scheduler may take to answer: at first, and after it went away
Make = Callable[[Mapping[str, Any], str], tuple[str, str, str]]
QUIET = 15.0  # seconds without a worker after which that is told


def hand_out(
    tasks: Sequence[Task], session: Path, *, address: str, tell: Tell, make: Make = errand.run
) -> Generator[Outcome, None, None]:
    """Make the runs on the cluster and give each outcome as it comes. `make` is what a worker does with a run.
    Raises UserError if no scheduler answers at the address, and for a worker that cannot make these runs, with the
    reason."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it has to say is told here in a sentence
    pending = {task.name: task for task in tasks}
    patience = FIRST
    while pending:
        client = connected(address, patience)
        patience = PATIENCE
        try:
            for outcome in outcomes(client, pending, session, tell, make):
                del pending[outcome.name]
                yield outcome
        finally:
            with suppress(Exception):  # it may be gone
                client.close(timeout=5)
        if pending:
            tell(f"the scheduler at {address} is gone; {len(pending)} runs are handed out again when one answers there")


def connected(address: str, patience: float) -> Client:
    """A client of the scheduler, as soon as it answers."""
    until = time.monotonic() + patience
    while True:
        try:
            return Client(address, timeout=FIRST, set_as_default=False)
        except ValueError as error:
            raise UserError(f"--scheduler {address}: is no address; write tcp://HOST:PORT") from error
        except (OSError, TimeoutError) as error:
            if time.monotonic() > until:
                raise UserError(
                    f"--scheduler {address}: no scheduler answers there; start one (dask scheduler), or correct it"
                ) from error
            time.sleep(1)


def outcomes(client: Client, pending: dict[str, Task], session: Path, tell: Tell, make: Make) -> Iterator[Outcome]:
    """The outcomes of the runs as they come; ends early if the scheduler is lost."""
    tasks = list(pending.values())
    came: SimpleQueue[Future] = SimpleQueue()
    # keys are new in every round: a scheduler may still know those of an earlier one
    keys = [f"{task.name}-{hidden('')}" for task in tasks]
    futures = client.map(make, [asdict(task) for task in tasks], session=str(session), key=keys, pure=False)
    names = {future.key: task for future, task in zip(futures, tasks)}
    for future in futures:
        future.add_done_callback(came.put)
    left, quiet = len(futures), time.monotonic()
    while left:
        try:
            future = came.get(timeout=0.5)
        except Empty:
            if client.status != "running":
                return
            if quiet and time.monotonic() - quiet > QUIET:
                quiet = 0.0 if told_of_no_worker(client, tell) else time.monotonic()
            continue
        status = future.status
        if status in ("cancelled", "lost"):
            return
        try:
            found = future.result(PATIENCE) if status == "finished" else future.exception(PATIENCE)
        except (CancelledError, OSError, TimeoutError):  # the scheduler went away with it
            return
        left -= 1
        yield Outcome(*found) if status == "finished" else failed(found, names[future.key], session)
        future.release()


def told_of_no_worker(client: Client, tell: Tell) -> bool:
    """Say so if the scheduler has no worker."""
    with suppress(OSError, TimeoutError):
        if not client.scheduler_info(n_workers=-1)["workers"]:
            tell("the scheduler has no worker: start one with dask worker, and it takes the runs")
            return True
    return False


def failed(error: Any, task: Task, session: Path) -> Outcome:
    """What an error on a worker means: one whose worker died again and again is a failure, which is kept like others.
    Anything else ends the call."""
    if isinstance(error, KilledWorker):
        return killed(task, session)
    if isinstance(error, ImportError):
        raise UserError(f"a worker cannot import what a run needs ({error}): install vinpaint there") from error
    raise error


def killed(task: Task, session: Path) -> Outcome:
    """Keep a run as failed whose worker died under it each time."""
    sentence = "its worker died each time that it ran; look at the workers' logs, and whether memory sufficed"
    out = session.parent
    folder = out / hidden(task.name)
    folder.mkdir()
    record = {"name": task.name, "given": dict(task.given), "repeat": task.repeat, "status": FAILED, "error": sentence}
    write_json(folder / RUN, record)
    finish(folder, out / FAILED / task.name, out / task.name)
    return Outcome(task.name, FAILED, sentence)
