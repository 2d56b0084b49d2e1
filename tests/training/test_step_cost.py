"""What a training step costs: counted on shapes alone, as the real step would be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.systems import registry
from vinpaint_lib.training.pools import opened
from vinpaint_lib.training.step_cost import step_cost

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", sorted(registry.SYSTEMS))
def test_the_count_is_that_of_the_real_step(name):
    task = registry.make_task(name, registry.presets(name)["tiny"])
    batch, choice = task.example(torch.device("cpu"))
    model = task.trained(task.network())
    with FlopCounterMode(display=False) as counter:
        terms, _ = task.losses(model, batch, task.weights_at(task.preset.steps), choice)
        torch.stack(list(terms.values())).sum().backward()
    cost = step_cost(task)
    assert cost.operations == counter.get_total_flops() > 0
    assert cost.memory > 16 * sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", sorted(registry.SYSTEMS))
def test_an_example_has_the_shapes_of_a_step(name, tmp_path):
    task = registry.make_task(name, registry.presets(name)["tiny"])
    pool = task.pool(parse_source("toy", training=True), tmp_path, 0)
    example, choice = task.example(torch.device("cpu"))
    sample = opened(task.sample(pool, np.random.default_rng(0), choice, 2))
    found = {key: (task.preset.batch, *value.shape[1:]) for key, value in sample.items()}
    assert {key: tuple(value.shape) for key, value in example.items()} == found


def convolutions(task, monkeypatch) -> float:
    """Forward operations of every convolution, from the sizes it sees: an oracle for the counter."""
    total = []

    def count(original):
        def counted(input, weight, *arguments, **options):
            output = original(input, weight, *arguments, **options)
            total.append(2 * output.numel() * weight[0].numel())
            return output

        return counted

    for name in ("conv2d", "conv3d"):
        monkeypatch.setattr(torch.nn.functional, name, count(getattr(torch.nn.functional, name)))
    batch, choice = task.example(torch.device("cpu"))
    with torch.no_grad():
        task.losses(task.trained(task.network()), batch, task.weights_at(task.preset.steps), choice)
    return float(sum(total))


def test_a_step_is_three_times_its_forward_convolutions(monkeypatch):
    preset = registry.presets("tgfnet")["laptop"]
    task = registry.make_task("tgfnet", replace(preset, spec=replace(preset.spec, crop=32)))
    operations = step_cost(task).operations
    # Forward, gradient of the weights, gradient of the inputs; pictures need no gradient, so a little less.
    assert operations == pytest.approx(3 * convolutions(task, monkeypatch), rel=0.1)


def test_the_cost_grows_as_it_must():
    preset = registry.presets("tgfnet")["laptop"]

    def cost(batch, crop):
        return step_cost(
            registry.make_task("tgfnet", replace(preset, batch=batch, spec=replace(preset.spec, crop=crop)))
        )

    small, twice, larger = cost(1, 32), cost(2, 32), cost(1, 64)
    net = registry.make_task("tgfnet", preset).network()
    weights = 16 * sum(parameter.numel() for parameter in net.parameters())
    assert twice.operations == pytest.approx(2 * small.operations, rel=1e-6)
    assert larger.operations == pytest.approx(4 * small.operations, rel=1e-6)
    assert larger.memory - weights == pytest.approx(4 * (small.memory - weights), rel=0.1)
