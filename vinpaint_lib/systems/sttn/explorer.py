"""The explorer of STTN's attention (ECCV 2020): sliders choose a block, a head and a patch of the window.

Notebook 13 shows it; `sttn/figures.py` draws its pictures.
"""

from collections.abc import Sequence
from typing import Any

import ipywidgets
import torch
from einops import rearrange
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib.figures import page
from vinpaint_lib.systems.sttn.attention import PARTS
from vinpaint_lib.systems.sttn.figures import attention_figure
from vinpaint_lib.systems.sttn.network import STTNGenerator


class PatchExplorer:
    """Sliders for block, head and place beside the window: where does this patch of STTN take its content?

    `frames` "t 3 h w" and `masks` "t 1 h w" are one window, `numbers` the frames' numbers in the clip. Row and column
    count cells of the finest grid, 12 x 12; for a coarser head the query is the patch that holds the cell. The sliders
    start at block 0 and at `start` = (place in the window, row, column).
    """

    def __init__(
        self,
        net: STTNGenerator,
        frames: Float[Tensor, "t 3 h w"],
        masks: Float[Tensor, "t 1 h w"],
        numbers: Sequence[int],
        start: tuple[int, int, int],
    ) -> None:
        self.net, self.frames, self.masks, self.numbers = net, frames, masks, numbers
        finest = PARTS[-1]
        heads = [(f"{parts} x {parts} patches", head) for head, parts in enumerate(PARTS)]
        self.block = ipywidgets.IntSlider(value=0, max=len(net.transformer) - 1, description="block")
        self.head = ipywidgets.SelectionSlider(options=heads, value=2, description="head")
        named = [(str(number), place) for place, number in enumerate(numbers)]
        self.frame = ipywidgets.SelectionSlider(options=named, value=start[0], description="frame")
        self.row = ipywidgets.IntSlider(value=start[1], max=finest - 1, description="row")
        self.column = ipywidgets.IntSlider(value=start[2], max=finest - 1, description="column")
        self.image = ipywidgets.Image(format="jpeg")
        sliders = (self.block, self.head, self.frame, self.row, self.column)
        for slider in sliders:
            slider.continuous_update = False
            slider.observe(self.redraw, names="value")
        self.box = ipywidgets.VBox([*sliders, self.image])
        self.redraw()

    def redraw(self, change: object = None) -> None:
        """Draw what the sliders ask for."""
        place = (self.frame.value, self.row.value, self.column.value)
        self.image.value = page.encoded(self.figure(self.block.value, self.head.value, place), photo=True)

    def query(self, head: int, place: tuple[int, int, int]) -> tuple[int, int, int]:
        """The patch of that head's grid that holds the cell (frame, row, column) of the finest grid."""
        frame, row, column = place
        parts = PARTS[head]
        return frame, row * parts // PARTS[-1], column * parts // PARTS[-1]

    def weights(self, block: int, head: int, place: tuple[int, int, int]) -> Float[Tensor, "t p p"]:
        """Where that patch takes its content; sum 1."""
        device = next(self.net.parameters()).device
        clip, holes = (rearrange(x, "t c h w -> 1 t c h w").to(device) for x in (self.frames, self.masks))
        with torch.no_grad():
            return self.net.attention_row(clip, holes, block=block, head=head, query=self.query(head, place))[0].cpu()

    def figure(self, block: int, head: int, place: tuple[int, int, int]) -> Figure:
        """Six frames of the window, navy where content is taken from; the query patch has an orange frame."""
        name = f"{PARTS[head]} x {PARTS[head]}, block {block}"
        row = {name: (self.weights(block, head, place), self.query(head, place))}
        return attention_figure(row, self.frames, self.masks, self.numbers)

    def still(self, block: int, head: int, place: tuple[int, int, int], alt: str) -> None:
        """The explorer's picture without widgets."""
        page.show(self.figure(block, head, place), alt, photo=True)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widgets for a notebook that can show them, and one line of text for everything else."""
        view = self.box._repr_mimebundle_(**options) or {}
        told = "Five sliders: block, head, frame, row, column. They move where this notebook runs."
        return {**view, "text/plain": told}
