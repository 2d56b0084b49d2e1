"""What the hidden tests of notebooks 00 to 10 hand to a reader's function: other sizes and numbers than its check's.

Each maker is named for its check and keeps to what the exercise promises of its inputs.
"""

from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor

from vinpaint_lib.lessons.course.draw import Draw

Inputs = tuple[Any, ...]


def hole_share(draw: Draw) -> Inputs:
    masks = draw.mask(draw.whole(2, 6), 1, *draw.sizes(2))
    masks[0] = draw.case % 2
    return (masks,)


def composite(draw: Draw) -> Inputs:
    t, h, w = draw.sizes(3)
    return draw.uniform(t, 3, h, w), draw.uniform(t, 3, h, w), draw.mask(t, 1, h, w)


def coverage(draw: Draw) -> Inputs:
    n, h, w = draw.whole(2, 5), *draw.sizes(2, 6, 12)
    # Quarters of pixels: then no weight lies at the threshold, where rounding would decide.
    flow = (8 * draw.normal(n, 2, 1, 1) + 2 * draw.normal(n, 2, h, w)).round() / 4
    hole = draw.mask(1, h, w, share=0.6)
    hole[:, 1] = 1
    return flow, draw.mask(n, 1, h, w, share=0.5), draw.mask(n, 1, h, w, share=0.2), hole


def temporal_median(draw: Draw) -> Inputs:
    t, h, w = draw.sizes(3, 3, 9)
    holes = draw.mask(t, 1, h, w, share=0.5)
    holes[:, :, 0, 0] = 1
    return draw.uniform(t, 3, h, w), holes


def masked_input(draw: Draw) -> Inputs:
    b, h, w = draw.sizes(3)
    return draw.uniform(b, 3, h, w), draw.mask(b, 1, h, w)


def receptive_field(draw: Draw) -> Inputs:
    return ([(draw.whole(1, 7), draw.whole(1, 3)) for _ in range(draw.whole(1, 6))],)


def shrink_mask(draw: Draw) -> Inputs:
    factor, (h, w) = draw.whole(2, 5), draw.sizes(2, 2, 5)
    return draw.mask(draw.whole(1, 3), 1, h * factor, w * factor, share=0.08), factor


def make_groups(draw: Draw) -> Inputs:
    b, n, c, h, w = draw.sizes(5)
    return draw.normal(b, c, h, w), draw.normal(b, n, c, h, w)


def two_kernels(draw: Draw) -> Inputs:
    (b, n, c, d, h, w), side = draw.sizes(6, 2, 7), (3, 1, 5)[draw.case % 3]
    return (
        draw.normal(d, c, 2, side, side),
        draw.normal(d),
        draw.normal(b, c, h, w),
        draw.normal(b, n, c, h, w),
    )


def stream_cost(draw: Draw) -> Inputs:
    channels, width, depth, references = draw.sizes(4, 2, 40)
    return channels, width, (1, 3, 5, 7)[draw.whole(0, 3)], depth % 5, references % 12 + 1, draw.whole(3, 500)


def fuse_groups(draw: Draw) -> Inputs:
    b, n, c, h, w = draw.sizes(5)
    return draw.normal(b, n, c, h, w), 2 * draw.normal(b, n, 1, h, w) + 100 * (draw.case % 2)


def inject(draw: Draw) -> Inputs:
    b, c, h, w = draw.sizes(4)
    return draw.normal(b, c, h, w), draw.normal(b, c, h, w), draw.mask(b, 1, h, w)


def copy_weights(draw: Draw) -> Inputs:
    b, n, h, w = draw.sizes(4)
    trust = draw.uniform(b, n, 1, h, w) * draw.mask(b, n, 1, h, w, share=0.6)
    trust[:, :, :, 0, 0] = 0
    return 2 * draw.normal(b, n, 1, h, w), trust


def affine_grid(draw: Draw) -> Inputs:
    b, h, w = draw.sizes(3)
    return torch.tensor([[1.0, 0, 0], [0, 1, 0]]) + 0.4 * draw.normal(b, 2, 3), h, w


def masked_alignment_loss(draw: Draw) -> Inputs:
    b, n, h, w = draw.sizes(4)
    visible = draw.mask(b, n, 1, h, w, share=0.6)
    visible[0, 0] = 0
    aligned = draw.uniform(b, n, 3, h, w) * visible
    return aligned, visible, draw.uniform(b, 3, h, w), draw.mask(b, 1, h, w)


def hole_valid_l1(draw: Draw) -> Inputs:
    b, c, h, w = draw.sizes(4)
    mask = draw.mask(b, 1, h, w)
    mask[0] = 0
    return draw.uniform(b, c, h, w), draw.uniform(b, c, h, w), mask, draw.number(0.5, 8)


def gram(draw: Draw) -> Inputs:
    return (draw.normal(*draw.sizes(4)),)


def total_variation(draw: Draw) -> Inputs:
    return (draw.uniform(*draw.sizes(4)),)


def learning_rate(draw: Draw) -> Inputs:
    warmup, rest = draw.whole(2, 30), draw.whole(2, 90)
    steps = warmup + rest
    step = draw.whole(0, warmup - 1) if draw.case == 0 else draw.whole(warmup, steps - 1)
    return step, draw.number(1e-4, 1e-2), warmup, steps


def sample_for(draw: Draw) -> Inputs:
    return draw.whole(0, 999), draw.whole(0, 5000), draw.whole(0, 15), draw.whole(50, 900)


def running_average(draw: Draw) -> Inputs:
    shape = draw.sizes(draw.case + 1)
    return draw.normal(*shape), draw.normal(*shape), (0, 7, 4000)[draw.case % 3], draw.number(0.9, 0.999)


def fill_in_order(draw: Draw) -> Inputs:
    t, h, w = draw.sizes(3, 4, 9)
    return draw.uniform(t, 3, h, w), draw.mask(t, 1, h, w, share=0.6), known_mean, draw.whole(1, 3)


def known_mean(frames: Tensor, masks: Tensor, place: int) -> Tensor:
    """A toy model: the mean of each pixel's known colours, nearer frames counting more, and 0.5 where none is known."""
    distance = (torch.arange(len(frames)) - place).abs()
    weight = (1 - masks) / rearrange(1.0 + distance, "t -> t 1 1 1")
    total = reduce(weight, "t 1 h w -> 1 h w", "sum")
    mean = reduce(weight * frames, "t c h w -> c h w", "sum") / total.clamp(min=1e-6)
    return torch.where(total > 0, mean, torch.full_like(mean, 0.5))


def frames_needed(draw: Draw) -> Inputs:
    length, steps = draw.whole(8, 20), []
    for t in range(0, length, draw.whole(1, 3)):
        references = tuple(draw.whole(0, length - 1) for _ in range(draw.whole(0, 3)))
        steps.append(((t,), references))
    return (steps,)


def time_slice(draw: Draw) -> Inputs:
    t, h, w = draw.sizes(3)
    return draw.uniform(t, 3, h, w), draw.whole(0, h - 1), draw.whole(1, 4)


def summing_to_one(draw: Draw, n: int, h: int, w: int) -> Tensor:
    """Weights (n 1 h w) that sum to one over n, some of them 0."""
    weights = draw.uniform(n, 1, h, w) * draw.mask(n, 1, h, w, share=0.7)
    weights[0] += 0.01
    return weights / reduce(weights, "n 1 h w -> 1 1 h w", "sum")


def credited(draw: Draw) -> Inputs:
    n, h, w = draw.sizes(3, 3, 9)
    trust, guess = draw.uniform(n, 1, h, w) * draw.mask(n, 1, h, w, share=0.6), draw.whole(0, n - 1)
    trust[:, :, 0] = 0
    trust[guess] = 0.05 + 0.9 * draw.uniform(1, h, w)
    return summing_to_one(draw, n, h, w), trust, guess


def entropy(draw: Draw) -> Inputs:
    return (summing_to_one(draw, *draw.sizes(3)),)


def psnr(draw: Draw) -> Inputs:
    t, h, w = draw.sizes(3, 3, 9)
    truth, hole = draw.uniform(t, 3, h, w), draw.mask(t, 1, h, w, share=0.3)
    hole[:, :, 1] = 1
    return truth + 0.1 * draw.normal(t, 3, h, w), truth, None if draw.case == 1 else hole


def similarity(draw: Draw) -> Inputs:
    h, w = draw.sizes(2, 4, 12)
    return draw.uniform(h, w).double(), draw.uniform(h, w).double()


def warping_error(draw: Draw) -> Inputs:
    p, h, w = draw.sizes(3, 4, 10)
    forward = 1.2 * draw.normal(p, 2, h, w)
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    at_x, at_y = x + forward[:, :1], y + forward[:, 1:]
    inside = (at_x >= 0) & (at_x <= w - 1) & (at_y >= 0) & (at_y <= h - 1)
    scored = inside.float() * draw.mask(p, 1, h, w, share=0.8)
    forward[:, :, 1, 1], scored[:, :, 1, 1] = 0.25, 1  # something is scored in every pair
    return draw.uniform(p + 1, 3, h, w), forward, scored


def frechet(draw: Draw) -> Inputs:
    d, (n, m) = draw.whole(2, 4), draw.sizes(2, 20, 40)
    a, b = (draw.normal(rows, d).double() @ draw.normal(d, d).double() for rows in (n, m))
    return a, b + draw.number(-1, 1)
