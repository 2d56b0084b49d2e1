"""The same computation in up to three forms: a loop that reads like the paper, plain torch, and the library.

The outputs of all forms are asserted equal before a form is timed.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.holes.smooth import solve_membrane
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.sttn.attention import MultiPatchAttention, attend_plain, to_tokens
from vinpaint_lib.systems.tgfnet import fusion

Timer = Callable[[Callable[[], object]], float]
# One attention layer of STTN. "plain" does everything at once, as released; "library" goes head by head and takes a
# slice of the queries at a time.
ATTENTION_FORMS: dict[str, Callable[[MultiPatchAttention, Tensor, Tensor], Tensor]] = {
    "plain": attend_plain,
    "library": lambda layer, maps, masks: layer(maps, masks),
}
SMALL = 12  # pixels a side for loops over pixels


def compare(timed: Timer) -> dict[str, dict[str, float]]:
    """Seconds of each form, by computation."""
    with torch.inference_mode():
        return {
            "pair convolution, 8 groups, 32 channels, 64x64": pair_convolution(timed),
            f"temporal attention, 8 groups, 32 channels, {SMALL}x{SMALL}": attention(timed),
            f"attention between patches, 3 frames of {SMALL}x{SMALL} features": patches(timed),
            f"backward warp, {4 * SMALL}x{4 * SMALL}": backward_warp(timed),
            f"membrane in a hole of {SMALL}x{SMALL} cells": membrane(timed),
        }


def compare_forms(forms: dict[str, Callable[[], Tensor]], timed: Timer, tolerance: float = 1e-4) -> dict[str, float]:
    """Assert that all forms agree with the first, then time them."""
    expected = next(iter(forms.values()))()
    for name, form in forms.items():
        torch.testing.assert_close(
            form(), expected, atol=tolerance, rtol=tolerance, msg=f"{name} computes something else"
        )
    return {name: timed(form) for name, form in forms.items()}


def pair_convolution(timed: Timer) -> dict[str, float]:
    """The ks x ks x 2 convolution of every group: group by group, all stacked in one 3D convolution, the library.

    The library splits the kernel into two 2D halves, and computes the target's half once for all groups.
    """
    torch.manual_seed(0)
    stream = fusion.Stream(32, 16, 3, 0)
    target, references = torch.randn(1, 32, 64, 64), torch.randn(1, 8, 32, 64, 64)

    def one_by_one() -> Tensor:
        pairs = [torch.stack([reference, target[0]], dim=1) for reference in references[0]]
        return torch.cat([functional.relu(stream.pair(rearrange(p, "c t h w -> 1 c t h w")))[:, :, 0] for p in pairs])

    def stacked() -> Tensor:
        both = torch.stack([references, rearrange(target, "b c h w -> b 1 c h w").expand_as(references)], dim=3)
        return functional.relu(stream.pair(rearrange(both, "b n c t h w -> (b n) c t h w")))[:, :, 0]

    forms = {
        "loop over groups": one_by_one,
        "one 3D convolution": stacked,
        "library": lambda: stream(target, references),
    }
    return compare_forms(forms, timed)


def attention(timed: Timer) -> dict[str, float]:
    """Softmax over groups and weighted sum: a loop over pixels and channels, torch, the library."""
    torch.manual_seed(0)
    groups, score = torch.randn(1, 8, 32, SMALL, SMALL), torch.randn(1, 8, 1, SMALL, SMALL)

    def loop() -> Tensor:
        result = torch.zeros(1, 32, SMALL, SMALL)
        for y in range(SMALL):
            for x in range(SMALL):
                weights = [float(np.exp(score[0, i, 0, y, x].item())) for i in range(8)]
                for c in range(32):
                    result[0, c, y, x] = sum(w * groups[0, i, c, y, x].item() for i, w in enumerate(weights)) / sum(
                        weights
                    )
        return result

    def plain() -> Tensor:
        return (groups * torch.softmax(score, dim=1)).sum(dim=1)

    return compare_forms(
        {"loop over pixels": loop, "torch": plain, "library": lambda: fusion.fuse(groups, score)}, timed
    )


def attention_layer(channels: int, size: tuple[int, int], frames: int) -> tuple[MultiPatchAttention, Tensor, Tensor]:
    """A layer, features of one clip at `size`, and masks with a hole in every frame."""
    torch.manual_seed(0)
    layer = MultiPatchAttention(channels)
    maps, masks = torch.randn(1, frames, channels, *size), torch.zeros(1, frames, 1, *size)
    masks[..., size[0] // 3 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1
    return layer, maps, masks


def patches(timed: Timer) -> dict[str, float]:
    """A layer of STTN: a loop over queries of every head, the released order of work, the library."""
    layer, maps, masks = attention_layer(16, (SMALL, SMALL), 3)

    def loop() -> Tensor:
        attended = torch.empty_like(maps)
        for head, parts in enumerate(layer.parts):
            layers = (layer.query_embedding, layer.key_embedding, layer.value_embedding)
            q, k, v = (to_tokens(layer.embed(one, head, maps), parts)[0] for one in layers)
            open_ = to_tokens(masks, parts)[0].mean(dim=1) <= 0.5
            result = [torch.softmax(k[open_] @ query / query.numel() ** 0.5, dim=0) @ v[open_] for query in q]
            pattern = "(t oh ow) (c ph pw) -> 1 t c (oh ph) (ow pw)"
            patch = {"oh": parts, "ow": parts, "ph": SMALL // parts, "pw": SMALL // parts}
            attended[:, :, layer.channels_of(head)] = rearrange(torch.stack(result), pattern, **patch)
        return layer.merge(attended)

    forms: dict[str, Callable[[], Tensor]] = {"loop over queries": loop}
    forms |= {name: partial(form, layer, maps, masks) for name, form in ATTENTION_FORMS.items()}
    return compare_forms(forms, timed)


def backward_warp(timed: Timer) -> dict[str, float]:
    """Bilinear warp by a flow: a loop over pixels, and the library's grid_sample."""
    torch.manual_seed(0)
    size = 4 * SMALL
    image, motion = torch.rand(1, 3, size, size), torch.randn(1, 2, size, size) * 3

    def loop() -> Tensor:
        result = torch.zeros_like(image)
        for y in range(size):
            for x in range(size):
                px, py = x + motion[0, 0, y, x].item(), y + motion[0, 1, y, x].item()
                x0, y0 = int(np.floor(px)), int(np.floor(py))
                for yy, wy in ((y0, 1 - (py - y0)), (y0 + 1, py - y0)):
                    for xx, wx in ((x0, 1 - (px - x0)), (x0 + 1, px - x0)):
                        if 0 <= xx < size and 0 <= yy < size:
                            result[0, :, y, x] += wy * wx * image[0, :, yy, xx]
        return result

    return compare_forms({"loop over pixels": loop, "library": lambda: warp.by_flow(image, motion)}, timed)


def membrane(timed: Timer) -> dict[str, float]:
    """Laplace's equation in a hole: thousands of averaging sweeps, and one sparse solve."""
    rng = np.random.default_rng(0)
    values, unknown = rng.normal(size=(3 * SMALL, 3 * SMALL, 2)), np.zeros((3 * SMALL, 3 * SMALL), bool)
    unknown[SMALL : 2 * SMALL, SMALL : 2 * SMALL] = True

    def sweeps() -> Tensor:
        v = values.copy()
        v[unknown] = 0
        for _ in range(2000):
            around = (np.roll(v, 1, 0) + np.roll(v, -1, 0) + np.roll(v, 1, 1) + np.roll(v, -1, 1)) / 4
            v[unknown] = around[unknown]
        return torch.from_numpy(v)

    return compare_forms(
        {"2,000 sweeps": sweeps, "library": lambda: torch.from_numpy(solve_membrane(values, unknown))}, timed, 1e-6
    )
