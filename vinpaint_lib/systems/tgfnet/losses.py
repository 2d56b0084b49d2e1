"""The losses of TGF-Net (sec. F), one function per equation, in the corrected form.

The note's formulas are corrected here in five places: the perceptual loss compares features, not the feature of a
difference; the Gram matrix is C x C and divided by C H W (both in `losses/perceptual.py`); the alignment loss counts a
reference's pixel only where the reference shows it; norms are means, so that the weights do not depend on the crop;
lambda_hole weighs the hole term only. The note has no formula for the total variation: ours takes mean absolute
differences (our choice).
"""

from collections.abc import Sequence

from einops import reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.holes.masks import shrink_mask
from vinpaint_lib.losses.perceptual import gram, perceptual_loss, style_loss
from vinpaint_lib.losses.pixels import alignment_loss, masked_l1, total_variation

__all__ = ["alignment_loss", "gram", "perceptual_loss", "pixel_loss", "style_loss", "total_variation"]

LAMBDA_HOLE = 3.0
# lambda_1 .. lambda_4 of sec. F, keyed by the paper's symbols.
PAPER_WEIGHTS = {"L_py": 1.0, "L_perc": 0.01, "L_style": 24.0, "L_tv": 0.1, "L_align": 2.0}


def pixel_loss(
    outputs: Sequence[Float[Tensor, "b c _ _"]],
    truth: Float[Tensor, "b c h w"],
    mask: Float[Tensor, "b 1 h w"],
    lambda_hole: float = LAMBDA_HOLE,
) -> Float[Tensor, ""]:
    """L_py: known part and hole part at every scale, the hole part weighted by lambda_hole.

    `outputs` holds the final picture and the heads h(FF^s) in any order. For each of them the truth is reduced to its
    size by area, and the mask by max. Its size must divide the truth's.
    """
    total = truth.new_zeros(())
    for output in outputs:
        factor = truth.shape[-1] // output.shape[-1]
        small = reduce(truth, "b c (h fh) (w fw) -> b c h w", "mean", fh=factor, fw=factor)
        hole = shrink_mask(mask, factor)
        total = total + masked_l1(output, small, 1 - hole) + lambda_hole * masked_l1(output, small, hole)
    return total
