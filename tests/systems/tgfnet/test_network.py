"""TGF-Net behind the alignment: every configuration and ablation, what may and may not reach the output."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vinpaint_lib.systems.tgfnet.network import CONFIGS, Config, FusionNet

SMALL = CONFIGS["small"]
# The paper's structure (three streams of 3, 5, 7, five convolutions, no copy path), fewer channels.
THIN_PAPER = replace(CONFIGS["paper"], channels=(6, 8, 10), widths=(6, 8, 10), tail=6)
THIN_SMALL = replace(SMALL, channels=(6, 8, 10), widths=(4, 4, 4), tail=6)
# What the switches of a configuration leave out.
ABLATIONS = {
    "full": {},
    "without alignment": {"align": ("none",)},
    "without attention": {"attention": False},
    "without grouping": {"grouping": False},
    "single stream": {"sizes": (3,)},
    "single scale": {"scales": (2,)},
    "without feedback": {"feedback": "off"},
}


def build(config: Config, seed: int = 0) -> FusionNet:
    torch.manual_seed(seed)
    net = FusionNet(config)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.05)
    return net


def case(b: int = 2, n: int = 3, h: int = 24, w: int = 32, seed: int = 1) -> dict[str, Tensor]:
    """A batch with a hole, and references that are trusted in part; some pixels no reference shows."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    mask = torch.zeros(b, 1, h, w)
    mask[..., 5:17, 9:22] = 1
    trust = rand(b, n, 1, h, w) * (rand(b, n, 1, h, w) > 0.4)
    trust[..., 8:11, 12:15] = 0
    return {"target": rand(b, 3, h, w), "mask": mask, "references": rand(b, n, 3, h, w), "trust": trust}


def names_of(config: Config) -> str:
    return {SMALL: "small", THIN_PAPER: "thin paper", THIN_SMALL: "thin small"}.get(config, "?")


# Shapes and sizes


@pytest.mark.parametrize("config", [SMALL, THIN_PAPER], ids=names_of)
@pytest.mark.parametrize("size", [(24, 32), (8, 8)])
def test_shapes(config, size):
    h, w = size
    mask = torch.zeros(2, 1, h, w)
    mask[..., 2:5, 3:6] = 1
    with torch.no_grad():
        result = build(config)(torch.rand(2, 3, h, w), mask, torch.rand(2, 5, 3, h, w), torch.ones(2, 5, 1, h, w))
    assert result.frame.shape == (2, 3, h, w)
    assert [tuple(head.shape) for head in result.heads] == [(2, 3, h // s, w // s) for s in (2, 4, 8)]
    assert [tuple(score.shape) for score in result.scores] == [(2, 5, 1, h // s, w // s) for s in (2, 4, 8)]
    if config.copy:
        assert result.weights.shape == (2, 5, 1, h, w)
        assert result.copied.shape == (2, 3, h, w)
    else:
        assert result.weights is None
        assert result.copied is None


def by_hand(channels: tuple[int, ...]) -> int:
    """Three streams of a k x k x 2 and five k x k convolutions, then 3C -> C, as the paper has them."""
    streams = [(2 * k * k * c * c + c) + 5 * (k * k * c * c + c) for c in channels for k in (3, 5, 7)]
    return sum(streams) + sum(3 * c * c + c for c in channels)


def test_numbers_of_parameters():
    assert 1.5e6 < sum(p.numel() for p in FusionNet(SMALL).parameters()) < 4.5e6
    assert sum(p.numel() for p in FusionNet(THIN_PAPER).groups.parameters()) == by_hand(THIN_PAPER.channels)
    # At the paper's width that is too much to ship, hence `small`.
    assert 50e6 < by_hand(CONFIGS["paper"].channels) < 51e6


@pytest.mark.parametrize("config", [SMALL, THIN_PAPER], ids=names_of)
def test_the_number_of_groups_is_free_and_their_order_does_not_matter(config):
    net, inputs = build(config), case(n=4)
    order = [2, 0, 3, 1]
    shuffled = inputs | {key: inputs[key][:, order] for key in ("references", "trust")}
    with torch.no_grad():
        first, second = net(**inputs), net(**shuffled)
        for n in (1, 7):
            assert torch.isfinite(net(**case(n=n)).frame).all()
    assert torch.allclose(first.frame, second.frame, atol=1e-5)
    for a, b in zip(first.scores, second.scores):
        assert torch.allclose(a[:, order], b, atol=1e-5)


def test_the_same_reference_twice_is_the_reference_once():
    net, once = build(SMALL), case(n=1)
    twice = once | {key: once[key].repeat(1, 3, 1, 1, 1) for key in ("references", "trust")}
    with torch.no_grad():
        assert torch.allclose(net(**once).frame, net(**twice).frame, atol=1e-5)


# Gradients


@pytest.mark.parametrize("config", [SMALL, THIN_PAPER], ids=names_of)
def test_gradient_reaches_every_parameter(config):
    net = build(config)
    result = net(**case())
    (result.frame.square().sum() + sum(head.square().sum() for head in result.heads)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # The bias of the scores cancels in their softmax; it is the only one that may stay where it is.
        if not name.endswith("score.bias"):
            assert parameter.grad.abs().sum() > 0, name


def test_the_copy_path_trains_the_attention_even_without_the_rest():
    net = build(SMALL)
    inputs = case()
    net(**inputs).copied.square().sum().backward()
    assert net.attention["0"].score.weight.grad.abs().sum() > 0
    assert net.encoder.stages[0][0].weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.tail.parameters())


# Ablations


@pytest.mark.parametrize("base", [THIN_SMALL, THIN_PAPER], ids=names_of)
@pytest.mark.parametrize("name", ABLATIONS)
def test_every_ablation_runs_and_trains(base, name):
    config = replace(base, **ABLATIONS[name])
    net = build(config)
    n = config.references if not config.grouping else 3
    result = net(**case(n=n))
    assert torch.isfinite(result.frame).all()
    assert len(result.heads) == len(config.scales)
    assert len(result.scores) == (len(config.scales) if config.grouping else 0)
    (result.frame.square().sum() + sum(head.square().sum() for head in result.heads)).backward()
    idle = {key.rsplit(".", 2)[0] for key, p in net.named_parameters() if p.grad is None}
    # With one scale the coarser stages of the encoder are there and not used.
    expected = {"encoder.stages.1", "encoder.stages.2"} if name == "single scale" else set()
    assert idle == expected


def test_ablations_change_what_they_name():
    def modules(name: str) -> str:
        return str(build(replace(THIN_SMALL, **ABLATIONS[name])))

    assert "TemporalAttention" in modules("full")
    assert "TemporalAttention" not in modules("without attention")
    assert "GroupMean" in modules("without attention")
    assert modules("without grouping").count("AllFramesFusion") == 3
    assert "Stream" not in modules("without grouping")
    assert modules("full").count("): Stream(") == 9
    assert modules("single stream").count("): Stream(") == 3
    assert modules("single scale").count("IntraGroupFusion") == 1
    # These two are switches of the walk, not of the network.
    for name in ("without alignment", "without feedback"):
        assert modules(name) == modules("full")
    assert replace(SMALL, **ABLATIONS["without alignment"]).align == ("none",)
    assert replace(SMALL, **ABLATIONS["without feedback"]).feedback == "off"


def test_without_attention_all_trusted_groups_count_alike():
    net, inputs = build(replace(THIN_SMALL, attention=False)), case(n=4)
    inputs["trust"] = (inputs["trust"] > 0).float()
    with torch.no_grad():
        weights = net(**inputs).weights
    shown = inputs["trust"].sum(dim=1, keepdim=True)
    assert torch.allclose(weights, inputs["trust"] / shown.clamp(min=1), atol=1e-6)


def test_without_grouping_the_number_of_references_is_fixed():
    net = build(replace(THIN_SMALL, grouping=False, references=3))
    with pytest.raises(ValueError, match="built for 3 references, got 4"):
        net(**case(n=4))


# What may reach the output


@pytest.mark.parametrize("config", [SMALL, THIN_PAPER], ids=names_of)
def test_nothing_under_the_hole_or_without_trust_reaches_the_output(config):
    net, inputs = build(config), case()
    changed = dict(inputs)
    changed["target"] = torch.where(inputs["mask"] > 0, torch.rand(2, 3, 24, 32), inputs["target"])
    changed["references"] = torch.where(inputs["trust"] > 0, inputs["references"], torch.rand(2, 3, 3, 24, 32))
    assert not torch.equal(changed["target"], inputs["target"])
    assert not torch.equal(changed["references"], inputs["references"])
    with torch.no_grad():
        before, after = net(**inputs), net(**changed)
        for a, b in zip([before.frame, *before.heads, *before.scores], [after.frame, *after.heads, *after.scores]):
            assert torch.equal(a, b)
        # The known rest does reach it: the test above is not blind.
        assert not torch.equal(net(**inputs | {"target": inputs["target"] * 0.9}).frame, before.frame)
        assert not torch.equal(net(**inputs | {"references": inputs["references"] * 0.9}).frame, before.frame)


def test_trust_as_such_reaches_the_output():
    net, inputs = build(THIN_PAPER), case()
    with torch.no_grad():
        half = net(**inputs | {"trust": inputs["trust"] / 2}).frame
        assert not torch.equal(half, net(**inputs).frame)


def test_a_hole_is_grey_not_black_to_the_network():
    # Middle grey and a hole are both 0 inside; only the mask channel tells them apart.
    net, inputs = build(THIN_PAPER), case()
    seen = []
    net.encoder.register_forward_hook(lambda module, args, result: seen.append(args[0]))
    with torch.no_grad():
        net(**inputs)
    shown = seen[0][:, :3]
    assert (shown * inputs["mask"]).abs().max() == 0
    known = 1 - inputs["mask"]
    assert torch.allclose(shown * known, (inputs["target"] * 2 - 1) * known)
    assert torch.equal(seen[0][:, 3:], inputs["mask"])
    assert torch.allclose(seen[1][:, 3:], 1 - inputs["trust"].flatten(0, 1))


def test_samples_of_a_batch_do_not_meet():
    net, inputs = build(SMALL), case(b=3)
    with torch.no_grad():
        together = net(**inputs).frame
        for b in range(3):
            alone = net(**{key: value[b : b + 1] for key, value in inputs.items()}).frame
            assert torch.allclose(together[b : b + 1], alone, atol=1e-5)


# The copy path


def test_nothing_trusted_at_all_gives_numbers_and_finite_gradients():
    net, inputs = build(SMALL), case()
    inputs["trust"] = torch.zeros_like(inputs["trust"])
    result = net(**inputs)
    assert torch.isfinite(result.frame).all()
    assert result.weights.abs().max() == 0
    result.frame.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_the_copy_is_the_weighted_mean_of_the_references_and_the_start_of_training():
    net, inputs = build(SMALL), case()
    inputs["trust"] = inputs["trust"].clamp(min=0.2)
    with torch.no_grad():
        result = net(**inputs)
    expected = (result.weights * inputs["references"]).sum(dim=1)
    assert torch.allclose(result.copied / 2 + 0.5, expected, atol=1e-5)


def test_training_starts_from_a_plain_average_of_what_is_shown():
    inputs = case()
    inputs["trust"] = inputs["trust"].clamp(min=0.2)
    average = (inputs["trust"] * inputs["references"]).sum(dim=1) / inputs["trust"].sum(dim=1)
    for seed in range(3):
        torch.manual_seed(seed)
        with torch.no_grad():
            result = FusionNet(SMALL)(**inputs)
        # Plain grey would be 0.15 away. Scores start small, and so does the output layer.
        assert (result.copied / 2 + 0.5 - average).abs().mean() < 0.01
        assert (result.frame - average).abs().mean() < 0.08


# Numerics


def test_bf16_autocast_stays_close_and_gives_float32():
    net, inputs = build(SMALL), case()
    with torch.no_grad():
        exact = net(**inputs)
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(**inputs)
    assert rough.frame.dtype == torch.float32
    assert all(x.dtype == torch.float32 for x in (*rough.heads, *rough.scores))
    assert torch.isfinite(rough.frame).all()
    assert (rough.frame - exact.frame).abs().max() < 0.05  # bf16 has 8 bits


def test_channels_last_computes_the_same():
    inputs = case()
    with torch.no_grad():
        plain = build(SMALL)(**inputs).frame
        last = build(SMALL)
        for part in last.modules():  # a 3D kernel has five axes and keeps its own format
            if isinstance(part, torch.nn.Conv2d):
                part.to(memory_format=torch.channels_last)
        last = last(**inputs).frame
    assert torch.allclose(plain, last, atol=1e-4)


def test_a_checkpoint_comes_back():
    inputs, net, other = case(), build(THIN_SMALL, seed=1), build(THIN_SMALL, seed=2)
    with torch.no_grad():
        assert not torch.equal(net(**inputs).frame, other(**inputs).frame)
        other.load_state_dict(net.state_dict())
        assert torch.equal(net(**inputs).frame, other(**inputs).frame)
