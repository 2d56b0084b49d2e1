"""Checks of notebook 06: one scale of L_py, the Gram matrix, total variation."""

from collections.abc import Callable
from typing import Any

import torch
from einops import einsum, rearrange, reduce
from torch import Tensor

from vinpaint_lib.lessons.checks.asking import check, normal, ones, uniform
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, require, same_shape
from vinpaint_lib.losses import pixels
from vinpaint_lib.systems.tgfnet import losses

CHECKS = ("hole_valid_l1", "gram", "total_variation")


@check(
    lambda output, truth, mask, lambda_hole: (
        pixels.masked_l1(output, truth, 1 - mask) + lambda_hole * pixels.masked_l1(output, truth, mask)
    ),
    lambda: [(*batch(11, 3, 4, 8, 10), 6.0), (*batch(12, 4, 1, 5, 9), 0.4)],
    gradients={"output": 0},
)
def hole_valid_l1(function: Reader) -> None:
    """function(output b c h w, truth b c h w, mask b 1 h w, lambda_hole) -> the term of one scale of L_py."""
    generator = torch.Generator().manual_seed(1)
    output, truth = torch.rand(2, 2, 3, 7, 11, generator=generator)
    mask = torch.zeros(2, 1, 7, 11)
    mask[0, :, 1:5, 2:9] = 1
    mask[1, :, 3:5, 4:6] = 1  # holes of very different size: pixels of both samples are not to be pooled

    def of(gap: Tensor, region: Tensor) -> Tensor:
        return (region * gap).sum() / region.sum().clamp(min=1)

    gap = (output - truth).abs()
    known, hole = pixels.masked_l1(output, truth, 1 - mask), pixels.masked_l1(output, truth, mask)
    found = scalar(call(function, output, truth, mask, 3.0))
    slips = {
        "the weight multiplies the known part as well: lambda_hole stands in front of the hole's term only.": 3
        * (known + hole),
        "hole and known pixels are exchanged: M is 1 in the hole.": hole + 3 * known,
        "only the hole's term is there: known pixels count too, with weight 1.": 3 * hole,
        "lambda_hole has no effect: multiply the hole's mean by it.": known + hole,
        "both sums are divided by all pixels of the frame: divide each by the pixels of its own region.": (
            ((1 - mask) * gap).mean() + 3 * (mask * gap).mean()
        ),
        "the sums are divided by pixels, not by values: each pixel has c channels.": 3 * (known + 3 * hole),
        "the loss is summed over the batch: take the mean over its samples.": 2 * (known + 3 * hole),
        "pixels of both samples are pooled: take the mean of each sample first, then over the batch.": (
            of(gap, (1 - mask).expand_as(gap)) + 3 * of(gap, mask.expand_as(gap))
        ),
        "squares instead of absolute differences: the norm is an L1.": (
            pixels.masked_l1(gap**2, 0 * gap, 1 - mask) + 3 * pixels.masked_l1(gap**2, 0 * gap, mask)
        ),
    }
    for sentence, value in slips.items():
        require(not torch.allclose(found, value, rtol=1e-4), sentence)
    close(found, known + 3 * hole, "the value differs from a loop over all pixels.")
    other = scalar(call(function, output, truth, mask, 7.0))
    fixed = torch.allclose(other, known + 3 * hole, rtol=1e-4)
    require(not fixed, "the factor is always 3: `lambda_hole` is to be used.")
    close(other, known + 7 * hole, "right for a lambda_hole of 3, and wrong for 7.")
    empty = scalar(call(function, output, truth, 0 * mask, 3.0))
    whole = pixels.masked_l1(output, truth, 1 - 0 * mask)
    require(torch.isfinite(empty), "a sample without a hole gives nan: divide by at least 1 (`clamp(min=1)`).")
    close(empty, whole, "without a hole only the known term is left, and this is something else.")
    hidden = scalar(call(function, output, truth, 0 * mask + 1, 3.0))
    require(
        torch.isfinite(hidden),
        "a sample whose whole frame is hole gives nan: divide its known part by at least 1 too (`clamp(min=1)`).",
    )
    trains(function, output, truth, mask, 3.0)


@check(
    losses.gram,
    lambda: [(normal(11, 3, 4, 8, 10),), (normal(12, 1, 6, 5, 3),)],
    gradients={"feature": 0},
)
def gram(function: Reader) -> None:
    """function(feature b c h w) -> b c c, the normalised Gram matrices."""
    feature = torch.rand(2, 5, 4, 7, generator=torch.Generator().manual_seed(2)) + 0.2
    wanted = losses.gram(feature)
    found = call(function, feature)
    places = (2, 4 * 7, 4 * 7)
    require(tuple(found.shape) != places, "the matrix is h w by h w: sum over the positions, keep the channels.")
    require(tuple(found.shape) != (5, 5), "the batch axis was summed as well: every picture has a matrix of its own.")
    same_shape(found, wanted, "the Gram matrix")
    plain = einsum(feature, feature, "b c h w, b c2 h w -> b c c2")
    centred = feature - reduce(feature, "b c h w -> b c 1 1", "mean")
    slips = {
        "the matrix is not divided: it grows with the size of the picture.": plain,
        "the sum is divided by h w: divide by c h w.": plain / (4 * 7),
        "the sum is divided by c only: divide by c h w.": plain / 5,
        "the sum is divided by c w: divide by c h w.": plain / (5 * 7),
        "the sum is divided by c h: divide by c h w.": plain / (5 * 4),
        "the sum is divided by the batch too: every picture has a matrix of its own, divided by c h w.": wanted / 2,
        "the sum is divided by c^2 h w or the like: divide by c h w.": plain / (5 * 5 * 4 * 7),
        "the mean is subtracted first: this is a covariance, and the Gram matrix takes the features as they are.": (
            losses.gram(centred)
        ),
    }
    for sentence, value in slips.items():
        require(not torch.allclose(found, value, rtol=1e-4), sentence)
    close(found, wanted, "the matrix differs from a loop over pairs of channels.")
    trains(function, feature)


@check(
    losses.total_variation,
    lambda: [(normal(11, 3, 4, 8, 10),), (normal(12, 1, 2, 7, 4),)],
    gradients={"image": 0},
)
def total_variation(function: Reader) -> None:
    """function(image b c h w) -> mean absolute difference of neighbours along x plus that along y."""
    image = torch.rand(2, 3, 5, 9, generator=torch.Generator().manual_seed(3))
    along_x = image[..., 1:] - image[..., :-1]
    along_y = image[..., 1:, :] - image[..., :-1, :]
    joint = torch.cat([rearrange(each, "b c h w -> (b c h w)") for each in (along_x, along_y)])
    round_x, round_y = image - image.roll(1, dims=-1), image - image.roll(1, dims=-2)
    found = scalar(call(function, image))
    signed = along_x.mean() + along_y.mean()
    slips = {
        "differences of both signs cancel: take their absolute value.": signed,
        "squares instead of absolute values: the norm is an L1.": (along_x**2).mean() + (along_y**2).mean(),
        "only neighbours along x are compared: add those along y.": along_x.abs().mean(),
        "only neighbours along y are compared: add those along x.": along_y.abs().mean(),
        "the differences are summed: take means, so that the size of the picture does not matter.": (
            along_x.abs().sum() + along_y.abs().sum()
        ),
        "the loss is summed over the batch: take the mean over its samples.": (
            2 * (along_x.abs().mean() + along_y.abs().mean())
        ),
        "one mean over all differences: take a mean along x and one along y, then add them.": joint.abs().mean(),
        "the last column is compared with the first: `roll` goes round, and a picture does not.": (
            round_x.abs().mean() + round_y.abs().mean()
        ),
    }
    for sentence, value in slips.items():
        require(not torch.allclose(found, value, rtol=1e-4), sentence)
    close(found, losses.total_variation(image), "the value differs from a loop over all neighbours.")
    trains(function, image)


def batch(seed: int, b: int, c: int, h: int, w: int) -> tuple[Tensor, Tensor, Tensor]:
    """Output, truth and mask: one sample is missing as a whole, the next lacks one pixel, the last one has no hole."""
    mask = ones(seed + 2, 0.3, b, 1, h, w)
    mask[0], mask[1], mask[-1] = 1, 0, 0
    mask[1, :, 2, 1] = 1
    return uniform(seed, b, c, h, w), uniform(seed + 1, b, c, h, w), mask


def trains(function: Callable[..., Any], output: Tensor, *others: Any) -> None:
    """Raise Wrong unless the result of function(output, *others) has a gradient with respect to `output`."""
    found = call(function, output.clone().requires_grad_(), *others)
    require(found.requires_grad, "no gradient comes back: keep the result a tensor (no `.item()`, no `.detach()`).")


def scalar(found: Tensor) -> Tensor:
    """One number, as a tensor without axes. Raises Wrong for anything with axes."""
    number = found.detach()
    same_shape(number, (), "the loss")
    return number.float()
