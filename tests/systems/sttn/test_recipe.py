"""STTN's recipe: losses by hand, presets, the discriminator's part, a few steps that learn."""

import json
from dataclasses import asdict

import pytest
import torch

from vinpaint_lib.holes import masks
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.sttn import recipe
from vinpaint_lib.systems.sttn.model import CONFIGS, STTN
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.training.schedule import learning_rate

pytestmark = pytest.mark.slow


class Constant(torch.nn.Module):
    """Paints everything in one value; notes what it was shown."""

    def __init__(self, value):
        super().__init__()
        self.value, self.calls = torch.nn.Parameter(torch.tensor(value)), []

    def forward(self, frames, masks):
        self.calls.append((frames, masks))
        return frames * 0 + self.value


def a_batch(b=2, t=3, size=48):
    truth, mask = torch.rand(b, t, 3, size, size), torch.zeros(b, t, 1, size, size)
    mask[0, :, :, 4:14, 5:20] = 1
    mask[1:, :, :, 20:40, 8:40] = 1
    return {"truth": truth, "mask": mask}


def test_terms_by_hand():
    batch, model = a_batch(), Constant(0.25)
    losses = recipe.compute_losses(model, batch, {"L_hole": 1.0, "L_valid": 1.0, "L_psnr": 1.0})
    truth, mask = batch["truth"], batch["mask"]
    # The released formula, clip by clip, with frames in [-1, 1].
    gap = ((0.25 * 2 - 1) - (truth * 2 - 1)).abs()
    hole = [((m * g).mean() / m.mean()).item() for m, g in zip(mask, gap, strict=True)]
    valid = [(((1 - m) * g).mean() / (1 - m).mean()).item() for m, g in zip(mask, gap, strict=True)]
    assert losses.terms["L_hole"].item() == pytest.approx(sum(hole) / 2, rel=1e-5)
    assert losses.terms["L_valid"].item() == pytest.approx(sum(valid) / 2, rel=1e-5)
    errors = [
        ((m * (0.25 - f) ** 2).sum() / (3 * m.sum()) + 1e-4).log().item()
        for clip, holes in zip(truth, mask, strict=True)
        for f, m in zip(clip, holes, strict=True)
    ]
    assert losses.terms["L_psnr"].item() == pytest.approx(sum(errors) / 6, rel=1e-5)
    torch.testing.assert_close(losses.completed, mask * 0.25 + (1 - mask) * truth)
    assert losses.completed.requires_grad


def test_the_model_is_called_once_with_blanked_frames():
    batch, model = a_batch(), Constant(0.5)
    recipe.compute_losses(model, batch, recipe.PAPER_WEIGHTS)
    ((frames, mask),) = model.calls
    assert (frames * mask).abs().max() == 0
    assert torch.equal(frames, batch["truth"] * (1 - mask))


def test_terms_without_weight_are_left_out():
    batch = a_batch()
    assert set(recipe.compute_losses(Constant(0.5), batch, {"L_hole": 1.0, "L_psnr": 0.0}).terms) == {"L_hole"}
    assert "L_adv" not in recipe.compute_losses(Constant(0.5), batch, recipe.PAPER_WEIGHTS).terms


def test_the_critics_loss_leaves_the_network_alone_and_l_adv_reaches_it():
    torch.manual_seed(0)
    batch, net = a_batch(), STTN(CONFIGS["tiny"]).net
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 3 * 48 * 48, 4))
    losses = recipe.compute_losses(net, batch, recipe.PAPER_WEIGHTS)
    recipe.critic_loss(critic, batch["truth"], losses.completed).backward()
    assert all(p.grad is None for p in net.parameters())
    assert all(p.grad is not None for p in critic.parameters())
    task = registry.make_task("sttn", recipe.PRESETS["paper"])
    task.adversarial(critic, losses.completed).backward()
    assert net.decoder[6].weight.grad.abs().sum() > 0


def test_presets():
    assert set(recipe.PRESETS) == {"tiny", "laptop", "laptop-aligned", "gpu", "paper"}
    for preset in recipe.PRESETS.values():
        assert preset.config in CONFIGS
        assert all(side % 48 == 0 for side in preset.spec.size)
        json.dumps(asdict(preset), allow_nan=False)
    paper = recipe.PRESETS["paper"]
    assert paper.weights == {"L_hole": 1.0, "L_valid": 1.0, "L_adv": 0.01}
    assert (paper.betas, paper.peak, paper.batch, paper.steps) == ((0.0, 0.99), 1e-4, 8, 500000)
    assert paper.spec.size == (240, 432)
    assert (paper.spec.frames, paper.spec.count, paper.spec.hole) == ("sttn", 5, None)
    rates = [learning_rate(paper, step) for step in (0, 149999, 150000, 299999, 300000, 499999)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6])


def test_only_presets_with_l_adv_have_a_discriminator():
    critics = {name: registry.make_task("sttn", preset).critic() for name, preset in recipe.PRESETS.items()}
    assert {name for name, critic in critics.items() if critic is not None} == {"gpu", "paper"}
    assert not critics["paper"].strung


def test_the_laptop_preset_reads_as_many_pixels_as_the_shipped_tgfnet():
    preset = recipe.PRESETS["laptop"]
    height, width = preset.spec.size
    assert preset.steps * preset.batch * preset.spec.count * height * width == pytest.approx(2.2e9, rel=0.02)


def test_a_few_steps_learn_to_fill_a_still_clip_from_other_frames():
    """The hole moves, the picture does not: what one frame lacks, another shows."""
    torch.manual_seed(0)
    clip = toy_clip("astronaut", Shot(length=1, size=(48, 48), objects=0, seed=0)).clip
    truth = clip.frames.expand(3, -1, -1, -1)
    hole = torch.zeros(3, 1, 48, 48)
    for t in range(3):
        hole[t, :, 16:32, 2 + 16 * t : 14 + 16 * t] = 1
    batch = {"truth": truth[None], "mask": hole[None]}
    net = STTN(CONFIGS["tiny"]).net
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    course = []
    for _ in range(150):
        terms = recipe.compute_losses(net, batch, recipe.FIDELITY_WEIGHTS).terms
        loss = sum(recipe.FIDELITY_WEIGHTS[name] * term for name, term in terms.items())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        course.append(terms["L_hole"].item())
    assert course[-1] < 0.4 * course[0]


def test_the_paper_s_holes_are_those_of_the_released_generator():
    spec = recipe.PRESETS["paper"].spec
    assert spec.speed == (masks.MAX_SPEED, masks.MAX_SPEED)
    assert spec.holes == {"blob": 0.5, "moving blob": 0.5}
