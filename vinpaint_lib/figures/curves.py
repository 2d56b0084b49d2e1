"""Curves: several lines in a panel, several panels in a figure. Made and shown as `page.py` says.

Lines differ in colour, dash and marker, so that every reader can tell them apart, also in a grey print.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vinpaint_lib.figures import page

HUES = (page.COLOURS[0], page.COLOURS[2], page.COLOURS[4], page.COLOURS[6], "black")
DASHES = ("-", "--", "-.", ":", "-")
MARKERS = "os^Dv"


class Panel(NamedTuple):
    """One plot: title, labels of both axes, and lines (name -> (x values, y values)) in a fixed order.

    log: which axes are logarithmic, "", "x", "y" or "xy". floor: the lowest value of the y axis; None: chosen from the
    data. ticks: the x values with a tick; None: chosen from the data.
    """

    title: str
    x: str
    y: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    log: str = ""
    floor: float | None = None
    ticks: Sequence[float] | None = None


def curves(
    panels: Sequence[Panel],
    alt: str,
    *,
    columns: int = 2,
    height: float = 2.4,
    below: bool = False,
    path: str | Path | None = None,
) -> None:
    """The panels in rows of `columns`, each `height` inches; one legend below for all if they name the same lines.

    `below` puts the legend of a single panel below it too, where it would hide a line otherwise.

    Raises ValueError without panels, or for more lines in a panel than can be told apart.
    """
    page.show(figure_of(panels, columns, height, below), alt, path=path)


def figure_of(panels: Sequence[Panel], columns: int, height: float, below: bool = False) -> Figure:
    """The figure behind `curves`."""
    if not panels or max(len(panel.lines) for panel in panels) > len(HUES):
        raise ValueError(f"a figure needs panels, of at most {len(HUES)} lines each")
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    shared = (len(panels) > 1 or below) and all(list(panel.lines) == list(panels[0].lines) for panel in panels)
    width = page.WIDTH * (0.62 if columns == 1 else 1.0)
    figure = page.blank(width, rows * height + (0.35 if shared else 0.0))
    places = figure.subplots(rows, columns, squeeze=False)
    for axis, panel in zip(places.flat, panels, strict=False):
        draw(axis, panel)
        if not shared and len(panel.lines) > 1:
            axis.legend(fontsize=8, frameon=False)
    for axis in places.flat[len(panels) :]:
        axis.set_visible(False)
    if shared and len(panels[0].lines) > 1:
        handles, names = places.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=9, frameon=False)
    return figure


def draw(axis, panel: Panel) -> None:
    """One panel on its axes."""
    whole = all(float(value).is_integer() for x, _ in panel.lines.values() for value in x)  # frames, steps, pixels
    for n, (name, (x, y)) in enumerate(panel.lines.items()):
        many = len(x) > 12
        axis.plot(
            x, y, label=name, color=HUES[n], linestyle=DASHES[n], marker=MARKERS[n], markersize=4,
            markevery=max(1, len(x) // 8) if many else 1,
        )  # fmt: skip
    axis.set_title(panel.title, fontsize=9, pad=3)
    axis.set_xlabel(panel.x, fontsize=9)
    axis.set_ylabel(panel.y, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(color="0.88", linewidth=0.6)
    axis.set_axisbelow(True)
    for side, scale, locate in (("x", axis.set_xscale, axis.xaxis), ("y", axis.set_yscale, axis.yaxis)):
        if side in panel.log:
            scale("log")
        else:
            locate.set_major_locator(MaxNLocator(6, integer=side == "x" and whole))
            axis.ticklabel_format(axis=side, scilimits=(-3, 4), useMathText=True)
    if panel.ticks is not None:
        axis.set_xticks(panel.ticks)
    if panel.floor is not None:
        axis.set_ylim(bottom=panel.floor)
