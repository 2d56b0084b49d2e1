"""What one training step of a preset costs, counted without running the step."""

from typing import NamedTuple

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from vinpaint_lib.training.task import Task


class StepCost(NamedTuple):
    """Floating-point operations of a step (two for each multiplication and addition), and its memory in bytes: what
    autograd keeps for the backward pass, in float32, plus weights, gradients and Adam's two averages."""

    operations: float
    memory: float


def step_cost(task: Task) -> StepCost:
    """Cost of the network and the losses in a step of the last stage; feature net, critic and samples are not counted.

    Everything happens on fake tensors, which know shapes only: nothing is computed, so size costs nothing.
    """
    with FakeTensorMode():
        model = task.trained(task.network())
        batch, choice = task.example(torch.device("cpu"))
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()  # views share one, which counts once
            kept[storage._cdata] = storage.nbytes()
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved)
        with FlopCounterMode(display=False) as counter, hooks:
            terms, _ = task.losses(model, batch, task.weights_at(task.preset.steps), choice)
            torch.stack(list(terms.values())).sum().backward()
        for parameter in model.parameters():
            kept.pop(parameter.untyped_storage()._cdata, None)
        weights = sum(parameter.nbytes for parameter in model.parameters())
    return StepCost(float(counter.get_total_flops()), float(sum(kept.values()) + 4 * weights))
