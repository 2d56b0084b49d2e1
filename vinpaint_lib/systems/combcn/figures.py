"""Figures of 3DCN and CombCN: a table of layers as bars with its skips, how far a gradient reaches over time, and how
volumes cover a clip.

`figures/page.py` makes and shows them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from einops import rearrange
from jaxtyping import Float
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch
from torch import Tensor

from vinpaint_lib.figures import architecture as drawing, page
from vinpaint_lib.figures.architecture import Box, Wire
from vinpaint_lib.figures.curves import HUES, Panel, draw
from vinpaint_lib.systems.combcn.layer_table import LayerRow
from vinpaint_lib.systems.combcn.network import TABLE as COMB_TABLE, Config
from vinpaint_lib.systems.combcn.volume import TABLE as VOLUME_TABLE

# Kinds of layers, and how they are drawn: a light and a dark tone in turn, and hatches for a grey print.
KINDS = {
    "convolution": (page.COLOURS[1], ""),
    "stride 2": (page.COLOURS[0], ""),
    "dilated": (page.COLOURS[6], "///"),
    "transposed": (page.COLOURS[2], ""),
}


def kind(row: LayerRow) -> str:
    """Which of KINDS a layer is."""
    if row.up:
        return "transposed"
    if row.stride > 1:
        return "stride 2"
    return "dilated" if row.dilation > 1 else "convolution"


def tables(nets: Mapping[str, tuple[Sequence[LayerRow], Sequence[tuple[int, int]]]], alt: str) -> None:
    """Tables of layers, one below the other: name -> rows and (channels, side) behind each layer.

    Each layer is a bar, as high as its picture has rows; its channels stand above it. Arcs are skips; the word "guide"
    stands in the bar of a layer that the guide joins. Raises ValueError if a table does not have one size for each row.
    """
    page.show(tables_figure(nets), alt)


def tables_figure(nets: Mapping[str, tuple[Sequence[LayerRow], Sequence[tuple[int, int]]]]) -> Figure:
    """The figure behind `tables`."""
    figure = page.blank(page.WIDTH, 2.5 * len(nets) + 0.35)
    axes = figure.subplots(len(nets), 1, squeeze=False)[:, 0]
    for axis, (name, (rows, sizes)) in zip(axes, nets.items(), strict=True):
        top = max(side for _, side in sizes)
        for n, (row, (channels, side)) in enumerate(zip(rows, sizes, strict=True), start=1):
            colour, hatch = KINDS[kind(row)]
            axis.bar(n, side, width=0.72, color=colour, hatch=hatch, edgecolor="black", linewidth=0.5)
            axis.text(n, side + 0.02 * top, str(channels), ha="center", va="bottom", fontsize=8)
            if row.skip:
                start, end = ((place, sizes[place - 1][1] + 0.12 * top) for place in (row.skip, n))
                bend = -0.17 if n - row.skip > 5 else -0.3  # long arcs are high enough as it is
                axis.add_patch(
                    FancyArrowPatch(
                        start, end, connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>", mutation_scale=7,
                        color="0.35", linewidth=0.9,
                    )
                )  # fmt: skip
            if row.guide:
                axis.text(n, 0.06 * top, "guide", ha="center", va="bottom", fontsize=8, rotation=90, weight="bold")
        axis.set_xticks(range(1, len(rows) + 1))
        axis.set_xlim(0.4, 17.6)
        axis.set_ylim(0, 1.85 * top)
        axis.set_yticks(sorted({side for _, side in sizes}))
        axis.set_ylabel("rows of the picture", fontsize=9)
        axis.set_title(f"{name}: layers from left to right, channels above", fontsize=9, pad=3)
        axis.tick_params(labelsize=8)
    patches = [Patch(facecolor=c, hatch=h, edgecolor="black", label=name) for name, (c, h) in KINDS.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=9, frameon=False)
    return figure


def reach(
    rows: Mapping[str, Float[Tensor, "t 1 h w"]], frames: Sequence[int], alt: str, *, decades: int = 4, label: str = ""
) -> None:
    """Maps of a gradient's size in some frames of a clip, one line of pictures for each of `rows`.

    All maps share one logarithmic scale, which ends at the largest value. Exact zeros are grey. Raises ValueError if
    all values are zero.
    """
    page.show(reach_figure(rows, frames, decades, label), alt)


def reach_figure(
    rows: Mapping[str, Float[Tensor, "t 1 h w"]], frames: Sequence[int], decades: int, label: str
) -> Figure:
    """The figure behind `reach`."""
    top = max(float(maps.max()) for maps in rows.values())
    if top <= 0:
        raise ValueError("nothing to draw: the gradient is zero everywhere")
    height, width = next(iter(rows.values())).shape[-2:]
    figure = page.blank(page.WIDTH, len(rows) * ((page.WIDTH - 1.1) / len(frames) * height / width + 0.05) + 0.35)
    axes = figure.subplots(len(rows), len(frames), squeeze=False)
    scale = LogNorm(top / 10**decades, top)
    for line, (name, maps) in zip(axes, rows.items(), strict=True):
        for axis, t in zip(line, frames, strict=True):
            page.bare(axis)
            values = rearrange(maps[t], "1 h w -> h w").detach().cpu().numpy()
            axis.set_facecolor("0.8")
            axis.set_xlim(-0.5, width - 0.5)
            axis.set_ylim(height - 0.5, -0.5)
            shown = np.ma.masked_equal(values, 0.0)
            drawn = axis.imshow(shown.clip(top / 10**decades), cmap=page.MAP, norm=scale, interpolation="nearest")
        line[0].set_ylabel(name, fontsize=9)
    for axis, t in zip(axes[0], frames, strict=True):
        axis.set_title(f"frame {t}", fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes.flat), fraction=0.02, extend="min", label=label)
    return figure


def covering(shares: Panel, reflected: Panel, alt: str) -> None:
    """Two plots: the share of each volume in each frame, with its legend below, and a clip reflected in time."""
    page.show(covering_figure(shares, reflected), alt)


def covering_figure(shares: Panel, reflected: Panel) -> Figure:
    """The figure behind `covering`. Raises ValueError for more volumes than there are colours."""
    if len(shares.lines) > len(HUES):
        raise ValueError(f"at most {len(HUES)} volumes can be told apart, not {len(shares.lines)}")
    figure = page.blank(page.WIDTH, 2.75)
    left, right = figure.subplots(1, 2)
    draw(left, shares)
    draw(right, reflected)
    # The legend stands below the plots: inside it would cover the lines, which fill the whole plot.
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


def architecture(config: Config, alt: str) -> None:
    """Both networks of a configuration as boxes: what each is given, and the guide between them."""
    drawing.draw(*parts(config), alt, height=3.1, kinds="White: pictures. Blue: layers that learn.")


def parts(config: Config) -> tuple[list[Box], list[Wire]]:
    """The boxes and arrows behind `architecture`."""
    r, frames = config.shrink, config.frames
    nets = ((VOLUME_TABLE, 3, config.volume_width), (COMB_TABLE, 2, config.comb_width))
    layers = [
        f"{len(table)} layers, {axes}D\n{max(row.width for row in table) * width} channels at most"
        for table, axes, width in nets
    ]
    boxes = [
        Box("given clip", 0, 1, f"$V_{{in}}$ and $M$\n{frames} frames", "picture"),
        Box("small clip", 1, 0, f"all {frames} frames\nat 1/{r}", "picture"),
        Box("3DCN", 2.1, 0, layers[0], width=1.0),
        Box("small volume", 3.2, 0, f"$V$, {frames} frames\nat 1/{r}", "picture"),
        Box("guide", 4.3, 0, "$I$: $V$ in the hole,\nknown cells elsewhere" if config.guidance else "even grey",
            "picture", width=1.0),
        Box("one frame", 2.1, 1, "and its mask\nat full size", "picture"),
        Box("CombCN", 4.3, 1, layers[1], width=1.0),
        Box("final frame", 5.4, 1, "$V_{out}$, one frame\nof it", "picture"),
    ]  # fmt: skip
    wires = [
        Wire("given clip", "small clip", f"shrink by {r}", "down", (-0.2, -0.6)),
        Wire("given clip", "one frame", "frame by frame"),
        Wire("small clip", "3DCN"), Wire("3DCN", "small volume"), Wire("small volume", "guide"),
        Wire("small clip", "guide", "known cells", "over", (0, -0.68)),
        Wire("one frame", "CombCN"), Wire("guide", "CombCN", "the only wire", shift=(0.4, 0)),
        Wire("CombCN", "final frame"),
    ]  # fmt: skip
    return boxes, wires
