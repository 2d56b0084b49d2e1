"""Training samples of the systems that fill several frames at once: a few frames of a crop of a clip, and their holes.

A block holds crops of one stretch of a clip, with all frames of the stretch. The frames of a sample and its hole are
drawn anew for every batch. The system's task gives the rule that chooses the frames, such as neighbours only. The hole
of a sample is one blob that stays or moves, as in STTN's training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from vinpaint_lib.datasets.clip_set import ClipSet, Size, draw_stretch
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.training.pools import BlockPool, to_bytes

# (frames of a stretch, generator, frames of a sample) -> numbers of the sample's frames within the stretch
FrameRule = Callable[[int, np.random.Generator, int], tuple[int, ...]]


@dataclass(frozen=True)
class ClipSpec:
    """How blocks are made and samples are taken from them; part of the pool's identity.

    crop        side of the crop, or (height, width), in pixels
    height      range of the clip's height before it is cropped, multiples of 8; the width keeps the source's aspect
    length      frames of the stretch that a block keeps; a shorter clip gives all its frames, at least `count`
    crops       crops of one stretch
    hole        share of the crop that is missing in a frame; None: the ranges of STTN, which are far larger
    stationary  share of the samples whose hole stays where it is
    speed       range of the largest speed of a moving hole, pixels per frame
    frames      name of the rule that chooses a sample's frames from the stretch (`clip_tasks.ClipTask.rules`)
    count       frames of a sample
    """

    crop: int | Size = 144
    height: tuple[int, int] = (160, 272)
    length: int = 32
    crops: int = 3
    hole: tuple[float, float] | None = (0.04, 0.20)
    stationary: float = 0.5
    speed: tuple[float, float] = (1.0, 9.0)
    frames: str = "consecutive"
    count: int = 5

    @property
    def size(self) -> Size:
        """(height, width) of the crop."""
        return (self.crop, self.crop) if isinstance(self.crop, int) else (self.crop[0], self.crop[1])


def make_block(source: ClipSet, seed: int, number: int, spec: ClipSpec) -> dict[str, UInt8[np.ndarray, "n t 3 h w"]]:
    """Block `number`: crops at random places of one stretch, under the name "truth"."""
    rng = np.random.default_rng((seed, number))
    height, width = spec.size
    clip = draw_stretch(source, rng, spec.height, spec.length, spec.count, spec.size)
    crops = []
    for _ in range(spec.crops):
        top = int(rng.integers(clip.size[0] - height + 1))
        left = int(rng.integers(clip.size[1] - width + 1))
        crops.append(to_bytes(clip.frames[..., top : top + height, left : left + width]))
    return {"truth": np.stack(crops)}


def draw_hole(length: int, rng: np.random.Generator, spec: ClipSpec) -> Float[Tensor, "t 1 h w"]:
    """One blob for `length` neighbouring frames, still or moving."""
    if rng.random() < spec.stationary:
        return masks.stationary_blob(length, spec.size, rng, area=spec.hole)
    return masks.moving_blob(length, spec.size, rng, area=spec.hole, max_speed=float(rng.uniform(*spec.speed)))


class ClipPool(BlockPool):
    """Blocks of cropped stretches, as one dataset of clips with holes.

    Raises UserError for a spec that no clip can meet.
    """

    kind, fields = "volumes", ("truth",)
    spec: ClipSpec

    def __init__(
        self, source: ClipSet, folder: Path, blocks: int, seed: int, spec: ClipSpec, *, rule: FrameRule
    ) -> None:
        check_spec(spec)
        super().__init__(source, folder, blocks, seed, spec)
        self.rule = rule

    def make(self, number: int) -> dict[str, np.ndarray]:
        return make_block(self.source, self.seed, number, self.spec)

    def batch(
        self, rng: np.random.Generator, size: int, blocks: int | None = None
    ) -> dict[str, Float[Tensor, "b t _ h w"]]:
        """`size` samples drawn with `rng`: truth (b t 3 h w) in [0, 1] and mask (b t 1 h w), 1 = hole.

        Only the first `blocks` blocks are drawn from (all by default). Clips are mirrored and tinted at random.
        """
        drawn = []
        for _ in range(size):
            stored = self.block(int(rng.integers(min(blocks or self.blocks, self.blocks))))["truth"]
            truth, mask = self.sample(stored[int(rng.integers(len(stored)))], rng)
            gain = rearrange(torch.from_numpy(rng.uniform(0.85, 1.1, 3).astype(np.float32)), "c -> c 1 1")
            truth = (truth * gain).clamp(0, 1)
            drawn.append((truth.flip(-1) if rng.random() < 0.5 else truth, mask))
        return stacked(drawn)

    def whole(self, number: int) -> dict[str, Float[Tensor, "n t _ h w"]]:
        """One sample of each crop of a block, always the same, not mirrored and not tinted; keys as in `batch`."""
        stored = self.block(number)["truth"]
        rngs = [np.random.default_rng((self.seed, number, crop)) for crop in range(len(stored))]
        return stacked([self.sample(crop, rng) for crop, rng in zip(stored, rngs, strict=True)])

    def sample(
        self, stretch: UInt8[np.ndarray, "l 3 h w"], rng: np.random.Generator
    ) -> tuple[Float[Tensor, "t 3 h w"], Float[Tensor, "t 1 h w"]]:
        """The frames that the rule takes from a stretch, and their hole.

        The hole moves through all frames of the stretch, also through the frames that are not taken.
        """
        chosen = list(self.rule(len(stretch), rng, self.spec.count))
        truth = torch.from_numpy(stretch[chosen]).float() / 255
        return truth, draw_hole(len(stretch), rng, self.spec)[chosen]


def stacked(samples: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Samples as one batch."""
    truths, holes = zip(*samples, strict=True)
    return {"truth": torch.stack(truths), "mask": torch.stack(holes)}


def check_spec(spec: ClipSpec) -> None:
    """Raise UserError for a spec that no clip can meet."""
    if not 1 <= spec.count <= spec.length:
        raise UserError(f"count {spec.count}: a stretch of {spec.length} frames has not so many; use a longer length")
    if spec.height[0] > spec.height[1] or spec.height[1] // 8 * 8 < spec.size[0]:
        raise UserError(
            f"height {spec.height}: no clip of such a height holds a crop of {spec.size[0]} rows; "
            f"use heights up to {-(-spec.size[0] // 8) * 8} or more"
        )
