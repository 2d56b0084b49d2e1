"""How Align-and-Attend's inpainter is trained: presets with stages, the loss of a step, the task for the training loop.

The affine estimator is trained before, alone (`estimator_losses.py`), and takes no gradient here.
`data_scripts/pretrain_align_attend.py` writes its weights for `--start`; without them gpu and paper refuse to begin.
Stages follow the paper: first pure synthesis, then all parts with recursions that grow longer.

Presets    tiny    seconds, a test of the machinery
           laptop  about 75 minutes on two busy CPU cores; the shipped weights were trained with it. No discriminators
           gpu     the paper's network and losses, shorter recursions and fewer steps
           paper   recursions of 6, 12, 18 and 24 targets; the note counts in epochs of unknown length, a comment below
                   gives our length
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.errors import UserError
from vinpaint_lib.losses import pixels, temporal
from vinpaint_lib.losses.critics import ImageAndVideo, critic_hinge
from vinpaint_lib.systems.align_attend.network import Filled, Parts
from vinpaint_lib.systems.frames import Indices, check_count, consecutive_frames
from vinpaint_lib.training.clip_samples import MIXED, ClipSpec
from vinpaint_lib.training.clip_tasks import RecurrentTask
from vinpaint_lib.training.schedule import Schedule, Stage, stage_at
from vinpaint_lib.training.task import Batch, Losses

REFERENCES_SHOWN = 5  # references in a training sample; CPNet and STTN see as many frames

# Section 3.3: irregular holes in the single pictures of the first stage, silhouettes of objects in the clips after it.
IRREGULAR = {"irregular": 1.0}
SILHOUETTES = {"moving object": 1.0}
ALL = Parts()
NONE = Parts(False, False, False)
# The note has lost all lambdas: ours are one to one, and the adversarial terms have STTN's weight.
PAPER_WEIGHTS = {"L_rec": 1.0, "L_F": 1.0, "L_W": 1.0, "L_adv": 0.01}
SYNTHESIS_WEIGHTS = {"L_rec": 1.0}
# Ours, as in TGF-Net's laptop preset: L_psnr, the logarithm of the hole's squared error. L_raw is L_psnr of the
# inpainter's picture before the blend with the previous output, since the blend keeps the gradient from it. L_own is
# the L1 of the decoder's picture before pixels are copied into it, in the hole and outside: without L_own the features
# never learn to carry a picture.
FIDELITY_WEIGHTS = {"L_rec": 1.0, "L_psnr": 0.1, "L_raw": 0.05, "L_own": 1.0, "L_F": 0.05, "L_W": 0.5}


@dataclass(frozen=True)
class AlignAttendStage(Stage):
    """A stage, and the parts of the network that it uses. `drop`: share of steps that leave out random parts."""

    sources: int = REFERENCES_SHOWN
    parts: Parts = ALL
    drop: float = 0.5


def recursions(until: list[int], targets: list[int], weights: dict[str, float]) -> tuple[AlignAttendStage, ...]:
    """Stages with all parts, one after the other; each fills its number of `targets` in a row up to a step `until`."""
    return tuple(
        AlignAttendStage(end, count, weights=dict(weights), name=f"{count} in a row")
        for end, count in zip(until, targets, strict=True)
    )


def synthesis(until: int, weights: dict[str, float]) -> AlignAttendStage:
    """The paper's first stage: no references, no recursion, and the holes of the estimator's pictures (sec. 3.3)."""
    return AlignAttendStage(
        until, 1, weights=dict(weights), holes=dict(IRREGULAR), name="synthesis", parts=NONE, drop=0.0
    )


@dataclass(frozen=True)
class Preset(Schedule):
    """The fields of `Schedule`, the stages, and

    binary_occlusion  L_W counts a pixel wholly or not at all, as the note has it; else by VINet's soft weight

    A sample has `spec.count` frames: REFERENCES_SHOWN, and as many targets as the last stage has.
    """

    steps: int = 6000
    peak: float = 1e-3
    spec: ClipSpec = field(
        default_factory=lambda: ClipSpec(
            crop=128,
            height=(128, 240),
            hole=(0.05, 0.35),
            holes=MIXED,
            frames="align_attend",
            count=REFERENCES_SHOWN + 3,
        )
    )
    stages: tuple[AlignAttendStage, ...] = (
        synthesis(500, {"L_rec": 1.0, "L_psnr": 0.1, "L_own": 1.0}),
        *recursions([3000, 6000], [2, 3], FIDELITY_WEIGHTS),
    )
    binary_occlusion: bool = False


PRESETS = {
    "tiny": Preset(
        config="tiny",
        steps=6,
        batch=2,
        warmup=2,
        precision="float32",
        spec=ClipSpec(
            crop=32, height=(64, 64), length=10, crops=1, hole=(0.05, 0.15), holes=MIXED, frames="align_attend",
            count=REFERENCES_SHOWN + 3,
        ),
        stages=(synthesis(1, SYNTHESIS_WEIGHTS), *recursions([3, 6], [2, 3], FIDELITY_WEIGHTS)),
        blocks=2,
        validate=3,
        checkpoint=2,
    ),
    "laptop": Preset(),
    "gpu": Preset(
        config="paper",
        steps=60000,
        batch=8,
        peak=2e-4,
        spec=ClipSpec(
            crop=192, height=(192, 272), hole=(0.05, 0.35), holes=MIXED, frames="align_attend",
            count=REFERENCES_SHOWN + 8,
        ),
        stages=(
            synthesis(10000, SYNTHESIS_WEIGHTS),
            *recursions([25000, 40000, 60000], [3, 5, 8], PAPER_WEIGHTS),
        ),
        blocks=1200,
        validate=2000,
        checkpoint=1000,
    ),
    # In the note: 2e-4, a tenth of it every five epochs, and six more targets every five epochs, up to 24. With
    # YouTube-VOS's 3,471 clips once an epoch and our batch of 8, five epochs are 2,170 steps. Read as printed, the rate
    # has fallen to 2e-7 when 24 targets are reached. Ours: the synthesis stage as long as the rest; the size of frames.
    "paper": Preset(
        config="paper",
        steps=17360,
        batch=8,
        peak=2e-4,
        drops=(10850, 13020, 15190),
        warmup=0,
        average=0.0,
        clip_gradient=1e9,
        precision="float32",
        spec=ClipSpec(
            crop=256, height=(256, 272), length=60, crops=1, hole=None, holes=SILHOUETTES, speed=(3.0, 3.0),
            frames="align_attend", count=REFERENCES_SHOWN + 24,
        ),
        stages=(
            synthesis(8680, SYNTHESIS_WEIGHTS),
            *recursions([10850, 13020, 15190, 17360], [6, 12, 18, 24], PAPER_WEIGHTS),
        ),
        binary_occlusion=True,
        blocks=20000,
        growth=(3471, 1),  # with fewer, most of the blocks would never be drawn
        validate=2000,
        checkpoint=500,
    ),
}  # fmt: skip


def compute_losses(
    model: nn.Module,
    batch: dict[str, Float[Tensor, "b t _ h w"]],
    weights: dict[str, float],
    stage: Stage,
    *,
    binary_occlusion: bool = False,
) -> Losses:
    """The terms for one batch (truth b t 3 h w, mask b t 1 h w, flow b n-1 2 h w), unweighted, and completed targets.

    L_rec = sum_t |M (Y^_t - Y_t)|, as a mean over each hole and over targets; L_F = |F - F^| + |Y_t - W(Y_{t-1}, F^)|,
    the first where the pseudo-true flow F explains the frames; L_W = O |Y^_t - W(Y_{t-1}, F)| with true frames. O is
    `losses.temporal.occlusion_weight`, or with `binary_occlusion` 1 where F explains the true frames and else 0. Ours:
    L_psnr; L_raw, the same of the picture before the blend; and L_own, mean |Y^own - Y| in the hole plus outside, with
    the decoder's picture Y^own. Terms with weight 0 are left out, and so are L_F and L_W without a second target.
    """
    places = slice(REFERENCES_SHOWN, REFERENCES_SHOWN + stage.targets)
    truth, mask = batch["truth"][:, : places.stop], batch["mask"][:, : places.stop]
    parts = getattr(stage, "parts", ALL)
    filled: Filled = model(truth * (1 - mask), mask, REFERENCES_SHOWN, parts)
    truth, mask = truth[:, places], mask[:, places]
    output = filled.outputs
    flat_truth, flat_mask, flat_output, flat_raw, flat_own = (
        rearrange(x, "b n c h w -> (b n) c h w") for x in (truth, mask, output, filled.raw, filled.own)
    )
    completed = pixels.composite(flat_output, flat_truth, flat_mask)
    terms: dict[str, Tensor] = {}
    if weights.get("L_rec"):
        terms["L_rec"] = pixels.masked_l1(flat_output, flat_truth, flat_mask)
    if weights.get("L_psnr"):
        terms["L_psnr"] = pixels.log_error(flat_output, flat_truth, flat_mask)
    if weights.get("L_raw"):
        terms["L_raw"] = pixels.log_error(flat_raw, flat_truth, flat_mask)
    if weights.get("L_own"):
        outside = pixels.masked_l1(flat_own, flat_truth, 1 - flat_mask)
        terms["L_own"] = pixels.masked_l1(flat_own, flat_truth, flat_mask) + outside
    if stage.targets > 1:
        now, before = (rearrange(x, "b n c h w -> (b n) c h w") for x in (truth[:, 1:], truth[:, :-1]))
        motion = rearrange(batch["flow"], "b n xy h w -> (b n) xy h w")
        if weights.get("L_F") and filled.flows.shape[1]:
            estimated = rearrange(filled.flows, "b n xy h w -> (b n) xy h w")
            found = temporal.flow_losses(estimated, motion, now, before, now, before)
            terms["L_F"] = found.flow + found.truth
        if weights.get("L_W"):
            occlusion = temporal.flow_confidence if binary_occlusion else temporal.occlusion_weight
            weight = occlusion(now, temporal.warp_back(before, motion))
            made = rearrange(completed, "(b n) c h w -> b n c h w", b=len(truth))[:, 1:]
            made = rearrange(made, "b n c h w -> (b n) c h w")
            terms["L_W"] = temporal.warping_loss(made, before, motion, weight)
    return Losses(terms, rearrange(completed, "(b n) c h w -> b n c h w", b=len(truth)))


def critic_loss(
    critic: nn.Module, truth: Float[Tensor, "b n 3 h w"], completed: Float[Tensor, "b n 3 h w"]
) -> Float[Tensor, ""]:
    """L_D of both discriminators, added; no gradient reaches the network that made `completed`."""
    assert isinstance(critic, ImageAndVideo)
    real, made = critic.judge(truth), critic.judge(completed.detach())
    return torch.stack([critic_hinge(a, b) for a, b in zip(real, made, strict=True)]).sum()


def align_attend_training(length: int, rng: np.random.Generator, count: int = 8) -> Indices:
    """A training sample: first `REFERENCES_SHOWN` references, random frames of the clip in temporal order, then the
    targets, neighbours from a random place. No frame is both. The note gives neither number."""
    check_count(length, count)
    targets = consecutive_frames(length, rng, count - REFERENCES_SHOWN)
    others = [i for i in range(length) if i not in targets]
    return (*sorted(int(i) for i in rng.choice(others, REFERENCES_SHOWN, replace=False)), *targets)


class AlignAttendTask(RecurrentTask):
    """Align-and-Attend's inpainter in training: references, then targets in a row; parts are left out at random."""

    rules = {"align_attend": align_attend_training}  # noqa: RUF012 - a constant

    def check_start(self, model: Any) -> None:
        """Raises UserError if nothing could ever be aligned: no step here changes the estimator, and without training
        the paper's estimator gives the identity for every pair."""
        if model.net.estimator.only_identity():
            raise UserError(
                "the affine estimator is untrained, and this training keeps it as it is: give --start, weights that "
                f"`python -m data_scripts.pretrain_align_attend --config {self.preset.config}` writes"
            )

    def choose(self, rng: np.random.Generator, step: int) -> Stage:
        """The stage of a step with the parts that the step uses: all parts of the stage in a share 1 - `drop` of the
        steps, else one of the seven other combinations, each equally often."""
        stage = stage_at(self.preset.stages, step)
        assert isinstance(stage, AlignAttendStage)
        if rng.random() >= stage.drop:
            return stage
        number = int(rng.integers(7))  # binary: align, refine, flow; 7 would be all
        return replace(stage, parts=Parts(bool(number & 4), bool(number & 2), bool(number & 1)))

    def target_places(self, stage: Stage) -> tuple[int, ...]:
        """The targets stand behind the references."""
        return tuple(range(REFERENCES_SHOWN, REFERENCES_SHOWN + stage.targets))

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Stage) -> Losses:
        return compute_losses(model, batch, weights, choice, binary_occlusion=self.preset.binary_occlusion)

    def make_critic(self) -> nn.Module:
        """Both discriminators."""
        return ImageAndVideo()

    def judge(self, critic: nn.Module, truth: Tensor, completed: Tensor) -> Tensor:
        return critic_loss(critic, truth, completed)
