"""Clocks for parts of a program: the time of a module's forward or of a method, added up by name."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Clock = Callable[[], float]


def synchronise(device: torch.device) -> None:
    """Return when the device has done all that it was asked for."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def clock_on(device: torch.device) -> Clock:
    """Seconds. The clock first waits for all work that was begun: else it would time how fast work is asked for, not
    how fast it is done."""

    def finished() -> float:
        synchronise(device)
        return time.perf_counter()

    return finished


def watch(parts: dict[str, nn.Module], spent: dict[str, float], clock: Clock) -> None:
    """Add the time of each module's forward to `spent`."""
    for name, part in parts.items():
        begun: list[float] = []
        part.register_forward_pre_hook(lambda *_, b=begun: b.append(clock()))

        def done(*_: Any, name: str = name, b: list[float] = begun) -> None:
            spent[name] += clock() - b.pop()

        part.register_forward_hook(done)


def watch_method(owner: nn.Module, method: str, name: str, spent: dict[str, float], clock: Clock) -> None:
    """Add the time of one method to `spent`."""
    plain = getattr(owner, method)

    def measured(*arguments: Any) -> Any:
        began = clock()
        result = plain(*arguments)
        spent[name] += clock() - began
        return result

    setattr(owner, method, measured)
