"""DFVI's recipe: terms by hand, the hardest half, samples, the optimiser of the paper, scores beside the membrane."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.dfvi import recipe
from vinpaint_lib.systems.dfvi.network import FLOWS, MIDDLE

pytestmark = pytest.mark.slow


class Given(nn.Module):
    def __init__(self, made):
        super().__init__()
        self.made = made

    def forward(self, start, unknown):
        return self.made


def a_batch(size=6):
    rng = torch.Generator().manual_seed(0)
    unknown = torch.zeros(2, FLOWS, 1, size, size)
    unknown[0, :, :, 1:4, 1:4] = 1
    unknown[1, :, :, 2:3, 2:4] = 1
    return {
        "wanted": torch.rand(2, 2, size, size, generator=rng),
        "start": torch.rand(2, FLOWS, 2, size, size, generator=rng),
        "unknown": unknown,
    }


def test_terms_by_hand():
    batch = a_batch()
    made = torch.rand(2, 2, 6, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    terms, completed = recipe.compute_losses(Given(made), batch, recipe.PAPER_WEIGHTS)
    assert completed is None
    every, hard = [], []
    for i in range(2):
        errors = sorted(
            float((made[i, :, y, x].detach() - batch["wanted"][i, :, y, x]).abs().sum())
            for y in range(6)
            for x in range(6)
            if batch["unknown"][i, MIDDLE, 0, y, x]
        )
        half = errors[-((len(errors) + 1) // 2) :]  # nine places: five; two places: one
        every.append(sum(errors) / len(errors) / 2)
        hard.append(sum(half) / len(half) / 2)
    assert terms["L_hole"].item() == pytest.approx(sum(every) / 2, rel=1e-5)
    assert terms["L_hard"].item() == pytest.approx(sum(hard) / 2, rel=1e-5)
    terms["L_hard"].backward()
    touched = made.grad.abs().sum(dim=1) > 0
    assert touched.sum(dim=(1, 2)).tolist() == [5, 1]


def test_an_empty_hole_costs_nothing():
    batch = a_batch()
    batch["unknown"] = batch["unknown"] * 0
    terms = recipe.compute_losses(Given(torch.ones(2, 2, 6, 6)), batch, recipe.PAPER_WEIGHTS).terms
    assert [term.item() for term in terms.values()] == [0, 0]


def test_samples_and_scores(tmp_path):
    task = registry.make_task("dfvi", replace(recipe.PRESETS["tiny"], blocks=1))
    pool = task.pool(parse_source("toy", training=True), tmp_path, 0)
    packed = task.sample(pool, np.random.default_rng(0), None, 1)
    shapes = {name: tuple(value.shape) for name, value in packed.items() if name != "gain"}
    assert shapes == {
        "truth": (1, 12, 3, 48, 48),
        "mask": (1, 12, 1, 48, 48),
        "wanted": (1, 2, 48, 48),
        "start": (1, 11, 2, 48, 48),
        "unknown": (1, 11, 1, 48, 48),
    }
    example, _ = task.example(torch.device("cpu"))
    assert {name: tuple(x.shape[1:]) for name, x in example.items()} == {n: s[1:] for n, s in shapes.items()}
    # The untrained network gives the membrane, so both carry the same frame.
    shown = task.show(task.network().eval(), pool.whole(0), 0)
    torch.testing.assert_close(shown.output, shown.beside, atol=1e-6, rtol=0)
    known = (shown.mask == 0).expand_as(shown.truth)
    assert (shown.output - shown.truth)[known].abs().mean() < 0.1


def test_the_paper_s_optimiser_has_a_tenfold_rate_in_the_head():
    preset = replace(recipe.PRESETS["tiny"], config="paper", descent=True)
    task = registry.make_task("dfvi", preset)
    task.config = replace(task.config, blocks=(1, 1, 1, 1))
    model = task.network()
    part = task.trained(model)
    optimiser = task.optimiser([p for p in part.parameters() if p.requires_grad])
    assert isinstance(optimiser, torch.optim.SGD)
    counts = {group["factor"]: sum(p.numel() for p in group["params"]) for group in optimiser.param_groups}
    head = sum(p.numel() for p in model.net.layer5.parameters())
    assert counts == {1.0: sum(p.numel() for p in part.parameters()) - head, 10.0: head}
    assert all(group["momentum"] == 0.9 and group["weight_decay"] == 4e-5 for group in optimiser.param_groups)
    assert recipe.PRESETS["paper"].descent
    assert not recipe.PRESETS["laptop"].descent


def test_a_few_steps_learn():
    torch.manual_seed(0)
    task = registry.make_task("dfvi", recipe.PRESETS["tiny"])
    model, batch = task.network(), a_batch(16)
    batch["wanted"] = batch["start"][:, MIDDLE] + torch.tensor([2.0, -1.0])[:, None, None]
    part = task.trained(model)
    optimiser = torch.optim.Adam(part.parameters(), lr=2e-2)
    values = []
    for _ in range(10):
        loss = task.losses(part, batch, recipe.PAPER_WEIGHTS, None).terms["L_hole"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < 0.8 * values[0]


def test_no_preset_reads_more_than_the_budget_of_small_networks():
    """5,500 steps of 4 crops of 128 x 128 with about five references and a target (systems/README.md)."""
    laptop = recipe.PRESETS["laptop"]
    height, width = laptop.spec.size
    assert laptop.steps * laptop.batch * laptop.spec.count * height * width <= 5500 * 4 * 6 * 128 * 128 * 1.02
