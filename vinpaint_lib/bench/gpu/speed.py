"""Section `speed`: steps a second of every recipe's presets laptop and gpu, unfed and fed, and the feed alone.

Unfed, every step has the same batch, which lies on the device. Fed, batches come from loader processes
(`training/feed.py`). Samples are drawn from two blocks, which cost as much to draw from as all of a preset.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vinpaint_lib.bench.clocks import synchronise
from vinpaint_lib.bench.feeding import in_stride
from vinpaint_lib.bench.gpu.setting import Cell, Cells, Setting, begin_memory, memory
from vinpaint_lib.bench.gpu.trainers import grey_batch, shortened, trainer
from vinpaint_lib.systems import registry
from vinpaint_lib.train import usual_workers
from vinpaint_lib.training.feed import Feed
from vinpaint_lib.training.loop import Trainer

BLOCKS = 2
ENOUGH, QUICK_ENOUGH = 2.5, 0.5  # seconds of steps or batches that are timed
MOST = 100  # steps or batches


def cells(setting: Setting) -> Cells:
    """Unfed cells of a preset first, since they need no samples. A quick run begins with the preset tiny, and with
    all cells of one system."""
    for preset in ("tiny", "laptop", "gpu") if setting.quick else ("gpu", "laptop"):
        pairs = [(measure, name) for measure in (unfed, feed_alone, fed) for name in registry.SYSTEMS]
        if setting.quick:
            pairs.sort(key=lambda pair: list(registry.SYSTEMS).index(pair[1]))
        for measure, name in pairs:
            label = measure.__name__.replace("_", " ")
            yield Cell(f"{name}, {preset}, {label}", partial(measure, name, preset, setting))


def unfed(name: str, preset: str, setting: Setting) -> dict[str, Any]:
    """Steps a second on one batch, after one step to warm up, and memory."""
    begin_memory(setting.device)
    made = trainer_of(name, preset, setting, 0)
    batch = grey_batch(made.task, setting.device)
    count, seconds = timed(lambda: made.one_step(dict(batch)), setting)
    found = {"steps a second": count / seconds, "steps": count, "batch": made.preset.batch, "bf16": made.bf16}
    return found | memory(setting.device)


def feed_alone(name: str, preset: str, setting: Setting) -> dict[str, Any]:
    """Samples a second of the loaders when nothing else is done, and the seconds in which the blocks were made."""
    workers = usual_workers(str(setting.device))
    made = trainer_of(name, preset, setting, workers)
    blocks = blocks_made(made, workers)
    made.feed = Feed(made.feed.samples, torch.device("cpu"), workers)
    with closing(in_stride(made.feed, made.step, MOST)) as batches:
        count, seconds = timed(lambda: next(batches), setting)
    return {"samples a second": count * made.preset.batch / seconds, "batches": count, "workers": workers, **blocks}


def fed(name: str, preset: str, setting: Setting) -> dict[str, Any]:
    """Steps a second with batches from loaders, and the share of the time in which a step waits for its batch."""
    workers = usual_workers(str(setting.device))
    made = trainer_of(name, preset, setting, workers)
    blocks = blocks_made(made, workers)
    begin_memory(setting.device)
    waited: list[float] = []
    with closing(in_stride(made.feed, made.step, MOST)) as batches:
        made.step += made.feed.stock
        count, seconds = timed(lambda: fed_step(made, batches, waited), setting, waited.clear)
    found = {"steps a second": count / seconds, "share waited for samples": sum(waited) / seconds, "steps": count}
    return found | {"workers": workers} | blocks | memory(setting.device)


def fed_step(made: Trainer, batches: Iterator[dict[str, Tensor]], waited: list[float]) -> None:
    """One step on the next batch; the seconds until the batch came are appended to `waited`."""
    began = time.perf_counter()
    batch = next(batches)
    waited.append(time.perf_counter() - began)
    made.one_step(batch)
    made.step += 1


def trainer_of(name: str, preset: str, setting: Setting, workers: int) -> Trainer:
    """A trainer in the last stage of its schedule, with MOST steps to go."""
    chosen = registry.presets(name)[preset]
    longer = shortened(chosen, BLOCKS, steps=chosen.steps + MOST)
    made = trainer(name, longer, setting.device, setting.folder, workers)
    made.step = chosen.steps
    return made


def blocks_made(made: Trainer, workers: int) -> dict[str, float]:
    """Make the blocks that are not on disk in as many processes as there are loaders; seconds, if there were any."""
    pool = made.pools["train"]
    count = len(pool.missing())
    if not count:
        return {}
    began = time.perf_counter()
    executor = pool.prepare(min(count, workers))
    try:
        pool.wait(BLOCKS, elsewhere=False)
    finally:
        executor.shutdown(cancel_futures=True)
    return {f"seconds for {count} blocks": time.perf_counter() - began}


def timed(call: Callable[[], Any], setting: Setting, begin: Callable[[], Any] = int) -> tuple[int, float]:
    """How often `call` ran, and in how many seconds, after one call to warm up; `begin` is called between them."""
    call()
    synchronise(setting.device)
    begin()
    began, count = time.perf_counter(), 0
    enough = QUICK_ENOUGH if setting.quick else ENOUGH
    while count < MOST - 1 and (not count or time.perf_counter() - began < enough):
        call()
        count += 1
    synchronise(setting.device)
    return count, time.perf_counter() - began
