"""VINet (Kim, Woo, Lee, Kweon; CVPR 2019): frame after frame, from four neighbours, the last output, and a memory.

`network.py` holds the generator. This file walks it over a clip: frame t is filled from t-6, t-3, t+3, t+6, and indices
are reflected at the ends.
"""

from collections.abc import Iterator
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.systems.frames import Indices, reflected
from vinpaint_lib.systems.vinet.network import CONFIGS, REACH, BlendedFrame, Config, VINetGenerator

CARD = ModelCard(
    name="vinet",
    title="VINet",
    paper="Kim, Woo, Lee, Kweon: Deep Video Inpainting. CVPR 2019",
    sections="3.1-3.3",
    choices=(
        "the memory goes from frame to frame, as eq. 2 has it; the released demo starts it anew at every frame "
        "(`as_released`)",
        "fed back: the output inside of the hole, given pixels outside (`previous`), within the range of pictures and "
        "without gradient; the released demo feeds the output as it is (`as_released`)",
        "m_1 is judged from features under the refined flow; the released network takes the unrefined one "
        "(`as_released`)",
        "gradients of later frames go through the memory; the released training cuts them at every frame",
        "released weights get blue first, as their demo's pictures have it (`bgr`); everything else has red first",
        "the first frame has no previous output: the frame itself with its hole stands for it, and eq. 6 is left out",
        "five planes go in, one of them ones, because the released weights have five; the note has frame and mask",
        "the thirty reversed frames that the released demo puts before a clip are left out",
        "holes in training: `paper` draws rectangles, still and moving, irregular holes and moving silhouettes, each a "
        "quarter; the authors had four families, and which they were is in no source that we could check",
        "correlation and warps are torch's own; the released ones were compiled for one kind of GPU",
        "`small`: narrow, smaller windows of correlation, context networks at 1/8 alone, correlation of directions, no "
        "plane of ones; its flows begin with the camera's motion (`camera`), one affine map a source fitted to "
        "pixels, since a short training finds no motion by itself; its decoder begins with a guess (`aligned`) from "
        "the hole's rim and the sources' pixels; trained with terms of ours as well: L_align, L_flow, L_raw, L_psnr",
    ),
)

__all__ = ["CARD", "CONFIGS", "Config", "VINet"]


class VINet(Inpainter):
    """Targets in temporal order. The last output and the memory are carried in `state`, not written into the clip."""

    card = CARD
    feedback = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = VINetGenerator(config)
        self.multiple = config.multiple

    def plan(self, length: int) -> Iterator[Step]:
        """One target for each step. References are the other frames of its window, and the clip's last frame if that is
        within six frames: from the last frame `slots` knows where to reflect."""
        for t in range(length):
            asked = {*vinet_window(t, length), min(t + REACH, length - 1)}
            yield Step((t,), tuple(sorted(asked - {t})))

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill one target. `state` holds features of sources for the next steps, the last output, and the memory.

        Maps, from fine to coarse: compositions (m at 1, 1/2, 1/4, 1/8, each 1 h w), flows (at 1/2, 1/4, 1/8, each
        5 2 h w: to t-6, t-3, t+3, t+6 and the previous output), raw (3 h w, before eq. 6), and from the second frame on
        flow (2 h w, to the previous output).
        """
        (target,) = step.targets
        device = next(self.parameters()).device
        place = window.indices.index(target)
        still = window.at(place)
        frame, mask = (rearrange(x, "c h w -> 1 c h w").to(device) for x in (still.frame, still.mask))
        shown = (self.colours(frame) * 2 - 1) * (1 - mask)
        order = slots(target, window.indices)
        sources = [self.source(window, i, state, device) for i in (*order[:2], *order[3:])]
        painted = self.net.paint(
            shown, mask, sources, state.get("previous"), state.get("memory"), state.get("previous_mask")
        )
        state["previous"] = self.net.fed_back(painted.output, shown, mask)
        state["memory"], state["previous_mask"] = painted.memory, mask
        painted = painted._replace(output=self.colours(painted.output), raw=self.colours(painted.raw))
        features = state["features"]
        for i in [i for i in features if i <= target - REACH]:
            del features[i]
        return Output((painted.output / 2 + 0.5).clamp(0, 1).to(still.frame), maps_of(painted))

    def source(self, window: Window, index: int, state: dict[str, Any], device: torch.device) -> tuple[Tensor, ...]:
        """Features of one source frame, from `state` where an earlier step left them."""
        cache: dict[int, tuple[Tensor, ...]] = state.setdefault("features", {})
        place = window.indices.index(index)
        # A frame that was written back changes from step to step.
        still = window.at(place)
        if index not in cache or bool(still.filled.any()):
            frame, mask = (rearrange(x, "c h w -> 1 c h w").to(device) for x in (still.frame, still.mask))
            cache[index] = self.net.as_source((self.colours(frame) * 2 - 1) * (1 - mask), mask)
        return cache[index]

    def colours(self, picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        """The picture with its colours in the network's order; the same call brings a result back."""
        return picture.flip(1) if self.config.bgr else picture


def slots(target: int, indices: tuple[int, ...]) -> tuple[int, ...]:
    """The five frames of `target`'s window in their order, from the frames of its step (`VINet.plan`).

    If the newest frame of the step is less than six frames ahead, it is the last frame of the clip.
    """
    return vinet_window(target, max(indices) + 1)


def maps_of(painted: BlendedFrame) -> dict[str, Any]:
    """Intermediates of one frame for figures, on the model's device, batch axis dropped."""

    def one(x: Float[Tensor, "1 *_"]) -> Tensor:
        return x[0].float()

    maps: dict[str, Any] = {
        "compositions": tuple(one(m) for m in painted.masks),
        "flows": tuple(one(flow) for flow in painted.flows),
        "raw": one(painted.raw) / 2 + 0.5,
    }
    return maps if painted.flow is None else maps | {"flow": one(painted.flow)}


def vinet_window(t: int, length: int, reach: int = 6, step: int = 3) -> Indices:
    """VINet's five frames t-6, t-3, t, t+3, t+6 [code]; an index beyond an end is reflected there."""
    return tuple(reflected(t + shift, length) for shift in range(-reach, reach + 1, step))
