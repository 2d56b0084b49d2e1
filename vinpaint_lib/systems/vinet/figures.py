"""Figures of VINet: feature flow scale by scale, correlation windows, composition masks, frames that a change reaches.

`figures/page.py` makes and shows them. Flow is in pixels of the frame (multiply a flow at 1/8 by 8), channel 0 = x.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib.figures import architecture as drawing, clips, page
from vinpaint_lib.figures.architecture import Box, Wire
from vinpaint_lib.systems.vinet.towers import Config

MARK = page.COLOURS[2]


def coloured(flow: Float[Tensor, "2 h w"], top: float) -> Float[Tensor, "3 h w"]:
    """Direction as hue, length as strength: white is no motion, full colour `top` pixels and more."""
    x, y = flow.detach().cpu().float()
    hue = (torch.atan2(y, x) / (2 * math.pi)) % 1
    strength = ((x**2 + y**2).sqrt() / top).clamp(0, 1)
    hsv = torch.stack([hue, strength, 1 - 0.2 * strength], dim=-1).numpy()
    return rearrange(torch.from_numpy(hsv_to_rgb(hsv)).float(), "h w c -> c h w")


def enlarged(field: Float[Tensor, "c _ _"], size: tuple[int, int]) -> Float[Tensor, "c h w"]:
    """Each cell repeated until the map is as large as the frame."""
    factor = size[0] // field.shape[-2]
    return repeat(field.detach().cpu().float(), "c h w -> c (h fh) (w fw)", fh=factor, fw=factor)


def flows(
    rows: Mapping[str, Sequence[Float[Tensor, "2 _ _"] | None]],
    columns: Sequence[str],
    hole: Float[Tensor, "1 h w"],
    top: float,
    alt: str,
) -> None:
    """A table of flow fields with arrows (see `flows_figure`)."""
    page.show(flows_figure(rows, columns, hole, top), alt, photo=True)


def flows_figure(
    rows: Mapping[str, Sequence[Float[Tensor, "2 _ _"] | None]],
    columns: Sequence[str],
    hole: Float[Tensor, "1 h w"],
    top: float,
    every: int = 16,
) -> Figure:
    """The figure behind `flows`: fields of any scale at the size of `hole`, whose outline is drawn.

    Colours are as in `coloured`. Arrows stand `every` pixels apart; an arrow for `top` pixels or more is as long as
    that distance. None leaves a place free.
    """
    size = (hole.shape[-2], hole.shape[-1])
    fields = [[None if flow is None else enlarged(flow, size) for flow in row] for row in rows.values()]
    pictures = [[None if flow is None else clips.outlined(coloured(flow, top), hole) for flow in row] for row in fields]
    figure = page.grid(pictures, list(rows), columns)
    figure.set_size_inches(*(0.75 * figure.get_size_inches()))  # smooth fields need fewer pixels
    ys, xs = (torch.arange(every // 2, side, every) for side in size)
    for axis, flow in zip(figure.axes, [flow for row in fields for flow in row], strict=False):
        if flow is None:
            continue
        at = flow[:, ys][:, :, xs]
        at = (at * every / at.norm(dim=0).clamp(min=top)).numpy()
        axis.quiver(
            xs, ys, at[0], at[1], angles="xy", scale_units="xy", scale=1, width=0.008, headwidth=4, color="black"
        )
    return figure


def compositions(
    rows: Mapping[str, Sequence[Float[Tensor, "1 _ _"]]],
    columns: Sequence[str],
    holes: Sequence[Float[Tensor, "1 h w"]],
    alt: str,
) -> None:
    """Masks m in grey, black 0 to white 1, each cell repeated, with the outline of the row's hole."""
    page.show(compositions_figure(rows, columns, holes), alt, photo=True)


def compositions_figure(
    rows: Mapping[str, Sequence[Float[Tensor, "1 _ _"]]],
    columns: Sequence[str],
    holes: Sequence[Float[Tensor, "1 h w"]],
) -> Figure:
    """The figure behind `compositions`; `holes` has one for each row."""
    pictures = [[lined(m, hole) for m in row] for row, hole in zip(rows.values(), holes, strict=True)]
    return page.grid(pictures, list(rows), columns)


def lined(m: Float[Tensor, "1 _ _"], hole: Float[Tensor, "1 h w"]) -> Float[Tensor, "3 h w"]:
    """A grey map at the frame's size; the hole's outline is orange, since black and white are values of the map."""
    grey = repeat(enlarged(m, (hole.shape[-2], hole.shape[-1])), "1 h w -> c h w", c=3)
    edge = clips.grown(hole, 1) - hole
    orange = rearrange(torch.tensor([0xC4 / 255, 0x4E / 255, 0.0]), "c -> c 1 1")
    return clips.framed(grey * (1 - edge) + orange * edge)


def windows(
    picture: Float[Tensor, "3 h w"],
    places: Mapping[str, tuple[int, int]],
    costs: Mapping[str, Mapping[str, Float[Tensor, "d d"]]],
    truth: Mapping[str, tuple[float | int, float | int]],
    alt: str,
) -> None:
    """Correlation windows of some places (see `windows_figure`)."""
    page.show(windows_figure(picture, places, costs, truth), alt)


def windows_figure(
    picture: Float[Tensor, "3 h w"],
    places: Mapping[str, tuple[int, int]],
    costs: Mapping[str, Mapping[str, Float[Tensor, "d d"]]],
    truth: Mapping[str, tuple[float | int, float | int]],
) -> Figure:
    """Left the picture with its `places` (letter -> row, column); right, for each kind of feature (a row) and each
    place, the correlations of its window. Dark is low, light is high; a cross marks the true displacement (dx, dy)."""
    figure = page.blank(page.WIDTH, 1.55 * len(costs) + 0.1)
    parts: Any = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.6))
    left, right = parts[0]
    axis = left.subplots()
    page.bare(axis)
    axis.imshow(page.to_rgb(picture), interpolation="nearest")
    for letter, (row, column) in places.items():
        axis.plot(column, row, "s", ms=9, mfc="none", mec="white", mew=3)
        axis.plot(column, row, "s", ms=9, mfc="none", mec="black", mew=1)
        axis.text(column + 5, row - 4, letter, fontsize=11, weight="bold", bbox={"fc": "white", "ec": "none", "pad": 1})
    axes = right.subplots(len(costs), len(places), squeeze=False)
    for row, (kind, windows) in enumerate(costs.items()):
        for column, letter in enumerate(places):
            axis, values = axes[row, column], windows[letter]
            radius = len(values) // 2
            box = (-radius - 0.5, radius + 0.5, radius + 0.5, -radius - 0.5)
            axis.imshow(values.detach().cpu().numpy(), cmap=page.MAP, extent=box, interpolation="nearest")
            axis.plot(*truth[letter], "x", color="white", ms=9, mew=4)
            axis.plot(*truth[letter], "x", color=MARK, ms=8, mew=2)
            axis.set_xticks([-radius, 0, radius])
            axis.set_yticks([-radius, 0, radius])
            axis.tick_params(labelsize=7, length=2)
            axis.set_title(letter if row == 0 else "", fontsize=9, pad=3)
        axes[row, 0].set_ylabel(kind, fontsize=8)
    return figure


def touched(rows: Mapping[str, Sequence[float | int]], changed: int, alt: str, *, floor: float = 1e-6) -> None:
    """How much each frame's result changes when frame `changed` is changed (see `touched_figure`)."""
    page.show(touched_figure(rows, changed, floor), alt)


def touched_figure(rows: Mapping[str, Sequence[float | int]], changed: int, floor: float = 1e-6) -> Figure:
    """A row of squares for each network, one for each frame: the larger the square, the more its result changed.

    Sizes are logarithmic. A frame whose result changed by less than `floor` gets a dot. A vertical line stands at frame
    `changed`.
    """
    figure = page.blank(page.WIDTH, 0.34 * len(rows) + 0.65)
    axis = figure.subplots()
    top = max(max(row) for row in rows.values())
    length = len(next(iter(rows.values())))
    for line, row in enumerate(rows.values()):
        for t, value in enumerate(row):
            size = 1.5 if value < floor else 3 + 9 * math.log(value / floor) / math.log(max(top / floor, 1.01))
            axis.plot(t, line, "s" if value >= floor else "o", ms=size, color=page.COLOURS[0], mec="none")
    axis.axvline(changed, color=MARK, linewidth=1.2, zorder=0)
    axis.set_yticks(range(len(rows)), list(rows), fontsize=9)
    axis.set_xticks(range(0, length, 2))
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel("frame", fontsize=9)
    one_edge(axis)
    return figure


def one_edge(axis) -> None:
    """Only the lower edge: the rows are names, not a scale."""
    for side in ("left", "right", "top"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="y", length=0)


def architecture(config: Config, alt: str) -> None:
    """How a configuration fills one frame, as boxes: towers, flow, composition, memory, and the blend with the past."""
    kinds = "White: pictures. Blue: layers that learn."
    helped = config.camera or config.aligned
    drawing.draw(*parts(config), alt, height=4.1, kinds=kinds + (" Dashed: with help of ours." if helped else ""))


def parts(config: Config) -> tuple[list[Box], list[Wire]]:
    """The boxes and arrows behind `architecture`; what the configuration leaves out is not drawn."""
    widths = config.widths
    begins = {
        "flow": "\nfrom the camera's" if config.camera else "",
        "decoder": "\non a first guess" if config.aligned else "",
    }
    kinds = {name: "ours" if text else "layers" for name, text in begins.items()}
    boxes = [
        Box("four sources", 0, 0, "$X_{t-6}, X_{t-3},$\n$X_{t+3}, X_{t+6}$", "picture", 0.95),
        Box("source tower", 1.2, 0, f"shared by all five;\n{widths[3]} channels at 1/8", width=1.1),
        Box("feature flow", 2.5, 0, "warps at 1/8,\n1/4 and 1/2" + begins["flow"], kinds["flow"], 1.05, 0.76),
        Box("aggregation", 3.75, 0, "a 5x3x3 kernel:\nfive maps to one", width=1.05),
        Box("target", 0, 2, "$X_t$ and its mask", "picture", 0.95),
        Box("reference tower", 1.2, 2, f"{widths[0]} channels at 1,\n{widths[3]} at 1/8", width=1.1),
        Box("composition", 3.75, 2, "masks $m$ at 1/8,\n1/4, 1/2 (eqs 3-5)", width=1.05),
        Box("decoder", 4.95, 2, "gives $\\hat Y'_t$" + begins["decoder"], kinds["decoder"], 0.95),
        Box("blend", 6.1, 2, "mask $m_1$ (eq. 6)\ngives $\\hat Y_t$", width=0.95),
    ]  # fmt: skip
    wires = [
        Wire("four sources", "source tower"), Wire("source tower", "feature flow"), Wire("feature flow", "aggregation"),
        Wire("aggregation", "composition"), Wire("target", "reference tower"), Wire("reference tower", "composition"),
        Wire("reference tower", "feature flow"), Wire("composition", "decoder"), Wire("decoder", "blend"),
    ]  # fmt: skip
    if config.recurrence:
        boxes.append(Box("output before", 0, 1, "$\\hat Y_{t-1}$: the fifth", "picture", 0.95))
        wires += [
            Wire("output before", "source tower"),
            Wire("output before", "blend", "warped along a flow at full size", "across", (-0.15, -0.38)),
        ]
    if config.memory:
        boxes.append(Box("memory", 4.95, 0, "$h_t$, a ConvLSTM\nat 1/8", width=1.0))
        wires.append(Wire("memory", "decoder"))
    return boxes, wires
