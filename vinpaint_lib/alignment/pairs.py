"""Synthetic pairs with known motion, for the pretraining of the affine aligners.

A pair is two views of one photograph, with a random camera motion between them (affine, sometimes a homography). In
front are cut-outs of other photographs, which move by themselves. Both pictures have holes and noise; the reference has
another exposure, and is sometimes blurred. All positions are edge coordinates (`affine.py`), so they do not depend on
the working size.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.motion import warp


@dataclass(frozen=True)
class CameraRange:
    """How far the camera moves, as standard deviations.

    Shifts are in halves of the picture, turns in degrees, zooms as logarithms; the others are plain numbers.
    """

    shifts: tuple[float, ...] = (0.06, 0.2, 0.5)  # one of these is drawn for each pair
    turn: float = 7.0
    zoom: float = 0.10
    stretch: float = 0.03
    perspective: float = 0.05
    homographies: float = 0.3  # share of pairs with perspective


class Pair(NamedTuple):
    """`motion` maps target to reference positions (3 x 3, edge coordinates); `*_front` is 1 on the moving cut-outs."""

    target: Float[Tensor, "b 3 h w"]
    target_mask: Float[Tensor, "b 1 h w"]
    target_front: Float[Tensor, "b 1 h w"]
    reference: Float[Tensor, "b 3 h w"]
    reference_mask: Float[Tensor, "b 1 h w"]
    reference_front: Float[Tensor, "b 1 h w"]
    motion: Float[Tensor, "b 3 3"]


def make_pairs(
    photos: Float[Tensor, "b 3 ph pw"], size: tuple[int, int], rng: Generator, motion: CameraRange | None = None
) -> Pair:
    """One pair from each photograph, at `size` (height, width); cut-outs take their texture from other photographs."""
    motion = motion or CameraRange()
    b = len(photos)
    view = square(
        random_affine(b, size, rng, shift=0.25, turn=8.0, zoom=0.15, stretch=0.1, base=uniform(b, 0.55, 0.8, rng))
    )
    flip = torch.where(torch.rand(b, generator=rng) < 0.5, -1.0, 1.0)
    view = view * rearrange(torch.stack([flip, torch.ones(b), torch.ones(b)], -1), "b j -> b 1 j")
    known = camera(b, size, rng, motion)
    target, reference = view_of(photos, view, size), view_of(photos, view @ torch.linalg.inv(known), size)
    fronts = [torch.zeros(b, 1, *size), torch.zeros(b, 1, *size)]
    for turn in (1, 2):
        own = square(random_affine(b, size, rng, shift=0.3, turn=6.0, zoom=0.1, stretch=0.03))
        shape = blob(b, size, rng, 0.02, 0.2) * chance(b, 0.5, rng)
        texture = view_of(photos.roll(turn, 0), view, size)
        moved = torch.linalg.inv(known @ own)
        target = target * (1 - shape) + texture * shape
        other_shape = view_of(shape, moved, size, outside="zeros")
        reference = reference * (1 - other_shape) + view_of(texture, moved, size) * other_shape
        fronts = [torch.maximum(fronts[0], shape), torch.maximum(fronts[1], (other_shape > 0).float())]
    reference = exposure(reference, rng)
    holes = [blob(b, size, rng, 0.02, 0.25) * chance(b, 0.75, rng) for _ in range(2)]
    return Pair(noisy(target, rng), holes[0], fronts[0], noisy(reference, rng), holes[1], fronts[1], known)


def camera(b: int, size: tuple[int, int], rng: Generator, motion: CameraRange) -> Float[Tensor, "b 3 3"]:
    """Random camera motions, target to reference."""
    shift = torch.tensor(motion.shifts)[torch.randint(len(motion.shifts), (b,), generator=rng)]
    known = square(random_affine(b, size, rng, shift, motion.turn, motion.zoom, motion.stretch))
    tilt = torch.randn(b, 2, generator=rng) * motion.perspective * chance(b, motion.homographies, rng)[:, :, 0, 0]
    known[:, 2, :2] = tilt.clamp(-0.2, 0.2)
    return known


def random_affine(
    b: int,
    size: tuple[int, int],
    rng: Generator,
    shift: float | Float[Tensor, "b"],
    turn: float,
    zoom: float,
    stretch: float,
    base: float | Float[Tensor, "b"] = 1.0,
) -> Float[Tensor, "b 2 3"]:
    """Normally distributed affine maps; a turn is a turn in pixels, also in a picture that is not square."""
    angle = torch.randn(b, generator=rng) * turn * torch.pi / 180
    grow = torch.exp(torch.randn(b, generator=rng) * zoom) * base
    uneven = torch.eye(2) + torch.randn(b, 2, 2, generator=rng) * stretch
    rotation = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], 1
    )
    half = torch.tensor([size[1] / 2, size[0] / 2])
    linear = einsum(rotation, uneven, "b i j, b j k -> b i k") * rearrange(grow, "b -> b 1 1")
    linear = linear * half / rearrange(half, "i -> i 1")
    move = torch.randn(b, 2, generator=rng) * rearrange(torch.as_tensor(shift).expand(b), "b -> b 1")
    return torch.cat([linear, rearrange(move, "b i -> b i 1")], dim=-1)


def view_of(
    picture: Float[Tensor, "b c ph pw"],
    matrix: Float[Tensor, "b 3 3"],
    size: tuple[int, int],
    outside: str = "reflection",
) -> Float[Tensor, "b c h w"]:
    """The picture seen through a homography: out(x) = picture(matrix x), in edge coordinates."""
    grid = project(matrix, repeat(affine.cell_centres(*size, picture), "i xy -> b i xy", b=len(picture)))
    grid = rearrange(grid, "b (h w) xy -> b h w xy", h=size[0])
    return functional.grid_sample(picture, grid, mode="bilinear", padding_mode=outside, align_corners=False)


def project(matrix: Float[Tensor, "b 3 3"], points: Float[Tensor, "b i 2"]) -> Float[Tensor, "b i 2"]:
    """Positions to which each homography carries its points (x, y)."""
    return rearrange(warp.project(matrix, rearrange(points, "b i xy -> b xy i 1")), "b xy i 1 -> b i xy")


def square(theta: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 3 3"]:
    """theta as a new 3 x 3 matrix, which may be changed in place."""
    return affine.square(theta).clone()


def blob(b: int, size: tuple[int, int], rng: Generator, least: float, most: float) -> Float[Tensor, "b 1 h w"]:
    """Free-form blobs that cover a share of the picture between `least` and `most`.

    A blob is the top of a landscape, which is an elliptic hill plus smooth noise.
    """
    place = affine.cell_centres(*size, torch.zeros(()))
    centre = torch.rand(b, 1, 2, generator=rng) * 1.6 - 0.8
    axes = uniform(2 * b, 0.6, 1.7, rng).reshape(b, 1, 2)
    height = -((place - centre) / axes).square().sum(-1)
    noise = torch.randn(b, 1, 5, 8, generator=rng)
    rough = functional.interpolate(noise, size, mode="bicubic", align_corners=False)
    height = rearrange(height, "b (h w) -> b 1 h w", h=size[0]) + 0.35 * rough
    share = torch.exp(uniform(b, torch.tensor(least).log().item(), torch.tensor(most).log().item(), rng))
    level = torch.stack([torch.quantile(one[:, ::4, ::4], 1 - part) for one, part in zip(height, share, strict=True)])
    return (height > rearrange(level, "b -> b 1 1 1")).float()


def exposure(frames: Float[Tensor, "b 3 h w"], rng: Generator) -> Float[Tensor, "b 3 h w"]:
    """The frames with a random gain and offset; a third of them are also blurred."""
    b = len(frames)
    gain, offset = (rearrange(torch.randn(b, generator=rng) * s, "b -> b 1 1 1") for s in (0.1, 0.03))
    soft = functional.avg_pool2d(frames, 3, stride=1, padding=1, count_include_pad=False)
    return torch.lerp(frames, soft, chance(b, 0.33, rng)) * (1 + gain) + offset


def noisy(frames: Float[Tensor, "b 3 h w"], rng: Generator) -> Float[Tensor, "b 3 h w"]:
    """The frames with camera noise, clipped to [0, 1]."""
    return (frames + 0.015 * torch.randn(frames.shape, generator=rng)).clamp(0, 1)


def uniform(count: int, low: float, high: float, rng: Generator) -> Float[Tensor, "n"]:
    """Uniform numbers."""
    return torch.rand(count, generator=rng) * (high - low) + low


def chance(b: int, share: float, rng: Generator) -> Float[Tensor, "b 1 1 1"]:
    """1 with probability `share`, else 0."""
    return rearrange((torch.rand(b, generator=rng) < share).float(), "b -> b 1 1 1")
