"""Figures of Align-and-Attend: they show who gives most, mark the asking position, and carry their words."""

import pytest
import torch

from vinpaint_lib.figures import page
from vinpaint_lib.systems.align_attend import figures as align_attend_figures
from vinpaint_lib.systems.align_attend.network import CONFIGS

ALT = "A figure of Align-and-Attend that is drawn in a test of this project."


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were shown, as (figure, alt, photo)."""
    shown = []
    monkeypatch.setattr(page, "show", lambda figure, alt, photo=False, **_: shown.append((figure, alt, photo)))
    return shown


def test_windows_hold_the_target_once_and_their_references(drawn):
    align_attend_figures.windows({"short": (3, 4, 5), "long": (0, 8)}, 4, 9, ALT)
    ((figure, alt, photo),) = drawn
    assert (alt, photo) == (ALT, False)
    (axis,) = figure.axes
    places = [(line.get_marker(), line.get_xdata().tolist()) for line in axis.lines]
    assert places[:3] == [("s", [4]), ("o", [3, 5]), (".", [0, 1, 2, 6, 7, 8])]
    assert places[4] == ("o", [0, 8])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["short", "long"]


def test_looks_show_those_that_give_most_and_mark_the_position(drawn):
    size = (24, 40)
    frames, masks = torch.rand(4, 3, *size), torch.zeros(4, 1, *size)
    weights = torch.zeros(4, 3, 5)
    weights[3, 1, 2], weights[1, 0, 0], weights[0, 0, 0] = 0.7, 0.2, 0.1
    rows = {"one": (weights, (1, 2)), "two": (torch.full((4, 6, 10), 1 / 240), (0, 9))}
    align_attend_figures.attention_rows(
        (frames[2], masks[2]), rows, (frames, masks), (5, 10, 20, 25), ALT, truth={3: (8.0, 9.0)}, columns=3
    )
    ((figure, alt, photo),) = drawn
    assert (alt, photo) == (ALT, True)
    assert [axis.get_title() for axis in figure.axes][:3] == ["asks", "frame 10: 20%", "frame 25: 70%"]
    boxes = [axis.patches[0].get_xy() for axis in figure.axes if axis.patches]
    assert boxes == [(2 * 8 - 0.5, 8 - 0.5), (9 * 4 - 0.5, -0.5)]
    assert [axis.get_title() for axis in figure.axes if axis.lines] == ["frame 25: 70%"]


def test_weight_is_dark():
    strength = torch.zeros(3, 5)
    strength[2, 4] = 1
    found = align_attend_figures.shaded(torch.ones(3, 24, 40), torch.zeros(1, 24, 40), strength)
    ink = torch.tensor([0x00, 0x30, 0x5A]) / 255
    assert torch.allclose(found[:, 16:, 32:], ink[:, None, None].expand(3, 8, 8), atol=1e-6)
    assert found[:, :16].min() >= 0.5


def test_the_drawing_follows_the_configuration(drawn):
    paper, small = (
        {box.name: box for box in align_attend_figures.parts(CONFIGS[name])[0]} for name in ("paper", "small")
    )
    assert paper["references"].text == "every 10th frame"
    assert "one look" in paper["affine map"].text
    assert "a robust fit,\nand 2 more looks" in small["affine map"].text
    assert small.keys() - paper.keys() == {"aligned pixels"}
    assert small["aligned pixels"].kind == "ours"
    ends = {wire.start for wire in align_attend_figures.parts(CONFIGS["paper"])[1] if wire.end == "decoder"}
    assert ends == {"attend", "residual path", "flow estimator"}
    align_attend_figures.architecture(CONFIGS["paper"], ALT)
    assert drawn[0][1] == ALT
