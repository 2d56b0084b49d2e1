"""VINet's losses as its released training code has them; `recipe.py` has ours (preset `laptop`).

Pictures are in [-1, 1] in every term. Norms are means over the whole frame, and a term is the sum over its targets, not
their mean. Frames are warped at full size; beyond its border a frame goes on as its last pixels.
The released option to count the raw outputs too, before the blend, is left out: it is off in all released settings.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.losses import temporal
from vinpaint_lib.losses.temporal import flow_confidence, occlusion_weight
from vinpaint_lib.systems.vinet.feature_flow import clamped
from vinpaint_lib.systems.vinet.network import Unrolled


def released_terms(
    made: Unrolled, truth: Float[Tensor, "b k 3 h w"], masks: Float[Tensor, "b k 1 h w"], batch: dict[str, Tensor]
) -> dict[str, Float[Tensor, ""]]:
    """The terms for `k` targets in a row, unweighted. All of them come from the released training code.

    `truth` in [0, 1] and `masks` are of the targets. `batch` holds the pseudo-true flows in pixels: "flow" b k-1 2 h w,
    from each target but the first to the target before; "first_flow" b k-2 2 h w, from each target but the first two to
    the first target.

    L_1     |Y^_t - Y_t|
    L_ssim  1 - SSIM; the code takes -SSIM, the same but for a constant
    L_hole  |M_t Y^_t - M_t Y_t|, over the whole frame: a small hole counts little
    L_F     from the second target on: c |W^ - W| + c |W^(Y_{t-1}) - Y_t| + c |Y^_t - W^(Y^_{t-1})|; c = 1 where W
            explains the true frames (`losses.temporal.flow_confidence`), else 0. The last part teaches Y^_t alone:
            neither the flow nor the output before gets a gradient from it
    L_st    from the second target on: O |Y^_t - W(Y_{t-1})|, with O from `losses.temporal.occlusion_weight`
    L_lt    the same against the first true frame, from the third target on

    L_F is the sum over targets here, which is the plain reading. The released code overwrites L_F for each target, so
    that only the last target counts there, probably by a slip. A term without a target is left out, and so is L_F where
    the network estimates no flow.
    """
    frames, known = 2 * made.frames.float() - 1, 2 * truth.float() - 1
    count = truth.shape[1]
    gap = (frames - known).abs()
    terms = {
        "L_1": count * gap.mean(),
        "L_ssim": count
        * (
            1 - ssim(rearrange(frames, "b k c h w -> (b k) c h w"), rearrange(known, "b k c h w -> (b k) c h w")).mean()
        ),
        "L_hole": count * (masks * gap).mean(),
    }
    if count > 1:
        now, before, output = (
            rearrange(known[:, 1:], "b k c h w -> (b k) c h w"),
            rearrange(known[:, :-1], "b k c h w -> (b k) c h w"),
            rearrange(frames[:, 1:], "b k c h w -> (b k) c h w"),
        )
        pseudo = rearrange(batch["flow"], "b k c h w -> (b k) c h w").float()
        if made.flow.shape[1]:
            earlier = rearrange(frames[:, :-1], "b k c h w -> (b k) c h w")
            terms["L_F"] = (count - 1) * flow_term(
                rearrange(made.flow, "b k c h w -> (b k) c h w").float(), pseudo, now, before, output, earlier
            )
        terms["L_st"] = (count - 1) * warping_term(output, now, before, pseudo)
    if count > 2:
        first = rearrange(known[:, :1].expand_as(known[:, 2:]), "b k c h w -> (b k) c h w")
        to_first = rearrange(batch["first_flow"], "b k c h w -> (b k) c h w").float()
        terms["L_lt"] = (count - 2) * warping_term(
            rearrange(frames[:, 2:], "b k c h w -> (b k) c h w"),
            rearrange(known[:, 2:], "b k c h w -> (b k) c h w"),
            first,
            to_first,
        )
    return terms


def flow_term(
    estimated: Float[Tensor, "n 2 h w"],
    pseudo: Float[Tensor, "n 2 h w"],
    truth: Float[Tensor, "n 3 h w"],
    truth_previous: Float[Tensor, "n 3 h w"],
    output: Float[Tensor, "n 3 h w"],
    output_previous: Float[Tensor, "n 3 h w"],
) -> Float[Tensor, ""]:
    """Mean over frames of the three parts of L_F, added. Pictures in [-1, 1], flows in pixels to the frame before."""
    trusted = flow_confidence(truth, clamped(truth_previous, pseudo))
    parts = (
        estimated - pseudo,
        clamped(truth_previous, estimated) - truth,
        output - clamped(output_previous, estimated).detach(),
    )
    return torch.stack([(trusted * part.abs()).mean() for part in parts]).sum()


def warping_term(
    output: Float[Tensor, "n 3 h w"],
    truth: Float[Tensor, "n 3 h w"],
    other: Float[Tensor, "n 3 h w"],
    flow: Float[Tensor, "n 2 h w"],
) -> Float[Tensor, ""]:
    """Mean over frames of O |Y^_t - W(Y_t')|; `other` is the true frame t', in [-1, 1], `flow` leads to it."""
    warped = clamped(other, flow)
    return (occlusion_weight(truth, warped) * (output - warped).abs()).mean()


def ssim(output: Float[Tensor, "n 3 h w"], truth: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
    """`losses.temporal.ssim` with windows around the border's pixels too; beyond the border both pictures are 0.

    The package that the released code imports does the same. The constants are meant for pictures in [0, 1], and the
    released code leaves them so.
    """
    side = temporal.SIDE // 2
    return temporal.ssim(*(functional.pad(x, (side, side, side, side)) for x in (output, truth)))
