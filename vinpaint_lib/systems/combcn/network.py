"""CombCN, which completes each frame at full size with 3DCN's small volume as its guide; `JointNet` holds both.

Wang et al., AAAI 2019, spatial details. The note has no layers of CombCN; the table follows a known
re-implementation of 17 layers, in which the 3DCN frame joins the encoder (layer 3) and the decoder (layer 15).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.errors import UserError
from vinpaint_lib.motion import first_guess
from vinpaint_lib.systems.combcn.layer_table import LayerRow, TableNet, check_length, check_size, to_volume
from vinpaint_lib.systems.combcn.volume import MULTIPLE, VolumeNet

# Layer i of 10 .. 16 also gets the output of layer 17 - i.
TABLE = (
    LayerRow(2, kernel=5),
    LayerRow(4, stride=2),
    LayerRow(4, guide=True),
    LayerRow(8, stride=2),
    LayerRow(8),
    LayerRow(8),
    LayerRow(8, dilation=2),
    LayerRow(8, dilation=4),
    LayerRow(8, dilation=8),
    LayerRow(8, dilation=16, skip=7),
    LayerRow(8, skip=6),
    LayerRow(8, skip=5),
    LayerRow(4, kernel=4, stride=2, up=True, skip=4),
    LayerRow(4, skip=3),
    LayerRow(2, kernel=4, stride=2, up=True, skip=2, guide=True),
    LayerRow(1, skip=1),
    LayerRow(0),
)


@dataclass(frozen=True)
class Config:
    """Every size and switch of 3DCN + CombCN. Defaults are the `paper` configuration.

    volume_width  channels of 3DCN's first layer; all others are multiples of it
    comb_width    half the channels of CombCN's first layer; all others are multiples of it
    shrink        r, an even number: 3DCN sees the frames at 1/r of their size. CombCN takes its guidance at half size,
                  so the guidance is enlarged to half size where r is more than 2
    frames        F: frames of a volume at inference
    overlap       frames that two neighbouring volumes share at least
    norm          "batch": batch normalisation behind every ReLU; "none"
    guidance      False: CombCN sees even grey instead of the 3DCN frame (ablation; the same weights serve both)
    structure     False: the guide has even grey in its holes in place of what 3DCN completes there, and the known small
                  pixels elsewhere (ablation; the same weights serve both)
    joint         CombCN's loss reaches 3DCN through the guide; False: 3DCN learns from its own loss alone
    first_guess   ours. "none": a hole is a blank, as in the paper. "aligned": the hole of every frame holds what chains
                  of flow found (`motion/first_guess.py`); both networks also get its trust, and each gives a residual
                  that is added to the guess
    """

    volume_width: int = 16
    comb_width: int = 32
    shrink: int = 2
    frames: int = 32
    overlap: int = 8
    norm: str = "batch"
    guidance: bool = True
    structure: bool = True
    joint: bool = True
    first_guess: str = first_guess.NONE

    @property
    def aligned(self) -> bool:
        return self.first_guess == first_guess.ALIGNED

    def __post_init__(self) -> None:
        first_guess.check(self.first_guess)
        if self.shrink < 2 or self.shrink % 2:
            raise UserError(f"the volume cannot be {self.shrink} times smaller: shrink is even, the smallest is 2")
        if not 0 <= self.overlap < self.frames:
            raise UserError(
                f"volumes of {self.frames} frames cannot overlap by {self.overlap}; "
                f"frames must be larger than overlap, so the smallest that works is {max(1, self.overlap + 1)}"
            )


CONFIGS = {
    "paper": Config(),
    # Without normalisation: a step of training would be normalised by the averages of its two clips, but inference by
    # stored averages. So the network at inference would differ from the trained network.
    "small": Config(volume_width=8, comb_width=8, norm="none"),
    "small-aligned": Config(volume_width=8, comb_width=8, norm="none", first_guess="aligned"),
    "tiny": Config(volume_width=2, comb_width=2, frames=4, overlap=1),
}
HALF = 2  # CombCN takes its guidance at 1 / HALF of the frame's size


class Completed(NamedTuple):
    """The results of the joint network: values near [0, 1], not clamped; only `guide` is composited.

    frames  CombCN's output at full size
    volume  3DCN's output at 1/r, None without guidance
    guide   I: 3DCN's output in the holes, the known pixels elsewhere; even grey without guidance

    With a first guess `frames` and `volume` are the guess and a residual.
    """

    frames: Float[Tensor, "b t 3 h w"]
    volume: Float[Tensor, "b t 3 _ _"] | None
    guide: Float[Tensor, "b t 3 _ _"]


class CombNet(TableNet):
    """One frame and its guide in, the completed frame out, before composition. Sides must divide by 4."""

    def __init__(self, width: int = 32, norm: str = "batch", residual: bool = False) -> None:
        super().__init__(TABLE, width, 2, norm, guides=3, residual=residual)

    def forward(self, frame: Float[Tensor, "b c h w"], guide: Float[Tensor, "b 3 _ _"]) -> Float[Tensor, "b 3 h w"]:
        """RGB in [-1, 1] with 0 in holes, and the mask (1 = hole); `guide` in [-1, 1] at half the size. With `residual`
        RGB with a first guess in holes, the mask and the trust; the result is what is added to the guess."""
        check_size("CombCN", frame.shape[2], frame.shape[3], MULTIPLE)
        if (guide.shape[2] * HALF, guide.shape[3] * HALF) != (frame.shape[2], frame.shape[3]):
            raise UserError(
                f"CombCN: a guide of {guide.shape[2]}x{guide.shape[3]} (height x width) does not fit a frame of "
                f"{frame.shape[2]}x{frame.shape[3]}; it must be {frame.shape[2] // HALF}x{frame.shape[3] // HALF}"
            )
        return self.walk(frame, guide)[-1].float()


class JointNet(nn.Module):
    """3DCN on the small volume, CombCN on every frame, trained together: CombCN's loss reaches 3DCN through I.

    It takes frames in [0, 1] and blanks their holes, so nothing below a hole matters. With a first guess it takes the
    guess in the holes, and its trust. It takes any number of frames; sides must divide by `multiple`, 4 r. Inside,
    values are centred on zero, so that a hole means no colour, not black.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.multiple = MULTIPLE * config.shrink
        self.volume = VolumeNet(config.volume_width, config.norm, config.aligned)
        self.comb = CombNet(config.comb_width, config.norm, config.aligned)

    def forward(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        masks: Float[Tensor, "b t 1 h w"],
        details: bool = True,
        trust: Float[Tensor, "b t 1 h w"] | None = None,
    ) -> Completed:
        """Run both networks. Without `details` 3DCN runs alone (its warm-up), and its enlarged guide is the result."""
        volume, guide = self.structure(frames, masks, trust)
        if details:
            clips = [frames, masks, guide] if trust is None else [frames, masks, guide, trust]
            flat = (rearrange(x, "b t c h w -> (b t) c h w") for x in clips)
            result = rearrange(self.details(*flat), "(b t) c h w -> b t c h w", b=len(frames))
        else:
            result = enlarge(guide, self.config.shrink)
        return Completed(result, volume, guide)

    def structure(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        masks: Float[Tensor, "b t 1 h w"],
        trust: Float[Tensor, "b t 1 h w"] | None = None,
    ) -> tuple[Float[Tensor, "b t 3 _ _"] | None, Float[Tensor, "b t 3 _ _"]]:
        """3DCN's volume, and the guide I that is made from it (sec. temporal structure)."""
        check_length("3DCN + CombCN", frames.shape[1])
        check_size("3DCN + CombCN", frames.shape[3], frames.shape[4], self.multiple)
        small, hole = shrink(frames, masks, self.config.shrink)
        centred, known = small * 2 - 1, 1 - hole
        if not self.config.guidance:
            return None, torch.full_like(small, 0.5)
        parts = [centred * known, hole]
        if self.config.aligned:
            parts = [centred, hole, by_area(trusted(trust), self.config.shrink)]
        volume = rearrange(self.volume(to_volume(torch.cat(parts, dim=2))), "b c t h w -> b t c h w")
        if self.config.aligned:
            volume = centred + volume
        inside = volume if self.config.structure else torch.zeros_like(volume)
        if not self.config.joint:
            inside = inside.detach()
        return volume / 2 + 0.5, (hole * inside + centred * known) / 2 + 0.5

    def details(
        self,
        frames: Float[Tensor, "n 3 h w"],
        masks: Float[Tensor, "n 1 h w"],
        guide: Float[Tensor, "n 3 _ _"],
        trust: Float[Tensor, "n 1 h w"] | None = None,
    ) -> Float[Tensor, "n 3 h w"]:
        """CombCN on frames and guides in [0, 1] (sec. spatial details)."""
        half = enlarge(guide * 2 - 1, self.config.shrink // HALF)
        if self.config.aligned:
            return frames + self.comb(torch.cat([frames * 2 - 1, masks, trusted(trust)], dim=1), half) / 2
        shown = (frames * 2 - 1) * (1 - masks)
        return self.comb(torch.cat([shown, masks], dim=1), half) / 2 + 0.5


def trusted(trust: Tensor | None) -> Tensor:
    """The trust of a first guess. Raises ValueError if it is missing."""
    if trust is None:
        raise ValueError("with a first guess 3DCN + CombCN needs the trust of its pixels")
    return trust


def shrink(
    frames: Float[Tensor, "b t 3 h w"], masks: Float[Tensor, "b t 1 h w"], factor: int
) -> tuple[Float[Tensor, "b t 3 _ _"], Float[Tensor, "b t 1 _ _"]]:
    """Frames and masks at 1/factor: frames by area; a cell is a hole if any of its pixels is.

    So a known cell is the mean of known pixels; no pixel of the hole is in it.
    """
    hole = reduce(masks, "b t c (h fh) (w fw) -> b t c h w", "max", fh=factor, fw=factor)
    return by_area(frames, factor), hole


def by_area(pictures: Float[Tensor, "b t c h w"], factor: int) -> Float[Tensor, "b t c _ _"]:
    """Pictures at 1/factor: each cell is a mean."""
    return reduce(pictures, "b t c (h fh) (w fw) -> b t c h w", "mean", fh=factor, fw=factor)


def enlarge(pictures: Float[Tensor, "*n h w"], factor: int) -> Float[Tensor, "*n hl wl"]:
    """Each cell as factor x factor pixels."""
    return repeat(pictures, "... h w -> ... (h fh) (w fw)", fh=factor, fw=factor)
