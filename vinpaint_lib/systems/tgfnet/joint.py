"""Joint training of the learned alignment and of the network behind it, as TGF-Net does it (sec. E): whole references,
not aligned beforehand.

The aligner looks at whole frames, while the network is trained on a crop of them. So a sample holds the target and its
references as whole frames with blanked holes, at the distances of inference (`model.offsets_of`), and a crop around
the target's hole. In a step the aligner's maps carry the references into the crop, and both parts learn from the losses
there.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.alignment import affine, around_hole, learned
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.tgfnet.groups import MEMBRANE, guess, nothing
from vinpaint_lib.systems.tgfnet.model import SEEN, TGFNet, offsets_of
from vinpaint_lib.systems.tgfnet.network import Fused
from vinpaint_lib.systems.tgfnet.samples import box_at
from vinpaint_lib.training.clip_samples import MIXED, ClipPool, ClipSpec
from vinpaint_lib.training.pools import Packed, opened


@dataclass(frozen=True)
class WholeSpec(ClipSpec):
    """A `ClipSpec` whose `crop` is what the aligner sees as the whole frame, and

    inner    side in pixels of the crop that the network sees
    """

    crop: int | tuple[int, int] = (208, 352)
    height: tuple[int, int] = (216, 288)
    length: int = 45
    crops: int = 1
    hole: tuple[float, float] | None = (0.04, 0.14)
    holes: dict[str, float] = field(default_factory=lambda: dict(MIXED))
    frames: str = "offsets"
    count: int = 13
    inner: int = 128


def with_references(length: int, rng: np.random.Generator, count: int) -> tuple[int, ...]:
    """The numbers of a random target and of `count` - 1 references in a stretch of `length` frames, the nearest first.

    The references stand at the distances of inference. Where the stretch has too few of these, other frames join.
    """
    target = int(rng.integers(length))
    chosen = [target + offset for offset in offsets_of(target, range(length), count - 1)]
    others = [i for i in range(length) if i != target and i not in chosen]
    missing = count - 1 - len(chosen)
    chosen += [int(i) for i in rng.choice(others, missing, replace=False)] if missing else []
    return target, *sorted(chosen, key=lambda i: abs(i - target))


def chosen_groups(packed: Packed, rng: np.random.Generator, groups: int) -> Packed:
    """A sample of `with_references`, with the target and `groups` random ones of its references, in their order."""
    count = packed["truth"].shape[1]
    kept = [0, *(1 + np.sort(rng.permutation(count - 1)[:groups])).tolist()]
    return packed | {name: packed[name][:, kept] for name in ("truth", "mask")}


def with_crop(packed: Packed, rng: np.random.Generator, inner: int) -> Packed:
    """A packed sample of one clip, target first, with a crop of side `inner` around a random pixel of its hole.

    Keys: frames (1 t 3 h w), holes (1 t 1 h w), whole, nothing shown under a hole; truth (1 3 c c) and mask (1 1 c c),
    the crop of the target; guess (1 3 c c), a membrane in its hole; place (1 2), the crop's left and top end in pixels;
    gain, if the sample has one.
    """
    truth, holes = packed["truth"], packed["mask"]
    rows, columns = np.nonzero(holes[0, 0, 0].numpy())
    pick = int(rng.integers(max(1, len(rows))))
    height, width = truth.shape[-2:]
    middle = (int(rows[pick]), int(columns[pick])) if len(rows) else (height // 2, width // 2)
    box = box_at(*middle, inner, (height, width))
    shown, hole = truth[:, 0][..., *box.slices], holes[:, 0][..., *box.slices]
    smooth = guess(shown[0] / 255 * ~hole[0], hole[0].float(), nothing(box)).frames
    crop = {"truth": shown, "mask": hole, "guess": smooth}
    place = torch.tensor([[box.left, box.top]], dtype=torch.float32)
    rest = {"gain": packed["gain"]} if "gain" in packed else {}
    return crop | {"frames": truth * ~holes, "holes": holes, "place": place} | rest


class HeldBack(ClipPool):
    """Held-back clips for joint training: one sample of each block, always the same, not tinted and not mirrored."""

    spec: WholeSpec

    def whole(self, number: int) -> dict[str, Tensor]:
        drawn = ClipPool.whole(self, number)
        packed = {"truth": (drawn["truth"] * 255).round().byte(), "mask": drawn["mask"] > 0}
        return opened(with_crop(packed, np.random.default_rng((self.seed, number)), self.spec.inner))


class Inputs(NamedTuple):
    """What the network is given for a batch of crops: references and their trust, the guess the last of them.

    `visible` (0 or 1) says where the references without the guess show something.
    """

    references: Float[Tensor, "b n 3 c c"]
    trust: Float[Tensor, "b n 1 c c"]
    visible: Float[Tensor, "b m 1 c c"]


class Joint(nn.Module):
    """The part that a recipe trains: the aligner on whole frames, and the network on the crops."""

    def __init__(self, model: TGFNet) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, target: Float[Tensor, "b 3 c c"], mask: Float[Tensor, "b 1 c c"], *whole: Tensor
    ) -> tuple[Fused, Tensor, Tensor]:
        """The network's results, and for L_align the aligned references and their visibility; see `inputs`."""
        inputs = self.inputs(target, mask, *whole)
        fused = self.model.net(target, mask, inputs.references, inputs.trust)
        count = inputs.visible.shape[1]
        return fused, inputs.references[:, :count], inputs.visible

    def inputs(
        self,
        target: Float[Tensor, "b 3 c c"],
        mask: Float[Tensor, "b 1 c c"],
        frames: Float[Tensor, "b t 3 h w"],
        holes: Float[Tensor, "b t 1 h w"],
        place: Float[Tensor, "b 2"],
        smooth: Float[Tensor, "b 3 c c"],
    ) -> Inputs:
        """References 1 .. t-1 of each sample in its crop, as `TGFNet.align_whole` makes them at inference."""
        frames = frames * (1 - holes)
        ours, theirs = (frames[:, 0], holes[:, 0]), (frames[:, 1:], holes[:, 1:])
        theta = self.model.affine(*ours, *theirs)
        size = (mask.shape[-2], mask.shape[-1])
        box = around_hole.box_map(place, size, (frames.shape[-2], frames.shape[-1]))
        warped = learned.warp_references(*theirs, into(box, theta), size)
        visible = (warped.visibility > SEEN).to(mask.dtype)
        shown, trust = warped.frames * visible, visible
        if self.model.config.agreement:
            belief = around_hole.agreement(*ours, *theirs, theta)
            n = belief.shape[1]
            cut = warp.by_affine(
                rearrange(belief, "b n 1 h w -> (b n) 1 h w"), repeat(box, "b i j -> (b n) i j", n=n), size
            )
            trust = trust * rearrange(cut, "(b n) 1 h w -> b n 1 h w", n=n)
        if not self.model.config.guess:
            return Inputs(shown, trust, visible)
        spare = rearrange(best_shown(target, mask, shown, trust, smooth), "b c h w -> b 1 c h w")
        little = torch.full_like(trust[:, :1], MEMBRANE)
        return Inputs(torch.cat([shown, spare], dim=1), torch.cat([trust, little], dim=1), visible)


def into(box: Float[Tensor, "b 2 3"], theta: Float[Tensor, "b n 2 3"]) -> Float[Tensor, "b n 2 3"]:
    """theta as a map from the box: box, then theta."""
    n = theta.shape[1]
    boxes = repeat(box, "b i j -> (b n) i j", n=n)
    found = affine.compose(boxes, rearrange(theta, "b n i j -> (b n) i j"))
    return rearrange(found, "(b n) i j -> b n i j", n=n)


@torch.no_grad()
def best_shown(
    target: Float[Tensor, "b 3 h w"],
    mask: Float[Tensor, "b 1 h w"],
    shown: Float[Tensor, "b n 3 h w"],
    trust: Float[Tensor, "b n 1 h w"],
    smooth: Float[Tensor, "b 3 h w"],
) -> Float[Tensor, "b 3 h w"]:
    """The guess of `groups.guess`, but that the membrane `smooth` was drawn through the whole hole beforehand.

    It is the known pixel, else the most trusted reference, else `smooth`.
    """
    most, group = trust.max(dim=1, keepdim=True)
    best = shown.gather(1, group.expand(-1, -1, 3, -1, -1))[:, 0]
    filled = torch.where(most[:, 0] > 0, best, smooth)
    return torch.where(mask > 0, filled, target)
