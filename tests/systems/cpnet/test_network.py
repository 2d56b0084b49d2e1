"""CPNet's network: the released layout, context matching and alignment against loops, gradients, what a hole hides."""

import math

import pytest
import torch
from torch.nn import functional

from vinpaint_lib.systems.cpnet import layers
from vinpaint_lib.systems.cpnet.network import CONFIGS, Config, CPNetwork, enlarged

pytestmark = pytest.mark.slow

TINY = Config(width=2, side=32)
MEAN = torch.tensor([0.485, 0.456, 0.406])


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def made(config=TINY):
    torch.manual_seed(0)
    return CPNetwork(config)


def inputs(n=3, size=(32, 48)):
    masks, mask = torch.zeros(2, n, 1, *size), torch.zeros(2, 1, *size)
    mask[..., 8:20, 12:30] = 1
    masks[:, :, :, 4:12, 20:40] = 1
    return rand(2, 3, *size), mask, rand(2, n, 3, *size, seed=1), masks


def test_the_released_layout():
    """Counts of tensors and parameters, and shapes of each kind, as in the authors' file."""
    with torch.device("meta"):
        net = CPNetwork(Config())
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    assert len(shapes) == 72
    assert sum(p.numel() for p in net.parameters()) == 21_631_385
    parts = {"A_Encoder": 1_740_160, "A_Regressor": 14_161_926, "Encoder": 412_416, "Decoder": 5_316_883}
    assert {name: sum(p.numel() for p in getattr(net, name).parameters()) for name in parts} == parts
    wanted = {
        "mean": (1, 3, 1, 1),
        "mean3d": (1, 3, 1, 1, 1),
        "A_Encoder.std": (1, 3, 1, 1),
        "A_Encoder.conv12.conv.0.weight": (64, 4, 5, 5),
        "A_Regressor.conv6b.conv.0.weight": (512, 512, 3, 3),
        "A_Regressor.fc.weight": (6, 512),
        "Encoder.value3.conv.0.bias": (128,),
        "Decoder.convA4_4.conv.0.weight": (257, 257, 3, 3),
        "Decoder.conv21.conv.0.weight": (3, 64, 5, 5),
    }
    assert wanted.items() <= shapes.items()


def test_context_matching_is_the_paper_s_formula_place_by_place():
    b, n, c, h, w = 2, 3, 4, 5, 6
    ours, theirs = rand(b, c, h, w) - 0.5, rand(b, n, c, h, w, seed=1) * 4 - 2
    known, visible = (rand(b, 1, h, w, seed=2) > 0.3).float(), (rand(b, n, 1, h, w, seed=3) > 0.5).float()
    visible[1, 2] = 0  # shows nothing at all
    found = layers.similarities(ours, theirs, known, visible)
    share = layers.shares(found, visible)
    for i in range(b):
        g = []
        for r in range(n):
            total = count = 0.0
            for y in range(h):
                for x in range(w):
                    both = float(known[i, 0, y, x] * visible[i, r, 0, y, x])
                    total += both * float(sum(ours[i, k, y, x] * theirs[i, r, k, y, x] for k in range(c)))
                    count += both
            g.append(total / (c * count) if count else 0.0)
        assert found[i].tolist() == pytest.approx(g, abs=1e-5)
        for y in range(h):
            for x in range(w):
                top = [float(visible[i, r, 0, y, x]) * math.exp(g[r]) for r in range(n)]
                expected = [each / sum(top) if sum(top) else 0.0 for each in top]
                assert share[i, :, 0, y, x].tolist() == pytest.approx(expected, abs=1e-5)


def test_a_reference_that_is_shifted_comes_back_onto_the_target():
    """out(x) = reference(theta x): a shift by 3 pixels, the mean colour where it shows nothing, black as released."""
    _, _, references, masks = inputs(1)
    width = masks.shape[-1]
    theta = torch.tensor([[1.0, 0, 2 * 3 / (width - 1)], [0, 1.0, 0]]).expand(2, 1, 2, 3)
    for config, outside in ((TINY, MEAN), (Config(width=2, side=32, as_released=True), torch.zeros(3))):
        net = made(config)
        aligned = net.align(net.blanked(references, masks), masks, theta)
        inside, gone = aligned.frames[:, 0, :, :, : width - 3], masks[:, 0, :, :, 3:]
        expected = references[:, 0, :, :, 3:] * (1 - gone) + MEAN[:, None, None] * gone
        torch.testing.assert_close(inside, expected, atol=2e-4, rtol=0)
        assert torch.equal(aligned.visible[:, 0, :, :, : width - 3], 1 - gone)
        assert not aligned.visible[..., width - 2 :].any()
        last = aligned.frames[:, 0, :, :, width - 2 :]
        torch.testing.assert_close(last, outside[:, None, None].expand_as(last), atol=1e-6, rtol=0)


def test_before_training_the_map_is_the_first_map():
    target, mask, references, masks = inputs()
    net = made()
    identity = torch.eye(2, 3).expand(2, 3, 2, 3)
    assert torch.equal(net.maps(target, mask, references, masks), identity)
    start = identity + 0.1 * rand(2, 3, 2, 3)
    torch.testing.assert_close(net.maps(target, mask, references, masks, start), start, atol=1e-6, rtol=0)


def test_the_slips_of_the_released_code(monkeypatch):
    """Two layers are used twice and two never; references are given what they show where the target is given holes."""
    target, mask, references, masks = inputs()
    for released in (False, True):
        net = made(Config(width=2, side=32, as_released=released))
        calls = []
        for name in ("conv5a", "conv5b", "conv6a", "conv6b"):
            part = getattr(net.A_Regressor, name)
            part.register_forward_hook(lambda *_, name=name, calls=calls: calls.append(name))
        planes = []
        net.Encoder.register_forward_hook(lambda _, given, __, planes=planes: planes.append(given[1]))
        pasted = net(target, mask, references, masks)
        last = ["conv5a", "conv5b"] if released else ["conv6a", "conv6b"]
        assert calls == ["conv5a", "conv5b", *last]
        visible = pasted.aligned.visible.flatten(0, 1)
        assert torch.equal(planes[0], mask)
        assert torch.equal(torch.cat(planes[1:]), visible if released else 1 - visible)


def test_what_lies_under_holes_is_not_read():
    target, mask, references, masks = inputs()
    net = made()
    found = net(target, mask, references, masks).frame
    other = net(target * (1 - mask) + mask, mask, references * (1 - masks) + masks, masks).frame
    assert torch.equal(found, other)


@pytest.mark.parametrize("config", [TINY, CONFIGS["tiny"], Config(width=2, side=32, as_released=True)])
def test_gradients_reach_every_parameter_but_those_that_the_released_code_never_uses(config):
    target, mask, references, masks = inputs()
    net = made(config)
    # The last layers begin at zero, and stop gradients on the first step.
    torch.nn.init.normal_(net.A_Regressor.fc.weight, std=0.01)
    torch.nn.init.normal_(net.Decoder.conv21.weight, std=0.1)
    pasted = net(target, mask, references, masks)
    (pasted.frame.square().mean() + pasted.aligned.frames.square().mean()).backward()
    without = {name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    unused = {f"A_Regressor.conv6{each}.conv.0.{kind}" for each in "ab" for kind in ("weight", "bias")}
    assert without == (unused if config.as_released else set())


def test_an_untrained_network_with_a_copy_path_gives_what_it_copies():
    target, mask, references, masks = inputs()
    pasted = made(CONFIGS["tiny"])(target, mask, references, masks)
    assert pasted.copied is not None
    assert torch.equal(pasted.frame, pasted.copied)
    seen = pasted.aligned.visible.amax(dim=1) > 0
    assert not seen.all()
    unseen = pasted.copied.movedim(1, -1)[~seen[:, 0]]
    torch.testing.assert_close(unseen, MEAN.expand_as(unseen), atol=1e-5, rtol=0)
    one = pasted.aligned.visible.sum(dim=1) == 1
    if one.any():
        only = (pasted.aligned.frames * pasted.aligned.visible).sum(dim=1)
        where = one.expand(-1, 3, -1, -1)
        torch.testing.assert_close(pasted.copied[where], only[where], atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", [TINY, CONFIGS["tiny"]])
def test_without_references_everything_is_missing(config):
    target, mask, references, masks = inputs()
    pasted = made(config)(target, mask, references[:, :0], masks[:, :0])
    assert torch.isfinite(pasted.frame).all()
    assert (pasted.missing == 1).all()
    assert (enlarged(pasted.missing, (32, 48)) == 1).all()


def test_features_are_the_same_one_by_one_and_together():
    """At inference they are computed a few references at a time."""
    target, mask, references, masks = inputs(11)
    net = made()
    together = net(target, mask, references, masks).frame
    with torch.no_grad():
        torch.testing.assert_close(net(target, mask, references, masks).frame, together, atol=1e-5, rtol=1e-5)


def test_visibility_is_shrunk_by_halves():
    visible = (rand(1, 2, 1, 8, 8) > 0.5).float()
    small = layers.shrunk(visible, (2, 2))
    for n in range(2):
        expected = functional.interpolate(visible[:, n], (2, 2), mode="bilinear", align_corners=False) > 0.5
        assert torch.equal(small[:, n] > 0, expected)
