"""What all sections are told, and how they measure on a device."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from vinpaint_lib.bench.gpu.budget import Budget
from vinpaint_lib.process_memory import peak

MIB = 2**20


class Cell(NamedTuple):
    """One measurement: its name in the section, the call that makes it, and a guess of its seconds (0: none)."""

    name: str
    measure: Callable[[], dict[str, Any]]
    guess: float = 0.0


Cells = Iterator[Cell]


class LeftOut(Exception):
    """Raised by a measurement that cannot be made here; the message says why."""


@dataclass(frozen=True)
class Setting:
    """What a run was asked for.

    device    where networks run
    quick     everything as small as a few seconds allow, for a machine without an accelerator
    budget    the clock
    folder    for samples, and for the training's state and weights
    resume    go on with the training whose state is in `folder`
    data      what to train on, in the words of `datasets.parse.parse_source`
    model     the system to train
    preset    its preset
    steps     length of the training's schedule, in place of the preset's
    start     weights to begin the training with
    """

    device: torch.device
    quick: bool
    budget: Budget
    folder: Path
    resume: bool = False
    data: str = "toy"
    model: str = "tgfnet"
    preset: str = "gpu"
    steps: int | None = None
    start: Path | None = None

    @property
    def on_cpu(self) -> bool:
        return self.device.type == "cpu"


def name_of(device: torch.device) -> str:
    """The name of the device as its maker calls it, where torch knows that."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def begin_memory(device: torch.device) -> None:
    """Begin to look for the peak of the device's memory anew."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def memory(device: torch.device) -> dict[str, float]:
    """Peaks in MiB: of the tensors on a GPU since `begin_memory`, and of this process since it began."""
    found = {"MiB of the process so far": peak()}
    if device.type == "cuda":
        found = {
            "MiB on the device": torch.cuda.max_memory_allocated(device) / MIB,
            "MiB reserved": torch.cuda.max_memory_reserved(device) / MIB,
        } | found
    return found
