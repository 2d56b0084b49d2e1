"""Runs on a real scheduler and real workers of Dask on this machine, of which one dies, one stops, and the scheduler
goes away."""

import os
import signal
import socket
import subprocess
import sys
from threading import Thread

import pytest

from tests.reruns.stub import ROOT, drafts, journal, runs_in, wait_for, write_grid
from vinpaint_lib.errors import UserError
from vinpaint_lib.files import clear_drafts
from vinpaint_lib.reruns import cluster
from vinpaint_lib.reruns.attempt import Session, Task

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_stubbed")]

SCHEDULER = """
import asyncio, sys
from distributed import Scheduler
async def main():
    async with Scheduler(host="127.0.0.1", port=int(sys.argv[1]), dashboard=False, worker_ttl="6s") as scheduler:
        await scheduler.finished()
asyncio.run(main())
"""


@pytest.fixture
def start():
    """Starts processes, and ends those that are left."""
    started = []

    def begin(*words):
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def a_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port):
    with socket.socket() as asks:
        return asks.connect_ex(("127.0.0.1", port)) == 0


def test_workers_that_die_or_stop_and_a_scheduler_that_goes_away_lose_nothing(tmp_path, start, monkeypatch):
    monkeypatch.setattr(cluster, "FIRST", 240.0)  # seconds: the machine may be busy
    port = a_port()
    address = f"tcp://127.0.0.1:{port}"
    scheduler = start("-c", SCHEDULER, str(port))
    wait_for(lambda: answers(port))
    dies, stops = (start("-m", "tests.reruns.stub", "worker", address) for _ in range(2))
    write_grid(tmp_path, 0, 1)
    out = tmp_path / "out"
    out.mkdir()
    session = Session(out / ".session.json", tmp_path / "a.ipynb")
    session.open()
    given = {"journal": str(tmp_path), "seconds": 0.5}
    tasks = [Task(f"a-{number}", {**given, "seed": number}) for number in range(20)]
    tasks[-1].given["gate"] = str(tmp_path / "gate")  # on a fast machine all would be done before anything is broken
    told, broken = [], []

    def begun_by(worker, after=0):
        return [name for name, parent, _ in journal(tmp_path)[after:] if parent == worker.pid]

    def others(name, worker):
        return [parent for begun, parent, _ in journal(tmp_path) if begun == name and parent != worker.pid]

    def break_things():
        wait_for(lambda: begun_by(dies) and begun_by(stops))
        lost = begun_by(dies)[-1]
        dies.kill()
        for _ in range(2):  # it comes back, as after a time limit; one may wait for the gate
            start("-m", "tests.reruns.stub", "worker", address)
        wait_for(lambda: others(lost, dies))
        before = len(journal(tmp_path))
        taken = wait_for(lambda: begun_by(stops, before))[-1]
        stops.send_signal(signal.SIGSTOP)
        wait_for(lambda: others(taken, stops))
        scheduler.kill()
        scheduler.wait()
        os.kill(stops.pid, signal.SIGCONT)
        start("-c", SCHEDULER, str(port))
        broken.append("a worker, another one, and the scheduler")
        (tmp_path / "gate").touch()

    Thread(target=break_things, daemon=True).start()
    seen = list(cluster.hand_out(tasks, session.file, address=address, tell=told.append))
    session.close()
    assert sorted(outcome.name for outcome in seen) == sorted(task.name for task in tasks), "each is told once"
    assert {outcome.status for outcome in seen} == {"done"}
    assert runs_in(out) == sorted(task.name for task in tasks)
    assert all((out / task.name / "made").is_file() for task in tasks)
    assert broken
    assert any("is gone" in str(line) for line in told)
    clear_drafts(out, [task.name for task in tasks])  # of the worker that died, as the next call does
    assert [name for name in drafts(out) if ".part" in name] == []


def test_an_address_where_nobody_answers_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "FIRST", 1.0)
    tasks = [Task("a-1", {})]
    for address, said in [(f"tcp://127.0.0.1:{a_port()}", "no scheduler answers there"), ("nowhere://x", "no address")]:
        with pytest.raises(UserError, match=said):
            list(cluster.hand_out(tasks, tmp_path / ".session.json", address=address, tell=print))
