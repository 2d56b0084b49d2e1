"""Align-and-Attend (Woo, Kim, Park, Lee, Kweon; BMVC 2020): frame after frame, from references of a long window.

No code of the paper was released. `network.py` holds the network and its options; this file walks it over a clip.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.systems.align_attend.network import (
    CONFIGS,
    MULTIPLE,
    AlignAttendNet,
    Config,
    FilledTarget,
    References,
)
from vinpaint_lib.systems.frames import Indices, every_tenth

CARD = ModelCard(
    name="align_attend",
    title="Align-and-Attend",
    paper="Woo, Kim, Park, Lee, Kweon: Align-and-Attend Network for Globally and Locally Coherent Video Inpainting. "
    "BMVC 2020",
    sections="3.1-3.5",
    choices=(
        "cosines of the estimator: each side's features less their mean over what is seen; between like cells the "
        "nearer wins, by a learned deduction for distance; the softmax runs over the reference (the note has lost over "
        "which side)",
        "pretraining of the estimator: any photographs (the note: Places2); in `paper` drawn streaks and holes, each "
        "picture's under an affine map of its own (the note: a set of masks, not said whether a pair shares one); in "
        "`small` smooth blobs, not warped",
        "holes in training: `paper` draws irregular ones in the first stage and moving silhouettes after it (the note: "
        "object masks of YouTube-VOS); ours are cut out of photographs and clips by GrabCut",
        "softmax over references of minus the distance; the note's formula is lost, and its sentence names no sign; a "
        "reference that does not show a position has no weight there",
        "distance: on features (the note: frames), root of the mean square over what both show; its factor is learned, "
        "from 10",
        "a position, or a pixel, of an aligned reference counts as visible from 0.99 on",
        "encoder, residual path, decoder: after CPNet; kernels, channels and image sizes are not in the note",
        "encoder of the inpainter not shared with the estimator's, which is frozen; nor has it the same layers, though "
        "the note says so",
        "attention: its formula is lost and rebuilt from the text; features of unit length times a fixed factor, the "
        "note has no temperature; the references in it are not aligned (the note: reference frame stack)",
        "queries: positions of the hole that alignment filled; the whole hole where it filled none or is switched off",
        "the flow estimator is shown the target too; the note feeds the two outputs before it alone",
        "at the second frame the one output there is stands for both; at the first there is no flow part",
        "carried to the next frame: the output inside of the hole, given pixels outside (`previous`); no gradient",
        "composition mask: begins at about an eighth of the output before (a logit of -2); which of the two it weighs "
        "is lost",
        "weights of the losses: not in the note, one to one in `gpu` and `paper`, but 0.01 for the adversarial terms; "
        "in `laptop` L_rec 1, L_F 0.05, L_W 0.5 and three of ours: L_psnr 0.1, L_raw 0.05, L_own 1",
        "critics: a patch discriminator for frames and STTN's temporal one for clips, with hinge losses, stand for "
        "the image and video discriminators of the note's reference [24], which it does not describe",
        "occlusion in L_W: the note's mask is binary, and how it is found is not said; `paper` takes 1 where the "
        "pseudo-true flow explains the true frames, the other presets VINet's soft weight exp(-50 d^2)",
        "parts are dropped at random in training (half of the steps use all), so that one network serves the rows "
        "of the ablation (but for entire-entire matching, which no step used); the paper does not say, and probably "
        "trained one network for each row",
        "`small`: every fifth frame, at most eight within 60; a robust fit with two second looks in place of the "
        "regressor; the decoder's picture is merged with the aligned pixels, or a smooth continuation where there are "
        "none, and is also taught alone; the camera's motion begins the flow; narrow; no adversarial loss",
    ),
)

__all__ = ["CARD", "CONFIGS", "AlignAttend", "Config"]


class AlignAttend(Inpainter):
    """Targets in temporal order. The last two outputs are carried in `state`, not written back into the clip."""

    card = CARD
    multiple = MULTIPLE
    feedback = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = AlignAttendNet(config)

    def plan(self, length: int) -> Iterator[Step]:
        c = self.config
        for t in range(length):
            yield Step((t,), sliding_references(t, length, c.step, c.reach, c.references))

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill one target. `state` holds features of references for the next steps, and the last two outputs.

        Maps (where the part is on): theta (r 2 3), weights, visible (r 1 h/4 w/4), distance (r), rough (3 h w), covered
        (1 h w), base (3 h w: copied pixels and their continuation), own (3 h w: the decoder's picture), raw (3 h w),
        flow (2 h w), composition (1 h w), warped (3 h w).
        """
        (target,) = step.targets
        device = next(self.parameters()).device
        place = window.indices.index(target)
        still = window.at(place)
        frame, mask = (rearrange(x, "c h w -> 1 c h w").to(device) for x in (still.frame, still.mask))
        previous: list[Tensor] = state.setdefault("previous", [])
        maps: dict[str, Any] = {}
        output = frame
        if bool(mask.any()):
            painted = self.net.fill(frame, mask, self.references(window, step, state, device), previous)
            output, maps = painted.output, maps_of(painted)
        state["previous"] = [self.net.carried(output, frame, mask), *previous[:1]]
        return Output(output.to(still.frame).clamp(0, 1), maps)

    def references(self, window: Window, step: Step, state: dict[str, Any], device: torch.device) -> References:
        """The step's references, encoded once; features of frames that no further step can need are dropped."""
        cache: dict[int, Float[Tensor, "1 1 c hf wf"]] = state.setdefault("features", {})
        places = [window.indices.index(i) for i in step.references]
        if not places:
            still = window.at(0)
            none = (x.new_empty(1, 0, *x.shape).to(device) for x in (still.frame, still.mask))
            return self.net.encode_references(*none)
        stills = [window.at(place) for place in places]
        frames, masks = (
            rearrange(list(part), "r c h w -> 1 r c h w").to(device)
            for part in zip(*((still.frame, still.mask) for still in stills), strict=True)
        )
        for n, i in enumerate(step.references):
            if i not in cache:
                cache[i] = self.net.encode_references(frames[:, n : n + 1], masks[:, n : n + 1]).features
        reach = self.config.reach
        for i in [i for i in cache if reach is not None and i < step.targets[0] - reach]:
            del cache[i]
        return References(frames, masks, torch.cat([cache[i] for i in step.references], dim=1))


def maps_of(painted: FilledTarget) -> dict[str, Any]:
    """Intermediates of one target for figures, on the model's device, batch axis dropped."""
    maps = painted.maps | {"raw": painted.raw, "own": painted.own}
    if painted.steady is not None:
        maps |= {
            "flow": painted.steady.flow,
            "composition": painted.steady.mask,
            "warped": painted.steady.warped,
        }
    return {name: value[0].float() for name, value in maps.items()}


def sliding_references(
    t: int, length: int, step: int = 10, reach: int | None = None, count: int | None = None
) -> Indices:
    """Every `step`th frame of the clip within `reach` frames of t, without t: references of Align-and-Attend.

    At most `count` of them are taken: the nearest, and an even choice of the others by distance. In a clip with fewer
    than three such frames the step is halved until there are three or all frames are taken.
    """
    while step > 1 and length <= 2 * step:
        step //= 2
    near = sorted((i for i in every_tenth(length, (t,), step) if reach is None or abs(i - t) <= reach), key=apart(t))
    if count is not None and len(near) > count:
        near = [near[round(n)] for n in np.linspace(0, len(near) - 1, count)]
    return tuple(sorted(near))


def apart(t: int) -> Callable[[int], tuple[int, int]]:
    """Order by distance from t, earlier frames first."""
    return lambda i: (abs(i - t), i)
