"""A drawing of TGF-Net's network, boxes and arrows, made from a network that was built (sec. C, D).

Every box names the module or the function that it stands for, and its numbers are read from there, so that the drawing
cannot differ from the code. Rows are scales: full size on top, 1/8 below. Made and shown as `figures/page.py` says.
"""

from collections.abc import Iterator
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from torch import nn

from vinpaint_lib.figures import page
from vinpaint_lib.figures.diagram import BODY, INK, arrow
from vinpaint_lib.systems.tgfnet import fusion
from vinpaint_lib.systems.tgfnet.network import FusionNet

# Columns of the drawing, in units of which a figure has about eight; rows are one unit apart.
INPUTS, ENCODER, MEET, GROUPS, ATTENTION, HEADS, OUTPUT = 0.0, 1.2, 2.03, 3.05, 4.55, 5.95, 7.35
FULL = 3.0  # the row of full size; level 0 (1/2) is below it at 2, level 2 (1/8) at 0
TALL, RADIUS = 0.3, 0.13  # half of a box's height; of the circle where the coarser scale comes in
UP = 0.5  # from a row to the convolution that carries its fused features to the next finer row


class Box(NamedTuple):
    """At (x, y): the path of a module in the network, or the name of a function; a title and small lines."""

    part: str
    x: float
    y: float
    title: str
    lines: tuple[str, ...] = ()
    half: float = 0.52
    tall: float = TALL


def draw(net: FusionNet, alt: str) -> None:
    """Show the drawing of `net`, of any configuration."""
    page.show(figure(net), alt)


def row(level: int) -> float:
    """Where a scale is drawn."""
    return 2.0 - level


def boxes(net: FusionNet) -> list[Box]:
    """The boxes of a network; together they name every module that has weights."""
    found = [Box("", INPUTS, 2.45, "references", ("$CX_i$, 1 - trust", "4 channels, N times"))]
    found.append(Box("", INPUTS, 1.55, "target", ("$X_t$, mask $M$", "4 channels")))
    found += [encoder_box(stage, level) for level, stage in enumerate(net.encoder.stages.children())]
    for level in net.levels:
        found += scale_boxes(net, level)
    if net.refinement is not None:
        found.append(Box("refinement", INPUTS, row(1) - UP, "offsets", ("found at 1/4, move", "groups at 1/4, 1/2")))
    if net.config.copy:
        lines = ("sum of weights", "times $CX_i$")
        found.append(Box("copy_weights", GROUPS, FULL, "copied pixels", lines))
    wide = net.tail_in.out_channels
    found.append(Box("tail_in", ATTENTION, FULL, "enter tail", (kernel(net.tail_in), "then twice the size")))
    convs = [conv for conv in net.tail.children() if isinstance(conv, nn.Conv2d)]
    lines = (f"{len(convs)} x {kernel(convs[0], False)}", f"{convs[0].in_channels} -> {wide} channels")
    found.append(Box("tail", HEADS, FULL, "tail", lines))
    found.append(Box("tail_out", OUTPUT, FULL, "output", (kernel(net.tail_out), "frame $\\hat{Y}_t$")))
    return found


def encoder_box(stage: nn.Module, level: int) -> Box:
    """A stage of the encoder: its convolutions and channels."""
    convs = [conv for conv in stage.children() if isinstance(conv, nn.Conv2d)]
    lines = (f"{len(convs)} convolutions", f"{convs[-1].out_channels} channels")
    return Box(f"encoder.stages.{level}", ENCODER, row(level), f"encoder, 1/{2 ** (level + 1)}", lines)


def scale_boxes(net: FusionNet, level: int) -> Iterator[Box]:
    """Fusion, attention, head at one scale, and the convolution to the next finer scale."""
    key, y = str(level), row(level)
    block = net.groups[key]
    if isinstance(block, fusion.IntraGroupFusion):
        streams = [stream for stream in block.streams.children() if isinstance(stream, fusion.Stream)]
        sizes = "/".join(str(stream.pair.kernel_size[1]) for stream in streams)
        lines = (f"ks {sizes} x 2, then {len(streams[0].convs)} x 2D", f"width {streams[0].pair.out_channels} each")
        yield Box(f"groups.{key}", GROUPS, y, "inside each group", lines, half=0.68)
        learned = isinstance(net.attention[key], fusion.TemporalAttention)
        title = "between groups" if learned else "mean of groups"
        lines = ("3x3 scores, softmax,", "sum over groups") if learned else ("the same weight for", "every group")
        yield Box(f"attention.{key}", ATTENTION, y, title, lines, half=0.62)
    else:
        yield Box(
            f"groups.{key}", ATTENTION, y, "all frames at once", (f"{net.config.references} references",), half=0.66
        )
    head = net.heads[key]
    assert isinstance(head, nn.Conv2d)
    yield Box(f"heads.{key}", HEADS, y, "head $h$", (kernel(head), "for the loss"))
    if key in net.transfer:
        across = net.transfer[key]
        assert isinstance(across, nn.Conv2d)
        name = f"{kernel(across, False)}, {across.in_channels} -> {across.out_channels}, twice the size"
        yield Box(f"transfer.{key}", GROUPS, y + UP, "", (name,), half=0.92, tall=0.1)


def kernel(conv: nn.Conv2d, channels: bool = True) -> str:
    """A convolution in a few characters."""
    size = f"{conv.kernel_size[0]}x{conv.kernel_size[1]}"
    return f"{size} -> {conv.out_channels} channels" if channels else size


def figure(net: FusionNet) -> Figure:
    """The figure behind `draw`."""
    drawn = page.blank(page.WIDTH, 5.0)
    axis = drawn.subplots()
    axis.set_axis_off()
    axis.set_xlim(INPUTS - 0.56, OUTPUT + 0.56)
    axis.set_ylim(-0.36, FULL + 0.36)
    placed = boxes(net)
    for box in placed:
        paint(axis, box)
    arrows(axis, net, {box.part for box in placed})
    return drawn


def paint(axis: Axes, box: Box) -> None:
    """One box; what is no part of the network (the inputs) is white, and so is what has no weights."""
    plain = box.part in ("", "copy_weights")
    shape = FancyBboxPatch(
        (box.x - box.half, box.y - box.tall), 2 * box.half, 2 * box.tall, boxstyle="round,pad=0,rounding_size=0.06",
        facecolor="white" if plain else BODY, edgecolor=INK, linestyle="--" if plain else "-",
    )  # fmt: skip
    axis.add_patch(shape)
    if not box.title:
        axis.text(box.x, box.y, "\n".join(box.lines), ha="center", va="center", fontsize=7.5)
        return
    axis.text(box.x, box.y + 0.16, box.title, ha="center", va="center", fontsize=8.5, fontweight="bold", color=INK)
    axis.text(box.x, box.y - 0.1, "\n".join(box.lines), ha="center", va="center", fontsize=7.5)


def arrows(axis: Axes, net: FusionNet, parts: set[str]) -> None:
    """The way of the data: down the encoder, across each scale, up through the scales, and out along the tail."""
    for y in (2.45, 1.55):
        axis.add_patch(arrow((INPUTS + 0.52, y), (ENCODER - 0.52, 2.0 + 0.3 * (y - 2.0))))
    for level in range(2):
        axis.add_patch(arrow((ENCODER, row(level) - TALL), (ENCODER, row(level + 1) + TALL)))
    grouped = net.config.grouping
    for level in net.levels:
        y, entered = row(level), str(level + 1) in net.transfer
        gate = MEET + RADIUS if entered else ENCODER + 0.52
        axis.add_patch(arrow((gate, y), (GROUPS - 0.68 if grouped else ATTENTION - 0.66, y)))
        if entered:
            axis.add_patch(arrow((ENCODER + 0.52, y), (MEET - RADIUS, y)))
            axis.add_patch(Circle((MEET, y), RADIUS, facecolor="white", edgecolor=INK))
            axis.text(MEET, y, "$M$", ha="center", va="center", fontsize=8)
            axis.add_patch(
                arrow((GROUPS - 0.92, y - UP), (MEET, y - RADIUS), connectionstyle="angle3,angleA=180,angleB=90")
            )
        if grouped:
            axis.add_patch(arrow((GROUPS + 0.68, y), (ATTENTION - 0.62, y)))
        axis.add_patch(arrow((ATTENTION + (0.62 if grouped else 0.66), y), (HEADS - 0.52, y)))
        if f"transfer.{level}" in parts:
            axis.add_patch(
                arrow((ATTENTION, y + TALL), (GROUPS + 0.92, y + UP), connectionstyle="angle3,angleA=90,angleB=0")
            )
        else:
            axis.add_patch(arrow((ATTENTION, y + TALL), (ATTENTION, FULL - TALL)))
    axis.add_patch(arrow((ATTENTION + 0.52, FULL), (HEADS - 0.52, FULL)))
    axis.add_patch(arrow((HEADS + 0.52, FULL), (OUTPUT - 0.52, FULL)))
    if net.config.copy:
        copy_path(axis, grouped)


def copy_path(axis: Axes, scored: bool) -> None:
    """References to copied pixels, past the tail, into the output; the finest scores give the weights (dashed)."""
    axis.plot([INPUTS, INPUTS], [2.45 + TALL, FULL], color=INK, linewidth=1)
    axis.add_patch(arrow((INPUTS, FULL), (GROUPS - 0.52, FULL)))
    if scored:
        start = (ATTENTION - 0.4, row(0) + TALL)
        axis.add_patch(arrow(start, (GROUPS + 0.2, FULL - TALL), linestyle="--"))
    axis.plot([GROUPS, GROUPS, HEADS], [FULL + TALL, FULL + 0.48, FULL + 0.48], color=INK, linewidth=1)
    axis.add_patch(arrow((HEADS, FULL + 0.48), (HEADS, FULL + TALL)))
    axis.plot([HEADS, OUTPUT], [FULL + 0.48, FULL + 0.48], color=INK, linewidth=1)
    axis.add_patch(arrow((OUTPUT, FULL + 0.48), (OUTPUT, FULL + TALL)))
    axis.set_ylim(-0.36, FULL + 0.56)
