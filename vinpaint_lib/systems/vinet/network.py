"""The generator of VINet (CVPR 2019): six encoder towers, feature flow at four scales, memory, decoder.

Every frame is filled from itself (reference), four sources and the previous output (eq. 2). Modules and weights are
named as released: 14,115,364 parameters in 166 tensors. All operators are torch's.
Scales are listed from fine to coarse, 1, 1/2, 1/4, 1/8; the released names count pixels of a frame of 256 (`_256` is
scale 1, `_128` 1/2, `_64` 1/4, no number 1/8). Pictures are in [-1, 1] inside, 0 in holes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes.smooth import push_pull
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.vinet import first_guess
from vinpaint_lib.systems.vinet.feature_flow import FlowNet, MaskNet, clamped, doubled, zero_outside
from vinpaint_lib.systems.vinet.gated import Aggregator, ConvLSTM
from vinpaint_lib.systems.vinet.initial_weights import initialise
from vinpaint_lib.systems.vinet.towers import CONFIGS, Bottleneck, Config, Maps, VINetDecoder, VINetEncoder

REACH = 6  # frames to the farthest source
SOURCES = 4
SHIFTS = {4: (-6, -3, 3, 6), 1: (-3, -3, -3, -3)}  # frames from the target to its sources
NEARNESS = (0.5, 1.0, 1.0, 0.5)  # how much the pixels of each source count in a first guess
NAMES = ("_256", "_128", "_64", "")

__all__ = ["CONFIGS", "REACH", "SHIFTS", "BlendedFrame", "Config", "Unrolled", "VINetGenerator"]

Memory = tuple[Tensor, Tensor]


class BlendedFrame(NamedTuple):
    """One frame, filled. Frames in [-1, 1], not composited.

    output  Y^_t, after the previous output was blended in (eq. 6)
    raw     Y^'_t, the picture before that blend
    flow    full size, from this frame to the previous frame; None where there was no previous output
    flows   at 1/2, 1/4, 1/8: to the four sources and the previous output, in pixels of that scale
    masks   composition masks m at 1, 1/2, 1/4, 1/8; the mask of scale 1 is zero where there was no previous output
    memory  the memory for the next frame
    """

    output: Float[Tensor, "b 3 h w"]
    raw: Float[Tensor, "b 3 h w"]
    flow: Float[Tensor, "b 2 h w"] | None
    flows: tuple[Float[Tensor, "b 5 2 _ _"], ...]
    masks: tuple[Float[Tensor, "b 1 _ _"], ...]
    memory: Memory


class Unrolled(NamedTuple):
    """Consecutive targets of a sample, one after the other. Frames in [0, 1], not composited.

    flow leads from each of the targets 1 .. k-1 to the target before it. compositions are from fine to coarse; flows
    are at 1/2, 1/4, 1/8.
    """

    frames: Float[Tensor, "b k 3 h w"]
    raw: Float[Tensor, "b k 3 h w"]
    flow: Float[Tensor, "b k1 2 h w"]
    flows: tuple[Float[Tensor, "b k 5 2 _ _"], ...]
    compositions: tuple[Float[Tensor, "b k 1 _ _"], ...]


class VINetGenerator(nn.Module):
    """Fills one frame from itself, four sources and the previous output (`paint`); `forward` unrolls over a sample."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        d = config.widths[-1]
        self.encoder1, self.encoder2 = VINetEncoder(config), VINetEncoder(config)
        self.bottleneck, self.convlstm, self.decoder = Bottleneck(d), ConvLSTM(d), VINetDecoder(config)
        sizes = zip(NAMES, config.widths, config.flow_widths, config.radii, strict=True)
        for name, width, flow_width, radius in sizes:
            context = config.context or not name
            net = FlowNet(width, flow_width, radius, refines=bool(name), cosine=config.cosine, context=context)
            self.add_module(f"flownet{name}", net)
            self.add_module(f"masknet{name}", MaskNet(width))
            if name != NAMES[0]:
                self.add_module(f"st_agg{name}", Aggregator(width, SOURCES + 1))
        initialise(self, config)

    def forward(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        masks: Float[Tensor, "b t 1 h w"],
        targets: Sequence[int],
        sources: int = SOURCES,
    ) -> Unrolled:
        """Frames in [0, 1] (holes are blanked here) and masks in; `targets`, consecutive places in the sample, out.

        The sample holds six frames before the first target and six behind the last. With `sources` 1 all four sources
        are the frame three before the target. Gradients go through the memory, but not through the picture that is fed
        back. Raises UserError unless height and width divide by 8, and for targets too near to an end of the sample.
        """
        batch, count = frames.shape[:2]
        if not targets or min(targets) < REACH or max(targets) >= count - REACH:
            raise UserError(f"targets {tuple(targets)}: have not {REACH} frames on both sides in a sample of {count}")
        shown = (frames * 2 - 1) * (1 - masks)
        used = sorted({t + shift for t in targets for shift in SHIFTS[sources]})
        flat = [rearrange(x[:, used], "b t c h w -> (b t) c h w") for x in (shown, masks)]
        encoded = [rearrange(x, "(b t) c h w -> t b c h w", b=batch) for x in self.as_source(*flat)]
        painted: list[BlendedFrame] = []
        previous, memory = None, None
        for t in targets:
            places = [used.index(t + shift) for shift in SHIFTS[sources]]
            maps = [tuple(scale[place] for scale in encoded) for place in places]
            painted.append(self.paint(shown[:, t], masks[:, t], maps, previous, memory, masks[:, t - 1]))
            previous = self.fed_back(painted[-1].output.detach(), shown[:, t], masks[:, t])
            memory = painted[-1].memory
        nothing = frames.new_zeros(batch, 0, 2, *frames.shape[-2:])
        flows = [p.flow for p in painted if p.flow is not None]
        return Unrolled(
            torch.stack([p.output for p in painted], dim=1) / 2 + 0.5,
            torch.stack([p.raw for p in painted], dim=1) / 2 + 0.5,
            torch.stack(flows, dim=1) if flows else nothing,
            tuple(torch.stack(scale, dim=1) for scale in zip(*(p.flows for p in painted), strict=True)),
            tuple(torch.stack(scale, dim=1) for scale in zip(*(p.masks for p in painted), strict=True)),
        )

    def encode_source(self, shown: Float[Tensor, "n 3 h w"], masks: Float[Tensor, "n 1 h w"]) -> Maps:
        """The tower that the sources and the previous output share."""
        return self.encoder2(self.with_planes(shown, masks))

    def as_source(self, shown: Float[Tensor, "n 3 h w"], masks: Float[Tensor, "n 1 h w"]) -> Maps:
        """A source as `paint` needs it: its features at 1/2, 1/4, 1/8; in place of features at 1, its known pixels and
        the map of where they are."""
        return torch.cat([shown, 1 - masks], dim=1), *self.encode_source(shown, masks)[1:]

    def paint(
        self,
        shown: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        sources: Sequence[Maps],
        previous: Float[Tensor, "b 3 h w"] | None,
        memory: Memory | None,
        previous_mask: Float[Tensor, "b 1 h w"] | None = None,
    ) -> BlendedFrame:
        """Fill one frame. `sources` are the results of `as_source` for t-6, t-3, t+3, t+6.

        `previous` is the result of `fed_back` for the last frame, `memory` the memory after it. Both are None for a
        first frame; then the frame itself, with its hole, stands for the previous picture. `previous_mask` is the mask
        of the last frame; only a network with `Config.double` needs it.
        """
        config = self.config
        if not config.recurrence:
            previous = None
        reference = self.encoder1(self.with_planes(shown, mask))
        first = previous is None
        beside = mask if first else torch.zeros_like(mask)
        if config.double and not first:
            # The released demo for 512 puts half of the last frame's mask beside the last output.
            assert previous_mask is not None
            beside = previous_mask / 2
        before = self.encode_source(shown if previous is None else previous, beside)
        towers = [*sources, before]
        masks: list[Tensor] = []
        flows: list[Tensor] = []
        mixed: list[Tensor] = []
        start = self.camera(shown, mask, sources, previous) if config.camera and config.flow else None
        for scale in (3, 2, 1):
            name = NAMES[scale]
            maps = torch.stack([tower[scale] for tower in towers], dim=1).float()
            warped, flow = self.aligned(name, reference[scale], maps, flows[-1] if flows else None, start)
            gathered = self.get_submodule(f"st_agg{name}")(warped)
            m = self.get_submodule(f"masknet{name}")(reference[scale], gathered)
            mixed.append((1 - m) * reference[scale] + m * gathered)
            flows.append(flow)
            masks.append(m)
        deep = self.bottleneck(torch.cat([reference[3], mixed[0]], dim=1))
        memory = self.convlstm(deep, memory if config.memory and not config.as_released else None)
        guess = self.guess(shown, mask, sources, flows[-1]) if config.aligned else None
        raw = self.decoder(memory[0].to(deep.dtype), mixed[1], mixed[2], guess)
        output, full, last = raw, None, torch.zeros_like(mask)
        if previous is not None:
            output, full, last = self.blended(raw, reference[0], before[0], flows[-1][:, -1], previous)
        return BlendedFrame(output, raw, full, tuple(flows[::-1]), (last, *masks[::-1]), memory)

    def aligned(
        self,
        name: str,
        reference: Float[Tensor, "b c h w"],
        maps: Float[Tensor, "b 5 c h w"],
        coarse: Float[Tensor, "b 5 2 _ _"] | None,
        first: Float[Tensor, "b 5 2 _ _"] | None,
    ) -> tuple[Float[Tensor, "b 5 c h w"], Float[Tensor, "b 5 2 h w"]]:
        """The features of all five towers at one scale, warped onto the reference, and the flows of that warp.

        `coarse` is the flow of the coarser scale, to be refined. Without it the flow begins with `first`, if given.
        With `Config.flow` off the maps stay as they are.
        """
        towers = maps.shape[1]
        if not self.config.flow:
            return maps, torch.zeros_like(maps[:, :, :2])
        net = self.get_submodule(f"flownet{name}")
        one = repeat(reference, "b c h w -> (b n) c h w", n=towers)
        flat = rearrange(maps, "b n c h w -> (b n) c h w")
        if coarse is None and first is not None:
            start = rearrange(first, "b n xy h w -> (b n) xy h w")
            flow = start + net(one, zero_outside(flat, start))
        elif coarse is None:
            flow = net(one, flat)
        else:
            start = doubled(rearrange(coarse, "b n xy h w -> (b n) xy h w"))
            flow = start + net(one, zero_outside(flat, start), start)
        warped = rearrange(zero_outside(flat, flow), "(b n) c h w -> b n c h w", n=towers)
        return warped, rearrange(flow, "(b n) xy h w -> b n xy h w", n=towers)

    def camera(
        self,
        shown: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        sources: Sequence[Maps],
        previous: Float[Tensor, "b 3 h w"] | None,
    ) -> Float[Tensor, "b 5 2 _ _"]:
        """Flows at 1/8 to each source and the previous output, each from one affine map; none to a missing output."""
        pictures = [source[0] for source in sources]
        if previous is not None:
            pictures.append(torch.cat([previous, torch.ones_like(mask)], dim=1))
        flow = first_guess.camera_flows(torch.cat([shown, 1 - mask], dim=1), pictures, 8)
        return flow if previous is not None else torch.cat([flow, torch.zeros_like(flow[:, :1])], dim=1)

    def guess(
        self,
        shown: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        sources: Sequence[Maps],
        half: Float[Tensor, "b 5 2 _ _"],
    ) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"]]:
        """The frame continued into its hole; the sources' pixels along the flow of 1/2; how much of each is known."""
        pictures = torch.stack([source[0] for source in sources], dim=1)
        flow = doubled(rearrange(half[:, :-1], "b n xy h w -> (b n) xy h w"))
        flow = rearrange(flow, "(b n) xy h w -> b n xy h w", n=SOURCES)
        weights = warp.beside(NEARNESS, shown)
        aligned, seen = first_guess.seen_elsewhere(pictures[:, :, :3], pictures[:, :, 3:], flow, weights)
        # Known pixels of the frame are given, so no aligned pixel replaces them.
        return push_pull(shown, 1 - mask), aligned, seen * mask

    def blended(
        self,
        raw: Float[Tensor, "b 3 h w"],
        reference: Float[Tensor, "b c _ _"],
        before: Float[Tensor, "b c _ _"],
        half: Float[Tensor, "b 2 _ _"],
        previous: Float[Tensor, "b 3 h w"],
    ) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 2 h w"], Float[Tensor, "b 1 h w"]]:
        """Eq. 6: the output, the full-size flow to the previous output, and m_1. `half` is the flow at 1/2."""
        start = doubled(half)
        early = clamped(before, start)
        flow = start + self.get_submodule("flownet_256")(reference, early, start) if self.config.flow else start
        judged = early if self.config.as_released else clamped(before, flow)
        m = self.get_submodule("masknet_256")(reference, judged)
        if self.config.double:
            # The released network for 512 warps along the flow of 1/4, not along the refined one.
            flow, m = doubled(half, 4), functional.interpolate(m, scale_factor=2, mode="nearest")
        return (1 - m) * raw + m * clamped(previous, flow), flow, m

    def fed_back(
        self, output: Float[Tensor, "b 3 h w"], shown: Float[Tensor, "b 3 h w"], mask: Float[Tensor, "b 1 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        """This frame as the next frame sees it (`Config.previous`): in [-1, 1], unless `as_released`."""
        if self.config.as_released:
            return output
        bounded = output.clamp(-1, 1)
        return bounded if self.config.previous == "output" else mask * bounded + (1 - mask) * shown

    def with_planes(self, shown: Float[Tensor, "n 3 h w"], mask: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        """A picture, the plane of ones if the network has it, and the mask. UserError for sides that do not divide."""
        height, width = shown.shape[-2:]
        multiple = self.config.multiple
        if height % multiple or width % multiple or not height or not width:
            best = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
            raise UserError(
                f"VINet cannot take frames of {width}x{height}: sides must divide by {multiple}; "
                f"the nearest size is {best[0]}x{best[1]}"
            )
        planes = [torch.ones_like(mask)] if self.config.ones else []
        return torch.cat([shown, *planes, mask], dim=1)
