"""DFVI's networks of flow: the released layout against plain layers, the small one, what stays, gradients, refusals."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.dfvi import network
from vinpaint_lib.systems.dfvi.network import CONFIGS, FLOWS, MIDDLE, Config, SmallCompletion
from vinpaint_lib.systems.dfvi.resnet import FlowResNet

pytestmark = pytest.mark.slow


def inputs(b=1, size=(16, 24)):
    rng = torch.Generator().manual_seed(0)
    unknown = torch.zeros(b, FLOWS, 1, *size)
    unknown[..., 4:10, 6:16] = 1
    return 6 * torch.rand(b, FLOWS, 2, *size, generator=rng) - 3, unknown


@pytest.mark.parametrize(
    "blocks, single, count, last",
    [((3, 4, 6, 3), False, 37_004_930, (2, 128, 1, 1)), ((3, 4, 23, 3), True, 42_598_402, (2, 2048, 1, 1))],
)
def test_the_released_layouts(blocks, single, count, last):
    with torch.device("meta"):
        net = network.make(Config(blocks=blocks, single=single))
    assert sum(p.numel() for p in net.parameters()) == count
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    assert shapes["conv1.weight"] == (64, 33, 7, 7)
    assert shapes["layer4.2.conv3.weight"] == (2048, 512, 1, 1)
    assert shapes["layer2.0.downsample.1.running_var"] == (512,)
    assert shapes[f"layer5.conv{1 if single else 3}.weight"] == last
    parts = {"layer1": 215_808, "layer2": 1_219_584, "layer4": 14_964_736}
    assert {name: sum(p.numel() for p in getattr(net, name).parameters()) for name in parts} == parts


def test_the_released_network_against_plain_layers():
    """A shallow one, from its own tensors, with torch's batch normalisation in evaluation."""
    torch.manual_seed(0)
    net = FlowResNet(3 * FLOWS, (2, 1, 1, 1), single=False).eval()
    with torch.no_grad():
        for name, value in net.named_buffers():
            value.copy_(torch.rand_like(value) + (0.5 if name.endswith("var") else 0))
    tensors = dict(net.state_dict())

    def norm(x, at):
        part = nn.BatchNorm2d(x.shape[1]).eval()
        names = ("weight", "bias", "running_mean", "running_var")
        part.load_state_dict({name: tensors[f"{at}.{name}"] for name in names}, strict=False)
        return part(x)

    def block(x, at, stride, dilation):
        inner = norm(functional.conv2d(x, tensors[f"{at}.conv1.weight"], stride=stride), f"{at}.bn1").relu()
        inner = functional.conv2d(inner, tensors[f"{at}.conv2.weight"], padding=dilation, dilation=dilation)
        inner = norm(functional.conv2d(norm(inner, f"{at}.bn2").relu(), tensors[f"{at}.conv3.weight"]), f"{at}.bn3")
        if f"{at}.downsample.0.weight" in tensors:
            x = norm(functional.conv2d(x, tensors[f"{at}.downsample.0.weight"], stride=stride), f"{at}.downsample.1")
        return (inner + x).relu()

    start, unknown = inputs()
    # The order of the released input: x, y and mask of the first flow, then of the second, and so on.
    planes = [plane for k in range(FLOWS) for plane in (start[:, k, 0], start[:, k, 1], unknown[:, k, 0])]
    x = functional.conv2d(torch.stack(planes, 1), tensors["conv1.weight"], tensors["conv1.bias"], stride=2, padding=3)
    x = functional.max_pool2d(norm(x, "bn1").relu(), 3, stride=2, padding=1, ceil_mode=True)
    for at, stride, dilation in (
        ("layer1.0", 1, 1), ("layer1.1", 1, 1), ("layer2.0", 2, 1), ("layer3.0", 1, 2), ("layer4.0", 1, 4),
    ):  # fmt: skip
        x = block(x, at, stride, dilation)
    for n, (size, padding) in enumerate((((4, 6), 2), ((8, 12), 1), ((16, 24), 0)), start=1):
        x = functional.interpolate(x, size, mode="bilinear", align_corners=False)
        x = functional.conv2d(x, tensors[f"layer5.conv{n}.weight"], tensors[f"layer5.conv{n}.bias"], padding=padding)
        x = x.relu() if n < 3 else x
    with torch.no_grad():
        torch.testing.assert_close(net(start, unknown), x, atol=1e-4, rtol=1e-4)


def test_an_untrained_small_network_gives_the_membrane_and_ignores_a_pan():
    start, unknown = inputs(2)
    net = SmallCompletion(4)
    assert torch.equal(net(start, unknown), start[:, MIDDLE])
    nn.init.normal_(net.out.weight, std=0.1)
    pan = torch.tensor([5.0, -3.0])[:, None, None]
    moved, found = net(start + pan, unknown), net(start, unknown)
    assert not torch.equal(found, start[:, MIDDLE])
    torch.testing.assert_close(moved, found + pan, atol=1e-4, rtol=0)


@pytest.mark.parametrize("net", [SmallCompletion(4), FlowResNet(33, (1, 1, 1, 1), single=False)])
def test_known_flow_stays_and_gradients_reach_every_parameter(net):
    start, unknown = inputs(1)
    for name, part in net.named_modules():
        if name in ("out", "layer5.conv3"):
            nn.init.normal_(part.weight, std=0.1)
    found = network.complete(net, start, unknown)
    known = (unknown[:, MIDDLE] == 0).expand(-1, 2, -1, -1)
    assert torch.equal(found[known], start[:, MIDDLE][known])
    assert not torch.equal(found[~known], start[:, MIDDLE][~known])
    found.square().mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_configurations():
    assert network.make(CONFIGS["membrane"]) is None
    assert isinstance(network.make(CONFIGS["tiny"]), SmallCompletion)
    with pytest.raises(UserError, match="completion 'flownet': is unknown; use 'resnet' or 'small' or 'membrane'"):
        Config(completion="flownet")
    with pytest.raises(UserError, match="leftovers 'painter': the model has no painter; name one, or use 'telea'"):
        Config(leftovers="painter")
    with pytest.raises(UserError, match="painter 'deepfill': is unknown"):
        Config(painter="deepfill")
