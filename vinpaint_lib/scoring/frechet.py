"""Frechet distance between two sets of features: the last step of FID and of its video form, VFID.

Both sets are treated as Gaussians, and d^2 = |m_a - m_b|^2 + tr(A + B - 2 (AB)^(1/2)). The papers' evaluators call
`scipy.linalg.sqrtm`, which fails where a covariance is singular. With fewer clips than features it always is singular.
`distance` computes the trace of the root as a sum of singular values, which exists for any two sets. Both ways agree
where both exist.

The features themselves are made in `video_features.py`.
"""

import torch
from einops import einsum, reduce
from jaxtyping import Float
from torch import Tensor


def distance(a: Float[Tensor, "n d"], b: Float[Tensor, "m _"]) -> float:
    """Frechet distance (squared, as FID is given) between the Gaussians fitted to the rows of `a` and of `b`.

    Sums in float64, covariances with n - 1. Never below 0. Raises ValueError for fewer than two rows, or for rows of
    different lengths.
    """
    if min(len(a), len(b)) < 2 or a.shape[1] != b.shape[1]:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ValueError(f"two sets of at least 2 features of one length are needed, not {shapes}")
    (mean_a, rest_a), (mean_b, rest_b) = centred(a), centred(b)
    gap = ((mean_a - mean_b) ** 2).sum()
    crossed = torch.linalg.svdvals(einsum(rest_a, rest_b, "n d, m d -> n m")).sum()
    return max(0.0, float(gap + (rest_a**2).sum() + (rest_b**2).sum() - 2 * crossed))


def centred(features: Float[Tensor, "n d"]) -> tuple[Tensor, Tensor]:
    """Mean (d), and the rest (n d) divided by sqrt(n - 1), so that rest^T rest is the covariance; float64."""
    exact = features.double()
    mean = reduce(exact, "n d -> d", "mean")
    return mean, (exact - mean) / (len(features) - 1) ** 0.5


def between_gaussians(
    mean_a: Float[Tensor, " d"], cov_a: Float[Tensor, "d d"], mean_b: Float[Tensor, " d"], cov_b: Float[Tensor, "d d"]
) -> float:
    """The same distance between two Gaussians with known means and covariances."""
    root = matrix_root(cov_a.double())
    inner = torch.linalg.eigvalsh(root @ cov_b.double() @ root).clamp(min=0).sqrt().sum()
    gap = ((mean_a.double() - mean_b.double()) ** 2).sum()
    return max(0.0, float(gap + cov_a.double().trace() + cov_b.double().trace() - 2 * inner))


def matrix_root(matrix: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """The symmetric square root of a covariance."""
    values, vectors = torch.linalg.eigh(matrix)
    return einsum(vectors, values.clamp(min=0).sqrt(), vectors, "i k, k, j k -> i j")
