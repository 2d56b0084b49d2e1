"""Figures of features: maps of channels, receptive fields, what a hole changes, and what a smaller mask lets through.

Made and shown as `figures/page.py` says.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from matplotlib.colors import to_rgb as colour_of
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from vinpaint_lib.figures import page

# What became of a pixel when the mask was made smaller; the strong colour is the mistake that matters.
FATES = {
    "hole, and its cell is hole": page.COLOURS[1],
    "known, but its cell is hole": page.COLOURS[6],
    "hole, but its cell counts as known": page.COLOURS[2],
}


class Square(NamedTuple):
    """An outline around pixels: its middle pixel (row, column), its side in pixels, and its name."""

    row: int
    column: int
    side: int
    name: str = ""


def outline(axis, square: Square, dash: str = "-") -> None:
    """Draw a square in white with a black rim, visible on any background."""
    corner = (square.column - square.side / 2, square.row - square.side / 2)  # pixel centres are whole numbers
    for colour, line, style in (("black", 3.0, "-"), ("white", 1.3, dash)):
        axis.add_patch(
            Rectangle(corner, square.side, square.side, fill=False, edgecolor=colour, linewidth=line, linestyle=style)
        )


def fields_on(picture: Float[Tensor, "3 h w"], squares: Sequence[Square], alt: str) -> None:
    """The picture with squares around one place; beside it the same place enlarged, with the squares' names."""
    page.show(fields_figure(picture, squares), alt, photo=True)


def fields_figure(picture: Float[Tensor, "3 h w"], squares: Sequence[Square], margin: int = 6) -> Figure:
    """The figure behind `fields_on`."""
    height, width = picture.shape[-2:]
    tall = page.WIDTH * 0.62 * height / width
    figure = page.blank(page.WIDTH, tall + 0.1)
    whole, near = figure.subplots(1, 2, width_ratios=[page.WIDTH * 0.62, tall])
    large = max(squares, key=lambda square: square.side)
    for axis in (whole, near):
        page.bare(axis)
        axis.imshow(page.to_rgb(picture), interpolation="nearest")
        for square in squares:
            outline(axis, square)
    for square in squares:
        place = (square.column - square.side / 2, square.row + square.side / 2 + 0.5)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
        near.text(*place, square.name, fontsize=8, va="top", bbox=box)
    reach = large.side / 2 + margin
    near.set_xlim(large.column - reach, large.column + reach)  # fields may reach over the edge
    near.set_ylim(large.row + reach, large.row - reach)
    near.set_facecolor("0.85")
    return figure


def channels(rows: Mapping[str, Float[Tensor, "k h w"]], alt: str) -> None:
    """Feature maps: a row for each scale, a panel for each channel. Dark is 0, bright the panel's largest value."""
    page.show(channels_figure(rows), alt)


def channels_figure(rows: Mapping[str, Float[Tensor, "k h w"]]) -> Figure:
    """The figure behind `channels`."""
    columns = max(len(maps) for maps in rows.values())
    height, width = next(iter(rows.values())).shape[-2:]
    figure = page.blank(page.WIDTH, len(rows) * ((page.WIDTH - 0.3) / columns * height / width + 0.05))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, maps) in zip(axes, rows.items(), strict=True):
        for axis, values in zip(line, maps):
            axis.imshow(values.detach().cpu().numpy(), cmap=page.MAP, vmin=0, interpolation="nearest")
        for axis in line:
            page.bare(axis)
        line[0].set_ylabel(name, fontsize=9)
    return figure


def strongest(features: Float[Tensor, "c h w"], count: int) -> Float[Tensor, "k h w"]:
    """The `count` channels that vary most over the picture, the most varied first."""
    spread = rearrange(features, "c h w -> c (h w)").std(dim=1)
    return features[spread.argsort(descending=True, stable=True)[:count]]


def sensitivity_maps(
    rows: Mapping[str, Mapping[str, Float[Tensor, "h w"]]], squares: Mapping[str, Square], alt: str
) -> None:
    """Effective receptive fields: a row for each network, a column for each scale.

    An outline shows the square of pixels that the cell can see at most. The square root of each map is drawn, so that
    weak parts can be seen; each map has a scale up to its largest value.
    """
    page.show(sensitivity_figure(rows, squares), alt)


def sensitivity_figure(rows: Mapping[str, Mapping[str, Float[Tensor, "h w"]]], squares: Mapping[str, Square]) -> Figure:
    """The figure behind `sensitivity_maps`."""
    each = (page.WIDTH * 0.72 - 0.3) / len(squares)
    figure = page.blank(page.WIDTH * 0.72, len(rows) * each + 0.3)
    axes = figure.subplots(len(rows), len(squares), squeeze=False)
    for axis, scale in zip(axes[0], squares, strict=True):
        axis.set_title(scale, fontsize=9, pad=3)
    for line, (name, maps) in zip(axes, rows.items(), strict=True):
        for axis, (scale, square) in zip(line, squares.items(), strict=True):
            page.bare(axis)
            axis.imshow(maps[scale].sqrt().cpu().numpy(), cmap=page.MAP, vmin=0, interpolation="nearest")
            outline(axis, square)
        line[0].set_ylabel(name, fontsize=9)
    return figure


def changes(
    maps: Mapping[str, Float[Tensor, "1 _ _"]], hole: Float[Tensor, "1 h w"], alt: str, *, top: float = 1.0, label: str
) -> None:
    """Maps of cells of any size over the same frame, the hole's outline on each, on one scale from 0 to `top`."""
    page.show(changes_figure(maps, hole, top, label), alt)


def changes_figure(
    maps: Mapping[str, Float[Tensor, "1 _ _"]], hole: Float[Tensor, "1 h w"], top: float, label: str
) -> Figure:
    """The figure behind `changes`."""
    height, width = hole.shape[-2:]
    figure = page.blank(page.WIDTH, (page.WIDTH - 1.0) / len(maps) * height / width + 0.35)
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    for axis, (name, values) in zip(axes, maps.items(), strict=True):
        page.bare(axis)
        frame = (-0.5, width - 0.5, height - 0.5, -0.5)
        drawn = axis.imshow(
            rearrange(values, "1 h w -> h w").detach().cpu().numpy(), cmap=page.MAP, vmin=0, vmax=top, extent=frame,
            interpolation="nearest",
        )  # fmt: skip
        shape = rearrange(hole, "1 h w -> h w").cpu().numpy()
        axis.contour(shape, levels=[0.5], colors="black", linewidths=2.4)
        axis.contour(shape, levels=[0.5], colors="white", linewidths=0.9)
        axis.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes), fraction=0.02, extend="max", label=label)
    return figure


def fates(
    mask: Float[Tensor, "1 h w"], small: Float[Tensor, "1 hs ws"], picture: Float[Tensor, "3 h w"]
) -> Float[Tensor, "3 h w"]:
    """The picture in pale grey, and in the colours of FATES what a smaller mask makes of each pixel."""
    factor = mask.shape[-1] // small.shape[-1]
    wide = repeat(small, "1 a b -> 1 (a fa) (b fb)", fa=factor, fb=factor)
    painted = repeat(reduce(picture, "c h w -> h w", "mean") * 0.4 + 0.6, "h w -> c h w", c=3)
    regions = (mask * wide, (1 - mask) * wide, mask * (1 - wide))
    for region, colour in zip(regions, FATES.values(), strict=True):
        painted = torch.where(region > 0, rearrange(torch.tensor(colour_of(colour)), "c -> c 1 1"), painted)
    return painted


def fate_maps(pictures: Mapping[str, Float[Tensor, "3 h w"]], alt: str, *, columns: int = 3) -> None:
    """Pictures of `fates`, with their names and a legend of the colours."""
    page.show(fate_figure(pictures, columns), alt, photo=True)


def fate_figure(pictures: Mapping[str, Float[Tensor, "3 h w"]], columns: int) -> Figure:
    """The figure behind `fate_maps`."""
    flat: list[Tensor | None] = list(pictures.values())
    figure = page.grid([flat[i : i + columns] for i in range(0, len(flat), columns)], [], list(pictures))
    figure.set_figheight(figure.get_figheight() + 0.35)
    patches = [Patch(facecolor=colour, edgecolor="black", label=name) for name, colour in FATES.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure
