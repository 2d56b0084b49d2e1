"""The membrane's shortcuts change nothing: its own box, and two ways to solve the system."""

import numpy as np
import pytest
import torch
from einops import rearrange

from vinpaint_lib.holes import smooth

RNG_SEEDS = range(3)


def holes(size: tuple[int, int], seed: int) -> np.ndarray:
    """Random rectangles, some at the border."""
    rng = np.random.default_rng(seed)
    unknown = np.zeros(size, bool)
    for _ in range(3):
        top, left = (int(rng.integers(-10, side)) for side in size)
        unknown[max(top, 0) : top + 17, max(left, 0) : left + 23] = True
    return unknown


@pytest.mark.parametrize("coarse", [2, 4])
@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_the_membrane_in_its_box_is_that_of_the_whole_frame(seed, coarse):
    field = np.random.default_rng(seed).normal(size=(96, 128, 2)).astype(np.float32)
    unknown = holes(field.shape[:2], seed)
    inside = smooth.complete(field, unknown, coarse)
    whole = smooth.membrane(field, unknown, coarse)
    np.testing.assert_allclose(inside, whole, atol=1e-6)
    assert np.array_equal(inside[~unknown], field[~unknown])


def test_one_unknown_corner_reads_what_lies_next_to_it_only():
    field = np.random.default_rng(0).normal(size=(96, 128, 1)).astype(np.float32)
    unknown = np.zeros(field.shape[:2], bool)
    unknown[:9, :9] = True
    far = field.copy()
    far[40:] = far[:, 40:] = np.nan
    assert np.array_equal(smooth.complete(field, unknown)[unknown], smooth.complete(far, unknown)[unknown])


@pytest.mark.parametrize("size", [(14, 40), (40, 14)])
@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_the_band_and_the_sparse_matrix_have_one_solution(seed, size, monkeypatch):
    rng = np.random.default_rng(seed)
    values, unknown = rng.normal(size=(*size, 2)), rng.random(size) < 0.7
    by_band = smooth.solve_membrane(values, unknown)
    monkeypatch.setattr(smooth, "BAND", 0)
    np.testing.assert_allclose(smooth.solve_membrane(values, unknown), by_band, atol=1e-9)
    # Inside of the picture every unknown cell is the mean of its four neighbours.
    inner = by_band[1:-1, 1:-1]
    mean = (by_band[:-2, 1:-1] + by_band[2:, 1:-1] + by_band[1:-1, :-2] + by_band[1:-1, 2:]) / 4
    np.testing.assert_allclose(inner[unknown[1:-1, 1:-1]], mean[unknown[1:-1, 1:-1]], atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 9), (9, 1)])
def test_a_row_of_cells_is_a_straight_line(shape):
    values = np.zeros((*shape, 1))
    values.reshape(-1)[-1] = 8
    unknown = np.ones(shape, bool)
    unknown.reshape(-1)[[0, -1]] = False
    np.testing.assert_allclose(smooth.solve_membrane(values, unknown).ravel(), np.arange(9), atol=1e-12)


def test_each_picture_is_filled_alone_from_its_known_pixels():
    torch.manual_seed(0)
    pictures, masks = torch.rand(2, 3, 24, 32), torch.zeros(2, 1, 24, 32)
    masks[0, :, 4:12, 6:20] = masks[1, :, 10:18, 2:30] = 1
    found = smooth.each(smooth.smooth_colours, pictures, masks)
    for picture, mask, filled in zip(pictures, masks, found, strict=True):
        shown = rearrange(picture * (1 - mask), "c h w -> h w c").numpy()
        expected = smooth.complete(shown, mask[0].numpy() > 0, smooth.FINE)
        assert np.allclose(rearrange(filled, "c h w -> h w c").numpy(), expected, atol=1e-6)
    other = torch.where(masks > 0, torch.rand_like(pictures), pictures)
    assert torch.equal(smooth.each(smooth.smooth_colours, other, masks), found)
