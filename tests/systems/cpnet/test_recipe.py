"""CPNet's recipe: terms by hand, samples with first maps, scores, a few steps that learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.cpnet import recipe
from vinpaint_lib.systems.cpnet.network import Aligned, Pasted
from vinpaint_lib.training.schedule import of_length

pytestmark = pytest.mark.slow


class Given(nn.Module):
    """Gives what it was built with; notes how it was called."""

    def __init__(self, made):
        super().__init__()
        self.made, self.calls = made, []

    def forward(self, *inputs):
        self.calls.append(inputs)
        return self.made


class Twice(nn.Module):
    name = "twice"

    def forward(self, image):
        return [image, nn.functional.avg_pool2d(image, 2)]


def a_batch(size=16):
    rng = torch.Generator().manual_seed(0)
    truth, mask = torch.rand(2, 5, 3, size, size, generator=rng), torch.zeros(2, 5, 1, size, size)
    mask[0, :, :, 4:12, 4:12] = 1
    mask[1, :, :, 0:8, 8:16] = 1
    return {"truth": truth, "mask": mask}


def made_up(size=16):
    rng = torch.Generator().manual_seed(1)
    visible = (torch.rand(2, 4, 1, size, size, generator=rng) > 0.5).float()
    missing = torch.zeros(2, 1, size // 4, size // 4)
    missing[..., :2] = 1
    frames = (torch.rand(2, 4, 3, size, size, generator=rng), torch.rand(2, 3, size, size, generator=rng))
    return Pasted(frames[1].requires_grad_(), Aligned(frames[0], visible), missing, torch.zeros(2, 4, 1, 4, 4), None)


def test_terms_by_hand():
    batch, made = a_batch(), made_up()
    weights = recipe.PAPER_WEIGHTS | {"L_psnr": 0.1}
    model = Given(made)
    found = recipe.compute_losses(model, batch, weights, Twice())
    assert found.terms.keys() == weights.keys()
    true, hole = batch["truth"][:, 2], batch["mask"][:, 2]
    unseen = hole * nn.functional.interpolate(made.missing, (16, 16), mode="bilinear", align_corners=False)
    gap = (made.frame - true).abs().mean(dim=1, keepdim=True)
    for name, where in (("L_visible", hole - unseen), ("L_unseen", unseen), ("L_valid", 1 - hole)):
        by_sample = [(w * g).sum() / w.sum() for w, g in zip(where, gap, strict=True)]
        assert found.terms[name].item() == pytest.approx(sum(by_sample).item() / 2, rel=1e-4)
    align = 0.0
    for i in range(2):
        for r in range(4):
            both = made.aligned.visible[i, r] * (1 - hole[i])
            align += ((made.aligned.frames[i, r] - true[i]).abs() * both).sum().item() / (3 * both.sum().item()) / 2
    assert found.terms["L_align"].item() == pytest.approx(align, rel=1e-4)
    shown = torch.where(hole > 0, made.frame, true)
    torch.testing.assert_close(found.completed, shown[:, None])
    total = (shown[..., 1:] - shown[..., :-1]).abs().mean() + (shown[..., 1:, :] - shown[..., :-1, :]).abs().mean()
    assert found.terms["L_tv"].item() == pytest.approx(total.item(), rel=1e-5)
    # The middle frame is the target, blanked; the others are references, with their holes.
    ((target, mask, references, masks, start),) = model.calls
    assert torch.equal(target, true * (1 - hole))
    assert torch.equal(mask, hole)
    assert torch.equal(references, batch["truth"][:, [0, 1, 3, 4]])
    assert masks.shape == (2, 4, 1, 16, 16)
    assert start is None


def a_task(**changes):
    preset = replace(recipe.PRESETS["tiny"], batch=1, blocks=1)
    task = registry.make_task("cpnet", preset)
    task.config = replace(task.config, width=2, side=16, **changes)
    return task


def test_a_sample_has_the_maps_that_come_first(tmp_path):
    task = a_task(camera=True)
    pool = task.pool(parse_source("toy", training=True), tmp_path, 0)
    packed = task.sample(pool, np.random.default_rng(0), None, 1)
    assert packed["start"].shape == (1, 2, 2, 3)
    assert packed["truth"].shape == (1, 3, 3, 48, 48)
    assert task.example(torch.device("cpu"))[0]["start"].shape == (1, 2, 2, 3)
    batch = pool.whole(0)
    shown = task.show(task.network().eval(), batch, 0)
    assert torch.equal(shown.truth, batch["truth"][:, 1])
    assert shown.output.shape == shown.beside.shape
    assert "start" not in a_task().sample(pool, np.random.default_rng(0), None, 1)


def test_a_few_steps_learn():
    torch.manual_seed(0)
    task, batch = a_task(), a_batch(32)
    model = task.network()
    part = task.trained(model)
    optimiser = torch.optim.Adam(part.parameters(), lr=1e-2)
    first = last = 0.0
    for step in range(10):
        terms = task.losses(part, batch, recipe.PAPER_WEIGHTS, None).terms
        loss = torch.stack([recipe.PAPER_WEIGHTS[name] * term for name, term in terms.items()]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first, last = (loss.item(), last) if step == 0 else (first, loss.item())
    assert last < 0.97 * first  # the truth is noise: the mean colour is the best guess


def test_no_preset_reads_more_than_the_budget_of_small_networks():
    """5,500 steps of 4 crops of 128 x 128 with about five references and a target (systems/README.md)."""
    laptop = recipe.PRESETS["laptop"]
    height, width = laptop.spec.size
    assert laptop.steps * laptop.batch * laptop.spec.count * height * width <= 5500 * 4 * 6 * 128 * 128 * 1.02
    assert of_length(laptop, 10).steps == 10
