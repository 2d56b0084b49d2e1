"""Quality against seconds: a point for each method, with its interval. Made and shown as `page.py` says."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from vinpaint_lib.figures import page

MARKERS = "osD^vP*X<>ph"  # a grey print tells methods apart by these


class Point(NamedTuple):
    """Seconds a frame, a score, and the ends of its interval (the score itself where there is none)."""

    seconds: float
    score: float
    low: float
    high: float


def drawn(points: Mapping[str, Point], label: str, alt: str) -> None:
    """A point for each method; `label` names the score on the vertical axis."""
    page.show(figure_of(points, label), alt)


def save(points: Mapping[str, Point], label: str, path: Path) -> Path:
    """Write the figure as PNG without showing it."""
    return page.save(figure_of(points, label), path)


def figure_of(points: Mapping[str, Point], label: str) -> Figure:
    """The figure behind `drawn`: seconds on a scale of powers of ten."""
    figure = page.blank(page.WIDTH * 0.75, 4.0)
    axis = figure.subplots()
    for n, (name, point) in enumerate(points.items()):
        axis.errorbar(
            point.seconds, point.score, [[point.score - point.low], [point.high - point.score]], label=name,
            fmt=MARKERS[n % len(MARKERS)], color=page.COLOURS[2 * n % 8], markeredgecolor="black", capsize=3,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlabel("seconds a frame", fontsize=9)
    axis.set_ylabel(label, fontsize=9)
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(LogFormatter())  # names ticks between powers of ten where these are few
    axis.tick_params(labelsize=8, which="both")
    axis.grid(axis="both", color="0.88", linewidth=0.6)
    axis.set_axisbelow(True)
    figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    return figure
