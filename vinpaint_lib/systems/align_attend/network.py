"""The network of Align-and-Attend (sec. 3.1): align references, attend to them, synthesise the rest, keep time.

`AlignAttendNet.fill` fills one target from a set of references and the two outputs before it. `forward` fills several
targets in a row, each from the outputs before it, as training needs it. `layers.py` holds the layers, `model.py` walks
the network over a clip.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vinpaint_lib.alignment import affine, learned
from vinpaint_lib.holes.smooth import spread
from vinpaint_lib.losses.pixels import composite
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.align_attend import attention
from vinpaint_lib.systems.align_attend.estimator import AffineCorrelation
from vinpaint_lib.systems.align_attend.layers import (
    AlignAttendDecoder,
    AlignAttendEncoder,
    FlowEstimator,
    Merge,
    ResidualPath,
    Steady,
    aggregate,
    known_cells,
    weighed,
)

MULTIPLE = 8  # the flow estimator halves the frame three times
CELL = 4  # pixels of the frame in a position of the features


class Parts(NamedTuple):
    """The parts of the network that are used: one row of the note's Table 2a."""

    align: bool = True
    refine: bool = True
    flow: bool = True


ALL = Parts()


@dataclass(frozen=True)
class Config:
    """Sizes and switches. Defaults stand for the paper; what its note leaves open is marked [choose].

    channels    features at 1/2 and 1/4 [choose]
    step        every `step`th frame of the clip is a reference; reach: their largest distance from the target;
                references: their largest number, the nearest and an even choice of the others (None: no limit)
    align, refine, flow  parts that can be switched off
    matching    "hole": filled positions of the hole against visible ones; "entire": all against all
    scale       factor on cosines in the attention [choose]
    sharpness   factor on the distances of aligned references at the start of training; it is learned [choose]
    previous    the picture carried to the next frame: "completed" (known pixels as given) or "output" (raw)
    copy        the decoder's picture is merged with the aligned pixels, weighed as the features are; where there are no
                aligned pixels, with a smooth continuation of known pixels (ours); merged: switch for the merge
    camera      the flow estimator adds to the motion that the affine estimator finds (ours)
    head, looks, working, matching_channels  of the affine estimator (`estimator.py`) [choose]
    """

    channels: tuple[int, int] = (64, 128)
    step: int = 10
    reach: int | None = None
    references: int | None = None
    align: bool = True
    refine: bool = True
    flow: bool = True
    matching: str = "hole"
    scale: float = 10.0
    sharpness: float = 10.0
    previous: str = "completed"
    copy: bool = False
    merged: bool = True
    camera: bool = False
    head: str = "regress"
    looks: int = 0
    working: tuple[int, int] = (256, 256)
    matching_channels: tuple[int, int, int] = (64, 128, 256)

    def __post_init__(self) -> None:
        for name, allowed in (("matching", attention.MATCHINGS), ("previous", ("completed", "output"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}")

    @property
    def parts(self) -> Parts:
        return Parts(self.align, self.refine, self.flow)


SMALL = Config(
    channels=(32, 64),
    step=5,
    reach=60,
    references=8,
    scale=30.0,
    copy=True,
    camera=True,
    head="fit",
    looks=2,
    working=(96, 160),
    matching_channels=(16, 32, 64),
)
TINY = Config(
    channels=(8, 8),
    step=3,
    reach=12,
    references=4,
    scale=30.0,
    copy=True,
    camera=True,
    head="fit",
    looks=1,
    working=(32, 56),
    matching_channels=(4, 8, 8),
)
CONFIGS = {"paper": Config(), "small": SMALL, "tiny": TINY}


class References(NamedTuple):
    """Frames that a target is filled from: pixels (0 in holes), holes, features at 1/4."""

    frames: Float[Tensor, "b r 3 h w"]
    masks: Float[Tensor, "b r 1 h w"]
    features: Float[Tensor, "b r c hf wf"]


class FilledTarget(NamedTuple):
    """One target. `output` blends `raw`, the inpainter's picture, with the warped previous output. `own`, the decoder's
    picture, equals `raw` unless pixels are copied too.

    steady holds the flow t -> t-1, the composition mask and the warped previous output; None without a previous output.
    `maps` are intermediates for figures.
    """

    output: Float[Tensor, "b 3 h w"]
    raw: Float[Tensor, "b 3 h w"]
    own: Float[Tensor, "b 3 h w"]
    steady: Steady | None
    maps: dict[str, Any]


class Filled(NamedTuple):
    """Targets in a row, in [0, 1], not composited; flow and mask of the composition from the second target on (empty
    where the flow estimator was off)."""

    outputs: Float[Tensor, "b n 3 h w"]
    raw: Float[Tensor, "b n 3 h w"]
    own: Float[Tensor, "b n 3 h w"]
    flows: Float[Tensor, "b m 2 h w"]
    compositions: Float[Tensor, "b m 1 h w"]


class AlignAttendNet(nn.Module):
    """All learned parts. The affine estimator takes no gradient here: it is trained before, alone."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        half, quarter = config.channels
        self.estimator = build_estimator(config).requires_grad_(False)
        self.encoder = AlignAttendEncoder(half, quarter)
        self.sharpness = nn.Parameter(torch.tensor(config.sharpness).log())
        self.residual = ResidualPath(quarter)
        self.flow = FlowEstimator(half)
        self.decoder = AlignAttendDecoder(half, quarter, carried=self.flow.carried)
        self.merge = Merge(self.decoder.full) if config.copy else None

    def forward(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        masks: Float[Tensor, "b t 1 h w"],
        references: int,
        parts: Parts | None = None,
    ) -> Filled:
        """Fill all frames behind the first `references`, in order; frames in [0, 1] with 0 in their holes.

        No gradient goes from one target to the next. Height and width must divide by 8.
        """
        known = self.encode_references(frames[:, :references], masks[:, :references])
        done: list[FilledTarget] = []
        previous: list[Tensor] = []
        for t in range(references, frames.shape[1]):
            painted = self.fill(frames[:, t], masks[:, t], known, previous, parts)
            done.append(painted)
            previous = [self.carried(painted.output.detach(), frames[:, t], masks[:, t]), *previous[:1]]
        moved = [one.steady for one in done if one.steady is not None]
        b, (height, width) = len(frames), frames.shape[-2:]
        return Filled(
            torch.stack([one.output for one in done], dim=1),
            torch.stack([one.raw for one in done], dim=1),
            torch.stack([one.own for one in done], dim=1),
            torch.stack([one.flow for one in moved], dim=1) if moved else frames.new_zeros(b, 0, 2, height, width),
            torch.stack([one.mask for one in moved], dim=1) if moved else frames.new_zeros(b, 0, 1, height, width),
        )

    def encode_references(self, frames: Float[Tensor, "b r 3 h w"], masks: Float[Tensor, "b r 1 h w"]) -> References:
        """Encode frames (0 in their holes) as references."""
        flat = self.encoder(*(rearrange(x, "b r c h w -> (b r) c h w") for x in (frames, masks)))
        return References(frames, masks, rearrange(flat, "(b r) c h w -> b r c h w", b=len(frames)))

    def carried(self, output: Tensor, frame: Tensor, mask: Tensor) -> Float[Tensor, "b 3 h w"]:
        """The picture of this frame that the next frames get (`Config.previous`)."""
        output = output.clamp(0, 1)
        return output if self.config.previous == "output" else composite(output, frame, mask)

    def fill(
        self,
        frame: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        known: References,
        previous: list[Tensor],
        parts: Parts | None = None,
    ) -> FilledTarget:
        """One target from its references and up to two outputs before it, the latest first."""
        parts = Parts(*(a and b for a, b in zip(parts or ALL, self.config.parts, strict=True)))
        own = self.encoder(frame, mask).float()
        hole = 1 - known_cells(mask, CELL)
        path, filled = own, torch.zeros_like(hole)
        rough, covered = torch.zeros_like(frame), torch.zeros_like(mask)
        maps: dict[str, Any] = {}
        some = known.frames.shape[1] > 0
        if parts.align and some:
            path, filled, rough, covered, maps = self.align(own, hole, frame, mask, known)
        if parts.refine and some:
            visible = known_cells(known.masks, CELL)
            asking, shown = attention.matched(self.config.matching, hole, filled, visible)
            path = path + attention.attend(path, known.features, asking, shown, self.config.scale)
        steady = None
        if parts.flow and previous:
            start = self.motion_of_camera(frame, mask, previous[0]) if self.config.camera else None
            steady = self.flow(frame, mask, previous[0], previous[-1], start)
        own_picture, features = self.decoder(path, self.residual(own), hole, filled, steady)
        picture = own_picture
        if self.merge is not None and self.config.merged:
            base = (1 - mask) * (frame * 2 - 1) + mask * covered * (rough * 2 - 1)
            base = spread(base, torch.maximum(1 - mask, covered))
            picture = self.merge(features, own_picture, base, mask, covered)
            maps |= {"base": base / 2 + 0.5}
        raw = picture / 2 + 0.5
        output = raw
        if steady is not None:
            output = (1 - steady.mask) * raw + steady.mask * steady.warped
        maps |= {"rough": rough, "covered": covered}
        return FilledTarget(output, raw, own_picture / 2 + 0.5, steady, maps)

    def align(
        self,
        own: Float[Tensor, "b c hf wf"],
        hole: Float[Tensor, "b 1 hf wf"],
        frame: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        known: References,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """The alignment stage: features, filled where any reference shows something, and a map of where that is; with
        `copy` the same two for pixels (zeros without `copy`)."""
        height, width = frame.shape[-2:]
        with torch.no_grad():
            theta = self.estimator(frame, mask, known.frames, known.masks)
        # Half precision has too few digits for positions.
        with torch.autocast(frame.device.type, enabled=False):
            edges = affine.corners_to_edges(rearrange(theta, "b r i j -> (b r) i j"), height, width)
            seen = known_cells(known.masks, CELL)
            both = torch.cat([known.features.float() * seen, seen], dim=2)
            both = affine.warp_edges(rearrange(both, "b r c h w -> (b r) c h w"), edges)
            both = rearrange(both, "(b r) c h w -> b r c h w", b=len(frame))
            features, visible = both[:, :, :-1], (both[:, :, -1:] > 0.99).to(both)
            sharpness = self.sharpness.exp()
            blend, weights, distance = aggregate(features, visible, own, 1 - hole, sharpness)
            filled = visible.amax(dim=1)
            path = torch.where(hole * filled > 0, blend, own)
            rough, covered = torch.zeros_like(frame), torch.zeros_like(mask)
            if self.config.copy:
                pixels = learned.warp_references(known.frames, known.masks, theta)
                rough, covered = weighed(pixels.frames, pixels.visibility > 0.99, distance, sharpness)
        maps = {"theta": theta, "weights": weights, "visible": visible, "distance": distance}
        return path, filled, rough, covered, maps

    def motion_of_camera(self, frame: Tensor, mask: Tensor, previous: Tensor) -> Float[Tensor, "b 2 h w"]:
        """Flow to the previous output by one affine map."""
        height, width = frame.shape[-2:]
        with torch.no_grad():
            other, hidden = (rearrange(x, "b c h w -> b 1 c h w") for x in (previous, torch.zeros_like(mask)))
            theta = rearrange(self.estimator(frame, mask, other, hidden), "b 1 i j -> b i j")
            with torch.autocast(frame.device.type, enabled=False):
                grid = warp.pixel_grid(height, width, frame.device)
                return warp.project(warp.affine_to_pixels(theta, height, width), grid) - grid


def build_estimator(config: Config) -> AffineCorrelation:
    """The affine estimator of a configuration, untrained and not frozen."""
    return AffineCorrelation(
        size=config.working, channels=config.matching_channels, looks=config.looks, head=config.head
    )
