"""Checks of notebook 05: sampling positions of an affine map, and L_align with the references' visibility."""

import torch
from einops import einsum, rearrange, reduce
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.lessons.checks.asking import check, normal, ones, uniform
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, require, same_shape
from vinpaint_lib.systems.tgfnet import losses

CHECKS = ("affine_grid", "masked_alignment_loss")


@check(
    lambda theta, height, width: functional.affine_grid(theta, [len(theta), 1, height, width], align_corners=True),
    lambda: [(normal(11, 3, 2, 3), 8, 10), (normal(12, 1, 2, 3), 9, 4)],
    gradients={"theta": 0},
    without=("affine_grid", "affine_grid_generator"),
)
def affine_grid(function: Reader) -> None:
    """function(theta b 2 3, height, width) -> b h w 2: positions (x, y), -1 and +1 on the outermost pixel centres."""
    height, width = 5, 8
    theta = affine.identity(2, torch.zeros(())) + 0.3 * torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(7))
    theta[1] = torch.eye(2, 3)
    found = call(function, theta, height, width)
    require(
        tuple(found.shape) != (2, width, height, 2),
        "the columns come before the rows: the axes are b h w 2, as in b y x.",
    )
    turned = {(2, 2, height, width): "b h w xy", (2, height * width, 2): "b h w xy"}
    require(tuple(found.shape) not in turned, "the axes are not in the order b h w 2: rearrange them.")
    same_shape(found, (2, height, width, 2), "the grid")
    wanted = functional.affine_grid(theta, [2, 1, height, width], align_corners=True)
    back = affine.apply(affine.invert(theta), rearrange(unmoved(height, width), "h w xy -> 1 (h w) xy").repeat(2, 1, 1))
    turned_in = torch.cat([unmoved(height, width).flip(-1), torch.ones(height, width, 1)], dim=-1)  # (y, x, 1)
    for sentence, other in (
        ("x and y are exchanged before theta is applied: torch.meshgrid(..., indexing=\"ij\") gives y first.",
         einsum(theta, turned_in, "b xy k, h w k -> b h w xy")),
        ("x and y are exchanged: the last axis holds x first.", wanted.flip(-1)),
        ("-1 and +1 lie on the outer edges: put them on the centres of the first and last pixel (align_corners=True).",
         functional.affine_grid(theta, [2, 1, height, width], align_corners=False)),
        ("every sample gets the first theta: the batch has one for each.", wanted[:1].expand_as(wanted)),
        ("the positions do not depend on theta.", unmoved(height, width) + 0 * wanted),
        ("the third column of theta, the shift, is left out.", wanted - rearrange(theta[:, :, 2], "b xy -> b 1 1 xy")),
        ("the 2 x 2 part of theta is transposed: row 0 gives x.", moved(theta, height, width)),
        ("this is the inverse map: theta takes positions of the target to the reference.",
         rearrange(back, "b (h w) xy -> b h w xy", h=height)),
        ("these are pixels: divide, so that the picture spans -1 to +1.",
         (wanted + 1) * torch.tensor([width - 1, height - 1]) / 2),
    ):  # fmt: skip
        require(not torch.allclose(found, other, atol=1e-5), sentence)
    close(found[1], unmoved(height, width), "the identity moves positions.")
    close(found, wanted, "the positions differ from a loop over pixels.")


def unmoved(height: int, width: int) -> Tensor:
    """Positions (h w 2) under the identity."""
    return functional.affine_grid(torch.eye(2, 3)[None], [1, 1, height, width], align_corners=True)[0]


def moved(theta: Tensor, height: int, width: int) -> Tensor:
    """Positions (b h w 2) under theta with its 2 x 2 part transposed."""
    mistaken = torch.cat([theta[:, :, :2].mT, theta[:, :, 2:]], dim=2)
    return functional.affine_grid(mistaken, [len(theta), 1, height, width], align_corners=True)


@check(
    losses.alignment_loss,
    lambda: [shown(11, 3, 2, 8, 10), shown(12, 2, 5, 7, 4)],
    gradients={"aligned": 0},
)
def masked_alignment_loss(function: Reader) -> None:
    """function(aligned b n 3 h w, visible b n 1 h w, target b 3 h w, mask b 1 h w) -> the corrected L_align."""
    generator = torch.Generator().manual_seed(8)
    target = torch.rand(2, 3, 6, 9, generator=generator)
    mask = (torch.rand(2, 1, 6, 9, generator=generator) < 0.3).float()
    visible = (torch.rand(2, 4, 1, 6, 9, generator=generator) < 0.7).float()
    visible[1, 2] = 0  # a reference that was thrown out of the frame
    aligned = torch.rand(2, 4, 3, 6, 9, generator=generator) * visible
    found = call(function, aligned, visible, target, mask)
    same_shape(found, (), "the loss")
    require(torch.isfinite(found), "the loss is not finite: one reference shows nothing; is something divided by 0?")
    gap = (aligned - rearrange(target, "b c h w -> b 1 c h w")).abs()
    known = rearrange(1 - mask, "b 1 h w -> b 1 1 h w")
    both = known * visible
    count = 3 * reduce(both, "b n 1 h w -> b n", "sum").clamp(min=1)
    each = reduce(gap * both, "b n c h w -> b n", "sum") / count
    signed = reduce((aligned - rearrange(target, "b c h w -> b 1 c h w")) * both, "b n c h w -> b n", "sum")
    squares = reduce(gap**2 * both, "b n c h w -> b n", "sum") / count
    per_frame = reduce(gap * both, "b n c h w -> b n", "sum") / gap[0, 0].numel()
    for sentence, other in (
        ("as printed: holes of the reference count as black pixels; multiply by its visibility too.",
         total(reduce(gap * known, "b n c h w -> b n", "sum") / (3 * known.sum((2, 3, 4))))),
        ("the target's hole counts: multiply by 1 - M.",
         total(reduce(gap * visible, "b n c h w -> b n", "sum") / (3 * visible.sum((2, 3, 4))).clamp(min=1))),
        ("hole and known pixels are exchanged: M is 1 in the hole.",
         total(reduce(gap * visible * (1 - known), "b n c h w -> b n", "sum")
               / (3 * (visible * (1 - known)).sum((2, 3, 4))).clamp(min=1))),
        ("a sum is not a mean: a map that throws the reference out of the frame would be rewarded.",
         total(reduce(gap * both, "b n c h w -> b n", "sum"))),
        ("the sum is divided by all pixels, not by those that count: fewer common pixels would be rewarded.",
         total(per_frame)),
        ("three channels are summed and one is counted: divide by 3 times the pixels.", total(each * 3)),
        ("one mean over all references together: take the mean of each reference, then add.",
         pooled(gap * both, 3 * both, "b n c h w -> b")),
        ("one mean over batch and references together: take the mean of each reference, add over n, average over b.",
         pooled(gap * both, 3 * both, "b n c h w -> ")),
        ("the mean over references: the equation adds them up.", total(each) / 4),
        ("the loss is summed over the batch: average over b.", total(each) * 2),
        ("the differences are squared: L1 takes their absolute value.", total(squares)),
        ("the differences have their sign, so they cancel: take the absolute value.", total(signed / count)),
    ):  # fmt: skip
        require(not torch.allclose(found, other, atol=1e-6, rtol=1e-5), sentence)
    wanted = losses.alignment_loss(aligned, visible, target, mask)
    close(found, wanted, "the loss differs from a loop over references and pixels.", atol=1e-6)


def shown(seed: int, b: int, n: int, h: int, w: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Arguments of the loss; the first sample's target is hidden as a whole, and its last reference shows nothing."""
    mask, visible = ones(seed, 0.4, b, 1, h, w), ones(seed + 1, 0.6, b, n, 1, h, w)
    mask[0], visible[-1, -1] = 1, 0
    return uniform(seed + 2, b, n, 3, h, w), visible, uniform(seed + 3, b, 3, h, w), mask


def pooled(gap: Tensor, count: Tensor, pattern: str) -> Tensor:
    """Sum of gap over sum of count, both taken over the axes that `pattern` leaves out; mean over what is left."""
    return (reduce(gap, pattern, "sum") / reduce(count, pattern, "sum").clamp(min=1)).mean()


def total(per_reference: Tensor) -> Tensor:
    """Sum over references (b n), mean over the batch."""
    return reduce(per_reference, "b n -> b", "sum").mean()
