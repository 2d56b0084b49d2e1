"""Figures of the fusion before and behind one frame: scores and weights of groups, and attention maps over a clip.

`viz_attention` looks into one filled frame; here frames, scales or replaced references stand beside each other. Weights
are over groups, (n 1 h w); masks 1 = hole.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence

from einops import rearrange, repeat
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor
from torch.nn import functional

from vinpaint_lib import viz, viz_attention


def scores_and_weights(
    scores: Float[Tensor, "n 1 h w"],
    weights: Float[Tensor, "n 1 h w"],
    hole: Float[Tensor, "1 h w"],
    names: Sequence[str],
    alt: str,
) -> None:
    """For every group its scores WF (any range) above its weights GA (0 to 1), in the hole; two scales of colour."""
    columns = min(9, len(names))
    blocks = math.ceil(len(names) / columns)
    close = viz_attention.around(hole, 2)
    hole = hole[..., *close]
    height, width = hole.shape[-2:]
    each = (viz.WIDTH - 1.5) / columns
    figure = viz.blank(viz.WIDTH, blocks * (2 * each * height / width + 0.75))
    axes = figure.subplots(2 * blocks, columns, squeeze=False)
    inside = scores[..., *close][repeat(hole > 0, "1 h w -> n 1 h w", n=len(scores))]
    limits = {"WF": (float(inside.min()), float(inside.max())), "GA": (0.0, 1.0)}
    rows: dict[str, list] = {"WF": [], "GA": []}
    for n in range(columns * blocks):
        for part, (name, values) in enumerate((("WF", scores), ("GA", weights))):
            axis = axes[n // columns * 2 + part, n % columns]
            viz.bare(axis)
            if n >= len(names):
                axis.set_visible(False)
                continue
            low, high = limits[name]
            shown = viz_attention.inside(values[n][..., *close], hole)
            drawn = axis.imshow(shown, cmap=viz.MAP, vmin=low, vmax=high, interpolation="nearest")
            rows[name].append((axis, drawn))
            if part == 0:
                axis.set_title(f"{n + 1}\n{textwrap.fill(names[n], 10)}", fontsize=8, pad=3)
            if n % columns == 0:
                axis.set_ylabel(name, fontsize=9)
    for name, label in (("WF", "score WF"), ("GA", "weight GA")):
        figure.colorbar(rows[name][0][1], ax=[axis for axis, _ in rows[name]], fraction=0.02, label=label)
    viz.show(figure, alt)


def over_time(
    pictures: Float[Tensor, "t 3 h w"],
    maps: Mapping[str, Float[Tensor, "t n 1 h w"]],
    hole: Float[Tensor, "1 h w"],
    frames: Sequence[int],
    names: Sequence[str],
    alt: str,
) -> None:
    """Filled pictures of some frames in a row, and below them who wins where, a row for each of `maps`.

    Colours and numbers are the groups'; a legend below names them. `frames` are the numbers on top.
    """
    painted = [
        [viz_attention.painted(one, picture, hole) for one, picture in zip(weights, pictures)]
        for weights in maps.values()
    ]
    top = [viz.outlined(picture, hole) for picture in pictures]
    figure = viz.grid([top, *painted], ["filled", *maps], [f"frame {t}" for t in frames])
    for place, weights in enumerate(maps.values(), start=1):
        for column, one in enumerate(weights):
            viz_attention.numbered(figure.axes[place * len(frames) + column], one, hole)
    legend(figure, names)
    viz.show(figure, alt, photo=True)


def legend(figure: Figure, names: Sequence[str]) -> None:
    """The groups' numbers, names and colours below a figure."""
    figure.set_figheight(figure.get_figheight() + 0.25 * math.ceil(len(names) / 3) + 0.1)
    patches = [
        Patch(facecolor=viz.COLOURS[n % len(viz.COLOURS)], edgecolor="black", label=f"{n + 1}  {name}")
        for n, name in enumerate(names)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=3, fontsize=9, frameon=False)


def weight_picture(
    weight: Float[Tensor, "1 a b"], picture: Float[Tensor, "3 h w"], hole: Float[Tensor, "1 h w"]
) -> Float[Tensor, "3 h w"]:
    """One group's weight in the hole, black 0 to white 1, each cell repeated; the picture in pale around it."""
    wide = viz_attention.enlarge(rearrange(weight, "1 a b -> 1 1 a b"), (picture.shape[-2], picture.shape[-1]))
    grey = repeat(wide, "1 1 h w -> c h w", c=3)
    return viz.outlined(grey * hole + (picture * 0.5 + 0.5) * (1 - hole), hole)


def rows_of(table: Mapping[str, Mapping[str, Tensor]], alt: str) -> None:
    """A table of pictures (3 h w): row name -> column name -> picture; all rows have the same columns."""
    columns = list(next(iter(table.values())))
    pictures: list[list[Tensor | None]] = [[row[name] for name in columns] for row in table.values()]
    viz.show(viz.grid(pictures, list(table), columns), alt, photo=True)


def strength(features: Mapping[str, Float[Tensor, "c h w"]], hole: Float[Tensor, "1 h w"], alt: str) -> None:
    """How strong features are in each cell: root mean square over channels, on one scale, with the hole's outline."""
    maps = {name: feature.square().mean(dim=0).sqrt() for name, feature in features.items()}
    top = max(float(values.max()) for values in maps.values())
    height, width = hole.shape[-2:]
    figure = viz.blank(viz.WIDTH, (viz.WIDTH - 1.0) / len(maps) * height / width + 0.35)
    axes = figure.subplots(1, len(maps), squeeze=False)[0]
    outline = functional.pad(hole, (1, 1, 1, 1))[0].numpy()
    for axis, (name, values) in zip(axes, maps.items(), strict=True):
        viz.bare(axis)
        drawn = axis.imshow(values.numpy(), cmap=viz.MAP, vmin=0, vmax=top, interpolation="nearest")
        axis.contour(range(-1, width + 1), range(-1, height + 1), outline, levels=[0.5], colors="white", linewidths=1.2)
        axis.set_xlim(-0.5, width - 0.5)
        axis.set_ylim(height - 0.5, -0.5)
        axis.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes), fraction=0.02, label="strength")
    viz.show(figure, alt)


def in_hole(values: Mapping[str, Float[Tensor, "1 h w"]], hole: Float[Tensor, "1 h w"], alt: str, top: float) -> None:
    """Maps of the hole beside each other on one scale from 0 to `top`; white outside of the hole."""
    close = viz_attention.around(hole)
    hole = hole[..., *close]
    height, width = hole.shape[-2:]
    figure = viz.blank(viz.WIDTH, (viz.WIDTH - 0.9) / len(values) * height / width + 0.35)
    axes = figure.subplots(1, len(values), squeeze=False)[0]
    for axis, (name, one) in zip(axes, values.items(), strict=True):
        viz.bare(axis)
        shown = viz_attention.inside(one[..., *close], hole)
        drawn = axis.imshow(shown, cmap=viz.MAP, vmin=0, vmax=top, interpolation="nearest")
        axis.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes), fraction=0.02, extend="max", label="weight")
    viz.show(figure, alt)
