"""Figures of what other frames know: a point followed through time, and the nearest frame that shows each hole pixel.

Made and shown as `figures/page.py` says.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib.figures import choices, clips, page
from vinpaint_lib.holes.box import around

CLOSE = 12  # pixels around a followed point that its close-up shows


class Place(NamedTuple):
    """Where a followed point is in frame `frame` (x, y in pixels), and in words what that frame shows there."""

    frame: int
    x: float
    y: float
    says: str


def followed(frames: Float[Tensor, "t 3 h w"], places: Sequence[Place], alt: str) -> None:
    """One scene point in some of `frames`, which are drawn as they are, and below each frame a close-up of the point.

    A circle marks the point where its place says "shown", a cross elsewhere.
    """
    page.show(followed_figure(frames, places), alt, photo=True)


def followed_figure(frames: Float[Tensor, "t 3 h w"], places: Sequence[Place]) -> Figure:
    """The figure behind `followed`."""
    height, width = frames.shape[-2:]
    each = (page.WIDTH - 0.3) / len(places)
    figure = page.blank(page.WIDTH, each * (height / width + 1) + 0.5)
    rows = figure.subplots(2, len(places), squeeze=False, height_ratios=[height / width, 1])
    for n, place in enumerate(places):
        whole, near = rows[0, n], rows[1, n]
        for axis in (whole, near):
            page.bare(axis)
            axis.imshow(page.to_rgb(frames[place.frame]), interpolation="nearest")
            mark(axis, place, 6 if axis is whole else 14)
        whole.set_xlim(-0.5, width - 0.5)
        whole.set_ylim(height - 0.5, -0.5)
        near.set_xlim(place.x - CLOSE, place.x + CLOSE)
        near.set_ylim(place.y + CLOSE, place.y - CLOSE)
        near.set_facecolor("0.85")  # beyond the frame's edge
        whole.set_title(f"frame {place.frame}", fontsize=9, pad=3)
        near.set_title(place.says, fontsize=9, pad=3)
    return figure


def mark(axis, place: Place, size: int) -> None:
    """Draw a black mark with a white rim, visible on any background."""
    seen = place.says == "shown"
    for colour, line in (("white", 3.5), ("black", 1.5)):
        axis.plot(
            place.x, place.y, "o" if seen else "x", markersize=size, markerfacecolor="none", markeredgecolor=colour,
            markeredgewidth=line,
        )  # fmt: skip


def age_maps(
    ages: Mapping[str, Float[Tensor, "1 h w"]], holes: Mapping[str, Float[Tensor, "1 h w"]], top: float, alt: str
) -> None:
    """Frames to the nearest frame that shows each hole pixel, one map a name, on one scale from 1 to `top`.

    Only the part of the frame that holds the holes is drawn. Stripes: no frame shows the pixel (age 0).
    """
    page.show(ages_figure(ages, holes, top), alt)


def ages_figure(
    ages: Mapping[str, Float[Tensor, "1 h w"]], holes: Mapping[str, Float[Tensor, "1 h w"]], top: float
) -> Figure:
    """The figure behind `age_maps`."""
    rows, columns = around(torch.stack(list(holes.values())), margin=6).slices
    near = {name: (age[:, rows, columns], holes[name][:, rows, columns]) for name, age in ages.items()}
    height, width = next(iter(near.values()))[0].shape[-2:]
    figure = page.blank(page.WIDTH, (page.WIDTH - 1.0) / len(ages) * height / width + 0.35)
    axes = figure.subplots(1, len(ages), squeeze=False)[0]
    for axis, (name, (age, hole)) in zip(axes, near.items(), strict=True):
        page.bare(axis)
        never = hole * (age == 0)
        ground = clips.stripes((height, width)) * never + 0.93 * (1 - never)
        axis.imshow(page.to_rgb(ground), interpolation="nearest")
        values = choices.inside(age, hole * (age > 0))
        drawn = axis.imshow(values, cmap=page.MAP, vmin=1, vmax=top, interpolation="nearest")
        axis.contour(rearrange(hole, "1 h w -> h w").numpy(), levels=[0.5], colors="black", linewidths=0.8)
        axis.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes), fraction=0.02, label="frames to the nearest\nframe that shows it")
    return figure
