"""Figures of the painter: one hole filled in several ways, and the spectrum of what fills it."""

from collections.abc import Mapping, Sequence

import torch
from einops import rearrange, reduce
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib.figures import clips, page

# Name of a way to fill -> the picture (3 h w).
Ways = Mapping[str, Float[Tensor, "3 h w"]]


def compared(rows: Sequence[tuple[Ways, Float[Tensor, "1 h w"]]], alt: str, path: str | None = None) -> None:
    """A row for each hole: every way to fill it, side by side. Holes are outlined in the first picture of a row."""
    page.show(compared_figure(rows), alt, path=path, photo=True)


def compared_figure(rows: Sequence[tuple[Ways, Float[Tensor, "1 h w"]]]) -> Figure:
    """The figure behind `compared`; the rows have the same ways."""
    pictures = []
    for ways, hole in rows:
        first, *others = ways.values()
        marked = clips.outlined(rearrange(first, "c h w -> 1 c h w"), rearrange(hole, "c h w -> 1 c h w"))[0]
        pictures.append([marked, *others])
    return page.grid(pictures, [], list(rows[0][0]))


def spectra(ways: Ways, alt: str) -> None:
    """Each picture's amplitudes by frequency, as logarithms, lowest in the middle: what is smooth has a middle only."""
    page.show(page.grid([[amplitudes(picture) for picture in ways.values()]], [], list(ways)), alt)


def amplitudes(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    """log(1 + amplitude) of the grey picture's coefficients, as a grey picture in [0, 1]; the mean is left out."""
    grey = reduce(picture.float(), "c h w -> h w", "mean")
    found = torch.fft.fftshift(torch.fft.fft2(grey - grey.mean(), norm="ortho").abs().log1p())
    return rearrange(found / found.max().clamp(min=1e-6), "h w -> 1 h w").expand(3, -1, -1)
