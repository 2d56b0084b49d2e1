"""Losses of features (TGF-Net sec. F, in the corrected form), and the distance by which painted parts are judged.

The note's formulas are corrected: the perceptual loss compares features, not the feature of a difference, and the Gram
matrix is C x C and divided by C H W. The networks of features stand in `features.py`.
"""

from collections.abc import Sequence

import torch
from einops import einsum, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def perceptual_loss(
    output_features: Sequence[Float[Tensor, "b _ _ _"]], truth_features: Sequence[Float[Tensor, "b _ _ _"]]
) -> Float[Tensor, ""]:
    """L_perc: sum over layers of the mean absolute difference of phi_i(Y_comp) and phi_i(Y)."""
    return torch.stack([(a - b).abs().mean() for a, b in zip(output_features, truth_features, strict=True)]).sum()


def gram(feature: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c c2"]:
    """G = phi phi^T / (C H W)."""
    _, channels, height, width = feature.shape
    return einsum(feature, feature, "b c h w, b c2 h w -> b c c2") / (channels * height * width)


def style_loss(
    output_features: Sequence[Float[Tensor, "b _ _ _"]], truth_features: Sequence[Float[Tensor, "b _ _ _"]]
) -> Float[Tensor, ""]:
    """L_style: mean over layers of the mean absolute difference of the Gram matrices."""
    return torch.stack(
        [(gram(a) - gram(b)).abs().mean() for a, b in zip(output_features, truth_features, strict=True)]
    ).mean()


def feature_distance(
    output_features: Sequence[Float[Tensor, "b _ _ _"]],
    truth_features: Sequence[Float[Tensor, "b _ _ _"]],
    region: Float[Tensor, "b 1 h w"],
) -> Float[Tensor, "b"]:
    """How far two pictures lie apart in a `region` (1 = count), for a network of features and its layers.

    At every place of a layer, both features are brought to length 1, and their squared distance is taken: 0 for equal
    directions, 2 for directions that have nothing in common. The distance is averaged over the region, which is
    brought to the layer's size by area, and then over the layers. The normalisation is that of LPIPS (Zhang et al.
    2018), but no layer or channel has a learned weight: it is no LPIPS. A picture with an empty region has 0.
    """
    distances = []
    for a, b in zip(output_features, truth_features, strict=True):
        share = functional.interpolate(region, a.shape[-2:], mode="area")
        squared = reduce((unit(a) - unit(b)) ** 2, "b c h w -> b 1 h w", "sum")
        total = reduce(share * squared, "b 1 h w -> b", "sum")
        distances.append(total / reduce(share, "b 1 h w -> b", "sum").clamp(min=1e-6))
    return torch.stack(distances).mean(dim=0)


def unit(feature: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Each place's feature at length 1; 0 stays 0."""
    return functional.normalize(feature, dim=1, eps=1e-8)
