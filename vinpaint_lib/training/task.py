"""What the training loop must know of one system: its network, its samples, its losses, and what its scores
stand beside."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.training.pools import BlockPool

Batch = dict[str, Float[Tensor, "b *_"]]


class Shown(NamedTuple):
    """Held-back samples, filled: raw output, what it is compared with, truth and hole, one frame after another."""

    output: Float[Tensor, "n 3 h w"]
    beside: Float[Tensor, "n 3 h w"]
    truth: Float[Tensor, "n 3 h w"]
    mask: Float[Tensor, "n 1 h w"]


class Losses(NamedTuple):
    """Of one step: unweighted terms by the paper's symbols, and the completed frames.

    `completed` is the composite of output and truth in [0, 1], with gradient: what a critic judges. None where no
    preset of the system has a critic.
    """

    terms: dict[str, Float[Tensor, ""]]
    completed: Float[Tensor, "b t 3 h w"] | None


class Task:
    """One system in training. `rival` names what the scores of the log stand beside; `pictured` is the frame of each
    block that sample pictures show."""

    rival = ""
    pictured = 0

    def __init__(self, preset: Any, model: type[Inpainter], config: Any) -> None:
        """`preset` is the schedule and what the system adds to it; `model` is built with `config`."""
        self.preset, self.model, self.config = preset, model, config

    def network(self) -> Inpainter:
        """The whole model, as it is saved."""
        return self.model(self.config)

    def trained(self, model: Inpainter) -> nn.Module:
        """The part of `model` that a step calls and trains, in place."""
        raise NotImplementedError

    def check_start(self, model: Inpainter) -> None:
        """Before the first step of a call, with all weights in place: UserError if training cannot go on from them."""

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam, as the preset says."""
        return torch.optim.Adam(parameters, lr=self.preset.peak, betas=self.preset.betas)

    def prepare(self, device: torch.device) -> None:
        """Load what the losses need besides the network."""

    def pool(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        """Samples to train on."""
        raise NotImplementedError

    def held_back(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        """A small pool for scores."""
        raise NotImplementedError

    def choose(self, rng: np.random.Generator, step: int) -> Any:
        """What all samples of a step share, drawn for the step."""
        return None

    def sample(self, pool: Any, rng: np.random.Generator, choice: Any, blocks: int) -> Batch:
        """A batch of one, from the first `blocks` blocks of `pool`."""
        raise NotImplementedError

    def example(self, device: torch.device) -> tuple[Batch, Any]:
        """A step's batch of even grey, half of it missing, in its real shapes, and what its samples share: for
        estimates of cost."""
        raise NotImplementedError

    def truth_of(self, batch: Batch, choice: Any) -> Tensor:
        """The true frames of what `losses` gives back as completed."""
        return batch["truth"]

    def weights_at(self, step: int) -> dict[str, float]:
        """Weights of the terms in this step."""
        return self.preset.weights

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any) -> Losses:
        """The terms that `weights` weigh, for the part of the model that `trained` gave."""
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


def grey(shapes: dict[str, tuple[int, ...]], size: tuple[int, int], device: torch.device) -> Batch:
    """A batch of even grey: the axes of each part before height and width are given."""
    return {name: torch.full((*axes, *size), 0.5, device=device) for name, axes in shapes.items()}
