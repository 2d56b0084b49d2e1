"""The explorer of TGF-Net's attention maps (sec. D): sliders choose the frame, the scale and the group.

Notebook 09 shows it; `inpaint.Recorder` collects its maps while a clip is filled.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
from einops import repeat
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from vinpaint_lib.figures import choices, clips, page

SCALES = ("full size", "1/2", "1/4", "1/8")


class Explorer:
    """Sliders for frame, scale and group beside the filled picture and the weights.

    `filled` "t 3 h w" and `masks` "t 1 h w" are the whole clip, `maps` the maps of `inpaint.Recorder`, by frame number.
    As the last line of a cell, or given to `display`, the explorer shows its sliders. Raises ValueError if there are no
    maps.
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
        self.image.value = page.encoded(figure, photo=True)

    def weights(self, frame: int, scale: str) -> Float[Tensor, "n 1 h w"]:
        """The weights of that frame and scale at full size, inside the frame's box."""
        maps = self.maps[frame]
        if scale != SCALES[0]:
            part = maps["attention"][SCALES.index(scale) - 1]
        else:
            part = maps.get("weights", maps["attention"][0])
        box = maps["box"]
        return choices.enlarge(part, (box.bottom - box.top, box.right - box.left))

    def figure(self, frame: int, scale: str, group: int = -1) -> Figure:
        """The filled picture in the frame's box beside the winners (`group` -1), or beside one group's weight.

        A weight of 0 is black, 1 is white. Raises KeyError for a frame that had no hole.
        """
        weights, box = self.weights(frame, scale), self.maps[frame]["box"]
        inside = (..., *box.slices)
        picture, hole = self.filled[frame][inside], self.masks[frame][inside]
        if group < 0:
            return choices.overlay_figure(picture, {scale: weights}, hole, self.names)
        share = repeat(weights[group], "1 h w -> c h w", c=3)
        shown = clips.outlined(share * hole + (picture * 0.5 + 0.5) * (1 - hole), hole)
        return page.grid([[clips.outlined(picture, hole), shown]], [], ["filled", f"{self.names[group]}, {scale}"])

    def still(self, frame: int, scale: str, group: int, alt: str) -> None:
        """The explorer's picture without widgets."""
        page.show(self.figure(frame, scale, group), alt, photo=True)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widgets for a notebook that can show them, and one line of text for everything else."""
        view = self.box._repr_mimebundle_(**options) or {}
        return {**view, "text/plain": "Three sliders: frame, scale, group. They move where this notebook runs."}
