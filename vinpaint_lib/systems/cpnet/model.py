"""CPNet (Lee, Oh, Won, Kim; ICCV 2019) copies the features of many aligned frames, and pastes them.

`network.py` holds the network. This file walks it over a clip: once from the last frame to the first, once from the
first to the last, and every result is a reference of the frames that come after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.inpaint import composed
from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.systems.cpnet.first_maps import Seen, first_maps, seen
from vinpaint_lib.systems.cpnet.network import CONFIGS, MULTIPLE, TOGETHER, Config, CPNetwork, Pasted, enlarged
from vinpaint_lib.systems.frames import Indices


def cpnet_references(t: int, length: int, reach: int = 120, step: int = 2, *, as_released: bool = False) -> Indices:
    """CPNet's references of frame t [code]: every second frame of [t-120, t+120), without t.

    At an end of the clip the window moves inwards to keep its length. With `as_released` a window that was moved never
    holds the last frame: the released code uses the clamped end as an exclusive bound.
    """
    start, stop = t - reach, t + reach
    end = length - 1 if as_released else length
    if start < 0:
        start, stop = 0, min(stop - start, end)
    elif stop > length - 1:
        start, stop = max(0, start - (stop - end)), end
    return tuple(i for i in range(start, stop, step) if i != t)


CARD = ModelCard(
    name="cpnet",
    title="CPNet",
    paper="Lee, Oh, Won, Kim: Copy-and-Paste Networks for Deep Video Inpainting. ICCV 2019",
    choices=(
        "the layers that the released code leaves unused are used, and the fourth plane of references is their hole as "
        "it is the target's (`as_released` keeps both slips)",
        "what lies outside of an aligned reference has the mean colour, as a hole has; the released code leaves it "
        "black (`as_released`)",
        "the released demo widens masks by four steps of a 3x3 cross; here that is an option of the commands",
        "the authors' training code is not public: terms and weights are those of another's, and optimiser, rate and "
        "crops too; batch, steps and holes are ours",
        "of the five frames of a training sample the middle one is the target",
        "`small`: narrow, references within 24 frames; its alignment corrects the camera's motion by tracked corners "
        "(`camera`), since a regressor of features did not leave the identity in our training; its decoder adds to the "
        "aligned pixels in the shares of context matching (`copy`)",
    ),
)

__all__ = ["CARD", "CONFIGS", "CPNet", "Config", "cpnet_references"]

LEAST = 1e-6  # of a weight: weights of outputs are above 0


@dataclass
class Walk:
    """What is kept along a clip, on the model's device.

    done      completed frames of this pass (1 3 h w), without a hole
    features  of frames for the alignment, without `Config.camera`
    starts    with it, the first maps from each target to its references; they depend on the input alone
    seen      frames as corners are tracked in them
    """

    length: int
    done: dict[int, Tensor] = field(default_factory=dict)
    features: dict[int, Tensor] = field(default_factory=dict)
    starts: dict[int, Tensor] = field(default_factory=dict)
    seen: dict[int, Seen] = field(default_factory=dict)


class CPNet(Inpainter):
    """Targets one by one, in both directions. What was completed is kept in `state`, not written into the clip: the
    second pass begins with the input."""

    card = CARD
    multiple = MULTIPLE
    feedback = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = CPNetwork(config)

    def plan(self, length: int) -> Iterator[Step]:
        forwards = range(length)
        for t in (*reversed(forwards), *forwards) if self.config.both_ways else forwards:
            chosen = cpnet_references(
                t, length, self.config.reach, self.config.step, as_released=self.config.as_released
            )
            yield Step((t,), chosen)

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill one target. With two passes the outputs of both count in the frame's mean: of the first pass less and
        less along the clip, of the second more and more.

        Maps: references (frame numbers); aligned (n 3 h w) and visible (n 1 h w), the references on the target; shares
        (n 1 h/4 w/4); missing (1 h w), 1 where no reference shows anything; copied (3 h w), with `Config.copy`.
        """
        (target,) = step.targets
        walk: Walk = state.setdefault("walk", Walk(target + 1))
        if target in walk.done and self.config.both_ways:
            walk.done.clear()
            state["second"] = True
            if not self.config.as_released:
                walk.features.clear()
        still = window.at(window.indices.index(target))
        output, maps = still.frame, {}
        if bool(still.mask.any()):
            frame, mask = self.picture(window, target, walk)
            pasted = self.filled(window, step, walk, frame, mask)
            made = pasted.frame.clamp(0, 1)
            walk.done[target] = rearrange(composed(made[0], frame[0], mask[0]), "c h w -> 1 c h w")
            if not self.config.camera:
                walk.features[target] = self.net.A_Encoder(walk.done[target], torch.zeros_like(mask))
            output, maps = made[0].to(still.frame), maps_of(pasted, step.references)
        else:
            walk.done[target] = rearrange(still.frame, "c h w -> 1 c h w").to(self.net.mean)
        weight = None
        if self.config.both_ways:
            share = target / walk.length if state.get("second") else 1 - target / walk.length
            weight = torch.tensor([max(share, LEAST)])
        return Output(rearrange(output, "c h w -> 1 c h w"), maps, weight)

    def picture(self, window: Window, index: int, walk: Walk) -> tuple[Float[Tensor, "1 3 h w"], Tensor]:
        """A frame of the window and its hole, or what this pass has made of it, on the model's device."""
        still = window.at(window.indices.index(index))
        mask = rearrange(still.mask, "c h w -> 1 c h w").to(self.net.mean)
        if index in walk.done:
            return walk.done[index], torch.zeros_like(mask)
        return rearrange(still.frame, "c h w -> 1 c h w").to(self.net.mean), mask

    def filled(self, window: Window, step: Step, walk: Walk, frame: Tensor, mask: Tensor) -> Pasted:
        """The network's result for the target of a step."""
        given = [self.picture(window, index, walk) for index in step.references]
        references, masks = (
            torch.stack([pair[part] for pair in given], dim=1)
            if given
            else torch.zeros(1, 0, (3, 1)[part], *mask.shape[-2:]).to(mask)
            for part in (0, 1)
        )
        if self.config.camera or not given:
            return self.net(frame, mask, references, masks, self.start(window, step, walk) if given else None)
        frame, references = self.net.blanked(frame, mask), self.net.blanked(references, masks)
        missing = [n for n, index in enumerate(step.references) if index not in walk.features]
        for part in torch.tensor(missing, dtype=torch.long).split(TOGETHER) if missing else ():
            for n, feature in zip(part.tolist(), self.net.encode(references[:, part], masks[:, part])[0], strict=True):
                walk.features[step.references[n]] = rearrange(feature, "c h w -> 1 c h w")
        features = torch.stack([walk.features[index] for index in step.references], dim=1)
        theta = self.net.regressed(self.net.A_Encoder(frame, mask), features)
        return self.net.paste(frame, mask, self.net.align(references, masks, theta))

    def start(self, window: Window, step: Step, walk: Walk) -> Float[Tensor, "1 n 2 3"]:
        """The maps from the target to the references that come first."""
        (target,) = step.targets
        if target not in walk.starts:
            for index in (target, *step.references):
                if index not in walk.seen:
                    still = window.at(window.indices.index(index))
                    walk.seen[index] = seen(still.frame, still.not_given)
            found = first_maps(
                walk.seen[target], [walk.seen[i] for i in step.references], [i - target for i in step.references]
            )
            walk.starts[target] = rearrange(found, "n i j -> 1 n i j").to(self.net.mean)
        return walk.starts[target]


def maps_of(pasted: Pasted, references: Indices) -> dict[str, Any]:
    """Intermediates of one target for figures, on the model's device, batch axis dropped."""
    frames, visible = pasted.aligned
    size = (frames.shape[-2], frames.shape[-1])
    maps: dict[str, Any] = {"references": references, "aligned": frames[0], "visible": visible[0]}
    maps |= {"shares": pasted.shares[0].float(), "missing": enlarged(pasted.missing.float(), size)[0]}
    return maps if pasted.copied is None else maps | {"copied": pasted.copied[0].float()}
