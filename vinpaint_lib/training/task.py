"""What the training loop must know of one system: its network, its samples, its losses, and the rival of its scores.

Each system's recipe has a subclass of `Task`. `clip_tasks.py` holds two subclasses that several systems share.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.training.pools import BlockPool, Packed

Batch = dict[str, Float[Tensor, "b *_"]]
FUSED = ("cpu", "cuda", "mps")  # devices on which Adam is fused


class Shown(NamedTuple):
    """Held-back samples after filling, one frame after another: raw output, the rival's frames, truth and hole."""

    output: Float[Tensor, "n 3 h w"]
    beside: Float[Tensor, "n 3 h w"]
    truth: Float[Tensor, "n 3 h w"]
    mask: Float[Tensor, "n 1 h w"]


class Losses(NamedTuple):
    """The losses of one step: unweighted terms by the paper's symbols, and the completed frames.

    `completed` is what a critic judges: the composite of output and truth in [0, 1], with gradient. It is None where
    no preset of the system has a critic.
    """

    terms: dict[str, Float[Tensor, ""]]
    completed: Float[Tensor, "b t 3 h w"] | None


class Task:
    """One system in training.

    `rival` names the method whose scores stand beside the model's in the log. `pictured` is the frame of each block
    that sample pictures show. `channels_last`: the network's 2D convolutions keep their weights in that order in memory
    while it is trained; set where a step was measured to be faster with it.
    """

    rival = ""
    pictured = 0
    channels_last = False

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
        """Called before the first step, with all weights loaded: raise UserError if training cannot go on from them."""

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam, as the preset says; in one pass over the weights (fused) where torch has that for their device.

        A group of parameters may have a "factor", which multiplies the rate of every step.
        """
        fused = parameters[0].device.type in FUSED
        return torch.optim.Adam(parameters, lr=self.preset.peak, betas=self.preset.betas, fused=fused)

    def prepare(self, device: torch.device) -> None:
        """Load what the losses need besides the network."""

    def pool(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        """Samples to train on."""
        raise NotImplementedError

    def held_back(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        """A small pool for scores."""
        raise NotImplementedError

    def choose(self, rng: np.random.Generator, step: int) -> Any:
        """Draw what all samples of a step share."""
        return None

    def sample(self, pool: Any, rng: np.random.Generator, choice: Any, blocks: int) -> Packed:
        """A packed batch of one, from the first `blocks` blocks of `pool`. Runs in a worker process, on the CPU."""
        raise NotImplementedError

    def example(self, device: torch.device) -> tuple[Batch, Any]:
        """A batch of even grey with the shapes of a real step, and what its samples share: for estimates of cost.

        The masks are 0.5 too: every pixel is half missing.
        """
        raise NotImplementedError

    def truth_of(self, batch: Batch, choice: Any) -> Tensor:
        """The true frames that belong to the completed frames of `losses`."""
        return batch["truth"]

    def weights_at(self, step: int) -> dict[str, float]:
        """Weights of the terms in this step."""
        return self.preset.weights

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any) -> Losses:
        """The terms that have a weight in `weights`; `model` is the part that `trained` returns."""
        raise NotImplementedError

    def critic(self) -> nn.Module | None:
        """The discriminator, or None if the preset gives L_adv no weight."""
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
        """Entries for the header of the weights file besides the run's settings."""
        return {}


def grey(shapes: dict[str, tuple[int, ...]], size: tuple[int, int], device: torch.device) -> Batch:
    """A batch whose values are all 0.5; `shapes` has the axes of each part before height and width."""
    return {name: torch.full((*axes, *size), 0.5, device=device) for name, axes in shapes.items()}
