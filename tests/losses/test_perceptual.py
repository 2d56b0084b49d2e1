"""The feature distance against a slow loop, and what it must not depend on."""

import itertools
import math

import torch

from vinpaint_lib.losses.perceptual import feature_distance


def made(seed: int, b: int = 2):
    torch.manual_seed(seed)
    return [torch.randn(b, 3, 8, 12), torch.randn(b, 5, 4, 6)]


def test_the_distance_is_the_loop():
    one, other, region = made(0), made(1), torch.zeros(2, 1, 16, 24)
    region[0, :, 4:9, 2:13] = 1
    region[1, :, :, 20:] = 1
    found = feature_distance(one, other, region)
    for b in range(2):
        layers = []
        for p, q in zip(one, other, strict=True):
            rows, columns = p.shape[-2:]
            step = 16 // rows
            total = count = 0.0
            for y, x in itertools.product(range(rows), range(columns)):
                share = float(region[b, 0, y * step : (y + 1) * step, x * step : (x + 1) * step].mean())
                u, v = (f[b, :, y, x] / math.sqrt(float((f[b, :, y, x] ** 2).sum())) for f in (p, q))
                total += share * float(((u - v) ** 2).sum())
                count += share
            layers.append(total / count)
        assert math.isclose(float(found[b]), sum(layers) / len(layers), rel_tol=1e-4)


def test_equal_features_have_none_and_opposite_ones_four():
    one, region = made(0), torch.ones(2, 1, 16, 24)
    assert torch.equal(feature_distance(one, one, region), torch.zeros(2))
    assert torch.allclose(feature_distance(one, [-f for f in one], region), torch.full((2,), 4.0), atol=1e-5)


def test_neither_the_strength_of_features_nor_what_lies_outside_counts():
    one, other, region = made(0), made(1), torch.zeros(2, 1, 16, 24)
    region[..., :12] = 1
    before = feature_distance(one, other, region)
    louder = [7 * f for f in one]
    for f in louder:
        f[..., f.shape[-1] // 2 :] = 0
    assert torch.allclose(feature_distance(louder, other, region), before, atol=1e-5)


def test_an_empty_region_has_no_distance():
    assert torch.equal(feature_distance(made(0), made(1), torch.zeros(2, 1, 16, 24)), torch.zeros(2))
