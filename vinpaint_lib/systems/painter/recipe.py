"""How the painter is trained: presets, the loss of a step, and the task for the training loop.

Presets    tiny    seconds, a test of the machinery
           laptop  hours on one CPU core; no weights of it ship yet
           gpu     ten times the pictures, larger crops, for one GPU; never timed on a GPU

There is no preset `paper`: no paper of ours gives this network.

The first steps learn L_1 alone, until the colours are right; features and critic cost more than the network. The
features are SqueezeNet's where it is found, else those of another network (`losses/features.py`), which is named in the
header of the weights.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.holes.smooth import each, smooth_colours
from vinpaint_lib.losses import perceptual, pixels
from vinpaint_lib.losses.critics import ImagePatchDiscriminator, critic_hinge, generator_hinge
from vinpaint_lib.losses.features import FeatureNet, needed_features
from vinpaint_lib.systems.painter.samples import PicturePool, PictureSpec
from vinpaint_lib.training.pools import BlockPool, Packed
from vinpaint_lib.training.schedule import Schedule
from vinpaint_lib.training.task import Batch, Losses, Shown, Task, grey

WEIGHTS = {"L_hole": 1.0, "L_valid": 0.2, "L_perc": 0.3, "L_style": 30.0, "L_adv": 0.05}
PLAIN = ("L_hole", "L_valid")
FEATURES = "squeezenet"  # taken where it is found: its layers reach deeper than those of the other stand-in


@dataclass(frozen=True)
class Preset(Schedule):
    """The fields of `Schedule`, and

    plain   share of the steps, from the first on, that learn the terms `PLAIN` alone
    judged  share of the steps before the critic joins
    critic  width of the critic
    without_features  train without L_perc and L_style, where no feature network is at hand
    """

    steps: int = 6000
    batch: int = 8
    peak: float = 5e-4
    betas: tuple[float, float] = (0.5, 0.99)
    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    blocks: int = 160
    growth: tuple[int, int] = (8, 8)
    plain: float = 0.05
    judged: float = 0.2
    critic: int = 32
    without_features: bool = False
    spec: PictureSpec = field(default_factory=PictureSpec)


PRESETS = {
    "tiny": Preset(
        config="tiny",
        steps=6,
        batch=2,
        warmup=2,
        precision="float32",
        spec=PictureSpec(crop=48, height=(64, 64), clips=2, frames=1, crops=2),
        blocks=2,
        validate=3,
        checkpoint=2,
        critic=8,
        without_features=True,
    ),
    "laptop": Preset(),
    "gpu": Preset(
        steps=100000,
        batch=16,
        critic=64,
        spec=PictureSpec(crop=256, height=(256, 480)),
        blocks=1200,
        validate=2000,
        checkpoint=1000,
    ),
}


class PainterTask(Task):
    """The painter in training: single pictures. The log compares its scores with the membrane's."""

    rival = "a membrane"
    features: FeatureNet | None = None
    feature_name = "none: perceptual and style losses are off"

    def trained(self, model: Any) -> nn.Module:
        return model.net

    def prepare(self, device: torch.device) -> None:
        weighed = self.preset.weights.get("L_perc") or self.preset.weights.get("L_style")
        self.features = needed_features(not weighed or self.preset.without_features, device, FEATURES)
        if self.features is not None:
            self.feature_name = self.features.name

    def pool(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        return PicturePool(source, folder, self.preset.blocks, seed, self.preset.spec)

    def held_back(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        return PicturePool(source, folder, 4, seed, replace(self.preset.spec, crops=1))

    def sample(self, pool: Any, rng: np.random.Generator, choice: Any, blocks: int) -> Packed:
        return pool.packed(rng, 1, blocks)

    def example(self, device: torch.device) -> tuple[Batch, Any]:
        count, crop = self.preset.batch, self.preset.spec.crop
        return grey({"truth": (count, 3), "mask": (count, 1)}, (crop, crop), device), None

    def weights_at(self, step: int) -> dict[str, float]:
        share, weights = step / self.preset.steps, self.preset.weights
        if share < self.preset.plain:
            return {name: value for name, value in weights.items() if name in PLAIN}
        return weights if share >= self.preset.judged else {k: v for k, v in weights.items() if k != "L_adv"}

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any) -> Losses:
        """The terms, unweighted, for pictures (b 3 h w) and holes; completed (b 1 3 h w) as a clip of one frame."""
        truth, mask = batch["truth"], batch["mask"]
        output = model(truth * (1 - mask), mask)
        shown = pixels.composite(output, truth, mask)
        terms = {
            "L_hole": pixels.masked_l1(output, truth, mask),
            "L_valid": pixels.masked_l1(output, truth, 1 - mask),
        }
        if self.features is not None and (weights.get("L_perc") or weights.get("L_style")):
            with torch.no_grad():
                of_truth = self.features(truth)
            of_output = self.features(shown)
            terms["L_perc"] = perceptual.perceptual_loss(of_output, of_truth)
            terms["L_style"] = perceptual.style_loss(of_output, of_truth)
        return Losses(terms, rearrange(shown, "b c h w -> b 1 c h w"))

    def truth_of(self, batch: Batch, choice: Any) -> Tensor:
        return rearrange(batch["truth"], "b c h w -> b 1 c h w")

    def critic(self) -> nn.Module | None:
        return ImagePatchDiscriminator(self.preset.critic) if self.preset.weights.get("L_adv") else None

    def judge(self, critic: nn.Module, truth: Tensor, completed: Tensor) -> Tensor:
        # One pass for both: spectral normalisation takes a step at each call.
        both = critic(rearrange(torch.stack([truth, completed]), "two b t c h w -> (two b t) c h w"))
        return critic_hinge(*both.chunk(2))

    def adversarial(self, critic: nn.Module, completed: Tensor) -> Tensor:
        return generator_hinge(critic(rearrange(completed, "b t c h w -> (b t) c h w")))

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        truth, mask = batch["truth"], batch["mask"]
        output = model.net(truth * (1 - mask), mask)
        return Shown(output, each(smooth_colours, truth, mask).to(truth), truth, mask)

    def provenance(self) -> dict[str, Any]:
        return {"feature_net": self.feature_name}
