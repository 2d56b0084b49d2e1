"""Pretrain the learned affine aligner on pairs with known motion, then on real pairs by L_align.

    python data_scripts/pretrain_affine.py --clips FOLDER --photos FOLDER --out runs/affine/affine.safetensors

Photographs and single frames of the clips are set in synthetic motion; the last part of the steps adds real pairs of
frames from the clips. A checkpoint is written beside the output every minute. The same command continues from it, to
the same result; on another device, to nearly the same. Clips named by --held-back are not trained on; their residual is
printed. Published test clips are left out, whatever the folder holds. The defaults take about 12 minutes on one core.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from vinpaint_lib import checkpoints
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.alignment.pair_losses import REAL_WEIGHT, WEIGHTS, align_loss, losses
from vinpaint_lib.alignment.pairs import Pair, blob, holes, make_pairs
from vinpaint_lib.datasets.parse import PhotoMotion, VideoFolder
from vinpaint_lib.errors import UserError, run_program
from vinpaint_lib.motion import warp
from vinpaint_lib.options import choose_device, use_bf16

PICTURE = (256, 384)  # photographs are kept at this size: views of half of it fill the working size
FRAME = (160, 288)  # frames of clips, for real pairs
EVERY = 12  # every 12th frame of a clip also serves as a photograph
APART = (3, 8, 16)  # frames between target and reference when the residual is measured

Pictures = UInt8[Tensor, "t 3 h w"]
Teach = Callable[[LearnedAffine, Pair, torch.Generator], dict[str, Tensor]]


@dataclass(frozen=True)
class Plan:
    """How long and how fast.

    `real_from` is the share of the steps after which real pairs join, every third step. `masks`: `pairs.MASKS`.
    `device`: in torch's words. `precision`: "auto" (bf16 where it is fast), "bf16" or "float32".
    """

    steps: int = 1400
    batch: int = 8
    rate: float = 1.5e-3
    seed: int = 0
    real_from: float = 0.6
    masks: str = "blobs"
    device: str = "cpu"
    precision: str = "auto"
    save_every: float = 60.0  # seconds
    stop_at: int | None = None  # end early, as if killed; for tests


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    options = parser.parse_args(arguments)
    plan = plan_of(options)
    photos, clips, held = read_all(options.clips, options.photos, options.held_back)
    net = pretrain(LearnedAffine(), photos, clips, options.out, plan)
    for name, clip in held.items():
        print(f"{name}: residual {residual(net, clip)} at {APART} frames (mean difference of 0-255)")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that both pretraining scripts take."""
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--out", type=Path, required=True, help="weights, .safetensors")
    parser.add_argument("--held-back", nargs="*", default=[], help="names of clips that are measured, not trained on")
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--batch", type=int, default=Plan.batch)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    helped = "of the encoder; auto: bf16 where the device has units for it"
    parser.add_argument("--precision", choices=("auto", "bf16", "float32"), default=Plan.precision, help=helped)


def plan_of(options: argparse.Namespace, **more: Any) -> Plan:
    """The plan that the options of `add_options` ask for; a device that is not there is a UserError."""
    named = {name: getattr(options, name) for name in ("steps", "batch", "seed", "precision")}
    return Plan(device=choose_device(options.device), **named, **more)


def read_all(
    clips: Path, photos: Path, held_back: Sequence[str]
) -> tuple[Pictures, list[Pictures], dict[str, Pictures]]:
    """Photographs and single frames, the clips, and the clips that are only measured."""
    videos = VideoFolder(clips, training=True)
    kept = videos.without(held_back) if held_back else videos
    trained = [read(kept, i, FRAME) for i in range(len(kept))]
    singles = [read(kept, i, PICTURE, EVERY) for i in range(len(kept))]
    held = {name: read(videos, videos.names.index(name), FRAME) for name in held_back}
    return torch.cat([read_photos(photos), *singles]), trained, held


def read(source, i: int, size: tuple[int, int], stride: int = 1) -> Pictures:
    """Frames of a clip as bytes: 15 times less memory than a float at full size."""
    return source.load(i, size, stride=stride).frames.mul(255).round().byte()


def read_photos(folder: Path) -> Pictures:
    """All photographs of a folder, cut to the shape of PICTURE around their middle."""
    source = PhotoMotion(folder, training=True)
    if not len(source):
        raise UserError(f"{folder}: no photographs in this folder; check the path")
    found = []
    for i in range(len(source)):
        image = rearrange(torch.from_numpy(source.photo(i).copy()), "h w c -> 1 c h w").float()
        height, width = image.shape[-2:]
        h, w = min(height, width * PICTURE[0] // PICTURE[1]), min(width, height * PICTURE[1] // PICTURE[0])
        top, left = (height - h) // 2, (width - w) // 2
        middle = image[..., top : top + h, left : left + w]
        found.append(functional.interpolate(middle, PICTURE, mode="bilinear", antialias=True).round().byte())
    return torch.cat(found)


def pretrain(
    net: LearnedAffine,
    photos: Pictures,
    clips: list[Pictures],
    out: Path,
    plan: Plan,
    progress: bool = True,
    teach: Teach = losses,
    weights: dict[str, float] = WEIGHTS,
) -> LearnedAffine:
    """Train, save to `out` with its provenance, and return the network.

    `teach` gives the terms on synthetic pairs by name, `weights` weighs them. Every step draws from a generator that is
    seeded for this step, so a run that was killed and continued ends with the same weights. Raises UserError if the
    checkpoint belongs to another plan or another network.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    net.to(plan.device)
    net.gate.data.fill_(1.0)
    parts: dict[str, list[nn.Parameter]] = {"encoder": [], "rest": []}
    for name, parameter in net.named_parameters():
        if name != "gate":
            parts["encoder" if name.startswith(("encoder", "regressor")) else "rest"].append(parameter)
    # Temperatures and evidence are a dozen numbers of size 1: they may move faster than weights.
    groups = [{"params": parts["encoder"], "factor": 1.0}, {"params": parts["rest"], "factor": 4.0}]
    optimiser = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98), weight_decay=1e-3)
    state_file, described = out.with_suffix(".checkpoint.pt"), describe(plan) | describe_network(net)
    step, spent = 0, 0.0
    if state_file.exists():
        state = checkpoints.load_state(state_file)
        # Before plans named their masks, all had blobs.
        if other := differences({"masks": "blobs"} | state["plan"], described):
            raise UserError(
                f"{state_file}: belongs to a run with other options ({other}); repeat those, choose another --out, "
                "or delete it to begin anew"
            )
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
    last = plan.steps if plan.stop_at is None else plan.stop_at
    began = saved = time.monotonic()
    bar = tqdm(total=plan.steps, initial=step, disable=not progress, unit="step", file=sys.stderr)
    while step < last:
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * group["factor"] * warmth(step, plan.steps)
        terms = train_step(net, optimiser, photos, clips, plan, step, teach, weights)
        step += 1
        bar.update()
        if step % 20 == 0:
            bar.set_postfix({name: f"{value.item():.2f}" for name, value in terms.items()})
        if time.monotonic() - saved > plan.save_every or step == last:
            saved = time.monotonic()
            state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
            checkpoints.save_state(state_file, state | {"spent": spent + saved - began, "plan": described})
    bar.close()
    if step == plan.steps:
        minutes = round((spent + time.monotonic() - began) / 60, 1)
        data = f"{len(photos)} photographs and frames in synthetic motion, real pairs of {len(clips)} clips"
        precision = "bf16" if use_bf16(plan.precision, torch.device(plan.device)) else "float32"
        made = {"minutes": minutes, "data": data, "device": plan.device, "precision": precision}
        checkpoints.save_weights(net, out, describe(plan) | made)
    return net


def describe(plan: Plan) -> dict[str, Any]:
    """The settings of a plan that decide the result, but for the rounding of a device."""
    return {name: getattr(plan, name) for name in ("steps", "batch", "rate", "seed", "real_from", "masks")}


def describe_network(net: LearnedAffine) -> dict[str, Any]:
    """The settings of the network, with which a checkpoint must agree too: another network cannot go on from it, even
    if its tensors fit."""
    settings = {name: getattr(net, name) for name in ("size", "looks", "channels", "head") if hasattr(net, name)}
    return {"network": type(net).__name__} | settings


def differences(stored: dict[str, Any], given: dict[str, Any]) -> str:
    """Which entries differ, and how; empty where none does."""
    names = [name for name in {**given, **stored} if stored.get(name) != given.get(name)]
    return ", ".join(f"{name}: {stored.get(name)} there, {given.get(name)} here" for name in names)


def warmth(step: int, steps: int) -> float:
    """Share of the full rate: up in the first 8 %, then down along a cosine."""
    start = 0.08 * steps
    if step < start:
        return (step + 1) / (start + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - start) / (steps - start)))


def train_step(
    net,
    optimiser,
    photos: Pictures,
    clips: list[Pictures],
    plan: Plan,
    step: int,
    teach: Teach = losses,
    weights: dict[str, float] = WEIGHTS,
) -> dict[str, Tensor]:
    """One step; returns the terms of the loss, still on the device. Raises SystemExit if the loss is not finite.

    The question whether it is finite is the one wait for the device.
    """
    device = torch.device(plan.device)
    rng = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
    chosen = torch.randint(len(photos), (plan.batch,), generator=rng)
    pair = make_pairs(warp.sent(photos[chosen], device).float() / 255, net.size, rng, masks=plan.masks)
    with torch.autocast(device.type, torch.bfloat16, enabled=use_bf16(plan.precision, device)):
        terms = teach(net, pair, rng)
        loss = cast(Tensor, sum(weights[name] * value for name, value in terms.items()))
        if step >= plan.real_from * plan.steps and step % 3 == 0:
            real = real_pairs(clips, max(plan.batch // 2, 1), net.size, rng, plan.masks, device)
            terms["align"] = align_loss(net, *real)
            loss = loss + REAL_WEIGHT * terms["align"]
    if not torch.isfinite(loss):
        raise SystemExit(f"step {step}: the loss is not finite; the last checkpoint is from before")
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    optimiser.step()
    return {name: value.detach() for name, value in terms.items()}


def real_pairs(
    clips: list[Pictures], count: int, size: tuple[int, int], rng: torch.Generator, masks: str, device: torch.device
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"], Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"]]:
    """Frames up to 20 apart, in either order, mirrored or not, with holes in both: one of `pairs.MASKS`."""
    pairs = []
    for _ in range(count):
        clip = clips[int(torch.randint(len(clips), (1,), generator=rng))]
        apart = int(torch.randint(1, min(21, len(clip)), (1,), generator=rng))
        first = int(torch.randint(len(clip) - apart, (1,), generator=rng))
        two = clip[[first, first + apart]]
        swap, mirror = torch.rand(2, generator=rng) < 0.5
        two = two.flip(0) if swap else two
        pairs.append(two.flip(-1) if mirror else two)
    target, reference = (frames_of(x, size, device) for x in torch.stack(pairs, 1))
    ours, theirs = (holes(masks, count, size, rng, 0.2, 0.7, target) for _ in range(2))
    return target, ours, reference, theirs


def frames_of(pictures: Pictures, size: tuple[int, int], device: torch.device) -> Float[Tensor, "t 3 h w"]:
    """Bytes as frames in [0, 1] of a size, on a device; they travel as bytes."""
    return functional.interpolate(warp.sent(pictures, device).float() / 255, size, mode="bilinear", antialias=True)


@torch.no_grad()
def residual(net: LearnedAffine, clip: Pictures) -> list[float]:
    """Mean difference (0-255) of target and aligned reference, at the working size, for the distances in APART."""
    rng = torch.Generator().manual_seed(1)
    found = []
    for apart in APART:
        first = torch.arange(0, max(len(clip) - apart, 1), 10)
        target, reference = (
            frames_of(clip[at.clamp(max=len(clip) - 1)], net.size, net.gate.device) for at in (first, first + apart)
        )
        ours, theirs = (blob(len(first), net.size, rng, 0.05, 0.15, target) for _ in range(2))
        found.append(round(255 * align_loss(net, target, ours, reference, theirs).item(), 1))
    return found


if __name__ == "__main__":
    run_program(main, None, name="python -m data_scripts.pretrain_affine")
