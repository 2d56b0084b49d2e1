"""Training the systems: what the one loop must know of each (`task.Task`), and the table of those with a recipe.

`train.py` is the same for all. A system joins by an entry in `TASKS`: its recipe (presets and losses), and the kind
of its samples, single targets (`TGFTask`), several frames of a clip (`VolumeTask`), or several in a row, each from the
output before (`RecurrentTask`).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib import flow
from vinpaint_lib.blocks import BlockPool
from vinpaint_lib.clipsource import ClipSource
from vinpaint_lib.discriminators import generator_hinge
from vinpaint_lib.errors import UserError
from vinpaint_lib.features import FeatureNet, find_features
from vinpaint_lib.gather import MEMBRANE
from vinpaint_lib.models.classical import telea
from vinpaint_lib.models.registry import SYSTEMS, System
from vinpaint_lib.models.tgfnet import Trainable
from vinpaint_lib.recipes import align_attend, combcn, sttn, tgfnet, vinet
from vinpaint_lib.recipes.schedule import Stage, stage_at
from vinpaint_lib.recipes.task import Batch, Shown, Task, grey
from vinpaint_lib.samples import SamplePool
from vinpaint_lib.volumes import VolumePool


class TGFTask(Task):
    """Single targets with aligned references; scores stand beside those of the guess."""

    rival = "the guess"
    features: FeatureNet | None = None
    feature_name = "not used by this preset"

    def trained(self, model: Any) -> nn.Module:
        learned = "learned" in model.config.align
        for parameter in model.affine.parameters():
            parameter.requires_grad_(learned)
        return Trainable(model)

    def prepare(self, device: torch.device) -> None:
        if self.preset.weights.get("L_perc") or self.preset.weights.get("L_style"):
            found = find_features("auto")
            self.features = found.to(device) if found else None
            self.feature_name = found.name if found else "none: perceptual and style losses are off"

    def pool(self, source: ClipSource, folder: Path, seed: int) -> BlockPool:
        return SamplePool(source, folder, self.preset.blocks, seed, self.preset.spec)

    def held_back(self, source: ClipSource, folder: Path, seed: int) -> BlockPool:
        return SamplePool(source, folder, 12, seed, replace(self.preset.spec, targets=4, crops=1))

    def choose(self, rng: np.random.Generator, step: int) -> tuple[int, bool]:
        """The number of groups, and whether the guess is the network's own output."""
        few, many = self.preset.groups
        groups = int(rng.integers(few, many + 1))
        guess = self.system.configs[self.preset.config].guess
        return groups, bool(self.preset.own > 0 and guess and rng.random() < self.preset.own)

    def sample(self, pool: Any, rng: np.random.Generator, choice: tuple[int, bool], blocks: int) -> Batch:
        groups, own = choice
        batch = pool.batch(rng, 1, groups, blocks)
        shift = rearrange(torch.from_numpy(rng.uniform(-0.7, 0.7, 2).astype(np.float32)), "xy -> 1 xy")
        return batch | {"shift": shift} if own else batch

    def example(self, device: torch.device) -> tuple[Batch, tuple[int, bool]]:
        count, crop, groups = self.preset.batch, self.preset.spec.crop, round(sum(self.preset.groups) / 2)
        pictures: dict[str, tuple[int, ...]] = {"truth": (count, 3), "mask": (count, 1), "guess": (count, 3)}
        pictures |= {"unseen": (count, 1)}
        aligned = {"aligned": (count, groups, 3), "trust": (count, groups, 1)}
        return grey(pictures | aligned, (crop, crop), device), (groups, False)

    def losses(
        self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any
    ) -> tuple[dict[str, Tensor], None]:
        return self.recipe.compute_losses(model, batch, weights, self.features, batch.get("shift")), None

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        truth, mask, guess = batch["truth"], batch["mask"], batch["guess"]
        inputs = truth * (1 - mask), mask, batch["aligned"], batch["trust"], guess, torch.full_like(mask, MEMBRANE)
        fused = Trainable(model)(*inputs)[0]
        return Shown(fused.frame, guess, truth, mask)

    def provenance(self) -> dict[str, Any]:
        return {"feature_net": self.feature_name}


class VolumeTask(Task):
    """Several frames at once; scores stand beside those of Telea's method on each frame alone."""

    rival = "Telea"

    def __init__(self, preset: Any, system: System, recipe: Any) -> None:
        super().__init__(preset, system, recipe)
        self.pictured = preset.spec.count // 2
        self.by_telea: dict[int, Tensor] = {}  # block -> frames: they are the same at every look

    def trained(self, model: Any) -> nn.Module:
        return model.net

    def pool(self, source: ClipSource, folder: Path, seed: int) -> BlockPool:
        return VolumePool(source, folder, self.preset.blocks, seed, self.preset.spec)

    def held_back(self, source: ClipSource, folder: Path, seed: int) -> BlockPool:
        return VolumePool(source, folder, 12, seed, replace(self.preset.spec, crops=1))

    def sample(self, pool: Any, rng: np.random.Generator, choice: Any, blocks: int) -> Batch:
        return pool.batch(rng, 1, blocks)

    def example(self, device: torch.device) -> tuple[Batch, Any]:
        shapes = {"truth": self.frames_of_a_step(3), "mask": self.frames_of_a_step(1)}
        return grey(shapes, self.preset.spec.size, device), None

    def frames_of_a_step(self, channels: int) -> tuple[int, ...]:
        return self.preset.batch, self.preset.spec.count, channels

    def losses(
        self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any
    ) -> tuple[dict[str, Tensor], Tensor]:
        return self.recipe.compute_losses(model, batch, weights)

    def critic(self) -> nn.Module | None:
        return self.recipe.make_critic(self.preset) if self.preset.weights.get("L_adv") else None

    def judge(self, critic: nn.Module, truth: Tensor, completed: Tensor) -> Tensor:
        return self.recipe.critic_loss(critic, truth, completed)

    def adversarial(self, critic: nn.Module, completed: Tensor) -> Tensor:
        return generator_hinge(critic(completed))

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        completed = self.recipe.compute_losses(model.net, batch, self.preset.weights).completed
        truth, mask, output = (
            rearrange(x, "b t c h w -> (b t) c h w") for x in (batch["truth"], batch["mask"], completed)
        )
        return self.beside_telea(output, truth, mask, number)

    def beside_telea(self, output: Tensor, truth: Tensor, mask: Tensor, number: int) -> Shown:
        """The frames of held-back block `number`, one after another, with Telea's."""
        if number not in self.by_telea:
            self.by_telea[number] = fill_by_telea(truth, mask)
        return Shown(output.float(), self.by_telea[number].to(truth), truth, mask)


class RecurrentTask(VolumeTask):
    """Frame after frame, each from outputs before it. What is shared by a step is its stage (`schedule.Stage`).

    The recipe has `target_places(preset, stage)`, the numbers of the consecutive targets within a sample, and
    `compute_losses(model, batch, weights, stage)`. It may have `choose(preset, rng, step)`, a stage with more in it.
    Batches also hold motion, estimated between true frames: "flow" (b n-1 2 h w) from each target but the first to the
    target before, and "first_flow" (b n-2 2 h w) from each but the first two to the first; pixels, channel 0 = x. A
    recipe with `source_pairs(stage)`, pairs of frames of a sample, also finds "source_flow" (b p 2 h w) there, from the
    first of each pair to the second.
    """

    def __init__(self, preset: Any, system: System, recipe: Any) -> None:
        super().__init__(preset, system, recipe)
        self.pictured = preset.stages[-1].targets - 1

    def choose(self, rng: np.random.Generator, step: int) -> Stage:
        own = getattr(self.recipe, "choose", None)
        return own(self.preset, rng, step) if own is not None else stage_at(self.preset.stages, step)

    def weights_at(self, step: int) -> dict[str, float]:
        return stage_at(self.preset.stages, step).weights

    def example(self, device: torch.device) -> tuple[Batch, Stage]:
        last, batch = self.preset.stages[-1], self.preset.batch
        steps = {"flow": last.targets - 1, "first_flow": max(0, last.targets - 2)}
        steps |= {"source_flow": len(pairs)} if (pairs := self.source_pairs(last)) else {}
        shapes = {"truth": self.frames_of_a_step(3), "mask": self.frames_of_a_step(1)}
        shapes |= {name: (batch, count, 2) for name, count in steps.items()}
        return grey(shapes, self.preset.spec.size, device), last

    def sample(self, pool: Any, rng: np.random.Generator, choice: Stage, blocks: int) -> Batch:
        return self.with_motion(pool.batch(rng, 1, blocks), choice)

    def with_motion(self, batch: Batch, stage: Stage) -> Batch:
        """`batch` with the motion between the targets of `stage`."""
        found = motion_between(self.targets_of(batch["truth"], stage))
        pairs = self.source_pairs(stage)
        return batch | found | ({"source_flow": motions(batch["truth"], pairs)} if pairs else {})

    def source_pairs(self, stage: Stage) -> list[tuple[int, int]]:
        """Pairs of frames between which the recipe wants to know the motion, besides targets."""
        own = getattr(self.recipe, "source_pairs", None)
        return own(stage) if own is not None else []

    def targets_of(self, frames: Float[Tensor, "b t c h w"], stage: Stage) -> Float[Tensor, "b n c h w"]:
        return frames[:, list(self.recipe.target_places(self.preset, stage))]

    def truth_of(self, batch: Batch, choice: Stage) -> Tensor:
        return self.targets_of(batch["truth"], choice)

    def losses(
        self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Stage
    ) -> tuple[dict[str, Tensor], Tensor]:
        return self.recipe.compute_losses(model, batch, weights, choice)

    def critic(self) -> nn.Module | None:
        judged = any(stage.weights.get("L_adv") for stage in self.preset.stages)
        return self.recipe.make_critic(self.preset) if judged else None

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        last = self.preset.stages[-1]
        device = batch["truth"].device
        batch = self.with_motion({name: x.cpu() for name, x in batch.items()}, last)
        batch = {name: x.to(device) for name, x in batch.items()}
        completed = self.recipe.compute_losses(model.net, batch, last.weights, last).completed
        parts = self.targets_of(batch["truth"], last), self.targets_of(batch["mask"], last), completed
        truth, mask, output = (rearrange(x, "b n c h w -> (b n) c h w") for x in parts)
        return self.beside_telea(output, truth, mask, number)

    def provenance(self) -> dict[str, Any]:
        return {"flow_estimator": flow.ESTIMATOR}


def motion_between(frames: Float[Tensor, "b n 3 h w"]) -> dict[str, Float[Tensor, "b _ 2 h w"]]:
    """DIS flow between frames in a row: "flow" to the frame before, "first_flow" to the first from the third on."""
    count = frames.shape[1]
    return {
        "flow": motions(frames, [(k, k - 1) for k in range(1, count)]),
        "first_flow": motions(frames, [(k, 0) for k in range(2, count)]),
    }


def motions(frames: Float[Tensor, "b n 3 h w"], pairs: list[tuple[int, int]]) -> Float[Tensor, "b p 2 h w"]:
    """DIS flow from the first to the second frame of each pair, given by number."""
    if not pairs:
        return frames.new_zeros(len(frames), 0, 2, *frames.shape[-2:])
    return torch.stack([torch.stack([flow.dis(clip[a], clip[b]) for a, b in pairs]) for clip in frames])


def fill_by_telea(truth: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Each frame filled from its own known pixels, on the CPU."""
    frames = rearrange(truth * (1 - mask), "n c h w -> n h w c").cpu().numpy()
    holes = rearrange(mask, "n 1 h w -> n h w").cpu().numpy() > 0
    filled = np.stack([telea(frame, hole) for frame, hole in zip(frames, holes, strict=True)])
    return rearrange(torch.from_numpy(filled), "n h w c -> n c h w")


TASKS: dict[str, tuple[Any, type[Task]]] = {
    "tgfnet": (tgfnet, TGFTask),
    "sttn": (sttn, VolumeTask),
    "combcn": (combcn, VolumeTask),
    "vinet": (vinet, RecurrentTask),
    "align_attend": (align_attend, RecurrentTask),
}


def presets(model: str) -> dict[str, Any]:
    """The presets of a system by name. Raises UserError for a model without a recipe."""
    if model not in TASKS:
        raise UserError(f"no training recipe for model {model!r}: choose one of {', '.join(TASKS)}")
    return TASKS[model][0].PRESETS


def make(model: str, preset: Any) -> Task:
    """The task of training `model` by `preset`."""
    recipe, kind = TASKS[model]
    return kind(preset, SYSTEMS[model], recipe)
