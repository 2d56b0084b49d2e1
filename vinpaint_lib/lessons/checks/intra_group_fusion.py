"""Checks of notebook 03: the groups, a 3D kernel of depth two as two 2D kernels, and what a stream costs."""

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.lessons.checks.asking import check, normal
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, require, same_shape
from vinpaint_lib.lessons.experiments import fusion_costs

CHECKS = ("make_groups", "two_kernels", "stream_cost")


def features(
    seed: int = 1, b: int = 2, c: int = 5, n: int = 3, h: int = 6, w: int = 9
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b n c h w"]]:
    """A target and references of sizes that are all different."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, h, w, generator=generator), torch.randn(b, n, c, h, w, generator=generator)


def by_volume(weight: Tensor, bias: Tensor, target: Tensor, references: Tensor) -> Float[Tensor, "b n d h w"]:
    """A 3D convolution over every pair."""
    padding, n = weight.shape[-1] // 2, references.shape[1]
    pairs = torch.stack([references, repeat(target, "b c h w -> b n c h w", n=n)], dim=3)
    flat = rearrange(pairs, "b n c t h w -> (b n) c t h w")
    found = functional.conv3d(flat, weight, bias, padding=(0, padding, padding))
    return rearrange(found, "(b n) d 1 h w -> b n d h w", n=n)


@check(
    lambda target, references: torch.stack(
        [references, repeat(target, "b c h w -> b n c h w", n=references.shape[1])], dim=3
    ),
    lambda: [features(11, 3, 4, 2, 8, 10), features(12, 1, 2, 6, 5, 3)],
    gradients={"target": 0, "references": 1},
)
def make_groups(function: Reader) -> None:
    """function(target b c h w, references b n c h w) -> b n c 2 h w: reference, then target, on the time axis."""
    target, references = features()
    aimed = repeat(target, "b c h w -> b n c h w", n=3)
    wanted = torch.stack([references, aimed], dim=3)
    found = call(function, target, references)
    require(
        tuple(found.shape) != (2, 3, 2, 5, 6, 9),
        "time comes before the channels: a 3D convolution wants channels first, b n c 2 h w.",
    )
    require(
        tuple(found.shape) != (2, 3, 10, 6, 9),
        "the pair is joined along the channels: it needs a time axis of its own, b n c 2 h w.",
    )
    require(
        tuple(found.shape) != (2, 5, 4, 6, 9), "all frames lie in one stack: every reference needs a pair of its own."
    )
    same_shape(found, wanted, "the stack of groups")
    slips = {
        "the order is turned round: the reference comes first, then the target.": torch.stack([aimed, references], 3),
        "each reference is paired with the next reference: the second frame of every pair is the target.": (
            torch.stack([references, references.roll(-1, dims=1)], dim=3)
        ),
        "each reference is paired with itself: the second frame of every pair is the target.": torch.stack(
            [references, references], dim=3
        ),
        "the targets of the batch are mixed up: repeat along n, and keep b where it is.": torch.stack(
            [
                references,
                rearrange(repeat(target, "b c h w -> n b c h w", n=3).flatten(0, 1), "(b n) c h w -> b n c h w", n=3),
            ],
            dim=3,
        ),
    }
    for sentence, values in slips.items():
        require(not torch.equal(found, values), sentence)
    close(found, wanted, "the values differ from a loop over batch and references.", atol=0, rtol=0)


@check(
    by_volume,
    lambda: [
        (normal(11, 3, 2, 2, 3, 3), normal(12, 3), *features(13, 3, 2, 2, 8, 10)),
        (normal(14, 2, 4, 2, 5, 5) / 5, normal(15, 2), *features(16, 1, 4, 5, 5, 7)),
    ],
    gradients={"weight": 0, "bias": 1, "target": 2, "references": 3},
    atol=1e-4,
    without=("conv3d", "Conv3d"),
)
def two_kernels(function: Reader) -> None:
    """function(weight d c 2 k k, bias d, target b c h w, references b n c h w) -> b n d h w, before the ReLU."""
    target, references = features()
    for size in (3, 1, 5):
        generator = torch.Generator().manual_seed(size)
        weight = torch.randn(4, 5, 2, size, size, generator=generator) / size
        bias = torch.randn(4, generator=generator) + 1
        padding = size // 2
        found = call(function, weight, bias, target, references)

        def over(frames: Tensor, half: int, weight: Tensor = weight, padding: int = padding) -> Tensor:
            kernel = weight[:, :, half]
            flat = rearrange(frames, "b n c h w -> (b n) c h w")
            return rearrange(functional.conv2d(flat, kernel, padding=padding), "(b n) d h w -> b n d h w", b=2)

        aimed = repeat(target, "b c h w -> b n c h w", n=3)
        shift = rearrange(bias, "d -> d 1 1")
        wanted = over(references, 0) + over(aimed, 1) + shift
        inner = (2, 3, 4, 6 - 2 * padding, 9 - 2 * padding)
        require(
            padding == 0 or tuple(found.shape) != inner,
            "the picture has shrunk: pad by half of the kernel's side, k // 2.",
        )
        require(
            tuple(found.shape) != (6, 4, 6, 9),
            "batch and references are still one axis: take them apart again, b n d h w.",
        )
        same_shape(found, wanted, "the result")
        slips = {
            "the halves are exchanged: weight[:, :, 0] belongs to the reference, weight[:, :, 1] to the target.": (
                over(references, 1) + over(aimed, 0) + shift
            ),
            "the bias is added twice, once with each kernel: the 3D convolution adds it once.": wanted + shift,
            "the bias is missing.": wanted - shift,
            "the target is missing: its half of the kernel adds to every group.": over(references, 0) + shift,
            "the references are missing: each adds its half to its own group.": over(aimed, 1) + shift,
            "the two results are averaged: they add up.": (over(references, 0) + over(aimed, 1)) / 2 + shift,
            "a ReLU is applied already: the identity holds before it.": functional.relu(wanted),
            "the groups are taken apart in the wrong order: it was joined as (b n), so it comes apart as (b n).": (
                rearrange(rearrange(over(references, 0), "b n d h w -> (b n) d h w"), "(n b) d h w -> b n d h w", b=2)
                + over(aimed, 1)
                + shift
            ),
        }
        for sentence, values in slips.items():
            require(not torch.allclose(found, values, atol=1e-5), sentence)
        close(found, wanted, "the values differ from a 3D convolution over every pair.", atol=1e-4)


@check(
    lambda *case: tuple(fusion_costs.stream(*case)),
    lambda: [(5, 9, 7, 3, 2, 17), (11, 2, 3, 4, 3, 29)],
    returns=tuple,
    each=int,
)
def stream_cost(function: Reader) -> None:
    """function(channels, width, size, depth, references, cells) -> (parameters, multiply_adds), target half shared."""
    for case in ((7, 4, 3, 2, 5, 11), (6, 6, 5, 1, 8, 13), (3, 2, 1, 0, 4, 6)):
        c, d, k, depth, n, cells = case
        found = call(function, *case)
        require(len(found) == 2, f"{len(found)} values come back: (parameters, multiply_adds) are wanted.")
        weights, products = (int(value) for value in found)
        wanted = fusion_costs.stream(*case)
        exchanged = (weights, products) == (wanted.multiply_adds, wanted.parameters)
        require(not exchanged, "the two numbers are exchanged: (parameters, multiply_adds) is wanted.")
        pair, later = k * k * c * d, depth * k * k * d * d
        named = f"for {case}: "
        weight_slips = {
            "the biases are missing among the parameters: one for each output channel of each convolution.": 2 * pair
            + later,
            "the first kernel is two frames deep: it has 2 k k weights for each pair of channels.": (
                pair + d + later + depth * d
            ),
            "the later convolutions have width channels in and out, not the input's.": (
                2 * pair + d + depth * (k * k * c * d + d)
            ),
            "every group has weights of its own here: all groups share the same.": n * wanted.parameters,
            "a kernel has k * k weights, not k.": 2 * k * c * d + d + depth * (k * d * d + d),
        }
        product_slips = {
            "the target's half is computed anew for every group: it is the same for all, so once is enough.": (
                cells * n * (2 * pair + later)
            ),
            "the target's half is missing among the products.": cells * n * (pair + later),
            "products and sums are both counted: a multiply-add is one.": 2 * wanted.multiply_adds,
            "the later convolutions run once for every group, not once.": cells * ((n + 1) * pair + later),
            "a product is needed in every cell: multiply by cells.": wanted.multiply_adds // cells,
        }
        for sentence, value in weight_slips.items():
            require(weights != value or value == wanted.parameters, named + sentence)
        require(
            weights == wanted.parameters,
            f"{named}the module has {wanted.parameters} parameters, the formula says {weights}.",
        )
        for sentence, value in product_slips.items():
            require(products != value or value == wanted.multiply_adds, named + sentence)
        require(
            products == wanted.multiply_adds,
            f"{named}a forward pass takes {wanted.multiply_adds} multiply-adds, the formula says {products}.",
        )
