"""Training samples of the systems that fill several frames at once: a few frames of a crop of a clip, and their holes.

A block holds crops of one stretch of a clip, with all frames of the stretch. The frames of a sample and its hole are
drawn anew for every batch. The system's task gives the rule that chooses the frames, such as neighbours only. The hole
of a sample is of a kind that is drawn from a mix (`holes/mix.py`). For holes in the shape of objects, a block also
holds outlines: some are cut out of its own clip, some out of another one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vinpaint_lib.datasets.clip_set import ClipSet, Size, draw_stretch
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import mix, outlines
from vinpaint_lib.holes.box import Box
from vinpaint_lib.training.pools import BlockPool, Packed, draw_gain, opened, to_bytes
from vinpaint_lib.video.clip import Clip

# As STTN trains [code]. A blob that stays stands for a fixed region like a watermark, one that moves for an object.
BLOBS = {"blob": 0.5, "moving blob": 0.5}
# Ours, for networks that people use: what they remove are things that move, things that stand, and logos.
MIXED = {"blob": 0.2, "moving blob": 0.2, "object": 0.15, "moving object": 0.35, "watermark": 0.1}
OUTLINES = 4  # outlines of objects in a block; every second one is cut out of another clip
# (frames of a stretch, generator, frames of a sample) -> numbers of the sample's frames within the stretch
FrameRule = Callable[[int, np.random.Generator, int], tuple[int, ...]]


@dataclass(frozen=True)
class ClipSpec:
    """How blocks are made and samples are taken from them; part of the pool's identity.

    crop        side of the crop, or (height, width), in pixels
    height      range of the clip's height before it is cropped, multiples of 8; the width keeps the source's aspect
    length      frames of the stretch that a block keeps; a shorter clip gives all its frames, at least `count`
    crops       crops of one stretch
    hole        share of the crop that is missing in a frame; None: each kind's own range (STTN's blobs are far larger)
    holes       kinds of holes, and the share of each (`holes/mix.py`)
    speed       range of the largest speed of a moving hole, pixels per frame
    frames      name of the rule that chooses a sample's frames from the stretch (`clip_tasks.ClipTask.rules`)
    count       frames of a sample
    """

    crop: int | Size = 144
    height: tuple[int, int] = (160, 272)
    length: int = 32
    crops: int = 3
    hole: tuple[float, float] | None = (0.04, 0.20)
    holes: dict[str, float] = field(default_factory=lambda: dict(BLOBS))
    speed: tuple[float, float] = (1.0, 9.0)
    frames: str = "consecutive"
    count: int = 5

    @property
    def size(self) -> Size:
        """(height, width) of the crop."""
        return (self.crop, self.crop) if isinstance(self.crop, int) else (self.crop[0], self.crop[1])


def make_block(source: ClipSet, seed: int, number: int, spec: ClipSpec, *, objects: bool) -> dict[str, np.ndarray]:
    """Block `number`: crops at random places of one stretch (n t 3 h w, uint8), under the name "truth".

    With `objects` also "outlines" (k s s, uint8), as `outlines.stored` makes them.
    """
    rng = np.random.default_rng((seed, number))
    clip = draw_stretch(source, rng, spec.height, spec.length, spec.count, spec.size)
    crops = [to_bytes(clip.frames[..., *draw_crop(clip.size, spec.size, rng).slices]) for _ in range(spec.crops)]
    block = {"truth": np.stack(crops)}
    if objects:
        block["outlines"] = cut_outlines(source, clip, np.random.default_rng((seed, number, 1)), spec.height)
    return block


def draw_crop(size: Size, crop: Size, rng: np.random.Generator) -> Box:
    """A crop of (height, width) at a random place of frames of `size`."""
    top, left = (int(rng.integers(side - part + 1)) for side, part in zip(size, crop, strict=True))
    return Box(top, top + crop[0], left, left + crop[1])


def cut_outlines(
    source: ClipSet, clip: Clip, rng: np.random.Generator, height: tuple[int, int]
) -> UInt8[np.ndarray, "k s s"]:
    """Outlines of objects, from `clip` and from other clips by turns."""
    found = []
    for turn in range(OUTLINES):
        shown = clip if turn % 2 == 0 else source.load_random(source.draw(rng), rng, height=height[0], length=1)
        frames = rearrange(shown.frames, "t c h w -> t h w c").numpy()
        found.append(outlines.of_clip(frames, rearrange(shown.masks, "t 1 h w -> t h w").numpy(), rng))
    return np.stack(found)


class ClipPool(BlockPool):
    """Blocks of cropped stretches, as one dataset of clips with holes.

    Raises UserError for a spec that no clip can meet.
    """

    spec: ClipSpec

    def __init__(
        self,
        source: ClipSet,
        folder: Path,
        blocks: int,
        seed: int,
        spec: ClipSpec,
        *,
        rule: FrameRule,
        objects: bool | None = None,
    ) -> None:
        """`objects`: keep outlines of objects; by default, if the spec's mix needs them."""
        check_spec(spec)
        self.objects = mix.needs_outlines(spec.holes) if objects is None else objects
        self.kind, self.fields = ("objects", ("truth", "outlines")) if self.objects else ("volumes", ("truth",))
        super().__init__(source, folder, blocks, seed, spec)
        self.rule = rule

    def make(self, number: int) -> dict[str, np.ndarray]:
        return make_block(self.source, self.seed, number, self.spec, objects=self.objects)

    def packed(
        self, rng: np.random.Generator, size: int, blocks: int | None = None, holes: Mapping[str, float] | None = None
    ) -> Packed:
        """`size` samples drawn with `rng`: truth (b t 3 h w) uint8, mask (b t 1 h w) bool, 1 = hole, and gain (b 3).

        Only the first `blocks` blocks are drawn from (all by default). Clips are mirrored and tinted at random. `holes`
        replaces the mix of the spec.
        """
        drawn = []
        for _ in range(size):
            stored = self.block(int(rng.integers(min(blocks or self.blocks, self.blocks))))
            crop = stored["truth"][int(rng.integers(len(stored["truth"])))]
            truth, mask = self.sample(crop, rng, stored.get("outlines"), holes)
            gain = draw_gain(rng)
            drawn.append((truth.flip(-1) if rng.random() < 0.5 else truth, mask, gain))
        truths, masks, gains = zip(*drawn, strict=True)
        return {"truth": torch.stack(truths), "mask": torch.stack(masks), "gain": torch.stack(gains)}

    def whole(self, number: int) -> dict[str, Float[Tensor, "n t _ h w"]]:
        """One sample of each crop of a block, always the same, not mirrored and not tinted; keys as in `batch`."""
        stored = self.block(number)
        rngs = [np.random.default_rng((self.seed, number, crop)) for crop in range(len(stored["truth"]))]
        drawn = [
            self.sample(crop, rng, stored.get("outlines")) for crop, rng in zip(stored["truth"], rngs, strict=True)
        ]
        truths, masks = zip(*drawn, strict=True)
        return opened({"truth": torch.stack(truths), "mask": torch.stack(masks)})

    def sample(
        self,
        stretch: UInt8[np.ndarray, "l 3 h w"],
        rng: np.random.Generator,
        squares: UInt8[np.ndarray, "k s s"] | None = None,
        holes: Mapping[str, float] | None = None,
    ) -> tuple[UInt8[Tensor, "t 3 h w"], Bool[Tensor, "t 1 h w"]]:
        """The frames that the rule takes from a stretch, and their hole.

        The hole moves through all frames of the stretch, also through the frames that are not taken.
        """
        chosen = list(self.rule(len(stretch), rng, self.spec.count))
        ranges = mix.Ranges(self.spec.hole, speed=self.spec.speed)
        hole = mix.draw(holes or self.spec.holes, len(stretch), self.spec.size, rng, ranges, squares).masks
        return torch.from_numpy(stretch[chosen]), hole[chosen] > 0


def check_spec(spec: ClipSpec) -> None:
    """Raise UserError for a spec that no clip can meet."""
    mix.check(spec.holes)
    if not 1 <= spec.count <= spec.length:
        raise UserError(f"count {spec.count}: a stretch of {spec.length} frames has not so many; use a longer length")
    if spec.height[0] > spec.height[1] or spec.height[1] // 8 * 8 < spec.size[0]:
        raise UserError(
            f"height {spec.height}: no clip of such a height holds a crop of {spec.size[0]} rows; "
            f"use heights up to {-(-spec.size[0] // 8) * 8} or more"
        )
