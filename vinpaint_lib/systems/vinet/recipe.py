"""How VINet is trained: presets with stages, the loss of a step (eqs 8-13), and the task for the training loop.

Presets    tiny    seconds, a test of the machinery
           laptop  about 90 minutes on two busy CPU cores; the shipped weights were trained with it
           gpu     the paper's network and the released losses, smaller frames and fewer steps
           paper   stages in the released description's order: one source and one target, four sources, recurrence; a
                   comment below marks what is not known
A stage with `released` has the terms of the released training code (`released_losses.py`), all others have our terms.
All stages of `gpu` and `paper` are released, none of `laptop`, and some of `tiny`.
A sample holds consecutive frames: six before the first target, the targets, six behind the last target.
"""

from dataclasses import dataclass, field

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.losses import pixels, temporal
from vinpaint_lib.losses.temporal import FlowTerms
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.frames import consecutive_frames
from vinpaint_lib.systems.vinet.feature_flow import clamped
from vinpaint_lib.systems.vinet.network import REACH, SHIFTS, Unrolled
from vinpaint_lib.systems.vinet.released_losses import released_terms
from vinpaint_lib.training.clip_samples import MIXED, ClipSpec
from vinpaint_lib.training.clip_tasks import RecurrentTask
from vinpaint_lib.training.schedule import Schedule, Stage
from vinpaint_lib.training.task import Batch, Losses

# Weights of the released training code for its terms: L_R = L_1 - SSIM, 5 times L_hole; w_ST = w_LT = 1, w_Flow = 10.
SINGLE_WEIGHTS = {"L_1": 1.0, "L_ssim": 1.0, "L_hole": 5.0}
PAPER_WEIGHTS = SINGLE_WEIGHTS | {"L_F": 10.0, "L_st": 1.0, "L_lt": 1.0}
# Our additions: L_psnr, the logarithm of the squared error in the hole; L_align, true frames under the feature flows;
# L_flow, the feature flows against the estimated motion of true frames; L_raw, L_hole before the last blend.
# Errors of flows are in pixels, others in shares of the pictures' range: w_Flow = 10 would drown a short training.
OURS = {"L_psnr": 0.1, "L_align": 1.0, "L_flow": 0.1, "L_raw": 1.0}
FIRST_WEIGHTS = {"L_1": 1.0, "L_ssim": 0.2, "L_hole": 1.0} | OURS
# The authors trained with four families of holes; which they are is in no source that we could check. These are ours.
FAMILIES = {"rectangle": 0.25, "moving rectangle": 0.25, "irregular": 0.25, "moving object": 0.25}
FIDELITY_WEIGHTS = FIRST_WEIGHTS | {"L_F": 0.1, "L_st": 0.2, "L_lt": 0.2}


@dataclass(frozen=True)
class VINetStage(Stage):
    """A stage; with `released` it has the terms of the authors' training code (`released_losses.py`), not ours."""

    released: bool = False


@dataclass(frozen=True)
class Preset(Schedule):
    """The fields of `Schedule`, the stages in order, and

    spec   how samples are made; a sample has as many frames as the longest stage needs
    """

    steps: int = 4200
    peak: float = 8e-4
    stages: tuple[VINetStage, ...] = (
        VINetStage(1800, targets=1, weights=FIRST_WEIGHTS, name="many to one"),
        VINetStage(3200, targets=2, weights=FIDELITY_WEIGHTS, name="recurrence over two"),
        VINetStage(4200, targets=4, weights=FIDELITY_WEIGHTS, name="recurrence over four"),
    )
    spec: ClipSpec = field(default_factory=lambda: ClipSpec(crop=128, hole=(0.05, 0.35), holes=MIXED, count=16))


PRESETS = {
    "tiny": Preset(
        config="tiny",
        steps=6,
        batch=2,
        warmup=2,
        precision="float32",
        stages=(
            VINetStage(2, targets=1, sources=1, weights=SINGLE_WEIGHTS, name="one to one", released=True),
            VINetStage(3, targets=1, weights=FIRST_WEIGHTS, name="many to one"),
            VINetStage(4, targets=3, weights=FIDELITY_WEIGHTS | {"L_F": 1.0}, name="recurrence"),
            VINetStage(6, targets=3, weights=PAPER_WEIGHTS, name="recurrence, released", released=True),
        ),
        spec=ClipSpec(crop=32, height=(64, 64), length=16, crops=1, hole=(0.05, 0.15), holes=MIXED, count=15),
        blocks=2,
        validate=3,
        checkpoint=2,
    ),
    "laptop": Preset(),
    "gpu": Preset(
        config="paper",
        steps=60000,
        batch=8,
        peak=1e-4,
        stages=(
            VINetStage(20000, targets=1, weights=SINGLE_WEIGHTS, name="many to one", released=True),
            VINetStage(60000, targets=4, weights=PAPER_WEIGHTS, name="recurrence", released=True),
        ),
        spec=ClipSpec(crop=192, height=(192, 272), hole=(0.05, 0.35), holes=MIXED, count=16),
        blocks=1200,
        validate=2000,
        checkpoint=1000,
    ),
    # Known: the order of the stages, four sources three frames apart, clips of 13 and of 16 frames, terms and their
    # weights, 256 x 256. The pseudo-true flow comes from DIS here, from FlowNet2 there.
    # Not known: rate, batch and steps. Ours are about STTN's number of steps, a third of them for each stage.
    "paper": Preset(
        config="paper",
        steps=480000,
        batch=8,
        peak=1e-4,
        drops=(320000,),
        warmup=0,
        average=0.0,
        clip_gradient=1e9,
        precision="float32",
        stages=(
            VINetStage(160000, targets=1, sources=1, weights=SINGLE_WEIGHTS, name="one to one", released=True),
            VINetStage(320000, targets=1, weights=SINGLE_WEIGHTS, name="many to one", released=True),
            VINetStage(480000, targets=4, weights=PAPER_WEIGHTS, name="recurrence", released=True),
        ),
        spec=ClipSpec(crop=256, height=(256, 320), crops=1, hole=None, holes=FAMILIES, count=16),
        blocks=20000,
        validate=10000,
        checkpoint=1000,
    ),
}


def compute_losses(
    model: nn.Module, batch: dict[str, Float[Tensor, "b _ c h w"]], weights: dict[str, float], stage: VINetStage
) -> Losses:
    """The terms for one batch, unweighted, and the completed targets. Terms with weight 0 are left out.

    Batch: truth b t 3 h w in [0, 1], mask b t 1 h w, flow (b n-1 2 h w) and first_flow (b n-2 2 h w) between targets.

    A stage with `released` has the terms of `released_losses.released_terms`. All others have ours, of pictures in
    [0, 1]: L_1 (eq. 8) over the frame; L_hole, the same as a mean over the hole; L_ssim = 1 - SSIM (eq. 9 as a loss);
    L_raw, L_hole before the previous output is blended in. L_F (eq. 11 and a third part, `losses.temporal.FlowTerms`),
    L_st (eq. 12) and L_lt (eq. 13, from the third target on) are means over the targets that have a previous target.
    L_psnr, L_align and L_flow are in neither the paper nor the released code.
    """
    truth, mask = batch["truth"], batch["mask"]
    places = list(range(REACH, REACH + stage.targets))
    made: Unrolled = model(truth * (1 - mask), mask, places, stage.sources)
    true, open_ = truth[:, places], mask[:, places]
    completed = pixels.composite(made.frames, true, open_)
    if stage.released:
        found = released_terms(made, true, open_, batch)
        return Losses({name: term for name, term in found.items() if weights.get(name)}, completed)
    output, raw, known, hole = (rearrange(x, "b n c h w -> (b n) c h w") for x in (made.frames, made.raw, true, open_))
    terms: dict[str, Tensor] = {}
    if weights.get("L_1"):
        terms["L_1"] = (output - known).abs().mean()
    if weights.get("L_ssim"):
        terms["L_ssim"] = 1 - temporal.ssim(output, known).mean()
    if weights.get("L_hole"):
        terms["L_hole"] = pixels.masked_l1(output, known, hole)
    if weights.get("L_raw"):
        terms["L_raw"] = pixels.masked_l1(raw, known, hole)
    if weights.get("L_psnr"):
        terms["L_psnr"] = pixels.log_error(output, known, hole)
    if weights.get("L_align"):
        terms["L_align"] = alignment_loss(made, truth, places, stage.sources)
    if weights.get("L_flow"):
        terms["L_flow"] = source_flow_loss(made.flows, truth, places, stage.sources, batch["source_flow"])
    if len(places) > 1:
        terms |= between_targets(made.frames, made.flow, true, batch, weights)
    return Losses(terms, completed)


def between_targets(
    frames: Float[Tensor, "b n 3 h w"],
    estimated: Float[Tensor, "b n1 2 h w"],
    truth: Float[Tensor, "b n 3 h w"],
    batch: dict[str, Tensor],
    weights: dict[str, float],
) -> dict[str, Float[Tensor, ""]]:
    """Our L_F, L_st and L_lt for targets in a row. A network without recurrence estimates no flow, and has no L_F."""
    pseudo, terms = batch["flow"], {}
    now, before = (
        rearrange(truth[:, 1:], "b n c h w -> (b n) c h w"),
        rearrange(truth[:, :-1], "b n c h w -> (b n) c h w"),
    )
    output = rearrange(frames[:, 1:], "b n c h w -> (b n) c h w")
    if weights.get("L_F") and estimated.shape[1]:
        parts: FlowTerms = temporal.flow_losses(
            rearrange(estimated, "b n c h w -> (b n) c h w"),
            rearrange(pseudo, "b n c h w -> (b n) c h w"),
            now,
            before,
            output,
            rearrange(frames[:, :-1], "b n c h w -> (b n) c h w"),
        )
        terms["L_F"] = torch.stack(list(parts)).sum()
    if weights.get("L_st"):
        terms["L_st"] = warped_truth(output, now, before, rearrange(pseudo, "b n c h w -> (b n) c h w"))
    if weights.get("L_lt") and frames.shape[1] > 2:
        first = truth[:, :1].expand_as(truth[:, 2:])
        late = (
            rearrange(x, "b n c h w -> (b n) c h w") for x in (frames[:, 2:], truth[:, 2:], first, batch["first_flow"])
        )
        terms["L_lt"] = warped_truth(*late)
    return terms


def warped_truth(
    output: Float[Tensor, "n 3 h w"],
    truth: Float[Tensor, "n 3 h w"],
    other: Float[Tensor, "n 3 h w"],
    flow: Float[Tensor, "n 2 h w"],
) -> Float[Tensor, ""]:
    """Outputs against another true frame under the pseudo-true flow, weighed by how well true frames agree with it."""
    weight = temporal.occlusion_weight(truth, temporal.warp_back(other, flow))
    return temporal.warping_loss(output, other, flow, weight)


def alignment_loss(
    made: Unrolled, truth: Float[Tensor, "b t 3 h w"], places: list[int], sources: int
) -> Float[Tensor, ""]:
    """L_align (ours): mean |Y_t - W^(Y_s)| of true frames shrunk to 1/2, 1/4 and 1/8 under the flows of that scale.

    The sum over the four sources and, from the second target on, the previous frame is divided by five, also where only
    the four sources count (one target). Scales are added. Beyond its border a frame goes on as its last pixels, and the
    way beyond, as a share of the frame, is added: a loss without such positions would teach flows to leave the frame.
    The loss also teaches flows inside of holes, where features say nothing about motion.
    """
    shifts = (*SHIFTS[sources], -1)
    total = truth.new_zeros(())
    for flows in made.flows:
        small = rearrange(
            functional.avg_pool2d(rearrange(truth, "b n c h w -> (b n) c h w"), truth.shape[-1] // flows.shape[-1]),
            "(b n) c h w -> b n c h w",
            b=len(truth),
        )
        for n, shift in enumerate(shifts):
            # The first target has no previous frame; it is its own previous picture.
            chosen = [(k, t) for k, t in enumerate(places) if shift != -1 or k > 0]
            if not chosen:
                continue
            flow = rearrange(flows[:, [k for k, _ in chosen], n], "b n c h w -> (b n) c h w")
            now = rearrange(small[:, [t for _, t in chosen]], "b n c h w -> (b n) c h w")
            other = rearrange(small[:, [t + shift for _, t in chosen]], "b n c h w -> (b n) c h w")
            gap = (now - clamped(other, flow)).abs().mean()
            total = total + (gap + beyond(flow)) / len(shifts)
    return total


def source_flow_loss(
    found: tuple[Float[Tensor, "b k 5 2 _ _"], ...],
    truth: Float[Tensor, "b t 3 h w"],
    places: list[int],
    sources: int,
    pseudo: Float[Tensor, "b p 2 h w"],
) -> Float[Tensor, ""]:
    """L_flow (ours): mean |W^_s - W| of the flows to the four sources, in pixels of each scale, summed over scales.

    The paper supervises the flow to the previous frame alone, at the finest scale (L_F); a short training does not find
    the other flows by itself. Pixels where the pseudo-true flow does not explain the true frames do not count.
    """
    pairs = [(t, t + shift) for t in places for shift in SHIFTS[sources]]
    now, other = (rearrange(truth[:, [pair[n] for pair in pairs]], "b n c h w -> (b n) c h w") for n in (0, 1))
    wanted = rearrange(pseudo, "b n c h w -> (b n) c h w")
    trusted = temporal.flow_confidence(now, temporal.warp_back(other, wanted))
    total = truth.new_zeros(())
    for flows in found:
        factor = truth.shape[-1] // flows.shape[-1]
        flat = rearrange(flows[:, :, :-1], "b k n xy h w -> (b k n) xy h w")
        small, weight = (functional.avg_pool2d(x, factor) for x in (trusted * wanted / factor, trusted))
        gap = (weight * flat - small).abs()
        total = total + gap.sum() / (2 * weight.sum().clamp(min=1))
    return total


def beyond(flow: Float[Tensor, "n 2 h w"]) -> Float[Tensor, ""]:
    """Mean distance by which `flow` points out of the frame, as a share of the frame's sides."""
    height, width = flow.shape[-2:]
    at = flow + warp.pixel_grid(height, width, flow.device)
    size = rearrange(warp.beside([width, height], at), "xy -> xy 1 1")
    return ((at.neg().clamp(min=0) + (at - (size - 1)).clamp(min=0)) / size).mean()


class VINetTask(RecurrentTask):
    """VINet in training: targets in a row within consecutive frames."""

    rules = {"consecutive": consecutive_frames}  # noqa: RUF012 - a constant

    def target_places(self, stage: Stage) -> tuple[int, ...]:
        """The targets stand behind the six frames before the first target."""
        return tuple(range(REACH, REACH + stage.targets))

    def source_pairs(self, stage: Stage) -> list[tuple[int, int]]:
        """Each target with its sources, in order; no pairs for the released terms, which do not need that motion."""
        assert isinstance(stage, VINetStage)
        if stage.released:
            return []
        return [(t, t + shift) for t in self.target_places(stage) for shift in SHIFTS[stage.sources]]

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: VINetStage) -> Losses:
        return compute_losses(model, batch, weights, choice)
