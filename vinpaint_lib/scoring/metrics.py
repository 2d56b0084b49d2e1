"""How far an output is from the truth, and whether it flickers.

Range    frames are RGB in [0, 1], so PSNR is 10 log10(1 / MSE) dB, the same number as with 255.
Sums     are taken in float64, one value per frame (or per pair of frames); nothing is averaged here except in
         `mean`, which says how many values it had to leave out.
SSIM     `clean`: 11x11 Gaussian, sigma 1.5, as Wang et al. (2004) have it. `paper`: uniform 65x65 window, as the
         evaluators of STTN, E2FGVI and ProPainter call scikit-image. The same pictures can score 0.03 higher with
         `paper`: never put the two into one column.
E_warp   flow from the *true* frames, t -> t+1, or the true flow of a data set that knows it; the output t+1 is pulled
         back to t; pixels that are hidden in t+1, that leave the frame, or that lie on a motion boundary do not count
         (Lai et al. 2018; the papers' evaluators used FlowNet2, here the estimator is named in the result). Full
         frames mostly compare known pixels with known pixels, so only the variant for the hole shows differences
         between models.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Float64
from skimage.metrics import structural_similarity
from torch import Tensor

from vinpaint_lib.motion import flow, warp

SSIM_WINDOW = {"clean": 11, "paper": 65}
EXACT = "exact"
TOUCH = 1e-3  # float32 rounding may give a neighbouring pixel such a small share: less does not count as touched


class Mean(NamedTuple):
    """Mean over `finite` values. It leaves out `infinite` perfect and `undefined` unscored values."""

    value: float
    finite: int
    infinite: int
    undefined: int


class ScoredMotion(NamedTuple):
    """True motion t -> t+1 in pixels, where it can be scored (1), and the name of its estimator."""

    forward: Float[Tensor, "p 2 h w"]
    scored: Float[Tensor, "p 1 h w"]
    estimator: str


def mean(values: Float64[Tensor, " n"]) -> Mean:
    """Mean of the finite values. Nothing finite: infinity if all scored values are perfect, else NaN."""
    kept = values[torch.isfinite(values)]
    infinite, undefined = int(torch.isinf(values).sum()), int(torch.isnan(values).sum())
    perfect_or_nothing = math.inf if infinite else math.nan
    value = float(kept.mean()) if len(kept) else perfect_or_nothing
    return Mean(value, len(kept), infinite, undefined)


def to_8bit(frames: Float[Tensor, "*t 3 h w"]) -> Float[Tensor, "*t 3 h w"]:
    """Frames rounded to the 256 values that a PNG holds, still in [0, 1]."""
    return frames.clamp(0, 1).mul(255).round().div(255)


def psnr(
    output: Float[Tensor, "t 3 h w"], truth: Float[Tensor, "t 3 h w"], hole: Float[Tensor, "t 1 h w"] | None = None
) -> Float64[Tensor, " t"]:
    """PSNR in dB of each frame; with `hole`, only over the pixels where it is 1.

    Equal frames give infinity. With `hole`, a frame without a hole gives NaN: there is nothing to score.
    Raises ValueError if the shapes differ.
    """
    must_agree(output, truth)
    error = (output.double() - truth.double()) ** 2
    if hole is None:
        squared = reduce(error, "t c h w -> t", "mean")
    else:
        weight = hole.double()
        pixels = reduce(weight, "t 1 h w -> t", "sum")
        squared = reduce(error * weight, "t c h w -> t", "sum") / (3 * pixels)  # 0 / 0 is NaN, as promised
    return -10 * torch.log10(squared)


def ssim(
    output: Float[Tensor, "t 3 h w"], truth: Float[Tensor, "t 3 h w"], protocol: str = "clean"
) -> Float64[Tensor, " t"]:
    """Structural similarity of each frame, by scikit-image; see the head of this file for the protocols.

    A frame smaller than the window is scored with the largest odd window that fits (`paper`), or with the same
    Gaussian continued by reflection (`clean`); `ssim_window` says which. Raises ValueError for another protocol.
    """
    must_agree(output, truth)
    size = ssim_window(protocol, output.shape[-2], output.shape[-1])
    if protocol == "clean":
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    else:
        options = {"gaussian_weights": False, "use_sample_covariance": size > 1}  # one sample has no n - 1
    pairs = zip(rearrange(output, "t c h w -> t h w c"), rearrange(truth, "t c h w -> t h w c"), strict=True)
    scores = [
        structural_similarity(
            a.double().numpy(), b.double().numpy(), win_size=size, data_range=1.0, channel_axis=2, **options
        )
        for a, b in pairs
    ]
    return torch.tensor(scores, dtype=torch.float64)


def ssim_window(protocol: str, height: int, width: int) -> int:
    """Side of the window that `ssim` uses for frames of this size; odd, at least 1."""
    if protocol not in SSIM_WINDOW:
        raise ValueError(f"protocol {protocol!r} is not one of {', '.join(SSIM_WINDOW)}")
    side = min(SSIM_WINDOW[protocol], height, width)
    return side if side % 2 else side - 1


def truth_motion(truth: Float[Tensor, "t 3 h w"]) -> ScoredMotion:
    """Motion of the true frames by DIS, estimated in both directions, and where it can be scored."""
    pairs = list(pairwise(truth))
    if not pairs:
        height, width = truth.shape[-2:]
        return ScoredMotion(torch.zeros(0, 2, height, width), torch.zeros(0, 1, height, width), flow.ESTIMATOR)
    forward = torch.stack([flow.dis(a, b) for a, b in pairs])
    backward = torch.stack([flow.dis(b, a) for a, b in pairs])
    return ScoredMotion(forward, (~hidden(forward, backward)).float(), flow.ESTIMATOR)


def exact_motion(forward: Float[Tensor, "p 2 h w"], backward: Float[Tensor, "p 2 h w"]) -> ScoredMotion:
    """Motion that is known exactly, as in toy clips. The rule of `truth_motion` says which pixels can be scored."""
    return ScoredMotion(forward, (~hidden(forward, backward)).float(), EXACT)


def given_motion(forward: Float[Tensor, "p 2 h w"], covered: Float[Tensor, "p 1 h w"], estimator: str) -> ScoredMotion:
    """Motion of which only the forward flow is known, and which pixels of t are `covered` (1) in t+1, as in Sintel.

    The rule of `truth_motion`, but that the given pixels stand for those where forward and backward flow disagree.
    """
    return ScoredMotion(forward, (~((covered > 0) | unsteady(forward))).float(), estimator)


def hidden(forward: Float[Tensor, "p 2 h w"], backward: Float[Tensor, "p 2 h w"]) -> Bool[Tensor, "p 1 h w"]:
    """True where a pixel of t is not scored: covered in t+1, on a motion boundary of its flow, or gone from the frame.

    The papers' evaluator clamps positions outside of the frame to its border; here they are left out.
    """
    return flow.occlusion(forward, backward) | unsteady(forward)


def unsteady(forward: Float[Tensor, "p 2 h w"]) -> Bool[Tensor, "p 1 h w"]:
    """The part of `hidden` that needs the forward flow alone: motion boundaries, and pixels that leave the frame."""
    seen = warp.by_flow(torch.ones_like(forward[:, :1]), forward)
    return flow.motion_boundary(forward) | (seen < 1 - TOUCH)


def warping_error(
    output: Float[Tensor, "t 3 h w"],
    truth: Float[Tensor, "t 3 h w"],
    motion: ScoredMotion | None = None,
    hole: Float[Tensor, "t 1 h w"] | None = None,
) -> Float64[Tensor, " p"]:
    """E_warp of each pair (t, t+1): sum(scored * diff^2) / sum(scored), averaged over RGB in [0, 1].

    `motion` is DIS on `truth` unless given (estimate it once for several models). With `hole`, only pixels count
    that are missing in t or land on missing pixels of t+1. A pair with nothing to score gives NaN.
    """
    must_agree(output, truth)
    motion = truth_motion(truth) if motion is None else motion
    if len(motion.forward) != len(output) - 1:
        raise ValueError(f"{len(output)} frames have {len(output) - 1} pairs, the motion has {len(motion.forward)}")
    scores = []
    for t, (forward, scored) in enumerate(zip(motion.forward, motion.scored, strict=True)):
        pull = rearrange(forward, "c h w -> 1 c h w")
        returned = warp.by_flow(output[t + 1 : t + 2], pull)
        weight = scored.double()
        if hole is not None:
            landing = warp.by_flow(hole[t + 1 : t + 2], pull)
            weight = weight * ((hole[t : t + 1] > 0) | (landing > TOUCH)).double()[0]
        error = ((returned.double() - output[t : t + 1].double()) ** 2)[0]
        scores.append((error * weight).sum() / (3 * weight.sum()))
    return torch.stack(scores) if scores else torch.zeros(0, dtype=torch.float64)


def must_agree(output: Tensor, truth: Tensor) -> None:
    """Raise ValueError unless both have the same shape: broadcasting would score something else."""
    if output.shape != truth.shape:
        raise ValueError(f"output {tuple(output.shape)} and truth {tuple(truth.shape)} differ in shape")
