"""Drawn diagrams: boxes in a row with arrows between them, for example the way of the data through the library."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from vinpaint_lib.figures import page

INK, BODY = "#00305A", "#E8F0F7"
HEIGHT = 2.1  # inches
HALF = 0.40  # half of a box's width; boxes stand one unit apart


class Station(NamedTuple):
    """A box: its name, lines of small text in it, and a line below it."""

    name: str
    lines: Sequence[str] = ()
    below: str = ""


def walk(stations: Sequence[Station], alt: str, *, back: tuple[str, str, str] | None = None) -> None:
    """Boxes from left to right. `back`: an arrow above them from one box to an earlier box, and its label."""
    page.show(figure(stations, back), alt)


def figure(stations: Sequence[Station], back: tuple[str, str, str] | None = None) -> Figure:
    """The figure behind `walk`. Raises ValueError if `back` names no stations, or does not lead back."""
    drawn = page.blank(page.WIDTH, HEIGHT)
    axis = drawn.subplots()
    axis.set_axis_off()
    axis.set_xlim(-0.5, len(stations) - 0.5)
    axis.set_ylim(-0.75, 0.85)
    for x, station in enumerate(stations):
        box = FancyBboxPatch(
            (x - HALF, -0.4), 2 * HALF, 0.8, boxstyle="round,pad=0,rounding_size=0.06", facecolor=BODY, edgecolor=INK
        )
        axis.add_patch(box)
        axis.text(x, 0.22, station.name, ha="center", va="center", fontsize=11, fontweight="bold", color=INK)
        axis.text(x, 0.05, "\n".join(station.lines), ha="center", va="top", fontsize=8)
        axis.text(x, -0.5, station.below, ha="center", va="top", fontsize=8, color="0.25")
        if x:
            axis.add_patch(arrow((x - 1 + HALF, 0.0), (x - HALF, 0.0)))
    if back:
        names = [station.name for station in stations]
        start, end = (names.index(name) for name in back[:2])
        if start <= end:
            raise ValueError(f"the arrow from {back[0]} to {back[1]} does not lead back")
        bend = 0.28 / (start - end)  # the arc's height is a share of its length
        axis.add_patch(
            arrow((float(start), 0.4), (float(end), 0.4), connectionstyle=f"arc3,rad={bend}", linestyle="--")
        )
        axis.text((start + end) / 2, 0.66, back[2], ha="center", va="bottom", fontsize=8, color="0.25")
    return drawn


def arrow(start: tuple[float, float], end: tuple[float, float], **style: Any) -> FancyArrowPatch:
    """An arrow between two points."""
    return FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=INK, shrinkA=0, shrinkB=0, **style)
