"""How long a clip will take and how much memory, from its first steps.

Seconds    A step costs so much for each frame that it reads first, for each frame that it finishes, for each pixel
           that it works on, and for each pixel and frame that it looks at for this pixel. (The first steps of a clip
           have fewer frames to look at than those in its middle.) The four prices are fitted to the steps that were
           measured, none below 0.
Memory     What the process holds grows with the frames that are held, and a writer may hold some, too; what a step
           needs on top of it does not grow.
           `least_memory` is known without any step.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls

from vinpaint_lib.holes.box import Box
from vinpaint_lib.inpaint import oldest_needs
from vinpaint_lib.interface import Inpainter, Output, Step
from vinpaint_lib.process_memory import give_back, peak, resident

ENOUGH = 5.0  # seconds of measuring, after the first step
SHARE = 5  # or this part of all steps
FEWEST, PATIENCE = 4, 60.0  # steps, unless they take longer than so many seconds, or a clip has few
MARGIN = 32  # pixels around a hole that models work on, too
PLANES = 4  # of float32: colours and mask


@dataclass(frozen=True)
class Costs:
    """For every step: frames read first, frames finished, pixels worked on, and these times the frames looked at; and
    the frames that are held."""

    of_step: Float[np.ndarray, "n 4"]
    held: tuple[int, ...]


@dataclass
class Forecast:
    """Give it to `inpaint.fill` as `on_step`: once enough steps are measured, `tell` gets the seconds for the whole
    clip and the peak of memory in MiB (and of the GPU's memory, 0 without one). A clip of one step has no forecast.

    writer, written: the MiB that a writer holds after it got so many frames, and that it takes for a clip of so many.
    """

    costs: Costs
    tell: Callable[[float, float, float], None]
    device: str = "cpu"
    writer: Callable[[int], float] = lambda frames: 0.0
    written: Callable[[int], float] = lambda frames: 0.0
    seconds: list[float] = field(default_factory=list)
    told: bool = False

    def __post_init__(self) -> None:
        self.last = time.perf_counter()
        self.before = resident(), allocated(self.device)[0]

    def __call__(self, step: Step, output: Output) -> None:
        if self.told:
            return
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now
        done, steps = len(self.seconds), len(self.costs.held)
        waited = sum(self.seconds[1:])
        fewest = max(1, min(FEWEST, steps // 3))
        enough = done >= fewest and (waited >= ENOUGH or done >= steps / SHARE)
        if done < steps and (enough or sum(self.seconds) >= PATIENCE):
            self.told = True
            self.tell(whole_time(self.costs.of_step, self.seconds), *self.memory(done))
            self.last = time.perf_counter()

    def memory(self, done: int) -> tuple[float, float]:
        """The peak of memory that the clip will take, of the process and of the GPU, after `done` steps, in MiB."""
        highest = peak()
        give_back()
        more = max(self.costs.held) / max(self.costs.held[:done])
        finished = self.costs.of_step[:, 1].cumsum()
        written, at_last = self.writer(int(finished[done - 1])), self.written(int(finished[-1]))
        now, most = allocated(self.device)
        rows = ((self.before[0], resident() - written, highest - written), (self.before[1], now, most))
        ram, gpu = (before + max(0.0, held - before) * more + (top - held) for before, held, top in rows)
        return ram + at_last, gpu


def allocated(device: str) -> tuple[float, float]:
    """Memory of a CUDA device that tensors take now, and took at most, in MiB; 0 for other devices."""
    if not device.startswith("cuda"):
        return 0.0, 0.0
    return torch.cuda.memory_allocated(device) / 2**20, torch.cuda.max_memory_allocated(device) / 2**20


def costs_of(model: Inpainter, boxes: Sequence[Box | None], size: tuple[int, int]) -> Costs:
    """What each step of the model costs on a clip of (height, width) `size` with these `boxes` around its holes."""
    steps = list(model.plan(len(boxes)))
    needs = oldest_needs(steps)
    last = {index: n for n, step in enumerate(steps) for index in step.targets}
    finished = np.bincount([last[index] for index in range(len(boxes))], minlength=len(steps))
    rows, held, read = [], [], 0
    for n, step in enumerate(steps):
        newest = max(read, max((*step.targets, *step.references)) + 1)
        area = sum(worked_on(boxes[index], size, model.by_hole) for index in step.targets)
        rows.append((newest - read, finished[n], area, area * len({*step.targets, *step.references})))
        held.append(newest - needs[n])
        read = newest
    return Costs(np.array(rows, dtype=np.float64), tuple(held))


def worked_on(box: Box | None, size: tuple[int, int], by_hole: bool) -> float:
    """Pixels that a model works on in a frame, as a share of the frame: around its hole, or all of them."""
    if not by_hole:
        return 1.0
    if box is None:
        return 0.0
    height, width = (min(side + 2 * MARGIN, most) for side, most in zip(box.size, size, strict=True))
    return height * width / (size[0] * size[1])


def least_memory(costs: Costs, size: tuple[int, int]) -> float:
    """MiB that the frames and masks take which are held at once, worked on at (height, width) `size`; models take more
    on top of it."""
    return max(costs.held) * size[0] * size[1] * PLANES * 4 / 2**20


def whole_time(costs: Float[np.ndarray, "n 4"], seconds: Sequence[float]) -> float:
    """Seconds for all steps, from those of the first ones."""
    measured = np.array(seconds)
    known = costs[: len(measured)]
    if len(measured) < 3:
        share = known.sum(axis=0) / costs.sum(axis=0).clip(1e-9)
        return float(measured.sum() / max(share[2] or share[0], 1e-9))
    scale = costs.max(axis=0).clip(1e-9)
    prices, _ = nnls(known / scale, measured)
    return float(measured.sum() + (costs[len(measured) :] / scale @ prices).sum())


def spelled_time(seconds: float) -> str:
    """'40 seconds', '3.5 minutes', '14 minutes', '2.5 hours'."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            number = seconds / length
            return f"{number:.0f} {unit}" if number >= 10 else f"{number:.1f} {unit}"
    whole = max(1, round(seconds))
    return f"{whole} second{'s' * (whole != 1)}"


def spelled_memory(mebibytes: float) -> str:
    """'640 MB', '1.3 GB'."""
    return f"{mebibytes / 1024:.1f} GB" if mebibytes >= 1000 else f"{round(mebibytes, -1):.0f} MB"
