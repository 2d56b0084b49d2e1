"""The painter's recipe: terms by hand, when each of them joins, samples, the critic's part, a few steps that learn."""

import numpy as np
import pytest
import torch
from torch import nn

from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.painter import recipe, samples
from vinpaint_lib.systems.painter.model import PainterModel
from vinpaint_lib.systems.painter.network import CONFIGS

SPEC = samples.PictureSpec(crop=48, height=(64, 64), clips=2, frames=1, crops=2)


class Twice(nn.Module):
    """A stand-in for a network of features: the picture twice, at two sizes."""

    name = "twice"

    def forward(self, image):
        return [image, nn.functional.avg_pool2d(image, 2)]


class Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value, self.calls = nn.Parameter(torch.tensor(value)), []

    def forward(self, picture, mask):
        self.calls.append((picture, mask))
        return picture * 0 + self.value


def a_task(features=None):
    task = recipe.PainterTask(recipe.PRESETS["tiny"], PainterModel, CONFIGS["tiny"])
    task.features = features
    return task


def a_batch():
    torch.manual_seed(0)
    truth, mask = torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32)
    mask[0, :, 4:14, 5:20] = 1
    mask[1, :, 20:30, 8:28] = 1
    return {"truth": truth, "mask": mask}


def test_terms_by_hand():
    batch, model = a_batch(), Constant(0.25)
    losses = a_task(Twice()).losses(model, batch, recipe.WEIGHTS, None)
    truth, mask = batch["truth"], batch["mask"]
    gap = (0.25 - truth).abs().mean(dim=1, keepdim=True)
    for name, where in (("L_hole", mask), ("L_valid", 1 - mask)):
        by_sample = [(w * g).sum() / w.sum() for w, g in zip(where, gap, strict=True)]
        assert losses.terms[name].item() == pytest.approx(sum(by_sample).item() / 2, rel=1e-5)
    shown = torch.where(mask > 0, torch.tensor(0.25), truth)
    pooled = nn.functional.avg_pool2d(shown - truth, 2)
    assert losses.terms["L_perc"].item() == pytest.approx(
        ((shown - truth).abs().mean() + pooled.abs().mean()).item(), rel=1e-5
    )
    assert torch.equal(losses.completed[:, 0], shown)
    ((picture, _),) = model.calls
    assert not (picture * mask).any()


def test_each_term_joins_at_its_share_of_the_steps():
    task = recipe.PainterTask(recipe.PRESETS["laptop"], PainterModel, CONFIGS["small"])
    steps = task.preset.steps
    assert set(task.weights_at(0)) == set(recipe.PLAIN)
    assert set(task.weights_at(int(0.1 * steps))) == set(recipe.WEIGHTS) - {"L_adv"}
    assert task.weights_at(steps - 1) == recipe.WEIGHTS
    assert set(a_task().losses(Constant(0.5), a_batch(), recipe.WEIGHTS, None).terms) == set(recipe.PLAIN)


def test_the_critic_learns_alone_and_its_judgement_reaches_the_painter():
    torch.manual_seed(0)
    task, batch = a_task(), a_batch()
    net, critic = task.network().net, task.critic()
    completed = task.losses(net, batch, recipe.WEIGHTS, None).completed
    task.judge(critic, task.truth_of(batch, None), completed.detach()).backward()
    assert all(p.grad is None for p in net.parameters())
    assert all(p.grad is not None for p in critic.parameters())
    task.adversarial(critic, completed).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_preset_that_weighs_features_refuses_to_train_without_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VINPAINT_WEIGHTS", raising=False)
    monkeypatch.delenv("VINPAINT_DATA", raising=False)
    task = recipe.PainterTask(recipe.PRESETS["laptop"], PainterModel, CONFIGS["small"])
    with pytest.raises(UserError, match="L_perc and L_style need a feature network"):
        task.prepare(torch.device("cpu"))


def test_blocks_hold_crops_of_several_clips_and_are_made_again_the_same(tmp_path):
    source = parse_source("toy")
    block, again = (samples.make_block(source, 3, 1, SPEC) for _ in range(2))
    assert block["truth"].shape == (4, 3, 48, 48)
    assert len(block["outlines"]) == 2
    assert all(np.array_equal(block[name], again[name]) for name in samples.FIELDS)
    assert not np.array_equal(block["truth"][0], block["truth"][2])


def test_a_batch_has_one_hole_in_each_picture(tmp_path):
    pool = samples.PicturePool(parse_source("toy"), tmp_path, 1, 0, SPEC)
    packed = pool.packed(np.random.default_rng(0), 6)
    assert packed["truth"].shape == (6, 3, 48, 48)
    assert packed["mask"].dtype == torch.bool
    share = packed["mask"].float().mean(dim=(1, 2, 3))
    assert (share > 0.01).all()
    assert (share < 0.5).all()
    assert len({tuple(mask.flatten().tolist()) for mask in packed["mask"]}) == 6
    whole, again = pool.whole(0), pool.whole(0)
    assert torch.equal(whole["mask"], again["mask"])
    assert whole["truth"].shape == (4, 3, 48, 48)


def test_pictures_that_are_too_small_are_refused():
    with pytest.raises(UserError, match="no picture of 96 pixels a side"):
        samples.make_block(parse_source("toy"), 0, 0, samples.PictureSpec(crop=96, height=(64, 64)))


def test_a_few_steps_learn():
    torch.manual_seed(0)
    task, batch = a_task(Twice()), a_batch()
    net = task.network().net
    optimiser, first = torch.optim.Adam(net.parameters(), 3e-3), 0.0
    for _ in range(25):
        terms = task.losses(net, batch, recipe.WEIGHTS, None).terms
        loss = sum(recipe.WEIGHTS[name] * terms[name] for name in terms)
        first = first or loss.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.85 * first  # the truth is noise, of which half stays
