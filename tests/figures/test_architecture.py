"""A drawing of a network shows every box and word, arrows go from edge to edge, and a wrong name is refused."""

import pytest
from matplotlib.patches import FancyArrowPatch

from vinpaint_lib.figures import architecture
from vinpaint_lib.figures.architecture import Box, Wire

BOXES = (Box("clip", 0, 0, "frames", "picture"), Box("net", 1, 0), Box("copy", 2, 1, kind="fixed"))
WIRES = (Wire("clip", "net", "all"), Wire("net", "copy", way="across"), Wire("clip", "copy", way="over", dashed=True))


def test_every_word_is_drawn_and_lies_inside():
    figure = architecture.figure(BOXES, WIRES, 2.5, "White: pictures.")
    (axis,) = figure.axes
    figure.canvas.draw()
    words = [text.get_text() for text in axis.texts]
    assert words == ["clip", "frames", "net", "copy", "all", "White: pictures."]
    renderer = figure.canvas.get_renderer()
    for text in axis.texts:
        place = text.get_window_extent(renderer)
        assert figure.bbox.x0 <= place.x0 < place.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= place.y0 < place.y1 <= figure.bbox.y1


def test_a_box_and_an_arrow_for_each():
    (axis,) = architecture.figure(BOXES, WIRES).axes
    arrows = [patch for patch in axis.patches if isinstance(patch, FancyArrowPatch)]
    boxes = [patch for patch in axis.patches if not isinstance(patch, FancyArrowPatch)]
    assert [(box.get_x(), box.get_y()) for box in boxes] == [(b.column - 0.4, b.row - 0.32) for b in BOXES]
    assert [arrow.get_linestyle() for arrow in arrows] == ["-", "-", "--"]
    assert [arrow.patchA for arrow in arrows] == [boxes[0], boxes[1], boxes[0]], "arrows begin at an edge"
    assert [arrow.patchB for arrow in arrows] == [boxes[1], boxes[2], boxes[2]]


@pytest.mark.parametrize(
    "boxes, wires, words",
    [
        ((*BOXES, Box("net", 3, 3)), (), "two boxes are called net"),
        ((Box("net", 0, 0, kind="magic"),), (), "net is 'magic'"),
        (BOXES, (Wire("clip", "nowhere"),), "from clip to nowhere"),
        (BOXES, (Wire("clip", "net", way="round"),), "'round' is no way"),
    ],
)
def test_what_cannot_be_drawn_is_refused(boxes, wires, words):
    with pytest.raises(ValueError, match=words):
        architecture.figure(boxes, wires)


def test_it_carries_its_words(shown):
    architecture.draw(BOXES, WIRES, "three boxes")
    assert shown[0][0]["text/plain"] == "three boxes"
