"""Figures of TGF-Net's fusion (sec. D): scores and weights of the groups, strength of features, maps over a clip.

`figures/choices.py` draws the weights of one filled frame; here several groups, frames or features stand beside each
other. Weights are over groups, (n 1 h w); masks 1 = hole.
"""

import math
from collections.abc import Mapping, Sequence

from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.figures import choices, clips, page
from vinpaint_lib.figures.choices import legend
from vinpaint_lib.holes.box import around

COLUMNS = 4  # maps of scores beside each other
MARGIN = 5  # pixels around the hole that maps over time show
APART = 8.0  # smallest distance of two group numbers in these maps, in pixels


def scores_and_weights(
    scores: Float[Tensor, "n 1 h w"],
    weights: Float[Tensor, "n 1 h w"],
    hole: Float[Tensor, "1 h w"],
    names: Sequence[str],
    alt: str,
) -> None:
    """The scores WF of every group (any range), and below them the weights GA of every group (0 to 1), in the hole.

    Scores and weights have different scales of colour.
    """
    columns = min(COLUMNS, len(names))
    blocks = math.ceil(len(names) / columns)
    close = around(hole, 2).slices
    hole = hole[..., *close]
    height, width = hole.shape[-2:]
    each = (page.WIDTH - 1.3) / columns
    figure = page.blank(page.WIDTH, 2 * blocks * (each * height / width + 0.22) + 0.1, edge=0.04)
    inside = scores[..., *close][repeat(hole > 0, "1 h w -> n 1 h w", n=len(scores))]
    limits = ((float(inside.min()), float(inside.max())), (0.0, 1.0))
    parts = zip(
        figure.subfigures(2, 1, squeeze=False).flat, ("score WF", "weight GA"), (scores, weights), limits, strict=True
    )
    for half, label, values, (low, high) in parts:
        axes = half.subplots(blocks, columns, squeeze=False)
        for n, axis in enumerate(axes.flat):
            page.bare(axis)
            if n >= len(names):
                axis.set_visible(False)
                continue
            shown = choices.inside(values[n][..., *close], hole)
            drawn = axis.imshow(shown, cmap=page.MAP, vmin=low, vmax=high, interpolation="nearest")
            axis.set_title(f"{n + 1}  {names[n]}", fontsize=8, pad=3)
        half.colorbar(drawn, ax=list(axes.flat), fraction=0.02, label=label)
    page.show(figure, alt)


def over_time(
    pictures: Float[Tensor, "t 3 h w"],
    maps: Mapping[str, Float[Tensor, "t n 1 h w"]],
    hole: Float[Tensor, "1 h w"],
    frames: Sequence[int],
    names: Sequence[str],
    alt: str,
) -> None:
    """A row of filled pictures of some frames, and below it for each of `maps` a row that shows which group wins where.

    Only the surroundings of the hole are drawn. Colours and numbers stand for the groups; a legend below names them.
    `frames` are the frame numbers on top.
    """
    close = around(hole, MARGIN).slices
    pictures, hole = pictures[..., *close], hole[..., *close]
    maps = {name: weights[..., *close] for name, weights in maps.items()}
    painted = [
        [choices.painted(one, picture, hole) for one, picture in zip(weights, pictures)] for weights in maps.values()
    ]
    top = [clips.outlined(picture, hole) for picture in pictures]
    figure = page.grid([top, *painted], ["filled", *maps], [f"frame {t}" for t in frames])
    for place, weights in enumerate(maps.values(), start=1):
        for column, one in enumerate(weights):
            choices.numbered(figure.axes[place * len(frames) + column], one, hole, APART)
    legend(figure, names)
    page.show(figure, alt, photo=True)


def weight_picture(
    weight: Float[Tensor, "1 a b"], picture: Float[Tensor, "3 h w"], hole: Float[Tensor, "1 h w"]
) -> Float[Tensor, "3 h w"]:
    """One group's weight in the hole, black 0 to white 1, each cell repeated; around the hole the picture is pale."""
    wide = choices.enlarge(rearrange(weight, "1 a b -> 1 1 a b"), (picture.shape[-2], picture.shape[-1]))
    grey = repeat(wide, "1 1 h w -> c h w", c=3)
    return clips.outlined(grey * hole + (picture * 0.5 + 0.5) * (1 - hole), hole)


def rows_of(table: Mapping[str, Mapping[str, Tensor]], alt: str) -> None:
    """A table of pictures (3 h w): row name -> column name -> picture; all rows have the same columns."""
    columns = list(next(iter(table.values())))
    pictures: list[list[Tensor | None]] = [[row[name] for name in columns] for row in table.values()]
    page.show(page.grid(pictures, list(table), columns), alt, photo=True)


def strength(features: Mapping[str, Float[Tensor, "c h w"]], hole: Float[Tensor, "1 h w"], alt: str) -> None:
    """How strong features are in each cell: root mean square over channels, on one scale, with the hole's outline."""
    maps = {name: feature.square().mean(dim=0).sqrt() for name, feature in features.items()}
    top = max(float(values.max()) for values in maps.values())
    height, width = hole.shape[-2:]
    figure = page.blank(page.WIDTH, (page.WIDTH - 1.0) / len(maps) * height / width + 0.35)
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    outline = functional.pad(hole, (1, 1, 1, 1))[0].numpy()
    for axis, (name, values) in zip(axes, maps.items(), strict=True):
        page.bare(axis)
        drawn = axis.imshow(values.numpy(), cmap=page.MAP, vmin=0, vmax=top, interpolation="nearest")
        axis.contour(range(-1, width + 1), range(-1, height + 1), outline, levels=[0.5], colors="white", linewidths=1.2)
        axis.set_xlim(-0.5, width - 0.5)
        axis.set_ylim(height - 0.5, -0.5)
        axis.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes), fraction=0.02, label="strength")
    page.show(figure, alt)


def in_hole(values: Mapping[str, Float[Tensor, "1 h w"]], hole: Float[Tensor, "1 h w"], alt: str, top: float) -> None:
    """Maps of the hole beside each other on one scale from 0 to `top`; white outside of the hole."""
    close = around(hole).slices
    hole = hole[..., *close]
    height, width = hole.shape[-2:]
    figure = page.blank(page.WIDTH, (page.WIDTH - 0.9) / len(values) * height / width + 0.35)
    axes = figure.subplots(1, len(values), squeeze=False)[0]
    for axis, (name, one) in zip(axes, values.items(), strict=True):
        page.bare(axis)
        shown = choices.inside(one[..., *close], hole)
        drawn = axis.imshow(shown, cmap=page.MAP, vmin=0, vmax=top, interpolation="nearest")
        axis.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes), fraction=0.02, extend="max", label="weight")
    page.show(figure, alt)
