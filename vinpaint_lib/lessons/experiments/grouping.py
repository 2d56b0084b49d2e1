"""A small experiment for section 3D of TGF-Net: can a network use a reference that is far from the target?

A sample has a target with a hole and several references, which are aligned already; all are patches of photographs.
There are three tasks. In "carry" one reference shows the scene, and the others show nothing. In "choose" the others
show other scenes, so that only a comparison with the target tells which reference is right. In "alone" no reference
shows anything. There are two networks: `Plain` has 3D convolutions over the whole clip, `Pairs` pairs each reference
with the target.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.systems.tgfnet import fusion
from vinpaint_lib.toy.clip import PHOTOS, photograph

SIDE = 8  # pixels of a patch
HOLE = slice(2, 6)  # rows and columns of its hole
SHRINK = 3  # photographs are made smaller, so that something can be seen in a patch
BUSY = 0.25  # least standard deviation inside of the hole, for colours in [-1, 1]: flat patches need no reference
TASKS = ("carry", "choose", "alone")


class Sample(NamedTuple):
    """A batch: colours in [-1, 1], then the mask, as the encoder is fed; `right`: which reference shows the scene."""

    target: Float[Tensor, "b 4 h w"]
    references: Float[Tensor, "b n 4 h w"]
    truth: Float[Tensor, "b 3 h w"]
    right: Int[Tensor, " b"]


@cache
def patches(part: str) -> Float[Tensor, "p 3 h w"]:
    """All busy patches: "train" from the left 70% of every bundled photograph, "test" from the right quarter."""
    low, high = {"train": (0.0, 0.7), "test": (0.75, 1.0)}[part]
    busy = []
    for name in PHOTOS:
        picture = photograph(name)
        height, width = picture.shape[0] // SHRINK, picture.shape[1] // SHRINK
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        cut = small[:, int(low * width) : int(high * width)].astype(np.float32) / 127.5 - 1
        windows = functional.unfold(rearrange(torch.from_numpy(cut), "h w c -> 1 c h w"), SIDE, stride=3)
        found = rearrange(windows, "1 (c h w) p -> p c h w", h=SIDE, w=SIDE)
        spread = reduce(rearrange(found[:, :, HOLE, HOLE], "p c h w -> p c (h w)").std(dim=2), "p c -> p", "mean")
        busy.append(found[spread > BUSY])
    return torch.cat(busy)


def mask_of_hole() -> Float[Tensor, "1 1 h w"]:
    """1 in the hole in the middle of a patch."""
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., HOLE, HOLE] = 1
    return mask


def draw(task: str, part: str, batch: int, references: int, generator: torch.Generator) -> Sample:
    """A batch of `task`; the right reference stands at a random place. Raises ValueError for an unknown task."""
    if task not in TASKS:
        raise ValueError(f"no task is called {task!r}; there are {', '.join(TASKS)}")
    bank = patches(part)
    shown = bank[torch.randint(len(bank), (batch, references), generator=generator)]
    right = torch.randint(references, (batch,), generator=generator)
    truth = shown[torch.arange(batch), right]
    hole = repeat(mask_of_hole(), "1 1 h w -> b 1 h w", b=batch)
    missing = torch.zeros_like(shown[:, :, :1])
    if task != "choose":
        missing += 1
    if task == "carry":
        missing[torch.arange(batch), right] = 0
    target = torch.cat([truth * (1 - hole), hole], dim=1)
    return Sample(target, torch.cat([shown * (1 - missing), missing], dim=2), truth, right)


def at_place(sample: Sample, place: int) -> Sample:
    """The same batch with the right reference at `place`, exchanged with the reference that stood there."""
    rows = torch.arange(len(sample.right))
    moved = sample.references.clone()
    moved[rows, sample.right] = sample.references[:, place]
    moved[:, place] = sample.references[rows, sample.right]
    return sample._replace(references=moved, right=torch.full_like(sample.right, place))


class Plain(nn.Module):
    """`layers` 3x3x3 convolutions over the clip, the target in the middle of its references, and a 1x1 to RGB."""

    def __init__(self, width: int = 16, layers: int = 3) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv3d(width if n else 4, width, 3, padding=1) for n in range(layers))
        self.head = nn.Conv2d(width, 3, 1)

    def forward(
        self, target: Float[Tensor, "b 4 h w"], references: Float[Tensor, "b n 4 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        half = references.shape[1] // 2
        return self.head(self.features(target, references)[:, :, half])

    def features(
        self, target: Float[Tensor, "b 4 h w"], references: Float[Tensor, "b n 4 h w"]
    ) -> Float[Tensor, "b d t h w"]:
        """The last layer's features of every frame of the clip."""
        half = references.shape[1] // 2
        clip = torch.cat([references[:, :half], rearrange(target, "b c h w -> b 1 c h w"), references[:, half:]], dim=1)
        x = rearrange(clip, "b t c h w -> b c t h w")
        for conv in self.convs:
            x = functional.relu(conv(x))
        return x


class Pairs(nn.Module):
    """Pairs as in the library: a stream of kernel 3 with `layers` convolutions, attention or the mean, 1x1 to RGB."""

    def __init__(self, width: int = 16, layers: int = 3, attention: bool = True) -> None:
        super().__init__()
        self.stream = fusion.Stream(4, width, 3, layers - 1)
        self.gather = fusion.TemporalAttention(width) if attention else fusion.GroupMean()
        self.head = nn.Conv2d(width, 3, 1)

    def forward(
        self, target: Float[Tensor, "b 4 h w"], references: Float[Tensor, "b n 4 h w"]
    ) -> Float[Tensor, "b 3 h w"]:
        return self.head(self.gather(self.features(target, references))[0])

    def features(
        self, target: Float[Tensor, "b 4 h w"], references: Float[Tensor, "b n 4 h w"]
    ) -> Float[Tensor, "b n d h w"]:
        """The features of every group."""
        return rearrange(self.stream(target, references), "(b n) d h w -> b n d h w", b=len(target))


Network = Callable[[Tensor, Tensor], Tensor]


def hole_error(output: Float[Tensor, "b 3 h w"], truth: Float[Tensor, "b 3 h w"]) -> Tensor:
    """Mean absolute error in the hole, for colours in [0, 1]."""
    return (output - truth)[:, :, HOLE, HOLE].abs().mean() / 2


def start(network: nn.Module, seed: int) -> None:
    """Kaiming weights that `seed` decides, biases 0."""
    torch.manual_seed(seed)
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def train_fusion(
    network: nn.Module, task: str, steps: int, *, references: int = 8, batch: int = 16, seed: int = 0
) -> None:
    """`steps` of Adam on fresh batches of `task`, rate 0.004 that falls over the last third."""
    generator = torch.Generator().manual_seed(seed)
    device = next(network.parameters()).device
    optimiser = torch.optim.Adam(network.parameters(), 4e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: min(1.0, 3 * (steps - n) / max(steps, 1)))
    for _ in range(steps):
        sample = draw(task, "train", batch, references, generator)
        output = network(sample.target.to(device), sample.references.to(device))
        optimiser.zero_grad()
        hole_error(output, sample.truth.to(device)).backward()
        optimiser.step()
        schedule.step()


@torch.no_grad()
def error_by_place(
    network: nn.Module, task: str, *, references: int = 8, count: int = 256, seed: int = 1
) -> list[float]:
    """Mean error in the hole over `count` test patches, with the right reference at each place in turn."""
    sample = draw(task, "test", count, references, torch.Generator().manual_seed(seed))
    device = next(network.parameters()).device
    errors = []
    for place in range(references):
        moved = at_place(sample, place)
        output = network(moved.target.to(device), moved.references.to(device))
        errors.append(float(hole_error(output.cpu(), moved.truth)))
    return errors
