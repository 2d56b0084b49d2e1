"""How the systems are trained: one file a recipe, its presets and its losses. `tasks.py` hands them to the loop."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Losses(NamedTuple):
    """What a recipe's `compute_losses` gives: unweighted terms by the paper's symbols, and the completed frames.

    `completed` is the composite of output and truth, with gradient: what a critic judges. Frames in [0, 1].
    """

    terms: dict[str, Float[Tensor, ""]]
    completed: Float[Tensor, "b t 3 h w"]
