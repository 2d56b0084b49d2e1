"""Pictures of tensors, for notebooks and pages; nothing here knows a system."""

from vinpaint_lib.figures.clips import error_maps, film_strip, outlined, panels, scores, time_slices, tinted
from vinpaint_lib.figures.curves import Panel, curves
from vinpaint_lib.figures.page import show

__all__ = [
    "Panel",
    "curves",
    "error_maps",
    "film_strip",
    "outlined",
    "panels",
    "scores",
    "show",
    "time_slices",
    "tinted",
]
