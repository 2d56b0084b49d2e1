"""Empty figures, grids of pictures, and the way in which every figure is shown and stored.

Every drawing function of this folder shows its figure and returns None; some also write it to `path`. Sizes and
resolution are fixed. `alt` says in words what a reader would see, and is stored with the picture; it must hold for any
weights. Readers with any colour vision can tell the colours apart, and what matters can be read without colour too.
"""

import io
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from einops import rearrange
from IPython.display import display
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image
from torch import Tensor

from vinpaint_lib.files import draft_of

DPI = 107  # in a notebook, which stores every figure: WIDTH is then 963 pixels, the width of a notebook's column
FILE_DPI = 160
WIDTH = 9.0  # inches
# Pairs of a strong and a light tone of four hues, then a grey. The strong tones rise in lightness from navy to yellow,
# so readers with any colour vision can tell them apart, also in a grey print.
COLOURS = ("#00305A", "#7FB2DD", "#C44E00", "#F7B58A", "#2CA58D", "#A9E4D0", "#E6C229", "#F7EDB5", "#C4C4C4")
MAP = "cividis"  # made to look the same with any colour vision; lightness rises evenly


def show(figure: Figure, alt: str, *, path: str | Path | None = None, photo: bool = False) -> None:
    """Display a figure with its alternative text; with `path`, write it there as PNG first (atomically).

    In a notebook the picture carries `alt` in its metadata, and as plain text for programs that show no pictures.
    Outside of a notebook only the text is printed. The figure is stored as a JPEG if `photo`, else as a PNG of at most
    256 colours; both are small enough for a notebook with a dozen figures. Raises ValueError for an empty `alt`.
    """
    if not alt.strip():
        raise ValueError("a figure needs its alternative text: say what it shows")
    if path is not None:
        save(figure, path)
    mime = "image/jpeg" if photo else "image/png"
    display({mime: encoded(figure, photo), "text/plain": alt}, metadata={mime: {"alt": alt}}, raw=True)


def encoded(figure: Figure, photo: bool) -> bytes:
    """The figure as a small JPEG or PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="raw", dpi=DPI)
    width, height = figure.canvas.get_width_height()
    picture = Image.frombuffer("RGBA", (width, height), buffer.getvalue()).convert("RGB")
    small = io.BytesIO()
    if photo:
        picture.save(small, "JPEG", quality=70, optimize=True)
    else:
        picture.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG. It is written beside its final name first, so that no half picture is left."""
    path = Path(path)
    with draft_of(path) as draft:
        figure.savefig(draft, format="png", dpi=FILE_DPI)
    return path


def blank(width: float, height: float, edge: float = 0.02) -> Figure:
    """An empty figure, sizes in inches, with at least `edge` inches free above and below each of its plots.

    It is made without pyplot's global state, so that no backend setting can lose it.
    """
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=edge, wspace=0.01, hspace=0.01)
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def to_rgb(picture: Float[Tensor, "3 h w"]) -> Float[np.ndarray, "h w 3"]:
    """What matplotlib draws: clamped to [0, 1], channels last."""
    return rearrange(picture.detach().float().clamp(0, 1).cpu(), "c h w -> h w c").numpy()


def grid(rows: Sequence[Sequence[Tensor | None]], names: Sequence[str], titles: Sequence[str]) -> Figure:
    """Pictures (3 h w) in rows, with `names` at the left of the rows and `titles` above the columns.

    If there are more titles than columns, each picture has a title. None leaves a place free. A row that begins with a
    free place still shows its name at the left.
    """
    columns = max(len(row) for row in rows)
    first = next(picture for picture in rows[0] if picture is not None)
    each = (WIDTH - 0.3) / columns
    line, head = (0.24, 0.11) if len(titles) > columns else (0.02, 0.31)
    tall = len(rows) * (each * first.shape[-2] / first.shape[-1] + line) + head
    figure = blank(WIDTH, tall, edge=0.05)  # with less the titles on top are cut
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for r, row in enumerate(rows):
        for c, picture in zip_longest(range(columns), row):
            axis = axes[r, c]
            bare(axis)
            if picture is None:
                named = c == 0 and r < len(names)
                axis.set_visible(named)
                if named:  # the row's name hangs on this place: it gets the first picture's shape and stays empty
                    axis.patch.set_visible(False)
                    axis.set(xlim=(0, first.shape[-1]), ylim=(0, first.shape[-2]), aspect="equal")
                continue
            axis.imshow(to_rgb(picture), interpolation="nearest")
            if r * columns + c < len(titles):
                axis.set_title(titles[r * columns + c], fontsize=9, pad=3)
        if r < len(names):
            axes[r, 0].set_ylabel(names[r], fontsize=9)
    return figure


def bare(axis) -> None:
    """No ticks and no frame: the picture is the plot."""
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)
