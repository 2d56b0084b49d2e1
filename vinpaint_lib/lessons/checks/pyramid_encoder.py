"""Checks of notebook 02: what the encoder is fed, the receptive field, the smaller mask."""

from collections.abc import Callable

import torch
from einops import rearrange, reduce
from torch import Tensor

from vinpaint_lib.holes import masks as holes_masks
from vinpaint_lib.lessons.checks.asking import check, ones, uniform
from vinpaint_lib.lessons.checks.verdict import Reader, call, close, require, same_shape
from vinpaint_lib.lessons.experiments import receptive_fields

CHECKS = ("masked_input", "receptive_field", "shrink_mask")


@check(
    lambda frames, masks: torch.cat([(2 * frames - 1) * (1 - masks), masks], dim=1),
    lambda: [(uniform(s, b, 3, h, w), ones(s, 0.5, b, 1, h, w)) for s, b, h, w in ((11, 3, 8, 10), (12, 1, 7, 5))],
)
def masked_input(function: Reader) -> None:
    """function(frames b 3 h w in [0, 1], masks b 1 h w) -> b 4 h w: RGB in [-1, 1], 0 in the hole, then the mask."""
    generator = torch.Generator().manual_seed(1)
    frames = torch.rand(2, 3, 9, 14, generator=generator)  # what lies in the holes is not 0
    masks = (torch.rand(2, 1, 9, 14, generator=generator) < 0.4).float()
    found = call(function, frames, masks)
    require(tuple(found.shape) != (2, 3, 9, 14), "there are three channels: the mask is the fourth.")
    same_shape(found, (2, 4, 9, 14), "the input")
    shown, last = found[:, :3], found[:, 3:]
    require(
        not torch.allclose(found[:, :1], masks), "the mask is the first channel: colours come first, the mask last."
    )
    require(
        not torch.allclose(last, 1 - masks), "the fourth channel is 1 where the pixel is known: M is 1 in the hole."
    )
    close(last, masks, "the fourth channel is not the mask.")
    centred = 2 * frames - 1
    slips = {
        "what lies under the hole is still there: multiply by 1 - M.": centred,
        "the hole is -1, the same as black: first centre the colours, then multiply by 1 - M.": (
            2 * frames * (1 - masks) - 1
        ),
        "the colours are not centred: 2 X - 1 brings [0, 1] to [-1, 1], so that 0 is no colour.": frames * (1 - masks),
        "the known pixels are blanked and the hole is shown: M is 1 in the hole.": centred * masks,
    }
    for sentence, values in slips.items():
        require(not torch.allclose(shown, values, atol=1e-5), sentence)
    close(shown, centred * (1 - masks), "the colours differ from (2 X - 1) (1 - M).")


@check(
    lambda layers: receptive_fields.field(layers)[:2],
    lambda: [([(4, 2), (6, 3), (3, 1), (5, 2)],), ([(3, 1), (3, 1), (2, 4), (9, 1)],)],
    returns=tuple,
    each=int,
)
def receptive_field(function: Reader) -> None:
    """function([(kernel, stride), ...] from the first convolution on) -> (size, step) in pixels."""
    cases: tuple[list[tuple[int, int]], ...] = (
        [(3, 2), (1, 2), (5, 3), (2, 1)],
        [(5, 2), (3, 1), (3, 2), (3, 1), (3, 2), (3, 1), (3, 1)],
        [(7, 3)],
        [],
    )
    for layers in cases:
        found = call(function, layers)
        require(len(found) == 2, f"{len(found)} values come back: (size, step) are wanted.")
        size, step = (int(value) for value in found)
        wanted = receptive_fields.field(layers)
        shown = ", ".join(map(str, layers)) or "no layers"
        exchanged = (size, step) == (wanted.step, wanted.size) != (wanted.size, wanted.step)
        require(not exchanged, "size and step are exchanged: (size, step) is wanted.")
        told_size, told_step = f"for {shown} the size is {size}: ", f"for {shown} the step is {step}: "
        if layers:
            kernels, strides = zip(*layers)
            require(size != 1 + sum(k - 1 for k in kernels) or size == wanted.size, told_size + NO_STEP)
            require(step != sum(strides) or step == wanted.step, told_step + "strides multiply, they do not add up.")
            for sentence, slip in SLIPS.items():
                require(size != slip(layers) or size == wanted.size, told_size + sentence)
            require(step != 1 or step == wanted.step, told_step + "is it multiplied by the stride?")
        require(bool(layers) or size == 1, told_size + "without any layer a pixel sees itself.")
        require(size == wanted.size, told_size + "the recursion gives something else; go through it by hand.")
        require(step == wanted.step, told_step + "it is the product of all strides.")


NO_STEP = "every kernel counts as if it stood on pixels; from the first stride on its cells lie `step` pixels apart."


def grown(layers: list[tuple[int, int]], begin: int, less: int, late: bool) -> int:
    """The recursion with its usual slips: begin with `begin`, take kernel - `less`, and if `late`, take the step after
    the layer's stride."""
    size, step = begin, 1
    for kernel, stride in layers:
        size += (kernel - less) * step * (stride if late else 1)
        step *= stride
    return size


SLIPS: dict[str, Callable[[list[tuple[int, int]]], int]] = {
    "the step is multiplied too early; a kernel stands on the cells of the layer below it.": (
        lambda layers: grown(layers, 1, 1, True)
    ),
    "a kernel of k cells adds k - 1 steps, not k.": lambda layers: grown(layers, 1, 0, False),
    "begin with 1, since a pixel sees itself.": lambda layers: grown(layers, 0, 1, False),
    "the layers are read from the last to the first.": lambda layers: grown(layers[::-1], 1, 1, False),
    "this is what lies on one side of the middle; the size counts both sides and the middle.": (
        lambda layers: (grown(layers, 1, 1, False) - 1) // 2
    ),
}


@check(
    holes_masks.shrink_mask,
    lambda: [(ones(11, 0.1, 3, 1, 9, 15), 3), (ones(12, 0.03, 1, 1, 25, 10), 5), (ones(13, 0.3, 2, 1, 4, 7), 1)],
    atol=0,
    rtol=0,
)
def shrink_mask(function: Reader) -> None:
    """function(mask b 1 h w, factor) -> b 1 h/factor w/factor, 1 if any pixel of the cell is 1."""
    mask = (torch.rand(2, 1, 24, 40, generator=torch.Generator().manual_seed(3)) < 0.04).float()
    mask[:, :, 8:13, 12:19] = 1
    for factor in (4, 2, 8):
        found = call(function, mask, factor)
        wanted = holes_masks.shrink_mask(mask, factor)
        same_shape(found, wanted, f"the mask at 1/{factor}")
        cells = rearrange(mask, "b 1 (h fh) (w fw) -> b 1 h w (fh fw)", fh=factor, fw=factor)
        share = reduce(cells, "b 1 h w p -> b 1 h w", "mean")
        slips: dict[str, Tensor] = {
            "one pixel decides for its whole cell: this is the nearest rule, and it leaks.": mask[
                ..., ::factor, ::factor
            ],
            "a cell counts as hole only if all of its pixels are: any pixel is enough.": (share == 1).float(),
            "a cell counts as hole if most of it is: any pixel is enough.": (share > 0.5).float(),
            "cells hold shares: a mask is exactly 0 or 1.": share,
            "cells hold numbers of pixels: a mask is exactly 0 or 1.": share * factor**2,
            "a cell's pixels are not neighbours: in `(h fh)` the cells come first, the pixels inside of one second.": (
                reduce(mask, "b 1 (fh h) (fw w) -> b 1 h w", "max", fh=factor, fw=factor)
            ),
            "hole and known are exchanged: M is 1 in the hole.": 1 - wanted,
        }
        for sentence, values in slips.items():
            telling = not torch.equal(values, wanted) and not values.all()
            require(not (telling and torch.equal(found.float(), values)), sentence)
        close(found.float(), wanted, "the cells differ from a loop over each one's pixels.", atol=0, rtol=0)
