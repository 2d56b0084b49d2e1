"""Figures of VINet: colours mean directions, arrows have their length, cells stand where they must."""

import numpy as np
import pytest
import torch

from vinpaint_lib.figures import page
from vinpaint_lib.systems.vinet import figures as vinet_figures
from vinpaint_lib.systems.vinet.network import CONFIGS, Config

ALT = "A figure of VINet that is drawn in a test of this project."


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were shown, as (figure, alt, photo)."""
    shown = []
    monkeypatch.setattr(page, "show", lambda figure, alt, photo=False, **_: shown.append((figure, alt, photo)))
    return shown


def uniform(x, y, size=(4, 6)):
    return torch.tensor([float(x), float(y)])[:, None, None].expand(2, *size)


def test_no_motion_is_white_and_opposite_motions_have_other_colours():
    assert torch.equal(vinet_figures.coloured(uniform(0, 0), 5.0), torch.ones(3, 4, 6))
    right, left, strong = (vinet_figures.coloured(uniform(x, 0), 5.0)[:, 0, 0] for x in (5, -5, 50))
    assert torch.equal(right, strong)
    assert right.argmax() == 0
    assert left[0] < 0.1
    half = vinet_figures.coloured(uniform(2.5, 0), 5.0)[:, 0, 0]
    assert right[1] < half[1] < 1


def test_cells_are_repeated():
    field = torch.arange(6.0).reshape(1, 2, 3)
    assert torch.equal(vinet_figures.enlarged(field, (4, 6)), field.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_flows_have_arrows_of_the_flow_s_length(drawn):
    hole = torch.zeros(1, 32, 48)
    rows = {"coarse": [uniform(4, -2), None], "fine": [uniform(0, 0, (32, 48)), uniform(8, 0, (16, 24))]}
    vinet_figures.flows(rows, ["a", "b"], hole, 8.0, ALT)
    ((figure, alt, photo),) = drawn
    assert (alt, photo) == (ALT, True)
    arrows = [axis.collections[0] if axis.collections else None for axis in figure.axes]
    assert arrows[1] is None
    assert not figure.axes[1].get_visible()
    assert np.allclose(arrows[0].U, 4 * 16 / 8)
    assert np.allclose(arrows[0].V, -2 * 16 / 8)
    assert np.allclose(arrows[3].U, 16)
    assert arrows[0].N == 2 * 3


def test_compositions_are_grey_with_an_orange_outline(drawn):
    hole = torch.zeros(1, 16, 24)
    hole[:, 4:8, 6:12] = 1
    found = vinet_figures.lined(torch.full((1, 2, 3), 0.25), hole)
    assert torch.allclose(found[:, 5, 7], torch.full((3,), 0.25))
    assert torch.allclose(found[:, 3, 7], torch.tensor([0xC4, 0x4E, 0]) / 255)
    masks = [torch.rand(1, 2, 3), torch.rand(1, 16, 24)]
    vinet_figures.compositions({"frame 1": masks, "frame 2": masks}, ["m at 1/8", "m at 1"], [hole, 0 * hole], ALT)
    ((figure, alt, photo),) = drawn
    assert (alt, photo) == (ALT, True)
    assert [axis.get_title() for axis in figure.axes] == ["m at 1/8", "m at 1", "", ""]
    assert [figure.axes[n].get_ylabel() for n in (0, 2)] == ["frame 1", "frame 2"]


def test_windows_mark_the_truth_in_cells(drawn):
    picture = torch.rand(3, 32, 48)
    costs = {kind: {letter: torch.rand(9, 9) for letter in "AB"} for kind in ("pixels", "features")}
    vinet_figures.windows(picture, {"A": (4, 5), "B": (20, 30)}, costs, {"A": (1.5, -2), "B": (0, 0)}, ALT)
    ((figure, alt, photo),) = drawn
    assert (alt, photo) == (ALT, False)
    photo_axis, *squares = figure.axes
    assert [text.get_text() for text in photo_axis.texts] == ["A", "B"]
    assert [axis.get_title() for axis in squares] == ["A", "B", "", ""]
    assert squares[2].lines[0].get_xydata().tolist() == [[1.5, -2]]
    assert squares[0].images[0].get_extent() == [-4.5, 4.5, 4.5, -4.5]


def test_what_is_touched_is_a_square_and_what_is_not_a_dot(drawn):
    vinet_figures.touched({"one": [0, 1e-3, 1e-1], "two": [0, 0, 0]}, 1, ALT)
    ((figure, _, _),) = drawn
    (axis,) = figure.axes
    marks = [line for line in axis.lines if line.get_marker() in "so"]
    assert [line.get_marker() for line in marks] == ["o", "s", "s", "o", "o", "o"]
    assert marks[1].get_markersize() < marks[2].get_markersize() == 12
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]


def test_the_drawing_follows_the_configuration(drawn):
    boxes, wires = vinet_figures.parts(CONFIGS["paper"])
    told = {box.name: box.text for box in boxes}
    assert "128 channels at 1/8" in told["source tower"]
    assert {wire.end for wire in wires if wire.start == "output before"} == {"source tower", "blend"}
    assert not [box for box in boxes if box.kind == "ours"]
    cut = {box.name for box in vinet_figures.parts(Config(recurrence=False, memory=False))[0]}
    assert told.keys() - cut == {"output before", "memory"}
    helped = [box.name for box in vinet_figures.parts(CONFIGS["small"])[0] if box.kind == "ours"]
    assert helped == ["feature flow", "decoder"]
    vinet_figures.architecture(CONFIGS["paper"], ALT)
    assert drawn[0][1] == ALT
