"""Losses between neighbouring frames, and the similarity that goes with them (VINet eqs 9, 11-14).

Shapes    frames b 3 h w in [0, 1]; flow b 2 h w in pixels, channel 0 = x, from frame t to frame t-1, so that
          frame t-1 pulled back along it lies on frame t. Everything is computed in float32.
Weights   the true frames show where a flow can be trusted. Both rules and their numbers, 50 and 0.02, come from the
          released code. Its pictures are in [-1, 1], where the same numbers are four times as strict; ours are in
          [0, 1]. `systems/vinet/released_losses.py` applies the rules as released.
Norms     are means over all pixels, so that the weights of the terms do not depend on the crop.
What the note prints and what it must say: eq. 9 repeats one frame in its denominator; eq. 10 adds the similarity, but
a loss must subtract it (L_R = L_1 - SSIM); eqs 12 and 13 warp true frames, not outputs.
"""

from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.motion import warp

OCCLUSION = 50.0  # how fast the weight falls with the squared difference
CONFIDENT = 0.02  # largest squared difference of a pixel whose flow counts as right
SIDE, SIGMA = 11, 1.5  # SSIM's window, as `metrics.ssim` with the protocol `clean`
C1, C2 = 0.01**2, 0.03**2


class FlowTerms(NamedTuple):
    """The two parts of L_F (eq. 11) for one frame, and a third part that eq. 11 does not have.

    flow    ||W - W^||_1, the estimated flow against the pseudo-truth, where the pseudo-truth can be trusted
    truth   ||Y_t - W^(Y_{t-1})||_1, true frames under the estimated flow
    output  ||Y^_t - W^(Y^_{t-1})||_1, outputs under the estimated flow

    The released code has three parts too, but they differ from ours. We count only trusted pixels in the first part;
    the code does so in all three. Beyond its border a frame is 0 here; in the code its last pixels are repeated. Our
    third part also teaches the flow and Y^_{t-1}; the code's third part teaches Y^_t alone.
    """

    flow: Float[Tensor, ""]
    truth: Float[Tensor, ""]
    output: Float[Tensor, ""]


def warp_back(previous: Float[Tensor, "b c h w"], flow: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b c h w"]:
    """W_{t -> t-1}(Y_{t-1}): the earlier frame at x + flow(x), 0 where that position lies outside of the frame."""
    return warp.by_flow(previous.float(), flow.float())


def occlusion_weight(now: Float[Tensor, "b c h w"], warped: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """O_{t -> t'} of eqs 12 and 13: exp(-50 d^2), where d is the sum over colours of now - warped.

    The number 50 comes from the released code. Both arguments are true frames, in [0, 1] or, as in the released code,
    in [-1, 1]; 50 is not scaled to the range. Colours are added before the square, so differences of opposite sign
    cancel.
    """
    return torch.exp(-OCCLUSION * reduce(now.float() - warped.float(), "b c h w -> b 1 h w", "sum") ** 2)


def flow_confidence(now: Float[Tensor, "b c h w"], warped: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """1 where the pseudo-true flow explains the true frames: the sum over colours of d^2 is below 0.02; else 0.

    Frames are in [0, 1] or, as in the released code, in [-1, 1]; 0.02 is not scaled to the range. A pixel whose source
    lies outside of the earlier frame rarely passes if `warp_back` made it black.
    """
    return (reduce((now.float() - warped.float()) ** 2, "b c h w -> b 1 h w", "sum") < CONFIDENT).float()


def warping_loss(
    output: Float[Tensor, "b c h w"],
    truth_previous: Float[Tensor, "b c h w"],
    flow: Float[Tensor, "b 2 h w"],
    weight: Float[Tensor, "b 1 h w"],
) -> Float[Tensor, ""]:
    """One frame's part of L_st (eq. 12) or L_lt (eq. 13): mean of O |Y^_t - W(Y_t')|.

    `truth_previous` is the true frame t' (t-1, or the first frame), `flow` the pseudo-truth t -> t', `weight` the
    result of `occlusion_weight`.
    """
    return (weight * (output.float() - warp_back(truth_previous, flow)).abs()).mean()


def flow_losses(
    estimated: Float[Tensor, "b 2 h w"],
    pseudo: Float[Tensor, "b 2 h w"],
    truth: Float[Tensor, "b c h w"],
    truth_previous: Float[Tensor, "b c h w"],
    output: Float[Tensor, "b c h w"],
    output_previous: Float[Tensor, "b c h w"],
) -> FlowTerms:
    """The parts of L_F for frame t, from the network's flow and the pseudo-truth, both t -> t-1.

    Gradients go through `estimated` and both outputs; `FlowTerms` says how the released code differs.
    """
    trusted = flow_confidence(truth, warp_back(truth_previous, pseudo))
    return FlowTerms(
        (trusted * (estimated.float() - pseudo.float()).abs()).mean(),
        (truth.float() - warp_back(truth_previous, estimated)).abs().mean(),
        (output.float() - warp_back(output_previous, estimated)).abs().mean(),
    )


def ssim(output: Float[Tensor, "b c h w"], truth: Float[Tensor, "b c h w"]) -> Float[Tensor, "b"]:
    """Structural similarity of each sample, differentiable: eq. 9 with the second mean and variance corrected.

    The window is a Gaussian of 11 x 11 pixels with sigma 1.5 that stays inside of the frame; a smaller frame gets the
    largest odd window that fits. The result is a mean over pixels and colours, and 1 for equal frames.
    """
    side = min(SIDE, output.shape[-2], output.shape[-1])
    side -= 1 - side % 2
    # bf16 has too few digits for a difference of squares.
    with torch.autocast(output.device.type, enabled=False):
        x, y = (rearrange(frame.float(), "b c h w -> (b c) 1 h w") for frame in (output, truth))
        both = blurred(torch.cat([x, y, x * x, y * y, x * y]), side)
        mean_x, mean_y, square_x, square_y, product = both.chunk(5)
        variance_x, variance_y = square_x - mean_x**2, square_y - mean_y**2
        covariance = product - mean_x * mean_y
        upper = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
        lower = (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
        return reduce(upper / lower, "(b c) 1 h w -> b", "mean", b=len(output))


def blurred(maps: Float[Tensor, "n 1 h w"], side: int) -> Float[Tensor, "n 1 h2 w2"]:
    """Weighted means under a Gaussian of `side` x `side` pixels, at all places where it lies inside of the map."""
    at = torch.arange(side, device=maps.device, dtype=maps.dtype) - (side - 1) / 2
    gauss = torch.exp(-(at**2) / (2 * SIGMA**2))
    gauss = gauss / gauss.sum()
    across = functional.conv2d(maps, rearrange(gauss, "k -> 1 1 1 k"))
    return functional.conv2d(across, rearrange(gauss, "k -> 1 1 k 1"))
