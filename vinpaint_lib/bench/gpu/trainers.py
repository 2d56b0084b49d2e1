"""Trainers of any system and preset on a device, small enough to be made for a measurement."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from vinpaint_lib import checkpoints
from vinpaint_lib.systems import registry
from vinpaint_lib.train import make_pools
from vinpaint_lib.training.devices import accelerator_on
from vinpaint_lib.training.loop import Run, Trainer
from vinpaint_lib.training.task import Task

NEVER = 10**9  # steps


def shortened(preset: Any, blocks: int, **changes: Any) -> Any:
    """The preset with samples from so many blocks only: the cost of a step and of a sample stays the same."""
    return replace(preset, blocks=blocks, growth=(blocks, NEVER), **changes)


def network_of(name: str) -> Any:
    """The network and the losses of the preset gpu in the small pictures of the preset tiny."""
    small, large = registry.presets(name)["tiny"], registry.presets(name)["gpu"]
    spec, frames = small.spec, getattr(large.spec, "count", None)
    if frames is not None:
        spec = replace(spec, count=frames, length=max(spec.length, frames))
    return replace(large, batch=small.batch, spec=spec)


def trainer(name: str, preset: Any, device: torch.device, out: Path, workers: int = 0) -> Trainer:
    """A trainer on toy clips at the last step but one of the schedule, where all terms of the loss have their weights.

    `out`: for the state that it stores, and for samples where VINPAINT_CACHE names no folder.
    """
    run = Run(name, "bench", preset, "toy", (), 0, 1)
    task = registry.make_task(name, preset)
    pools = make_pools(task, run, out)
    with TemporaryDirectory() as folder:
        start = start_of(task, Path(folder) / "start.safetensors")
        made = Trainer(run, task, pools, accelerator_on(str(device)), out=out, start=start, workers=workers)
    made.step = preset.steps - 2
    return made


def start_of(task: Task, path: Path) -> Path:
    """Weights as drawn, but for those that are all 0: these get small random numbers.

    Without that, a part that a recipe keeps as it was trained before (Align-and-Attend's estimator) would give
    the identity for every pair.
    """
    torch.manual_seed(0)
    model = task.network()
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0, 1e-3)
    checkpoints.save_weights(model, path, {"model": "bench"})
    return path


def grey_batch(task: Task, device: torch.device) -> dict[str, Tensor]:
    """A batch of even grey, for a step whose samples do not matter; each mask is 1 on its upper half."""
    batch, _ = task.example(device)
    masks = batch["mask"]
    masks.zero_()
    masks[..., : masks.shape[-2] // 2, :] = 1
    return batch
