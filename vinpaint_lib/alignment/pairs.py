"""Synthetic pairs with known motion, for the pretraining of the affine aligners.

A pair is two views of one photograph, with a random camera motion between them (affine, sometimes a homography). In
front are cut-outs of other photographs, which move by themselves. Both pictures have holes and noise; the reference has
another exposure, and is sometimes blurred. All positions are edge coordinates (`affine.py`), so they do not depend on
the working size.

Holes are smooth blobs, or the irregular masks of Align-and-Attend's section 3.3: streaks and holes of arbitrary shape
under random affine maps. The section leaves open whether both pictures of a pair share one mask and one map; here each
has its own. It names the kinds of maps (translation, rotation, scaling, shearing) but no ranges, so those are ours.

All random numbers, and the small maps made of them, are drawn on the CPU, so they are the same on every device.
Pictures stay on the device of the photographs.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import strokes
from vinpaint_lib.motion import warp

MASKS = ("blobs", "irregular")


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
    photos: Float[Tensor, "b 3 ph pw"],
    size: tuple[int, int],
    rng: Generator,
    motion: CameraRange | None = None,
    masks: str = "blobs",
) -> Pair:
    """One pair from each photograph, at `size` (height, width), on the photographs' device.

    Cut-outs take their texture from other photographs. `masks` is one of `MASKS`; a quarter of the pictures have no
    blob, but every picture has an irregular mask. `rng` is a generator of the CPU.
    """
    motion = motion or CameraRange()
    b = len(photos)
    view = square(
        random_affine(b, size, rng, shift=0.25, turn=8.0, zoom=0.15, stretch=0.1, base=uniform(b, 0.55, 0.8, rng))
    )
    flip = torch.where(torch.rand(b, generator=rng) < 0.5, -1.0, 1.0)
    view = view * rearrange(torch.stack([flip, torch.ones(b), torch.ones(b)], -1), "b j -> b 1 j")
    known = camera(b, size, rng, motion)
    target, reference = view_of(photos, view, size), view_of(photos, view @ torch.linalg.inv(known), size)
    fronts = [torch.zeros_like(target[:, :1]), torch.zeros_like(target[:, :1])]
    for turn in (1, 2):
        own = square(random_affine(b, size, rng, shift=0.3, turn=6.0, zoom=0.1, stretch=0.03))
        shape = blob(b, size, rng, 0.02, 0.2, photos) * warp.beside(chance(b, 0.5, rng), photos)
        texture = view_of(photos.roll(turn, 0), view, size)
        moved = torch.linalg.inv(known @ own)
        target = target * (1 - shape) + texture * shape
        other_shape = view_of(shape, moved, size, outside="zeros")
        reference = reference * (1 - other_shape) + view_of(texture, moved, size) * other_shape
        fronts = [torch.maximum(fronts[0], shape), torch.maximum(fronts[1], (other_shape > 0).float())]
    reference = exposure(reference, rng)
    ours, theirs = (holes(masks, b, size, rng, 0.25, 0.75, photos) for _ in range(2))
    moved = warp.beside(known, photos)
    return Pair(noisy(target, rng), ours, fronts[0], noisy(reference, rng), theirs, fronts[1], moved)


def holes(
    masks: str, b: int, size: tuple[int, int], rng: Generator, most: float, often: float, like: Tensor
) -> Float[Tensor, "b 1 h w"]:
    """Random holes, 0 or 1, on the device of `like`; `masks` is one of `MASKS`, else UserError.

    `most` and `often` are the largest share of a blob, and the probability that a picture has one.
    """
    if masks not in MASKS:
        raise UserError(f"masks {masks!r}: there are none of this kind; use one of {', '.join(MASKS)}")
    if masks == "irregular":
        return irregular(b, size, rng, like)
    return blob(b, size, rng, 0.02, most, like) * warp.beside(chance(b, often, rng), like)


def irregular(b: int, size: tuple[int, int], rng: Generator, like: Tensor) -> Float[Tensor, "b 1 h w"]:
    """Irregular masks (`holes/strokes.py`), each under a random affine map of its own.

    What a map brings in from outside of its mask is no hole. So a mask may lose a part of its holes, or all.
    """
    seeds = torch.randint(2**62, (b,), generator=rng).tolist()
    drawn = np.stack([strokes.irregular(size, np.random.default_rng(seed)) for seed in seeds])
    maps = square(random_affine(b, size, rng, shift=0.2, turn=30.0, zoom=0.2, stretch=0.15))
    still = rearrange(warp.sent(torch.from_numpy(drawn), like.device), "b h w -> b 1 h w").to(like.dtype)
    return (view_of(still, maps, size, outside="zeros") > 0.5).to(like.dtype)


def camera(b: int, size: tuple[int, int], rng: Generator, motion: CameraRange) -> Float[Tensor, "b 3 3"]:
    """Random camera motions, target to reference, on the CPU."""
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
    cells = repeat(affine.cell_centres(*size, picture), "i xy -> b i xy", b=len(picture))
    grid = project(warp.beside(matrix, picture), cells)
    grid = rearrange(grid, "b (h w) xy -> b h w xy", h=size[0])
    return functional.grid_sample(picture, grid, mode="bilinear", padding_mode=outside, align_corners=False)


def project(matrix: Float[Tensor, "b 3 3"], points: Float[Tensor, "b i 2"]) -> Float[Tensor, "b i 2"]:
    """Positions to which each homography carries its points (x, y)."""
    return rearrange(warp.project(matrix, rearrange(points, "b i xy -> b xy i 1")), "b xy i 1 -> b i xy")


def square(theta: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 3 3"]:
    """theta as a new 3 x 3 matrix, which may be changed in place."""
    return affine.square(theta).clone()


def blob(
    b: int, size: tuple[int, int], rng: Generator, least: float, most: float, like: Tensor
) -> Float[Tensor, "b 1 h w"]:
    """Free-form blobs that cover a share of the picture between `least` and `most`, on the device of `like`.

    A blob is the top of a landscape, which is an elliptic hill plus smooth noise.
    """
    place = affine.cell_centres(*size, like)
    centre = warp.beside(torch.rand(b, 1, 2, generator=rng) * 1.6 - 0.8, like)
    axes = warp.beside(rearrange(uniform(2 * b, 0.6, 1.7, rng), "(b xy) -> b 1 xy", b=b), like)
    height = -((place - centre) / axes).square().sum(-1)
    noise = warp.beside(torch.randn(b, 1, 5, 8, generator=rng), like)
    rough = functional.interpolate(noise, size, mode="bicubic", align_corners=False)
    height = rearrange(height, "b (h w) -> b 1 h w", h=size[0]) + 0.35 * rough
    share = torch.exp(uniform(b, torch.tensor(least).log().item(), torch.tensor(most).log().item(), rng))
    parts = warp.beside(1 - share, like)
    level = torch.stack([torch.quantile(one[:, ::4, ::4], part) for one, part in zip(height, parts, strict=True)])
    return (height > rearrange(level, "b -> b 1 1 1")).float()


def exposure(frames: Float[Tensor, "b 3 h w"], rng: Generator) -> Float[Tensor, "b 3 h w"]:
    """The frames with a random gain and offset; a third of them are also blurred."""
    b = len(frames)
    gain, offset = (
        warp.beside(rearrange(torch.randn(b, generator=rng) * s, "b -> b 1 1 1"), frames) for s in (0.1, 0.03)
    )
    soft = functional.avg_pool2d(frames, 3, stride=1, padding=1, count_include_pad=False)
    return torch.lerp(frames, soft, warp.beside(chance(b, 0.33, rng), frames)) * (1 + gain) + offset


def noisy(frames: Float[Tensor, "b 3 h w"], rng: Generator) -> Float[Tensor, "b 3 h w"]:
    """The frames with camera noise, clipped to [0, 1]."""
    return (frames + 0.015 * warp.beside(torch.randn(frames.shape, generator=rng), frames)).clamp(0, 1)


def uniform(count: int, low: float, high: float, rng: Generator) -> Float[Tensor, "n"]:
    """Uniform numbers."""
    return torch.rand(count, generator=rng) * (high - low) + low


def chance(b: int, share: float, rng: Generator) -> Float[Tensor, "b 1 1 1"]:
    """1 with probability `share`, else 0."""
    return rearrange((torch.rand(b, generator=rng) < share).float(), "b -> b 1 1 1")
