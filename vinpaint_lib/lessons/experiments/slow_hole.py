"""A scene that puts one question: how wide must the window in time be for a large hole that moves slowly?

A box slides sideways at constant speed; in frame `middle` it stands in the middle of the picture, whatever the speed.
So the hole of this frame is the same for every speed. Only what the other frames show of it differs.
"""

from collections.abc import Iterable, Mapping

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.interface import Inpainter, Output, Step, Window
from vinpaint_lib.motion import warp

BOX = (0.6, 0.4)  # share of the frame's height and width
# Frame -> exact flow from the target to it (2 h w), and 1 where it shows the target's pixel (1 h w): `Scene.between`.
Motions = Mapping[int, tuple[Tensor, Tensor]]


def sliding_box(
    length: int, size: tuple[int, int], speed: float | int, middle: int, box: tuple[float, float] = BOX
) -> Float[Tensor, "t 1 h w"]:
    """Masks of a box that slides to the right by `speed` pixels a frame, and out of the picture.

    Raises UserError for a middle outside of the clip, or a box that is empty or larger than the picture.
    """
    (height, width), (tall, wide) = size, (round(box[0] * size[0]), round(box[1] * size[1]))
    if not 0 <= middle < length or not 0 < tall <= height or not 0 < wide <= width:
        raise UserError(f"no box of {wide}x{tall} stands in the middle of frame {middle} of {length}, {width}x{height}")
    masks = torch.zeros(length, 1, height, width)
    top = (height - tall) // 2
    for t in range(length):
        left = round((width - wide) / 2 + speed * (t - middle))
        masks[t, :, top : top + tall, max(left, 0) : max(left + wide, 0)] = 1
    return masks


def fill_one(
    model: Inpainter,
    frames: Float[Tensor, "t 3 h w"],
    masks: Float[Tensor, "t 1 h w"],
    target: int,
    references: Iterable[int],
) -> tuple[Float[Tensor, "3 h w"], Output]:
    """Frame `target` completed from `references` alone, without earlier outputs; and the output of the model.

    The model sees 0 in holes. Height and width must divide by `model.multiple` (ValueError).
    """
    step = Step((target,), tuple(sorted({*references} - {target})))
    if any(side % model.multiple for side in frames.shape[-2:]):
        raise ValueError(f"{tuple(frames.shape[-2:])} does not divide by {model.multiple}")
    indices = tuple(sorted({target, *step.references}))
    shown, holes = frames[list(indices)], masks[list(indices)]
    with torch.no_grad():
        output = model(Window(indices, shown * (1 - holes), holes, torch.zeros_like(holes)), step, {})
    hole = masks[target]
    return hole * output.frames[0] + (1 - hole) * frames[target], output


def shown_by(motions: Motions, masks: Float[Tensor, "t 1 h w"], references: Iterable[int]) -> Float[Tensor, "1 h w"]:
    """1 for each pixel of the target that at least one reference shows outside of that reference's hole."""
    found = torch.zeros_like(masks[0])
    for number in references:
        flow, visible = motions[number]
        known = warp.by_flow(1 - masks[number : number + 1], rearrange(flow, "xy h w -> 1 xy h w"))[0]
        found = torch.maximum(found, visible * (known > 0.99))
    return found


def share_shown(motions: Motions, masks: Float[Tensor, "t 1 h w"], target: int, references: Iterable[int]) -> float:
    """Share of the target's hole that at least one of the references shows; nan without a hole."""
    hole = masks[target]
    return float((shown_by(motions, masks, references) * hole).sum() / hole.sum())
