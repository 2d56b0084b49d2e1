"""Figures of STTN's patch attention: how heads cut a frame, which frames a step sees, where a patch takes its content.

`figures/page.py` makes and shows them. The weights of one query patch run over all patches of all frames, "t p p", and
have the sum 1.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Bool, Float
from matplotlib.colors import to_rgb as colour_of
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke
from torch import Tensor

from vinpaint_lib.figures import architecture as drawing, clips, page
from vinpaint_lib.figures.architecture import Box, Wire
from vinpaint_lib.systems.sttn.attention import PARTS
from vinpaint_lib.systems.sttn.network import Config

INK, MARK = page.COLOURS[0], page.COLOURS[2]  # weights are navy, the query is orange
EDGE: list[AbstractPathEffect] = [withStroke(linewidth=3.5, foreground="white")]

Place = tuple[int, int, int]  # frame of the window, row, column in the head's grid
# Name -> the weights of one query, and its place.
Looks = Mapping[str, tuple[Float[Tensor, "t p p"], Place]]
# Frame of the window -> the pixel (row, column) in it that shows the content missing in the middle of the query patch.
Truth = Mapping[int, tuple[float, float]]


def patch_grids(
    picture: Float[Tensor, "3 h w"],
    hole: Float[Tensor, "1 h w"],
    holes: Mapping[str, Bool[Tensor, "p p"]],
    alt: str,
) -> None:
    """One frame cut as each head cuts it. `holes`: name -> which patches count as hole; these are drawn in navy."""
    height, width = picture.shape[-2:]
    pictures: list[Tensor | None] = [shaded(picture, hole, share.float() * 0.75) for share in holes.values()]
    figure = page.grid([pictures], [], list(holes))
    for axis, share in zip(figure.axes, holes.values(), strict=True):
        parts = len(share)
        for n in range(1, parts):
            axis.axhline(n * height / parts - 0.5, color="white", linewidth=0.8)
            axis.axvline(n * width / parts - 0.5, color="white", linewidth=0.8)
    page.show(figure, alt, photo=True)


def attention_rows(
    rows: Looks,
    frames: Float[Tensor, "t 3 h w"],
    masks: Float[Tensor, "t 1 h w"],
    numbers: Sequence[int],
    alt: str,
    *,
    truth: Truth | None = None,
    columns: int = 6,
) -> None:
    """A row of frames for each head; the darker a patch, the more is taken from it (see `attention_figure`)."""
    page.show(attention_figure(rows, frames, masks, numbers, truth=truth, columns=columns), alt, photo=True)


def attention_figure(
    rows: Looks,
    frames: Float[Tensor, "t 3 h w"],
    masks: Float[Tensor, "t 1 h w"],
    numbers: Sequence[int],
    *,
    truth: Truth | None = None,
    columns: int = 6,
) -> Figure:
    """The figure behind `attention_rows`. The query patch has an orange frame; a cross marks the content (`truth`).

    Of all patches shown in a row, the patch with the largest weight is darkest. `numbers` are the frames' numbers in
    the clip. Above a picture stands its frame's share of the weight. Of a window of more than `columns` frames, the
    query's frame and the frames with the largest shares are shown.
    """
    height, width = frames.shape[-2:]
    pictures: list[list[Tensor | None]] = []
    titles, chosen = [], {}
    for name, (weights, (asked, _, _)) in rows.items():
        share = reduce(weights, "t a b -> t", "sum")
        chosen[name] = givers(share, asked, columns)
        strength = (weights / weights[chosen[name]].max().clamp(min=1e-9)).clamp(max=1)
        pictures.append([shaded(frames[i], masks[i], strength[i]) for i in chosen[name]])
        titles += [f"frame {numbers[i]}: {float(share[i]):.0%}" for i in chosen[name]]
    figure = page.grid(pictures, list(rows), titles)
    if len(rows) == 1:  # `page.grid` takes the titles of a single row for column heads
        figure.set_figheight(figure.get_figheight() + 0.1)
    places = [(name, i) for name in rows for i in chosen[name]]
    for axis, (name, i) in zip(figure.axes, places, strict=True):
        weights, (asked, row, column) = rows[name]
        parts = weights.shape[-1]
        if i == asked:
            corner = (column * width / parts - 0.5, row * height / parts - 0.5)
            box = Rectangle(corner, width / parts, height / parts, fill=False, edgecolor=MARK, linewidth=2)
            box.set_path_effects(EDGE)
            axis.add_patch(box)
        elif truth and i in truth:
            y, x = truth[i]
            axis.plot(x, y, "x", color=MARK, markersize=7, markeredgewidth=2, path_effects=EDGE)
    return figure


def givers(share: Float[Tensor, " t"], asked: int, count: int) -> list[int]:
    """`count` frames of a window in order: `asked`, and the frames with the largest shares of the weight."""
    others = [i for i in share.argsort(descending=True, stable=True).tolist() if i != asked]
    return sorted([asked, *others[: count - 1]])


def shaded(
    picture: Float[Tensor, "3 h w"], hole: Float[Tensor, "1 h w"], strength: Float[Tensor, "p p"]
) -> Float[Tensor, "3 h w"]:
    """The picture in pale grey, striped in its hole, covered with navy where `strength` (0 to 1) is large."""
    height, width = picture.shape[-2:]
    pale = repeat(reduce(picture, "c h w -> h w", "mean") * 0.5 + 0.5, "h w -> c h w", c=3)
    pale = clips.tinted(pale, hole)
    factors = {"fh": height // strength.shape[0], "fw": width // strength.shape[1]}
    cover = repeat(strength, "a b -> 1 (a fh) (b fw)", **factors)
    ink = rearrange(torch.tensor(colour_of(INK)), "c -> c 1 1")
    return pale * (1 - cover) + ink * cover


def windows(steps: Sequence[tuple[Sequence[int], Sequence[int]]], length: int, alt: str) -> None:
    """A row for each step (its targets, its references): squares are targets, rings references, dots frames unseen.

    The last row says how often each frame is a target.
    """
    figure = page.blank(page.WIDTH, 0.24 * (len(steps) + 1) + 0.75)
    axis = figure.subplots()
    for row, (targets, references) in enumerate(steps):
        left = sorted(set(range(length)) - {*targets, *references})
        for frames, mark, fill, size, name in (
            (targets, "s", INK, 8, "target"),
            (references, "o", "white", 8, "reference"),
            (left, ".", "0.7", 3, "not seen"),
        ):
            axis.plot(
                frames, [row] * len(frames), mark, label=None if row else name, markersize=size, markerfacecolor=fill,
                markeredgecolor=MARK if fill == "white" else fill, markeredgewidth=1.6,
            )  # fmt: skip
    visits = [sum(frame in targets for targets, _ in steps) for frame in range(length)]
    for frame, count in enumerate(visits):
        axis.text(frame, len(steps), str(count), ha="center", va="center", fontsize=8)
    axis.set_yticks(range(len(steps) + 1), [*(f"step {n}" for n in range(len(steps))), "visits"], fontsize=8)
    axis.set_ylim(len(steps) + 0.5, -0.6)
    axis.set_xticks(range(0, length, max(1, math.ceil(length / 20))))
    axis.tick_params(labelsize=8)
    axis.set_xlabel("frame", fontsize=9)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    page.show(figure, alt)


def architecture(config: Config, alt: str) -> None:
    """The network of a configuration as boxes: encoder, blocks and decoder, and one block from inside."""
    drawing.draw(*parts(config), alt, height=4.1, kinds="White: pictures. Blue: layers that learn. Yellow: no layer.")


def parts(config: Config) -> tuple[list[Box], list[Wire]]:
    """The boxes and arrows behind `architecture`."""
    c, heads = config.channels, len(PARTS)
    grids = ", ".join(f"{parts * parts}" for parts in PARTS)
    told = "computed, then dropped" if config.as_released else "no key in a hole"
    boxes = [
        Box("frames", 0, 0, "$T$ of a window,\nholes blank", "picture", 0.9),
        Box("encoder", 1.1, 0, f"4 convolutions\nto 1/4, {c} channels", width=1.0),
        Box(f"{config.blocks} blocks", 2.4, 0, "one after the other,\nall alike", width=1.0),
        Box("decoder", 3.7, 0, "4 convolutions,\ntwice enlarged", width=1.0),
        Box("composition", 4.9, 0, "known pixels\nput back", "fixed", 0.95),
        Box("answers", 6.0, 0, "for all neighbours\nat once", "picture", 0.95),
        Box("masks", 2.4, 2.2, "1 = hole", "picture", 1.0, 0.5),
        Box("$q$, $k$, $v$", 1.1, 1.15, "three 1x1\nconvolutions", width=1.0),
        Box(f"{heads} heads", 2.4, 1.15, f"{c // heads} channels each;\npatches a frame:\n{grids}", "fixed", 1.0, 0.78),
        Box("join", 3.7, 1.15, "one 3x3 convolution,\nthe input added", width=1.0),
        Box("feed forward", 4.9, 1.15, "two convolutions,\nthe input added", width=0.95),
        Box("next block", 6.0, 1.15, "or the decoder", width=0.95),
    ]  # fmt: skip
    row = ["frames", "encoder", f"{config.blocks} blocks", "decoder", "composition", "answers"]
    inside = ["$q$, $k$, $v$", f"{heads} heads", "join", "feed forward", "next block"]
    wires = [Wire(a, b) for names in (row, inside) for a, b in pairwise(names)]
    wires += [
        Wire("masks", f"{heads} heads", told, shift=(0.55, 0.05), dashed=True),
        Wire(f"{config.blocks} blocks", f"{heads} heads", "inside", shift=(0.3, 0), dashed=True),
    ]
    return boxes, wires
