"""Runs without a notebook: a program that writes into a journal, waits, and says how it went. A worker of a cluster and
a command line that take it in the place of the notebook's process.

    python -m tests.reruns.stub worker ADDRESS
    python -m tests.reruns.stub call WORDS      the words of `vinpaint`
"""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
from distributed import Worker
from nbformat.v4 import new_code_cell, new_notebook

from vinpaint_lib import cli
from vinpaint_lib.reruns import attempt, names

ROOT = Path(__file__).parents[2]
AROUND = {"versions": {"vinpaint": "0"}, "device": "cpu", "weights": {}, "commit": "0" * 40}


def patch() -> None:
    attempt.CELL = "tests.reruns.stub_cell"
    names.surroundings = lambda: AROUND
    names.library.cache_clear()


async def worker(address: str) -> None:
    """A worker that comes back whenever it is closed, as under `dask worker` with its nanny."""
    while True:
        try:
            async with Worker(address, nthreads=1, death_timeout=20) as joined:
                await joined.finished()
        except (OSError, TimeoutError, RuntimeError):
            await asyncio.sleep(0.5)


PARAMETERS = "journal: str = ''\nseconds: float = 0.0\nseed: int = 0\nfail: bool = False\nout_dir: str = '.'"


def write_grid(folder, seconds, seeds, more=""):
    cell = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[cell]), folder / "a.ipynb")
    fixed = f"journal: '{folder}'\n  seconds: {seconds}"
    (folder / "grid.yml").write_text(f"notebook: a.ipynb\nparameters:\n  {fixed}\n{more}seeds: {seeds}\n")
    return folder / "grid.yml"


def hear():
    """Ctrl-C is heard, also where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def call(*words):
    command = [sys.executable, "-m", "tests.reruns.stub", "call", "rerun", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=hear
    )


def journal(folder):
    """(run, process that started it, its process) of each run that began."""
    path = folder / "journal"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, int(parent), int(own)) for name, parent, own in map(str.split, lines)]


def wait_for(condition):
    """Wait until something is true, which happens unless the code is wrong."""
    for _ in range(15_000):
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited for too long")


def alive(process):
    """Whether a process runs; one that has ended and was not asked for yet does not."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def drafts(out):
    return [path.name for path in out.rglob(".*")]


def runs_in(out):
    return sorted(path.name for path in out.iterdir() if path.is_dir() and path.name.startswith("a-"))


def main(what: str, *words: str) -> None:
    patch()
    if what == "worker":
        return asyncio.run(worker(*words))
    return cli.main(list(words))


if __name__ == "__main__":
    main(*sys.argv[1:])
