"""The loss for training Align-and-Attend's affine estimator alone (sec. 3.2, homography estimation).

    L = 1/n sum ||G - G^||  +  ||theta - theta^||_1

is the mean distance of the two sampling grids and the L1 of the six parameters, on synthetic pairs with holes
(`alignment/pairs.py`). The note takes photographs of Places2, and masks of streaks and holes of arbitrary shape under
random affine maps (sec. 3.3). Here the photographs are those that are given. The configuration `paper` is trained under
such masks, which are drawn, not taken from the note's set of masks; the others, and the weights that ship, under smooth
blobs that are not warped. Two things in the loss are ours. The logarithm of the grid distance replaces the distance, so
that a pair that is lost altogether does not decide the step. The matches themselves are taught too, as in
`alignment/pair_losses.py`, which saves most of the steps. Both terms judge the last map of the network: the map of its
second look, or of the first look if there is no second. A pair whose true motion is a homography has no true theta; the
nearest affine map replaces it.
"""

import torch
from torch import Tensor

from vinpaint_lib.alignment import pair_losses as matches
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.alignment.pairs import Pair

# The note has no weights for the two terms of the paper.
WEIGHTS = matches.WEIGHTS | {"parameters": 1.0}


def losses(net: LearnedAffine, pair: Pair, jitter: torch.Generator) -> dict[str, Tensor]:
    """Unweighted terms on pairs at the network's working size: the terms of `pair_losses.losses`, and "parameters"."""
    terms, final = matches.terms_and_map(net, pair, jitter)
    known = matches.fit_known(pair.motion, net.size)
    return terms | {"parameters": parameter_distance(final, known)}


def parameter_distance(theta: Tensor, known: Tensor) -> Tensor:
    """Mean |theta - known| over the six parameters and the batch (edge coordinates)."""
    return (theta - known).abs().mean()
