"""Align-and-Attend's recipe: terms by hand, stages, dropped parts, samples, discriminators, steps that learn."""

import json
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from vinpaint_lib import checkpoints, train
from vinpaint_lib.errors import UserError
from vinpaint_lib.losses import temporal
from vinpaint_lib.losses.critics import ImageAndVideo, ImagePatchDiscriminator, critic_hinge, generator_hinge
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.align_attend import recipe
from vinpaint_lib.systems.align_attend.model import AlignAttend, sliding_references
from vinpaint_lib.systems.align_attend.network import CONFIGS, AlignAttendNet, Filled, Parts
from vinpaint_lib.training.clip_samples import check_spec
from vinpaint_lib.training.loop import STATE
from vinpaint_lib.training.schedule import learning_rate, stage_at

pytestmark = pytest.mark.slow

R = recipe.REFERENCES_SHOWN
WEIGHTS = {"L_rec": 1.0, "L_psnr": 1.0, "L_raw": 1.0, "L_own": 1.0, "L_F": 1.0, "L_W": 1.0}


class Given(torch.nn.Module):
    """Paints what it is told; notes what it was shown."""

    def __init__(self, filled):
        super().__init__()
        self.filled, self.calls = filled, []

    def forward(self, frames, masks, references, parts):
        self.calls.append((frames, masks, references, parts))
        return self.filled


def a_batch(targets=3, b=2, size=32):
    rng = torch.Generator().manual_seed(0)
    truth, mask = torch.rand(b, R + 3, 3, size, size, generator=rng), torch.zeros(b, R + 3, 1, size, size)
    mask[0, :, :, 4:14, 5:20] = 1
    mask[1, :, :, 20:30, 8:30] = 1
    flow = torch.randn(b, targets - 1, 2, size, size, generator=rng)
    outputs, raw, own = (torch.rand(b, targets, 3, size, size, generator=rng).requires_grad_() for _ in range(3))
    flows = torch.randn(b, targets - 1, 2, size, size, generator=rng).requires_grad_()
    filled = Filled(outputs, raw, own, flows, torch.rand(b, targets - 1, 1, size, size, generator=rng))
    return {"truth": truth, "mask": mask, "flow": flow}, filled


def stage(targets=3, **more):
    return recipe.AlignAttendStage(10, targets, weights=dict(WEIGHTS), **more)


def test_terms_by_hand():
    batch, filled = a_batch()
    found = recipe.compute_losses(Given(filled), batch, WEIGHTS, stage())
    truth, mask = batch["truth"][:, R:], batch["mask"][:, R:]
    rec, psnr, raw, own, flow, steady = [], [], [], [], [], []
    for s in range(2):
        for k in range(3):
            gap = filled.outputs[s, k] - truth[s, k]
            count = 3 * mask[s, k].sum()
            rec.append((mask[s, k] * gap.abs()).sum() / count)
            psnr.append(((mask[s, k] * gap**2).sum() / count + 1e-4).log())
            raw.append(((mask[s, k] * (filled.raw[s, k] - truth[s, k]) ** 2).sum() / count + 1e-4).log())
            off, out = (filled.own[s, k] - truth[s, k]).abs(), 1 - mask[s, k]
            own.append((mask[s, k] * off).sum() / count + (out * off).sum() / (3 * out.sum()))
            if k:
                now, before = truth[s, k : k + 1], truth[s, k - 1 : k]
                pseudo, estimated = batch["flow"][s, k - 1 : k], filled.flows[s, k - 1 : k]
                back = temporal.warp_back(before, pseudo)
                sure = temporal.flow_confidence(now, back)
                first = (sure * (estimated - pseudo).abs()).mean()
                flow.append(first + (now - temporal.warp_back(before, estimated)).abs().mean())
                done = mask[s, k] * filled.outputs[s, k] + (1 - mask[s, k]) * truth[s, k]
                steady.append((temporal.occlusion_weight(now, back) * (done - back).abs()).mean())
    for name, values in zip(
        ("L_rec", "L_psnr", "L_raw", "L_own", "L_F", "L_W"), (rec, psnr, raw, own, flow, steady), strict=True
    ):
        expected = torch.stack([x.reshape(()) for x in values]).mean()
        torch.testing.assert_close(found.terms[name], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.completed, mask * filled.outputs + (1 - mask) * truth)


def test_a_binary_occlusion_counts_pixels_wholly_or_not_at_all():
    batch, filled = a_batch(2)
    found = recipe.compute_losses(Given(filled), batch, WEIGHTS, stage(2), binary_occlusion=True)
    gaps = []
    for s in range(2):
        truth, mask = batch["truth"][s, R : R + 2], batch["mask"][s, R : R + 2]
        back = temporal.warp_back(truth[:1], batch["flow"][s, :1])
        seen = (((truth[1:] - back) ** 2).sum(dim=1, keepdim=True) < 0.02).float()
        done = mask[1:] * filled.outputs[s, 1:] + (1 - mask[1:]) * truth[1:]
        gaps.append((seen * (done - back).abs()).mean())
    torch.testing.assert_close(found.terms["L_W"], torch.stack(gaps).mean())
    soft = recipe.compute_losses(Given(filled), batch, WEIGHTS, stage(2))
    assert not torch.isclose(found.terms["L_W"], soft.terms["L_W"])
    assert [name for name, preset in recipe.PRESETS.items() if preset.binary_occlusion] == ["paper"]


def test_the_network_sees_blanked_frames_up_to_the_last_target_of_the_stage():
    batch, filled = a_batch(2)
    model = Given(filled)
    parts = Parts(True, False, True)
    recipe.compute_losses(model, batch, WEIGHTS, stage(2, parts=parts))
    ((frames, masks, references, used),) = model.calls
    assert (references, used) == (R, parts)
    assert frames.shape[1] == masks.shape[1] == R + 2
    assert torch.equal(frames, (batch["truth"] * (1 - batch["mask"]))[:, : R + 2])


def test_terms_without_weight_or_without_a_second_target_are_left_out():
    batch, filled = a_batch(1)
    assert set(recipe.compute_losses(Given(filled), batch, WEIGHTS, stage(1)).terms) == {
        "L_rec",
        "L_psnr",
        "L_raw",
        "L_own",
    }
    batch, filled = a_batch(2)
    assert set(recipe.compute_losses(Given(filled), batch, {"L_rec": 1.0}, stage(2)).terms) == {"L_rec"}
    off = filled._replace(flows=filled.flows[:, :0], compositions=filled.compositions[:, :0])
    assert "L_F" not in recipe.compute_losses(Given(off), batch, WEIGHTS, stage(2)).terms


def test_half_of_the_steps_use_all_parts_and_the_rest_every_other_combination():
    preset = recipe.PRESETS["laptop"]
    late = preset.steps - 1
    task = registry.make_task("align_attend", preset)
    drawn = [task.choose(np.random.default_rng((0, 1, n)), late).parts for n in range(2000)]
    counts = {parts: drawn.count(parts) for parts in set(drawn)}
    assert len(counts) == 8
    assert counts[Parts()] == pytest.approx(1000, abs=100)
    assert all(count == pytest.approx(1000 / 7, abs=50) for parts, count in counts.items() if parts != Parts())
    again = [task.choose(np.random.default_rng((0, 1, n)), late).parts for n in range(50)]
    assert again == drawn[:50]
    first = task.choose(np.random.default_rng(0), 0)
    assert (first.parts, first.targets, first.name) == (recipe.NONE, 1, "synthesis")


@pytest.mark.parametrize("name", recipe.PRESETS)
def test_presets(name):
    preset = recipe.PRESETS[name]
    assert preset.config in CONFIGS
    assert [s.until for s in preset.stages] == sorted({s.until for s in preset.stages})
    assert preset.stages[-1].until == preset.steps
    assert preset.spec.count == R + preset.stages[-1].targets
    assert preset.stages[0].parts == recipe.NONE
    assert all(a.targets <= b.targets for a, b in pairwise(preset.stages))
    assert all(side % 8 == 0 for side in preset.spec.size)
    check_spec(preset.spec)
    json.dumps(asdict(preset), allow_nan=False)


def test_the_paper_s_numbers():
    paper = recipe.PRESETS["paper"]
    assert [s.targets for s in paper.stages] == [1, 6, 12, 18, 24]
    ends = [s.until for s in paper.stages]
    assert len({b - a for a, b in pairwise(ends)}) == 1, "each recursion as long as the others"
    assert (paper.peak, paper.betas, paper.batch) == (2e-4, (0.9, 0.999), 8)
    rates = [learning_rate(paper, step) for step in (0, ends[0], ends[1], ends[2], ends[3])]
    assert rates == pytest.approx([2e-4, 2e-4, 2e-5, 2e-6, 2e-7])
    assert all(set(s.weights) == {"L_rec", "L_F", "L_W", "L_adv"} for s in paper.stages[1:])


def test_training_from_an_estimator_that_knows_only_the_identity_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("VINPAINT_CACHE", str(tmp_path / "cache"))
    config = replace(CONFIGS["tiny"], head="regress", looks=0)
    monkeypatch.setitem(CONFIGS, "regressing", config)
    out, start = tmp_path / "run", tmp_path / "start.safetensors"

    def run(**options):
        options |= {"device": "cpu", "workers": 0, "overrides": {"config": "regressing", "checkpoint": 1}}
        return train.train(train.Training("align_attend", "tiny", out, **options))

    sentence = "--start, weights that `python -m data_scripts.pretrain_align_attend --config regressing` writes"
    with pytest.raises(UserError, match=sentence):
        run()
    model = AlignAttend(config)
    checkpoints.save_weights(model, start, {})
    with pytest.raises(UserError, match=sentence):
        run(start=start)
    model.net.estimator.regressor.last.weight.data.normal_(std=0.01)
    checkpoints.save_weights(model, start, {})
    run(start=start, stop_after=1)
    state = out / STATE
    with pytest.raises(UserError, match=sentence):
        run(resume=False)
    assert checkpoints.load_state(state)["step"] == 1, "a call that is refused removes nothing"
    run(stop_after=1)  # the state holds the weights that the run began with
    assert checkpoints.load_state(state)["step"] == 2


@pytest.mark.parametrize("name", recipe.PRESETS)
def test_presets_whose_estimator_begins_with_the_identity_need_a_start(name):
    preset = recipe.PRESETS[name]
    task = registry.make_task("align_attend", preset)
    if name in ("tiny", "laptop"):
        task.check_start(task.network())
    else:
        with pytest.raises(UserError, match="pretrain_align_attend --config paper"):
            task.check_start(task.network())


def test_targets_stand_behind_the_references_of_a_sample():
    preset = recipe.PRESETS["laptop"]
    task = registry.make_task("align_attend", preset)
    for seed in range(50):
        chosen = recipe.align_attend_training(32, np.random.default_rng(seed), preset.spec.count)
        targets = [chosen[place] for place in task.target_places(preset.stages[-1])]
        references = chosen[:R]
        assert targets == list(range(targets[0], targets[0] + 3))
        assert list(references) == sorted(set(references))
        assert not set(references) & set(targets)
    assert len(recipe.align_attend_training(8, np.random.default_rng(0), 8)) == 8
    with pytest.raises(UserError, match="longer"):
        recipe.align_attend_training(7, np.random.default_rng(0), 8)
    assert task.target_places(stage_at(preset.stages, 0)) == (R,)


@pytest.mark.parametrize(("t", "length", "options", "expected"), [
    (34, 95, {}, (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)),
    (30, 95, {"reach": 25}, (10, 20, 40, 50)),
    (30, 95, {"count": 3}, (20, 40, 90)),
    (3, 95, {"count": 1}, (0,)),
    (0, 1, {}, ()),
    (0, 2, {}, (1,)),
    (0, 9, {}, (2, 4, 6, 8)),
    (19, 20, {}, (0, 5, 10, 15)),
    (5, 21, {}, (0, 10, 20)),
])  # fmt: skip
def test_references_at_inference(t, length, options, expected):
    found = sliding_references(t, length, **options)
    if options.get("count") == 3:
        assert len(found) == 3
        assert 20 in found
        assert set(found) <= set(range(0, 95, 10))
    else:
        assert found == expected


def test_both_discriminators():
    torch.manual_seed(0)
    critic = ImageAndVideo(width=4).eval()  # in training every look turns the spectral norms a little further
    truth, made = torch.rand(2, 3, 3, 32, 32), torch.rand(2, 3, 3, 32, 32).requires_grad_()
    images, videos = critic.judge(truth)
    assert len(images) == 6
    assert len(videos) == 2
    assert critic(truth).item() == pytest.approx((images.mean() + videos.mean()).item(), abs=1e-6)
    assert generator_hinge(critic(truth)).item() == pytest.approx(-(images.mean() + videos.mean()).item(), abs=1e-6)
    loss = recipe.critic_loss(critic, truth, made)
    pairs = zip(critic.judge(truth), critic.judge(made), strict=True)
    assert loss.item() == pytest.approx(sum(critic_hinge(a, b).item() for a, b in pairs), abs=1e-4)
    loss.backward()
    assert made.grad is None
    assert all(p.grad is not None for p in critic.parameters())
    generator_hinge(critic(made)).backward()
    assert made.grad.abs().sum() > 0
    with pytest.raises(UserError, match="16x16"):
        ImagePatchDiscriminator(4)(torch.rand(1, 3, 15, 40))


def test_a_few_steps_learn_a_still_clip():
    """The hole moves, the picture does not. The affine estimator is untrained, so it is told that nothing moves."""
    torch.manual_seed(0)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 5), (32, 32), mode="bicubic").clamp(0, 1)
    truth = picture[:, None].expand(1, R + 3, 3, 32, 32)
    mask = torch.zeros(1, R + 3, 1, 32, 32)
    for k in range(R + 3):
        mask[:, k, :, 8:20, 3 * k : 3 * k + 10] = 1
    batch = {"truth": truth, "mask": mask, "flow": torch.zeros(1, 2, 2, 32, 32)}
    net = AlignAttendNet(replace(CONFIGS["tiny"], copy=False, camera=False))
    net.estimator.forward = lambda frame, *rest: torch.eye(2, 3).expand(1, rest[1].shape[1], 2, 3)
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=5e-3)
    course = []
    for _ in range(120):
        terms = recipe.compute_losses(net, batch, recipe.FIDELITY_WEIGHTS, stage(3)).terms
        loss = sum(recipe.FIDELITY_WEIGHTS[name] * term for name, term in terms.items())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        course.append(terms["L_rec"].item())
    assert course[-1] < 0.4 * course[0]
