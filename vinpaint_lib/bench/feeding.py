"""What a training step costs with and without its samples: is the network kept waiting?

Rows     unfed    one batch again and again: the network, the losses and the optimiser alone
         inside   samples are made inside of the step, by the process that trains (0 workers)
         fed      samples come from loaders, as in a real training
The blocks of samples are on disk before the clock starts. All rows of a table come from one run on one machine.
"""

import time
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from vinpaint_lib.bench.clocks import synchronise
from vinpaint_lib.bench.gpu.trainers import shortened, trainer
from vinpaint_lib.bench.waits import Waits
from vinpaint_lib.systems import registry
from vinpaint_lib.train import make_blocks
from vinpaint_lib.training.feed import Feed
from vinpaint_lib.training.loop import Trainer

BLOCKS = 2  # blocks that are made for a measurement


def feeding(
    name: str, *, preset: str = "laptop", steps: int = 8, workers: int = 2, device: str = "cpu"
) -> dict[str, float]:
    """Steps a second of a preset's last stage, unfed, inside and fed; samples a second of the feed alone; waits a step.

    "cost of feeding" is the share of a fed step by which it is longer than an unfed one. On the CPU, which never waits
    for itself, a step of Align-and-Attend asks for numbers more often than on other devices.
    """
    with TemporaryDirectory() as folder:
        made = trainer(name, shortened(registry.presets(name)[preset], BLOCKS), torch.device(device), Path(folder))
        make_blocks(made.pools, BLOCKS)
        first = made.step  # in the last stage, where a step costs most
        batch = next(made.feed.batches(first, first + 1))
        made.one_step(batch)
        with Waits() as waits:
            made.one_step(batch)
        unfed = seconds_of(made, [batch] * steps)
        inside = seconds_of(made, made.feed.batches(first, first + steps))
        feed = Feed(made.feed.samples, made.feed.device, workers)
        with closing(in_stride(feed, first, steps + 1)) as batches:
            next(batches)
            fed = seconds_of(made, batches)
        unfed = (unfed + seconds_of(made, [batch] * steps)) / 2  # before and behind: a machine grows warm
        found = {"steps a second unfed": 1 / unfed, "steps a second, samples made inside": 1 / inside}
        found |= {f"steps a second fed by {workers}": 1 / fed, "cost of feeding": 1 - unfed / fed}
        found["cost of samples made inside"] = 1 - unfed / inside
        found["samples a second, feed alone"] = made.preset.batch / feed_alone(made, first, steps)
        return found | {"waits a step": float(waits.total)}


def in_stride(feed: Feed, first: int, count: int) -> Generator[dict[str, Tensor], None, None]:
    """`count` batches from step `first` + `feed.stock` on. What loaders make ahead before that is thrown away: else the
    steps would live on what was made before the clock started."""
    with closing(feed.batches(first, first + feed.stock + count)) as batches:
        for _ in range(feed.stock):
            next(batches)
        yield from batches


def seconds_of(made: Trainer, batches: Iterable[dict[str, Tensor]]) -> float:
    """Mean seconds of a step with these batches."""
    began, count = time.perf_counter(), 0
    for batch in batches:
        made.one_step(batch)
        count += 1
    synchronise(made.accelerator.device)
    return (time.perf_counter() - began) / count


def feed_alone(made: Trainer, first: int, steps: int) -> float:
    """Mean seconds in which one process draws the batch of a step."""
    began = time.perf_counter()
    for step in range(first, first + steps):
        made.feed.samples[step]
    return (time.perf_counter() - began) / steps
