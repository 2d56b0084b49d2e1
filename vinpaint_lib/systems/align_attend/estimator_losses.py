"""Training of Align-and-Attend's estimator, alone (sec. 3.2, homography estimation).

    L = 1/n sum ||G - G^||  +  ||theta - theta^||_1

the mean distance of the two sampling grids and the direct L1 of the six parameters, on synthetic pairs with irregular
holes (`affine_pairs.py`). Ours: the logarithm of the grid distance in place of the distance, so that a pair that is
lost altogether does not decide the step; and the matches are taught themselves, as in `affine.py`, which saves most of
the steps. Both terms judge the map that the network ends with: of its second look, or of the first where it has no
other. Pairs whose true motion is a homography have no true theta: there the nearest affine map stands in.
"""

import torch
from torch import Tensor

from vinpaint_lib.alignment import pair_losses as matches
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.alignment.pairs import Pair

# The note has no weights for the two terms of the paper.
WEIGHTS = matches.WEIGHTS | {"parameters": 1.0}


def losses(net: LearnedAffine, pair: Pair, jitter: torch.Generator) -> dict[str, Tensor]:
    """Unweighted terms on pairs at the network's working size: those of `affine.losses`, and "parameters"."""
    terms, final = matches.terms_and_map(net, pair, jitter)
    known = matches.fit_known(pair.motion, net.size)
    return terms | {"parameters": parameter_distance(final, known)}


def parameter_distance(theta: Tensor, known: Tensor) -> Tensor:
    """Mean |theta - known| over the six parameters and the batch (edge coordinates)."""
    return (theta - known).abs().mean()
