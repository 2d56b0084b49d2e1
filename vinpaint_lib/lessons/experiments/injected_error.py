"""What an error of the alignment costs: TGF-Net's central claim, measured.

    python -m vinpaint_lib.lessons.experiments.injected_error [--photo coffee] [--targets 3] [--weights FILE]

Section 3D claims that the fusion frees the result from the exactness of the alignment. Here the alignment is exact, and
an error is put into it: every reference is shifted, turned or zoomed by so much that its pixels miss their places by a
given mean distance, each reference in a direction of its own. The network, and three rules that learn nothing, then
fill the hole from the same references. The clip is a photograph under camera motion: the exact alignment is known.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.errors import run_program
from vinpaint_lib.holes.masks import stationary_blob
from vinpaint_lib.motion import warp
from vinpaint_lib.motion.chains import FADE
from vinpaint_lib.scoring import metrics
from vinpaint_lib.systems.registry import build
from vinpaint_lib.systems.tgfnet.groups import Groups, guess, join
from vinpaint_lib.systems.tgfnet.model import OFFSETS, TGFNet
from vinpaint_lib.toy.clip import Shot, toy_clip

KINDS = ("shift", "turn", "zoom")
ERRORS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)  # pixels
AREA = (0.08, 0.10)
SIZE = (144, 256)


def wrong_map(kind: str, pixels: float, size: tuple[int, int], rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """A map between pixel positions of a frame (height, width) that moves them by `pixels` on average.

    "shift": in a random direction. "turn" and "zoom": around the middle of the frame, to a random side.
    """
    height, width = size
    middle = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1.0]])
    y, x = np.mgrid[:height, :width]
    radius = float(np.hypot(y - (height - 1) / 2, x - (width - 1) / 2).mean())
    side = 1.0 if rng.random() < 0.5 else -1.0
    if kind == "shift":
        angle = rng.uniform(0, 2 * math.pi)
        return np.array([[1, 0, pixels * math.cos(angle)], [0, 1, pixels * math.sin(angle)], [0, 0, 1.0]])
    if kind == "turn":
        angle = side * 2 * math.asin(min(pixels / (2 * radius), 1.0))
        c, s = math.cos(angle), math.sin(angle)
        own = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    else:
        own = np.diag([1 + side * pixels / radius, 1 + side * pixels / radius, 1.0])
    return middle @ own @ np.linalg.inv(middle)


def references(
    frames: Float[Tensor, "t 3 h w"],
    masks: Float[Tensor, "t 1 h w"],
    steps: Float[Tensor, "p 3 3"],
    target: int,
    wrong: Callable[[], Float[np.ndarray, "3 3"]],
) -> Groups:
    """The frames at `OFFSETS` from the target, carried onto it by the exact homographies and then by an error.

    `steps` leads from every frame to the next. `wrong` gives the error of each reference, as a map between pixel
    positions of the target. Trust falls with the distance in time, as in a walk that nothing contradicts.
    """
    pictures, trusts, ages, names = [], [], [], []
    for offset in (side * distance for distance in OFFSETS for side in (-1, 1)):
        if not 0 <= target + offset < len(frames):
            continue
        matrix = between(steps.double().numpy(), target, target + offset) @ wrong()
        both = torch.cat([frames[target + offset] * (1 - masks[target + offset]), 1 - masks[target + offset]])
        moved = warp.by_homography(
            rearrange(both, "c h w -> 1 c h w"), rearrange(torch.from_numpy(matrix).float(), "i j -> 1 i j")
        )[0]
        seen = (moved[3:] > 0.99).float()
        pictures.append(moved[:3].clamp(0, 1) * seen)
        trusts.append(seen * (0.2 + 0.8 * math.exp(-FADE * abs(offset))))
        ages.append(seen * abs(offset))
        names.append(f"{offset:+d}")
    return Groups(torch.stack(pictures), torch.stack(trusts), torch.stack(ages), tuple(names))


def between(steps: Float[np.ndarray, "p 3 3"], first: int, last: int) -> Float[np.ndarray, "3 3"]:
    """The homography from frame `first` to frame `last`, in either direction."""
    total = np.eye(3)
    for k in range(min(first, last), max(first, last)):
        total = steps[k] @ total
    return total if last >= first else np.linalg.inv(total)


def mean_of(groups: Groups, fallback: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """The mean of the references that show a pixel; `fallback` where none does."""
    seen = (groups.trust > 0).float()
    count = reduce(seen, "n 1 h w -> 1 h w", "sum")
    total = reduce(groups.frames * seen, "n c h w -> c h w", "sum")
    return torch.where(count > 0, total / count.clamp(min=1), fallback)


def median_of(groups: Groups, fallback: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """The median of the references that show a pixel, for each channel; `fallback` where none does."""
    hidden = (groups.trust == 0).expand_as(groups.frames)
    middle = groups.frames.masked_fill(hidden, math.nan).nanmedian(dim=0).values
    return torch.where(middle.isnan(), fallback, middle)


def nearest_of(groups: Groups, fallback: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """The reference nearest in time that shows a pixel, as flow propagation takes it; `fallback` where none does."""
    age = torch.where(groups.trust > 0, groups.age, math.inf)
    best = rearrange(age, "n 1 h w -> n h w").min(dim=0)
    chosen = groups.frames.gather(0, rearrange(best.indices, "h w -> 1 1 h w").expand(1, 3, -1, -1))[0]
    return torch.where(best.values < math.inf, chosen, fallback)


RULES = {"mean of the references": mean_of, "median": median_of, "nearest in time": nearest_of}


@torch.no_grad()
def filled(
    model: TGFNet, frame: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"], aligned: Groups
) -> dict[str, Float[Tensor, "3 h w"]]:
    """One target as TGF-Net and every rule fill it from the same references. No method sees what the hole hides."""
    known = frame * (1 - mask)
    spare = guess(known, mask, aligned)
    nothing = aligned._replace(trust=torch.zeros_like(aligned.trust))
    smooth = guess(known, mask, nothing).frames[0]
    joined = join([aligned, spare]) if model.config.guess else aligned
    inputs = (rearrange(x, "... -> 1 ...") for x in (known, mask, joined.frames, joined.trust))
    results = {"TGF-Net": model.net(*inputs).frame[0].clamp(0, 1)}
    return results | {name: rule(aligned, smooth) for name, rule in RULES.items()}


def measured(
    model: TGFNet, photo: str, kind: str, *, targets: int = 3, errors: Sequence[float] = ERRORS, seed: int = 0
) -> dict[str, list[float]]:
    """Mean PSNR in the hole (dB) of each method, for every size of the error in `errors` (pixels).

    The clip has 48 frames of a moving camera, and one blob that stays. The same directions are drawn for every size.
    """
    shot = Shot(length=48, size=SIZE, camera="homography", objects=0, seed=seed, speed=3.0)
    clip = toy_clip(photo, shot)
    masks = stationary_blob(48, SIZE, np.random.default_rng((seed, 0)), area=AREA)
    scores: dict[str, list[float]] = {}
    for pixels in errors:
        found: dict[str, list[float]] = {}
        for target in np.linspace(12, 35, targets).round().astype(int).tolist():
            rng = np.random.default_rng((seed, 1, target))
            draw = lambda pixels=pixels, rng=rng: wrong_map(kind, pixels, SIZE, rng)  # noqa: E731
            aligned = references(clip.clip.frames, masks, clip.homographies, target, draw)
            truth, hole = clip.clip.frames[target], masks[target]
            for name, picture in filled(model, truth, hole, aligned).items():
                one, other, where = (rearrange(x, "c h w -> 1 c h w") for x in (picture, truth, hole))
                found.setdefault(name, []).append(float(metrics.psnr(one, other, where)[0]))
        for name, values in found.items():
            scores.setdefault(name, []).append(float(np.mean(values)))
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="PSNR in the hole against an error of the alignment")
    parser.add_argument("--photo", default="coffee", help="photograph that is put in motion")
    parser.add_argument("--targets", type=int, default=3, help="frames that are filled")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="weights of TGF-Net; without it, those that ship")
    options = parser.parse_args(arguments)
    model = build("tgfnet", options.weights)
    assert isinstance(model, TGFNet)
    for kind in KINDS:
        scores = measured(model, options.photo, kind, targets=options.targets, errors=ERRORS, seed=options.seed)
        print(f"{kind}, mean error in pixels".ljust(32) + "".join(f"{pixels:>8g}" for pixels in ERRORS))
        for name, values in scores.items():
            print(name.ljust(32) + "".join(f"{value:>8.2f}" for value in values))


if __name__ == "__main__":
    run_program(main, None, name="python -m vinpaint_lib.lessons.experiments.injected_error")
