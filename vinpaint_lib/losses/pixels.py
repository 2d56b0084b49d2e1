"""The composite of output and truth, and losses that compare the two pixel by pixel.

Composite and masked L1 follow TGF-Net sec. F. The recipes of all systems use terms of this file.
"""

import torch
from einops import reduce
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
