"""Stacked bars: the parts of a total, side by side for several measures. Made and shown as `page.py` says."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from vinpaint_lib.figures import page

TONES = ("#00305A", "#7FB2DD", "#F7B58A", "#C44E00", "#2CA58D", "#A9E4D0")  # dark, light, light, dark: edges show
HATCHES = ("", "///", "", "xxx", "", "...")  # for a grey print

Rows = Mapping[str, Mapping[str, float]]


def stacked(panels: Mapping[str, Rows], alt: str) -> None:
    """A panel for each of `panels` (axis label -> rows -> parts -> length); all rows have the same parts.

    Raises ValueError for more parts than can be told apart.
    """
    page.show(figure_of(panels), alt)


def figure_of(panels: Mapping[str, Rows]) -> Figure:
    """The figure behind `stacked`."""
    first = next(iter(panels.values()))
    parts = list(next(iter(first.values())))
    if len(parts) > len(TONES):
        raise ValueError(f"bars can have {len(TONES)} parts, not {len(parts)}")
    figure = page.blank(page.WIDTH, 0.32 * len(first) + 0.95)
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (label, rows) in zip(axes, panels.items(), strict=True):
        for place, lengths in enumerate(rows.values()):
            begin = 0.0
            for n, part in enumerate(parts):
                look = {"color": TONES[n], "hatch": HATCHES[n], "edgecolor": "white", "linewidth": 0.4}
                axis.barh(place, lengths[part], left=begin, label=part if place == 0 else None, **look)
                begin += lengths[part]
        axis.set_yticks(range(len(rows)), list(rows), fontsize=9)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.set_xlabel(label, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(axis="x", color="0.88", linewidth=0.6)
        axis.set_axisbelow(True)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(parts), fontsize=9, frameon=False
    )
    return figure
