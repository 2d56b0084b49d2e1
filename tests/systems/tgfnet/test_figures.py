"""Figures of groups: drawn for uneven sizes and any number of groups, with their alternative text."""

import pytest
import torch

from vinpaint_lib.figures import choices, page
from vinpaint_lib.systems.tgfnet import figures as tgfnet_figures

ALT = "A figure of groups that is drawn in a test of this project."


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were shown, as (figure, alt, photo)."""
    shown = []
    monkeypatch.setattr(page, "show", lambda figure, alt, photo=False, **_: shown.append((figure, alt, photo)))
    return shown


def hole(height: int = 16, width: int = 24):
    mask = torch.zeros(1, height, width)
    mask[:, 4:11, 6:19] = 1
    return mask


@pytest.mark.parametrize("groups", [1, 4, 11])
def test_every_group_has_its_score_above_its_weight(drawn, groups):
    scores = torch.randn(groups, 1, 16, 24)
    names = [f"group {n}" for n in range(groups)]
    tgfnet_figures.scores_and_weights(scores, scores.softmax(dim=0), hole(), names, ALT)
    (figure, alt, _), *more = drawn
    assert not more
    assert alt == ALT
    maps = [axis for axis in figure.axes if axis.images]
    assert len(maps) == 2 * groups
    # In the hole only: outside nothing is drawn.
    assert all(torch.from_numpy(axis.images[0].get_array().mask).any() for axis in maps)
    figure.canvas.draw()


def test_groups_stand_below_each_other_and_are_not_joined(drawn):
    choices.by_group({"1/8": {"found": [0.1, 0.9], "dark": [0.0, 0.2]}, "1/2": {"found": [0.3, 0.7]}}, "ab", "x", ALT)
    figure = drawn[0][0]
    left, right = figure.axes
    assert [list(line.get_xdata()) for line in left.lines] == [[0.1, 0.9], [0.0, 0.2]]
    assert {line.get_linestyle() for axis in (left, right) for line in axis.lines} == {"None"}
    assert [text.get_text() for text in left.get_yticklabels()] == ["1  a", "2  b"]
    assert left.get_ylim()[0] > left.get_ylim()[1], "the first group on top"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["found", "dark"]


def test_maps_over_time_have_a_row_each_and_a_legend(drawn):
    pictures, names = torch.rand(3, 3, 16, 24), ["past", "future"]
    weights = torch.rand(3, 2, 1, 16, 24)
    tgfnet_figures.over_time(pictures, {"1/2": weights, "1/4": 1 - weights}, hole(), [0, 4, 9], names, ALT)
    figure = drawn[0][0]
    assert len([axis for axis in figure.axes if axis.images]) == 9
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["1  past", "2  future"]
    assert [axis.get_title() for axis in figure.axes[:3]] == ["frame 0", "frame 4", "frame 9"]


def test_a_weight_is_black_to_white_in_the_hole_only():
    weight = torch.tensor([0.0, 1.0]).repeat(1, 2, 1)  # 1 2 2: two cells a row
    picture, mask = torch.full((3, 8, 8), 0.5), torch.zeros(1, 8, 8)
    mask[:, 3:5] = 1
    drawn = tgfnet_figures.weight_picture(weight, picture, mask)
    assert drawn[:, 3:5, :4].max() == 0
    assert drawn[:, 3:5, 4:].min() == 1
    assert torch.allclose(drawn[:, 0], torch.full((3, 8), 0.75)), "pale outside"


def test_tables_strength_and_maps_of_the_hole_are_drawn(drawn):
    picture = torch.rand(3, 16, 24)
    tgfnet_figures.rows_of({"one": {"a": picture, "b": picture}, "two": {"a": picture, "b": picture}}, ALT)
    tgfnet_figures.strength({"before": torch.randn(5, 16, 24), "after": torch.zeros(5, 16, 24)}, hole(), ALT)
    tgfnet_figures.in_hole({"one": torch.rand(1, 16, 24), "two": torch.zeros(1, 16, 24)}, hole(), ALT, top=0.2)
    assert [len([axis for axis in figure.axes if axis.images]) for figure, *_ in drawn] == [4, 2, 2]
    strengths = drawn[1][0].axes
    assert strengths[0].images[0].get_clim() == strengths[1].images[0].get_clim(), "one scale"
    assert drawn[2][0].axes[0].images[0].get_clim() == (0, 0.2)
    for figure, *_ in drawn:
        figure.canvas.draw()
