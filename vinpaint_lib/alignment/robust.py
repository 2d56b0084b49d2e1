"""Affine alignment without training: masked robust Gauss-Newton, coarse to fine.

This is the classical counterpart of `LearnedAffine`, with the same interface. It minimises over theta the robust
(Geman-McClure) difference of target(x) and reference(theta x) on pixels that both show. A search over shifts by whole
pixels at the coarsest level finds the starts. Gauss-Newton steps with the mean gradient of both pictures (ESM,
Benhimane and Malis 2004) refine them. Everything is batched and plain torch. No gradient flows back; use LearnedAffine
to train.
"""

import math

import torch
from einops import einsum, rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.motion import warp

LONGEST = 256  # pixels of the longer side at the finest level: finer levels changed the result by less than noise
COARSEST = 24  # pixels of the shorter side at the coarsest level, approximately
OVERLAP = 0.3  # share of the target's known pixels that an answer must explain
ROUNDS = 10  # Gauss-Newton steps at each level
SHIFTS = 3  # the first of these steps, which change the shift only
FLOOR = 4 / 255  # the robust scale never falls below noise
SCALE = 2.0  # robust scale divided by the median difference
STARTS = 3  # number of shifts that the search hands to the refinement

Level = tuple[Tensor, Tensor]  # grey picture and visibility, both b 1 h w


@torch.no_grad()
def robust_affine(
    target: Float[Tensor, "b 3 h w"],
    target_mask: Float[Tensor, "b 1 h w"],
    references: Float[Tensor, "b n 3 h w"],
    reference_masks: Float[Tensor, "b n 1 h w"],
    initial: Float[Tensor, "b n 2 3"] | None = None,
) -> Float[Tensor, "b n 2 3"]:
    """theta for every reference, in corner coordinates (`affine.py`), as LearnedAffine gives it.

    `initial` (for example the learned estimate) is refined instead of the result of the search; the coarsest levels are
    then left out. If both frames show nothing in common, the result is the start.
    """
    affine.check_shapes(target, target_mask, references, reference_masks)
    b, n, _, height, width = references.shape
    size, levels = working_size(height, width)
    one = pyramid(*affine.resize(target, target_mask, size), levels)
    frames, masks = (rearrange(x, "b n c h w -> (b n) c h w") for x in (references, reference_masks))
    many = pyramid(*affine.resize(frames, masks, size), levels)
    one = [(repeat(x, "b c h w -> (b n) c h w", n=n), repeat(y, "b c h w -> (b n) c h w", n=n)) for x, y in one]
    if initial is not None:
        start = affine.corners_to_edges(rearrange(initial, "b n i j -> (b n) i j").float(), height, width)
        theta = down(one[:2], many[:2], start)
    else:
        # There are several starts, since the shift that explains the coarsest level best may do so by accident.
        starts = [affine.identity(b * n, target), *best_shifts(*one[-1], *many[-1])]
        starts = [refine(*one[-1], *many[-1], start) for start in starts]
        cost = torch.stack([difference(*one[-1], *many[-1], theta) for theta in starts])
        theta = torch.stack(starts)[cost.argmin(0), torch.arange(b * n, device=cost.device)]
        theta = down(one[:-1], many[:-1], theta)
    return rearrange(affine.edges_to_corners(theta, height, width), "(b n) i j -> b n i j", b=b)


def down(one: list[Level], many: list[Level], theta: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 2 3"]:
    """theta refined at every level, from the last (coarsest) to the first."""
    for here, there in zip(reversed(one), reversed(many)):
        theta = refine(*here, *there, theta)
    return theta


def difference(
    target: Float[Tensor, "b 1 h w"],
    seen: Float[Tensor, "b 1 h w"],
    reference: Float[Tensor, "b 1 h w"],
    reference_seen: Float[Tensor, "b 1 h w"],
    theta: Float[Tensor, "b 2 3"],
) -> Float[Tensor, "b"]:
    """Mean robust difference on common pixels; the less of the target is explained, the higher the cost."""
    gap, common, _ = compare(target, reference, reference_seen, theta)
    weight = common * rearrange(seen, "b 1 h w -> b (h w)")
    gap = gap - rearrange(masked_median(gap, weight), "b -> b 1")
    count = weight.sum(-1).clamp(min=1)
    cost = (weight * gap**2 / (gap**2 + (4 * FLOOR) ** 2)).sum(-1) / count
    return (cost + 0.01) * (reduce(seen, "b 1 h w -> b", "sum").clamp(min=1) / count).sqrt()


def compare(
    target: Float[Tensor, "b 1 h w"],
    reference: Float[Tensor, "b 1 h w"],
    reference_seen: Float[Tensor, "b 1 h w"],
    theta: Float[Tensor, "b 2 3"],
) -> tuple[Float[Tensor, "b i"], Float[Tensor, "b i"], Float[Tensor, "b 1 h w"]]:
    """Warped reference minus target, the warped reference's visibility (0 or 1), and the warped reference."""
    both = affine.warp_edges(torch.cat([reference * reference_seen, reference_seen], dim=1), theta)
    shown = (both[:, 1:] > 0.999).to(target.dtype)
    gap = rearrange(both[:, :1] - target, "b 1 h w -> b (h w)")
    return gap, rearrange(shown, "b 1 h w -> b (h w)"), both[:, :1]


def working_size(height: int, width: int) -> tuple[tuple[int, int], int]:
    """Size (h, w) of the finest level, and the number of levels; each level has half the size of the level before."""
    scale = min(LONGEST / max(height, width), 1.0)
    levels = max(round(math.log2(min(height, width) * scale / COARSEST)), 0) + 1
    step = 2 ** (levels - 1)
    return (max(round(height * scale / step), 1) * step, max(round(width * scale / step), 1) * step), levels


def pyramid(
    frames: Float[Tensor, "b 3 h w"], masks: Float[Tensor, "b 1 h w"], levels: int
) -> list[tuple[Float[Tensor, "b 1 hh ww"], Float[Tensor, "b 1 hh ww"]]]:
    """Grey pictures and their visibility (exactly 0 or 1), finest first; coarser pixels average known pixels only."""
    grey, seen = reduce(frames, "b c h w -> b 1 h w", "mean"), 1 - masks
    result = [(grey * seen, seen)]
    for _ in range(levels - 1):
        known = functional.avg_pool2d(seen, 2)
        grey = functional.avg_pool2d(grey * seen, 2) / known.clamp(min=0.25)
        seen = (known >= 0.5).to(grey.dtype)
        result.append((grey * seen, seen))
    return result


def best_shifts(
    target: Float[Tensor, "b 1 h w"],
    seen: Float[Tensor, "b 1 h w"],
    reference: Float[Tensor, "b 1 h w"],
    reference_seen: Float[Tensor, "b 1 h w"],
) -> Float[Tensor, "k b 2 3"]:
    """The `STARTS` best shifts by whole pixels, up to half of the picture in each direction; no two are neighbours.

    The best shift has the smallest mean difference. The mean over the common part is subtracted from the difference
    first, so that exposure does not decide. A shift must explain `OVERLAP` of the target, and a longer shift costs a
    little more, since an even wall fits anywhere.
    """
    b, _, height, width = target.shape
    reach = (height // 2, width // 2)
    cost, count = shift_costs(target, seen, reference, reference_seen, reach)
    y, x = torch.meshgrid(*(torch.arange(-r, r + 1) for r in reach), indexing="ij")
    shift = rearrange(torch.stack([x * 2 / width, y * 2 / height], -1), "y x xy -> (y x) xy").to(target)
    enough = count >= OVERLAP * reduce(seen, "b 1 h w -> b 1", "sum").clamp(min=4)
    still = (shift == 0).all(-1)
    cost = ((cost + FLOOR) * (1 + 0.5 * shift.norm(dim=-1))).masked_fill(~(enough | still), torch.inf)
    found = []
    for _ in range(STARTS):
        best = shift[cost.argmin(-1)]
        found.append(torch.cat([affine.identity(b, target)[:, :, :2], rearrange(best, "b xy -> b xy 1")], dim=-1))
        apart = (shift - rearrange(best, "b xy -> b 1 xy")).abs() * warp.beside([width / 2, height / 2], shift)
        cost = cost.masked_fill(apart.amax(-1) < 1.5, torch.inf)
    return torch.stack(found)


def shift_costs(
    target: Float[Tensor, "b 1 h w"],
    seen: Float[Tensor, "b 1 h w"],
    reference: Float[Tensor, "b 1 h w"],
    reference_seen: Float[Tensor, "b 1 h w"],
    reach: tuple[int, int],
) -> tuple[Float[Tensor, "b j"], Float[Tensor, "b j"]]:
    """Mean |d - mean(d)| on common pixels, with d = reference(x + shift) - target(x); and their number, at least 1.

    Both are given for every shift by whole pixels up to `reach` (rows, columns), j = (y x), the most negative first.
    The loop takes one row of shifts at a time, which stays in the processor's cache; all shifts at once would not.
    """
    height, width = target.shape[-2:]
    flat, flat_seen = (rearrange(x, "b 1 h w -> b 1 (h w)") for x in (target, seen))
    wide = [functional.pad(x[:, 0], (reach[1], reach[1], reach[0], reach[0])) for x in (reference, reference_seen)]
    costs, counts = [], []
    for top in range(2 * reach[0] + 1):
        rows = (x[:, top : top + height].unfold(2, width, 1) for x in wide)
        moved, moved_seen = (rearrange(x, "b h j w -> b j (h w)") for x in rows)
        common = moved_seen * flat_seen
        count = common.sum(-1).clamp(min=1)
        gap = moved - flat
        gap = gap - rearrange((gap * common).sum(-1) / count, "b j -> b j 1")
        costs.append((gap.abs() * common).sum(-1) / count)
        counts.append(count)
    return torch.cat(costs, dim=1), torch.cat(counts, dim=1)


def refine(
    target: Float[Tensor, "b 1 h w"],
    seen: Float[Tensor, "b 1 h w"],
    reference: Float[Tensor, "b 1 h w"],
    reference_seen: Float[Tensor, "b 1 h w"],
    theta: Float[Tensor, "b 2 3"],
) -> Float[Tensor, "b 2 3"]:
    """Gauss-Newton steps at one level; the first steps change the shift only.

    The start is kept if the steps did not make the robust difference smaller, or led out of the picture.
    """
    place = affine.cell_centres(target.shape[-2], target.shape[-1], target)
    terms = rearrange(torch.cat([place, torch.ones_like(place[:, :1])], -1), "i k -> 1 k i")
    slope, slope_seen = gradient(target, seen)
    known = rearrange(seen, "b 1 h w -> b (h w)")
    start, start_gap, start_weight = theta, torch.zeros(0), torch.zeros(0)
    for step in range(ROUNDS + 1):
        gap, shown, moved = compare(target, reference, reference_seen, theta)
        moved_slope, moved_whole = gradient(moved, rearrange(shown, "b (h w) -> b 1 h w", h=target.shape[-2]))
        weight = rearrange(slope_seen * moved_whole, "b 1 h w -> b (h w)")
        gap = gap - rearrange(masked_median(gap, weight), "b -> b 1")
        # The scale follows the fit: pixels that do not move with the rest stand out more and more.
        scale = rearrange((SCALE * masked_median(gap.abs(), weight)).clamp(min=FLOOR), "b -> b 1")
        if step == 0:
            start_gap, start_weight = gap, weight
        if step == ROUNDS:
            break
        robust = weight * (scale**2 / (scale**2 + gap**2)).square()
        mean_slope = rearrange((slope + moved_slope) / 2, "b xy h w -> b xy (h w)")
        theta = affine.compose(newton_step(mean_slope, terms[:, 2:] if step < SHIFTS else terms, gap, robust), theta)
    before, after = (
        (w * g**2 / (g**2 + scale**2)).sum(-1) / w.sum(-1).clamp(min=1)
        for g, w in ((start_gap, start_weight), (gap, weight))
    )
    good = (after < before) & ((known * shown).sum(-1) >= OVERLAP * known.sum(-1)) & (weight.sum(-1) > 0)
    return torch.where(rearrange(good, "b -> b 1 1"), theta, start)


def newton_step(
    slope: Float[Tensor, "b 2 i"],
    terms: Float[Tensor, "1 k i"],
    gap: Float[Tensor, "b i"],
    weight: Float[Tensor, "b i"],
) -> Float[Tensor, "b 2 3"]:
    """I + D. D (2 k) and an offset of exposure solve slope . (D terms) + offset = -gap by weighted least squares.

    `terms` are (x, y, 1), or (1) alone for a shift.
    """
    jacobian = rearrange(rearrange(slope, "b xy i -> b xy 1 i") * terms, "b xy k i -> b (xy k) i")
    jacobian = torch.cat([jacobian, torch.ones_like(jacobian[:, :1])], dim=1)
    weighted = jacobian * rearrange(weight, "b i -> b 1 i")
    normal = einsum(weighted, jacobian, "b j i, b k i -> b j k")
    right = -einsum(weighted, gap, "b j i, b i -> b j")
    # Damping: a share of each diagonal entry (Marquardt), and a little of their mean, so an even wall gives no step.
    diagonal = torch.diagonal(normal, dim1=1, dim2=2)
    normal = normal + torch.diag_embed(1e-3 * diagonal + 1e-4 * reduce(diagonal, "b k -> b 1", "mean") + 1e-6)
    # `solve` would wait for the device to ask whether there is a solution; the damping sees to it.
    solved = torch.linalg.solve_ex(normal.float(), rearrange(right, "b j -> b j 1").float()).result
    step = solved[:, :-1, 0].clamp(-0.5, 0.5)
    step = rearrange(step, "b (xy k) -> b xy k", xy=2)
    return affine.identity(len(gap), gap) + functional.pad(step, (3 - step.shape[-1], 0))


def gradient(
    image: Float[Tensor, "b 1 h w"], seen: Float[Tensor, "b 1 h w"]
) -> tuple[Float[Tensor, "b 2 h w"], Float[Tensor, "b 1 h w"]]:
    """Central differences per unit of edge coordinates, and 1 where they use known pixels only."""
    height, width = image.shape[-2:]
    wide = functional.pad(image, (1, 1, 1, 1))
    dx = (wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]) * (width / 4)
    dy = (wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]) * (height / 4)
    around = functional.pad(seen, (1, 1, 1, 1))
    whole = 1 - functional.max_pool2d(1 - around, 3, stride=1)
    return torch.cat([dx, dy], dim=1), whole


def masked_median(values: Float[Tensor, "b i"], weight: Float[Tensor, "b i"]) -> Float[Tensor, "b"]:
    """Median of the values whose weight is not 0; 0 if there are none."""
    return values.masked_fill(weight == 0, torch.nan).nanmedian(dim=-1).values.nan_to_num(0.0)
