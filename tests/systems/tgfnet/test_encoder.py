"""The pyramid encoder against convolutions written as loops, its table, its gradients."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from vinpaint_lib.systems.tgfnet.encoder import PyramidEncoder


def slow_conv(x: np.ndarray, conv: nn.Conv2d) -> np.ndarray:
    """out[o, y, x] = bias[o] + sum over i, dy, dx, zeros outside; one picture (c h w), float64."""
    weight, bias = conv.weight.detach().double().numpy(), conv.bias.detach().double().numpy()
    size, stride = weight.shape[-1], conv.stride[0]
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    out = np.zeros((len(weight), -(-height // stride), -(-width // stride)))
    for row, column in itertools.product(range(out.shape[1]), range(out.shape[2])):
        top, left = row * stride, column * stride
        patch = padded[:, top : top + size, left : left + size]
        for o in range(len(weight)):
            out[o, row, column] = bias[o] + (weight[o] * patch).sum()
    return out


def convolutions(encoder: PyramidEncoder) -> list[nn.Conv2d]:
    return [module for module in encoder.modules() if isinstance(module, nn.Conv2d)]


def test_the_encoder_is_seven_slow_convolutions_with_relu():
    encoder = PyramidEncoder((3, 4, 5))
    for conv in convolutions(encoder):
        nn.init.normal_(conv.bias, std=0.1)
    x = torch.randn(2, 4, 16, 24)
    results = encoder(x)
    for b in range(2):
        plane, taken = x[b].double().numpy(), []
        for n, conv in enumerate(convolutions(encoder)):
            plane = np.maximum(slow_conv(plane, conv), 0)
            if n in (1, 3, 6):  # the last of each stage
                taken.append(plane)
        for result, expected in zip(results, taken, strict=True):
            np.testing.assert_allclose(result[b].detach().double().numpy(), expected, atol=1e-5)


def test_the_table():
    encoder = PyramidEncoder()
    convs = convolutions(encoder)
    table = [(c.kernel_size[0], c.stride[0], c.in_channels, c.out_channels) for c in convs]
    assert table == [
        (5, 2, 4, 64),
        (3, 1, 64, 64),
        (3, 2, 64, 128),
        (3, 1, 128, 128),
        (3, 2, 128, 256),
        (3, 1, 256, 256),
        (3, 1, 256, 256),
    ]
    assert sum(p.numel() for p in encoder.parameters()) == sum(k * k * i * o + o for k, _, i, o in table)


@pytest.mark.parametrize("channels", [(64, 128, 256), (3, 5, 2)])
@pytest.mark.parametrize("size", [(8, 8), (24, 40)])
def test_scales_are_a_half_a_quarter_an_eighth(channels, size):
    height, width = size
    features = PyramidEncoder(channels)(torch.randn(2, 4, height, width))
    expected = [(2, c, height // s, width // s) for c, s in zip(channels, (2, 4, 8))]
    assert [tuple(f.shape) for f in features] == expected
    assert all(f.min() >= 0 for f in features)


def test_any_number_of_input_channels():
    assert PyramidEncoder((2, 3, 4), inputs=7)(torch.randn(1, 7, 16, 16))[2].shape == (1, 4, 2, 2)
    with pytest.raises(RuntimeError, match="7 channels"):
        PyramidEncoder((2, 3, 4), inputs=7)(torch.randn(1, 4, 16, 16))


def test_a_shift_by_eight_pixels_shifts_the_features():
    encoder = PyramidEncoder((3, 4, 5))
    wide = torch.randn(1, 4, 64, 96)
    here, there = encoder(wide[..., :-8]), encoder(wide[..., 8:])
    for scale, a, b in zip((2, 4, 8), here, there):
        step, edge = 8 // scale, 40 // scale  # away from the zero padding
        assert torch.allclose(a[..., step:][..., edge:-edge], b[..., :-step][..., edge:-edge], atol=1e-5)


def test_pictures_of_a_batch_do_not_meet():
    encoder = PyramidEncoder((3, 4, 5))
    x = torch.randn(3, 4, 16, 16)
    together = encoder(x)
    for b in range(3):
        for all_of_them, alone in zip(together, encoder(x[b : b + 1])):
            assert torch.allclose(all_of_them[b : b + 1], alone, atol=1e-6)


def test_the_coarsest_scale_trains_everything_and_the_finest_its_own_stage():
    encoder = PyramidEncoder((6, 8, 10))
    features = encoder(torch.randn(2, 4, 32, 32))
    features[2].sum().backward(retain_graph=True)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    encoder.zero_grad(set_to_none=True)
    features[0].sum().backward()
    assert [p.grad is not None for p in encoder.parameters()] == [True] * 4 + [False] * 10
