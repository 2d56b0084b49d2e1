"""The correlation against a loop over pixels and displacements, in values, gradients and memory."""

import pytest
import torch

from vinpaint_lib.systems.vinet import correlation
from vinpaint_lib.systems.vinet.correlation import TILE, correlate, picked


def loop(first, second, radius):
    """As one reads it: for every position and displacement the mean over channels of the product."""
    batch, channels, height, width = first.shape
    reach = 2 * radius + 1
    result = torch.zeros(batch, reach * reach, height, width)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                for dy in range(-radius, radius + 1):
                    for dx in range(-radius, radius + 1):
                        if 0 <= y + dy < height and 0 <= x + dx < width:
                            channel = (dy + radius) * reach + dx + radius
                            product = first[b, :, y, x] * second[b, :, y + dy, x + dx]
                            result[b, channel, y, x] = product.sum() / channels
    return result


def pair(*shape):
    return torch.randn(*shape), torch.randn(*shape)


@pytest.mark.parametrize(
    ("shape", "radius"),
    [((1, 3, 8, 8), 4), ((2, 2, 9, 11), 1), ((1, 4, 5, 3), 4), ((1, 1, 1, 1), 4), ((1, 2, 17, 10), 2)],
)
def test_it_is_the_loop(shape, radius):
    first, second = pair(*shape)
    found = correlate(first, second, radius)
    assert found.shape == (shape[0], (2 * radius + 1) ** 2, *shape[2:])
    torch.testing.assert_close(found, loop(first, second, radius), atol=1e-5, rtol=1e-5)


def test_radius_four_has_eighty_one_channels_in_reading_order():
    """A single bright position of the second map shows which channel holds which displacement."""
    first, second = torch.ones(1, 1, 9, 9), torch.zeros(1, 1, 9, 9)
    second[0, 0, 4 + 3, 4 - 2] = 1  # three below, two to the left of (4, 4)
    found = correlate(first, second)
    assert found.shape[1] == 81
    assert found[0, :, 4, 4].nonzero().tolist() == [[(3 + 4) * 9 + (-2 + 4)]]


def test_a_shifted_map_is_found_where_it_went():
    maps = torch.randn(1, 64, 20, 20)
    shifted = torch.roll(maps, (2, -3), dims=(2, 3))  # what is at (y, x) is at (y + 2, x - 3)
    best = correlate(maps, shifted)[0].argmax(dim=0)
    assert (best[3:-3, 3:-3] == (2 + 4) * 9 + (-3 + 4)).all()


def test_it_is_a_mean_over_channels_without_normalisation():
    first, second = pair(1, 6, 8, 8)
    torch.testing.assert_close(correlate(3 * first, second, 1), 3 * correlate(first, second, 1))
    twice = correlate(torch.cat([first, first], 1), torch.cat([second, second], 1), 1)
    torch.testing.assert_close(twice, correlate(first, second, 1), atol=1e-6, rtol=1e-5)


def test_gradients_are_the_loop_s():
    values = [x.requires_grad_() for x in pair(1, 2, 9, 6)]
    weight = torch.randn(1, 25, 9, 6)
    found = torch.autograd.grad((correlate(*values, 2) * weight).sum(), values)
    expected = torch.autograd.grad((loop(*values, 2) * weight).sum(), values)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("chunk", [1, 2, 5, 1000])
def test_chunks_change_nothing(chunk):
    first, second = pair(2, 3, 20, 17)
    torch.testing.assert_close(
        correlate(first, second, 2, chunk=chunk), correlate(first, second, 2), atol=1e-6, rtol=1e-6
    )


def test_no_more_than_a_chunk_of_products_is_there_at_once(monkeypatch):
    """256 numbers a position are made for a chunk of tiles, never for the whole map."""
    counts = []

    def counted(products, radius):
        counts.append(products.numel())
        return picked(products, radius)

    monkeypatch.setattr(correlation, "picked", counted)
    first, second = pair(1, 2, 64, 64)
    correlate(first, second, chunk=10)
    assert len(counts) == 7
    assert max(counts) == 10 * TILE * TILE * 256


def test_autocast_leaves_it_in_float32():
    first, second = pair(1, 16, 8, 8)
    plain = correlate(first, second)
    with torch.autocast("cpu", torch.bfloat16):
        cast = correlate(first, second)
        half = correlate(first.bfloat16(), second.bfloat16())
    assert cast.dtype == half.dtype == torch.float32
    assert torch.equal(cast, plain)
    torch.testing.assert_close(half, plain, atol=2e-2, rtol=2e-2)
