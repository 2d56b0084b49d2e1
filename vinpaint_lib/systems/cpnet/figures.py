"""Figures of CPNet: references before and after their alignment, and which of them each place is copied from.

`figures/page.py` makes and shows them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib.figures import clips, page


def copies(
    frames: Float[Tensor, "t 3 h w"],
    target: Float[Tensor, "3 h w"],
    hole: Float[Tensor, "1 h w"],
    maps: Mapping[str, Any],
    alt: str,
    *,
    most: int = 4,
) -> None:
    """The references that give most (see `copies_figure`)."""
    page.show(copies_figure(frames, target, hole, maps, most), alt, photo=True)


def copies_figure(
    frames: Float[Tensor, "t 3 h w"],
    target: Float[Tensor, "3 h w"],
    hole: Float[Tensor, "1 h w"],
    maps: Mapping[str, Any],
    most: int = 4,
) -> Figure:
    """A column for each of the `most` references that give most to the hole, in temporal order, after the target.

    Rows: the frame as it is; aligned, with stripes where it shows nothing; and the share of each place that is copied
    from it, black 0 to white 1. The hole's outline is drawn in the target's place. `maps` are those of `CPNet`,
    `frames` those of the whole clip, `target` the target with its hole.
    """
    chosen = givers(maps["shares"], hole, most)
    aligned, visible = (maps[name].detach().cpu() for name in ("aligned", "visible"))
    rows: list[list[Tensor | None]] = [[clips.outlined(target, hole)], [None], [covered(maps["missing"], hole)]]
    heads = ["target"]
    for n in chosen:
        rows[0].append(frames[maps["references"][n]])
        rows[1].append(clips.outlined(clips.tinted(aligned[n], 1 - visible[n]), hole))
        rows[2].append(covered(maps["shares"][n], hole))
        heads.append(f"frame {maps['references'][n]}")
    return page.grid(rows, ["given", "aligned", "share"], heads)


def givers(shares: Float[Tensor, "n 1 _ _"], hole: Float[Tensor, "1 h w"], most: int) -> Sequence[int]:
    """The places of at most `most` references with the largest shares of the hole, in order."""
    inside = torch.nn.functional.interpolate(rearrange(hole, "1 h w -> 1 1 h w"), shares.shape[-2:], mode="area")
    given = (shares.detach().cpu() * inside).sum(dim=(1, 2, 3))
    return sorted(given.argsort(descending=True, stable=True)[:most].tolist())


def covered(field: Float[Tensor, "1 _ _"], hole: Float[Tensor, "1 h w"]) -> Float[Tensor, "3 h w"]:
    """A map in [0, 1] as a grey picture of the hole's size, with the hole's outline."""
    wide = torch.nn.functional.interpolate(rearrange(field.detach().cpu(), "1 h w -> 1 1 h w"), hole.shape[-2:])
    return clips.outlined(repeat(wide[0], "1 h w -> c h w", c=3), hole)
