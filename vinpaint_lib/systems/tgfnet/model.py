"""TGF-Net (Liu, Li, Zhu; IEEE TCSVT 32, 2022) as a whole: alignment (`groups.py`, `alignment/`), then `network.py`.

No code of the paper is public, and the note that we work from leaves much open. Every gap that we filled is an option
of `Config`; `CARD.choices` lists where we differ from the paper or go beyond it.
"""

from collections.abc import Container, Iterator
from typing import Any

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.alignment import around_hole, learned
from vinpaint_lib.alignment.robust import robust_affine
from vinpaint_lib.holes.box import Box, bounding_box
from vinpaint_lib.interface import Inpainter, ModelCard, Output, Step, Window
from vinpaint_lib.motion import chains
from vinpaint_lib.motion.links import Links
from vinpaint_lib.motion.sampling import back_end
from vinpaint_lib.painting.network import CONFIGS as PAINTERS, Painter
from vinpaint_lib.systems.tgfnet import groups
from vinpaint_lib.systems.tgfnet.network import Config, Fused, FusionNet

CARD = ModelCard(
    name="tgfnet",
    title="TGF-Net",
    paper="Liu, Li, Zhu: Temporal Group Fusion Network for Deep Video Inpainting. IEEE TCSVT 32, 2022",
    sections="3A-3H",
    choices=(
        "encoder kernels and channels: CPNet's table; the note gives count, ReLU and scales only",
        "mask at coarser scales by max-pooling; the note does not say how",
        "decoder tail, number and choice of references, optimiser, crops: not in the note",
        "alignment: the note describes a coarse learned one without its layers; ours are named options",
        "learned alignment (`small-learned`): its last looks are at a window around the hole, and a reference is "
        "trusted as far as it agrees with the target there",
        "holes in training: `paper` draws moving silhouettes of objects and watermarks, the two kinds in the note, "
        "half and half; the silhouettes are cut out of photographs and clips by GrabCut; other presets add blobs",
        "copy path (`small`): the attention also averages the aligned pixels, the tail adds a residual",
    ),
)


# Distances, in frames, of references that are aligned whole: near frames agree best, far frames show what is hidden.
OFFSETS = (2, 4, 7, 11, 16, 22)
SEAM = 2  # pixels; half of the width of the strip in which the network's picture passes into what was painted
SEEN = 0.99  # the least visibility of a warped pixel that counts as seen


def offsets_of(target: int, within: Container[int], count: int) -> list[int]:
    """Signed distances of at most `count` references that are aligned whole, the nearest first.

    Frames outside of `within` are left out.
    """
    both = (side * distance for distance in OFFSETS for side in (-1, 1))
    return [offset for offset in both if target + offset in within][:count]


class TGFNet(Inpainter):
    """Aligns references, then runs `FusionNet`, target by target; its outputs are written back (sec. B, G, H)."""

    card = CARD
    multiple = 8
    by_hole = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = FusionNet(config)
        # The looks at the hole's surroundings take the place of one at the whole frame.
        self.affine = learned.LearnedAffine(looks=1 if config.closer else 2, closer=config.closer)
        self.painter = Painter(PAINTERS[config.painter]) if config.painter else None
        self.feedback = config.feedback != "off"
        # Convolutions are about a fifth faster on a CPU with their channels last; the numbers are the same.
        self.put_channels_last()

    def plan(self, length: int) -> Iterator[Step]:
        """Targets in temporal order. References are all frames within reach; the alignment chooses among them."""
        for t in range(length):
            near = range(max(0, t - self.config.reach), min(length, t + self.config.reach + 1))
            yield Step((t,), tuple(i for i in near if i != t))

    def forward(self, window: Window, step: Step, state: dict[str, Any]) -> Output:
        """Fill one target. Only a box around its hole is computed: `maps["box"]` says which.

        Maps: box; names of the groups; frames, the aligned references (n 3 h w), trust and age (n 1 h w) inside the
        box; attention, the softmaxes GA at 1/2, 1/4, 1/8 (n 1 h/s w/s); weights of the copy path (n 1 h w); copied
        (3 h w). They lie where they were made.
        """
        (target,) = step.targets
        place = window.indices.index(target)
        frame, mask, _ = window.at(place)
        box = bounding_box(mask, self.config.margin, self.multiple)
        if box is None:
            return Output(rearrange(frame, "c h w -> 1 c h w"), {})
        aligned = self.align(window, target, box, state)
        cut = box.slices
        device = next(self.parameters()).device
        inputs = [frame[:, *cut], mask[:, *cut], aligned.frames, aligned.trust]
        fused = self.net(*(rearrange(x, "... -> 1 ...").to(device) for x in inputs))
        result = frame.clone()
        done = self.with_paint(fused, aligned.trust) if self.config.paint else fused.frame[0]
        result[:, *cut] = done.clamp(0, 1).to(frame)
        maps = {"box": box, **aligned._asdict(), **maps_of(fused)}
        return Output(rearrange(result, "c h w -> 1 c h w"), maps)

    def align(self, window: Window, target: int, box: Box, state: dict[str, Any]) -> groups.Groups:
        """The groups' references inside `box`, by every alignment that `Config.align` names."""
        chained = tuple(name for name in self.config.align if name in ("flow", "homography"))
        parts, earlier = [], None
        if chained:
            on = back_end(next(self.parameters()).device)
            links = state.setdefault("links", Links(on=on))
            links.update(window)
            views = state.setdefault("views", chains.Views(on))
            search = chains.Search(window, target, box, self.config.picks, self.config.feedback)
            aligned, earlier = groups.gather_groups(
                search, links, views, ways=chains.walks(chained), reach=self.config.reach
            )
            parts.append(aligned)
        for name in self.config.align:
            if name not in chained:
                parts.append(self.align_whole(name, window, target, box))
        joined = groups.join(parts)
        if not self.config.guess:
            return joined
        frame, mask, _ = window.at(window.indices.index(target))
        if self.config.paint:
            assert self.painter is not None, "Config checks this"
            spare = groups.painted_guess(frame, mask, box, joined, earlier, self.painter)
        else:
            spare = groups.guess(frame[:, *box.slices], mask[:, *box.slices], joined, earlier)
        return groups.join([joined, spare])

    def with_paint(self, fused: Fused, trust: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "3 h w"]:
        """The network's picture where a frame shows something, and the guess alone where none does.

        The network was trained to be right on average, and would smooth what was painted. The last group is the guess.
        """
        assert fused.copied is not None, "painting needs the copy path"
        seen = (reduce(trust[:-1], "n 1 h w -> 1 h w", "max") > 0).to(fused.frame)
        shrunk = -functional.max_pool2d(-seen, 2 * SEAM + 1, 1, SEAM)
        share = functional.avg_pool2d(shrunk, 2 * SEAM + 1, 1, SEAM, count_include_pad=False)
        guess = fused.copied[0].float() / 2 + 0.5
        return share * fused.frame[0] + (1 - share) * guess

    def align_whole(self, name: str, window: Window, target: int, box: Box) -> groups.Groups:
        """References at fixed distances, each aligned as a whole by one affine map, or not at all ("none")."""
        place = {index: n for n, index in enumerate(window.indices)}
        offsets = offsets_of(target, place, self.config.references)
        if not offsets:
            # A clip of one frame: a group that shows nothing keeps the network's shapes.
            return groups.nothing(box)
        chosen = [place[target + offset] for offset in offsets]
        frames, masks, filled = (torch.stack(part) for part in zip(*map(window.at, chosen), strict=True))
        if self.config.feedback != "all":
            # An output that was written back is no reference here: it would be copied as if it were real.
            masks = torch.maximum(masks, filled)
        frames, visible, belief = frames * (1 - masks), 1 - masks, torch.ones(())
        if name != "none":
            estimate = self.affine if name == "learned" else robust_affine
            here = window.at(place[target])
            references = rearrange(frames, "n c h w -> 1 n c h w")
            masks = rearrange(1 - visible, "n c h w -> 1 n c h w")
            device = next(self.parameters()).device
            target_frame, target_mask = (rearrange(x, "c h w -> 1 c h w").to(device) for x in (here.frame, here.mask))
            references, masks = references.to(device), masks.to(device)
            theta = estimate(target_frame, target_mask, references, masks)
            warped = learned.warp_references(references, masks, theta)
            frames, visible = warped.frames[0].cpu(), warped.visibility[0].cpu()
            if self.config.agreement:
                whole = around_hole.agreement(target_frame, target_mask, references, masks, theta)
                belief = whole[0][:, :, *box.slices].cpu()
        cut = box.slices
        # A partly visible pixel is mixed with the black of a hole, so it counts as not seen.
        shown = (visible[:, :, *cut] > SEEN).float()
        age = shown * rearrange(torch.tensor([abs(offset) for offset in offsets]), "n -> n 1 1 1")
        names = tuple(f"{name} {offset:+d}" for offset in offsets)
        return groups.Groups(frames[:, :, *cut] * shown, shown * belief, age, names)


class Trainable(torch.nn.Module):
    """The part that a recipe trains: the network on given references, which the learned alignment warps where
    `Config.align` names it.

    Returns (fused, aligned references, their visibility) for the losses.
    """

    def __init__(self, model: TGFNet) -> None:
        super().__init__()
        self.model = model
        self.learned = "learned" in model.config.align

    def forward(
        self,
        target: Float[Tensor, "b 3 h w"],
        mask: Float[Tensor, "b 1 h w"],
        references: Float[Tensor, "b n 3 h w"],
        trust: Float[Tensor, "b n 1 h w"],
        guess: Float[Tensor, "b 3 h w"],
        guess_trust: Float[Tensor, "b 1 h w"],
    ) -> tuple[Fused, Tensor, Tensor]:
        if self.learned:
            theta = self.model.affine(target, mask, references, 1 - trust)
            warped = learned.warp_references(references, 1 - trust, theta)
            references, trust = warped.frames, warped.visibility * (warped.visibility > SEEN)
        shown, known = references, trust
        if self.model.config.guess:
            shown = torch.cat([references, rearrange(guess, "b c h w -> b 1 c h w")], dim=1)
            known = torch.cat([trust, rearrange(guess_trust, "b 1 h w -> b 1 1 h w")], dim=1)
        return self.model.net(target, mask, shown, known), references, trust


def maps_of(fused: Fused) -> dict[str, Any]:
    """Intermediates of one target for figures, on the model's device, batch axis dropped."""
    maps: dict[str, Any] = {"attention": [score[0].softmax(dim=0) for score in fused.scores]}
    if fused.weights is not None and fused.copied is not None:
        maps["weights"] = fused.weights[0].float()
        maps["copied"] = fused.copied[0].float() / 2 + 0.5
    return maps
