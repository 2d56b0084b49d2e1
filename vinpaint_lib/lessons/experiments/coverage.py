"""What the other frames know: where a frame's pixels lie in other frames, and which frames show what a hole hides.

Paper    TGF-Net sections 1 and 3B: what is missing in one frame is often shown by another.
Needs    a `Scene`, whose motion is known exactly; nothing is estimated here.
Age      frames between a pixel and the nearest frame that shows it; 0 where no other frame does.
"""

from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Float, Float64
from torch import Tensor

from vinpaint_lib.motion import warp
from vinpaint_lib.scoring import metrics
from vinpaint_lib.toy.scene import Scene


class Match(NamedTuple):
    """The pixels of frame `target` in each of `frames` (their numbers).

    flow: from the target to that frame, pixels. visible: 1 where that frame shows the pixel: nothing stands before it,
    it lies inside of the frame, and no soft edge is mixed into it.
    """

    target: int
    frames: tuple[int, ...]
    flow: Float[Tensor, "n 2 h w"]
    visible: Float[Tensor, "n 1 h w"]


def match(scene: Scene, target: int) -> Match:
    """Frame `target` against every other frame of the scene. Raises ValueError for a scene of one frame."""
    others = tuple(u for u in range(scene.length) if u != target)
    if not others:
        raise ValueError("a scene of one frame has no other frame to look into")
    flows, visible = zip(*(scene.between(target, u) for u in others), strict=True)
    return Match(target, others, torch.stack(flows), torch.stack(visible))


def shown(
    flow: Float[Tensor, "n 2 h w"], visible: Float[Tensor, "n 1 h w"], holes: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, "n 1 h w"]:
    """1 where the n-th other frame shows the target's pixel: visible there, and not in the hole of that frame.

    A pixel lands between four pixels of the other frame. All four must be known, or the value there is mixed with the
    hole.
    """
    return visible * (warp.by_flow(holes, flow) < metrics.TOUCH)


def share(seen: Float[Tensor, "n 1 h w"], hole: Float[Tensor, "1 h w"]) -> float:
    """Share of the hole's pixels that at least one of the n frames shows; NaN without a hole."""
    some = reduce(seen, "n 1 h w -> 1 h w", "max")
    return float((some * hole).sum() / hole.sum())


def age(found: Match, seen: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "1 h w"]:
    """Frames to the nearest of the match's frames that shows the pixel; 0 where none does."""
    distance = rearrange(torch.tensor([abs(u - found.target) for u in found.frames]), "n -> n 1 1 1")
    nearest = torch.where(seen > 0, distance, torch.inf).amin(dim=0)
    return torch.where(torch.isfinite(nearest), nearest, 0.0)


def ages(scene: Scene, holes: Float[Tensor, "t 1 h w"]) -> Float[Tensor, "t 1 h w"]:
    """`age` for every frame of a scene; 0 outside of the holes too."""
    found = []
    for target, hole in enumerate(holes):
        if not hole.any():
            found.append(torch.zeros_like(hole))
            continue
        links = match(scene, target)
        found.append(age(links, shown(links.flow, links.visible, holes[list(links.frames)])) * hole)
    return torch.stack(found)


def curve(old: Float[Tensor, "t 1 h w"], holes: Float[Tensor, "t 1 h w"]) -> Float64[Tensor, " d"]:
    """Entry d: the share of all hole pixels that some frame at most d frames away shows. d = 0 .. t-1; starts at 0.

    `old`: what `ages` returns for these holes.
    """
    inside = old[holes > 0]
    counts = torch.bincount(inside[inside > 0].long(), minlength=len(holes)).double()
    return counts.cumsum(dim=0) / max(len(inside), 1)


def copied(
    found: Match, seen: Float[Tensor, "n 1 h w"], frames: Float[Tensor, "t 3 h w"]
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]:
    """Each pixel copied from the nearest frame that shows it; and a mask, 1 where some frame shows the pixel.

    Of two equally near frames the earlier one counts. Pixels that no frame shows are 0. This is the best that copying
    can reach, since the motion is exact.
    """
    picture, known = torch.zeros_like(frames[0]), torch.zeros_like(seen[0])
    for n in sorted(range(len(found.frames)), key=lambda n: abs(found.frames[n] - found.target)):
        u = found.frames[n]
        new = seen[n] * (1 - known)
        picture = picture + new * warp.by_flow(frames[u : u + 1], found.flow[n : n + 1])[0]
        known = known + new
    return picture, known
