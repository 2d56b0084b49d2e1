"""The composite of output and truth, and losses that compare pictures pixel by pixel.

Composite, masked L1, total variation and alignment follow TGF-Net sec. E and F. The recipes of all systems use terms of
this file.
"""

import torch
from einops import einsum, rearrange, reduce
from jaxtyping import Float
from torch import Tensor


def composite(
    output: Float[Tensor, "*b c h w"], truth: Float[Tensor, "*b c h w"], mask: Float[Tensor, "*b 1 h w"]
) -> Float[Tensor, "*b c h w"]:
    """Y_comp = M * output + (1 - M) * input; in training the input's known pixels are the truth's."""
    return mask * output + (1 - mask) * truth


def masked_l1(
    output: Float[Tensor, "b c h w"], truth: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, ""]:
    """Mean absolute difference over the pixels of each sample where `mask` is 1 (0 if none), then over the batch.

    Each sample gets its mean first, so that a batch that two processes share gives the same number.
    """
    total = reduce(mask * (output - truth).abs(), "b c h w -> b", "sum")
    count = reduce(mask, "b 1 h w -> b", "sum") * output.shape[1]
    return (total / count.clamp(min=1)).mean()


def log_error(
    output: Float[Tensor, "b c h w"], truth: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, ""]:
    """L_psnr (ours, in no paper): mean over the batch of ln(hole MSE + 1e-4). An average of PSNRs measures the same."""
    squared = reduce(mask * (output - truth) ** 2, "b c h w -> b", "sum")
    count = reduce(mask, "b 1 h w -> b", "sum") * output.shape[1]
    return torch.log(squared / count.clamp(min=1) + 1e-4).mean()


def total_variation(image: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """L_tv: mean absolute differences of neighbours along x and along y, added."""
    along_x = (image[..., 1:] - image[..., :-1]).abs().mean()
    along_y = (image[..., 1:, :] - image[..., :-1, :]).abs().mean()
    return along_x + along_y


def alignment_loss(
    aligned: Float[Tensor, "b n 3 h w"],
    visible: Float[Tensor, "b n 1 h w"],
    target: Float[Tensor, "b 3 h w"],
    mask: Float[Tensor, "b 1 h w"],
) -> Float[Tensor, ""]:
    """L_align: sum over references of the mean |CX_i - X_t| where both are known (1 - M_t, visible_i)."""
    both = einsum(visible, 1 - mask, "b n one h w, b one h w -> b n one h w")
    gap = both * (aligned - rearrange(target, "b c h w -> b 1 c h w")).abs()
    count = 3 * reduce(both, "b n 1 h w -> b n", "sum")
    per_reference = reduce(gap, "b n c h w -> b n", "sum") / count.clamp(min=1)
    return reduce(per_reference, "b n -> b", "sum").mean()
