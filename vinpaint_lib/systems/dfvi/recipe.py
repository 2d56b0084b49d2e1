"""How DFVI's completion of flow (CVPR 2019) is trained: presets, the loss of a step, and the task for the loop.

Presets    tiny    seconds, a test of the machinery
           laptop  hours on one CPU core; no weights of it ship yet
           gpu     the released layout, smaller frames and fewer steps; never timed on a GPU
           paper   the first of its three stages, as the authors trained it; a comment below marks the differences

A sample is twelve consecutive frames: eleven flows, of which the middle one is completed. True flow is DIS flow of
true frames. A batch holds besides "truth" (b 12 3 h w) and "mask" (b 12 1 h w), in pixels: "wanted" (b 2 h w), the true
middle flow; "start" (b 11 2 h w), all flows with a membrane in their holes; "unknown" (b 11 1 h w), where.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.losses import pixels
from vinpaint_lib.motion import flow, warp
from vinpaint_lib.systems.dfvi.completed_links import flows_of
from vinpaint_lib.systems.dfvi.network import FLOWS, MIDDLE, complete
from vinpaint_lib.systems.frames import consecutive_frames
from vinpaint_lib.training.clip_samples import MIXED, ClipSpec
from vinpaint_lib.training.clip_tasks import ClipTask
from vinpaint_lib.training.pools import Packed, opened
from vinpaint_lib.training.schedule import Schedule
from vinpaint_lib.training.task import Batch, Losses, Shown

PAPER_WEIGHTS = {"L_hole": 1.0, "L_hard": 2.0}  # of its first stage
HARD = 0.5  # share of the hole's pixels, those of the largest error
DECAY, MOMENTUM, HEAD = 4e-5, 0.9, 10.0  # of the paper's optimiser; HEAD: its rate in the head, as a multiple


@dataclass(frozen=True)
class Preset(Schedule):
    """The fields of `Schedule`, and

    descent  gradient descent with momentum and weight decay, as in the paper; else Adam
    """

    steps: int = 2800
    batch: int = 4
    weights: dict[str, float] = field(default_factory=lambda: dict(PAPER_WEIGHTS))
    descent: bool = False
    spec: ClipSpec = field(
        default_factory=lambda: ClipSpec(crop=128, height=(144, 240), hole=(0.05, 0.35), holes=MIXED, count=FLOWS + 1)
    )


PRESETS = {
    "tiny": Preset(
        config="tiny",
        steps=6,
        batch=2,
        warmup=2,
        precision="float32",
        spec=ClipSpec(crop=48, height=(64, 64), length=13, crops=1, hole=(0.05, 0.15), holes=MIXED, count=FLOWS + 1),
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
        spec=ClipSpec(crop=192, height=(192, 272), hole=(0.05, 0.35), holes=MIXED, count=FLOWS + 1),
        blocks=1200,
        validate=2000,
        checkpoint=1000,
    ),
    # As released: descent with momentum 0.9 and decay 4e-5, rate 1e-4 and ten times that in the head, a tenth after
    # 30,000 and again after 50,000 of 100,000 steps, batches of 32 at 240 x 424. Warm-up, since our weights are drawn.
    "paper": Preset(
        config="paper",
        steps=100000,
        batch=32,
        peak=1e-4,
        drops=(30000, 50000),
        warmup=1000,
        average=0.0,
        clip_gradient=1e9,
        precision="float32",
        descent=True,
        spec=ClipSpec(
            crop=(240, 424), height=(248, 264), crops=1, hole=None, count=FLOWS + 1,
            holes={"rectangle": 0.5, "moving rectangle": 0.5},
        ),
        blocks=20000,
        validate=10000,
        checkpoint=1000,
    ),
}  # fmt: skip


def compute_losses(model: nn.Module, batch: Batch, weights: dict[str, float]) -> Losses:
    """L_hole, the mean |f - f^| of the middle flow where it is unknown, in pixels; L_hard, the same over the half of
    these places that have the largest error. Nothing is completed that a critic could judge."""
    found: Float[Tensor, "b 2 h w"] = model(batch["start"], batch["unknown"])
    hole = batch["unknown"][:, MIDDLE]
    terms = {"L_hole": pixels.masked_l1(found, batch["wanted"], hole)}
    if weights.get("L_hard"):
        terms["L_hard"] = pixels.masked_l1(found, batch["wanted"], hardest(found.detach(), batch["wanted"], hole))
    return Losses(terms, None)


def hardest(
    found: Float[Tensor, "b 2 h w"], wanted: Float[Tensor, "b 2 h w"], hole: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 1 h w"]:
    """1 where a missing place has one of the largest errors of its sample: as many as make `HARD` of the hole."""
    error = reduce((found - wanted).abs(), "b c h w -> b (h w)", "sum") + 1
    error = error * rearrange(hole, "b 1 h w -> b (h w)")  # known places come last, with 0
    count = torch.ceil(HARD * reduce(hole, "b 1 h w -> b 1", "sum"))
    rank = error.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    chosen = (rank < count).to(hole)
    return hole * rearrange(chosen, "b (h w) -> b 1 h w", h=hole.shape[-2])


class DFVITask(ClipTask):
    """DFVI's completion of flow in training. The log's scores are of the frame behind, carried along the middle flow:
    by the completed flow, and by the membrane."""

    rules = {"consecutive": consecutive_frames}  # noqa: RUF012 - a constant
    head: tuple[int, ...] = ()

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.rival = "a membrane"
        self.pictured = 0
        self.flows: dict[int, Batch] = {}  # held-back block -> its flows

    def trained(self, model: Any) -> nn.Module:
        self.head = tuple(id(p) for p in model.net.layer5.parameters()) if self.preset.descent else ()
        return model.net

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        if not self.preset.descent:
            return super().optimiser(parameters)
        parts = [[p for p in parameters if (id(p) in self.head) is head] for head in (False, True)]
        groups = [{"params": part, "factor": factor} for part, factor in zip(parts, (1.0, HEAD), strict=True) if part]
        return torch.optim.SGD(groups, lr=self.preset.peak, momentum=MOMENTUM, weight_decay=DECAY)

    def sample(self, pool: Any, rng: np.random.Generator, choice: Any, blocks: int) -> Packed:
        """Half of the samples have the flows from each frame to the one before."""
        packed = pool.packed(rng, 1, blocks)
        return packed | flows_in(opened(packed), int(rng.integers(2)))

    def example(self, device: torch.device) -> tuple[Batch, Any]:
        batch, choice = super().example(device)
        truth, mask = batch["truth"], batch["mask"]
        motion = {"wanted": truth[:, 0, :2].clone(), "start": truth[:, 1:, :2].clone(), "unknown": mask[:, 1:].clone()}
        return batch | motion, choice

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any) -> Losses:
        return compute_losses(model, batch, weights)

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        truth = batch["truth"]
        if number not in self.flows:
            self.flows[number] = flows_in({name: batch[name].cpu() for name in ("truth", "mask")}, 0)
        motion = {name: x.to(truth) for name, x in self.flows[number].items()}
        found = complete(model.net, motion["start"], motion["unknown"])
        here, behind = truth[:, MIDDLE], truth[:, MIDDLE + 1]
        output, beside = (warp.by_flow(behind, each.to(truth)) for each in (found, motion["start"][:, MIDDLE]))
        return Shown(output, beside, here, motion["unknown"][:, MIDDLE])

    def provenance(self) -> dict[str, Any]:
        return {"flow_estimator": flow.ESTIMATOR}


def flows_in(batch: Batch, direction: int) -> Batch:
    """The flows of a batch of frames on the CPU: wanted, start, unknown."""
    found = [flows_of(*clip, direction) for clip in zip(batch["truth"], batch["mask"], strict=True)]
    wanted, start, unknown = (torch.stack(part) for part in zip(*found, strict=True))
    return {"wanted": wanted[:, MIDDLE], "start": start, "unknown": unknown}
