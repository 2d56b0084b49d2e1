"""Losses that pretrain the affine aligner (`learned.py`): on pairs with known motion, and L_align on real pairs.

Align-and-Attend trains its aligner alone on synthetic pairs, by the mean distance of the sampling grids, and then
freezes it. TGF-Net (sec. E) trains its aligner by L_align together with the network. L_align alone moves nothing here,
since its gradient is as local as the gradient of the picture. So the grid distance comes first, and two more losses
teach the matches: which cell is the true one, and whether the match can be trusted. The gate of the aligner is open
from the first step of the pretraining; it starts closed only for training without pretraining.
"""

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.alignment.learned import LearnedAffine, warp_with_mask
from vinpaint_lib.alignment.matching import REACH, Matches
from vinpaint_lib.alignment.pairs import Pair, project, square
from vinpaint_lib.motion import warp

WEIGHTS = {"grid": 1.0, "coarse grid": 0.5, "cells": 0.5, "fine cells": 0.5, "belief": 0.5, "fine belief": 0.5}
REAL_WEIGHT = 4.0  # weight of L_align on real pairs
SURE = -9.0  # lower log-probabilities count as this, so that one impossible cell does not outweigh all others


def losses(net: LearnedAffine, pair: Pair, jitter: torch.Generator) -> dict[str, Tensor]:
    """Terms of the supervised loss on pairs at the network's working size."""
    return terms_and_map(net, pair, jitter)[0]


def terms_and_map(
    net: LearnedAffine, pair: Pair, jitter: torch.Generator
) -> tuple[dict[str, Tensor], Float[Tensor, "b 2 3"]]:
    """The terms, and the map (edge coordinates) that they judge: the map after one first and one second look.

    A network without second looks (`looks=0`) answers with the first look. Then "grid" judges this map, and the terms
    of the second look are left out.
    """
    exact = torch.autocast(pair.target.device.type, enabled=False)
    mask, other_mask = pair.target_mask, pair.reference_mask
    fine, coarse = net.encoder(pair.target, mask)
    others = net.encoder(pair.reference * (1 - other_mask), other_mask)[1]
    with exact:
        first = net.first_look(coarse, others, mask, other_mask)
        rough = net.fit(first, first=True)
        if not net.looks:
            cells, belief = first_terms(first, pair, net.size)
            grid = saturated(distance(rough, pair.motion, net.size), 10.0)
            return {"grid": grid, "cells": cells, "belief": belief}, rough
        known = fit_known(pair.motion, net.size)
        # The second look starts at the result of the first look; while this is still far off, it starts near the truth.
        near = affine.compose(warp.beside(shaken(len(known), jitter), known), known)
        use = distance(rough, pair.motion, net.size) < 12
        start = torch.where(rearrange(use, "b -> b 1 1"), rough, near).detach()
        moved, gone = warp_with_mask(pair.reference, other_mask, start)
    others = net.encoder(moved, gone, coarse=False)[0]
    with exact:
        second = net.second_look(fine, others, mask, gone)
        final = affine.compose(net.fit(second, first=False), start)
        cells, belief = first_terms(first, pair, net.size)
        fine_cells, fine_belief = second_terms(second, pair, start, net.size)
        return {
            "grid": saturated(distance(final, pair.motion, net.size), 10.0),
            "coarse grid": saturated(distance(rough, pair.motion, net.size), 20.0),
            "cells": cells,
            "fine cells": fine_cells,
            "belief": belief,
            "fine belief": fine_belief,
        }, final


def fit_known(motion: Float[Tensor, "b 3 3"], size: tuple[int, int]) -> Float[Tensor, "b 2 3"]:
    """The affine map nearest to a known motion; an affine motion gives itself, up to the ridge."""
    start = repeat(affine.cell_centres(size[0] // 8, size[1] // 8, motion), "i xy -> b i xy", b=len(motion))
    return affine.fit(start, project(motion, start), torch.ones_like(start[..., 0]), ridge=1e-6)


def shaken(count: int, rng: torch.Generator) -> Float[Tensor, "b 2 3"]:
    """Small random affine maps of some pixels of the working size, like the error that a first look may leave.

    They are drawn on the CPU, since a seed gives other numbers on other devices.
    """
    return affine.identity(count, torch.zeros(())) + torch.randn(count, 2, 3, generator=rng) * torch.tensor(
        [0.02, 0.02, 0.03]
    )


def distance(
    theta: Float[Tensor, "b 2 3"], motion: Float[Tensor, "b 3 3"], size: tuple[int, int]
) -> Float[Tensor, "b"]:
    """Mean grid distance in pixels of the working size.

    The mean is over target cells whose content is inside the reference, or over all cells if there are none.
    """
    start = repeat(affine.cell_centres(size[0] // 8, size[1] // 8, theta), "i xy -> b i xy", b=len(theta))
    true = project(motion, start)
    inside = (true.abs().amax(-1) <= 1).float()
    inside = inside + 1e-3
    half = warp.beside([size[1] / 2, size[0] / 2], theta)
    gap = ((affine.apply(theta, start) - true) * half).square().sum(-1).add(1e-4).sqrt()
    return (gap * inside).sum(-1) / inside.sum(-1)


def saturated(gap: Float[Tensor, "b"], scale: float) -> Tensor:
    """Mean of log(1 + gap / scale), so that a pair with a very large gap does not decide the step."""
    return torch.log1p(gap / scale).mean()


def seen_there(pair: Pair, points: Float[Tensor, "b i 2"]) -> Float[Tensor, "b i"]:
    """1 where the reference shows its background at edge coordinates `points`: no hole, no cut-out, inside."""
    plain = (1 - pair.reference_mask) * (1 - pair.reference_front)
    grid = rearrange(points, "b i xy -> b i 1 xy")
    found = functional.grid_sample(plain, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return (rearrange(found, "b 1 i 1 -> b i") > 0.9).float()


def share(maps: Float[Tensor, "b 1 h w"], cell: int) -> Float[Tensor, "b i"]:
    """Mean of `maps` over each cell of `cell` x `cell` pixels."""
    return reduce(maps, "b 1 (h y) (w x) -> b (h w)", "mean", y=cell, x=cell)


def first_terms(matches: Matches, pair: Pair, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Two terms of the first look: the cross-entropy of the true cell, and that of the confidence.

    The confidence is compared with whether the match is right.
    """
    true = project(pair.motion, matches.start)
    rows, cols = size[0] // 8, size[1] // 8
    index = (true + 1) / 2 * warp.beside([cols, rows], true) - 0.5
    return match_terms(matches, pair, true, index, rows, cols, 8, size)


def second_terms(matches: Matches, pair: Pair, start: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The two terms of the second look, whose candidates are steps in the reference warped by `start`."""
    there = project(pair.motion, matches.start)
    # `inv` would wait for the device to ask whether there is an inverse.
    true = project(torch.linalg.inv_ex(square(start)).inverse, there)
    half = warp.beside([size[1] / 8, size[0] / 8], true)
    side = 2 * REACH + 1
    return match_terms(matches, pair, true, (true - matches.start) * half + REACH, side, side, 4, size, there)


def match_terms(
    matches: Matches,
    pair: Pair,
    true: Float[Tensor, "b i 2"],
    index: Float[Tensor, "b i 2"],
    rows: int,
    cols: int,
    cell: int,
    size: tuple[int, int],
    there: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The two terms of one look. `true` are the true positions, `there` the same in the reference before its warp.

    `index` is the true position in the grid of candidates, continuous; its four neighbours share the target of the
    cross-entropy.
    """
    plain = (share(1 - torch.maximum(pair.target_mask, pair.target_front), cell) > 0.9).float()
    shown = plain * seen_there(pair, true if there is None else there)
    low = index.floor()
    within = ((low >= 0).all(-1) & (low[..., 0] < cols - 1) & (low[..., 1] < rows - 1)).float() * shown
    low = torch.stack([low[..., 0].clamp(0, cols - 2), low[..., 1].clamp(0, rows - 2)], -1)
    part = (index - low).clamp(0, 1)
    log_p = torch.zeros_like(within)
    total = matches.logits.logsumexp(-1)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        place = ((low[..., 1] + dy) * cols + low[..., 0] + dx).long()
        logit = rearrange(matches.logits.gather(-1, rearrange(place, "b i -> b i 1")), "b i 1 -> b i")
        weight = (part[..., 0] if dx else 1 - part[..., 0]) * (part[..., 1] if dy else 1 - part[..., 1])
        log_p = log_p + weight * (logit - total).clamp(min=SURE)
    cells = -(log_p * within).sum() / within.sum().clamp(min=1)
    gap = ((matches.end - true) * warp.beside([size[1] / 2, size[0] / 2], true)).norm(dim=-1)
    right = ((gap < 0.75 * cell).float() * shown).detach()
    # Cut-outs are left out, since one cell does not show that they move by themselves.
    judged = (share(torch.maximum(pair.target_mask, pair.target_front), cell) < 0.1).float()
    belief = functional.binary_cross_entropy(matches.confidence.clamp(1e-4, 1 - 1e-4), right, reduction="none")
    return cells, (belief * judged).sum() / judged.sum().clamp(min=1)


def align_loss(
    net: LearnedAffine,
    target: Float[Tensor, "b 3 h w"],
    mask: Float[Tensor, "b 1 h w"],
    reference: Float[Tensor, "b 3 h w"],
    reference_mask: Float[Tensor, "b 1 h w"],
) -> Tensor:
    """L_align at the working size: mean of |CX - X_t| on pixels that both show (TGF-Net sec. E, with visibility)."""
    theta = net(
        target, mask, rearrange(reference, "b c h w -> b 1 c h w"), rearrange(reference_mask, "b c h w -> b 1 c h w")
    )
    theta = affine.corners_to_edges(rearrange(theta, "b 1 i j -> b i j"), *target.shape[-2:])
    moved, gone = warp_with_mask(reference, reference_mask, theta)
    weight = (1 - mask) * (1 - gone)
    gap = ((moved - target).abs() * weight).sum((1, 2, 3)) / (3 * weight.sum((1, 2, 3)).clamp(min=1))
    # A map that throws the reference out of the frame leaves nothing to compare, and must not be rewarded for it.
    overlap = weight.mean((1, 2, 3)) / (1 - mask).mean((1, 2, 3)).clamp(min=1e-3)
    return (gap * (overlap > 0.3)).mean()
