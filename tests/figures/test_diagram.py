"""A diagram shows every station in its order, and its arrow leads back."""

from itertools import pairwise

import pytest

from vinpaint_lib.figures import diagram
from vinpaint_lib.figures.diagram import Station

STATIONS = (Station("clip", ("frames", "masks"), "01"), Station("model"), Station("score", (), "10"))


def test_every_word_is_drawn_and_nothing_overlaps():
    figure = diagram.figure(STATIONS, ("score", "clip", "and back"))
    (axis,) = figure.axes
    words = [text.get_text() for text in axis.texts if text.get_text()]
    assert words == ["clip", "frames\nmasks", "01", "model", "score", "10", "and back"]
    boxes = [patch for patch in axis.patches if not hasattr(patch, "get_connectionstyle")]
    arrows = [patch for patch in axis.patches if hasattr(patch, "get_connectionstyle")]
    assert len(boxes) == 3
    assert len(arrows) == 3
    sides = [(box.get_x(), box.get_x() + box.get_width()) for box in boxes]
    assert all(left[1] < right[0] for left, right in pairwise(sides))
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    for text in axis.texts:
        inside = text.get_window_extent(renderer)
        assert figure.bbox.x0 <= inside.x0
        assert inside.x1 <= figure.bbox.x1
        assert inside.y1 <= figure.bbox.y1


def test_an_arrow_that_leads_nowhere_is_refused():
    for back in (("clip", "score", ""), ("score", "nowhere", "")):
        with pytest.raises(ValueError):
            diagram.figure(STATIONS, back)
