"""Values at positions: both back ends against slow loops, at the border, in every number."""

import numpy as np
import pytest
import torch

from tests.motion.moving import texture
from vinpaint_lib.motion import sampling

BACK_ENDS = pytest.mark.parametrize(
    "on", [sampling.CPU, sampling.OnDevice(torch.device("cpu"))], ids=["opencv", "torch"]
)
HEIGHT, WIDTH = 21, 30


def weights(t: float, cubic: bool) -> dict[int, float]:
    """Weight of each tap beside a position, by the fraction `t`; cubic with a = -0.75 (Keys 1981)."""
    if not cubic:
        return {0: 1 - t, 1: t}
    a = -0.75
    near = {k: (a + 2) * d**3 - (a + 3) * d**2 + 1 for k, d in ((0, t), (1, 1 - t))}
    far = {k: a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a for k, d in ((-1, 1 + t), (2, 2 - t))}
    return near | far


def slow(picture: np.ndarray, x: float, y: float, cubic: bool = False, outside: float | None = None) -> np.ndarray:
    """One value, tap by tap; the border is repeated, unless a value `outside` is given."""
    left, top = int(np.floor(x)), int(np.floor(y))
    total = np.zeros(picture.shape[2:])
    for row, p in weights(y - top, cubic).items():
        for column, q in weights(x - left, cubic).items():
            i, j = top + row, left + column
            inside = 0 <= i < HEIGHT and 0 <= j < WIDTH
            tap = picture[min(max(i, 0), HEIGHT - 1), min(max(j, 0), WIDTH - 1)]
            total += p * q * (tap if inside or outside is None else outside)
    return total


def some_positions(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Multiples of 1/32 pixel, so that nothing is rounded; also far outside."""
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-6 * 32, (side + 6) * 32, count).astype(np.float32) / 32 for side in (WIDTH, HEIGHT))
    return x, y


@BACK_ENDS
def test_bilinear_values_of_four_channels_repeat_the_border(on):
    field = np.random.default_rng(1).normal(size=(HEIGHT, WIDTH, 4)).astype(np.float32)
    x, y = some_positions()
    values = on.linear(on.hold(field), on.array(x), on.array(y))
    expected = np.stack([slow(field, *at) for at in zip(x, y, strict=True)])
    np.testing.assert_allclose(np.asarray(values), expected, atol=1e-4)


@BACK_ENDS
def test_bicubic_colours_repeat_the_border_and_stay_in_range(on):
    picture = np.random.default_rng(2).random((HEIGHT, WIDTH, 3)).round().astype(np.float32)
    x, y = some_positions()
    values = np.asarray(on.cubic(on.hold(picture), on.array(x), on.array(y)))
    plain = np.stack([slow(picture, *at, cubic=True) for at in zip(x, y, strict=True)])
    assert plain.min() < -0.05
    np.testing.assert_allclose(values, plain.clip(0, 1), atol=1e-4)


@BACK_ENDS
def test_a_mask_is_clear_away_from_holes_and_inside_of_the_frame(on):
    mask = (np.random.default_rng(3).random((HEIGHT, WIDTH)) < 0.1).astype(np.uint8) * 255
    x, y = some_positions(2000)
    clear = np.asarray(on.clear(on.hold(mask), on.array(x), on.array(y)))
    value = np.array([slow(mask, *at, outside=255) for at in zip(x, y, strict=True)])
    # Next to the limit the two round differently.
    decided = np.abs(value - sampling.CLEAR) > 1
    assert np.array_equal(clear[decided], value[decided] < sampling.CLEAR)
    assert 0.1 < clear.mean() < 0.9
    assert decided.mean() > 0.99


@BACK_ENDS
@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 40_000])
def test_every_position_keeps_its_place(on, count):
    picture = texture(50, 60).astype(np.float32)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 60, count), rng.integers(0, 50, count)
    values = on.cubic(on.hold(picture), on.array(x.astype(np.float32)), on.array(y.astype(np.float32)))
    assert values.shape == (count, 3)
    np.testing.assert_allclose(np.asarray(values), picture[y, x], atol=1e-4)


def test_the_device_decides_who_samples():
    assert sampling.back_end(torch.device("cpu")) is sampling.CPU
    assert sampling.back_end(torch.device("mps")) is sampling.CPU
    assert isinstance(sampling.back_end(torch.device("cuda")), sampling.OnDevice)
