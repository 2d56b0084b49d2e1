"""What is scored and how: the holes of an evaluation, and the two protocols `clean` and `paper`.

clean   outputs as the model gives them, SSIM 11x11 Gaussian, every clip counts the same.
paper   as the evaluators of STTN, FuseFormer, E2FGVI and ProPainter: frames and outputs in 8 bits, SSIM with the
        uniform 65x65 window, every frame of PSNR and SSIM counts the same, published masks grown by 4 pixels.
        Not reproduced: their resizing filter, and FlowNet2 for the warping error (here the true flow where the data
        set knows it, else DIS, named in every table).

Holes depend on the seed and the clip's name only, never on the models or on the choice of other clips.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor

from vinpaint_lib.datasets.clip_set import ClipSet, TrueFlow
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import flow
from vinpaint_lib.motion.links import Links
from vinpaint_lib.scoring import metrics
from vinpaint_lib.video.clip import Clip
from vinpaint_lib.video.mask_files.reader import open_masks

AREA = (0.06, 0.12)  # share of the frame that a stationary blob hides
GROW = 4  # pixels; the official evaluators dilate four times with a 3x3 cross
MASKS = "stationary, watermark, moving, object, fvi:PATH"
PROTOCOLS = ("clean", "paper")


class Case(NamedTuple):
    """One clip to fill: the truth in `clip.frames`, the holes in `clip.masks`; `donor` is the clip that gave them.

    motion: the true flow, if the data set knows it.
    """

    clip: Clip
    donor: str | None
    motion: TrueFlow | None = None


@dataclass(frozen=True)
class MaskRule:
    """Where the holes of a clip come from: stationary, watermark, moving, object, or fvi with the folder in `path`."""

    kind: str
    path: Path | None = None
    grow: int = 0

    @property
    def has_truth(self) -> bool:
        """False where the hole hides a real object: nobody filmed what is behind it."""
        return self.kind != "object"

    def describe(self) -> str:
        grown = f", grown by {self.grow} pixels" if self.grow else ""
        return {
            "stationary": f"one free-form blob of {AREA[0]:.0%} to {AREA[1]:.0%} of the frame that stays",
            "watermark": f"letters like a station's logo that stay{grown}",
            "moving": f"object silhouettes of another clip{grown}",
            "object": f"the clip's own objects{grown}; no truth exists behind them, so only E_warp is scored",
            "fvi": f"masks from {self.path}{grown}",
        }[self.kind]

    def make(self, source: ClipSet, i: int, clip: Clip, seed: int) -> Case:
        """`clip` (number i of `source`) with its holes. Raises UserError if nothing is there to make holes from."""
        length, size = len(clip), clip.size
        donor = None
        if self.kind == "stationary":
            holes = masks.stationary_blob(length, size, generator(seed, clip.name), area=AREA)
        elif self.kind == "watermark":
            holes = masks.watermark(length, size, generator(seed, clip.name))
        elif self.kind == "moving":
            other = find_donor(source, i, size, length, seed)
            donor = other.name
            holes = masks.silhouettes(length, size, generator(seed, clip.name), other.masks)
        elif self.kind == "object":
            holes = clip.masks
        else:
            holes = self.read(clip.name, source.frames(i), length, size)
        if not holes.any():
            raise UserError(f"clip {clip.name}: its masks ({self.kind}) are empty; use other --masks or leave it out")
        return Case(Clip(clip.frames, masks.dilate(holes, self.grow), clip.fps, clip.name), donor)

    def read(self, name: str, stored: int, length: int, size: tuple[int, int]) -> Float[Tensor, "t 1 h w"]:
        """The first `length` masks of a clip with `stored` frames."""
        folder = self.path / name if self.path is not None else Path(name)
        if not folder.exists():
            raise UserError(f"{folder}: no masks for the clip {name}; fvi:PATH needs one folder of masks for each clip")
        # Published masks have the size of the evaluation (432x240), not that of the stored clip.
        reader = open_masks(folder, length=stored, size=size, limit=length).at(size)
        return torch.stack([mask for mask, _ in zip(reader.masks(), range(length), strict=False)])


def parse_masks(text: str, protocol: str = "clean") -> MaskRule:
    """The rule that `text` names; see MASKS. Raises UserError for other words and for a folder that is not there."""
    kind, colon, path = text.partition(":")
    if kind == "fvi" and path:
        if not Path(path).is_dir():
            raise UserError(f"{path}: no such folder of masks; give fvi:PATH with one folder for each clip in PATH")
        return MaskRule("fvi", Path(path), GROW if protocol == "paper" else 0)
    if colon or kind not in ("stationary", "watermark", "moving", "object"):
        raise UserError(f"--masks {text}: is not known; use one of {MASKS}")
    return MaskRule(kind, None, 0 if kind == "stationary" else GROW)


def generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers that belong to one clip, whatever else is evaluated."""
    return np.random.default_rng((seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")))


def find_donor(source: ClipSet, i: int, size: tuple[int, int], length: int, seed: int) -> Clip:
    """The clip whose silhouettes hide parts of clip i.

    A seeded round leads through all clips of the source; the donor is the next clip after i that has object masks.
    Raises UserError if no other clip has any.
    """
    order = generator(seed, "rotation of donors").permutation(len(source)).tolist()
    place = order.index(i)
    for other in order[place + 1 :] + order[:place]:
        clip = source.load(other, size, 0, length)
        if clip.masks.any():
            return clip
    raise UserError(
        f"--masks moving: no clip but {source.name(i)} has object silhouettes; use a source with annotations, "
        "as davis:PATH, or --masks stationary"
    )


def cases(
    source: ClipSet, rule: MaskRule, protocol: str, size: tuple[int, int], limit: int | None, seed: int,
    chosen: list[int],
) -> Iterator[Case]:  # fmt: skip
    """The chosen clips at `size` (height, width), at most `limit` frames each, with their holes and true flow."""
    for i in chosen:
        clip = source.load(i, size, 0, limit)
        frames = metrics.to_8bit(clip.frames) if protocol == "paper" else clip.frames
        case = rule.make(source, i, Clip(frames, clip.masks, clip.fps, clip.name), seed)
        # The true flow inside of a real object is the object's, and not that of what is behind it.
        yield case._replace(motion=source.true_flow(i, size, range(len(clip)))) if rule.has_truth else case


def motion_of(case: Case, rule: MaskRule) -> metrics.ScoredMotion:
    """The motion that E_warp follows, once per clip: the true flow where the data set knows it, else an estimate.

    The estimate is made on the true frames. No truth exists behind a real object. There, the flow around the hole is
    continued through the hole.
    """
    if rule.has_truth and case.motion is not None:
        return followed(case.motion, case.clip.frames)
    clip = case.clip
    if rule.has_truth or len(clip) < 2:
        return metrics.truth_motion(clip.frames)._replace(estimator=estimator(rule))
    links = Links()
    links.update(Window(tuple(range(len(clip))), clip.masked, clip.masks, torch.zeros_like(clip.masks)))
    pairs = [links.by_index[t] for t in range(len(clip) - 1)]
    forward, backward = (
        rearrange(torch.from_numpy(np.stack(side)).float(), "p h w xy -> p xy h w")
        for side in ([pair.forward for pair in pairs], [pair.backward for pair in pairs])
    )
    return metrics.exact_motion(forward, backward)._replace(estimator=estimator(rule))


def followed(true: TrueFlow, frames: Float[Tensor, "t 3 h w"]) -> metrics.ScoredMotion:
    """A data set's true flow as E_warp follows it.

    What counts is the rule of `metrics.truth_motion`, so that the numbers mean the same as with an estimated flow:
    covered pixels, motion boundaries and what leaves the frame are left out. But the data set itself says which pixels
    are covered. Where it does not, they are those where the backward flow of DIS contradicts the true forward flow.
    """
    covered, name = true.covered, true.name
    if covered is None:
        backward = torch.stack([flow.dis(after, before) for before, after in pairwise(frames)])
        covered = flow.occlusion(true.forward, backward).float()
        name += f"; which pixels are covered is estimated by {flow.ESTIMATOR}"
    return metrics.given_motion(true.forward, torch.maximum(covered, 1 - true.known), name)


def estimator(rule: MaskRule) -> str:
    """The estimated flow behind E_warp, in words, for tables."""
    if rule.has_truth:
        return f"{flow.ESTIMATOR} on the true frames"
    return f"{flow.ESTIMATOR} on what is known, continued through the holes by a membrane"


def score(
    filled: Float[Tensor, "t 3 h w"], case: Case, motion: metrics.ScoredMotion, rule: MaskRule, protocol: str
) -> dict[str, Float64[Tensor, " n"]]:
    """Every score of one filled clip, per frame or per pair of frames. PSNR and SSIM only where there is a truth."""
    output = metrics.to_8bit(filled) if protocol == "paper" else filled
    truth, hole = case.clip.frames, case.clip.masks
    scores = {}
    if rule.has_truth:
        scores["psnr"] = metrics.psnr(output, truth)
        scores["hole_psnr"] = metrics.psnr(output, truth, hole)
        scores["ssim"] = metrics.ssim(output, truth, protocol)
    scores["warping_error"] = metrics.warping_error(output, truth, motion)
    scores["hole_warping_error"] = metrics.warping_error(output, truth, motion, hole)
    return scores
