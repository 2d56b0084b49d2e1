"""How 3DCN + CombCN is trained (sec. training): presets, the loss of a step, and the task for the training loop.

Both networks are trained together, so that CombCN's loss also teaches 3DCN.

Presets    tiny    seconds, a test of the machinery
           laptop  an hour and a half on one CPU core with fast bf16; for weights small enough to ship
           laptop-aligned  as laptop, for the networks that begin with a first guess (`Config.first_guess`)
           gpu     the paper's width, for one GPU; 3DCN alone for the first 5,000 steps, which is ours: the paper has
                   no such warm-up
           paper   the paper's sizes (32 frames of 128 x 128, r = 2) and losses one to one; the rate follows a known
                   re-implementation; batch and steps are not known, a comment below gives ours
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.losses import pixels
from vinpaint_lib.systems.combcn.network import shrink
from vinpaint_lib.systems.frames import consecutive_frames
from vinpaint_lib.training.clip_samples import BLOBS, MIXED, ClipSpec
from vinpaint_lib.training.clip_tasks import ClipTask
from vinpaint_lib.training.schedule import Schedule
from vinpaint_lib.training.task import Batch, Losses

# The note has L1 for 3DCN, and global and local L1 for CombCN, without weights: one to one.
PAPER_WEIGHTS = {"L_3D": 1.0, "L_global": 1.0, "L_local": 1.0}
# Our addition, as in TGF-Net's laptop preset: L_psnr, the logarithm of the hole's squared error.
FIDELITY_WEIGHTS = PAPER_WEIGHTS | {"L_psnr": 0.1}
OF_DETAILS = ("L_global", "L_local", "L_psnr")


@dataclass(frozen=True)
class Preset(Schedule):
    """The fields of `Schedule`, and

    structure_steps  number of first steps that train 3DCN alone; 0: both networks train from the start
    """

    steps: int = 4200
    peak: float = 1e-3
    weights: dict[str, float] = field(default_factory=lambda: dict(FIDELITY_WEIGHTS))
    structure_steps: int = 0
    spec: ClipSpec = field(default_factory=lambda: ClipSpec(crop=128, hole=(0.05, 0.4), holes=MIXED, count=16))


PRESETS = {
    "tiny": Preset(
        config="tiny",
        steps=6,
        batch=2,
        structure_steps=2,
        warmup=2,
        precision="float32",
        spec=ClipSpec(crop=32, height=(64, 64), length=8, crops=1, hole=(0.05, 0.15), holes=MIXED, count=4),
        blocks=2,
        validate=3,
        checkpoint=2,
    ),
    "laptop": Preset(),
    # Without L_global: CombCN begins with the known pixels. Two crops in a block: each is stored with its hole.
    "laptop-aligned": Preset(
        config="small-aligned",
        weights={"L_3D": 1.0, "L_local": 1.0, "L_psnr": 0.1},
        spec=ClipSpec(crop=128, crops=2, hole=(0.05, 0.4), holes=MIXED, count=16),
    ),
    "gpu": Preset(
        config="paper",
        steps=60000,
        batch=8,
        structure_steps=5000,
        peak=5e-4,
        spec=ClipSpec(crop=128, hole=(0.05, 0.4), holes=MIXED, count=32),
        blocks=1200,
        validate=2000,
        checkpoint=1000,
    ),
    # Batch and steps are not in the note: as large as one GPU takes, and STTN's number of steps. The note's holes are
    # "random"; STTN's blobs stand for them.
    "paper": Preset(
        config="paper",
        steps=500000,
        batch=8,
        peak=1e-4,
        weights=dict(PAPER_WEIGHTS),
        spec=ClipSpec(crop=128, height=(128, 256), crops=1, hole=None, holes=BLOBS, count=32),
        blocks=20000,
        validate=10000,
        checkpoint=1000,
    ),
}


def compute_losses(model: nn.Module, batch: dict[str, Float[Tensor, "b t _ h w"]], weights: dict[str, float]) -> Losses:
    """The terms for one batch (truth b t 3 h w in [0, 1], mask b t 1 h w; with a first guess also guess b t 3 h w and
    trust b t 1 h w), unweighted, and the completed frames.

    L_3D is mean |V - V_gt| in the small volume's hole. L_global is the mean L1 over whole frames, L_local in their
    hole. L_psnr is taken frame by frame. Terms with weight 0 are left out; if that leaves no term of the details,
    CombCN does not run.
    """
    truth, mask = batch["truth"], batch["mask"]
    details = any(weights.get(name) for name in OF_DETAILS)
    guess = batch.get("guess")
    made = model(truth * (1 - mask), mask, details) if guess is None else model(guess, mask, details, batch["trust"])
    terms: dict[str, Tensor] = {}
    if made.volume is not None and weights.get("L_3D"):
        small, hole = shrink(truth, mask, truth.shape[-1] // made.volume.shape[-1])
        terms["L_3D"] = pixels.masked_l1(
            *(rearrange(x, "b t c h w -> b c (t h) w") for x in (made.volume, small, hole))
        )
    # Each clip becomes one tall picture, so that a mean is taken over its whole hole.
    output, known, open_ = (rearrange(x, "b t c h w -> b c (t h) w") for x in (made.frames, truth, mask))
    if weights.get("L_global"):
        terms["L_global"] = pixels.masked_l1(output, known, torch.ones_like(open_))
    if weights.get("L_local"):
        terms["L_local"] = pixels.masked_l1(output, known, open_)
    if weights.get("L_psnr"):
        terms["L_psnr"] = pixels.log_error(
            *(rearrange(x, "b t c h w -> (b t) c h w") for x in (made.frames, truth, mask))
        )
    return Losses(terms, pixels.composite(made.frames, truth, mask))


class CombTask(ClipTask):
    """3DCN + CombCN in training: neighbouring frames at once; 3DCN alone during the first `structure_steps`."""

    rules = {"consecutive": consecutive_frames}  # noqa: RUF012 - a constant

    @property
    def guessed(self) -> bool:
        return self.config.aligned

    def weights_at(self, step: int) -> dict[str, float]:
        if step >= self.preset.structure_steps:
            return self.preset.weights
        return {name: value for name, value in self.preset.weights.items() if name not in OF_DETAILS}

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any) -> Losses:
        return compute_losses(model, batch, weights)
