"""Training samples of networks that begin with a first guess: crops of a clip, their holes, and the guess in them.

Chains of flow take seconds, so a sample cannot draw its hole anew as in `clip_samples.py`. A block holds pairs of a
crop and a hole of one stretch. The hole is drawn in the crop, with the kinds and sizes that `clip_samples.py` draws.
The code of inference makes the guesses (`motion/first_guess.py`), on whole frames whose hole is blanked: pixels may
come from outside of the crop, and nothing of the truth behind the hole reaches them. The frames of a sample are drawn
anew.
"""

from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vinpaint_lib.datasets.clip_set import ClipSet, draw_stretch
from vinpaint_lib.holes import mix
from vinpaint_lib.motion.first_guess import first_guesses
from vinpaint_lib.training.clip_samples import ClipSpec, FrameRule, check_spec, cut_outlines, draw_crop
from vinpaint_lib.training.pools import BlockPool, Packed, draw_gain, opened, to_bytes

FIELDS = ("truth", "mask", "inside", "begins")  # of a block
KEYS = ("truth", "guess", "mask", "trust")  # of a sample


def make_block(source: ClipSet, seed: int, number: int, spec: ClipSpec) -> dict[str, np.ndarray]:
    """Block `number`: `spec.crops` crops of one stretch, each with a hole of its own.

    Keys: truth (n t 3 h w) uint8; mask (n t 1 h w/8), eight pixels in a byte; inside (k 4) uint8, the guess and its
    trust of all missing pixels in order; begins (n t+1), where each frame begins in it.
    """
    rng = np.random.default_rng((seed, number))
    clip = draw_stretch(source, rng, spec.height, spec.length, spec.count, spec.size)
    squares = None
    if mix.needs_outlines(spec.holes):
        squares = cut_outlines(source, clip, np.random.default_rng((seed, number, 1)), spec.height)
    crops: dict[str, list[np.ndarray]] = {name: [] for name in FIELDS}
    stored = 0
    for _ in range(spec.crops):
        cut = draw_crop(clip.size, spec.size, rng).slices
        hole = mix.draw(spec.holes, len(clip), spec.size, rng, mix.Ranges(spec.hole, speed=spec.speed), squares).masks
        masks = torch.zeros_like(clip.frames[:, :1])
        masks[..., *cut] = hole
        guess, trust = (part[..., *cut] for part in first_guesses(clip.frames, masks))
        both = rearrange(torch.cat([guess, trust], dim=1), "t c h w -> t h w c")
        inside = both[rearrange(hole, "t 1 h w -> t h w") > 0]
        counts = [0, *hole.sum(dim=(1, 2, 3)).long().tolist()]
        crops["truth"].append(to_bytes(clip.frames[..., *cut]))
        crops["mask"].append(np.packbits(hole.numpy() > 0, axis=-1))
        crops["inside"].append(to_bytes(inside))
        crops["begins"].append(stored + np.cumsum(counts))
        stored += len(inside)
    joined = {name: np.stack(crops[name]) for name in ("truth", "mask", "begins")}
    return joined | {"inside": np.concatenate(crops["inside"])}


class GuessPool(BlockPool):
    """Blocks of crops with holes and guesses, as one dataset. Raises UserError for a spec that no clip can meet."""

    kind, fields = "guesses", FIELDS
    spec: ClipSpec

    def __init__(
        self, source: ClipSet, folder: Path, blocks: int, seed: int, spec: ClipSpec, *, rule: FrameRule
    ) -> None:
        check_spec(spec)
        super().__init__(source, folder, blocks, seed, spec)
        self.rule = rule

    def make(self, number: int) -> dict[str, np.ndarray]:
        return make_block(self.source, self.seed, number, self.spec)

    def packed(self, rng: np.random.Generator, size: int, blocks: int | None = None) -> Packed:
        """`size` samples drawn with `rng`: truth and guess (b t 3 h w) uint8, mask (b t 1 h w) bool, 1 = hole, trust
        (b t 1 h w) uint8, and gain (b 3).

        The guess is the truth outside of the hole, and the trust 1. Only the first `blocks` blocks are drawn from (all
        by default). Clips are mirrored and tinted at random.
        """
        drawn = []
        for _ in range(size):
            stored = self.block(int(rng.integers(min(blocks or self.blocks, self.blocks))))
            sample = self.sample(stored, int(rng.integers(len(stored["truth"]))), rng)
            gain = draw_gain(rng)
            turned = {name: x.flip(-1) for name, x in sample.items()} if rng.random() < 0.5 else sample
            drawn.append(turned | {"gain": gain})
        return stacked(drawn)

    def whole(self, number: int) -> dict[str, Float[Tensor, "n t _ h w"]]:
        """One sample of each crop of a block, always the same, not mirrored and not tinted; keys as in `batch`."""
        stored = self.block(number)
        rngs = [np.random.default_rng((self.seed, number, crop)) for crop in range(len(stored["truth"]))]
        return opened(stacked([self.sample(stored, crop, rng) for crop, rng in enumerate(rngs)]))

    def sample(self, stored: dict[str, np.ndarray], crop: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """The frames that the rule takes from a crop, packed, without a gain."""
        truths = stored["truth"][crop]
        chosen = list(self.rule(len(truths), rng, self.spec.count))
        masks = np.unpackbits(stored["mask"][crop][chosen], axis=-1, count=truths.shape[-1]) > 0
        begins = stored["begins"][crop]
        found = [stored["inside"][begins[t] : begins[t + 1]] for t in chosen]
        truth = truths[chosen]
        guess, trust = laid_in(truth, masks, np.concatenate(found))
        return {name: torch.from_numpy(x) for name, x in zip(KEYS, (truth, guess, masks, trust), strict=True)}


def laid_in(
    truth: UInt8[np.ndarray, "t 3 h w"], masks: Bool[np.ndarray, "t 1 h w"], inside: UInt8[np.ndarray, "k 4"]
) -> tuple[UInt8[np.ndarray, "t 3 h w"], UInt8[np.ndarray, "t 1 h w"]]:
    """Frames with the guess in their holes, and the trust, from what was stored of the missing pixels."""
    both = np.concatenate([truth, np.full_like(truth[:, :1], 255)], axis=1)
    rearrange(both, "t c h w -> t h w c")[masks[:, 0]] = inside
    return both[:, :3], both[:, 3:]


def stacked(samples: list[dict[str, Tensor]]) -> Packed:
    """Samples as a batch."""
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
