"""Train a system: look up its preset and its data, then run the loop of `training/`."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator, DistributedDataParallelKwargs

from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.training.loop import WEIGHTS, Run, Trainer
from vinpaint_lib.training.pools import BlockPool
from vinpaint_lib.training.schedule import of_length
from vinpaint_lib.training.task import Task


@dataclass(frozen=True)
class Training:
    """What to train, and how.

    model       a system of `vinpaint models`
    preset      one of its presets: tiny, laptop, gpu, paper
    out         folder for weights, state, log and sample pictures
    data        sets of clips in the words of `datasets.parse.parse_source`
    held_back   names of clips that only serve for the scores in the log
    steps       number of steps, in place of the preset's
    seed        of weights, data and order
    resume      go on from the state in `out`, if there is one
    start       weights to begin from
    device      "auto" or "cpu"
    workers     processes that make training samples beside the run; 0: the run makes them itself
    stop_after  end the process after so many steps without finishing the schedule (for tests)
    overrides   fields of the preset, replaced
    without_features  leave out the losses that need a feature network; else a preset that weighs them refuses
    """

    model: str
    preset: str
    out: Path
    data: str = "toy"
    held_back: tuple[str, ...] = ()
    steps: int | None = None
    seed: int = 0
    resume: bool = True
    start: Path | None = None
    device: str = "auto"
    workers: int = 1
    stop_after: int | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    without_features: bool = False


def train(asked: Training) -> Path:
    """Train and return the path of the weights in `out`.

    Raises UserError for an unknown model or preset, wrong data, the state of another run, weights that the task cannot
    begin with, and a loss that stays NaN or infinite.
    """
    presets = registry.presets(asked.model)
    if asked.preset not in presets:
        raise UserError(f"unknown preset {asked.preset!r}: choose one of {', '.join(presets)}")
    chosen = replace(presets[asked.preset], **asked.overrides)
    if asked.without_features:
        if not hasattr(chosen, "without_features"):
            raise UserError(f"--without-features: {asked.model} has no losses of features; leave the option away")
        chosen = replace(chosen, without_features=True)
    if asked.steps is not None:
        chosen = of_length(chosen, asked.steps)
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(cpu=asked.device == "cpu", kwargs_handlers=[ddp])
    run = Run(
        model=asked.model,
        preset_name=asked.preset,
        preset=chosen,
        data=asked.data,
        held_back=tuple(asked.held_back),
        seed=asked.seed,
        processes=accelerator.num_processes,
    )
    if chosen.batch % run.processes:
        raise UserError(f"a batch of {chosen.batch} cannot be shared by {run.processes} processes: choose a divisor")
    asked.out.mkdir(parents=True, exist_ok=True)
    task = registry.make_task(asked.model, chosen)
    pools = make_pools(task, run, asked.out)
    trainer = Trainer(run, task, pools, accelerator, out=asked.out, start=asked.start)
    trainer.begin(asked.resume)
    # On each machine, one process starts the workers that make missing samples beside the training.
    makers = asked.workers and accelerator.is_local_main_process
    executors = [pool.prepare(asked.workers) for pool in pools.values()] if makers else []
    try:
        trainer.loop(asked.stop_after)
    finally:
        for executor in executors:
            executor.shutdown(cancel_futures=True)
    return asked.out / WEIGHTS


def make_pools(task: Task, run: Run, out: Path) -> dict[str, BlockPool]:
    """Samples to train on, and a small pool from the clips that are held back (if any).

    Both lie on disk in the folder VINPAINT_CACHE, or else in `out`.
    """
    source = parse_source(run.data, training=True)
    folder = Path(os.environ.get("VINPAINT_CACHE", out))
    pools = {"train": task.pool(source.without(run.held_back) if run.held_back else source, folder, run.seed)}
    if run.held_back:
        pools["held back"] = task.held_back(source.only(run.held_back), folder, run.seed + 1)
    return pools
