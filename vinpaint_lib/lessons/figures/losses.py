"""Figures of losses: gradients with respect to a picture, Gram matrices. Made and shown as `figures/page.py` says."""

import math
from collections.abc import Mapping

import numpy as np
from einops import reduce
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from vinpaint_lib.figures import page

SIGNED = "PuOr"  # orange below zero, white at zero, purple above; told apart with any colour vision
KEY = {0.1: "the loss falls when the pixel gets lighter", 0.5: "no gradient", 0.9: "... when it gets darker"}
FULL = 99.0  # percentile of the absolute values that has the darkest tone: single pixels would wash out the rest


def gradient_maps(gradients: Mapping[str, Float[Tensor, "c _ _"]], alt: str, *, columns: int = 4) -> None:
    """Gradients as signed pictures, their channels added. Each has a separate scale, whose top is in the title.

    White is no gradient. Where a picture is purple, the loss falls when the pixel gets darker; where it is orange, when
    the pixel gets lighter. A key below says so. The pictures may differ in size (a pyramid); they are drawn equally
    large.
    """
    page.show(gradient_figure(gradients, columns), alt)


def gradient_figure(gradients: Mapping[str, Float[Tensor, "c _ _"]], columns: int) -> Figure:
    """The figure behind `gradient_maps`."""
    columns = min(columns, len(gradients))
    rows = math.ceil(len(gradients) / columns)
    height, width = next(iter(gradients.values())).shape[-2:]
    each = (page.WIDTH - 0.3) / columns
    figure = page.blank(page.WIDTH, rows * (each * height / width + 0.32) + 0.35)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        page.bare(axis)
    for axis, (name, gradient) in zip(axes.flat, gradients.items(), strict=False):
        values, top = signed(gradient)
        axis.imshow(values, cmap=SIGNED, vmin=-top, vmax=top, interpolation="nearest")
        tone = f"darkest tone: {top:.1g}" if values.any() else "zero everywhere"
        axis.set_title(f"{name}  ({tone})", fontsize=9, pad=3)
    for axis in axes.flat[len(gradients) :]:
        axis.set_visible(False)
    tones = [Patch(facecolor=colormaps[SIGNED](place), edgecolor="0.6", label=words) for place, words in KEY.items()]
    figure.legend(handles=tones, loc="outside lower center", ncols=len(KEY), fontsize=9, frameon=False)
    return figure


def signed(gradient: Float[Tensor, "c h w"]) -> tuple[Float[np.ndarray, "h w"], float]:
    """The sum over channels, and the absolute value that gets the darkest tone (1 if all are zero)."""
    values = reduce(gradient.detach().cpu().double(), "c h w -> h w", "sum").numpy()
    sizes = np.abs(values[values != 0])
    return values, float(np.percentile(sizes, FULL)) if len(sizes) else 1.0


def grams(matrices: Mapping[str, Float[Tensor, "c c2"]], alt: str) -> None:
    """Gram matrices of one layer beside each other, on one scale, brightest where two channels go together most."""
    each = (page.WIDTH - 1.0) / len(matrices)
    figure = page.blank(page.WIDTH, each + 0.35)
    axes = figure.subplots(1, len(matrices), squeeze=False)[0]
    values = {name: matrix.detach().cpu().numpy() for name, matrix in matrices.items()}
    top = max(float(np.percentile(matrix, FULL)) for matrix in values.values())
    for axis, (name, matrix) in zip(axes, values.items(), strict=True):
        page.bare(axis)
        drawn = axis.imshow(matrix, cmap=page.MAP, vmin=0, vmax=top, interpolation="nearest")
        axis.set_title(name, fontsize=9, pad=3)
    figure.colorbar(drawn, ax=list(axes), fraction=0.02, extend="max")
    page.show(figure, alt)
