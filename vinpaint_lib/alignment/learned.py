"""Coarse alignment (TGF-Net sec. E): a network that estimates one affine map per reference, and the warp by such maps.

Paper    TGF-Net says what the module is for and how it is trained (L_align), but not how it is built. Regressors
         on concatenated features, as in CPNet, did not leave the identity in our training. So this module measures:
         masked cosine correlation, as in Align-and-Attend, gives every cell of the target a match and a confidence,
         and a robust weighted least-squares fit turns the matches into the six parameters. A second look at twice
         the resolution, on the warped reference, removes the error that is left.
Closer   On demand further looks follow, each at a window around the target's hole. A map for the whole frame fits the
         largest plane of the scene best; these looks fit the surroundings of the hole, which is where the map is used.
Start    Before training the result is exactly the identity: theta = I + gate (estimate - I), and the gate is 0.
         Training opens the gate; in pretrained weights it is 1.
Holes    Holes are masked out of the input, so nothing under a hole can matter. Cells of holes neither vote nor are
         found.
Theta    Theta maps target positions to reference positions in corner coordinates (`affine.py`, `warp.by_affine`).
"""

from typing import NamedTuple

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.alignment import affine, around_hole
from vinpaint_lib.alignment.matching import (
    NEVER,
    REACH,
    MatchEncoder,
    Matches,
    believe,
    correlate_around,
    peak,
    take,
    unit,
    visible_share,
)
from vinpaint_lib.motion import warp


class Warped(NamedTuple):
    """References that are warped onto the target.

    `frames` are the warped references with 0 in their holes. `visibility` in [0, 1] is the warped (1 - mask): below 1
    where a hole or the frame's edge was mixed in, 0 outside of the frame. `theta` are the maps of the warp.
    """

    frames: Float[Tensor, "b n 3 oh ow"]
    visibility: Float[Tensor, "b n 1 oh ow"]
    theta: Float[Tensor, "b n 2 3"]


def warp_references(
    references: Float[Tensor, "b n 3 h w"],
    masks: Float[Tensor, "b n 1 h w"],
    theta: Float[Tensor, "b n 2 3"],
    size: tuple[int, int] | None = None,
) -> Warped:
    """Warp references and their visibility by theta (corner coordinates), to `size` (height, width) if it is given."""
    visible = 1 - masks
    # One warp for both: the coordinates are the same.
    both = torch.cat([references * visible, visible], dim=2)
    maps = rearrange(theta, "b n i j -> (b n) i j")
    warped = warp.by_affine(rearrange(both, "b n c h w -> (b n) c h w"), maps, size)
    warped = rearrange(warped, "(b n) c h w -> b n c h w", b=len(references))
    return Warped(warped[:, :, :3], warped[:, :, 3:], theta)


def mutually_visible(
    target_mask: Float[Tensor, "b 1 h w"], visibility: Float[Tensor, "b n 1 h w"]
) -> Float[Tensor, "b n 1 h w"]:
    """Weights of L_align (0 or 1): (1 - M_t), as TGF-Net prints it, times the visibility of the references.

    CPNet has the second factor, but TGF-Net's formula lacks it. Without it, holes of the references pull the estimate.
    Partly visible pixels are mixed with 0, so their weight is 0.
    """
    return rearrange(1 - target_mask, "b 1 h w -> b 1 1 h w") * (visibility > 0.999).to(visibility.dtype)


class LearnedAffine(nn.Module):
    """Affine map from target to each reference, by correlation and least squares.

    `size` (height, width, multiples of 8) is the working resolution for frames of any size. `channels` are the channels
    of the encoder at 1/2, 1/4 and 1/8. `looks` is the number of second looks. `closer` has the side, in pixels, of the
    square to which the window around the hole is brought, for each look at it; none by default.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (128, 224),
        channels: tuple[int, int, int] = (24, 48, 96),
        looks: int = 2,
        closer: tuple[int, ...] = (),
    ):
        super().__init__()
        if size[0] % 8 or size[1] % 8:
            raise ValueError(f"the working size {size} must divide by 8")
        if any(side % 4 for side in closer):
            raise ValueError(f"the sides {closer} of the closer looks must divide by 4")
        self.size, self.looks, self.channels, self.closer = size, looks, channels, closer
        self.encoder = MatchEncoder(channels)
        # Logits are temperature * cosine - shrink * distance^2: far matches need better evidence.
        self.temperature = nn.Parameter(torch.tensor([2.5, 2.5]))  # of first and second look, as logarithm
        self.shrink = nn.Parameter(torch.tensor(-5.0))  # as logarithm; distance in cells
        # Confidence is a logistic function of three pieces of evidence (see `believe`), one row for each look.
        self.evidence = nn.Parameter(torch.tensor([[2.0, 2.0, 1.0, -2.0], [2.0, 2.0, 1.0, -2.0]]))
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(
        self,
        target: Float[Tensor, "b 3 h w"],
        target_mask: Float[Tensor, "b 1 h w"],
        references: Float[Tensor, "b n 3 h w"],
        reference_masks: Float[Tensor, "b n 1 h w"],
    ) -> Float[Tensor, "b n 2 3"]:
        """theta for every reference, in corner coordinates. Raises ValueError if the shapes do not agree."""
        affine.check_shapes(target, target_mask, references, reference_masks)
        b, n, _, height, width = references.shape
        # Under autocast only the encoder computes in half precision: three digits are too few for positions.
        exact = torch.autocast(target.device.type, enabled=False)
        whole, hidden = (rearrange(x, "b n c h w -> (b n) c h w") for x in (references, reference_masks))
        with exact:
            frame, mask = affine.resize(target, target_mask, self.size)
            frames, masks = affine.resize(whole, hidden, self.size)
        fine, coarse = self.encoder(frame, mask)
        fine, coarse, mask = (repeat(x, "b c h w -> (b n) c h w", n=n) for x in (fine, coarse, mask))
        others = self.encoder(frames, masks)[1]
        with exact:
            theta = self.fit(self.first_look(coarse, others, mask, masks), first=True)
        for _ in range(self.looks):
            with exact:
                moved, gone = warp_with_mask(frames, masks, theta)
            others = self.encoder(moved, gone, coarse=False)[0]
            with exact:
                theta = affine.compose(self.fit(self.second_look(fine, others, mask, gone), first=False), theta)
        if self.closer:
            theta = self.look_closer((target, target_mask), (whole, hidden), theta)
        with exact:
            theta = affine.edges_to_corners(self.gated(theta), height, width)
        return rearrange(theta, "(b n) i j -> b n i j", b=b)

    def look_closer(
        self, target: tuple[Tensor, Tensor], references: tuple[Tensor, Tensor], theta: Float[Tensor, "b 2 3"]
    ) -> Float[Tensor, "b 2 3"]:
        """theta (edge coordinates) after the looks at the window around the hole of each target (frame, mask).

        `references` (frames, masks) have the targets' size; there are as many of them as maps, n for each target.
        """
        exact = torch.autocast(theta.device.type, enabled=False)
        with exact:
            window = around_hole.window_around(target[1])
            target, references = around_hole.reduced(*target), around_hole.reduced(*references)
        count = len(theta) // len(window)
        windows, back = (repeat(x, "b i j -> (b n) i j", n=count) for x in (window, around_hole.out_of(window)))
        for side in self.closer:
            size = (side, side)
            with exact:
                frame, mask = warp_with_mask(*target, window, size)
                moved, gone = warp_with_mask(*references, affine.compose(windows, theta), size)
            fine = self.encoder(frame, mask, coarse=False)[0]
            fine, mask = (repeat(x, "b c h w -> (b n) c h w", n=count) for x in (fine, mask))
            others = self.encoder(moved, gone, coarse=False)[0]
            with exact:
                matches = self.second_look(fine, others, mask, gone)
                weight = matches.confidence * matches.visible
                half = (side / 2, side / 2)
                step = affine.fit_robust(matches.start, matches.end, weight, half, around_hole.SCALES)
                # The step is one of the window: into the window, the step, and out of it.
                theta = affine.compose(affine.compose(affine.compose(back, step), windows), theta)
        return theta

    def gated(self, theta: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 2 3"]:
        """I + gate (theta - I)"""
        start = affine.identity(len(theta), theta)
        return start + self.gate * (theta - start)

    def first_look(
        self,
        coarse: Float[Tensor, "b c h w"],
        other: Float[Tensor, "b c h w"],
        mask: Float[Tensor, "b 1 hh ww"],
        other_mask: Float[Tensor, "b 1 hh ww"],
    ) -> Matches:
        """Compare every target cell at 1/8 (features `coarse`) with every reference cell (features `other`).

        A cell with less than half of its pixels known is hidden. A hidden cell of the reference is never a match. A
        hidden cell of the target does not vote, and does not count in the softmax from reference to target.
        """
        rows, cols = coarse.shape[-2:]
        seen, other_seen = visible_share(mask, 8), visible_share(other_mask, 8)
        place = affine.cell_centres(rows, cols, coarse)
        half = warp.beside([cols / 2, rows / 2], place)
        far = ((rearrange(place, "i xy -> i 1 xy") - place) * half).square().sum(-1)
        cosine = self.cosine(coarse, other, seen, other_seen)
        logits = self.temperature[0].exp() * cosine - self.shrink.exp() * far
        logits = logits.masked_fill(rearrange(other_seen == 0, "b j -> b 1 j"), NEVER)
        end, sure, best = peak(logits, place, rows, cols)
        back = logits.masked_fill(rearrange(seen == 0, "b i -> b i 1"), NEVER).logsumexp(dim=1)
        mutual = take(logits, best) - back.gather(1, best)
        confidence = believe(self.evidence[0], sure, mutual, take(cosine, best)) * other_seen.gather(1, best)
        return Matches(repeat(place, "i xy -> b i xy", b=len(coarse)), end, confidence, seen, logits)

    def cosine(
        self,
        coarse: Float[Tensor, "b c h w"],
        other: Float[Tensor, "b c h w"],
        seen: Float[Tensor, "b i"],
        other_seen: Float[Tensor, "b j"],
    ) -> Float[Tensor, "b i j"]:
        """Cosine of each target cell and each reference cell, in [-1, 1]; `seen`, `other_seen`: see `visible_share`."""
        return einsum(unit(coarse, seen), unit(other, other_seen), "b i c, b j c -> b i j")

    def second_look(
        self,
        fine: Float[Tensor, "b c h w"],
        other: Float[Tensor, "b c h w"],
        mask: Float[Tensor, "b 1 hh ww"],
        other_mask: Float[Tensor, "b 1 hh ww"],
    ) -> Matches:
        """Compare every target cell at 1/4 with the cells around it in the warped reference (features `other`)."""
        seen, other_seen = visible_share(mask, 4), visible_share(other_mask, 4)
        rows, cols = fine.shape[-2:]
        one, two = (
            rearrange(unit(x, s), "b (h w) c -> b h w c", h=rows) for x, s in ((fine, seen), (other, other_seen))
        )
        cosine = correlate_around(one, two)
        shown = rearrange(other_seen, "b (h w) -> b 1 h w", h=rows)
        around = functional.unfold(shown, 2 * REACH + 1, padding=REACH)
        hidden = rearrange(around, "b j i -> b i j") < 0.5
        logits = (self.temperature[1].exp() * cosine).masked_fill(hidden, NEVER)
        side = 2 * REACH + 1
        moves = affine.cell_centres(side, side, fine) * side / 2
        shift, sure, best = peak(logits, moves, side, side)
        start = repeat(affine.cell_centres(rows, cols, fine), "i xy -> b i xy", b=len(fine))
        end = start + shift / warp.beside([cols / 2, rows / 2], start)
        # If the best match is on the rim of the search, the true match may well lie outside. `rim` replaces `mutual`.
        rim = -4 * (moves[best].abs().amax(dim=-1) > REACH - 0.5).float()
        confidence = believe(self.evidence[1], sure, rim, take(cosine, best)) * ~hidden.all(dim=-1)
        return Matches(start, end, confidence, seen, logits)

    def fit(self, matches: Matches, first: bool) -> Float[Tensor, "b 2 3"]:
        """The affine map, in edge coordinates, on which most of the confident matches agree."""
        half = (self.size[0] / 2, self.size[1] / 2)
        scales = (16.0, 8.0, 5.0, 5.0) if first else (8.0, 4.0, 3.0)
        weight = matches.confidence * matches.visible
        return affine.fit_robust(matches.start, matches.end, weight, half, scales)


def warp_with_mask(
    frames: Float[Tensor, "b 3 h w"],
    masks: Float[Tensor, "b 1 h w"],
    theta: Float[Tensor, "b 2 3"],
    size: tuple[int, int] | None = None,
) -> tuple[Float[Tensor, "b 3 oh ow"], Float[Tensor, "b 1 oh ow"]]:
    """Frames and masks warped by theta (edge coordinates); a pixel touched by a hole or the outside is hole, and 0."""
    warped = affine.warp_edges(torch.cat([frames * (1 - masks), 1 - masks], dim=1), theta, size)
    gone = (warped[:, 3:] < 0.999).to(warped.dtype)
    return warped[:, :3] * (1 - gone), gone
