"""What a training step costs with and without its samples: is the network kept waiting?

Rows     unfed    one batch again and again: the network, the losses and the optimiser alone
         inside   samples are made inside of the step, by the process that trains (0 workers)
         fed      samples come from loaders, as in a real training
The blocks of samples are on disk before the clock starts. All rows of a table come from one run on one machine.
"""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from vinpaint_lib import train
from vinpaint_lib.systems import registry
from vinpaint_lib.training.devices import accelerator_on
from vinpaint_lib.training.feed import Feed
from vinpaint_lib.training.loop import Run, Trainer
from vinpaint_lib.training.waits import Waits

BLOCKS = 2  # blocks that are made for a measurement
AHEAD = 8  # steps behind which loaders are in their stride


def feeding(
    name: str, *, preset: str = "laptop", steps: int = 8, workers: int = 2, device: str = "cpu", data: str = "toy"
) -> dict[str, float]:
    """Steps a second of a preset's last stage, unfed, inside and fed; samples a second of the feed alone; waits a step.

    "cost of feeding" is the share of a fed step by which it is longer than an unfed one. On the CPU, which never waits
    for itself, a step of Align-and-Attend asks for numbers more often than on other devices.
    """
    with TemporaryDirectory() as folder:
        trainer = a_trainer(name, preset, Path(folder), device, data)
        first = max(0, trainer.preset.steps - steps - AHEAD)  # in the last stage, where a step costs most
        batch = next(trainer.feed.batches(first, first + 1))
        trainer.step = first
        trainer.one_step(batch)
        with Waits() as waits:
            trainer.one_step(batch)
        unfed = seconds_of(trainer, [batch] * steps)
        inside = seconds_of(trainer, trainer.feed.batches(first, first + steps))
        feed = Feed(trainer.feed.samples, trainer.feed.device, workers)
        batches = feed.batches(first, first + steps + AHEAD)
        for _ in range(2):  # the loaders start with the first batch
            next(batches)
        fed = seconds_of(trainer, batches, steps)
        batches.close()
        unfed = (unfed + seconds_of(trainer, [batch] * steps)) / 2  # before and behind: a machine grows warm
        found = {"steps a second unfed": 1 / unfed, "steps a second, samples made inside": 1 / inside}
        found |= {f"steps a second fed by {workers}": 1 / fed, "cost of feeding": 1 - unfed / fed}
        found["cost of samples made inside"] = 1 - unfed / inside
        found["samples a second, feed alone"] = trainer.preset.batch / feed_alone(trainer, first, steps)
        return found | {"waits a step": float(waits.total)}


def a_trainer(name: str, preset: str, folder: Path, device: str, data: str) -> Trainer:
    """The trainer of a preset without pictures, log and held-back clips; its few blocks are made."""
    chosen = replace(registry.presets(name)[preset], blocks=BLOCKS)
    if hasattr(chosen, "without_features"):
        chosen = replace(chosen, without_features=True)
    accelerator = accelerator_on(device)
    run = Run(name, preset, chosen, data, (), 0, accelerator.num_processes)
    task = registry.make_task(name, chosen)
    pools = train.make_pools(task, run, folder)
    train.make_blocks(pools, BLOCKS)
    return Trainer(run, task, pools, accelerator, out=folder)


def seconds_of(trainer: Trainer, batches: Any, steps: int | None = None) -> float:
    """Mean seconds of a step with these batches."""
    began, count = time.perf_counter(), 0
    for batch in batches:
        trainer.one_step(batch)
        count += 1
        if count == steps:
            break
    if trainer.accelerator.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / count


def feed_alone(trainer: Trainer, first: int, steps: int) -> float:
    """Mean seconds in which one process draws the batch of a step."""
    began = time.perf_counter()
    for step in range(first, first + steps):
        trainer.feed.samples[step]
    return (time.perf_counter() - began) / steps
