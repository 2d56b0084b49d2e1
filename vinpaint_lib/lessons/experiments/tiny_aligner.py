"""Two small aligners for the lesson on coarse alignment (TGF-Net sec. E), trained in seconds by L_align.

Both regress the six parameters of an affine map; they differ in what the regressor is given. A reader can watch them
learn. To fill clips, the library uses `alignment.learned.LearnedAffine` and `alignment.robust.robust_affine` instead.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from vinpaint_lib.alignment import affine, pairs
from vinpaint_lib.alignment.learned import warp_with_mask
from vinpaint_lib.systems.tgfnet.losses import alignment_loss

SHARPNESS = 5.0  # the softmax over cosines: 1 and 0 differ by a factor of e^5
STEP = 0.3  # factor on the last layer's output, so that the first steps are small

Sees = Literal["stack", "correlation"]


class View(NamedTuple):
    """Two views of one photograph, with holes; `motion` maps target to reference positions (edge coordinates)."""

    target: Float[Tensor, "b 3 h w"]
    target_mask: Float[Tensor, "b 1 h w"]
    reference: Float[Tensor, "b 3 h w"]
    reference_mask: Float[Tensor, "b 1 h w"]
    motion: Float[Tensor, "b 2 3"]


class TinyAligner(nn.Module):
    """theta (edge coordinates) of one reference: convolutions, then two linear layers; the identity before training.

    sees  "stack": both pictures on one channel axis, as regressors of motion often have it; "correlation": features of
          each picture alone, and how similar every cell of the first picture is to every cell of the second
    size  (height, width) of the pictures, multiples of 8
    """

    def __init__(self, sees: Sees, size: tuple[int, int], width: int = 16) -> None:
        super().__init__()
        self.sees = sees
        cells = (size[0] // 8) * (size[1] // 8)
        self.features = nn.Sequential(
            nn.Conv2d(8 if sees == "stack" else 4, width, 6, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(width, width, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 4, stride=2, padding=1),
        )  # fmt: skip
        last = nn.Linear(128, 6)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.regressor = nn.Sequential(
            nn.Linear(width * cells if sees == "stack" else cells * cells, 128), nn.ReLU(), last
        )

    def forward(
        self,
        target: Float[Tensor, "b 3 h w"],
        target_mask: Float[Tensor, "b 1 h w"],
        reference: Float[Tensor, "b 3 h w"],
        reference_mask: Float[Tensor, "b 1 h w"],
    ) -> Float[Tensor, "b 2 3"]:
        one, two = (
            torch.cat([(frame * 2 - 1) * (1 - mask), mask], dim=1)
            for frame, mask in ((target, target_mask), (reference, reference_mask))
        )
        if self.sees == "stack":
            evidence = rearrange(self.features(torch.cat([one, two], dim=1)), "b c h w -> b (c h w)")
        else:
            cosine = einsum(unit(self.features(one)), unit(self.features(two)), "b i c, b j c -> b i j")
            evidence = rearrange(cosine.shape[-1] * (SHARPNESS * cosine).softmax(dim=-1), "b i j -> b (i j)") / 10
        change = STEP * rearrange(self.regressor(evidence), "b (i j) -> b i j", i=2)
        return affine.identity(len(target), target) + change


def unit(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b i c"]:
    """Features of each cell minus their mean over the picture, scaled to length one."""
    flat = rearrange(features, "b c h w -> b (h w) c")
    return functional.normalize(flat - flat.mean(dim=1, keepdim=True), dim=-1, eps=1e-6)


def views(
    photos: Float[Tensor, "_ 3 ph pw"], count: int, size: tuple[int, int], rng: Generator, shift: float = 0.15
) -> View:
    """`count` random pairs of views, `shift` (standard deviation, in half pictures) apart, with a hole in each."""
    chosen = photos[torch.randint(len(photos), (count,), generator=rng)]
    base = pairs.uniform(count, 0.5, 0.7, rng)
    view = pairs.square(pairs.random_affine(count, size, rng, shift=0.2, turn=8.0, zoom=0.1, stretch=0.05, base=base))
    motion = pairs.random_affine(count, size, rng, shift=shift, turn=4.0, zoom=0.06, stretch=0.02)
    there = view @ torch.linalg.inv(pairs.square(motion))
    target, reference = pairs.view_of(chosen, view, size), pairs.view_of(chosen, there, size)
    holes = [pairs.blob(count, size, rng, 0.04, 0.12, chosen) for _ in range(2)]
    return View(target * (1 - holes[0]), holes[0], reference * (1 - holes[1]), holes[1], motion)


def self_supervised(theta: Float[Tensor, "b 2 3"], view: View) -> Float[Tensor, ""]:
    """L_align of the reference warped by theta (edge coordinates), over what both show. The motion is not used."""
    frame, gone = warp_with_mask(view.reference, view.reference_mask, theta)
    frame, gone = (rearrange(x, "b c h w -> b 1 c h w") for x in (frame, gone))
    return alignment_loss(frame, 1 - gone, view.target, view.target_mask)


def distance(
    theta: Float[Tensor, "b 2 3"], motion: Float[Tensor, "b 2 3"], size: tuple[int, int]
) -> Float[Tensor, "b"]:
    """Mean distance in pixels between the places to which two maps (edge coordinates) send a cell of the picture."""
    places = repeat(affine.cell_centres(size[0] // 4, size[1] // 4, theta), "i xy -> b i xy", b=len(theta))
    gap = (affine.apply(theta, places) - affine.apply(motion, places)) * theta.new_tensor([size[1] / 2, size[0] / 2])
    return gap.norm(dim=-1).mean(dim=-1)


def train_aligner(
    net: TinyAligner, draw: Callable[[], View], steps: int, rate: float = 1e-3
) -> Iterator[tuple[int, Float[Tensor, ""]]]:
    """Adam on L_align; yields (steps done, loss) after each step. `draw` makes a batch."""
    optimiser = torch.optim.Adam(net.parameters(), rate)
    for step in range(1, steps + 1):
        view = draw()
        loss = self_supervised(net(*view[:4]), view)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield step, loss.detach()
