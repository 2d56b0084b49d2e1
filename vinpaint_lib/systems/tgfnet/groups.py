"""TGF-Net's groups (sec. B, E): references aligned to the target before the fusion, and a group that is never empty.

Each walk and each pick of `motion/chains.py` gives one group, so one aligned reference may hold pixels of several
frames. The last group, the *guess*, shows every pixel. Where no walk found a pixel, the guess holds the model's earlier
output (sec. H), mixed half and half with a membrane through the surroundings; where there is no earlier output, it
holds the membrane alone. An earlier output alone would drift away from the present edge of the hole. The trust of the
guess is low everywhere, so the attention decides.
"""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from vinpaint_lib.holes.box import Box
from vinpaint_lib.holes.smooth import smooth_colours
from vinpaint_lib.motion.chains import WALKS, EarlierOutput, Found, Search, Trail, Views, Walk, collect
from vinpaint_lib.motion.links import Links
from vinpaint_lib.painting.network import Painter

EARLIER = 0.1  # trust of the guess where an earlier output is in it
MEMBRANE = 0.05  # trust of the guess elsewhere
KEEP = 0.5  # share of the earlier output in the guess


class Groups(NamedTuple):
    """References resampled onto the target: RGB where trust > 0, 0 elsewhere; `names` label the groups."""

    frames: Float[Tensor, "n 3 h w"]
    trust: Float[Tensor, "n 1 h w"]
    age: Float[Tensor, "n 1 h w"]  # distance in frames from the target to the pixel's source; 0 = none
    names: tuple[str, ...]


def gather_groups(
    search: Search, links: Links, views: Views, *, ways: tuple[Walk, ...] = WALKS, reach: int = 24
) -> tuple[Groups, EarlierOutput | None]:
    """Aligned references of the search's target inside its box: `search.picks` groups for every walk of `ways`.

    `reach` is the longest walk in frames. The second result holds what earlier outputs show; `guess` uses it. With the
    feedback "all" the search follows TGF-Net sec. H to the letter.
    """
    earlier, count = None, len(ways) * search.picks
    frames, trust, age = (views.on.zeros(count, channels, *search.box.size) for channels in (3, 1, 1))
    for number, walk in enumerate(ways):
        part = slice(number * search.picks, (number + 1) * search.picks)
        trail = Trail(links, walk, search.target, search.box, reach, search.window.indices)
        written = collect(search, trail, views, Found(frames[part], trust[part], age[part]))
        if earlier is None and written.age.any():
            earlier = written
    names = tuple(f"{walk.name}{' later' * (pick > 0)}" for walk in ways for pick in range(search.picks))
    return Groups(torch.as_tensor(frames), torch.as_tensor(trust), torch.as_tensor(age), names), earlier


def copied(
    target: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"], aligned: Groups
) -> tuple[Float[Tensor, "3 h w"], Bool[Tensor, "1 h w"]]:
    """The known pixels of the target, in its hole the most trusted pixels of `aligned`; and where there are none."""
    device = aligned.trust.device
    target, mask = target.to(device), mask.to(device)
    hole = torch.nonzero(mask.flatten())[:, 0]
    best, group = rearrange(aligned.trust, "n 1 h w -> n (h w)")[:, hole].max(dim=0)
    picture = target.clone(memory_format=torch.contiguous_format)
    unknown = torch.zeros(mask.shape, dtype=torch.bool, device=device)
    rearrange(picture, "c h w -> c (h w)")[:, hole] = rearrange(aligned.frames, "n c h w -> c n (h w)")[:, group, hole]
    unknown.view(-1)[hole] = best == 0
    return picture, unknown


def guess(
    target: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"], aligned: Groups, earlier: EarlierOutput | None = None
) -> Groups:
    """One group that shows every pixel: the known pixel of the target, else the most trusted pixel of `aligned`, else
    earlier output and membrane mixed."""
    picture, unknown = copied(target, mask, aligned)
    device = aligned.trust.device
    hwc = rearrange(picture, "c h w -> h w c").cpu().numpy()
    smooth = smooth_colours(hwc, rearrange(unknown, "1 h w -> h w").cpu().numpy())
    picture = rearrange(torch.from_numpy(smooth), "h w c -> c h w").float().to(device)
    trust, age = torch.full_like(unknown, MEMBRANE, dtype=torch.float32), torch.zeros_like(picture[:1])
    if earlier is not None:
        outputs, ages = (torch.as_tensor(part, device=device) for part in earlier)
        met = unknown & (ages > 0)
        mixed = KEEP * rearrange(outputs, "h w c -> c h w") + (1 - KEEP) * picture
        picture, age = torch.where(met, mixed, picture), torch.where(met, ages, age)
        trust = torch.where(met, EARLIER, trust)
    frames, trust, age = (rearrange(x, "c h w -> 1 c h w") for x in (picture, trust, age))
    return Groups(frames, trust, age, ("guess",))


def painted_guess(
    target: Float[Tensor, "3 h w"],
    mask: Float[Tensor, "1 h w"],
    box: Box,
    aligned: Groups,
    earlier: EarlierOutput | None,
    painter: Painter,
) -> Groups:
    """`guess` with a painter in place of the membrane, for a whole frame `target`; the group lies inside of `box`.

    Where an earlier output is met, the guess holds it alone: what was painted once is carried along by the motion. The
    painter sees it as known, and paints the rest.
    """
    device, cut = aligned.trust.device, box.slices
    picture, open_still = copied(target[:, *cut], mask[:, *cut], aligned)
    trust, age = torch.full_like(picture[:1], MEMBRANE), torch.zeros_like(picture[:1])
    if earlier is not None:
        outputs, ages = (torch.as_tensor(part, device=device) for part in earlier)
        met = open_still & (ages > 0)
        picture = torch.where(met, rearrange(outputs, "h w c -> c h w").clamp(0, 1), picture)
        trust, age = torch.where(met, EARLIER, trust), torch.where(met, ages, age)
        open_still = open_still & ~met
    whole, hole = target.to(device).clone(), torch.zeros_like(mask, device=device)
    whole[:, *cut], hole[:, *cut] = picture, open_still.float()
    picture = painter.paint(whole, hole)[:, *cut]
    frames, trust, age = (rearrange(x, "c h w -> 1 c h w") for x in (picture, trust, age))
    return Groups(frames, trust, age, ("guess",))


def join(parts: list[Groups]) -> Groups:
    """Groups of several estimators, one after the other, on the device of the first."""
    if len(parts) == 1:
        return parts[0]
    device = parts[0].trust.device
    return Groups(
        torch.cat([part.frames.to(device) for part in parts]),
        torch.cat([part.trust.to(device) for part in parts]),
        torch.cat([part.age.to(device) for part in parts]),
        tuple(name for part in parts for name in part.names),
    )


def nothing(box: Box) -> Groups:
    """One group that shows nothing."""
    height, width = box.size
    empty = torch.zeros(1, 1, height, width)
    return Groups(torch.zeros(1, 3, height, width), empty, empty.clone(), ("nothing",))
