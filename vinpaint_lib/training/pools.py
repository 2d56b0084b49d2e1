"""Blocks of training samples: made once, kept on disk as plain arrays, read back through a memory map.

Block k is a function of (seed, k) alone, whichever process makes it. A subclass of `BlockPool` decides what a block
holds: `ClipPool` (`clip_samples.py`) stretches of a clip, `TargetPool` (`systems/tgfnet/samples.py`) single targets
with aligned references.

A sample is *packed* while it is on its way to the device: pictures in bytes, masks as booleans, and the tint of its
colours as three numbers ("gain"). `opened` makes floats of it there.
"""

import hashlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.errors import MANY_FILES, UserError

Packed = dict[str, Tensor]  # batch first: uint8 pictures, bool masks, float motion, float "gain" (b 3)
TINTED = ("truth", "aligned", "guess", "frames")  # what a gain applies to
HOST, DAY = socket.gethostname(), 24 * 3600.0  # this machine; seconds
PAUSE = 0.05  # seconds between two looks for a block that another process makes


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
        described = source.describe()
        self.content = digest(described)  # the clips, wherever they lie
        identity = [described, seed, asdict(spec)]
        self.folder = folder / f"{self.kind}-{digest(identity)}"
        self.open: dict[int, dict[str, np.ndarray]] = {}
        self.coming: dict[int, Future[None]] = {}
        self.ready = 0  # the first so many blocks are known to be on disk

    def make(self, number: int) -> dict[str, np.ndarray]:
        """The arrays of block `number` under the names of `fields`, samples along the first axis."""
        raise NotImplementedError

    def packed(self, *given: Any, **named: Any) -> Packed:
        """Samples that are drawn at random; a subclass says what it takes and what they hold."""
        raise NotImplementedError

    def batch(self, *given: Any, **named: Any) -> dict[str, Float[Tensor, "b *_"]]:
        """`packed`, opened on the CPU: the same keys without the gain, and all values but motion in [0, 1]."""
        return opened(self.packed(*given, **named))

    def block(self, number: int) -> dict[str, np.ndarray]:
        """The arrays of one block, memory-mapped. A missing block is made first, or waited for if a worker makes it."""
        if number not in self.open:
            self.finish(number)
            path = self.store(number)
            try:
                self.open[number] = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in self.fields}
            except (OSError, ValueError, EOFError) as error:
                if getattr(error, "errno", None) in MANY_FILES:
                    raise
                raise UserError(
                    f"{path}: these training samples are damaged ({error}); remove the folder, they are made again"
                ) from error
        return self.open[number]

    def wait(self, count: int, elsewhere: bool) -> None:
        """Return when the first `count` blocks are on disk (all of them, if there are fewer).

        A block that no worker of this process makes is made here, or, if other processes make the blocks
        (`elsewhere`), waited for.
        """
        while self.ready < min(count, self.blocks):
            self.finish(self.ready)
            if elsewhere:
                while not self.place(self.ready).exists():
                    time.sleep(PAUSE)
            else:
                self.store(self.ready)
            self.ready += 1

    def finish(self, number: int) -> None:
        """Wait for the worker that makes block `number`, if there is one. Raises what went wrong there."""
        if number not in self.coming:
            return
        try:
            self.coming.pop(number).result()
        except BrokenProcessPool:
            raise UserError(
                f"{self.folder}: a process that made training samples was ended, perhaps for want of memory; "
                "use fewer --workers"
            ) from None

    def place(self, number: int) -> Path:
        """The folder of block `number`."""
        return self.folder / f"{number:05d}"

    def store(self, number: int) -> Path:
        """Make block `number` unless it is on disk, and return its folder."""
        path = self.place(number)
        if path.exists():
            return path
        arrays = self.make(number)
        # Two processes may make the same block. Each writes another folder; the first rename wins; both are equal.
        beside = self.folder / f"{number:05d}.{HOST}.{os.getpid()}.tmp"
        try:
            beside.mkdir(parents=True, exist_ok=True)
            for name, array in arrays.items():
                write_array(beside / f"{name}.npy", array)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        try:
            beside.rename(path)
        except OSError:
            shutil.rmtree(beside)
            if not path.exists():
                raise
        return path

    def clear(self) -> None:
        """Remove what killed processes left half made, in all pools of the place: those of this machine that have
        ended, and what lay a day."""
        for entry in self.folder.parent.glob("*/?????.*.tmp"):
            _, *host, process, _ = entry.name.split(".")
            ours = ".".join(host) == HOST and process.isdecimal() and not psutil.pid_exists(int(process))
            with suppress(OSError):
                if ours or time.time() - entry.stat().st_mtime > DAY:
                    shutil.rmtree(entry)

    def missing(self) -> list[int]:
        """Numbers of the blocks that are not on disk."""
        return [number for number in range(self.blocks) if not self.place(number).exists()]

    def prepare(self, workers: int) -> ProcessPoolExecutor:
        """Make all missing blocks, in order, in `workers` processes while the caller goes on.

        The caller shuts the returned executor down in the end.
        """
        executor = ProcessPoolExecutor(workers, processes(), initializer=quiet_worker)
        self.coming = {number: executor.submit(store_block, self, number) for number in self.missing()}
        return executor

    def __getstate__(self) -> dict[str, Any]:
        """The copy for a worker process: without the blocks that are open here or being made."""
        return self.__dict__ | {"open": {}, "coming": {}}


def write_array(path: Path, array: np.ndarray) -> None:
    """A .npy file. NumPy itself does not tell a full disk from other faults of writing."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getbuffer())


def processes() -> BaseContext:
    """How processes beside a training are started: as copies of one that has imported the library, where there is that.

    Each of them would else import torch by itself, which takes seconds. A plain fork would copy a process that has
    threads, which may hang.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vinpaint_lib.systems.registry"])
    return context


def digest(values: Any) -> str:
    """Twelve hex digits of the hash of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def store_block(pool: BlockPool, number: int) -> None:
    """Make one block in a worker process."""
    pool.store(number)


def begin_loader(number: int = 0) -> None:
    """Set up a worker of a loader: it uses one thread, since several processes that all use every core are slower than
    one alone. Ctrl-C, which reaches every process of a terminal, is for the training alone; the worker ends with it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def quiet_worker() -> None:
    """Set up a worker: it uses one thread, gives way to the training process, and always ends together with it."""
    begin_loader()
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


def draw_gain(rng: np.random.Generator) -> Float[Tensor, " 3"]:
    """A random tint of a sample's colours."""
    return torch.from_numpy(rng.uniform(0.85, 1.1, 3).astype(np.float32))


def opened(packed: Packed, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """A packed batch on `device`: bytes as [0, 1], booleans as 0 or 1, and the colours multiplied by the gain."""
    moved = {name: value.to(device, non_blocking=True) for name, value in packed.items()}
    batch = {name: unpacked(value) for name, value in moved.items() if name != "gain"}
    if "gain" in moved:
        for name in TINTED:
            if name in batch:
                axes = " ".join("1" for _ in batch[name].shape[1:-3])
                gain = rearrange(moved["gain"], f"b c -> b {axes} c 1 1")
                batch[name] = (batch[name] * gain).clamp(0, 1)
    return batch


def unpacked(value: Tensor) -> Tensor:
    """Bytes to [0, 1], booleans to 0 or 1, everything else as it is."""
    if value.dtype == torch.uint8:
        return value.float() / 255
    return value.float() if value.dtype == torch.bool else value
