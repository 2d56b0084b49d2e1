"""Weights of the copy path: a softmax over the groups that show something, and over nothing else."""

import pytest
import torch
from torch.nn import functional

from vinpaint_lib.systems.tgfnet import network


def test_copy_weights_are_the_slow_softmax_times_trust():
    score, trust = torch.randn(1, 3, 1, 4, 5), torch.rand(1, 3, 1, 8, 10)
    trust[0, 1, 0, :4] = 0
    wide = functional.interpolate(score[:, :, 0], (8, 10), mode="bilinear")[0].double()
    result = network.copy_weights(score, trust)
    for y in range(8):
        for x in range(10):
            parts = [wide[n, y, x].exp().item() * trust[0, n, 0, y, x].item() for n in range(3)]
            expected = [part / sum(parts) for part in parts]
            assert result[0, :, 0, y, x].tolist() == pytest.approx(expected, abs=1e-6)


def test_copy_weights_are_zero_without_trust_and_sum_to_one_with_any():
    generator = torch.Generator().manual_seed(3)
    trust = torch.rand(2, 4, 1, 16, 24, generator=generator)
    trust *= torch.rand(2, 4, 1, 16, 24, generator=generator) > 0.6
    score = (3 * torch.randn(2, 4, 1, 8, 12, generator=generator)).requires_grad_()
    weights = network.copy_weights(score, trust)
    nowhere = (trust == 0).all(dim=1, keepdim=True).expand_as(trust)
    assert 0 < nowhere.float().mean() < 1
    assert (weights[trust == 0] == 0).all()
    total = weights.sum(dim=1, keepdim=True).expand_as(trust)
    assert (total[nowhere] == 0).all()
    assert torch.allclose(total[~nowhere], torch.ones(()), atol=1e-6)
    assert weights.min() >= 0
    (weights**2).sum().backward()
    assert torch.isfinite(score.grad).all()


@pytest.mark.parametrize("extreme", [1e-30, 1e4, -1e4])
def test_copy_weights_survive_extremes(extreme):
    score, trust = torch.zeros(1, 2, 1, 4, 4), torch.ones(1, 2, 1, 8, 8)
    if abs(extreme) < 1:
        trust[:, 0] = extreme
    else:
        score[:, 0] = extreme
    weights = network.copy_weights(score, trust)
    assert torch.isfinite(weights).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(1, 1, 8, 8))
    assert (weights[:, 0] > 0.999).all() == (extreme == 1e4)
