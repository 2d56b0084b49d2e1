"""Blocks of training samples: made once, kept on disk as plain arrays, read back through a memory map.

Block k is a function of (seed, k) alone, whichever process makes it. A subclass of `BlockPool` decides what a block
holds: `ClipPool` (`clip_samples.py`) stretches of a clip, `TargetPool` (`systems/tgfnet/samples.py`) single targets
with aligned references.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.errors import UserError


class BlockPool:
    """Blocks 0 .. n-1 on disk. Missing blocks are made when they are first asked for.

    The folder's name holds a hash of the source, the seed and the spec, so that pools never mix.
    """

    kind: str  # begins the folder's name
    fields: tuple[str, ...]  # names of a block's arrays

    def __init__(self, source: ClipSet, folder: Path, blocks: int, seed: int, spec: Any) -> None:
        if blocks < 1:
            raise UserError(f"a pool of {blocks} blocks holds no samples: ask for at least 1")
        self.source, self.blocks, self.seed, self.spec = source, blocks, seed, spec
        identity = json.dumps([source.describe(), seed, asdict(spec)], sort_keys=True)
        self.folder = folder / f"{self.kind}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.open: dict[int, dict[str, np.ndarray]] = {}
        self.coming: dict[int, Future[None]] = {}

    def make(self, number: int) -> dict[str, np.ndarray]:
        """The arrays of block `number` under the names of `fields`, samples along the first axis."""
        raise NotImplementedError

    def block(self, number: int) -> dict[str, np.ndarray]:
        """The arrays of one block, memory-mapped. A missing block is made first, or waited for if a worker makes it."""
        if number not in self.open:
            if number in self.coming:
                self.coming.pop(number).result()
            path = self.store(number)
            self.open[number] = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in self.fields}
        return self.open[number]

    def store(self, number: int) -> Path:
        """Make block `number` unless it is on disk, and return its folder."""
        path = self.folder / f"{number:05d}"
        if path.exists():
            return path
        arrays = self.make(number)
        # Two processes may make the same block. Each writes another folder; the first rename wins; both are equal.
        beside = self.folder / f"{number:05d}.{os.getpid()}.tmp"
        beside.mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(beside / f"{name}.npy", array)
        try:
            beside.rename(path)
        except OSError:
            shutil.rmtree(beside)
        return path

    def prepare(self, workers: int) -> ProcessPoolExecutor:
        """Make all missing blocks, in order, in `workers` processes while the caller goes on.

        The caller shuts the returned executor down in the end.
        """
        executor = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=quiet_worker)
        missing = [n for n in range(self.blocks) if not (self.folder / f"{n:05d}").exists()]
        self.coming = {n: executor.submit(store_block, self, n) for n in missing}
        return executor

    def __getstate__(self) -> dict[str, Any]:
        """The copy for a worker process: without the blocks that are open here or being made."""
        return self.__dict__ | {"open": {}, "coming": {}}


def store_block(pool: BlockPool, number: int) -> None:
    """Make one block in a worker process."""
    pool.store(number)


def quiet_worker() -> None:
    """Set up a worker: it uses one thread, gives way to the training process, and always ends together with it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.nice(10)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this worker when its parent has ended: a killed parent cannot shut it down, and it would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def to_bytes(values: Tensor) -> np.ndarray:
    """[0, 1] to uint8, rounded."""
    return (values.clamp(0, 1) * 255).round().byte().numpy()
