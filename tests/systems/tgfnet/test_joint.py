"""Joint training of alignment and network: samples of whole frames, and a step that is what inference does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file

from vinpaint_lib import checkpoints, train
from vinpaint_lib.bench.waits import Waits
from vinpaint_lib.checkpoints import read_provenance
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Window
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.tgfnet import groups, joint, recipe
from vinpaint_lib.systems.tgfnet.joint import Joint, WholeSpec
from vinpaint_lib.systems.tgfnet.model import OFFSETS, TGFNet
from vinpaint_lib.systems.tgfnet.network import CONFIGS
from vinpaint_lib.training.loop import WEIGHTS
from vinpaint_lib.training.pools import opened

pytestmark = pytest.mark.slow

SPEC = WholeSpec(crop=(64, 96), height=(64, 80), length=12, count=5, inner=40, holes={"blob": 0.5, "moving blob": 0.5})
PRESET = replace(recipe.FURTHER["laptop-learned"], spec=SPEC, groups=(2, 3), blocks=2, batch=2)
TASK = registry.make_task("tgfnet", PRESET)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A packed sample of two references."""
    pool = TASK.pool(parse_source("toy"), tmp_path_factory.mktemp("blocks"), 0)
    return TASK.sample(pool, np.random.default_rng(1), (2, False), 2)


def trained_model(**options) -> TGFNet:
    """The small network for joint training, with the weights that ship."""
    model = TGFNet(replace(CONFIGS["small-learned"], **options))
    checkpoints.load_weights(model, registry.SHIPPED["tgfnet"])
    return model


def given(batch):
    return batch["truth"] * (1 - batch["mask"]), batch["mask"], *(batch[name] for name in recipe.WHOLE)


@pytest.mark.parametrize("length, count", [(45, 13), (12, 5), (6, 6)])
def test_references_stand_where_inference_takes_them(length, count):
    allowed = {side * distance for distance in OFFSETS for side in (-1, 1)}
    for seed in range(20):
        target, *others = joint.with_references(length, np.random.default_rng(seed), count)
        assert len({target, *others}) == count
        assert all(0 <= i < length for i in others)
        apart = [abs(i - target) for i in others]
        assert apart == sorted(apart)
        there = [i for i in range(length) if i - target in allowed]
        assert set(others) <= set(there) or set(there) <= set(others)


def test_a_sample_is_cut_around_the_hole_and_holds_nothing_of_the_truth_under_holes(packed):
    left, top = packed["place"][0].int().tolist()
    cut = (..., slice(top, top + SPEC.inner), slice(left, left + SPEC.inner))
    assert packed["frames"].shape == (1, 3, 3, 64, 96)
    assert torch.equal(packed["mask"], packed["holes"][:, 0][cut])
    assert packed["mask"].any()
    known = (~packed["mask"]).expand_as(packed["truth"])
    assert torch.equal(packed["frames"][:, 0][cut][known], packed["truth"][known])
    assert not packed["frames"][packed["holes"].expand_as(packed["frames"])].any()


def test_what_lies_under_holes_changes_nothing_that_the_networks_see(packed):
    rng = torch.Generator().manual_seed(0)
    truth = torch.randint(256, (1, 3, 3, 64, 96), generator=rng).byte()
    holes = packed["holes"]
    noise = torch.randint(256, truth.shape, generator=rng).byte()
    other = torch.where(holes, noise, truth)
    one, two = (
        joint.with_crop({"truth": x, "mask": holes}, np.random.default_rng(0), SPEC.inner) for x in (truth, other)
    )
    assert not torch.equal(one["truth"], two["truth"])
    assert all(torch.equal(one[name], two[name]) for name in ("frames", "holes", "mask", "guess", "place"))


def test_a_step_sees_the_references_of_inference(packed):
    """The references, their trust and the guess of the crop, as `align_whole` and `guess` give them at inference."""
    batch = opened(packed)
    model = trained_model(references=2).eval()
    with torch.no_grad():
        found = Joint(model).inputs(*given(batch))
        # Inference sees the same three frames as a clip: the target in the middle, references at -2 and +2.
        order, holes = [1, 0, 2], batch["holes"][0]
        window = Window((0, 2, 4), batch["frames"][0][order], holes[order], torch.zeros_like(holes))
        left, top = batch["place"][0].int().tolist()
        box = Box(top, top + SPEC.inner, left, left + SPEC.inner)
        want = model.align_whole("learned", window, 2, box)
        known = batch["frames"][0, 0][:, *box.slices]
        spare = groups.guess(known, holes[0][:, *box.slices], want)
    same = found.trust[0, :2] - want.trust
    assert (same.abs() > 1e-3).float().mean() < 2e-3  # a pixel at the rim of a hole may fall on either side of it
    both = (found.trust[0, :2] > 0) & (want.trust > 0)
    gap = ((found.references[0, :2] - want.frames) * both).abs()
    assert gap.max() < 2e-3
    seen = want.trust.amax(0) > 0
    assert ((found.references[0, 2] - spare.frames[0]) * seen).abs().mean() < 1e-3


def test_losses_reach_the_aligner_and_the_network(packed):
    batch = opened(packed)
    model = trained_model()
    part = TASK.trained(model)
    assert isinstance(part, Joint)
    terms = TASK.losses(part, batch, PRESET.weights, (2, False)).terms
    assert set(terms) == {"L_py", "L_psnr", "L_align"}
    terms["L_align"].backward(retain_graph=True)
    learnt = {name: p.grad for name, p in model.affine.named_parameters() if name != "gate"}
    assert all(grad is not None and torch.isfinite(grad).all() for grad in learnt.values())
    assert learnt["encoder.quarter.0.weight"].abs().sum() > 0
    assert learnt["encoder.eighth.0.weight"].abs().sum() > 0
    assert all(p.grad is None for p in model.net.parameters())
    assert model.affine.gate.grad is None
    terms["L_py"].backward()
    assert all(p.grad is not None for p in model.net.parameters())


def test_a_step_does_not_wait_for_the_device(packed):
    batch, part = opened(packed), TASK.trained(trained_model())
    with Waits() as waits:
        TASK.losses(part, batch, PRESET.weights, (2, False))
    assert waits.total == 0, waits.counts


def test_a_step_down_the_gradient_of_l_align_aligns_better(packed):
    batch = opened(packed)
    model = trained_model()
    part = TASK.trained(model)
    terms = []
    for _ in range(2):
        loss = TASK.losses(part, batch, {"L_align": 1.0}, (2, False)).terms["L_align"]
        terms.append(loss.item())
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            norm = sum(p.grad.square().sum() for p in model.affine.parameters() if p.grad is not None).sqrt()
            for p in model.affine.parameters():
                if p.grad is not None:
                    p -= 2e-3 * p.grad / norm
    assert terms[1] < terms[0]


def test_weights_without_a_trained_alignment_are_refused():
    with pytest.raises(UserError, match="give --start"):
        TASK.check_start(TGFNet(CONFIGS["small-learned"]))
    TASK.check_start(trained_model())


def test_a_run_trains_both_and_its_weights_are_those_of_the_variant(tmp_path, monkeypatch):
    monkeypatch.setenv("VINPAINT_CACHE", str(tmp_path / "cache"))
    overrides = {"spec": SPEC, "groups": (2, 3), "blocks": 2, "validate": 2}
    start = registry.SHIPPED["tgfnet"]
    asked = train.Training(
        "tgfnet", "laptop-learned", tmp_path / "run", steps=2, start=start, device="cpu", workers=0, overrides=overrides
    )
    found = train.train(replace(asked, data="toy", held_back=("coffee",)))
    assert found == tmp_path / "run" / WEIGHTS
    before, after = (load_file(path) for path in (start, found))
    for part in ("affine.encoder.quarter.0.weight", "net.tail_out.weight"):
        assert not torch.equal(before[part], after[part])
    assert torch.equal(before["affine.gate"], after["affine.gate"])
    model = registry.build("tgfnet-learned", found)
    assert (model.config.closer, model.config.agreement, model.config.references) == ((160, 224, 224), True, 12)
    assert read_provenance(found)["config_name"] == "small-learned"


def test_the_most_trusted_reference_is_the_guess():
    target, smooth = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.9)
    mask = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    shown = torch.stack([torch.full((1, 3, 2, 2), 0.1), torch.full((1, 3, 2, 2), 0.2)], dim=1)
    trust = rearrange(torch.tensor([[0.5, 0.3, 0.0, 0.5], [0.4, 0.6, 0.0, 0.5]]), "n (h w) -> 1 n 1 h w", h=2)
    found = joint.best_shown(target, mask, shown, trust, smooth)
    assert torch.equal(found[0, 0], torch.tensor([[0.1, 0.2], [0.9, 0.0]]))
