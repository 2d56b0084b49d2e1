"""Losses where there is nothing to compare, and their gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor

from vinpaint_lib.losses import pixels
from vinpaint_lib.systems.tgfnet import losses

BATCH, CHANNELS, HEIGHT, WIDTH = 2, 3, 8, 12


def doubles(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture
def output() -> Tensor:
    return doubles(BATCH, CHANNELS, HEIGHT, WIDTH)


@pytest.fixture
def truth() -> Tensor:
    return doubles(BATCH, CHANNELS, HEIGHT, WIDTH)


@pytest.fixture
def mask() -> Tensor:
    """Holes of unequal size in the two samples, one of them a single pixel."""
    mask = torch.zeros(BATCH, 1, HEIGHT, WIDTH, dtype=torch.float64)
    mask[0, 0, 1:6, 3:8] = 1
    mask[1, 0, 7, 11] = 1
    return mask


# Nothing to compare


def test_no_hole_and_all_hole_give_zero_for_the_empty_part(output, truth):
    empty, full = torch.zeros(BATCH, 1, HEIGHT, WIDTH).double(), torch.ones(BATCH, 1, HEIGHT, WIDTH).double()
    assert pixels.masked_l1(output, truth, empty).item() == 0
    mean = (output - truth).abs().mean().item()
    assert losses.pixel_loss([output], truth, empty).item() == pytest.approx(mean, rel=1e-12)
    assert losses.pixel_loss([output], truth, full).item() == pytest.approx(3 * mean, rel=1e-12)


def test_nothing_visible_gives_zero_and_no_gradient(truth, mask):
    aligned = doubles(BATCH, 2, 3, HEIGHT, WIDTH).requires_grad_()
    for visible, hole in (
        (torch.zeros(BATCH, 2, 1, HEIGHT, WIDTH).double(), mask),
        (torch.ones(BATCH, 2, 1, HEIGHT, WIDTH).double(), torch.ones_like(mask)),
    ):
        loss = losses.alignment_loss(aligned, visible, truth, hole)
        assert loss.item() == 0
        (gradient,) = torch.autograd.grad(loss, aligned)
        assert gradient.abs().max() == 0


@pytest.mark.parametrize("name", ["masked_l1", "log_error"])
def test_an_empty_mask_gives_a_finite_loss_and_zero_gradient(output, truth, name):
    output.requires_grad_()
    loss = getattr(pixels, name)(output, truth, torch.zeros(BATCH, 1, HEIGHT, WIDTH).double())
    assert torch.isfinite(loss)
    (gradient,) = torch.autograd.grad(loss, output)
    assert gradient.abs().max() == 0


def test_equal_pictures_have_no_loss(truth, mask):
    assert pixels.masked_l1(truth, truth, mask).item() == 0
    assert losses.pixel_loss([truth], truth, mask).item() == 0
    assert losses.perceptual_loss([truth], [truth]).item() == 0
    assert losses.style_loss([truth], [truth]).item() == 0
    assert pixels.log_error(truth, truth, mask).item() == pytest.approx(np.log(1e-4))


# Gradients


def gradient_is_right(loss, *inputs: Tensor) -> bool:
    # Random inputs are far from the kinks of |x| compared with the step of 1e-6.
    return torch.autograd.gradcheck(loss, [x.requires_grad_() for x in inputs])


def test_gradients_are_the_numerical_ones(truth, mask):
    small, corner = truth[..., :4, :4].clone(), mask[..., 2:6, 2:6].clone()
    corner[1, 0, 2, 1] = 1
    assert gradient_is_right(lambda o: pixels.masked_l1(o, small, corner), doubles(BATCH, 3, 4, 4))
    assert gradient_is_right(lambda o: pixels.log_error(o, small, corner), doubles(BATCH, 3, 4, 4))
    assert gradient_is_right(
        lambda o, h: losses.pixel_loss([o, h], small, corner), doubles(BATCH, 3, 4, 4), doubles(BATCH, 3, 2, 2)
    )
    features = [doubles(2, 3, 2, 3), doubles(2, 4, 2, 2)]
    assert gradient_is_right(lambda *f: losses.perceptual_loss(f, features), doubles(2, 3, 2, 3), doubles(2, 4, 2, 2))
    assert gradient_is_right(lambda *f: losses.style_loss(f, features), doubles(2, 3, 2, 3), doubles(2, 4, 2, 2))
    assert gradient_is_right(losses.total_variation, doubles(1, 3, 4, 5))
    visible = (torch.rand(BATCH, 2, 1, 4, 4) > 0.3).double()
    assert gradient_is_right(lambda a: losses.alignment_loss(a, visible, small, corner), doubles(BATCH, 2, 3, 4, 4))


def test_only_the_hole_of_a_composite_gets_a_perceptual_gradient(output, truth, mask):
    output.requires_grad_()
    composed = pixels.composite(output, truth, mask)
    losses.perceptual_loss([composed], [truth]).backward()
    assert (output.grad * (1 - mask)).abs().max() == 0
    assert (output.grad * mask).abs().sum() > 0
