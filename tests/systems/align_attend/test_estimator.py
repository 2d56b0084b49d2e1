"""Align-and-Attend's estimator: correlation and softmax against loops, both heads, its losses, its pretraining."""

import math

import pytest
import skimage.data
import torch
from einops import rearrange
from torch.nn import functional

from data_scripts import pretrain_align_attend
from vinpaint_lib import checkpoints
from vinpaint_lib.alignment import affine, pair_losses as matching_losses
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.alignment.matching import NEVER
from vinpaint_lib.alignment.pairs import make_pairs
from vinpaint_lib.systems.align_attend import estimator_losses as recipe
from vinpaint_lib.systems.align_attend.estimator import AffineCorrelation, masked_cosine, softmax_over_reference
from vinpaint_lib.systems.align_attend.model import AlignAttend
from vinpaint_lib.systems.align_attend.network import CONFIGS

SIZE = (32, 56)


def estimator(head="fit", looks=1):
    torch.manual_seed(0)
    return AffineCorrelation(size=SIZE, channels=(4, 8, 8), looks=looks, head=head)


def a_pair(b=2):
    photo = rearrange(torch.from_numpy(skimage.data.astronaut()), "h w c -> 1 c h w").float() / 255
    photos = functional.interpolate(photo, (80, 120), mode="bilinear", antialias=True).expand(b, -1, -1, -1)
    return make_pairs(photos, SIZE, torch.Generator().manual_seed(0))


def test_the_correlation_equals_a_loop():
    one, other = torch.randn(2, 3, 2, 4), torch.randn(2, 3, 2, 4)
    seen, other_seen = (torch.rand(2, 8) > 0.3).float(), (torch.rand(2, 8) > 0.3).float()
    found = masked_cosine(one, other, seen, other_seen)
    for s in range(2):
        a, b = (x[s].flatten(1).T for x in (one, other))
        a = a - a[seen[s] > 0].mean(0)
        b = b - b[other_seen[s] > 0].mean(0)
        for i in range(8):
            for j in range(8):
                cosine = float(a[i] @ b[j] / (a[i].norm() * b[j].norm())) if seen[s, i] and other_seen[s, j] else 0.0
                assert found[s, i, j].item() == pytest.approx(cosine, abs=1e-5)


def test_the_softmax_leaves_hidden_reference_cells_out():
    logits, seen = torch.randn(2, 3, 5), torch.tensor([[1.0, 0, 1, 0, 1], [0, 0, 0, 0, 0]])
    shares = softmax_over_reference(logits, seen)
    torch.testing.assert_close(shares[0].sum(-1), torch.ones(3))
    assert shares[0][:, seen[0] == 0].abs().max() == 0
    torch.testing.assert_close(shares[0][:, 2], logits[0, :, 2].exp() / logits[0][:, [0, 2, 4]].exp().sum(-1))
    assert shares[1].abs().max() == 0


@pytest.mark.parametrize("head", ["fit", "regress"])
def test_what_is_under_holes_cannot_matter(head):
    net = estimator(head).eval()
    if head == "regress":
        net.regressor.last.weight.data.normal_(std=0.05)
    target, reference = torch.rand(1, 3, 48, 64), torch.rand(1, 2, 3, 48, 64)
    mask, masks = torch.zeros(1, 1, 48, 64), torch.zeros(1, 2, 1, 48, 64)
    mask[..., 10:30, 20:40] = 1
    masks[:, 0, :, :20] = 1
    theta = net(target, mask, reference, masks)
    assert theta.shape == (1, 2, 2, 3)
    assert (theta[0, 0] - theta[0, 1]).abs().max() > 1e-6
    other = torch.where(mask > 0, 1 - target, target), torch.where(masks > 0, 1 - reference, reference)
    assert torch.equal(net(other[0], mask, other[1], masks), theta)


def test_the_regressor_starts_with_the_identity_and_reads_the_shares():
    net = estimator("regress", looks=0)
    pair = a_pair()
    theta = net(pair.target, pair.target_mask, pair.reference[:, None], pair.reference_mask[:, None])
    assert torch.allclose(theta[:, 0], affine.identity(2, theta), atol=1e-6)
    terms = recipe.losses(net, pair, torch.Generator().manual_seed(0))
    for name in ("grid", "parameters"):
        (gradient,) = torch.autograd.grad(terms[name], net.regressor.last.weight, retain_graph=True)
        assert gradient.abs().sum() > 0, name
    assert net.only_identity()
    net.regressor.last.weight.data.normal_(std=0.05)
    assert not net.only_identity()
    assert not estimator("fit").only_identity()


@pytest.mark.parametrize("bias", [0.0, 0.3, -0.3])
@pytest.mark.parametrize("head", ["fit", "regress"])
def test_without_second_looks_the_losses_judge_the_map_that_the_network_gives(head, bias):
    net, pair = estimator(head, looks=0), a_pair()
    if head == "regress":
        net.regressor.last.bias.data.fill_(bias)
    terms = recipe.losses(net, pair, torch.Generator().manual_seed(0))
    assert set(terms) == {"grid", "cells", "belief", "parameters"}
    theta = net(pair.target, pair.target_mask, pair.reference[:, None], pair.reference_mask[:, None])
    theta = affine.corners_to_edges(theta[:, 0], *SIZE)
    gaps = (theta - matching_losses.fit_known(pair.motion, SIZE)).abs()
    assert terms["parameters"].item() == pytest.approx(gaps.mean().item(), rel=1e-4)
    far = matching_losses.distance(theta, pair.motion, SIZE).tolist()
    assert terms["grid"].item() == pytest.approx(sum(math.log1p(gap / 10) for gap in far) / len(far), rel=1e-4)


def test_with_a_second_look_the_losses_judge_that():
    """A pair whose first look is near enough to go on from: "grid" is of the second, "coarse grid" of the first."""
    net, pair = estimator(looks=1), a_pair()
    still = pair._replace(reference=pair.target, reference_mask=pair.target_mask, motion=torch.eye(3).repeat(2, 1, 1))
    terms = matching_losses.losses(net, still, torch.Generator().manual_seed(0))
    assert set(terms) == set(matching_losses.WEIGHTS)
    for looks, name, scale in ((1, "grid", 10), (0, "coarse grid", 20)):
        net.looks = looks
        theta = net(still.target, still.target_mask, still.reference[:, None], still.reference_mask[:, None])
        far = matching_losses.distance(affine.corners_to_edges(theta[:, 0], *SIZE), still.motion, SIZE).tolist()
        assert max(far) < 12
        expected = sum(math.log1p(gap / scale) for gap in far) / len(far)
        assert terms[name].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", [AffineCorrelation, LearnedAffine])
def test_cells_with_less_than_half_of_their_pixels_are_hidden(kind):
    torch.manual_seed(0)
    net = kind(size=SIZE, channels=(4, 8, 8))
    hidden = torch.zeros(1, 1, *SIZE)
    hidden[..., 0:5, 0:8] = 1  # three rows of eight of cell 0 are left
    hidden[..., 0:4, 8:16] = 1  # four of cell 1
    none, features = torch.zeros_like(hidden), torch.randn(2, 1, 8, 4, 7)
    net.evidence.data[0] = torch.tensor([0.0, 1.0, 0.0, 0.0])  # confidence is what the way back says
    not_found = net.first_look(*features, none, hidden)
    assert (not_found.logits[0, :, 0] == NEVER).all()
    assert (not_found.logits[0, :, 1:] > NEVER).all()
    no_vote = net.first_look(*features, hidden, none)
    assert no_vote.visible[0, :3].tolist() == [0, 0.5, 1]
    for i in range(1, 28):  # a match is asked back among all target cells but the hidden one
        best = no_vote.logits[0, i].argmax()
        rivals = torch.stack([no_vote.logits[0, k, best] for k in range(1, 28)])
        share = rivals[i - 1].exp() / rivals.exp().sum()
        assert no_vote.confidence[0, i].item() == pytest.approx((share / (1 + share)).item(), rel=1e-4)


@pytest.mark.parametrize("hidden", ["target", "reference"])
@pytest.mark.parametrize("head", ["fit", "regress"])
def test_nothing_to_match_gives_the_identity(hidden, head):
    net, pair = estimator(head), a_pair()
    mask, other = torch.zeros_like(pair.target_mask), torch.zeros_like(pair.reference_mask)
    (mask if hidden == "target" else other).fill_(1)
    theta = net(pair.target, mask, pair.reference[:, None], other[:, None])
    assert torch.allclose(theta[:, 0], affine.identity(2, theta), atol=1e-5)


def test_an_unknown_head_is_refused():
    with pytest.raises(ValueError, match="regress"):
        estimator("guess")


def test_the_losses_are_those_of_the_matches_and_the_distance_of_parameters():
    net, pair = estimator(), a_pair()
    terms = recipe.losses(net, pair, torch.Generator().manual_seed(3))
    same = matching_losses.losses(net, pair, torch.Generator().manual_seed(3))
    assert set(terms) == set(recipe.WEIGHTS) == {*same, "parameters"}
    assert all(torch.equal(terms[name], same[name]) for name in same)
    theta = torch.tensor([[[1.0, 0.2, 0.0], [0.0, 1.0, -0.4]]])
    assert recipe.parameter_distance(theta, affine.identity(1, theta)).item() == pytest.approx(0.1)


def test_the_script_writes_weights_that_training_begins_with(tmp_path, monkeypatch, capsys):
    pictures = torch.randint(0, 255, (4, 3, 80, 120), dtype=torch.uint8)
    given = pictures, [pictures], {"held": pictures}
    monkeypatch.setattr(pretrain_align_attend, "read_all", lambda *args: given)
    out = tmp_path / "start.safetensors"
    command = ["--clips", "c", "--photos", "p", "--out", str(out), "--config", "tiny", "--steps", "3", "--batch", "2"]
    pretrain_align_attend.main(command)
    assert "held: residual" in capsys.readouterr().out
    torch.manual_seed(0)
    drawn, model = AlignAttend(CONFIGS["tiny"]), AlignAttend(CONFIGS["tiny"])
    found = checkpoints.load_weights(model, out)
    assert (found["model"], found["config_name"]) == ("align_attend", "tiny")
    assert (found["estimator"]["steps"], found["estimator"]["masks"]) == (3, "blobs")
    for name, value in model.state_dict().items():
        trained = name.startswith("net.estimator.") and not name.endswith("gate")
        assert torch.equal(value, drawn.state_dict()[name]) != trained, name
    alone = AffineCorrelation(size=SIZE, channels=(4, 8, 8), looks=1)
    checkpoints.load_weights(alone, out.with_suffix(".estimator.safetensors"))
    assert all(torch.equal(value, model.net.estimator.state_dict()[name]) for name, value in alone.state_dict().items())
    assert not any(p.requires_grad for p in model.net.estimator.parameters())


@pytest.mark.parametrize(("config", "given", "expected"), [
    ("paper", [], "irregular"),
    ("paper", ["--masks", "blobs"], "blobs"),
    ("small", [], "blobs"),
    ("tiny", ["--masks", "irregular"], "irregular"),
])  # fmt: skip
def test_the_paper_has_irregular_masks_and_a_word_decides(tmp_path, monkeypatch, config, given, expected):
    plans = []
    monkeypatch.setattr(pretrain_align_attend, "read_all", lambda *args: (None, [], {}))
    monkeypatch.setattr(pretrain_align_attend, "pretrain", lambda *args, **more: plans.append(args[4]))
    out = tmp_path / "start.safetensors"
    pretrain_align_attend.main(["--clips", "c", "--photos", "p", "--out", str(out), "--config", config, *given])
    assert [plan.masks for plan in plans] == [expected]
    assert checkpoints.read_provenance(out)["estimator"]["masks"] == expected
