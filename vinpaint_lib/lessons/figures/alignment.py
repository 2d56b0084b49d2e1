"""Figures of alignment: where a map samples, and estimated parameters against true ones.

Made and shown as `figures/page.py` says.
"""

from collections.abc import Mapping, Sequence

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib.alignment import affine
from vinpaint_lib.figures import clips, page
from vinpaint_lib.figures.curves import HUES  # so that a network keeps its colour from its curve to its markers
from vinpaint_lib.motion import warp

FRAME = 6  # pixels around a picture, so that what lies on its edge is drawn whole
MARKERS = ("x", "o", "^")


def sampling(
    picture: Float[Tensor, "3 h w"], maps: Mapping[str, Float[Tensor, "2 3"]], alt: str, *, every: int = 12
) -> None:
    """For each theta (corner coordinates): above, where the pixels of the result sample `picture`; below, the result.

    The positions are drawn as a grid, about one line for `every` pixels; its first row is thicker and in another
    colour.
    """
    page.show(sampling_figure(picture, maps, every), alt, photo=True)


def sampling_figure(picture: Float[Tensor, "3 h w"], maps: Mapping[str, Float[Tensor, "2 3"]], every: int) -> Figure:
    """The figure behind `sampling`."""
    height, width = picture.shape[-2:]
    each = page.WIDTH / len(maps)
    figure = page.blank(page.WIDTH, 2 * each * height / width + 0.3)
    axes = figure.subplots(2, len(maps), squeeze=False)
    # From edge to edge, so that the outline of the grid is the outline of the result.
    rows, columns = max(height // every, 2), max(width // every, 2)
    x, y = torch.meshgrid(torch.linspace(-1, 1, columns), torch.linspace(-1, 1, rows), indexing="xy")
    points = rearrange(torch.stack([x, y]), "xy r c -> 1 (r c) xy")
    scale = torch.tensor([width - 1, height - 1]) / 2
    for column, (name, theta) in enumerate(maps.items()):
        one = rearrange(theta, "i j -> 1 i j")
        at = rearrange((affine.apply(one, points) + 1) * scale, "1 (r c) xy -> xy r c", r=rows)
        above, below = axes[0, column], axes[1, column]
        above.imshow(page.to_rgb(picture * 0.6 + 0.4), interpolation="nearest")
        lines = [(at[0, :, c], at[1, :, c]) for c in range(columns)] + [(at[0, r], at[1, r]) for r in range(1, rows)]
        above.plot(at[0, 0], at[1, 0], color=page.COLOURS[2], linewidth=2.4, zorder=3)
        for across, down in lines:
            above.plot(across, down, color=page.COLOURS[0], linewidth=0.8)
        above.set_title(name, fontsize=9, pad=3)
        below.imshow(
            page.to_rgb(warp.by_affine(rearrange(picture, "c h w -> 1 c h w"), one)[0]), interpolation="nearest"
        )
        for axis in (above, below):
            page.bare(axis)
            axis.set_xlim(-0.5 - FRAME, width - 0.5 + FRAME)
            axis.set_ylim(height - 0.5 + FRAME, -0.5 - FRAME)
    axes[0, 0].set_ylabel("looks at", fontsize=9)
    axes[1, 0].set_ylabel("shows", fontsize=9)
    return figure


def scatter(
    truth: Float[Tensor, "b k"], found: Mapping[str, Float[Tensor, "b k"]], names: Sequence[str], alt: str
) -> None:
    """Estimates over true values: a panel for each of k parameters, a marker for each of `found`.

    A point on the diagonal is a right estimate.
    """
    page.show(scatter_figure(truth, found, names), alt)


def scatter_figure(
    truth: Float[Tensor, "b k"], found: Mapping[str, Float[Tensor, "b k"]], names: Sequence[str]
) -> Figure:
    """The figure behind `scatter`."""
    figure = page.blank(page.WIDTH, page.WIDTH / len(names) + 0.55)
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for k, (axis, name) in enumerate(zip(axes, names, strict=True)):
        reach = float(truth[:, k].abs().max()) * 1.1
        axis.plot([-reach, reach], [-reach, reach], color="0.6", linewidth=1)
        for n, (label, values) in enumerate(found.items()):
            style = {
                "color": HUES[n % len(HUES)],
                "marker": MARKERS[n % len(MARKERS)],
                "linestyle": "none",
                "markersize": 4,
            }
            axis.plot(truth[:, k], values[:, k], label=label, fillstyle="none", **style)
        axis.set_xlim(-reach, reach)
        axis.set_ylim(-reach, reach)
        axis.set_aspect("equal")
        axis.set_title(name, fontsize=9, pad=3)
        axis.set_xlabel("true", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
    axes[0].set_ylabel("found", fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9, frameon=False)
    return figure


def difference(
    one: Float[Tensor, "3 h w"], other: Float[Tensor, "3 h w"], shown: Float[Tensor, "1 h w"], times: float = 2.0
) -> Float[Tensor, "3 h w"]:
    """|one - other| (mean over RGB, drawn `times` as strong) as a grey picture, black 0; stripes where `shown` is 0."""
    gap = repeat(times * clips.error(one, other), "1 h w -> c h w", c=3).clamp(0, 1)
    return clips.tinted(gap, 1 - shown)
