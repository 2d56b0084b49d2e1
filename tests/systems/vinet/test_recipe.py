"""VINet's recipe: losses by hand, stages, presets, a few steps that learn."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from vinpaint_lib.losses import temporal
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.vinet import recipe
from vinpaint_lib.systems.vinet.model import CONFIGS, VINet
from vinpaint_lib.systems.vinet.network import SHIFTS, Unrolled
from vinpaint_lib.systems.vinet.recipe import VINetStage
from vinpaint_lib.systems.vinet.released_losses import released_terms
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.training.schedule import stage_at

pytestmark = pytest.mark.slow

ALL = recipe.FIDELITY_WEIGHTS


class Given(nn.Module):
    """Gives what it was built with; notes how it was called."""

    def __init__(self, made):
        super().__init__()
        self.made, self.calls = made, []

    def forward(self, *inputs):
        self.calls.append(inputs)
        return self.made


def made_up(b, k, size, still=False):
    """Random results of a network; flows of no motion where `still`."""
    spread = 0.0 if still else 0.7
    flows = tuple(torch.randn(b, k, 5, 2, size >> n, size >> n) * spread for n in (1, 2, 3))
    masks = tuple(torch.rand(b, k, 1, size >> n, size >> n) for n in range(4))
    pictures = [torch.rand(b, k, 3, size, size).requires_grad_() for _ in range(2)]
    return Unrolled(*pictures, torch.randn(b, k - 1, 2, size, size) * spread, flows, masks)


def a_batch(b=2, k=3, size=32):
    truth, mask = torch.rand(b, 12 + k, 3, size, size), torch.zeros(b, 12 + k, 1, size, size)
    mask[0, :, :, 4:14, 5:20] = 1
    mask[1:, :, :, 10:26, 8:28] = 1
    counts = {"flow": k - 1, "first_flow": max(0, k - 2), "source_flow": 4 * k}
    motion = {name: torch.randn(b, count, 2, size, size) for name, count in counts.items()}
    return {"truth": truth, "mask": mask, **motion}


def test_the_picture_s_terms_by_hand():
    batch, made = a_batch(), made_up(2, 3, 32)
    stage = VINetStage(1, targets=3, weights=ALL)
    found = recipe.compute_losses(Given(made), batch, ALL, stage)
    truth, mask = batch["truth"][:, 6:9], batch["mask"][:, 6:9]
    gap = (made.frames - truth).abs()
    assert found.terms["L_1"].item() == pytest.approx(gap.mean().item(), rel=1e-5)
    for name, frames in (("L_hole", made.frames), ("L_raw", made.raw)):
        by_frame = ((frames - truth).abs() * mask).sum((2, 3, 4)) / (3 * mask.sum((2, 3, 4)))
        assert found.terms[name].item() == pytest.approx(by_frame.mean().item(), rel=1e-4)
    errors = ((made.frames - truth) ** 2 * mask).sum((2, 3, 4)) / (3 * mask.sum((2, 3, 4)))
    assert found.terms["L_psnr"].item() == pytest.approx((errors + 1e-4).log().mean().item(), rel=1e-4)
    similar = torch.stack([temporal.ssim(made.frames[:, k], truth[:, k]) for k in range(3)]).mean()
    assert found.terms["L_ssim"].item() == pytest.approx(1 - similar.item(), rel=1e-4)
    torch.testing.assert_close(found.completed, mask * made.frames + (1 - mask) * truth)
    assert found.completed.requires_grad


def test_the_terms_between_frames_are_the_sums_of_eqs_11_to_13():
    batch, made = a_batch(), made_up(2, 3, 32)
    found = recipe.compute_losses(Given(made), batch, ALL, VINetStage(1, targets=3, weights=ALL)).terms
    truth = batch["truth"][:, 6:9]
    flow_parts, short = [], []
    for k in (1, 2):
        flow = batch["flow"][:, k - 1]
        parts = temporal.flow_losses(
            made.flow[:, k - 1], flow, truth[:, k], truth[:, k - 1], made.frames[:, k], made.frames[:, k - 1]
        )
        flow_parts.append(sum(part.item() for part in parts))
        weight = temporal.occlusion_weight(truth[:, k], temporal.warp_back(truth[:, k - 1], flow))
        short.append(temporal.warping_loss(made.frames[:, k], truth[:, k - 1], flow, weight).item())
    assert found["L_F"].item() == pytest.approx(sum(flow_parts) / 2, rel=1e-4)
    assert found["L_st"].item() == pytest.approx(sum(short) / 2, rel=1e-4)
    flow = batch["first_flow"][:, 0]
    weight = temporal.occlusion_weight(truth[:, 2], temporal.warp_back(truth[:, 0], flow))
    long = temporal.warping_loss(made.frames[:, 2], truth[:, 0], flow, weight)
    assert found["L_lt"].item() == pytest.approx(long.item(), rel=1e-4)


def test_alignment_of_true_frames_by_hand():
    """Flows of no motion: the plain difference of shrunk frames, source by source, scale by scale."""
    batch, made = a_batch(1, 2, 16), made_up(1, 2, 16, still=True)
    found = recipe.compute_losses(Given(made), batch, {"L_align": 1.0}, VINetStage(1, targets=2)).terms["L_align"]
    total = 0.0
    for factor in (2, 4, 8):
        small = torch.nn.functional.avg_pool2d(batch["truth"][0], factor)
        for shift in (*SHIFTS[4], -1):
            targets = [t for t in (6, 7) if shift != -1 or t > 6]
            total += sum((small[t] - small[t + shift]).abs().mean().item() for t in targets) / len(targets) / 5
    assert found.item() == pytest.approx(total, rel=1e-4)


def sliding(size=16):
    """Content moves left by two pixels a frame; and the flows of a network that knows it, or has `factor` times it."""
    wide = torch.rand(1, 3, size, 3 * size + 12)
    truth = torch.stack([wide[..., 2 * t : 2 * t + size] for t in range(13)], dim=1)

    def flows(factor):
        made = made_up(1, 1, size, still=True).flows
        for n, flow in enumerate(made):
            for k, shift in enumerate((*SHIFTS[4], -1)):
                flow[:, :, k, 0] = -2 * factor * shift / 2 ** (n + 1)
        return made

    return truth, flows


def test_alignment_prefers_the_true_motion():
    truth, flows = sliding(32)
    values = [
        recipe.alignment_loss(made_up(1, 1, 32)._replace(flows=flows(factor)), truth, [6], 4) for factor in (1, 0, -1)
    ]
    assert values[0] < 0.9 * values[1]
    assert values[0] < 0.9 * values[2]


def test_alignment_does_not_reward_a_flow_that_leaves_the_frame():
    truth, flows = sliding()
    values = [
        recipe.alignment_loss(made_up(1, 1, 16)._replace(flows=flows(factor)), truth, [6], 4) for factor in (1, 20, 200)
    ]
    assert values[0] < values[1] < values[2]


def test_flows_to_the_sources_are_compared_with_the_pseudo_truth_in_pixels_of_their_scale():
    """Nothing moves and the pseudo-truth says so: the loss is the mean length of what the network found."""
    truth = torch.rand(1, 1, 3, 16, 16).expand(1, 14, 3, 16, 16)
    made = made_up(1, 2, 16)
    found = recipe.source_flow_loss(made.flows, truth, [6, 7], 4, torch.zeros(1, 8, 2, 16, 16))
    expected = sum(flow[:, :, :4].abs().mean().item() for flow in made.flows)
    assert found.item() == pytest.approx(expected, rel=1e-4)
    # A motion of four pixels is one of two, one and a half a pixel at 1/2, 1/4 and 1/8.
    still = made_up(1, 2, 16, still=True)
    pseudo = torch.zeros(1, 8, 2, 16, 16)
    pseudo[:, :, 0] = 4
    flat = torch.full_like(truth, 0.5)
    inside = recipe.source_flow_loss(still.flows, flat, [6, 7], 4, pseudo)
    assert inside.item() == pytest.approx((2 + 1 + 0.5) / 2, rel=1e-4)
    # Frames that the pseudo-truth does not explain teach nothing.
    other = torch.rand(1, 14, 3, 16, 16).round()
    assert recipe.source_flow_loss(still.flows, other, [6, 7], 4, pseudo) < inside + 1e-4


def test_the_network_is_called_once_with_blanked_frames_and_its_stage():
    batch, model = a_batch(k=2), Given(made_up(2, 2, 32))
    recipe.compute_losses(model, batch, ALL, VINetStage(1, targets=2, sources=1))
    ((frames, mask, places, sources),) = model.calls
    assert (frames * mask).abs().max() == 0
    assert torch.equal(frames, batch["truth"] * (1 - mask))
    assert list(places) == [6, 7]
    assert sources == 1


def test_terms_without_weight_or_without_a_frame_before_are_left_out():
    batch, one = a_batch(k=1), VINetStage(1, targets=1)
    assert set(recipe.compute_losses(Given(made_up(2, 1, 32)), batch, ALL, one).terms) == set(recipe.FIRST_WEIGHTS)
    batch, two = a_batch(k=2), VINetStage(1, targets=2)
    found = recipe.compute_losses(Given(made_up(2, 2, 32)), batch, ALL, two).terms
    assert set(found) == set(ALL) - {"L_lt"}
    some = recipe.compute_losses(Given(made_up(2, 2, 32)), batch, {"L_hole": 1.0, "L_st": 1.0, "L_1": 0.0}, two).terms
    assert set(some) == {"L_hole", "L_st"}


def test_a_released_stage_has_the_released_terms_that_have_a_weight():
    batch, made = a_batch(), made_up(2, 3, 32)
    stage = VINetStage(1, targets=3, weights=recipe.PAPER_WEIGHTS, released=True)
    found = recipe.compute_losses(Given(made), batch, stage.weights, stage)
    truth, mask = batch["truth"][:, 6:9], batch["mask"][:, 6:9]
    expected = released_terms(made, truth, mask, batch)
    assert set(found.terms) == set(expected) == set(recipe.PAPER_WEIGHTS)
    assert all(torch.equal(found.terms[name], value) for name, value in expected.items())
    torch.testing.assert_close(found.completed, mask * made.frames + (1 - mask) * truth)
    ours = recipe.compute_losses(Given(made), batch, stage.weights, replace(stage, released=False)).terms
    assert not any(torch.isclose(ours[name], value, rtol=0.01) for name, value in expected.items())
    some = recipe.compute_losses(Given(made), batch, {"L_hole": 5.0, "L_st": 1.0, "L_1": 0.0}, stage).terms
    assert set(some) == {"L_hole", "L_st"}
    # Nothing asks for the motion to the sources, which takes long to estimate.
    task = registry.make_task("vinet", recipe.PRESETS["tiny"])
    assert task.source_pairs(stage) == []
    assert len(task.source_pairs(replace(stage, released=False))) == 12


def test_a_network_without_recurrence_has_no_l_f():
    torch.manual_seed(0)
    net = VINet(replace(CONFIGS["tiny"], recurrence=False)).net
    found = recipe.compute_losses(net, a_batch(k=2), ALL, VINetStage(1, targets=2)).terms
    assert "L_F" not in found
    assert all(torch.isfinite(value) for value in found.values())


def test_presets():
    assert set(recipe.PRESETS) == {"tiny", "laptop", "gpu", "paper"}
    for preset in recipe.PRESETS.values():
        assert preset.config in CONFIGS
        assert all(side % 8 == 0 for side in preset.spec.size)
        assert preset.spec.frames == "consecutive"
        assert preset.spec.count == 12 + max(stage.targets for stage in preset.stages)
        assert [stage.until for stage in preset.stages] == sorted(stage.until for stage in preset.stages)
        assert preset.stages[-1].until == preset.steps
        for stage in preset.stages:
            assert stage.weights.keys() <= (recipe.PAPER_WEIGHTS if stage.released else ALL).keys()
        json.dumps(asdict(preset), allow_nan=False)
        assert registry.make_task("vinet", preset).critic() is None
    paper = recipe.PRESETS["paper"]
    assert paper.stages[-1].weights == {"L_1": 1.0, "L_ssim": 1.0, "L_hole": 5.0, "L_F": 10.0, "L_st": 1.0, "L_lt": 1.0}
    assert paper.spec.size == (256, 256)
    # Its weights are for the released terms.
    released = {name: [stage.released for stage in preset.stages] for name, preset in recipe.PRESETS.items()}
    assert released == {
        "tiny": [True, False, False, True],
        "laptop": [False] * 3,
        "gpu": [True] * 2,
        "paper": [True] * 3,
    }


def test_the_paper_s_stages_come_in_its_order():
    stages = recipe.PRESETS["paper"].stages
    assert [(stage.sources, stage.targets) for stage in stages] == [(1, 1), (4, 1), (4, 4)]
    assert not any(name in stage.weights for stage in stages[:2] for name in ("L_F", "L_st", "L_lt"))
    assert stage_at(stages, 160000) is stages[1]
    assert registry.make_task("vinet", recipe.PRESETS["paper"]).target_places(stages[2]) == (6, 7, 8, 9)


def test_the_laptop_preset_reads_no_more_pixels_than_the_shipped_tgfnet():
    preset = recipe.PRESETS["laptop"]
    height, width = preset.spec.size
    assert preset.steps * preset.batch * preset.spec.count * height * width < 2.25e9


def test_a_few_steps_learn_and_gradients_reach_every_part():
    """A moving hole over a still picture: what one frame lacks, another shows."""
    torch.manual_seed(0)
    clip = toy_clip("astronaut", Shot(length=1, size=(32, 32), objects=0, seed=0)).clip
    truth = clip.frames.expand(14, -1, -1, -1)
    hole = torch.zeros(14, 1, 32, 32)
    for t in range(14):
        hole[t, :, 8:22, 2 * t % 20 : 2 * t % 20 + 10] = 1
    batch = {"truth": truth[None], "mask": hole[None]}
    stage = VINetStage(1, targets=2, weights=ALL)
    batch = batch | registry.make_task("vinet", recipe.PRESETS["tiny"]).motion_in(batch["truth"], stage)
    net = VINet(CONFIGS["tiny"]).net
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    course = []
    for _ in range(30):
        terms = recipe.compute_losses(net, batch, ALL, stage).terms
        loss = sum(ALL[name] * term for name, term in terms.items())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        course.append(loss.item())
    assert course[-1] < course[0] - 0.05
    silent = [name for name, p in net.named_parameters() if p.grad is None]
    assert silent == []


def test_rates_and_stages_of_the_tiny_preset_run_through_the_task():
    """What the loop asks: losses of every stage with the task's own motion, all finite."""
    torch.manual_seed(0)
    preset = recipe.PRESETS["tiny"]
    net = VINet(CONFIGS[preset.config]).net
    for stage in preset.stages:
        batch = a_batch(1, stage.targets, 32)
        batch = batch | registry.make_task("vinet", preset).motion_in(batch["truth"], stage)
        found = recipe.compute_losses(net, batch, stage.weights, stage)
        assert found.completed.shape == (1, stage.targets, 3, 32, 32)
        assert all(torch.isfinite(value) for value in found.terms.values())
        assert set(found.terms) == set(stage.weights)
