"""Training samples of the painter: crops of single pictures, and holes that are drawn anew for every batch.

A block holds crops of several clips and photographs, so that few blocks show many places.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vinpaint_lib.datasets.clip_set import ClipSet, without_bars
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import mix, outlines
from vinpaint_lib.training.pools import BlockPool, Packed, draw_gain, opened, to_bytes

# What is left to paint behind the copied parts is the middle of what a blob or an object hid; ours.
HOLES = {"blob": 0.4, "object": 0.3, "irregular": 0.15, "rectangle": 0.15}
FIELDS = ("truth", "outlines")
OUTLINES = 4  # clips of a block of which the outline of an object is cut; it takes longer than all else


@dataclass(frozen=True)
class PictureSpec:
    """How blocks are made; part of the pool's identity.

    crop      side of a crop in pixels
    height    range of a picture's height before it is cropped; the width keeps the source's aspect
    clips     clips or photographs of a block
    frames    frames of each of them, `apart` frames from each other
    crops     crops of each frame
    hole      share of the crop that is missing
    holes     kinds of holes, and the share of each (`holes/mix.py`); all stand still
    """

    crop: int = 128
    height: tuple[int, int] = (144, 272)
    clips: int = 12
    frames: int = 2
    apart: int = 8
    crops: int = 3
    hole: tuple[float, float] = (0.05, 0.35)
    holes: dict[str, float] = field(default_factory=lambda: dict(HOLES))


def make_block(source: ClipSet, seed: int, number: int, spec: PictureSpec) -> dict[str, np.ndarray]:
    """Block `number`: crops (n 3 c c, uint8) under "truth", and outlines of objects (k s s, uint8).

    Raises UserError if twenty draws in a row find no picture of the size of a crop.
    """
    rng = np.random.default_rng((seed, number))
    crops, shapes = [], []
    for turn in range(spec.clips):
        frames = draw_frames(source, rng, spec)
        pictures = rearrange(frames, "t c h w -> t h w c").numpy()
        empty = np.zeros((1, *pictures.shape[1:3]), np.float32)
        if mix.needs_outlines(spec.holes) and turn < OUTLINES:
            shapes.append(outlines.of_clip(pictures[:1], empty, rng))
        for frame in frames:
            for _ in range(spec.crops):
                top, left = (int(rng.integers(side - spec.crop + 1)) for side in frame.shape[-2:])
                crops.append(to_bytes(frame[:, top : top + spec.crop, left : left + spec.crop]))
    squares = np.stack(shapes) if shapes else np.zeros((0, 1, 1), np.uint8)
    return {"truth": np.stack(crops), "outlines": squares}


def draw_frames(source: ClipSet, rng: np.random.Generator, spec: PictureSpec) -> Float[Tensor, "t 3 h w"]:
    """A few frames of a random clip at a random height, without letterbox bars."""
    for _ in range(20):
        high = int(rng.integers(spec.height[0] // 8, spec.height[1] // 8 + 1)) * 8
        clip = source.load_random(source.draw(rng), rng, height=high, length=spec.frames, stride=spec.apart)
        frames = without_bars(clip).frames
        if min(frames.shape[-2:]) >= spec.crop:
            return frames
    raise UserError(f"no picture of {spec.crop} pixels a side found in the training data")


class PicturePool(BlockPool):
    """Blocks of crops, as one dataset of pictures with holes."""

    kind, fields = "pictures", FIELDS
    spec: PictureSpec

    def make(self, number: int) -> dict[str, np.ndarray]:
        return make_block(self.source, self.seed, number, self.spec)

    def packed(self, rng: np.random.Generator, size: int, blocks: int | None = None) -> Packed:
        """`size` samples drawn with `rng`: truth (b 3 c c) uint8, mask (b 1 c c) bool, 1 = hole, and gain (b 3).

        Only the first `blocks` blocks are drawn from (all by default). Pictures are mirrored and tinted at random.
        """
        drawn = []
        for _ in range(size):
            stored = self.block(int(rng.integers(min(blocks or self.blocks, self.blocks))))
            truth = torch.from_numpy(np.array(stored["truth"][int(rng.integers(len(stored["truth"])))]))
            mask = self.hole(rng, stored["outlines"])
            gain = draw_gain(rng)
            drawn.append((truth.flip(-1) if rng.random() < 0.5 else truth, mask, gain))
        truths, masks, gains = zip(*drawn, strict=True)
        return {"truth": torch.stack(truths), "mask": torch.stack(masks), "gain": torch.stack(gains)}

    def whole(self, number: int) -> dict[str, Float[Tensor, "n _ c c"]]:
        """All pictures of a block with the same holes at every call; keys as in `packed`, opened, without the gain."""
        stored = self.block(number)
        masks = [
            self.hole(np.random.default_rng((self.seed, number, n)), stored["outlines"])
            for n in range(len(stored["truth"]))
        ]
        return opened({"truth": torch.from_numpy(np.array(stored["truth"])), "mask": torch.stack(masks)})

    def hole(self, rng: np.random.Generator, squares: UInt8[np.ndarray, "k s s"]) -> Bool[Tensor, "1 c c"]:
        """A hole of the mix, turned upside down half of the time: it lies anywhere in the picture."""
        size = (self.spec.crop, self.spec.crop)
        hole = mix.draw(self.spec.holes, 1, size, rng, mix.Ranges(self.spec.hole), squares).masks[0] > 0
        return hole.flip(-2) if rng.random() < 0.5 else hole
