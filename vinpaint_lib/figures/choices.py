"""Figures of a choice between groups: which group fills which pixel, how sure the choice is, and how old pixels are.

Every group has a weight for each pixel, (n 1 h w). In TGF-Net these are the attention GA at 1/2, 1/4, 1/8 of the frame,
or the weights of the copy path at full size, which are 0 for all groups where no group shows anything. Masks 1 = hole.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float, Int
from matplotlib.colors import to_rgb as colour_of
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from torch import Tensor

from vinpaint_lib.figures import clips, page
from vinpaint_lib.figures.curves import HUES
from vinpaint_lib.holes.box import around

NOBODY = -1
LABEL_FROM = 0.004  # smallest region that gets its number, as a share of the panel


def winner(weights: Float[Tensor, "n 1 h w"]) -> Int[Tensor, "h w"]:
    """Number of the group with the largest weight; NOBODY where all weights are 0."""
    top, which = rearrange(weights, "n 1 h w -> n h w").max(dim=0)
    return torch.where(top > 0, which, NOBODY)


def entropy(weights: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "1 h w"]:
    """Entropy over the groups divided by log n: 0 = one group decides, 1 = all groups count the same.

    0 where all weights are 0, and everywhere if there is one group only.
    """
    terms = torch.special.entr(weights)
    return reduce(terms, "n 1 h w -> 1 h w", "sum") / max(math.log(len(weights)), 1e-9)


def shares(weights: Float[Tensor, "n 1 h w"], hole: Float[Tensor, "1 h w"]) -> Float[Tensor, " n"]:
    """Each group's mean weight over the hole; NaN without a hole.

    Weights of GA give shares that sum to one. Weights of the copy path give shares that sum to the share of the hole
    that is copied at all.
    """
    return reduce(weights * hole, "n 1 h w -> n", "sum") / hole.sum()


def enlarge(weights: Float[Tensor, "n 1 a b"], size: tuple[int, int]) -> Float[Tensor, "n 1 h w"]:
    """Weights at the size of the frame's part. Each cell is repeated, since a coarse map knows no more detail."""
    factor = size[0] // weights.shape[-2]
    return repeat(weights, "n 1 a b -> n 1 (a fa) (b fb)", fa=factor, fb=factor)


def painted(
    weights: Float[Tensor, "n 1 h w"], picture: Float[Tensor, "3 h w"], hole: Float[Tensor, "1 h w"]
) -> Float[Tensor, "3 h w"]:
    """The winner's colour inside the hole, stripes where nobody wins, the picture in pale grey around it."""
    grey = repeat(reduce(picture, "c h w -> h w", "mean") * 0.5 + 0.5, "h w -> c h w", c=3)
    colours = torch.tensor([colour_of(colour) for colour in page.COLOURS])
    which = winner(weights)
    flat = rearrange(colours[which.clamp(min=0) % len(colours)], "h w c -> c h w")
    nobody = clips.stripes((hole.shape[-2], hole.shape[-1]))
    inside = torch.where(rearrange(which, "h w -> 1 h w") == NOBODY, nobody, flat)
    return clips.outlined(grey * (1 - hole) + inside * hole, hole)


def numbered(axis, weights: Float[Tensor, "n 1 h w"], hole: Float[Tensor, "1 h w"], apart: float = 0.0) -> None:
    """Write a group's number (from 1) into each of its larger regions, so that no colour has to be recognised.

    Where numbers would stand less than `apart` pixels from each other, only the number of the largest region is
    written.
    """
    found = []  # size of a region, place and group of its number
    which = torch.where(rearrange(hole, "1 h w -> h w") > 0, winner(weights), NOBODY).numpy()
    for group in sorted(set(which.flatten().tolist()) - {NOBODY}):
        count, regions = cv2.connectedComponents((which == group).astype(np.uint8), connectivity=4)
        for region in range(1, count):
            here = regions == region
            if here.mean() < LABEL_FROM:
                continue
            depth = cv2.distanceTransform(np.pad(here, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
            y, x = np.unravel_index(depth.argmax(), depth.shape)
            found.append((int(here.sum()), int(x), int(y), group))
    kept: list[tuple[int, int, int, int]] = []
    for each in sorted(found, key=lambda region: -region[0]):
        if all(math.hypot(each[1] - other[1], each[2] - other[2]) >= apart for other in kept):
            kept.append(each)
    for _, x, y, group in (each for each in found if each in kept):
        edge = [withStroke(linewidth=2, foreground="black")]
        axis.text(
            x, y, str(group + 1), color="white", fontsize=9, ha="center", va="center", path_effects=edge,
            fontweight="bold",
        )  # fmt: skip


def overlay(
    picture: Float[Tensor, "3 h w"],
    scales: Mapping[str, Tensor],
    hole: Float[Tensor, "1 h w"],
    names: Sequence[str],
    alt: str,
    *,
    path: str | Path | None = None,
) -> None:
    """Which group fills which pixel: the filled picture, then one map for each of `scales` (name -> weights n 1 a b).

    Each group has a colour and a number; stripes mean that no group shows the pixel.
    """
    page.show(overlay_figure(picture, scales, hole, names), alt, path=path, photo=True)


def overlay_figure(
    picture: Float[Tensor, "3 h w"], scales: Mapping[str, Tensor], hole: Float[Tensor, "1 h w"], names: Sequence[str]
) -> Figure:
    """The figure behind `overlay`."""
    wide = {name: enlarge(weights, (picture.shape[-2], picture.shape[-1])) for name, weights in scales.items()}
    pictures = [clips.outlined(picture, hole), *(painted(weights, picture, hole) for weights in wide.values())]
    columns = min(3, len(pictures))
    rows: list[list[Tensor | None]] = [list(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
    figure = page.grid(rows, [], ["filled", *scales])
    for axis, weights in zip(figure.axes[1:], wide.values(), strict=False):
        numbered(axis, weights, hole)
    legend(figure, names)
    return figure


def group_maps(weights: Float[Tensor, "n 1 h w"], hole: Float[Tensor, "1 h w"], names: Sequence[str], alt: str) -> None:
    """The weight of every group in the hole, one map each, on the same scale 0 to 1; white outside of the hole."""
    page.show(maps_figure(weights, hole, names), alt)


def maps_figure(weights: Float[Tensor, "n 1 h w"], hole: Float[Tensor, "1 h w"], names: Sequence[str]) -> Figure:
    """The figure behind `group_maps`."""
    close = around(hole).slices
    weights, hole = weights[..., *close], hole[..., *close]
    height, width = hole.shape[-2:]
    columns = min(5 if len(names) > 8 else 4, len(names))
    rows = math.ceil(len(names) / columns)
    figure = page.blank(page.WIDTH, rows * ((page.WIDTH - 0.9) / columns * height / width + 0.4))
    axes = figure.subplots(rows, columns, squeeze=False)
    for n, axis in enumerate(axes.flat):
        page.bare(axis)
        if n < len(names):
            drawn = axis.imshow(inside(weights[n], hole), cmap=page.MAP, vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(textwrap.fill(f"{n + 1}  {names[n]}", 18), fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes.flat), fraction=0.02, label="weight")
    return figure


def sureness(
    spread: Float[Tensor, "1 h w"], age: Float[Tensor, "1 h w"], hole: Float[Tensor, "1 h w"], alt: str
) -> None:
    """The entropy of the weights, and beside it the age: the frames to the nearest frame that shows the pixel.

    Both are drawn inside of the hole only. A pixel of age 0, which no frame shows, is left white.
    """
    close = around(hole).slices
    spread, age, hole = (values[..., *close] for values in (spread, age, hole))
    height, width = hole.shape[-2:]
    figure = page.blank(page.WIDTH, (page.WIDTH / 2 - 0.8) * height / width + 0.35)
    axes = figure.subplots(1, 2)
    top = max(float(age.max()), 1.0)
    for axis, values, label, high in (
        (axes[0], inside(spread, hole), "entropy: 0 one group, 1 all alike", 1.0),
        (axes[1], inside(age, hole * (age > 0)), "frames to the nearest frame that shows it", top),
    ):
        page.bare(axis)
        drawn = axis.imshow(values, cmap=page.MAP, vmin=0, vmax=high, interpolation="nearest")
        axis.set_title(label, fontsize=9, pad=3)
        figure.colorbar(drawn, ax=axis, fraction=0.04)
    page.show(figure, alt)


def inside(values: Float[Tensor, "1 h w"], hole: Float[Tensor, "1 h w"]) -> Float[np.ndarray, "h w"]:
    """Values in the hole, NaN (drawn white) outside."""
    return rearrange(torch.where(hole > 0, values, torch.nan), "1 h w -> h w").numpy()


def by_age(age: Float[Tensor, " p"], plots: Sequence[Mapping[str, Tensor]], alt: str, *, label: str = "frames") -> None:
    """Means over the pixels of the same age, in plots below each other; each plot has curves (name -> value per pixel).

    At the bottom stands the number of pixels of each age.

    Age 0 is "none": no frame shows the pixel. Its means stand apart from the curves.
    """
    figure = page.blank(page.WIDTH * 0.7, 1.0 + 1.5 * len(plots))
    *tops, low = figure.subplots(len(plots) + 1, 1, sharex=True, height_ratios=[2] * len(plots) + [1])
    steps = torch.unique(age)
    first = int(steps[0] == 0)  # the line begins with pixels that some frame shows
    for top, curves in zip(tops, plots, strict=True):
        for n, (name, value) in enumerate(curves.items()):
            means = [float(value[age == step].mean()) for step in steps]
            style = {"color": page.COLOURS[(0, 2, 4)[n % 3]], "marker": "os^"[n % 3], "markersize": 4}
            top.plot(steps[first:], means[first:], label=name, linestyle=("-", "--", ":")[n % 3], **style)
            top.plot(steps[:first], means[:first], **style)
        top.set_ylim(bottom=0)
        top.legend(fontsize=9, frameon=False)
    low.bar(steps, [int((age == step).sum()) for step in steps], color="0.6")
    low.set_ylabel("pixels", fontsize=9)
    low.set_xlabel(label, fontsize=9)
    ticks = sorted({0, *range(2, int(steps.max()) + 1, 2)})
    low.set_xticks(ticks, ["none" if tick == 0 else str(tick) for tick in ticks])
    for axis in (*tops, low):
        axis.tick_params(labelsize=8)
        axis.grid(color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
    page.show(figure, alt)


def by_group(panels: Mapping[str, Mapping[str, Sequence[float]]], names: Sequence[str], label: str, alt: str) -> None:
    """A value for each group, a panel for each of `panels`, a marker for each of its entries (name -> n values).

    Groups have no order, so no line joins their markers. They stand below each other with their numbers and names.
    """
    figure = page.blank(page.WIDTH, 0.2 * len(names) + 1.0, edge=0.05)
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (title, series) in zip(axes, panels.items(), strict=True):
        for n, (name, values) in enumerate(series.items()):
            style = {"color": HUES[n], "marker": "os^Dv"[n], "linestyle": "none", "fillstyle": "none"}
            axis.plot(values, range(len(names)), label=name, markersize=6, markeredgewidth=1.5, **style)
        axis.set_yticks(range(len(names)), [f"{n + 1}  {name}" for n, name in enumerate(names)], fontsize=8)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.set_title(title, fontsize=9, pad=3)
        axis.set_xlabel(label, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(color="0.88", linewidth=0.6)
        axis.set_axisbelow(True)
    handles, found = axes[0].get_legend_handles_labels()
    figure.legend(handles, found, loc="outside lower center", ncols=len(found), fontsize=9, frameon=False)
    page.show(figure, alt)


def legend(figure: Figure, names: Sequence[str]) -> None:
    """The groups' numbers, names and colours below a figure."""
    figure.set_figheight(figure.get_figheight() + 0.25 * math.ceil(len(names) / 3) + 0.1)
    patches = [
        Patch(facecolor=page.COLOURS[n % len(page.COLOURS)], edgecolor="black", label=f"{n + 1}  {name}")
        for n, name in enumerate(names)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
