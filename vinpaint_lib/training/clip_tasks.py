"""The two kinds of training task that several systems share.

`ClipTask` fills several frames of a clip at once. `RecurrentTask` fills frames in a row, each from outputs before it. A
system's recipe has a subclass of one of them. The subclass says how losses are computed, by which rule the frames of a
sample are drawn, and which critic judges.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import mix
from vinpaint_lib.holes.smooth import each, telea
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.losses.critics import generator_hinge
from vinpaint_lib.motion import flow
from vinpaint_lib.training.clip_samples import ClipPool, ClipSpec, FrameRule
from vinpaint_lib.training.guess_samples import GuessPool
from vinpaint_lib.training.pools import BlockPool, Packed, opened
from vinpaint_lib.training.schedule import Stage, stage_at
from vinpaint_lib.training.task import Batch, Shown, Task, grey


class ClipTask(Task):
    """Fills several frames at once. Its scores stand beside those of its first guess, or else of Telea's method on each
    frame alone.

    A subclass has `losses` and, where a preset weighs L_adv, `make_critic` and `judge`. `rules` holds the ways to draw
    the frames of a sample by name; `spec.frames` of a preset names one of them.
    """

    rules: dict[str, FrameRule] = {}  # noqa: RUF012 - a constant of each subclass

    def __init__(self, preset: Any, model: type[Inpainter], config: Any) -> None:
        super().__init__(preset, model, config)
        self.pictured = preset.spec.count // 2
        self.rival = "the guess" if self.guessed else "Telea"
        self.by_telea: dict[int, Tensor] = {}  # block -> Telea's frames, the same at every validation

    @property
    def guessed(self) -> bool:
        """Whether the network begins with a first guess. Batches then hold "guess" (b t 3 h w), the frames with it in
        their holes, and its "trust" (b t 1 h w)."""
        return False

    def trained(self, model: Any) -> nn.Module:
        return model.net

    def rule(self) -> FrameRule:
        """How the frames of a sample are drawn. Raises UserError for a name that the system does not know."""
        name = self.preset.spec.frames
        if name not in self.rules:
            raise UserError(f"frames {name!r}: is no rule; use {' or '.join(self.rules)}")
        return self.rules[name]

    def pool(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        return self.pool_of(source, folder, self.preset.blocks, seed, self.preset.spec)

    def held_back(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        return self.pool_of(source, folder, 12, seed, replace(self.preset.spec, crops=1))

    def pool_of(self, source: ClipSet, folder: Path, blocks: int, seed: int, spec: ClipSpec) -> ClipPool | GuessPool:
        """A pool with guesses where the network begins with one, and with outlines of objects where holes need them."""
        if self.guessed:
            return GuessPool(source, folder, blocks, seed, spec, rule=self.rule())
        mixes = [spec.holes, *(stage.holes for stage in getattr(self.preset, "stages", ()))]
        objects = any(mix.needs_outlines(each) for each in mixes)
        return ClipPool(source, folder, blocks, seed, spec, rule=self.rule(), objects=objects)

    def sample(self, pool: Any, rng: np.random.Generator, choice: Any, blocks: int) -> Packed:
        return pool.packed(rng, 1, blocks)

    def example(self, device: torch.device) -> tuple[Batch, Any]:
        shapes = {"truth": self.frames_of_a_step(3), "mask": self.frames_of_a_step(1)}
        if self.guessed:
            shapes |= {"guess": shapes["truth"], "trust": shapes["mask"]}
        return grey(shapes, self.preset.spec.size, device), None

    def frames_of_a_step(self, channels: int) -> tuple[int, ...]:
        """The axes of a step's batch before height and width: batch, frames, channels."""
        return self.preset.batch, self.preset.spec.count, channels

    def critic(self) -> nn.Module | None:
        return self.make_critic() if self.preset.weights.get("L_adv") else None

    def make_critic(self) -> nn.Module:
        """The discriminator; called only where L_adv has a weight."""
        raise NotImplementedError

    def adversarial(self, critic: nn.Module, completed: Tensor) -> Tensor:
        return generator_hinge(critic(completed))

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        completed = self.losses(model.net, batch, self.preset.weights, None).completed
        assert completed is not None
        truth, mask, output = (
            rearrange(x, "b t c h w -> (b t) c h w") for x in (batch["truth"], batch["mask"], completed)
        )
        if self.guessed:
            return Shown(output.float(), rearrange(batch["guess"], "b t c h w -> (b t) c h w"), truth, mask)
        return self.beside_telea(output, truth, mask, number)

    def beside_telea(self, output: Tensor, truth: Tensor, mask: Tensor, number: int) -> Shown:
        """What `show` returns: the frames of held-back block `number`, one after another, with Telea's beside them."""
        if number not in self.by_telea:
            self.by_telea[number] = fill_by_telea(truth, mask)
        return Shown(output.float(), self.by_telea[number].to(truth), truth, mask)


class RecurrentTask(ClipTask):
    """Fills frame after frame, each from outputs before it. All samples of a step share a stage (`schedule.Stage`).

    Batches also hold motion between true frames, as estimated; pixels, channel 0 = x. "flow" (b n-1 2 h w) leads from
    each target but the first to the target before it. "first_flow" (b n-2 2 h w) leads from each target but the first
    two to the first target. If there are `source_pairs`, "source_flow" (b p 2 h w) leads from the first frame of each
    pair to the second.
    """

    def __init__(self, preset: Any, model: type[Inpainter], config: Any) -> None:
        super().__init__(preset, model, config)
        self.pictured = preset.stages[-1].targets - 1
        self.motion: dict[int, Batch] = {}  # held-back block -> motion between its frames

    def target_places(self, stage: Stage) -> tuple[int, ...]:
        """The numbers of the stage's targets, which follow each other, within a sample."""
        raise NotImplementedError

    def source_pairs(self, stage: Stage) -> list[tuple[int, int]]:
        """Pairs of frames of a sample (numbers) whose motion the losses need, besides the motion of the targets."""
        return []

    def choose(self, rng: np.random.Generator, step: int) -> Stage:
        return stage_at(self.preset.stages, step)

    def weights_at(self, step: int) -> dict[str, float]:
        return stage_at(self.preset.stages, step).weights

    def example(self, device: torch.device) -> tuple[Batch, Stage]:
        last, batch = self.preset.stages[-1], self.preset.batch
        steps = {"flow": last.targets - 1, "first_flow": max(0, last.targets - 2)}
        steps |= {"source_flow": len(pairs)} if (pairs := self.source_pairs(last)) else {}
        shapes = {"truth": self.frames_of_a_step(3), "mask": self.frames_of_a_step(1)}
        shapes |= {name: (batch, count, 2) for name, count in steps.items()}
        return grey(shapes, self.preset.spec.size, device), last

    def sample(self, pool: Any, rng: np.random.Generator, choice: Stage, blocks: int) -> Packed:
        packed = pool.packed(rng, 1, blocks, choice.holes or None)
        return packed | self.motion_in(opened(packed)["truth"], choice)

    def motion_in(self, truth: Float[Tensor, "b t 3 h w"], stage: Stage) -> Batch:
        """The motion between the targets of `stage`, and to their sources, for frames on the CPU."""
        found = motion_between(self.targets_of(truth, stage))
        pairs = self.source_pairs(stage)
        return found | ({"source_flow": motions(truth, pairs)} if pairs else {})

    def targets_of(self, frames: Float[Tensor, "b t c h w"], stage: Stage) -> Float[Tensor, "b n c h w"]:
        """The targets among the frames of a sample."""
        return frames[:, list(self.target_places(stage))]

    def truth_of(self, batch: Batch, choice: Stage) -> Tensor:
        return self.targets_of(batch["truth"], choice)

    def critic(self) -> nn.Module | None:
        judged = any(stage.weights.get("L_adv") for stage in self.preset.stages)
        return self.make_critic() if judged else None

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        last = self.preset.stages[-1]
        if number not in self.motion:
            self.motion[number] = self.motion_in(batch["truth"].cpu(), last)
        batch = batch | {name: x.to(batch["truth"].device) for name, x in self.motion[number].items()}
        completed = self.losses(model.net, batch, last.weights, last).completed
        assert completed is not None
        parts = self.targets_of(batch["truth"], last), self.targets_of(batch["mask"], last), completed
        truth, mask, output = (rearrange(x, "b n c h w -> (b n) c h w") for x in parts)
        return self.beside_telea(output, truth, mask, number)

    def provenance(self) -> dict[str, Any]:
        return {"flow_estimator": flow.ESTIMATOR}


def motion_between(frames: Float[Tensor, "b n 3 h w"]) -> dict[str, Float[Tensor, "b _ 2 h w"]]:
    """DIS flow of frames in a row: "flow" to the frame before, "first_flow" from the third frame on to the first."""
    count = frames.shape[1]
    return {
        "flow": motions(frames, [(k, k - 1) for k in range(1, count)]),
        "first_flow": motions(frames, [(k, 0) for k in range(2, count)]),
    }


def motions(frames: Float[Tensor, "b n 3 h w"], pairs: list[tuple[int, int]]) -> Float[Tensor, "b p 2 h w"]:
    """DIS flow from the first to the second frame of each pair; `pairs` holds frame numbers."""
    if not pairs:
        return frames.new_zeros(len(frames), 0, 2, *frames.shape[-2:])
    return torch.stack([torch.stack([flow.dis(clip[a], clip[b]) for a, b in pairs]) for clip in frames])


def fill_by_telea(truth: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Each frame, filled by Telea's method from its known pixels alone, on the CPU."""
    return each(telea, truth, mask)
