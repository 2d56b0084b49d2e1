"""STTN's generator written as one reads it: patches cut out one by one, a loop over queries. Slow; for tests."""

import math

import torch
from torch import Tensor
from torch.nn import functional

PARTS = (1, 3, 6, 12)


def attend(queries: Tensor, keys: Tensor, values: Tensor, parts: int, holes: Tensor | None = None) -> Tensor:
    """One head for one clip, maps (t c h w); `holes` (t h w) at the same size, or None for every key alike."""
    t, _, h, w = queries.shape
    tall, wide = h // parts, w // parts
    places = [(f, r * tall, c * wide) for f in range(t) for r in range(parts) for c in range(parts)]

    def cut(maps: Tensor, place: tuple[int, int, int]) -> Tensor:
        frame, top, left = place
        return maps[frame, :, top : top + tall, left : left + wide]

    seen = places
    if holes is not None:
        open_ = [p for p in places if float(holes[p[0], p[1] : p[1] + tall, p[2] : p[2] + wide].mean()) <= 0.5]
        seen = open_ or places
    asked = torch.stack([cut(keys, p).flatten() for p in seen])
    offered = torch.stack([cut(values, p).flatten() for p in seen])
    result = torch.zeros_like(values)
    for place in places:
        query = cut(queries, place).flatten()
        powers = torch.exp((asked @ query - (asked @ query).max()) / math.sqrt(len(query)))
        taken = (powers / powers.sum()) @ offered
        cut(result, place).copy_(taken.reshape(-1, tall, wide))
    return result


def generator(weights: dict[str, Tensor], shown: Tensor, holes: Tensor | None = None) -> Tensor:
    """All frames of one clip (t 3 h w) in [-1, 1], holes at 0; `holes` (t h w) at a quarter of the size, or None."""

    def conv(name: str, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        padding = kernel.shape[-1] // 2 * dilation
        return functional.conv2d(x, kernel, bias, stride, padding, dilation)

    def leaky(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.2 * x)

    def twice(x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)

    x = shown
    for n, stride in ((0, 2), (2, 1), (4, 2), (6, 1)):
        x = leaky(conv(f"encoder.{n}", x, stride))
    blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("transformer"))
    for n in range(blocks):
        attention, forward = f"transformer.{n}.attention", f"transformer.{n}.feed_forward.conv"
        q, k, v = (conv(f"{attention}.{kind}_embedding", x) for kind in ("query", "key", "value"))
        own = x.shape[1] // 4
        heads = []
        for head, parts in enumerate(PARTS):
            part = slice(head * own, (head + 1) * own)
            heads.append(attend(q[:, part], k[:, part], v[:, part], parts, holes))
        x = x + leaky(conv(f"{attention}.output_linear.0", torch.cat(heads, dim=1)))
        x = x + leaky(conv(f"{forward}.2", leaky(conv(f"{forward}.0", x, dilation=2))))
    x = leaky(conv("decoder.0.conv", twice(x)))
    x = leaky(conv("decoder.2", x))
    x = leaky(conv("decoder.4.conv", twice(x)))
    return torch.tanh(conv("decoder.6", x))
