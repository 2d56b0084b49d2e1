"""Affine maps as 2 x 3 matrices: compose, invert, change coordinates, and fit them to matches.

Meaning  theta maps a position of the target to a position of the reference (a backward warp, as in
         `motion/warp.py`).
Corners  *Corner* coordinates put -1 and +1 on the centres of the first and last pixel (align_corners=True). This
         is the convention of `motion/warp.py`, and of every theta that leaves a module.
Edges    *Edge* coordinates put -1 and +1 on the outer edges of the picture (align_corners=False). Such a position
         does not change when the picture is resized, so estimators work in edge coordinates.
"""

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.motion import warp


def identity(count: int, like: Tensor) -> Float[Tensor, "b 2 3"]:
    """`count` identity maps on the device of `like`, in float32."""
    return repeat(torch.eye(2, 3, device=like.device), "i j -> b i j", b=count).clone()


def square(theta: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 3 3"]:
    """The same map as a 3 x 3 matrix (last row 0 0 1)."""
    return torch.cat([theta, repeat(warp.beside([[0.0, 0.0, 1.0]], theta), "i j -> b i j", b=len(theta))], dim=1)


def compose(first: Float[Tensor, "b 2 3"], then: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 2 3"]:
    """The map x -> then(first(x)).

    A refinement uses it like this: if the reference warped by `theta` still has to move by `delta`, that is
    target(x) = reference(theta(delta(x))), then the better map is compose(delta, theta).
    """
    return einsum(then, square(first), "b i j, b j k -> b i k")


def invert(theta: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 2 3"]:
    """The inverse map. Raises torch.linalg.LinAlgError when theta squeezes the plane to a line."""
    return torch.linalg.inv(square(theta))[:, :2]


def apply(theta: Float[Tensor, "b 2 3"], points: Float[Tensor, "b i 2"]) -> Float[Tensor, "b i 2"]:
    """Points (x, y) under theta."""
    return einsum(theta[:, :, :2], points, "b i j, b p j -> b p i") + rearrange(theta[:, :, 2], "b i -> b 1 i")


def edges_to_corners(theta: Float[Tensor, "b 2 3"], height: int, width: int) -> Float[Tensor, "b 2 3"]:
    """A map in edge coordinates as the same map in corner coordinates of a `height` x `width` picture."""
    return rescaled(theta, width / max(width - 1, 1), height / max(height - 1, 1))


def corners_to_edges(theta: Float[Tensor, "b 2 3"], height: int, width: int) -> Float[Tensor, "b 2 3"]:
    """The reverse of `edges_to_corners`."""
    return rescaled(theta, max(width - 1, 1) / width, max(height - 1, 1) / height)


def rescaled(theta: Float[Tensor, "b 2 3"], x: float, y: float) -> Float[Tensor, "b 2 3"]:
    """S theta S^-1 with S = diag(x, y); exactly theta where theta is the identity."""
    factors = warp.beside([[1.0, x / y, x], [y / x, 1.0, y]], theta)
    return theta * factors


def warp_edges(
    image: Float[Tensor, "b c h w"], theta: Float[Tensor, "b 2 3"], size: tuple[int, int] | None = None
) -> Float[Tensor, "b c oh ow"]:
    """out(x) = image(theta x) for theta in edge coordinates; 0 outside. `size` (height, width) is the image's unless
    another is given."""
    grid = functional.affine_grid(theta, [*image.shape[:2], *(size or image.shape[-2:])], align_corners=False)
    return functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def cell_centres(rows: int, cols: int, like: Tensor) -> Float[Tensor, "i 2"]:
    """Edge coordinates (x, y) of the centres of rows x cols equal cells that tile the picture, row by row."""
    y = (torch.arange(rows, device=like.device) * 2 + 1) / rows - 1
    x = (torch.arange(cols, device=like.device) * 2 + 1) / cols - 1
    return torch.stack([repeat(x, "c -> (r c)", r=rows), repeat(y, "r -> (r c)", c=cols)], dim=-1)


def fit(
    start: Float[Tensor, "b i 2"], end: Float[Tensor, "b i 2"], weight: Float[Tensor, "b i"], ridge: float = 1e-4
) -> Float[Tensor, "b 2 3"]:
    """Weighted least squares: argmin over theta of mean_i w_i |theta(start_i) - end_i|^2 + ridge |theta - I|^2.

    The ridge makes the answer unique, pulls it to the identity where the weights are small, and gives
    exactly the identity where they are all 0.
    """
    points = torch.cat([start, torch.ones_like(start[..., :1])], dim=-1)
    weighted = points * rearrange(weight, "b i -> b i 1") / points.shape[1]
    # Solved for theta - I: displacements instead of positions, so that "no motion" stays exact in float32.
    normal = einsum(weighted, points, "b p i, b p j -> b i j") + ridge * torch.eye(3, device=start.device)
    right = einsum(weighted, end - start, "b p i, b p j -> b i j")
    # `solve` would wait for the device to ask whether there is a solution; the ridge sees to it. And unlike `solve`,
    # `solve_ex` does not itself compute in full precision under autocast.
    solved = torch.linalg.solve_ex(normal, right.to(normal.dtype)).result
    return identity(len(start), start) + rearrange(solved, "b i j -> b j i")


def fit_robust(
    start: Float[Tensor, "b i 2"],
    end: Float[Tensor, "b i 2"],
    weight: Float[Tensor, "b i"],
    half_size: tuple[float, float],
    scales: tuple[float, ...],
    ridge: float = 1e-4,
) -> Float[Tensor, "b 2 3"]:
    """The map on which most of the weight agrees: `fit` with Geman-McClure weights, once per scale.

    `half_size` (h, w) turns coordinates into pixels; `scales` are in these pixels, from wide to narrow. The rounds
    begin with the best of five fits: one to all matches, and one to the matches of each half of the picture (left,
    right, top, bottom). A large object on one side bends the fit to all matches so far that no round could undo it.
    """
    unit = warp.beside([half_size[1], half_size[0]], start)

    def robust(theta: Float[Tensor, "b 2 3"], scale: float) -> Float[Tensor, "b i"]:
        squared = ((apply(theta, start) - end) * unit).square().sum(-1)
        return weight * (scale**2 / (scale**2 + squared)).square()

    x, y = start.unbind(-1)
    sides = [torch.ones_like(x), (x < 0).to(x), (x >= 0).to(x), (y < 0).to(x), (y >= 0).to(x)]
    found = torch.stack([fit(start, end, weight * side, ridge) for side in sides])
    votes = torch.stack([robust(theta, scales[0]).sum(-1) for theta in found])
    theta = found[votes.argmax(0), torch.arange(len(start), device=start.device)]
    for scale in scales:
        theta = fit(start, end, robust(theta, scale), ridge)
    return theta


def resize(
    frames: Float[Tensor, "b 3 h w"], masks: Float[Tensor, "b 1 h w"], size: tuple[int, int]
) -> tuple[Float[Tensor, "b 3 hh ww"], Float[Tensor, "b 1 hh ww"]]:
    """Frames and masks at another size; a pixel that a hole touches becomes hole, and the frame is 0 there."""
    both = torch.cat([frames * (1 - masks), 1 - masks], dim=1)
    both = functional.interpolate(both, size, mode="bilinear", antialias=True, align_corners=False)
    mask = (both[:, 3:] < 0.999).to(frames.dtype)
    return both[:, :3] * (1 - mask), mask


def check_shapes(target: Tensor, target_mask: Tensor, references: Tensor, reference_masks: Tensor) -> None:
    """Raises ValueError, which names both shapes, if they disagree."""
    b, _, h, w = target.shape
    n = references.shape[1]
    for name, got, want in (
        ("target", target, (b, 3, h, w)),
        ("target_mask", target_mask, (b, 1, h, w)),
        ("references", references, (b, n, 3, h, w)),
        ("reference_masks", reference_masks, (b, n, 1, h, w)),
    ):
        if tuple(got.shape) != want:
            raise ValueError(f"{name} has shape {tuple(got.shape)}, but the target asks for {want}")
