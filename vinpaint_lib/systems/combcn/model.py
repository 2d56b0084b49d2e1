"""3DCN + CombCN (Wang, Huang, Han, Wang; AAAI 2019): structure in time from a small volume, details frame by frame.

Inference walks a clip in volumes of F frames that overlap; a frame that lies in two volumes is blended.
"""

from collections.abc import Iterator
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.motion.first_guess import guesses_of_step, reached
from vinpaint_lib.systems.combcn.layer_table import check_length
from vinpaint_lib.systems.combcn.network import CONFIGS, Config, JointNet
from vinpaint_lib.systems.frames import reflected

CARD = ModelCard(
    name="combcn",
    title="3DCN + CombCN",
    paper="Wang, Huang, Han, Wang: Video Inpainting by Jointly Learning Temporal Structure and Spatial Details. "
    "AAAI 2019",
    sections="temporal structure, spatial details, training",
    choices=(
        "layers: those of a known re-implementation; the note has none of CombCN, and counts strides that cannot be",
        "dilation 2, 4, 8 in space only; whether the paper dilates time too is not known",
        "the guide is the 3DCN frame itself, composited with the known small pixels",
        "small volume: frames by area, a cell is a hole if any of its pixels is",
        "losses: mean L1 in the small hole, over the frame and in the hole, one to one; the note lost the weights",
        "holes in training: the note's are random; `paper` draws STTN's blobs, and other presets add silhouettes of "
        "objects and watermarks",
        "`small`: a half and a quarter of the channels, no batch normalisation, which a step of two clips serves badly",
        "overlap of volumes, and the blending by the distance from a volume's end: not in the note",
        "`first_guess` (combcn-aligned) is ours: holes begin with what chains of flow find, both networks see its "
        "trust, and each adds a residual",
    ),
)
# Frames that CombCN computes at a time at inference; more are not faster and need more memory.
TOGETHER = 4

__all__ = ["CARD", "CONFIGS", "CombCN", "Config"]


class CombCN(Inpainter):
    """Both networks, volume by volume. Outputs are not written back."""

    card = CARD
    feedback = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = JointNet(config)
        self.multiple = self.net.multiple

    def plan(self, length: int) -> Iterator[Step]:
        """Volumes of F frames; every frame of a volume is a target. A clip shorter than F is one step.

        With a first guess the frames around the volume are references: not of the networks, but of the guess.
        """
        for volume in volumes(length, self.config.frames, self.config.overlap):
            around = reached(tuple(volume), length) if self.config.aligned else ()
            yield Step(tuple(volume), tuple(i for i in around if i not in volume))

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill all frames of a volume; `weights` fall towards the volume's ends.

        A volume of fewer than F frames is reflected in time at both ends. Maps: volume is 3DCN's output, guide is the
        same output composited with the known pixels (both k 3 h/r w/r; volume only with guidance).
        """
        device = next(self.parameters()).device
        count = len(step.targets)
        before = max(0, self.config.frames - count) // 2
        order = [reflected(n - before, count) for n in range(max(count, self.config.frames))]
        given = [x.to(device) for x in self.begun(window, step, state)]  # frames, masks, with a first guess its trust
        frames, masks, *trust = given
        clip = [rearrange(x[order], "t c h w -> 1 t c h w") for x in given]
        made, guides = self.net.structure(*clip)
        guide = guides[0, before : before + count]
        parts = [x.split(TOGETHER) for x in (frames, masks, guide, *trust)]
        done = torch.cat([self.net.details(*part) for part in zip(*parts, strict=True)]).clamp(0, 1)
        maps = {"guide": guide}
        if made is not None:
            maps["volume"] = made[0, before : before + count]
        return Output(done.to(window.at(0).frame), maps, blending(count))

    def begun(self, window: Window, step: Step, state: dict[str, Any]) -> tuple[Tensor, ...]:
        """The targets' frames (k 3 h w) and masks (k 1 h w); with a first guess in the holes, also its trust."""
        volume = window.only(step.targets)
        if not self.config.aligned:
            return volume.frames, volume.masks
        guesses = guesses_of_step(window, step.targets, state)
        frames, trusts = zip(*(guesses.of(volume, target) for target in step.targets), strict=True)
        return torch.stack(frames), volume.masks, torch.stack(trusts)


def volumes(length: int, frames: int, overlap: int) -> list[range]:
    """The fewest volumes of `frames` frames that overlap by `overlap` or more, spread evenly over the clip.

    A clip of at most `frames` frames is one volume. Raises UserError for a clip without frames.
    """
    check_length("3DCN + CombCN", length)
    if length <= frames:
        return [range(length)]
    steps = -(-(length - frames) // (frames - overlap))
    starts = (round(n * (length - frames) / steps) for n in range(steps + 1))
    return [range(start, start + frames) for start in starts]


def blending(count: int) -> Float[Tensor, "k"]:
    """How much each frame of a volume counts: its distance from the nearer end, 1 at both ends.

    3DCN sees least around a frame at an end. Where two volumes overlap, the weights make a linear cross-fade.
    """
    return torch.tensor([min(n + 1, count - n) for n in range(count)], dtype=torch.float32)
