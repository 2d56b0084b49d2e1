"""Figures of curves and of coverage: they carry their words, keep their size, and draw what they are given."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from vinpaint_lib.figures import page
from vinpaint_lib.figures.curves import HUES, Panel, curves, figure_of
from vinpaint_lib.lessons.figures import coverage as coverage_figures


@pytest.fixture
def shown(monkeypatch):
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


def panel(lines=2, **options):
    return Panel("a title", "x", "y", {f"line {n}": ([0, 1, 2], [n, 2 * n, 1]) for n in range(lines)}, **options)


def test_curves_carry_their_words_and_a_fixed_size(shown):
    for _ in range(2):
        curves([panel(), panel()], "two panels of two lines")
    (chart, about), (again, _) = shown
    assert about == {"image/png": {"alt": "two panels of two lines"}}
    assert chart == again
    assert Image.open(io.BytesIO(chart["image/png"])).width == page.WIDTH * page.DPI


def test_ticks_stand_where_they_are_asked_for():
    (axis,) = figure_of([panel(ticks=(0, 0.7, 2))], 1, 2.0).axes
    assert axis.get_xticks().tolist() == [0, 0.7, 2]


def test_one_legend_for_panels_of_the_same_lines():
    same = figure_of([panel(), panel()], 2, 2.0)
    assert len(same.legends) == 1
    assert all(axis.get_legend() is None for axis in same.axes)
    other = figure_of([panel(2), panel(3, log="xy", floor=0.1)], 2, 2.0)
    assert not other.legends
    assert all(axis.get_legend() is not None for axis in other.axes)
    drawn = other.axes[1]
    assert (drawn.get_xscale(), drawn.get_yscale()) == ("log", "log")
    assert drawn.get_ylim()[0] == 0.1
    assert [line.get_ydata().tolist() for line in drawn.lines] == [[0, 0, 1], [1, 2, 1], [2, 4, 1]]


def test_the_legend_of_one_panel_can_stand_below():
    figure = figure_of([panel()], 1, 2.0, below=True)
    assert len(figure.legends) == 1
    assert figure.axes[0].get_legend() is None


def test_places_that_are_left_over_are_hidden():
    figure = figure_of([panel()] * 3, 2, 2.0)
    assert [axis.get_visible() for axis in figure.axes] == [True, True, True, False]


@pytest.mark.parametrize("panels", [[], [panel(len(HUES) + 1)]])
def test_more_lines_than_can_be_told_apart_are_refused(panels):
    with pytest.raises(ValueError, match="at most"):
        curves(panels, "alternative text")


def test_a_followed_point_is_marked_in_both_rows(shown):
    frames = torch.rand(4, 3, 20, 30)
    places = [coverage_figures.Place(0, 5.0, 6.0, "in the hole"), coverage_figures.Place(3, 25.5, 10.0, "shown")]
    figure = coverage_figures.followed_figure(frames, places)
    assert len(figure.axes) == 4
    for axis, place in zip(figure.axes, places * 2):
        assert {(line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines} == {(place.x, place.y)}
        assert {line.get_marker() for line in axis.lines} == {"o" if place.says == "shown" else "x"}
    assert figure.axes[2].get_xlim() == (5 - coverage_figures.CLOSE, 5 + coverage_figures.CLOSE)
    coverage_figures.followed(frames, places, "one point in two frames")
    assert shown[0][0]["text/plain"] == "one point in two frames"


def test_age_maps_stripe_what_no_frame_shows(shown):
    hole = torch.zeros(1, 16, 24)
    hole[:, 4:12, 4:20] = 1
    age = hole * 3
    age[:, 4:12, 12:20] = 0
    figure = coverage_figures.ages_figure({"a": age}, {"a": hole}, 5.0)
    ground, values = (image.get_array() for image in figure.axes[0].images)
    assert ground.shape == (16, 24, 3), "cut to the hole and 6 pixels around it"
    assert np.allclose(ground[0, 0], 0.93)
    assert ground[5:11, 13:19].std(axis=(0, 1)).min() > 0.05
    assert np.ma.getmaskarray(np.ma.masked_invalid(values))[6, 15]
    assert values[6, 6] == 3
    coverage_figures.age_maps({"a": age}, {"a": hole}, 5.0, "a map of ages")
    assert shown[0][0]["text/plain"] == "a map of ages"
