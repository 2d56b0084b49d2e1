"""Training samples of TGF-Net: one target, its hole and its aligned references, cut to a crop around the hole.

A *block* is one masked clip. Several targets and crops are taken from it, so that the motion between its frames is
measured only once; `training/pools.py` makes and keeps the blocks. The code of inference aligns the references, on
frames with blanked holes: nothing of the truth behind a hole reaches them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from einops import reduce
from jaxtyping import Float, UInt8
from torch import Tensor

from vinpaint_lib.datasets.clip_set import ClipSet, draw_stretch
from vinpaint_lib.holes import mix
from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import chains
from vinpaint_lib.motion.links import Links
from vinpaint_lib.systems.tgfnet.groups import Groups, gather_groups, guess
from vinpaint_lib.training.clip_samples import BLOBS, cut_outlines
from vinpaint_lib.training.pools import BlockPool, Packed, draw_gain, opened, to_bytes
from vinpaint_lib.video.clip import Clip


@dataclass(frozen=True)
class TargetSpec:
    """How blocks are made; part of the pool's identity.

    height    range of the clip's height in pixels; the width keeps the source's aspect, both multiples of 8
    length    frames of a clip; targets and crops are taken from it
    hole      share of the frame that is missing; a hole that moves may have a third of it
    holes     kinds of holes, and the share of each (`holes/mix.py`)
    """

    crop: int = 128
    height: tuple[int, int] = (192, 272)
    length: int = 32
    targets: int = 12
    crops: int = 3
    hole: tuple[float, float] = (0.04, 0.14)
    holes: dict[str, float] = field(default_factory=lambda: dict(BLOBS))
    walks: tuple[str, ...] = ("flow", "homography")
    picks: int = 2
    reach: int = 24
    references: int = 5


FIELDS = ("truth", "mask", "aligned", "trust")


def make_block(source: ClipSet, seed: int, number: int, spec: TargetSpec) -> dict[str, np.ndarray]:
    """Block `number`: arrays (samples ...) uint8 under the names of `FIELDS`."""
    rng = np.random.default_rng((seed, number))
    clip = draw_clip(source, rng, spec)
    squares = None
    if mix.needs_outlines(spec.holes):
        squares = cut_outlines(source, clip, np.random.default_rng((seed, number, 1)), spec.height)
    holes = draw_holes(len(clip), clip.size, rng, spec, squares)
    known = clip.frames * (1 - holes)
    indices = tuple(range(len(clip)))
    links, views = Links(), chains.Views()
    window = Window(indices, known, holes, torch.zeros_like(holes))
    links.update(window)
    candidates = [t for t in indices if holes[t].any()]
    count = min(spec.targets, len(candidates))
    samples: dict[str, list[np.ndarray]] = {name: [] for name in FIELDS}
    for target in sorted(rng.choice(candidates, count, replace=False)):
        for box in draw_boxes(holes[target, 0], rng, spec):
            aligned = references_of(chains.Search(window, int(target), box, spec.picks), links, views, rng, spec)
            cut = box.slices
            samples["truth"].append(to_bytes(clip.frames[target][:, *cut]))
            samples["mask"].append(to_bytes(holes[target][:, *cut]))
            samples["aligned"].append(to_bytes(aligned.frames))
            samples["trust"].append(to_bytes(aligned.trust))
    return {name: np.stack(values) for name, values in samples.items()}


def references_of(
    search: chains.Search, links: Links, views: chains.Views, rng: np.random.Generator, spec: TargetSpec
) -> Groups:
    """References that the walks of the spec align; for "none" random frames without alignment (CPNet takes five)."""
    if "none" not in spec.walks:
        return gather_groups(search, links, views, ways=chains.walks(spec.walks), reach=spec.reach)[0]
    window, cut = search.window, search.box.slices
    others = [i for i in window.indices if i != search.target]
    chosen = sorted(rng.choice(others, spec.references, replace=len(others) < spec.references))
    frames, known = window.frames[chosen][:, :, *cut], 1 - window.masks[chosen][:, :, *cut]
    names = tuple(f"none {i - search.target:+d}" for i in chosen)
    return Groups(frames * known, known, known, names)


def draw_clip(source: ClipSet, rng: np.random.Generator, spec: TargetSpec) -> Clip:
    """A random stretch of a random clip, at a random size and speed, sometimes mirrored or reversed."""
    return draw_stretch(source, rng, spec.height, spec.length, min(8, spec.length), (spec.crop, spec.crop))


def draw_holes(
    length: int,
    size: tuple[int, int],
    rng: np.random.Generator,
    spec: TargetSpec,
    squares: UInt8[np.ndarray, "k s s"] | None = None,
) -> Float[Tensor, "t 1 h w"]:
    """A hole of the spec's mix for all frames of a clip. Half of those that move also swell, as turning objects do."""
    low, high = spec.hole
    kind, holes = mix.draw(spec.holes, length, size, rng, mix.Ranges(spec.hole, (low / 3, high)), squares)
    if kind not in mix.MOVING or rng.random() < 0.5:
        return holes
    return mix.swelling(holes, rng)


def draw_boxes(hole: Float[Tensor, "h w"], rng: np.random.Generator, spec: TargetSpec) -> Iterator[Box]:
    """Crops around random pixels of the hole; a crop that crosses the frame's border is moved inside."""
    rows, columns = np.nonzero(hole.numpy())
    for pick in rng.integers(len(rows), size=spec.crops):
        yield box_at(int(rows[pick]), int(columns[pick]), spec.crop, hole.shape)


def box_at(row: int, column: int, crop: int, size: Sequence[int]) -> Box:
    """A square box of side `crop` around a pixel of a frame of `size` (height, width), moved inside the frame."""
    height, width = size
    top = int(np.clip(row - crop // 2, 0, height - crop))
    left = int(np.clip(column - crop // 2, 0, width - crop))
    return Box(top, top + crop, left, left + crop)


class TargetPool(BlockPool):
    """Blocks of aligned samples, as one dataset."""

    kind, fields = "samples", FIELDS
    spec: TargetSpec

    def make(self, number: int) -> dict[str, np.ndarray]:
        return make_block(self.source, self.seed, number, self.spec)

    def packed(self, rng: np.random.Generator, size: int, groups: int, blocks: int | None = None) -> Packed:
        """`size` random samples with `groups` random groups each, mirrored at random, and gains drawn from `rng`.

        The samples come from the first `blocks` blocks (by default from all), so that training can begin before all
        blocks exist.

        Keys: truth (b 3 h w), mask (b 1 h w), aligned (b n 3 h w), trust (b n 1 h w), all uint8; guess (b 3 h w) in
        [0, 1]; unseen (b 1 h w) bool, the part of the hole that no reference shows; gain (b 3).
        """
        drawn = []
        for _ in range(size):
            arrays = self.block(int(rng.integers(min(blocks or self.blocks, self.blocks))))
            index = int(rng.integers(len(arrays["truth"])))
            sample = as_tensors({name: arrays[name][index] for name in FIELDS})
            order = torch.from_numpy(rng.permutation(len(sample["trust"]))[:groups])
            flips = [axis for axis in (-1, -2) if rng.random() < 0.5]
            gain = draw_gain(rng)
            for name in ("aligned", "trust"):
                sample[name] = sample[name][order]
            turned = {name: value.flip(flips) if flips else value for name, value in sample.items()}
            drawn.append(turned | {"gain": gain})
        return {name: torch.stack([sample[name] for sample in drawn]) for name in drawn[0]}

    def whole(self, number: int) -> dict[str, Float[Tensor, "b *_"]]:
        """All samples of one block with all groups, unchanged; keys as in `batch`."""
        arrays = self.block(number)
        samples = [as_tensors({name: arrays[name][i] for name in FIELDS}) for i in range(len(arrays["truth"]))]
        return opened({name: torch.stack([sample[name] for sample in samples]) for name in samples[0]})


def as_tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """One stored sample, packed, with the guess (3 h w) that follows from its references (`groups.guess`), and with the
    part of the hole that no reference shows (1 h w)."""
    sample = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    sample["aligned"] = sample["aligned"] * (sample["trust"] > 0)
    truth, mask, shown, trust = (sample[name] / 255 for name in FIELDS)
    aligned = Groups(shown, trust, torch.zeros_like(trust), ())
    sample["guess"] = guess(truth * (1 - mask), mask, aligned).frames[0]
    sample["unseen"] = (mask > 0) & (reduce(trust, "n 1 h w -> 1 h w", "max") == 0)
    return sample
