"""Frechet distance against the matrix square root, closed forms and its own symmetries."""

import numpy as np
import pytest
import scipy.linalg
import torch

from vinpaint_lib.scoring import frechet


def features(n, d, seed, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) @ torch.randn(d, d, generator=generator) + shift


def by_matrix_root(a, b):
    """As the evaluators of the papers have it."""
    a, b = a.double().numpy(), b.double().numpy()
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    crossed = scipy.linalg.sqrtm(first @ second).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * crossed))


def test_it_is_the_formula_with_the_matrix_root():
    a, b = features(40, 5, 0), features(33, 5, 1, 0.4)
    assert frechet.distance(a, b) == pytest.approx(by_matrix_root(a, b), rel=1e-9)


def test_both_ways_agree():
    a, b = features(40, 5, 0).double(), features(33, 5, 1, 0.4).double()
    known = (a.mean(dim=0), torch.cov(a.T), b.mean(dim=0), torch.cov(b.T))
    assert frechet.between_gaussians(*known) == pytest.approx(frechet.distance(a, b), rel=1e-9)


def test_closed_forms():
    a = features(25, 4, 2)
    step = torch.tensor([0.3, -0.1, 0.0, 0.5])
    assert frechet.distance(a, a) == pytest.approx(0, abs=1e-5)
    assert frechet.distance(a, a + step) == pytest.approx(float((step**2).sum()), rel=1e-5)
    centred = a - a.mean(dim=0)
    # scaling by k: tr A (1 - k)^2
    trace = float(torch.cov(a.T).trace())
    assert frechet.distance(centred, 3 * centred) == pytest.approx(4 * trace, rel=1e-5)
    one, two = torch.tensor([1.0]), torch.tensor([[4.0]])
    assert frechet.between_gaussians(one, two, one + 3, torch.tensor([[25.0]])) == pytest.approx(9 + (2 - 5) ** 2)


def test_it_stays_finite_with_fewer_rows_than_features():
    a, b = features(6, 40, 3), features(7, 40, 4)
    found = frechet.distance(a, b)
    assert 0 < found < float("inf")
    assert found == pytest.approx(frechet.distance(b, a), rel=1e-9)
    turn, _ = torch.linalg.qr(torch.randn(40, 40, generator=torch.Generator().manual_seed(5)))
    assert frechet.distance(a @ turn, b @ turn) == pytest.approx(found, rel=1e-4)


@pytest.mark.parametrize("shapes", [((1, 3), (5, 3)), ((5, 3), (5, 4))])
def test_sets_that_cannot_be_compared_are_refused(shapes):
    with pytest.raises(ValueError, match="two sets of at least 2 features"):
        frechet.distance(*(torch.zeros(*shape) for shape in shapes))
