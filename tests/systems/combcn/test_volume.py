"""3DCN and the block of the table: plain loops, an independent rewrite, sizes it cannot take."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.combcn.layer_table import LayerBlock, LayerRow
from vinpaint_lib.systems.combcn.volume import VolumeNet


def scattered(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Biases and the numbers of a normalisation away from 0 and 1, so that none of them can be forgotten."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if name.endswith("bias") or name.endswith("running_mean"):
            value.copy_(torch.randn(value.shape, generator=generator) * 0.2)
        elif "norm" in name and value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return module.eval()


def relu_and_norm(layer: LayerBlock, x: Tensor) -> Tensor:
    """max(0, x), then the stored mean and variance, channel by channel."""
    norm = layer.norm
    done = torch.empty_like(x)
    for c in range(x.shape[1]):
        value = (x[:, c].clamp(min=0) - norm.running_mean[c]) / math.sqrt(float(norm.running_var[c]) + 1e-5)
        done[:, c] = value * norm.weight[c] + norm.bias[c]
    return done


# The block against loops


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_a_block_is_the_plain_loop(stride, dilation):
    layer = scattered(LayerBlock(LayerRow(1, stride=stride, dilation=dilation), 2, 3, 3, "batch"))
    x = torch.randn(1, 2, 3, 6, 4)
    weight, bias = layer.conv.weight.detach(), layer.conv.bias.detach()
    high, wide = -(-6 // stride), -(-4 // stride)
    by_hand = torch.zeros(1, 3, 3, high, wide)
    for o in range(3):
        for t in range(3):
            for i in range(high):
                for j in range(wide):
                    total = float(bias[o])
                    for c in range(2):
                        for a in range(3):
                            for b in range(3):
                                for d in range(3):
                                    # Time is neither strided nor dilated; outside of the volume is zero.
                                    at = (t + a - 1, i * stride + (b - 1) * dilation, j * stride + (d - 1) * dilation)
                                    if 0 <= at[0] < 3 and 0 <= at[1] < 6 and 0 <= at[2] < 4:
                                        total += float(weight[o, c, a, b, d] * x[0, c, *at])
                    by_hand[0, o, t, i, j] = total
    with torch.no_grad():
        assert torch.allclose(layer(x), relu_and_norm(layer, by_hand), atol=1e-4)


def test_a_transposed_block_is_the_plain_loop_without_its_last_frame():
    layer = scattered(LayerBlock(LayerRow(1, kernel=4, stride=2, up=True), 2, 3, 3, "batch"))
    x = torch.randn(1, 2, 3, 2, 3)
    weight, bias = layer.conv.weight.detach(), layer.conv.bias.detach()
    # Every input cell paints a 4 x 4 x 4 patch; the outermost cells, one on each side, are cut away.
    canvas = torch.zeros(3, 3 + 3, 2 * 2 + 2, 2 * 3 + 2)
    for c in range(2):
        for t in range(3):
            for i in range(2):
                for j in range(3):
                    canvas[:, t : t + 4, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += x[0, c, t, i, j] * weight[c]
    whole = canvas[:, 1:-1, 1:-1, 1:-1] + bias[:, None, None, None]
    assert whole.shape == (3, 4, 4, 6)
    with torch.no_grad():
        assert torch.allclose(layer(x), relu_and_norm(layer, whole[None, :, :3]), atol=1e-4)


# The whole network against an independent rewrite of its table

# kernel, stride, dilation, out; layers 9 and 11 are transposed. Taken from the published table, not from the code.
BY_NUMBER = {
    1: (5, 1, 1, 16),
    2: (3, 2, 1, 32),
    3: (3, 1, 1, 64),
    4: (3, 2, 1, 128),
    5: (3, 1, 2, 256),
    6: (3, 1, 4, 256),
    7: (3, 1, 8, 256),
    8: (3, 1, 1, 128),
    9: (4, 2, 1, 64),
    10: (3, 1, 1, 32),
    11: (4, 2, 1, 16),
    12: (3, 1, 1, 3),
}
JOINED = {9: 4, 10: 3, 11: 2}


def rewritten(net: VolumeNet, x: Tensor) -> Tensor:
    found, made = dict(net.named_parameters()) | dict(net.named_buffers()), {}
    for n, (kernel, stride, dilation, _) in BY_NUMBER.items():
        name = f"layers.{n - 1}"
        weight, bias = found[f"{name}.conv.weight"], found[f"{name}.conv.bias"]
        if n in JOINED:
            x = torch.cat([x, made[JOINED[n]]], dim=1)
        if n in (9, 11):
            x = functional.conv_transpose3d(x, weight, bias, stride=(1, 2, 2), padding=1)[:, :, : made[1].shape[2]]
        else:
            half = (kernel - 1) // 2
            x = functional.conv3d(
                x, weight, bias, (1, stride, stride), (half, half * dilation, half * dilation), (1, dilation, dilation)
            )
        if n < 12:
            stored = [found[f"{name}.norm.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
            x = functional.batch_norm(functional.relu(x), *stored)
        made[n] = x
    return x


def test_the_network_is_its_table():
    net = scattered(VolumeNet(4))
    x = torch.randn(2, 4, 5, 16, 24)
    with torch.no_grad():
        result, expected = net(x), rewritten(net, x)
    assert expected.abs().max() > 0.05
    assert torch.allclose(result, expected, atol=1e-4)


def test_the_gradients_are_those_of_the_table():
    net, x = scattered(VolumeNet(2)), torch.randn(1, 4, 3, 16, 16)
    found = torch.autograd.grad(net(x).square().sum(), list(net.parameters()))
    expected = torch.autograd.grad(rewritten(net, x).square().sum(), list(net.parameters()))
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))


def test_channels_and_parameters_at_full_width():
    net = VolumeNet()
    for n, (kernel, _, _, out) in BY_NUMBER.items():
        conv = net.layers[n - 1].conv
        assert conv.out_channels == out
        assert conv.kernel_size == (kernel,) * 3
    assert sum(p.numel() for p in net.parameters()) == 6_836_467


def test_half_the_width_is_half_of_all_channels():
    whole, half = VolumeNet(16), VolumeNet(8)
    pairs = list(zip(whole.layers, half.layers))
    assert all(a.conv.out_channels == 2 * b.conv.out_channels for a, b in pairs[:-1])
    assert pairs[-1][1].conv.out_channels == 3


# Sizes and lengths


@pytest.mark.parametrize("size", [(1, 4, 4), (2, 8, 4), (7, 12, 20), (33, 4, 8)])
def test_any_length_and_every_size_that_divides_by_four(size):
    with torch.no_grad():
        result = VolumeNet(1).eval()(torch.randn(1, 4, *size))
    assert result.shape == (1, 3, *size)
    assert torch.isfinite(result).all()


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ((2, 30, 51), r"3DCN: a frame of 30x51 .* the smallest that works is 32x52"),
        ((2, 2, 8), r"the smallest that works is 4x8"),
        ((0, 8, 8), r"3DCN: a clip of 0 frames .* the smallest that works is 1 frame"),
    ],
)
def test_what_it_cannot_take_names_the_smallest_that_works(size, sentence):
    with pytest.raises(UserError, match=sentence):
        VolumeNet(1)(torch.zeros(1, 4, *size))


def test_what_it_cannot_be():
    with pytest.raises(UserError, match="smallest width is 1"):
        VolumeNet(0)
    with pytest.raises(UserError, match="unknown normalisation 'layer': choose one of batch, none"):
        VolumeNet(1, "layer")


# What it sees


def test_a_frame_sees_fifteen_frames_before_and_thirteen_after():
    """Time kernels 5, seven of 3, 4, 3, 4, 3: 2 + 7 + 2 + 1 + 2 + 1 back, 2 + 7 + 1 + 1 + 1 + 1 ahead."""
    net = VolumeNet(2, "none").double().eval()
    x = torch.randn(1, 4, 41, 8, 8, dtype=torch.float64, requires_grad=True)
    net.walk(x)[-1][:, :, 20].square().sum().backward()
    seen = x.grad.abs().sum(dim=(0, 1, 3, 4)).nonzero().flatten().tolist()
    assert seen == list(range(20 - 15, 20 + 13 + 1))


def test_gradient_reaches_every_parameter():
    for norm in ("batch", "none"):
        net = VolumeNet(2, norm)
        (net(torch.randn(2, 4, 5, 16, 16)) - 1).square().sum().backward()
        for name, parameter in net.named_parameters():
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_clips_of_a_batch_do_not_meet_at_test_time():
    net, x = scattered(VolumeNet(2)), torch.randn(3, 4, 4, 8, 8)
    with torch.no_grad():
        together = net(x)
        for b in range(3):
            assert torch.allclose(together[b : b + 1], net(x[b : b + 1]), atol=1e-5)
