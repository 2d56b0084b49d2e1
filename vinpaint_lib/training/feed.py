"""The batches of a run, made ahead of the steps that use them.

Two kinds of processes stand beside a training. *Makers* prepare missing blocks, once (`pools.BlockPool.prepare`).
*Loaders* are the workers of torch's DataLoader. They draw samples from the blocks, one batch a step, with everything
that only the CPU can do, such as the estimated motion. Every draw is made from (seed, step, slot). So the numbers do
not depend on how many loaders there are, or on whether there are any.
"""

import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vinpaint_lib.errors import UserError
from vinpaint_lib.training.pools import BlockPool, Packed, begin_loader, opened, processes
from vinpaint_lib.training.task import Task

AHEAD = 4  # batches that each loader makes ahead


def choice_of(task: Task, seed: int, step: int) -> Any:
    """What all samples of a step share."""
    return task.choose(np.random.default_rng((seed, 1, step)), step)


def blocks_at(growth: tuple[int, int], step: int) -> int:
    """The number of blocks that a step draws from: `growth` is (blocks at step 0, steps until one more joins)."""
    return growth[0] + step // growth[1]


@dataclass
class StepSamples(Dataset[Packed]):
    """Item s is the packed batch of step s: the slots of the global batch that this process computes."""

    task: Task
    pool: BlockPool
    seed: int
    slots: range

    def __getitem__(self, step: int) -> Packed:
        choice = choice_of(self.task, self.seed, step)
        blocks = blocks_at(self.task.preset.growth, step)
        parts = [
            self.task.sample(self.pool, np.random.default_rng((self.seed, 2, step, slot)), choice, blocks)
            for slot in self.slots
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


class Feed:
    """The opened batches of steps `first` to `last` - 1 on `device`, in order.

    `elsewhere`: another process of this machine makes the blocks, and this one waits for them.
    """

    def __init__(self, samples: StepSamples, device: torch.device, workers: int, *, elsewhere: bool = False) -> None:
        self.samples, self.device, self.workers, self.elsewhere = samples, device, workers, elsewhere

    @property
    def stock(self) -> int:
        """The number of batches that all loaders together make ahead."""
        return AHEAD * self.workers

    def batches(self, first: int, last: int) -> Generator[dict[str, Tensor], None, None]:
        """One batch a step. A batch is asked of a loader only when its blocks are there."""
        options: dict[str, Any] = {}
        if self.workers:
            options = {"prefetch_factor": AHEAD, "worker_init_fn": begin_loader, "multiprocessing_context": processes()}
        with warnings.catch_warnings():
            # More loaders than cores is the caller's choice, and changes no number.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            loader = DataLoader(
                self.samples,
                batch_size=None,
                sampler=self.steps(first, last),
                num_workers=self.workers,
                pin_memory=self.device.type == "cuda",
                **options,
            )
            batches = iter(loader)
        try:
            for packed in batches:
                yield opened(packed, self.device)
        except UserError as error:
            # Out of a worker it comes with that worker's traceback, whose last line says what is wrong.
            raise UserError(str(error).strip().splitlines()[-1].rpartition(f"{UserError.__name__}: ")[2]) from error

    def steps(self, first: int, last: int) -> Iterator[int]:
        """The numbers of the steps, each as soon as its blocks are on disk. Runs in the process that trains."""
        for step in range(first, last):
            self.samples.pool.wait(blocks_at(self.samples.task.preset.growth, step), self.elsewhere)
            yield step
