"""How TGF-Net is trained: presets, the loss of a step (sec. F), and the task for the training loop.

The note's section on training (sec. 4B) is empty.

Presets    tiny    seconds, a test of the machinery
           laptop  about an hour and a half on two CPU cores; the shipped weights were trained with it
           laptop-refined  the network whose tail cannot die, and that moves its groups by learned offsets; it may
                   begin with the shipped weights (--start)
           laptop-learned  learned alignment of whole references, trained together with the network as in the paper
                   (`joint.py`); it begins with trained weights (--start), and a step is 1.2e11 operations
           gpu     nine times the steps and four times the batch of laptop, for one GPU; never timed on a GPU
           paper   the paper's loss weights, five random references and learned alignment from scratch; a comment
                   below marks what the note leaves open
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.errors import UserError
from vinpaint_lib.losses import pixels
from vinpaint_lib.losses.features import FeatureNet, find_features
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.tgfnet import losses
from vinpaint_lib.systems.tgfnet.groups import EARLIER, MEMBRANE
from vinpaint_lib.systems.tgfnet.joint import HeldBack, Joint, WholeSpec, chosen_groups, with_crop, with_references
from vinpaint_lib.systems.tgfnet.losses import PAPER_WEIGHTS
from vinpaint_lib.systems.tgfnet.model import Trainable
from vinpaint_lib.systems.tgfnet.samples import TargetPool, TargetSpec
from vinpaint_lib.training.clip_samples import MIXED, ClipPool
from vinpaint_lib.training.pools import BlockPool, Packed
from vinpaint_lib.training.schedule import Schedule
from vinpaint_lib.training.task import Batch, Losses, Shown, Task, grey

# Our addition: L_psnr, the logarithm of the hole's squared error, which the average PSNR measures. Perceptual,
# style and variation terms cost a third of the time and lower the PSNR; the paper's preset has them.
WHOLE = ("frames", "holes", "place", "guess")  # what `Joint` takes of a batch besides the crop
FIDELITY_WEIGHTS = {"L_py": 1.0, "L_psnr": 0.1}


@dataclass(frozen=True)
class Preset(Schedule):
    """The fields of `Schedule`, and

    groups   smallest and largest number of groups in a step, drawn anew for every step
    earlier  share of the steps in which the guess holds an output of the network (`with_earlier_output`)
    without_features  train without L_perc and L_style, where a preset weighs them and no feature network is at hand
    """

    batch: int = 4
    weights: dict[str, float] = field(default_factory=lambda: dict(FIDELITY_WEIGHTS))
    groups: tuple[int, int] = (3, 7)
    earlier: float = 0.3
    without_features: bool = False
    spec: TargetSpec | WholeSpec = field(default_factory=lambda: TargetSpec(holes=MIXED))


PRESETS = {
    "tiny": Preset(
        steps=6,
        batch=2,
        groups=(2, 4),
        warmup=2,
        precision="float32",
        spec=TargetSpec(
            crop=48, height=(64, 64), length=8, targets=2, crops=1, reach=6, hole=(0.05, 0.15), holes=MIXED
        ),
        blocks=2,
        validate=3,
        checkpoint=2,
    ),
    "laptop": Preset(),
    "gpu": Preset(steps=60000, batch=16, peak=1.5e-3, blocks=1200, validate=2000, checkpoint=1000),
    # Optimiser, rate, batch, crop and steps are not in the note: Adam 1e-4, 256 x 256 and five random frames follow
    # CPNet, the number of steps follows STTN. Section IV names two kinds of holes, objects and a fixed region like a
    # watermark; their shares are ours.
    "paper": Preset(
        config="paper",
        steps=500000,
        batch=8,
        groups=(5, 5),
        peak=1e-4,
        weights=dict(PAPER_WEIGHTS),
        spec=TargetSpec(
            crop=256, height=(256, 320), targets=12, crops=1, walks=("none",), references=5,
            holes={"moving object": 0.5, "watermark": 0.5},
        ),
        blocks=20000,
        validate=10000,
        checkpoint=1000,
    ),
}  # fmt: skip

# Forms of the laptop preset for other networks; ours.
FURTHER = {
    "laptop-refined": Preset(config="refined"),
    "laptop-learned": Preset(
        config="small-learned",
        steps=1800,
        batch=2,
        groups=(3, 7),
        peak=3e-4,
        warmup=100,
        weights=FIDELITY_WEIGHTS | {"L_align": PAPER_WEIGHTS["L_align"]},
        earlier=0.0,
        average=0.998,
        spec=WholeSpec(),
        blocks=96,
        growth=(8, 8),
        validate=150,
        checkpoint=50,
    ),
}


def compute_losses(
    model: nn.Module,
    batch: dict[str, Float[Tensor, "b *_"]],
    weights: dict[str, float],
    features: FeatureNet | None,
    shift: Float[Tensor, "b 2"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """The terms of sec. F for one batch of `samples.TargetPool`, or of whole frames (`joint.py`), unweighted. They are
    keyed by the paper's symbols.

    Terms with weight 0 or without a feature net are left out, so that they cost nothing. With `shift` the guess holds
    an output of the network, moved by so many pixels.
    """
    truth, mask = batch["truth"], batch["mask"]
    known = truth * (1 - mask)
    if "frames" in batch:
        fused, aligned, visible = model(known, mask, *(batch[name] for name in WHOLE))
    else:
        spare = batch["guess"], MEMBRANE * (mask * 0 + 1)
        if shift is not None:
            spare = with_earlier_output(model, batch, shift)
        fused, aligned, visible = model(known, mask, batch["aligned"], batch["trust"], *spare)
    terms = {"L_py": losses.pixel_loss([fused.frame, *fused.heads], truth, mask)}
    shown = pixels.composite(fused.frame, truth, mask)
    if weights.get("L_psnr"):
        terms["L_psnr"] = pixels.log_error(fused.frame, truth, mask)
    if features is not None and (weights.get("L_perc") or weights.get("L_style")):
        of_output, of_truth = features(shown), features(truth)
        terms["L_perc"] = losses.perceptual_loss(of_output, of_truth)
        terms["L_style"] = losses.style_loss(of_output, of_truth)
    if weights.get("L_tv"):
        terms["L_tv"] = losses.total_variation(shown)
    if weights.get("L_align"):
        terms["L_align"] = losses.alignment_loss(aligned, visible, truth, mask)
    return terms


@torch.no_grad()
def with_earlier_output(
    model: nn.Module, batch: dict[str, Float[Tensor, "b *_"]], shift: Float[Tensor, "b 2"]
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"]]:
    """The guess as it is at test time with feedback (TGF-Net sec. H), and its trust.

    At test time, where no reference shows anything, the guess holds an earlier output that the motion has moved to the
    target. In training the network's output for the same target stands for the earlier output, and `shift` stands for
    the error of the motion.
    """
    truth, mask, unseen = batch["truth"], batch["mask"], batch["unseen"]
    inputs = truth * (1 - mask), mask, batch["aligned"], batch["trust"], batch["guess"], MEMBRANE * (mask * 0 + 1)
    frame = model(*inputs)[0].frame
    done = pixels.composite(frame.clamp(0, 1), truth, mask)
    moved = warp.by_flow(done, rearrange(shift, "b xy -> b xy 1 1").expand(-1, -1, *mask.shape[-2:]))
    guess = torch.where(unseen > 0, moved, batch["guess"])
    return guess, torch.where(unseen > 0, EARLIER, MEMBRANE * (mask * 0 + 1))


class TGFTask(Task):
    """TGF-Net in training: single targets with aligned references. The log compares its scores with the guess's.

    Where the spec is a `WholeSpec`, the references are whole frames, and the alignment is trained too.
    """

    rival = "the guess"
    features: FeatureNet | None = None
    feature_name = "not used by this preset"

    @property
    def joint(self) -> bool:
        return isinstance(self.preset.spec, WholeSpec)

    def trained(self, model: Any) -> nn.Module:
        learned = "learned" in model.config.align
        for parameter in model.affine.parameters():
            parameter.requires_grad_(learned)
        # An open gate stays open: each step of it would move all references by a share of their motion.
        model.affine.gate.requires_grad_(learned and not self.joint)
        return Joint(model) if self.joint else Trainable(model)

    def check_start(self, model: Any) -> None:
        if self.joint and not model.affine.gate:
            raise UserError(
                "this preset goes on with an alignment that is trained, and that of these weights is not: give --start "
                "a file with a trained one, such as the weights that ship"
            )

    def prepare(self, device: torch.device) -> None:
        if self.preset.weights.get("L_perc") or self.preset.weights.get("L_style"):
            found = None if self.preset.without_features else find_features("auto")
            if found is None and not self.preset.without_features:
                raise UserError(
                    "the losses L_perc and L_style need a feature network, and no file of one is found: fetch it "
                    "with `python -m data_scripts.fetch_weights get vgg16`, or train without (--without-features)"
                )
            self.features = found.to(device) if found else None
            self.feature_name = found.name if found else "none, as asked: perceptual and style losses are off"

    def pool(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        if self.joint:
            return ClipPool(source, folder, self.preset.blocks, seed, self.preset.spec, rule=with_references)
        return TargetPool(source, folder, self.preset.blocks, seed, self.preset.spec)

    def held_back(self, source: ClipSet, folder: Path, seed: int) -> BlockPool:
        if self.joint:
            return HeldBack(source, folder, 24, seed, self.preset.spec, rule=with_references)
        return TargetPool(source, folder, 12, seed, replace(self.preset.spec, targets=4, crops=1))

    def choose(self, rng: np.random.Generator, step: int) -> tuple[int, bool]:
        """The number of groups, and whether the guess holds an output of the network."""
        few, many = self.preset.groups
        groups = int(rng.integers(few, many + 1))
        earlier = self.preset.earlier
        return groups, bool(earlier > 0 and self.config.guess and rng.random() < earlier)

    def sample(self, pool: Any, rng: np.random.Generator, choice: tuple[int, bool], blocks: int) -> Packed:
        groups, earlier = choice
        if self.joint:
            return with_crop(chosen_groups(pool.packed(rng, 1, blocks), rng, groups), rng, self.preset.spec.inner)
        packed = pool.packed(rng, 1, groups, blocks)
        shift = rearrange(torch.from_numpy(rng.uniform(-0.7, 0.7, 2).astype(np.float32)), "xy -> 1 xy")
        return packed | {"shift": shift} if earlier else packed

    def example(self, device: torch.device) -> tuple[Batch, tuple[int, bool]]:
        count, groups = self.preset.batch, round(sum(self.preset.groups) / 2)
        crop = self.preset.spec.inner if self.joint else self.preset.spec.crop
        pictures: dict[str, tuple[int, ...]] = {"truth": (count, 3), "mask": (count, 1), "guess": (count, 3)}
        if self.joint:
            frames = grey(
                {"frames": (count, 1 + groups, 3), "holes": (count, 1 + groups, 1)}, self.preset.spec.size, device
            )
            return grey(pictures, (crop, crop), device) | frames | {"place": torch.zeros(count, 2, device=device)}, (
                groups,
                False,
            )
        pictures |= {"unseen": (count, 1)}
        aligned = {"aligned": (count, groups, 3), "trust": (count, groups, 1)}
        return grey(pictures | aligned, (crop, crop), device), (groups, False)

    def losses(self, model: nn.Module, batch: Batch, weights: dict[str, float], choice: Any) -> Losses:
        return Losses(compute_losses(model, batch, weights, self.features, batch.get("shift")), None)

    def show(self, model: Any, batch: Batch, number: int) -> Shown:
        truth, mask, guess = batch["truth"], batch["mask"], batch["guess"]
        if self.joint:
            known = truth * (1 - mask)
            given = Joint(model).inputs(known, mask, *(batch[name] for name in WHOLE))
            return Shown(model.net(known, mask, *given[:2]).frame, given.references[:, -1], truth, mask)
        inputs = truth * (1 - mask), mask, batch["aligned"], batch["trust"], guess, torch.full_like(mask, MEMBRANE)
        fused = Trainable(model)(*inputs)[0]
        return Shown(fused.frame, guess, truth, mask)

    def provenance(self) -> dict[str, Any]:
        return {"feature_net": self.feature_name}
