"""What the training loop must know of one system: its network, its samples, its losses, what its scores stand beside.

`train.py` is the same for all. A system joins by an entry in `TASKS`: its recipe (presets and losses), and the kind
of its samples, single targets (`TGFTask`) or several frames of a clip (`VolumeTask`).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.blocks import BlockPool
from vinpaint_lib.clipsource import ClipSource
from vinpaint_lib.discriminators import generator_hinge
from vinpaint_lib.errors import UserError
from vinpaint_lib.features import FeatureNet, find_features
from vinpaint_lib.gather import MEMBRANE
from vinpaint_lib.models import Inpainter
from vinpaint_lib.models.classical import telea
from vinpaint_lib.models.registry import SYSTEMS, System
from vinpaint_lib.models.tgfnet import Trainable
from vinpaint_lib.recipes import combcn, sttn, tgfnet
from vinpaint_lib.samples import SamplePool
from vinpaint_lib.volumes import VolumePool

Batch = dict[str, Float[Tensor, "b *_"]]


class Shown(NamedTuple):
    """Held-back samples, filled: raw output, what it is compared with, truth and hole, one frame after another."""

    output: Float[Tensor, "n 3 h w"]
    beside: Float[Tensor, "n 3 h w"]
    truth: Float[Tensor, "n 3 h w"]
    mask: Float[Tensor, "n 1 h w"]


class Task:
    """One system in training. `rival` names what the scores of the log stand beside; `pictured` is the frame of each
    block that sample pictures show."""

    rival = ""
    pictured = 0

    def __init__(self, preset: Any, system: System, recipe: Any) -> None:
        self.preset, self.system, self.recipe = preset, system, recipe

    def network(self) -> Inpainter:
        """The whole model, as it is saved."""
        return self.system.network(self.system.configs[self.preset.config])

    def trained(self, model: Inpainter) -> nn.Module:
        """The part of `model` that a step calls and trains, in place."""
        raise NotImplementedError

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam, as the preset says."""
        return torch.optim.Adam(parameters, lr=self.preset.peak, betas=self.preset.betas)

    def prepare(self, device: torch.device) -> None:
        """Load what the losses need besides the network."""

    def pool(self, source: ClipSource, folder: Path, seed: int) -> BlockPool:
        """Samples to train on."""
        raise NotImplementedError

    def held_back(self, source: ClipSource, folder: Path, seed: int) -> BlockPool:
        """A small pool for scores."""
        raise NotImplementedError

    def choose(self, rng: np.random.Generator) -> Any:
        """What all samples of a step share, drawn for the step."""
        return None

    def sample(self, pool: Any, rng: np.random.Generator, choice: Any, blocks: int) -> Batch:
        """A batch of one, from the first `blocks` blocks of `pool`."""
        raise NotImplementedError

    def weights_at(self, step: int) -> dict[str, float]:
        """Weights of the terms in this step; a recipe may switch stages by a `weights_at` of its own."""
        own = getattr(self.recipe, "weights_at", None)
        return own(self.preset, step) if own is not None else self.preset.weights

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float]) -> tuple[dict[str, Tensor], Any]:
        """Unweighted terms by symbol, and the completed frames for a critic (None where there is none)."""
        raise NotImplementedError

    def critic(self) -> nn.Module | None:
        """The discriminator, if the preset weighs its judgement at all."""
        return None

    def judge(self, critic: nn.Module, truth: Tensor, completed: Tensor) -> Tensor:
        """L_D, from which the critic learns."""
        raise NotImplementedError

    def adversarial(self, critic: nn.Module, completed: Tensor) -> Tensor:
        """L_adv, from which the network learns."""
        raise NotImplementedError

    def show(self, model: Inpainter, batch: Batch, number: int) -> Shown:
        """Fill all samples of held-back block `number`."""
        raise NotImplementedError

    def provenance(self) -> dict[str, Any]:
        """What goes into the header of the weights besides the run's settings."""
        return {}


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

    def choose(self, rng: np.random.Generator) -> tuple[int, bool]:
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

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float]) -> tuple[dict[str, Tensor], None]:
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

    def sample(self, pool: Any, rng: np.random.Generator, choice: None, blocks: int) -> Batch:
        return pool.batch(rng, 1, blocks)

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float]) -> tuple[dict[str, Tensor], Tensor]:
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
        if number not in self.by_telea:
            self.by_telea[number] = fill_by_telea(truth, mask)
        return Shown(output.float(), self.by_telea[number].to(truth), truth, mask)


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
