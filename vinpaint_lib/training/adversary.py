"""The critic's side of adversarial training: a critic, its optimiser, and one step of learning.

In each step of the loop the critic learns first. Then the network learns from the critic's judgement. The critic is not
wrapped for several processes; its gradients are averaged by hand. So it can judge real and completed frames in one
step.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from accelerate import Accelerator
from einops import pack, unpack
from jaxtyping import Float
from torch import Tensor, nn

Judge = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Adversary:
    """A critic, its optimiser and its loss (critic, truth, completed) -> number."""

    def __init__(self, critic: nn.Module, optimiser: torch.optim.Optimizer, loss: Judge, clip: float) -> None:
        self.critic, self.optimiser, self.loss, self.clip = critic, optimiser, loss, clip

    def step(
        self,
        accelerator: Accelerator,
        truth: Float[Tensor, "b t 3 h w"],
        completed: Float[Tensor, "b t 3 h w"],
        rate: float,
        bf16: bool,
    ) -> float:
        """One update at learning rate `rate`; returns the loss, averaged over the processes. Waits for the device once.

        A loss or gradient that is not finite changes nothing. Afterwards the critic's parameters take no gradients: the
        next gradients that pass through the critic are meant for the network.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.critic.requires_grad_(True)
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=bf16):
            loss = self.loss(self.critic, truth, completed.detach())
        loss.backward()
        parameters = [p for p in self.critic.parameters() if p.grad is not None]
        if accelerator.num_processes > 1:
            average_gradients(accelerator, parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self.clip)
        mean = accelerator.reduce(loss.detach().float(), "mean")
        value, length = torch.stack([mean, norm.detach().float()]).tolist()
        if math.isfinite(value) and math.isfinite(length):
            self.optimiser.step()
        self.optimiser.zero_grad()
        self.critic.requires_grad_(False)
        return value

    def state_dict(self) -> dict[str, Any]:
        return {"critic": self.critic.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.critic.load_state_dict(state["critic"])
        self.optimiser.load_state_dict(state["optimiser"])


def average_gradients(accelerator: Accelerator, parameters: list[nn.Parameter]) -> None:
    """Replace all gradients by their means over the processes. They travel in one piece, which is one message."""
    whole, shapes = pack([p.grad for p in parameters if p.grad is not None], "*")
    for p, mean in zip(parameters, unpack(accelerator.reduce(whole, "mean"), shapes, "*"), strict=True):
        p.grad = mean
