"""How STTN (ECCV 2020) is trained: presets, the loss of a step, and the task for the training loop.

Presets    tiny    seconds, a test of the machinery
           laptop  about an hour and a half on one CPU core; the shipped weights were trained with it. It has no
                   discriminator: that would cost more than the generator, and L_adv lowers the PSNR
           laptop-aligned  as laptop, for the network that begins with a first guess (`Config.first_guess`)
           gpu     the paper's network and losses, smaller frames and fewer steps
           paper   as released; a comment below marks the differences
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.losses import pixels
from vinpaint_lib.losses.critics import TemporalPatchDiscriminator, critic_hinge
from vinpaint_lib.systems.frames import Indices, consecutive_frames, random_frames
from vinpaint_lib.training.clip_samples import BLOBS, MIXED, ClipSpec
from vinpaint_lib.training.clip_tasks import ClipTask
from vinpaint_lib.training.schedule import Schedule
from vinpaint_lib.training.task import Batch, Losses

PAPER_WEIGHTS = {"L_hole": 1.0, "L_valid": 1.0, "L_adv": 0.01}
# Our addition, as in TGF-Net's laptop preset: L_psnr, the logarithm of the hole's squared error.
FIDELITY_WEIGHTS = {"L_hole": 1.0, "L_valid": 1.0, "L_psnr": 0.1}


@dataclass(frozen=True)
class Preset(Schedule):
    """The fields of `Schedule` (`betas` and `drops` also serve the discriminator), and

    strung  the discriminator sees all clips of a batch as one clip, as in the released code
    """

    steps: int = 10600
    betas: tuple[float, float] = (0.9, 0.99)
    weights: dict[str, float] = field(default_factory=lambda: dict(FIDELITY_WEIGHTS))
    spec: ClipSpec = field(
        default_factory=lambda: ClipSpec(frames="sttn", crop=144, height=(144, 240), hole=(0.05, 0.35), holes=MIXED)
    )
    strung: bool = False


PRESETS = {
    "tiny": Preset(
        config="tiny",
        steps=6,
        batch=2,
        warmup=2,
        precision="float32",
        spec=ClipSpec(
            frames="sttn", crop=48, height=(64, 64), length=8, crops=1, hole=(0.05, 0.15), holes=MIXED, count=3
        ),
        blocks=2,
        validate=3,
        checkpoint=2,
    ),
    "laptop": Preset(),
    # Without L_valid: the network begins with the known pixels. Two crops in a block: each is stored with its hole.
    "laptop-aligned": Preset(
        config="small-aligned",
        weights={"L_hole": 1.0, "L_psnr": 0.1},
        spec=ClipSpec(frames="sttn", crop=144, height=(144, 240), crops=2, hole=(0.05, 0.35), holes=MIXED),
    ),
    "gpu": Preset(
        config="paper",
        steps=60000,
        batch=8,
        peak=2e-4,
        betas=(0.0, 0.99),
        weights=dict(PAPER_WEIGHTS),
        spec=ClipSpec(frames="sttn", crop=192, height=(192, 272), hole=(0.05, 0.35), holes=MIXED),
        blocks=1200,
        validate=2000,
        checkpoint=1000,
    ),
    # Released: Adam 1e-4 with betas (0, 0.99), a tenth of the rate after 150,000 steps and again after 300,000, batches
    # of 8 clips of 432x240, STTN's holes. The released code resizes frames; ours are cut out of slightly larger frames.
    "paper": Preset(
        config="paper",
        steps=500000,
        batch=8,
        peak=1e-4,
        betas=(0.0, 0.99),
        drops=(150000, 300000),
        warmup=0,
        average=0.0,
        clip_gradient=1e9,
        weights=dict(PAPER_WEIGHTS),
        precision="float32",
        spec=ClipSpec(
            frames="sttn", crop=(240, 432), height=(248, 264), crops=1, hole=None, holes=BLOBS, speed=(3.0, 3.0)
        ),
        blocks=20000,
        validate=10000,
        checkpoint=1000,
    ),
}


def compute_losses(model: nn.Module, batch: dict[str, Float[Tensor, "b t _ h w"]], weights: dict[str, float]) -> Losses:
    """The terms for one batch (truth b t 3 h w in [0, 1], mask b t 1 h w; with a first guess also guess b t 3 h w and
    trust b t 1 h w), unweighted, and the completed frames.

    L_hole = mean |M (Y^ - Y)| / mean(M), and L_valid is the same outside of the hole, for frames in [-1, 1] as in the
    released code; L_psnr is taken frame by frame. Terms with weight 0 are left out. The training loop adds L_adv, since
    it holds the critic.
    """
    truth, mask = batch["truth"], batch["mask"]
    guess = batch.get("guess")
    output = model(truth * (1 - mask), mask) if guess is None else model(guess, mask, batch["trust"])
    completed = pixels.composite(output, truth, mask)
    # Each clip becomes one tall picture: the mean is taken over its whole hole.
    tall = [rearrange(x, "b t c h w -> b c (t h) w") for x in (output * 2 - 1, truth * 2 - 1, mask)]
    terms: dict[str, Tensor] = {}
    if weights.get("L_hole"):
        terms["L_hole"] = pixels.masked_l1(*tall)
    if weights.get("L_valid"):
        terms["L_valid"] = pixels.masked_l1(tall[0], tall[1], 1 - tall[2])
    if weights.get("L_psnr"):
        frames = (rearrange(x, "b t c h w -> (b t) c h w") for x in (output, truth, mask))
        terms["L_psnr"] = pixels.log_error(*frames)
    return Losses(terms, completed)


def critic_loss(
    critic: nn.Module, truth: Float[Tensor, "b t 3 h w"], completed: Float[Tensor, "b t 3 h w"]
) -> Float[Tensor, ""]:
    """L_D; no gradient reaches the network that made `completed`."""
    return critic_hinge(critic(truth), critic(completed.detach()))


def sttn_training(length: int, rng: np.random.Generator, count: int = 5) -> Indices:
    """STTN's training sample [code]: half of the time random frames in order, half of the time neighbours."""
    rule = random_frames if rng.random() < 0.5 else consecutive_frames
    return rule(length, rng, count)


class STTNTask(ClipTask):
    """STTN in training: five frames of a clip at once, judged by a discriminator where L_adv has a weight."""

    channels_last = True  # 0.83 to 0.95 of a step's time in two measurements (one core with AVX2)
    rules = {"sttn": sttn_training, "consecutive": consecutive_frames}  # noqa: RUF012 - a constant

    @property
    def guessed(self) -> bool:
        return self.config.aligned

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any) -> Losses:
        return compute_losses(model, batch, weights)

    def make_critic(self) -> nn.Module:
        return TemporalPatchDiscriminator(strung=self.preset.strung)

    def judge(self, critic: nn.Module, truth: Tensor, completed: Tensor) -> Tensor:
        return critic_loss(critic, truth, completed)
