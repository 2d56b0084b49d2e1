"""The one loop that runs any model over any clip (TGF-Net sec. G, with the feedback of sec. H).

Frames are read once, in order, and only as far ahead as the next step needs; a frame that no later step needs
is dropped. So the memory in use depends on the model's window, not on the length of the clip. Composition
happens here and nowhere else.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.interface import Inpainter, Output, Step, Window
from vinpaint_lib.process_memory import give_back
from vinpaint_lib.video.clip import Clip

TIDY = 8  # targets after which freed memory goes back to the system


@runtime_checkable
class Frames(Protocol):
    """What `fill` needs of a clip: its length, and (frame, mask) in order."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


class Buffer:
    """The frames between the oldest one still needed and the newest one read, padded to the model's multiple."""

    def __init__(self, clip: Frames, multiple: int) -> None:
        self.source = iter(clip)
        self.multiple = multiple
        self.read = 0
        self.frames: dict[int, Tensor] = {}
        self.masks: dict[int, Tensor] = {}
        self.filled: dict[int, Tensor] = {}
        self.size = (0, 0)

    def reach(self, index: int) -> None:
        """Read until frame `index` is there."""
        while self.read <= index:
            frame, mask = next(self.source)
            self.size = (frame.shape[-2], frame.shape[-1])
            self.frames[self.read] = pad(frame * (1 - mask), self.multiple)
            self.masks[self.read] = pad(mask, self.multiple)
            self.filled[self.read] = nowhere(self.masks[self.read])
            self.read += 1

    def window(self, step: Step) -> Window:
        indices = tuple(sorted({*step.targets, *step.references}))
        return Window(indices, *([part[i] for i in indices] for part in (self.frames, self.masks, self.filled)))

    def write_back(self, index: int, frame: Tensor) -> None:
        """Sec. H: the completed frame replaces the given frame, and its mask becomes empty."""
        self.filled[index] = torch.maximum(self.filled[index], self.masks[index])
        self.frames[index] = frame
        self.masks[index] = nowhere(self.masks[index])

    def drop(self, before: int) -> None:
        for part in (self.frames, self.masks, self.filled):
            for index in [i for i in part if i < before]:
                del part[index]


def nowhere(mask: Float[Tensor, "1 h w"]) -> Float[Tensor, "1 h w"]:
    """A mask of that size without any hole. It is one number for all pixels, so that it takes no memory."""
    return torch.zeros(1, 1, 1).expand_as(mask)


def pad(image: Float[Tensor, "c h w"], multiple: int) -> Float[Tensor, "c hp wp"]:
    """Repeat the last row and column until both sides divide by `multiple`."""
    below, right = (-size % multiple for size in image.shape[-2:])
    if not below and not right:
        return image
    batch = rearrange(image, "c h w -> 1 c h w")
    return rearrange(functional.pad(batch, (0, right, 0, below), mode="replicate"), "1 c h w -> c h w")


def fill(
    model: Inpainter,
    clip: Frames,
    *,
    feedback: bool | None = None,
    on_step: Callable[[Step, Output], None] | None = None,
) -> Iterator[Float[Tensor, "3 h w"]]:
    """Completed frames of `clip` in order: M * output + (1 - M) * input, known pixels untouched.

    `feedback` overrides the model's rule for writing outputs back. `on_step` sees every step's output (maps for
    figures). A frame that is a target more than once gets the mean of its outputs, weighted by `Output.weights`.
    Raises UserError if nothing at all is known, that is, if every pixel of every frame is missing.
    """
    write_back = model.feedback if feedback is None else feedback
    buffer = Buffer(clip, model.multiple)
    steps = list(model.plan(len(clip)))
    # `needed` decides which frames may be dropped after a step. A frame is given out after the last step that fills it.
    needed = oldest_needs(steps)
    last_visit = {index: n for n, step in enumerate(steps) for index in step.targets}
    sums: dict[int, tuple[Tensor, float]] = {}
    state: dict[str, Any] = {}
    given, worked, seen_anything = 0, 0, False
    originals: dict[int, tuple[Tensor, Tensor]] = {}
    for n, step in enumerate(steps):
        newest = max((*step.targets, *step.references))
        first_new = buffer.read
        buffer.reach(newest)
        for i in range(first_new, buffer.read):
            originals[i] = (buffer.frames[i], buffer.masks[i])
            seen_anything |= bool((buffer.masks[i] == 0).any())
        if not seen_anything and buffer.read == len(clip):
            raise UserError("every pixel of every frame is marked as missing: check the mask, or use --invert-mask")
        # no_grad stands around the call alone: as a decorator it would not reach into a generator that others wrap.
        with torch.no_grad():
            output = model(buffer.window(step), step, state)
        shares = [1.0] * len(step.targets) if output.weights is None else output.weights.tolist()
        for index, raw, share in zip(step.targets, output.frames, shares, strict=True):
            frame, mask = originals[index]
            total, count = sums.get(index, (torch.zeros_like(raw), 0.0))
            sums[index] = (total + share * raw, count + share)
            done = composed(sums[index][0] / sums[index][1], frame, mask)
            if write_back:
                buffer.write_back(index, done)
            if last_visit[index] == n:
                sums[index] = (done, 0.0)
        if on_step is not None:
            on_step(step, output)
        while given in last_visit and last_visit[given] <= n:
            height, width = buffer.size
            yield sums.pop(given)[0][:, :height, :width]
            del originals[given]
            given += 1
        buffer.drop(needed[n + 1] if n + 1 < len(steps) else len(clip))
        worked += len(step.targets)
        if worked >= TIDY:
            give_back()
            worked = 0


def composed(
    made: Float[Tensor, "3 h w"], frame: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"]
) -> Float[Tensor, "3 h w"]:
    """`made` inside of the hole, `frame` outside of it."""
    return mask * made + (1 - mask) * frame


def oldest_needs(steps: Iterable[Step]) -> list[int]:
    """For every step, the smallest frame number that it or any later step uses."""
    needs = [min((*step.targets, *step.references)) for step in steps]
    for n in range(len(needs) - 2, -1, -1):
        needs[n] = min(needs[n], needs[n + 1])
    return needs


def fill_clip(model: Inpainter, clip: Clip, **options: Any) -> Clip:
    """`fill` for a clip in memory: the completed clip, its masks empty."""
    frames = torch.stack(list(fill(model, clip, **options)))
    return replace(clip, frames=frames, masks=torch.zeros_like(clip.masks))


class Recorder:
    """Keeps the maps of every step, by target: give it to `fill` as `on_step`. Frames without a hole have no maps.

    The maps are copied to the CPU.
    """

    def __init__(self) -> None:
        self.maps: dict[int, dict[str, Any]] = {}

    def __call__(self, step: Step, output: Output) -> None:
        if output.maps:
            self.maps[step.targets[0]] = {name: on_cpu(value) for name, value in output.maps.items()}


def on_cpu(value: Any) -> Any:
    """A tensor, or a list or tuple of tensors, on the CPU; anything else as it is."""
    if type(value) in (list, tuple):
        return type(value)(on_cpu(part) for part in value)
    return value.cpu() if isinstance(value, Tensor) else value
