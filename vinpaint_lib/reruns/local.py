"""Runs on this machine, several at a time: one for each GPU, or for every two cores."""

import os
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import torch

from vinpaint_lib.reruns.attempt import LOOK, Attempt, Outcome, Task

CORES = 2  # for each run, where there is no GPU
VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs that this process may use, by the names that `CUDA_VISIBLE_DEVICES` takes."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
    return (named or [str(number) for number in range(count)])[:count]


def slots(workers: int | None) -> list[dict[str, str]]:
    """For each run that goes on at a time, what its environment gets: its GPU, and its share of the cores as threads,
    unless the caller's environment says how many."""
    found = gpus()
    count = workers or len(found) or max(1, cores() // CORES)
    threads = {name: str(max(1, cores() // count)) for name in THREADS if name not in os.environ}
    return [threads | ({VISIBLE: found[number % len(found)]} if found else {}) for number in range(count)]


def hand_out(tasks: Sequence[Task], session: Path, free: Sequence[dict[str, str]]) -> Generator[Outcome, None, None]:
    """Make the runs, as many at a time as there are slots, and give each outcome as it comes. Runs that go on when this
    is left, as by Ctrl-C, are ended, and nothing of them stays."""
    waiting, slots = list(reversed(tasks)), list(reversed(free))
    going: list[tuple[Attempt, dict[str, str]]] = []
    try:
        while waiting or going:
            while waiting and slots:
                slot = slots.pop()
                going.append((Attempt(waiting.pop(), session, slot), slot))
            for attempt, slot in list(going):
                outcome = attempt.ended()
                if outcome is not None:
                    going.remove((attempt, slot))
                    slots.append(slot)
                    yield outcome
            if not slots or not waiting:
                time.sleep(LOOK)
    finally:
        for attempt, _ in going:
            attempt.stop()
