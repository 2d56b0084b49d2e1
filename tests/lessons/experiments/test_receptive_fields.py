"""Receptive fields against counting pixels one by one, sensitivity against derivatives one by one."""

import itertools

import pytest
import torch
from torch import nn

from vinpaint_lib.lessons.experiments import receptive_fields
from vinpaint_lib.systems.tgfnet.encoder import PyramidEncoder


@pytest.fixture
def ones():
    """Every path from a pixel to a cell counts: nothing cancels, no ReLU cuts."""
    encoder = PyramidEncoder((1, 1, 1), inputs=1)
    for name, weight in encoder.named_parameters():
        nn.init.constant_(weight, 0.0 if name.endswith("bias") else 1.0)
    return encoder


@pytest.mark.parametrize("level, size, step", [(0, 9, 2), (1, 21, 4), (2, 61, 8)])
def test_the_field_is_what_a_cell_notices(ones, level, size, step):
    seen = receptive_fields.field(receptive_fields.layers_of(ones, level))
    assert (seen.size, seen.step) == (size, step)
    for cell in (1, 4, 6):
        noticed = []
        for pixel in range(72):
            lit = torch.zeros(1, 1, 16, 72)
            lit[0, 0, 8, pixel] = 1
            noticed.append(float(ones(lit)[level][0, 0, 8 // step, cell].detach()) > 0)
        low, high = seen.span(cell)
        assert [pixel for pixel in range(72) if noticed[pixel]] == list(range(max(0, low), min(71, high) + 1))


def test_no_layers_see_a_pixel():
    assert receptive_fields.field([]) == (1, 1, 0)
    assert receptive_fields.field([(3, 1)]).span(5) == (4, 6)


def test_sensitivity_is_the_squared_derivatives_one_by_one():
    encoder, pixels = PyramidEncoder((3, 4, 5)), torch.randn(2, 4, 24, 16)
    expected = torch.zeros(24, 16)
    for picture, k in itertools.product(pixels, range(4)):
        x = picture[None].clone().requires_grad_()
        (slope,) = torch.autograd.grad(encoder(x)[1][0, k, 3, 2], x)
        expected += slope[0].square().sum(dim=0)
    found = receptive_fields.sensitivity(encoder, pixels, 1)
    assert torch.allclose(found, expected / expected.sum(), atol=1e-6)
    assert float(found.sum()) == pytest.approx(1)
    assert receptive_fields.sensitivity(encoder, torch.zeros(1, 4, 16, 16), 0).isfinite().all()


def test_the_square_that_holds_a_share():
    sensitive = torch.zeros(9, 9)
    sensitive[4, 4], sensitive[4, 6], sensitive[0, 0] = 0.5, 0.4, 0.1
    found = [receptive_fields.width_holding(share, sensitive, (4, 4)) for share in (0.49, 0.89, 0.95)]
    assert found == [1, 5, 9]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_touched_and_swallowed_are_any_and_all_over_the_field(level):
    seen = receptive_fields.field(receptive_fields.layers_of(PyramidEncoder(), level))
    mask = torch.zeros(2, 1, 96, 88)
    mask[0, :, 5:80, 9:82] = 1
    mask[1, :, 40, 17] = 1
    touched, swallowed = receptive_fields.touched(mask, seen), receptive_fields.swallowed(mask, seen)
    assert touched.shape == swallowed.shape == (2, 1, 96 // seen.step, 88 // seen.step)
    for b, row, column in itertools.product(range(2), range(touched.shape[2]), range(touched.shape[3])):
        (top, bottom), (left, right) = seen.span(row), seen.span(column)
        part = mask[b, 0, max(0, top) : bottom + 1, max(0, left) : right + 1]
        assert touched[b, 0, row, column] == float(part.any())
        assert swallowed[b, 0, row, column] == float(part.sum() == seen.size**2)
    assert swallowed[0].any()


def test_a_cell_changes_only_if_its_field_touches_the_hole():
    encoder = PyramidEncoder((3, 4, 5))
    x, mask = torch.randn(1, 4, 96, 80), torch.zeros(1, 1, 96, 80)
    mask[..., 40:44, 50:60] = 1
    for level, (whole, masked) in enumerate(zip(*(map(torch.detach, encoder(y)) for y in (x, x * (1 - mask))))):
        error = receptive_fields.relative_error(masked, whole)
        touched = receptive_fields.touched(mask, receptive_fields.field(receptive_fields.layers_of(encoder, level)))
        assert float((error * (1 - touched)).max()) < 1e-5
        assert float((error * touched).max()) > 1e-3


def test_relative_error_by_hand():
    truth = torch.zeros(1, 2, 1, 2)
    truth[0, :, 0, 0], truth[0, :, 0, 1] = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1.0])
    output = truth.clone()
    output[0, 0, 0, 1] = 6
    assert receptive_fields.relative_error(output, truth).flatten().tolist() == pytest.approx([0, 2])
