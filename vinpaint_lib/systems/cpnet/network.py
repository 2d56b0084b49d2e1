"""The network of CPNet (ICCV 2019): references are aligned, their features copied by context matching, and pasted.

Its parts stand in `layers.py`, named as in the released weights. `model.py` walks the network over a clip.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import einsum, rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.losses.features import IMAGENET_MEAN
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.cpnet import layers

MULTIPLE = 8  # sides of frames
TOGETHER = 8  # references whose features are computed at once at inference


@dataclass(frozen=True)
class Config:
    """Sizes and switches. Defaults are the paper's.

    width        channels of the first layers; all others are multiples of it
    side         side of the square that the alignment network looks at, in pixels
    reach, step  references are every `step`-th frame of the frames at most `reach` away
    both_ways    a pass from the last frame to the first, then one from the first to the last, and their mean, which
                 turns from one to the other; else the second pass alone
    as_released  the slips of the released code stay: two layers of the alignment are used twice, and two never; the
                 copy encoder's fourth plane is the hole for the target, but what is visible for references; what lies
                 outside of a reference is black; features for the alignment are kept from one pass to the next; the
                 last frame is no reference of a frame near an end
    camera       ours: the camera's motion by tracked corners (`first_maps.py`) comes first, and the network corrects it
    copy         ours: the shares of context matching also average the aligned pixels, and the decoder adds a residual
    """

    width: int = 64
    side: int = 224
    reach: int = 120
    step: int = 2
    both_ways: bool = True
    as_released: bool = False
    camera: bool = False
    copy: bool = False


CONFIGS = {
    "paper": Config(),
    "small": Config(width=16, side=128, reach=24, step=4, camera=True, copy=True),
    "tiny": Config(width=4, side=32, reach=6, step=2, copy=True),
}


class Aligned(NamedTuple):
    """References on the target: frames, and where they show something (0 or 1)."""

    frames: Float[Tensor, "b n 3 h w"]
    visible: Float[Tensor, "b n 1 h w"]


class Pasted(NamedTuple):
    """What the network makes of one target.

    frame (b 3 h w) in the range of pictures, neither composited nor clamped; the references as they were aligned;
    missing (b 1 hf wf), 1 where no reference shows anything; shares (b n 1 hf wf) of the references; copied (b 3 h w),
    the aligned pixels in these shares, None without `Config.copy`
    """

    frame: Tensor
    aligned: Aligned
    missing: Tensor
    shares: Tensor
    copied: Tensor | None


class CPNetwork(nn.Module):
    """At width 64: 72 tensors, 21,631,385 parameters, of which `as_released` leaves 4,719,616 unused."""

    mean: Tensor
    mean3d: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.A_Encoder = layers.AlignEncoder(config.width, config.side)
        self.A_Regressor = layers.AlignRegressor(8 * config.width, twice=config.as_released)
        self.Encoder = layers.CopyEncoder(config.width)
        self.Decoder = layers.PasteDecoder(config.width)
        # Both are in the released file.
        self.register_buffer("mean", rearrange(torch.tensor(IMAGENET_MEAN), "c -> 1 c 1 1"))
        self.register_buffer("mean3d", rearrange(torch.tensor(IMAGENET_MEAN), "c -> 1 c 1 1 1"))
        if config.copy:
            # The residual starts as nothing: the untrained network gives what it copies.
            nn.init.zeros_(self.Decoder.conv21.weight)

    def forward(
        self,
        target: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        references: Float[Tensor, "b n 3 h w"],
        masks: Float[Tensor, "b n 1 h w"],
        start: Float[Tensor, "b n 2 3"] | None = None,
    ) -> Pasted:
        """Frames in [0, 1] and holes in; what lies under a hole is not read. `start`: the maps that come first, with
        `Config.camera`. Height and width must divide by 4."""
        target = self.blanked(target, mask)
        references = self.blanked(references, masks)
        theta = self.maps(target, mask, references, masks, start)
        return self.paste(target, mask, self.align(references, masks, theta))

    def blanked(self, frames: Float[Tensor, "*n 3 h w"], holes: Float[Tensor, "*n 1 h w"]) -> Float[Tensor, "*n 3 h w"]:
        """Frames with the mean colour in their holes."""
        return frames * (1 - holes) + self.mean[0] * holes

    def encode(self, frames: Float[Tensor, "b n 3 h w"], holes: Float[Tensor, "b n 1 h w"]) -> Float[Tensor, "b n *_"]:
        """Features for the alignment, of blanked frames."""
        flat = (rearrange(x, "b n c h w -> (b n) c h w") for x in (frames, holes))
        return rearrange(self.A_Encoder(*flat), "(b n) c h w -> b n c h w", b=len(frames))

    def maps(
        self,
        target: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        references: Float[Tensor, "b n 3 h w"],
        masks: Float[Tensor, "b n 1 h w"],
        start: Float[Tensor, "b n 2 3"] | None = None,
    ) -> Float[Tensor, "b n 2 3"]:
        """The affine map from the target to each reference, in corner coordinates (`alignment/affine.py`)."""
        n = references.shape[1]
        if not n:
            return references.new_zeros(len(target), 0, 2, 3)
        one = self.A_Encoder(target, mask)
        if start is None:
            return self.regressed(one, self.encode(references, masks))
        first = self.align(references, masks, start)
        change = self.regressed(one, self.encode(first.frames, 1 - first.visible))
        both = (rearrange(theta, "b n i j -> (b n) i j") for theta in (change, start.to(change)))
        return rearrange(affine.compose(*both), "(b n) i j -> b n i j", n=n)

    def regressed(
        self, target: Float[Tensor, "b c s s"], references: Float[Tensor, "b n c s s"]
    ) -> Float[Tensor, "b n 2 3"]:
        """Maps from features of the target and of the references; always in float32, since they are positions."""
        many = rearrange(target, "b c h w -> b 1 c h w").expand_as(references)
        pair = (rearrange(x, "b n c h w -> (b n) c h w") for x in (many, references))
        return rearrange(self.A_Regressor(*pair), "(b n) i j -> b n i j", b=len(target)).float()

    def align(
        self, references: Float[Tensor, "b n 3 h w"], masks: Float[Tensor, "b n 1 h w"], theta: Float[Tensor, "b n 2 3"]
    ) -> Aligned:
        """Blanked references warped by theta. What they do not show has the mean colour, or is black outside of the
        frame with `as_released`."""
        zero = references.new_zeros(()) if self.config.as_released else self.mean[0]
        both = torch.cat([references - zero, 1 - masks], dim=2)
        flat, maps = rearrange(both, "b n c h w -> (b n) c h w"), rearrange(theta, "b n i j -> (b n) i j")
        warped = warp.by_affine(flat, maps) if len(flat) else flat
        warped = rearrange(warped, "(b n) c h w -> b n c h w", b=len(references), n=references.shape[1])
        return Aligned(warped[:, :, :3] + zero, (warped[:, :, 3:] > 0.5).to(warped.dtype))

    def paste(self, target: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"], aligned: Aligned) -> Pasted:
        """The picture of a blanked target from its aligned references, by context matching."""
        ours = self.Encoder(target, mask)
        theirs = self.copied_features(aligned, ours)
        size = (ours.shape[-2], ours.shape[-1])
        visible = layers.shrunk(aligned.visible, size)
        known = layers.shrunk(rearrange(1 - mask, "b 1 h w -> b 1 1 h w"), size)[:, 0]
        similarity = layers.similarities(ours, theirs, known, visible)
        share = layers.shares(similarity, visible)
        copied = einsum(share, theirs, "b n one h w, b n c h w -> b c h w")
        missing = 1 - reduce(share, "b n one h w -> b one h w", "sum")
        painted = self.Decoder(torch.cat([ours, copied, missing], dim=1)).float()
        if not self.config.copy:
            return Pasted(painted * self.Decoder.std + self.Decoder.mean, aligned, missing, share, None)
        fine = layers.shares(similarity, aligned.visible)
        mixed = einsum(fine, aligned.frames - self.mean[0], "b n one h w, b n c h w -> b c h w") + self.mean
        return Pasted(mixed + painted * self.Decoder.std, aligned, missing, share, mixed)

    def copied_features(self, aligned: Aligned, like: Float[Tensor, "b c hf wf"]) -> Float[Tensor, "b n c hf wf"]:
        """Features of the aligned references, for context matching."""
        count = aligned.frames.shape[1]
        if not count:
            return like.new_zeros(len(like), 0, *like.shape[1:])
        frames, visible = (rearrange(x, "b n c h w -> (b n) c h w") for x in aligned)
        plane = visible if self.config.as_released else 1 - visible
        if torch.is_grad_enabled():
            found = self.Encoder(frames, plane)
        else:
            parts = zip(frames.split(TOGETHER), plane.split(TOGETHER), strict=True)
            found = torch.cat([self.Encoder(*part) for part in parts])
        return rearrange(found, "(b n) c h w -> b n c h w", n=count)


def enlarged(missing: Float[Tensor, "b 1 hf wf"], size: tuple[int, int]) -> Float[Tensor, "b 1 h w"]:
    """What no reference shows, at the size of the frame."""
    return functional.interpolate(missing, size, mode="bilinear", align_corners=False)
