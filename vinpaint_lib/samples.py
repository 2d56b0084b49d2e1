"""Training samples: one target, its hole, its aligned references, cut to a crop around the hole.

A *block* is one masked clip, from which several targets and crops are taken, so that the motion between its
frames is measured once (`blocks.py` makes and keeps them). The alignment is the code that inference runs, on
frames whose holes are blanked: nothing of the truth behind a hole reaches the references.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib import gather, masks
from vinpaint_lib.blocks import BlockPool
from vinpaint_lib.clips import Clip
from vinpaint_lib.clipsource import Size
from vinpaint_lib.datasets import ClipSource
from vinpaint_lib.errors import UserError
from vinpaint_lib.models import Window
from vinpaint_lib.motion import Links


@dataclass(frozen=True)
class SampleSpec:
    """How blocks are made; part of the pool's identity.

    height    range of the clip's height in pixels; the width keeps the source's aspect, both multiples of 8
    length    frames of a clip; targets and crops are taken from it
    hole      share of the frame that is missing
    """

    crop: int = 128
    height: tuple[int, int] = (192, 272)
    length: int = 32
    targets: int = 12
    crops: int = 3
    hole: tuple[float, float] = (0.04, 0.14)
    stationary: float = 0.5
    walks: tuple[str, ...] = ("flow", "homography")
    picks: int = 2
    reach: int = 24
    references: int = 5


FIELDS = ("truth", "mask", "aligned", "trust")


def make_block(source: ClipSource, seed: int, number: int, spec: SampleSpec) -> dict[str, np.ndarray]:
    """Block `number`: arrays (samples ...) uint8 under the names of `FIELDS`."""
    rng = np.random.default_rng((seed, number))
    clip = draw_clip(source, rng, spec)
    holes = draw_holes(len(clip), clip.size, rng, spec)
    known = clip.frames * (1 - holes)
    indices = tuple(range(len(clip)))
    links = Links()
    links.update(indices, known, holes)
    window = Window(indices, known, holes, torch.zeros_like(holes))
    candidates = [t for t in indices if holes[t].any()]
    count = min(spec.targets, len(candidates))
    samples: dict[str, list[np.ndarray]] = {name: [] for name in FIELDS}
    for target in sorted(rng.choice(candidates, count, replace=False)):
        for box in draw_boxes(holes[target, 0], rng, spec):
            aligned = references_of(window, int(target), links, box, rng, spec)
            cut = (slice(box.top, box.bottom), slice(box.left, box.right))
            samples["truth"].append(to_bytes(clip.frames[target][:, *cut]))
            samples["mask"].append(to_bytes(holes[target][:, *cut]))
            samples["aligned"].append(to_bytes(aligned.frames))
            samples["trust"].append(to_bytes(aligned.trust))
    return {name: np.stack(values) for name, values in samples.items()}


def references_of(
    window: Window, target: int, links: Links, box: gather.Box, rng: np.random.Generator, spec: SampleSpec
) -> gather.Aligned:
    """References by the walks of the spec; for "none", random frames as they are (CPNet's five), not aligned."""
    if "none" not in spec.walks:
        ways = gather.walks(spec.walks)
        return gather.align(window, target, links, box, ways=ways, picks=spec.picks, reach=spec.reach)[0]
    others = [i for i in window.indices if i != target]
    chosen = sorted(rng.choice(others, spec.references, replace=len(others) < spec.references))
    cut = (slice(box.top, box.bottom), slice(box.left, box.right))
    frames, known = window.frames[chosen][:, :, *cut], 1 - window.masks[chosen][:, :, *cut]
    names = tuple(f"none {i - target:+d}" for i in chosen)
    return gather.Aligned(frames * known, known, known, names)


def draw_clip(source: ClipSource, rng: np.random.Generator, spec: SampleSpec) -> Clip:
    """A random stretch of a random clip, at a random size and speed, sometimes mirrored or reversed."""
    return draw_stretch(source, rng, spec.height, spec.length, min(8, spec.length), (spec.crop, spec.crop))


def draw_stretch(
    source: ClipSource, rng: np.random.Generator, height: tuple[int, int], length: int, least: int, crop: Size
) -> Clip:
    """The same in numbers: `height` is a range, `least` frames and the size of `crop` are what must be there.

    Raises UserError when twenty draws find no such clip.
    """
    for _ in range(20):
        which = source.draw(rng)
        high = int(rng.integers(height[0] // 8, height[1] // 8 + 1)) * 8
        stride = int(rng.choice([1, 1, 1, 2]))
        clip = source.load_random(which, rng, height=high, length=length, stride=stride)
        if len(clip) >= least and clip.size[0] >= crop[0] and clip.size[1] >= crop[1]:
            break
    else:
        sides = f"{crop[0]} pixels a side" if crop[0] == crop[1] else f"{crop[1]}x{crop[0]} pixels"
        raise UserError(f"no clip of at least {least} frames and {sides} found in the training data")
    frames = clip.frames
    if rng.random() < 0.5:
        frames = frames.flip(-1)
    if rng.random() < 0.5:
        frames = frames.flip(0)
    return Clip(frames.contiguous(), torch.zeros_like(frames[:, :1]), clip.fps, clip.name)


def draw_holes(
    length: int, size: tuple[int, int], rng: np.random.Generator, spec: SampleSpec
) -> Float[Tensor, "t 1 h w"]:
    """A stationary blob, or a blob that moves and swells as an object would."""
    if rng.random() < spec.stationary:
        return masks.stationary_blob(length, size, rng, area=spec.hole)
    low, high = spec.hole
    moving = masks.moving_blob(length, size, rng, area=(low / 3, high), max_speed=float(rng.uniform(1, 9)))
    if rng.random() < 0.5:
        return moving
    phase, period = rng.uniform(0, 6.28), rng.uniform(8, 30)
    return torch.stack(
        [masks.dilate(m, round(3 + 3 * np.sin(phase + 6.28 * t / period))) for t, m in enumerate(moving)]
    )


def draw_boxes(hole: Float[Tensor, "h w"], rng: np.random.Generator, spec: SampleSpec) -> Iterator[gather.Box]:
    """Crops whose centre is a random pixel of the hole, moved inside of the frame."""
    height, width = hole.shape
    rows, columns = np.nonzero(hole.numpy())
    for pick in rng.integers(len(rows), size=spec.crops):
        top = int(np.clip(rows[pick] - spec.crop // 2, 0, height - spec.crop))
        left = int(np.clip(columns[pick] - spec.crop // 2, 0, width - spec.crop))
        yield gather.Box(top, top + spec.crop, left, left + spec.crop)


def to_bytes(values: Tensor) -> np.ndarray:
    """[0, 1] to uint8, rounded."""
    return (values.clamp(0, 1) * 255).round().byte().numpy()


class SamplePool(BlockPool):
    """Blocks of aligned samples, as one dataset."""

    kind, fields = "samples", FIELDS
    spec: SampleSpec

    def make(self, number: int) -> dict[str, np.ndarray]:
        return make_block(self.source, self.seed, number, self.spec)

    def batch(
        self, rng: np.random.Generator, size: int, groups: int, blocks: int | None = None
    ) -> dict[str, Float[Tensor, "b *_"]]:
        """`size` random samples with `groups` random groups each, mirrored and with colour gains drawn from `rng`.

        Only the first `blocks` blocks are drawn from (all by default), so that training can begin before all exist.

        Keys: truth (b 3 h w), mask (b 1 h w), aligned (b n 3 h w), trust (b n 1 h w), guess (b 3 h w), and unseen
        (b 1 h w), the part of the hole that no reference shows; all in [0, 1].
        """
        drawn = []
        for _ in range(size):
            arrays = self.block(int(rng.integers(min(blocks or self.blocks, self.blocks))))
            index = int(rng.integers(len(arrays["truth"])))
            sample = as_tensors({name: arrays[name][index] for name in FIELDS})
            order = torch.from_numpy(rng.permutation(len(sample["trust"]))[:groups])
            flips = [axis for axis in (-1, -2) if rng.random() < 0.5]
            gain = rearrange(torch.from_numpy(rng.uniform(0.85, 1.1, 3).astype(np.float32)), "c -> c 1 1")
            for name in ("truth", "aligned", "guess"):
                sample[name] = (sample[name] * gain).clamp(0, 1)
            for name in ("aligned", "trust"):
                sample[name] = sample[name][order]
            drawn.append({name: value.flip(flips) if flips else value for name, value in sample.items()})
        return {name: torch.stack([sample[name] for sample in drawn]) for name in drawn[0]}

    def whole(self, number: int) -> dict[str, Float[Tensor, "b *_"]]:
        """All samples of one block with all groups, as they are; the same keys."""
        arrays = self.block(number)
        samples = [as_tensors({name: arrays[name][i] for name in FIELDS}) for i in range(len(arrays["truth"]))]
        return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def as_tensors(arrays: dict[str, np.ndarray]) -> dict[str, Float[Tensor, "*_"]]:
    """One stored sample in [0, 1], with the guess (3 h w) that its references leave (`gather.guess`)."""
    sample = {name: torch.from_numpy(np.array(array)) / 255 for name, array in arrays.items()}
    sample["aligned"] = sample["aligned"] * (sample["trust"] > 0)
    aligned = gather.Aligned(sample["aligned"], sample["trust"], torch.zeros_like(sample["trust"]), ())
    known = sample["truth"] * (1 - sample["mask"])
    sample["guess"] = gather.guess(known, sample["mask"], aligned).frames[0]
    unseen = reduce(sample["trust"], "n 1 h w -> 1 h w", "max") == 0
    sample["unseen"] = sample["mask"] * unseen
    return sample
