"""Figures of Align-and-Attend: which frames a window holds, and where a position of the target takes its content.

`figures/page.py` makes and shows them. The weights of one position of the target run over all positions of all
references.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from matplotlib.colors import to_rgb as colour_of
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.figures import architecture as drawing, clips, page
from vinpaint_lib.figures.architecture import Box, Wire
from vinpaint_lib.systems.align_attend.network import Config

INK, MARK = page.COLOURS[0], page.COLOURS[2]  # weights are navy, the asking position is orange
EDGE: list[AbstractPathEffect] = [withStroke(linewidth=3.5, foreground="white")]

# Place of a reference -> the pixel (row, column) in it that shows the content missing at the asking position.
Truth = Mapping[int, tuple[float, float]]


def windows(rows: Mapping[str, Sequence[int]], target: int, length: int, alt: str) -> None:
    """A row for each window (name -> frames that it holds): squares are the target, rings its references."""
    page.show(windows_figure(rows, target, length), alt)


def windows_figure(rows: Mapping[str, Sequence[int]], target: int, length: int) -> Figure:
    """The figure behind `windows`."""
    figure = page.blank(page.WIDTH, 0.26 * len(rows) + 0.75)
    axis = figure.subplots()
    for row, chosen in enumerate(rows.values()):
        left = sorted(set(range(length)) - {target, *chosen})
        for frames, mark, fill, size, name in (
            ([target], "s", INK, 7, "target"),
            (sorted({*chosen} - {target}), "o", "white", 6, "reference"),
            (left, ".", "0.7", 2, "not seen"),
        ):
            axis.plot(
                frames, [row] * len(frames), mark, label=None if row else name, markersize=size, markerfacecolor=fill,
                markeredgecolor=MARK if fill == "white" else fill, markeredgewidth=1.4,
            )  # fmt: skip
    axis.set_yticks(range(len(rows)), list(rows), fontsize=8)
    axis.set_ylim(len(rows) - 0.5, -0.6)
    axis.set_xticks(range(0, length, max(1, math.ceil(length / 160) * 10)))
    axis.tick_params(labelsize=8)
    axis.set_xlabel("frame", fontsize=9)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def attention_rows(
    target: tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]],
    rows: Mapping[str, tuple[Float[Tensor, "r a b"], tuple[int, int]]],
    references: tuple[Float[Tensor, "r 3 h w"], Float[Tensor, "r 1 h w"]],
    numbers: Sequence[int],
    alt: str,
    *,
    truth: Truth | None = None,
    columns: int = 5,
    shares: bool = True,
) -> None:
    """For each row the target with the asking position, then the references that give most (see `attention_figure`)."""
    page.show(
        attention_figure(target, rows, references, numbers, truth=truth, columns=columns, shares=shares),
        alt,
        photo=True,
    )


def attention_figure(
    target: tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]],
    rows: Mapping[str, tuple[Float[Tensor, "r a b"], tuple[int, int]]],
    references: tuple[Float[Tensor, "r 3 h w"], Float[Tensor, "r 1 h w"]],
    numbers: Sequence[int],
    *,
    truth: Truth | None = None,
    columns: int = 5,
    shares: bool = True,
) -> Figure:
    """The figure behind `attention_rows`.

    rows: name -> weights (sum 1 over everything) and the asking position in their grid. In each row the largest weight
    is darkest. With `shares`, the share of its frame stands above each picture. `numbers` are the references' frames. A
    cross marks the content (`truth`).
    """
    (picture, hole), (frames, masks) = target, references
    height, width = picture.shape[-2:]
    pictures: list[list[Tensor | None]] = []
    titles: list[str] = []
    shown: list[tuple[str, int | None]] = []
    for name, (weights, _) in rows.items():
        share = reduce(weights, "r a b -> r", "sum")
        chosen = sorted(share.argsort(descending=True, stable=True).tolist()[: columns - 1])
        strength = weights / weights.max().clamp(min=1e-9)
        pictures.append([clips.tinted(picture, hole), *(shaded(frames[r], masks[r], strength[r]) for r in chosen)])
        titles += ["asks", *(f"frame {numbers[r]}" + (f": {float(share[r]):.0%}" if shares else "") for r in chosen)]
        shown += [(name, None), *((name, r) for r in chosen)]
    figure = page.grid(pictures, list(rows), titles)
    if len(rows) == 1:  # `page.grid` takes the titles of a single row for column heads
        figure.set_figheight(figure.get_figheight() + 0.1)
    for axis, (name, r) in zip(figure.axes, shown, strict=True):
        weights, (row, column) = rows[name]
        tall, wide = height / weights.shape[1], width / weights.shape[2]
        if r is None:
            box = Rectangle(
                (column * wide - 0.5, row * tall - 0.5), wide, tall, fill=False, edgecolor=MARK, linewidth=2
            )
            box.set_path_effects(EDGE)
            axis.add_patch(box)
        elif truth and r in truth:
            y, x = truth[r]
            axis.plot(x, y, "x", color=MARK, markersize=7, markeredgewidth=2, path_effects=EDGE)
            axis.set_xlim(-0.5, width - 0.5)
            axis.set_ylim(height - 0.5, -0.5)
    return figure


def shaded(
    picture: Float[Tensor, "3 h w"], hole: Float[Tensor, "1 h w"], strength: Float[Tensor, "a b"]
) -> Float[Tensor, "3 h w"]:
    """The picture in pale grey, striped in its hole, covered with navy where `strength` (0 to 1) is large."""
    pale = repeat(reduce(picture, "c h w -> h w", "mean") * 0.5 + 0.5, "h w -> c h w", c=3)
    size = (picture.shape[-2], picture.shape[-1])
    cover = functional.interpolate(rearrange(strength, "a b -> 1 1 a b"), size, mode="nearest")[0]
    ink = rearrange(torch.tensor(colour_of(INK)), "c -> c 1 1")
    return clips.tinted(pale, hole) * (1 - cover) + ink * cover


def architecture(config: Config, alt: str) -> None:
    """How a configuration fills one target, as boxes: align, attend, the residual path, and the blend with the past."""
    kinds = "White: pictures. Blue: layers that learn. Yellow: no layer." + (" Dashed: ours." if config.copy else "")
    drawing.draw(*parts(config), alt, height=4.4, kinds=kinds)


def parts(config: Config) -> tuple[list[Box], list[Wire]]:
    """The boxes and arrows behind `architecture`; what the configuration leaves out is not drawn."""
    channels, head = config.channels[1], {"fit": "a robust fit,\n", "regress": ""}[config.head]
    looks = f"and {config.looks} more looks" if config.looks else "one look"
    boxes = [
        Box("references", 0, 0, f"every {config.step}th frame", "picture", 0.95),
        Box("target", 0, 1.1, "$X_t$ and its mask", "picture", 0.95),
        Box("encoder", 1.2, 1.1, f"{channels} channels\nat 1/4, for all", width=1.0),
        Box("affine map", 1.2, 0, f"masked cosines,\n{head}{looks}", width=1.0, height=0.78),
        Box("align", 2.45, 0, "warp, weigh by\nfit and visibility", "fixed", 1.05),
        Box("attend", 3.7, 0, "hole to what\nis visible", "fixed", 1.0),
        Box("residual path", 2.45, 1.1, "the target alone:\ninvents the unseen", width=1.05),
        Box("decoder", 3.7, 1.1, "the sum of both\nto a picture", width=1.0),
        Box("blend", 4.95, 1.1, "$(1-m)$ new\n+ $m$ warped old", "fixed", 1.0),
        Box("output", 6.1, 1.1, "$\\hat Y_t$", "picture", 0.85),
        Box("two outputs before", 1.2, 2.2, "$\\hat Y_{t-1}$, $\\hat Y_{t-2}$", "picture", 1.5),
        Box("flow estimator", 3.7, 2.2, "flow to $\\hat Y_{t-1}$\nand the mask $m$", width=1.1),
    ]  # fmt: skip
    wires = [
        Wire("references", "affine map"), Wire("target", "encoder"), Wire("references", "encoder"),
        Wire("affine map", "align"), Wire("encoder", "align"), Wire("encoder", "residual path"),
        Wire("align", "attend"), Wire("attend", "decoder"), Wire("residual path", "decoder"),
        Wire("decoder", "blend"), Wire("blend", "output"), Wire("two outputs before", "flow estimator"),
        Wire("flow estimator", "decoder", "warped features", shift=(-0.55, 0.0)), Wire("flow estimator", "blend"),
    ]  # fmt: skip
    if config.copy:
        boxes.append(Box("aligned pixels", 4.95, 0, "merged with the\ndecoder's picture", "ours", 1.1))
        wires += [Wire("align", "aligned pixels", "", "over"), Wire("aligned pixels", "blend")]
    return boxes, wires
