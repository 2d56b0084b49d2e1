"""Section `parity`: every system, variant and baseline fills the same clip on the CPU and on the device.

TF32 is off. On the CPU both fills are the same call, and the difference must be 0.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from vinpaint_lib.bench.gpu.setting import Cell, Cells, Setting
from vinpaint_lib.inpaint import fill
from vinpaint_lib.systems import registry
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip

LEVELS = 255  # steps of a colour in eight bits


def cells(setting: Setting) -> Cells:
    """Systems first, their variants after them, baselines last; without variants whose weights are still to come."""
    clip = holed(2, (48, 64)) if setting.quick else holed(5, (80, 128))
    names = [*registry.SYSTEMS, *(name for name in registry.MODELS if name not in registry.SYSTEMS)]
    for name in filter(registry.ready, names):
        yield Cell(name, partial(compare, name, clip, setting.device))


def holed(length: int, size: tuple[int, int]) -> Clip:
    """A toy clip under a moving camera, with a box missing that stays where it is."""
    frames = toy_clip("astronaut", Shot(length=length, size=size)).clip.frames
    masks = torch.zeros_like(frames[:, :1])
    masks[..., size[0] // 3 : 2 * size[0] // 3, size[1] // 3 : 2 * size[1] // 3] = 1
    return Clip(frames, masks)


def compare(name: str, clip: Clip, device: torch.device) -> dict[str, float]:
    """Differences in the hole between the fills on the CPU and on `device`, in steps of eight-bit colours."""
    with exact():
        here, there = (
            torch.stack([frame.cpu() for frame in fill(registry.build(name).to(where), clip)])
            for where in (torch.device("cpu"), device)
        )
    return differences(here, there, clip.masks)


def differences(here: Tensor, there: Tensor, masks: Tensor) -> dict[str, float]:
    """The largest and the mean difference over the hole, and the share of its values that differ by a step or more.

    Raises ValueError if a value is not finite.
    """
    if not torch.isfinite(there).all():
        raise ValueError("the device gives values that are not finite")
    steps = LEVELS * (here - there).abs()[masks.expand_as(here) > 0]
    return {
        "largest, in steps of 255": steps.max().item(),
        "mean": steps.mean().item(),
        "share of a step or more": (steps >= 1).float().mean().item(),
    }


@contextmanager
def exact() -> Iterator[None]:
    """Matrix products and convolutions of a GPU in float32, not in TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
