"""What the presets of all recipes have in common, and the learning rate of a step."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Schedule:
    """One way to train: network, schedule and data. Recipes add what their system needs, and their defaults.

    config         name of the network's configuration
    peak           learning rate after `warmup` steps; it falls to `peak` / 50 along a cosine
    betas          Adam's
    drops          steps from which on the rate is a tenth of the rate before; they replace the cosine
    average        decay of the running average of the weights; the average is what is saved. 0: no averaging
    clip_gradient  largest norm of a step's gradient
    weights        of the terms of the loss, by their symbols; a recurrent system has weights in each `Stage` instead
    precision      "auto": bf16 where the machine has fast bf16, else float32
    blocks         number of blocks of prepared samples
    growth         step 0 draws from the first 8 blocks, and every 8 steps one more joins
    validate       steps between scores on held-back clips
    checkpoint     steps between stored states
    """

    config: str = "small"
    steps: int = 6500
    batch: int = 2
    peak: float = 8e-4
    betas: tuple[float, float] = (0.9, 0.999)
    drops: tuple[int, ...] = ()
    warmup: int = 200
    average: float = 0.999
    clip_gradient: float = 1.0
    weights: dict[str, float] = field(default_factory=dict)
    precision: str = "auto"
    blocks: int = 272
    growth: tuple[int, int] = (8, 8)
    validate: int = 500
    checkpoint: int = 250


@dataclass(frozen=True)
class Stage:
    """Part of a schedule of a recurrent system, which fills frame after frame from its own outputs.

    until     the step with which the next stage begins
    targets   number of frames of a sample that are filled in a row, one after another
    sources   number of other frames that each target is filled from
    weights   of the terms of the loss, by their symbols
    name      for logs and tables
    holes     kinds of holes and the share of each, in place of those of the preset's samples; empty: those
    """

    until: int
    targets: int = 1
    sources: int = 4
    weights: dict[str, float] = field(default_factory=dict)
    name: str = ""
    holes: dict[str, float] = field(default_factory=dict)


def stage_at(stages: Sequence[Stage], step: int) -> Stage:
    """The stage that `step` belongs to: the first stage that has not ended, or the last one if all have ended."""
    return next((stage for stage in stages if step < stage.until), stages[-1])


def of_length(preset: Schedule, steps: int) -> Any:
    """`preset` with another number of steps; stages and drops of the rate keep their places as shares of the run."""
    share = steps / preset.steps
    changes: dict[str, Any] = {"steps": steps, "drops": tuple(round(at * share) for at in preset.drops)}
    stages: Sequence[Stage] = getattr(preset, "stages", ())
    if stages:
        changes["stages"] = tuple(replace(stage, until=round(stage.until * share)) for stage in stages)
    return replace(preset, **changes)


def with_holes(preset: Any, holes: dict[str, float]) -> Any:
    """`preset` with this mix of holes in all samples and in all stages."""
    changes: dict[str, Any] = {"spec": replace(preset.spec, holes=holes)}
    stages: Sequence[Stage] = getattr(preset, "stages", ())
    if stages:
        changes["stages"] = tuple(replace(stage, holes={}) for stage in stages)
    return replace(preset, **changes)


def learning_rate(preset: Schedule, step: int) -> float:
    """Linear warm-up over `preset.warmup` steps, then a cosine down to a fiftieth of `preset.peak`.

    A preset with `drops` (step numbers) has no cosine: after the warm-up the rate stays at its peak, and each drop
    divides it by ten.
    """
    if step < preset.warmup:
        return preset.peak * (step + 1) / preset.warmup
    if preset.drops:
        return preset.peak * 0.1 ** sum(step >= at for at in preset.drops)
    share = (step - preset.warmup) / max(1, preset.steps - preset.warmup)
    return preset.peak * (0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * share))))
