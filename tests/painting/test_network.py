"""The painter: its spectrum against a slow transform, what it may and may not read, and gradients."""

import cmath

import pytest
import torch
from torch import nn
from torch.nn import functional

from vinpaint_lib.painting import network


def tiny() -> network.Painter:
    torch.manual_seed(0)
    return network.Painter(network.CONFIGS["tiny"])


def slow_transform(picture, rows, columns):
    """Coefficients u, v (v up to the half) of one channel, orthonormal."""
    half = columns // 2 + 1
    found = torch.zeros(rows, half, dtype=torch.complex128)
    for u in range(rows):
        for v in range(half):
            for y in range(rows):
                for x in range(columns):
                    turn = cmath.exp(-2j * cmath.pi * (u * y / rows + v * x / columns))
                    found[u, v] += picture[y, x].item() * turn
    return found / (rows * columns) ** 0.5


@pytest.mark.parametrize(("rows", "columns"), [(4, 6), (5, 3)])
def test_the_spectral_part_mixes_the_coefficients_of_a_slow_transform(rows, columns):
    torch.manual_seed(1)
    part = network.Spectral(3, 2)
    x = torch.randn(1, 3, rows, columns)
    entered = functional.leaky_relu(part.enter(x), 0.2)[0].detach()
    found = [slow_transform(channel.double(), rows, columns) for channel in entered]
    stacked = torch.stack([f.real for f in found] + [f.imag for f in found]).float()  # real parts first
    mixed = functional.leaky_relu(part.mix(stacked[None])[0], 0.2).detach()
    back = torch.fft.irfft2(torch.complex(mixed[:2], mixed[2:]), s=(rows, columns), norm="ortho")
    expected = part.leave((entered + back)[None])
    assert torch.allclose(part(x), expected, atol=1e-5)


def test_a_spectral_part_sees_the_whole_picture_at_once():
    part = network.Spectral(2, 2)
    x = torch.zeros(1, 2, 16, 24)
    moved = x.clone()
    moved[0, 0, 0, 0] = 1
    assert ((part(moved) - part(x)).abs().amax(dim=1) > 0).float().mean() > 0.9


@pytest.mark.parametrize("size", [(40, 64), (56, 48)])
def test_the_known_pixels_stay_and_the_hole_is_painted(size):
    picture, mask = torch.rand(3, *size), torch.zeros(1, *size)
    mask[:, 10:30, 16:40] = 1
    painted = tiny().paint(picture, mask)
    assert torch.equal(painted * (1 - mask), picture * (1 - mask))
    assert painted.min() >= 0
    assert painted.max() <= 1
    assert (painted != picture).any()


def test_nothing_of_what_the_hole_hides_is_read():
    picture, mask = torch.rand(3, 48, 64), torch.zeros(1, 48, 64)
    mask[:, 10:30, 16:40] = 1
    painter = tiny()
    other = torch.where(mask > 0, torch.rand_like(picture), picture)
    assert torch.equal(painter.paint(picture, mask), painter.paint(other, mask))


def test_what_lies_farther_than_the_margin_changes_nothing():
    picture, mask = torch.rand(3, 96, 96), torch.zeros(1, 96, 96)
    mask[:, 40:50, 40:50] = 1
    painter = tiny()
    other = picture.clone()
    other[:, :, :16] = 0.3  # the margin is 16 pixels, and the box ends on multiples of 8
    assert torch.equal(painter.paint(picture, mask) * mask, painter.paint(other, mask) * mask)
    near = picture.clone()
    near[:, 30:36] = 0.3
    assert not torch.equal(painter.paint(picture, mask) * mask, painter.paint(near, mask) * mask)


def test_a_picture_without_a_hole_comes_back():
    picture = torch.rand(3, 48, 64)
    assert tiny().paint(picture, torch.zeros(1, 48, 64)) is picture


def test_a_gradient_reaches_every_parameter():
    painter, mask = tiny(), torch.zeros(2, 1, 32, 40)
    mask[..., 8:24, 8:24] = 1
    (painter(torch.rand(2, 3, 32, 40), mask) * mask).square().mean().backward()
    assert [name for name, p in painter.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_the_blocks_start_as_near_identities():
    block = tiny().blocks[0]
    assert isinstance(block, network.Block)
    x = torch.randn(1, 32, 8, 8)
    assert (block(x) - x).norm() < 0.6 * x.norm()
    assert all(isinstance(part.bias, nn.Parameter) and not part.bias.any() for part in (block.near, block.far))
