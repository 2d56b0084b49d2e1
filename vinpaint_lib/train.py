"""Train a system: look up its preset and its data, then run the loop of `training/`."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vinpaint_lib.datasets.broken import check_files
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import FULL, UserError
from vinpaint_lib.options import check_seed, choose_device
from vinpaint_lib.places import check_folder, check_ground, claimed
from vinpaint_lib.systems import registry
from vinpaint_lib.training.devices import accelerator_on
from vinpaint_lib.training.feed import blocks_at
from vinpaint_lib.training.loop import STATE, WEIGHTS, Trainer
from vinpaint_lib.training.pools import BlockPool
from vinpaint_lib.training.resume import Run
from vinpaint_lib.training.run_log import LOG
from vinpaint_lib.training.schedule import of_length, with_holes
from vinpaint_lib.training.task import Task

MOST_WORKERS = 256


@dataclass(frozen=True)
class Training:
    """What to train, and how.

    model       a system of `vinpaint models`
    preset      one of its presets: tiny, laptop, gpu, paper; some systems have more
    out         folder for weights, state, log and sample pictures
    data        sets of clips in the words of `datasets.parse.parse_source`
    held_back   names of clips that only serve for the scores in the log
    steps       number of steps, in place of the preset's
    seed        of weights, data and order
    resume      go on from the state in `out`, if there is one
    start       weights to begin from
    device      "auto", "cpu", "cuda", "cuda:1" or "mps"
    workers     processes that draw training samples beside the run, and, until all blocks are on disk, as many that
                make blocks; 0: the run does both itself, and makes the blocks that it needs before its first step
    holes       kinds of holes, and the share of each, in place of the preset's (`holes/mix.py`)
    compiled    run the network through torch.compile, which needs a C++ compiler
    stop_after  end the process after so many steps without finishing the schedule (for tests)
    deadline    a time of `time.monotonic()` after which no step begins; state and weights are stored then, and a later
                call goes on. For one process: several would not stop at the same step
    overrides   fields of the preset, replaced; what is None stays
    changed     takes the preset, with all of the above, and gives the one that is trained
    config      fields of the network's configuration, replaced
    samples     folder for prepared samples, which several runs may share; None: `out`, or VINPAINT_CACHE
    tell        takes a sentence on what an earlier run left, and what of it this one takes over
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
    holes: dict[str, float] | None = None
    compiled: bool = False
    stop_after: int | None = None
    deadline: float | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    changed: Callable[[Any], Any] | None = None
    config: dict[str, Any] = field(default_factory=dict)
    samples: Path | None = None
    without_features: bool = False
    tell: Callable[[object], None] | None = None


def train(asked: Training) -> Path:
    """Train and return the path of the weights in `out`; one run at a time writes to this folder.

    Raises UserError if `out` cannot be written to or another run does so, and as `trained` does.
    """
    if int(os.environ.get("RANK", "0")):  # one of several processes of a run that the first has claimed
        return trained(asked)
    check_folder(asked.out)
    cache = Path(os.environ.get("VINPAINT_CACHE", asked.samples or asked.out))
    check_ground(cache, cache)
    with claimed(asked.out, folder=True, names=(STATE, WEIGHTS, LOG)):
        return trained(asked)


def trained(asked: Training) -> Path:
    """`train`, for a folder that is ours.

    Before the first step, the files of the data are looked at (`datasets/broken.py`). Raises UserError for an unknown
    model or preset, wrong data or broken files, an `out` that cannot be a folder, the state of another run
    (`training/resume.py`), weights that the task cannot begin with, and a loss that stays NaN or infinite.
    """
    accelerator = accelerator_on(asked.device)
    run = run_of(asked, accelerator.num_processes)
    chosen = run.preset
    if chosen.batch % run.processes:
        raise UserError(f"a batch of {chosen.batch} cannot be shared by {run.processes} processes: choose a divisor")
    if asked.deadline is not None and run.processes > 1:
        raise UserError(f"{run.processes} processes would not stop at the same step: leave the deadline away")
    asked.out.mkdir(parents=True, exist_ok=True)
    task = registry.make_task(asked.model, chosen, run.config)
    pools = make_pools(task, run, asked.samples or asked.out)
    trainer = Trainer(
        run, task, pools, accelerator, out=asked.out, start=asked.start, workers=asked.workers, compiled=asked.compiled
    )
    trainer.begin(asked.resume)
    if asked.tell is not None and trainer.begun:
        asked.tell(trainer.begun)
    # On each machine, one process makes the missing blocks or starts the workers that do.
    makers = accelerator.is_local_main_process
    for pool in pools.values() if makers else ():
        pool.clear()
    executors = []
    try:
        if makers and not asked.workers:
            last = chosen.steps if asked.stop_after is None else min(chosen.steps, trainer.step + asked.stop_after)
            make_blocks(pools, blocks_at(chosen.growth, last - 1) if last > trainer.step else 0)
        executors = [pool.prepare(asked.workers) for pool in pools.values()] if makers and asked.workers else []
        trainer.loop(asked.stop_after, asked.deadline)
    except KeyboardInterrupt:
        if trainer.kept is None:
            raise KeyboardInterrupt("stopped; no step is stored yet, and the same command begins anew") from None
        kept = f"step {trainer.kept} is stored in {asked.out}"
        raise KeyboardInterrupt(f"stopped; {kept}, and the same command goes on from there") from None
    except OSError as error:
        if error.errno not in FULL:
            raise
        kept = "no step is stored" if trainer.kept is None else f"step {trainer.kept} is stored"
        raise UserError(
            f"{asked.out}: there is no room left on the disk, and {kept}; free some space, and the same command goes on"
        ) from error
    finally:
        for executor in executors:
            executor.shutdown(cancel_futures=True)
    return asked.out / WEIGHTS


def run_of(asked: Training, processes: int = 1) -> Run:
    """Everything that decides the numbers of a training. Raises UserError for values that train nothing."""
    presets = registry.presets(asked.model)
    if asked.preset not in presets:
        raise UserError(f"unknown preset {asked.preset!r}: choose one of {', '.join(presets)}")
    check_values(asked)
    chosen = replace(
        presets[asked.preset], **{name: value for name, value in asked.overrides.items() if value is not None}
    )
    if asked.without_features:
        if not hasattr(chosen, "without_features"):
            raise UserError(f"--without-features: {asked.model} has no losses of features; leave the option away")
        chosen = replace(chosen, without_features=True)
    if asked.holes is not None:
        chosen = with_holes(chosen, asked.holes)
    if asked.steps is not None:
        chosen = of_length(chosen, asked.steps)
    if asked.changed is not None:
        chosen = asked.changed(chosen)
    return Run(
        model=asked.model,
        preset_name=asked.preset,
        preset=chosen,
        data=asked.data,
        held_back=tuple(asked.held_back),
        seed=asked.seed,
        processes=processes,
        config=dict(asked.config),
    )


def check_values(asked: Training) -> None:
    """Raises UserError for numbers with which nothing can be trained."""
    check_seed(asked.seed)
    if not 0 <= asked.workers <= MOST_WORKERS:
        raise UserError(f"--workers {asked.workers}: is no number of processes; give 0 to {MOST_WORKERS}")
    if asked.steps is not None and asked.steps < 1:
        raise UserError(f"--steps {asked.steps}: leaves nothing to train; give 1 or more")
    peak = asked.overrides.get("peak")
    if peak is not None and not 0 < peak <= 1:
        raise UserError(f"--peak {peak}: is no learning rate; give a number above 0 and up to 1, as in 0.0005")


def usual_workers(device: str) -> int:
    """How many processes should make samples: one beside a training on the CPU, which needs the cores itself; else as
    many as leave one core to the training, up to eight."""
    if choose_device(device) == "cpu":
        return 1
    return max(1, min(8, (os.cpu_count() or 2) - 1))


def make_blocks(pools: dict[str, BlockPool], needed: int) -> None:
    """Make the missing blocks of the pools: the first `needed` of those to train on, and all that are held back."""
    counts = {name: min(needed, pool.blocks) if name == "train" else pool.blocks for name, pool in pools.items()}
    missing = [(pool, n) for name, pool in pools.items() for n in pool.missing() if n < counts[name]]
    for pool, number in tqdm(missing, desc="samples", unit="block", disable=len(missing) < 20):
        pool.store(number)


def make_pools(task: Task, run: Run, out: Path) -> dict[str, BlockPool]:
    """Samples to train on, and a small pool from the clips that are held back (if any).

    Both lie on disk in the folder VINPAINT_CACHE, or else in `out`.
    """
    source = parse_source(run.data, training=True)
    check_files(source)
    folder = Path(os.environ.get("VINPAINT_CACHE", out))
    pools = {"train": task.pool(source.without(run.held_back) if run.held_back else source, folder, run.seed)}
    if run.held_back:
        pools["held back"] = task.held_back(source.only(run.held_back), folder, run.seed + 1)
    return pools
