"""The check of notebook 00: how much of each frame is missing."""

import torch
from einops import reduce

from vinpaint_lib.lessons.checks import verdict
from vinpaint_lib.lessons.checks.asking import check, ones
from vinpaint_lib.lessons.checks.verdict import Reader

CHECKS = ("hole_share",)


@check(
    lambda hole: reduce(hole, "t 1 h w -> t", "mean"),
    lambda: [(ones(7, 0.3, 3, 1, 8, 10),), (ones(8, 0.7, 2, 1, 11, 7),)],
)
def hole_share(function: Reader) -> None:
    """`function(masks t 1 h w) -> t`: the share of every frame that is missing."""
    masks = (torch.rand(4, 1, 3, 5, generator=torch.Generator().manual_seed(2)) > 0.6).float()
    masks[2] = 0
    found = verdict.call(function, masks)
    verdict.require(found.ndim > 0, "one number for the whole clip: keep the axis t, one share for each frame.")
    verdict.same_shape(found, (4,), "the result")
    wanted = reduce(masks, "t 1 h w -> t", "mean")
    verdict.require(
        not torch.allclose(found, 1 - wanted), "that is the share of the known pixels: 1 means missing in a mask."
    )
    verdict.require(
        not torch.allclose(found, 100 * wanted),
        "these are per cent: a share lies between 0 and 1, without the 100.",
    )
    verdict.require(float(found.max()) <= 1, "a share is at most 1: take the mean of a mask, not its sum.")
    verdict.close(found, wanted, "the shares differ from the number of ones in each frame, divided by h times w")
