"""Figures of DFVI: flow before and after its completion, and where the pixels of a hole come from.

`figures/page.py` makes and shows them. Flow is in pixels, channel 0 = x.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from matplotlib.colors import hsv_to_rgb, to_rgb as colour_of
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib.figures import clips, page

SOURCES = ("another frame", "the output before", "painted")  # values 1, 2, 3 of the map "source"


def flows(
    rows: Mapping[str, Sequence[Float[Tensor, "2 h w"]]], columns: Sequence[str], hole: Float[Tensor, "1 h w"], alt: str
) -> None:
    """A table of flow fields, with the hole's outline (see `flows_figure`)."""
    page.show(flows_figure(rows, columns, hole), alt, photo=True)


def flows_figure(
    rows: Mapping[str, Sequence[Float[Tensor, "2 h w"]]], columns: Sequence[str], hole: Float[Tensor, "1 h w"]
) -> Figure:
    """The figure behind `flows`. Direction is hue and length is strength, full at the longest vector of the table."""
    top = max(float(flow.norm(dim=0).max()) for row in rows.values() for flow in row)
    pictures: list[list[Tensor | None]] = [
        [clips.outlined(coloured(flow, max(top, 1e-6)), hole) for flow in row] for row in rows.values()
    ]
    return page.grid(pictures, list(rows), list(columns))


def coloured(flow: Float[Tensor, "2 h w"], top: float) -> Float[Tensor, "3 h w"]:
    """Direction as hue, length as strength: white is no motion, full colour `top` pixels and more."""
    x, y = flow.detach().cpu().float()
    strength = ((x**2 + y**2).sqrt() / top).clamp(0, 1)
    hsv = torch.stack([(torch.atan2(y, x) / (2 * math.pi)) % 1, strength, 1 - 0.2 * strength], dim=-1)
    return rearrange(torch.from_numpy(hsv_to_rgb(hsv.numpy())).float(), "h w c -> c h w")


def sources(frames: Sequence[Float[Tensor, "3 h w"]], origins: Sequence[Float[Tensor, "1 h w"]], alt: str) -> None:
    """Completed frames, and below them where the pixels of their holes come from (see `sources_figure`)."""
    page.show(sources_figure(frames, origins), alt, photo=True)


def sources_figure(frames: Sequence[Float[Tensor, "3 h w"]], origins: Sequence[Float[Tensor, "1 h w"]]) -> Figure:
    """The figure behind `sources`. Each origin has a colour, named below; given pixels are pale."""
    inks = [rearrange(torch.tensor(colour_of(page.COLOURS[n])), "c -> c 1 1") for n in range(len(SOURCES))]
    below: list[Tensor | None] = []
    for frame, origin in zip(frames, origins, strict=True):
        picture = frame * 0.4 + 0.6
        for kind, ink in enumerate(inks, start=1):
            here = (origin == kind).to(picture)
            picture = picture * (1 - here) + ink * here
        below.append(picture)
    figure = page.grid([list(frames), below], ["completed", "from"], [""] * len(frames))
    for n, name in enumerate(SOURCES):
        figure.text((n + 0.5) / len(SOURCES), 0.01, name, color=page.COLOURS[n], ha="center", fontsize=9)
    return figure
