"""How CPNet (ICCV 2019) is trained: presets, the loss of a step, and the task for the training loop.

The authors' training code is not public. Terms and their weights are those of another's training code.

Presets    tiny    seconds, a test of the machinery
           laptop  hours on one CPU core; no weights of it ship yet. It has a tenth of the paper's weights for
                   reconstruction and alignment, no terms of features, and L_psnr
           gpu     the paper's network and terms, smaller frames and fewer steps; never timed on a GPU
           paper   a comment below marks what is not known
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.alignment import affine
from vinpaint_lib.losses import perceptual, pixels
from vinpaint_lib.losses.features import FeatureNet, needed_features
from vinpaint_lib.systems.cpnet.first_maps import first_maps, seen
from vinpaint_lib.systems.cpnet.network import Pasted, enlarged
from vinpaint_lib.systems.frames import random_frames
from vinpaint_lib.training.clip_samples import MIXED, ClipSpec
from vinpaint_lib.training.clip_tasks import ClipTask
from vinpaint_lib.training.pools import Packed, opened
from vinpaint_lib.training.schedule import Schedule
from vinpaint_lib.training.task import Batch, Losses, Shown

PAPER_WEIGHTS = {
    "L_align": 2.0, "L_visible": 10.0, "L_unseen": 20.0, "L_valid": 6.0, "L_perc": 0.01, "L_style": 24.0, "L_tv": 0.1,
}  # fmt: skip
# Our addition: L_psnr, the logarithm of the hole's squared error.
FIDELITY_WEIGHTS = {"L_align": 0.2, "L_visible": 1.0, "L_unseen": 2.0, "L_valid": 0.2, "L_psnr": 0.1}


@dataclass(frozen=True)
class Preset(Schedule):
    """The fields of `Schedule`, and

    without_features  train without L_perc and L_style, where a preset weighs them and no feature network is at hand
    """

    steps: int = 6600
    batch: int = 4
    weights: dict[str, float] = field(default_factory=lambda: dict(FIDELITY_WEIGHTS))
    without_features: bool = False
    spec: ClipSpec = field(
        default_factory=lambda: ClipSpec(frames="random", crop=128, height=(144, 240), hole=(0.05, 0.35), holes=MIXED)
    )


PRESETS = {
    "tiny": Preset(
        config="tiny",
        steps=6,
        batch=2,
        warmup=2,
        precision="float32",
        spec=ClipSpec(
            frames="random", crop=48, height=(64, 64), length=8, crops=1, hole=(0.05, 0.15), holes=MIXED, count=3
        ),
        blocks=2,
        validate=3,
        checkpoint=2,
        without_features=True,
    ),
    "laptop": Preset(),
    "gpu": Preset(
        config="paper",
        steps=60000,
        batch=8,
        peak=1e-4,
        weights=dict(PAPER_WEIGHTS),
        spec=ClipSpec(frames="random", crop=192, height=(192, 272), hole=(0.05, 0.35), holes=MIXED),
        blocks=1200,
        validate=2000,
        checkpoint=1000,
    ),
    # Known: five random frames of 256 x 256, Adam 1e-4, the terms and their weights. Not known: batch, steps and holes.
    # Ours are STTN's steps, and silhouettes of objects and blobs.
    "paper": Preset(
        config="paper",
        steps=500000,
        batch=8,
        peak=1e-4,
        warmup=0,
        average=0.0,
        clip_gradient=1e9,
        weights=dict(PAPER_WEIGHTS),
        precision="float32",
        spec=ClipSpec(
            frames="random", crop=256, height=(256, 320), length=96, crops=1, hole=None,
            holes={"moving object": 0.5, "moving blob": 0.25, "blob": 0.25},
        ),
        blocks=20000,
        validate=10000,
        checkpoint=1000,
    ),
}  # fmt: skip


def compute_losses(
    model: nn.Module, batch: Batch, weights: dict[str, float], features: nn.Module | None = None
) -> Losses:
    """The terms for one batch (truth b t 3 h w in [0, 1], mask b t 1 h w, and start b t-1 2 3 with `Config.camera`),
    unweighted, and the completed targets b 1 3 h w. The middle frame of a sample is the target.

    L_align as in `pixels.alignment_loss`, between the target and the references where both are given; L_visible and
    L_unseen, the hole where a reference shows it and where none does; L_valid outside of the hole. The last three are
    means of |Y^ - Y| over their part. L_perc, L_style and L_tv are of the completed frame. Terms with weight 0, and
    without a feature net those of features, are left out.
    """
    truth, mask = batch["truth"], batch["mask"]
    middle, others = parted(truth.shape[1])
    true, hole = truth[:, middle], mask[:, middle]
    pasted: Pasted = model(true * (1 - hole), hole, truth[:, others], mask[:, others], batch.get("start"))
    shown = pixels.composite(pasted.frame, true, hole)
    unseen = hole * enlarged(pasted.missing.detach().to(hole), (hole.shape[-2], hole.shape[-1]))
    terms = {
        "L_align": pixels.alignment_loss(*pasted.aligned, true, hole),
        "L_visible": pixels.masked_l1(pasted.frame, true, hole - unseen),
        "L_unseen": pixels.masked_l1(pasted.frame, true, unseen),
        "L_valid": pixels.masked_l1(pasted.frame, true, 1 - hole),
    }
    if weights.get("L_psnr"):
        terms["L_psnr"] = pixels.log_error(pasted.frame, true, hole)
    if features is not None and (weights.get("L_perc") or weights.get("L_style")):
        of_output, of_truth = features(shown), features(true)
        terms["L_perc"] = perceptual.perceptual_loss(of_output, of_truth)
        terms["L_style"] = perceptual.style_loss(of_output, of_truth)
    if weights.get("L_tv"):
        terms["L_tv"] = pixels.total_variation(shown)
    return Losses(terms, rearrange(shown, "b c h w -> b 1 c h w"))


def parted(count: int) -> tuple[int, list[int]]:
    """The target's place among the `count` frames of a sample, and those of its references."""
    return count // 2, [i for i in range(count) if i != count // 2]


class CPNetTask(ClipTask):
    """CPNet in training: one target of five random frames. With `Config.camera` a batch also has the maps that come
    first, "start" (b t-1 2 3)."""

    rules = {"random": random_frames}  # noqa: RUF012 - a constant
    features: FeatureNet | None = None
    feature_name = "not used by this preset"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.pictured = 0
        self.first: dict[int, Tensor] = {}  # held-back block -> its first maps

    def prepare(self, device: torch.device) -> None:
        if self.preset.weights.get("L_perc") or self.preset.weights.get("L_style"):
            self.features = needed_features(self.preset.without_features, device)
            self.feature_name = (
                self.features.name if self.features else "none, as asked: perceptual and style losses are off"
            )

    def sample(self, pool: Any, rng: np.random.Generator, choice: Any, blocks: int) -> Packed:
        packed = pool.packed(rng, 1, blocks)
        return packed | self.starts_of(opened(packed)) if self.config.camera else packed

    def starts_of(self, batch: Batch) -> Batch:
        """The maps that come first, for a batch on the CPU."""
        middle, others = parted(batch["truth"].shape[1])
        found = []
        for frames, holes in zip(batch["truth"], batch["mask"], strict=True):
            each = [seen(frame * (1 - hole), hole) for frame, hole in zip(frames, holes, strict=True)]
            found.append(first_maps(each[middle], [each[n] for n in others], [n - middle for n in others]))
        return {"start": torch.stack(found)}

    def example(self, device: torch.device) -> tuple[Batch, Any]:
        batch, choice = super().example(device)
        if self.config.camera:
            count, references = self.preset.batch, self.preset.spec.count - 1
            maps = affine.identity(count * references, batch["truth"])
            batch["start"] = rearrange(maps, "(b n) i j -> b n i j", b=count)
        return batch, choice

    def truth_of(self, batch: Batch, choice: Any) -> Tensor:
        return batch["truth"][:, [parted(batch["truth"].shape[1])[0]]]

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any) -> Losses:
        return compute_losses(model, batch, weights, self.features)

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        middle, _ = parted(batch["truth"].shape[1])
        if self.config.camera:
            if number not in self.first:
                self.first[number] = self.starts_of({name: batch[name].cpu() for name in ("truth", "mask")})["start"]
            batch = batch | {"start": self.first[number].to(batch["truth"])}
        completed = compute_losses(model.net, batch, {}).completed
        assert completed is not None
        output: Float[Tensor, "b 3 h w"] = completed[:, 0]
        return self.beside_telea(output, batch["truth"][:, middle], batch["mask"][:, middle], number)

    def provenance(self) -> dict[str, Any]:
        return {"feature_net": self.feature_name}
