"""An explorer for a notebook: move through frames, scales and groups, and see what fills the hole.

The same picture without widgets is `Explorer.still`, for pages, papers and readers whose notebook does not run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import torch
from einops import rearrange, repeat
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib import viz, viz_attention, viz_sttn
from vinpaint_lib.models import Output, Step
from vinpaint_lib.patch_attention import PARTS
from vinpaint_lib.sttn_net import Generator

SCALES = ("full size", "1/2", "1/4", "1/8")


class Recorder:
    """Keeps the maps of every step: give it to `inpaint.fill` as `on_step`. Frames without a hole have none."""

    def __init__(self) -> None:
        self.maps: dict[int, dict[str, Any]] = {}

    def __call__(self, step: Step, output: Output) -> None:
        if output.maps:
            self.maps[step.targets[0]] = output.maps


class Explorer:
    """Sliders for frame, scale and group beside the filled picture and the weights.

    `filled` "t 3 h w" and `masks` "t 1 h w" are the whole clip, `maps` those of `Recorder`, by frame number. As the
    last line of a cell, or given to `display`, it shows the sliders. Raises ValueError if there is nothing to explore.
    """

    def __init__(
        self, filled: Float[Tensor, "t 3 h w"], masks: Float[Tensor, "t 1 h w"], maps: Mapping[int, dict[str, Any]]
    ) -> None:
        if not maps:
            raise ValueError("no frame of this clip has a hole: there are no maps to explore")
        self.filled, self.masks, self.maps = filled, masks, maps
        self.names: Sequence[str] = next(iter(maps.values()))["names"]
        frames = sorted(maps)
        self.frame = ipywidgets.SelectionSlider(options=frames, value=frames[len(frames) // 2], description="frame")
        self.scale = ipywidgets.SelectionSlider(options=SCALES, description="scale")
        groups = [("all", -1), *((name, n) for n, name in enumerate(self.names))]
        self.group = ipywidgets.SelectionSlider(options=groups, description="group")
        for slider in (self.frame, self.scale, self.group):
            slider.continuous_update = False
            slider.observe(self.redraw, names="value")
        self.image = ipywidgets.Image(format="jpeg")
        self.box = ipywidgets.VBox([self.frame, self.scale, self.group, self.image])
        self.redraw()

    def redraw(self, change: object = None) -> None:
        """Draw what the sliders ask for."""
        figure = self.figure(self.frame.value, self.scale.value, self.group.value)
        self.image.value = viz.encoded(figure, photo=True)

    def weights(self, frame: int, scale: str) -> Float[Tensor, "n 1 h w"]:
        """The weights of that frame and scale at full size, inside the frame's box."""
        maps = self.maps[frame]
        if scale != SCALES[0]:
            part = maps["attention"][SCALES.index(scale) - 1]
        else:
            part = maps.get("weights", maps["attention"][0])
        box = maps["box"]
        return viz_attention.enlarge(part, (box.bottom - box.top, box.right - box.left))

    def figure(self, frame: int, scale: str, group: int = -1) -> Figure:
        """The filled picture in the frame's box beside the winners (`group` -1), or beside one group's weight.

        A weight of 0 is black, 1 is white. Raises KeyError for a frame that had no hole.
        """
        weights, box = self.weights(frame, scale), self.maps[frame]["box"]
        inside = (..., slice(box.top, box.bottom), slice(box.left, box.right))
        picture, hole = self.filled[frame][inside], self.masks[frame][inside]
        if group < 0:
            return viz_attention.overlay_figure(picture, {scale: weights}, hole, self.names)
        share = repeat(weights[group], "1 h w -> c h w", c=3)
        shown = viz.outlined(share * hole + (picture * 0.5 + 0.5) * (1 - hole), hole)
        return viz.grid([[viz.outlined(picture, hole), shown]], [], ["filled", f"{self.names[group]}, {scale}"])

    def still(self, frame: int, scale: str, group: int, alt: str) -> None:
        """The explorer's picture without widgets."""
        viz.show(self.figure(frame, scale, group), alt, photo=True)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widgets where there are any; one line of text elsewhere, instead of their representation in Python."""
        view = self.box._repr_mimebundle_(**options) or {}
        return {**view, "text/plain": "Three sliders: frame, scale, group. They move where this notebook runs."}


class PatchExplorer:
    """Sliders for block, head and place beside the window: where does this patch of STTN take its content?

    `frames` "t 3 h w" and `masks` "t 1 h w" are one window, `numbers` the frames' numbers in the clip. Row and column
    count cells of the finest grid, 12 x 12; a coarser head is asked for its patch that holds the cell. The sliders
    start at block 0 and at `start` = (place in the window, row, column).
    """

    def __init__(
        self,
        net: Generator,
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
        self.image.value = viz.encoded(self.figure(self.block.value, self.head.value, place), photo=True)

    def query(self, head: int, place: tuple[int, int, int]) -> tuple[int, int, int]:
        """The patch of that head's grid that holds the cell (frame, row, column) of the finest one."""
        frame, row, column = place
        parts = PARTS[head]
        return frame, row * parts // PARTS[-1], column * parts // PARTS[-1]

    def weights(self, block: int, head: int, place: tuple[int, int, int]) -> Float[Tensor, "t p p"]:
        """Where that patch takes its content; sum 1."""
        device = next(self.net.parameters()).device
        clip, holes = (rearrange(x, "t c h w -> 1 t c h w").to(device) for x in (self.frames, self.masks))
        with torch.no_grad():
            return self.net.look(clip, holes, block=block, head=head, query=self.query(head, place))[0].cpu()

    def figure(self, block: int, head: int, place: tuple[int, int, int]) -> Figure:
        """Six frames of the window, navy where content is taken from; the query patch has an orange frame."""
        name = f"{PARTS[head]} x {PARTS[head]}, block {block}"
        row = {name: (self.weights(block, head, place), self.query(head, place))}
        return viz_sttn.looks_figure(row, self.frames, self.masks, self.numbers)

    def still(self, block: int, head: int, place: tuple[int, int, int], alt: str) -> None:
        """The explorer's picture without widgets."""
        viz.show(self.figure(block, head, place), alt, photo=True)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """As that of `Explorer`."""
        view = self.box._repr_mimebundle_(**options) or {}
        told = "Five sliders: block, head, frame, row, column. They move where this notebook runs."
        return {**view, "text/plain": told}


def at(picture: Float[Tensor, "*t c h w"], box: Sequence[int]) -> Float[Tensor, "*t c h2 w2"]:
    """The part of a picture inside a box (top, bottom, left, right)."""
    top, bottom, left, right = box
    return picture[..., top:bottom, left:right]
