"""Drawings of a network's parts: boxes on a grid, and arrows between them; nothing here knows a system."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from vinpaint_lib.figures import page
from vinpaint_lib.figures.diagram import BODY, INK

ARC, LINE = 0.5, 0.24  # rows that an arc and a line of text take beyond the boxes
# What a box may be, and its colour; each also has an outline of its own for a grey print.
KINDS = {
    "picture": ("#FFFFFF", "-"),
    "layers": (BODY, "-"),
    "fixed": ("#F7EDB5", "-"),
    "ours": ("#F7DCCB", "--"),
}
WAYS = {
    "straight": "arc3,rad=0",
    "across": "angle,angleA=0,angleB=90,rad=4",
    "down": "angle,angleA=90,angleB=0,rad=4",
    "over": "arc3,rad=-0.28",
    "under": "arc3,rad=0.28",
}


class Box(NamedTuple):
    """A part: its name, the place of its middle (columns to the right, rows downwards), small text below the name, what
    it is (a key of KINDS), and its size in columns and rows."""

    name: str
    column: float
    row: float
    text: str = ""
    kind: str = "layers"
    width: float = 0.8
    height: float = 0.64


class Wire(NamedTuple):
    """An arrow from one box to another; a word beside it; its way (a key of WAYS); how far that word lies from the
    middle of the straight line between the boxes."""

    start: str
    end: str
    text: str = ""
    way: str = "straight"
    shift: tuple[float, float] = (0.0, -0.1)
    dashed: bool = False


def draw(boxes: Sequence[Box], wires: Sequence[Wire], alt: str, *, height: float = 3.6, kinds: str = "") -> None:
    """Boxes and arrows as one figure of the page's width, `height` inches tall. See `figure`."""
    page.show(figure(boxes, wires, height, kinds), alt)


def figure(boxes: Sequence[Box], wires: Sequence[Wire], height: float = 3.6, kinds: str = "") -> Figure:
    """The figure behind `draw`. `kinds`: a line below the drawing that says what the colours mean.

    Raises ValueError for two boxes of one name, for an unknown kind or way, and for an arrow that ends at no box.
    """
    drawn = page.blank(page.WIDTH, height)
    axis = drawn.subplots()
    axis.set_axis_off()
    axis.set_xlim(min(b.column - b.width / 2 for b in boxes) - 0.06, max(b.column + b.width / 2 for b in boxes) + 0.06)
    bottom, top = max(b.row + b.height / 2 for b in boxes), min(b.row - b.height / 2 for b in boxes)
    ways = {wire.way for wire in wires}
    bottom += (ARC if "under" in ways else 0.06) + (LINE if kinds else 0)
    axis.set_ylim(bottom, top - (ARC if "over" in ways else 0.06))
    places: dict[str, FancyBboxPatch] = {}
    for box in boxes:
        if box.name in places:
            raise ValueError(f"two boxes are called {box.name}")
        places[box.name] = put(axis, box)
    middles = {box.name: (float(box.column), float(box.row)) for box in boxes}
    for wire in wires:
        if not {wire.start, wire.end} <= places.keys():
            raise ValueError(f"an arrow from {wire.start} to {wire.end} has a box at one end only, or at none")
        connect(axis, wire, middles, places)
    if kinds:
        axis.text(0.5, 0.0, kinds, transform=axis.transAxes, ha="center", va="bottom", fontsize=8, color="0.25")
    return drawn


def put(axis: Axes, box: Box) -> FancyBboxPatch:
    """One box with its words. Raises ValueError for an unknown kind."""
    if box.kind not in KINDS:
        raise ValueError(f"{box.name} is {box.kind!r}; a box is one of {', '.join(KINDS)}")
    colour, line = KINDS[box.kind]
    patch = FancyBboxPatch(
        (box.column - box.width / 2, box.row - box.height / 2), box.width, box.height,
        boxstyle="round,pad=0,rounding_size=0.05", facecolor=colour, edgecolor=INK, linestyle=line, zorder=2,
    )  # fmt: skip
    axis.add_patch(patch)
    lines = 1 + box.text.count("\n")
    lift = 0.11 * lines if box.text else 0.0
    axis.text(
        box.column, box.row - lift / 2 - (0.02 if box.text else 0), box.name.partition("#")[0], ha="center",
        va="bottom" if box.text else "center", fontsize=9.5, fontweight="bold", color=INK, zorder=3,
    )  # fmt: skip
    if box.text:
        axis.text(box.column, box.row - lift / 2 + 0.03, box.text, ha="center", va="top", fontsize=8, zorder=3)
    return patch


def connect(axis: Axes, wire: Wire, middles: dict[str, tuple[float, float]], places: dict[str, FancyBboxPatch]) -> None:
    """One arrow, from edge to edge, with its word. Raises ValueError for an unknown way."""
    if wire.way not in WAYS:
        raise ValueError(f"{wire.way!r} is no way of an arrow; it is one of {', '.join(WAYS)}")
    start, end = middles[wire.start], middles[wire.end]
    arrow = FancyArrowPatch(
        start, end, patchA=places[wire.start], patchB=places[wire.end], connectionstyle=WAYS[wire.way],
        arrowstyle="-|>", mutation_scale=11, color=INK, shrinkA=0, shrinkB=0, zorder=1,
        linestyle="--" if wire.dashed else "-", clip_on=False,
    )  # fmt: skip
    axis.add_patch(arrow)
    if wire.text:
        axis.text(
            (start[0] + end[0]) / 2 + wire.shift[0], (start[1] + end[1]) / 2 + wire.shift[1], wire.text,
            ha="center", va="center", fontsize=8, color="0.2", zorder=4,
        )  # fmt: skip
