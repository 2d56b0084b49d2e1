"""A small experiment on 3DCN + CombCN: the same training with guidance, without guidance, and with guidance that knows
single frames only.

Clips are cut from photographs and have no motion. In every frame another square is missing, so what is missing in one
frame is shown in the next, at the same place. A network can learn this in seconds.
"""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.systems.combcn import recipe
from vinpaint_lib.systems.combcn.network import Config, JointNet
from vinpaint_lib.toy import clip

SIDE, FRAMES, SQUARE = 32, 8, 12  # pixels of a frame, frames of a clip, pixels of the missing square
SCALE = 0.25  # photographs are made smaller, so that something can be seen in a frame
TRAIN, TEST = ("astronaut", "coffee", "rocket", "motorcycle"), ("chelsea",)
RATE = 1e-2  # at the beginning; falls to zero along half a cosine

# volume: as in the paper; frames: 3DCN gets every frame as a separate volume; none: CombCN sees even grey
Guide = Literal["volume", "frames", "none"]


class Clips(NamedTuple):
    """A batch of clips: the truth in [0, 1], and where it is missing (1 = hole)."""

    truth: Float[Tensor, "b t 3 h w"]
    mask: Float[Tensor, "b t 1 h w"]


@cache
def photograph(name: str) -> Float[Tensor, "3 h w"]:
    """A bundled photograph at a quarter of its size."""
    picture = rearrange(torch.from_numpy(clip.photograph(name).copy()).float() / 255, "h w c -> 1 c h w")
    return functional.interpolate(picture, scale_factor=SCALE, mode="area")[0]


def draw(part: Literal["train", "test"], batch: int, rng: np.random.Generator) -> Clips:
    """Clips without motion from the photographs of TRAIN or TEST, each frame with a square missing somewhere."""
    names = TRAIN if part == "train" else TEST
    truth, mask = torch.empty(batch, FRAMES, 3, SIDE, SIDE), torch.zeros(batch, FRAMES, 1, SIDE, SIDE)
    for b in range(batch):
        picture = photograph(names[int(rng.integers(len(names)))])
        y, x = (int(rng.integers(length - SIDE + 1)) for length in picture.shape[1:])
        truth[b] = repeat(picture[:, y : y + SIDE, x : x + SIDE], "c h w -> t c h w", t=FRAMES)
        for t in range(FRAMES):
            top, left = (int(n) for n in rng.integers(SIDE - SQUARE + 1, size=2))
            mask[b, t, :, top : top + SQUARE, left : left + SQUARE] = 1
    return Clips(truth, mask)


def seen(clips: Clips, guide: Guide) -> Clips:
    """The clips as a network of that kind gets them: for "frames", every frame becomes a separate clip."""
    if guide != "frames":
        return clips
    return Clips(*(rearrange(x, "b t c h w -> (b t) 1 c h w") for x in clips))


def network(guide: Guide, seed: int, width: int = 4) -> JointNet:
    """A narrow network; the same seed gives the same first weights for all kinds."""
    torch.manual_seed(seed)
    half = max(1, width // 2)
    return JointNet(Config(width, half, frames=FRAMES, overlap=2, norm="none", guidance=guide != "none"))


def train_joint(net: JointNet, guide: Guide, steps: int, seed: int, batch: int = 2) -> list[float]:
    """Train with the recipe's losses, and return L_local of every step. All kinds with one seed see the same clips."""
    rng = np.random.default_rng((seed, 1))
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    local = []
    for step in range(steps):
        truth, mask = seen(draw("train", batch, rng), guide)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 10) * (1 + np.cos(np.pi * step / steps)) / 2
        terms = recipe.compute_losses(net, {"truth": truth, "mask": mask}, recipe.FIDELITY_WEIGHTS).terms
        optimiser.zero_grad()
        torch.stack([recipe.FIDELITY_WEIGHTS[name] * value for name, value in terms.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        local.append(float(terms["L_local"].detach()))
    return local


@torch.no_grad()
def complete(net: JointNet, guide: Guide, clips: Clips) -> Float[Tensor, "b t 3 h w"]:
    """The clips with their holes filled."""
    truth, mask = seen(clips, guide)
    made = net(truth * (1 - mask), mask).frames.clamp(0, 1)
    filled = mask * made + (1 - mask) * truth
    return rearrange(filled, "(b k) t c h w -> b (k t) c h w", b=len(clips.truth))


def hole_psnr(filled: Float[Tensor, "b t 3 h w"], clips: Clips) -> float:
    """PSNR in dB over all hole pixels of all clips together."""
    squared = ((filled - clips.truth) ** 2 * clips.mask).sum() / (3 * clips.mask.sum())
    return float(-10 * torch.log10(squared))
