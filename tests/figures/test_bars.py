"""Stacked bars: lengths add up, rows are in the given order, parts are told apart."""

import pytest

from vinpaint_lib.figures import bars, page

ROWS = {"a": {"x": 1.0, "y": 2.0}, "b": {"x": 3.0, "y": 0.5}}


def test_bars_begin_where_the_part_before_ends():
    figure = bars.figure_of({"number": ROWS, "double": {k: {p: 2 * v for p, v in r.items()} for k, r in ROWS.items()}})
    spans = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    assert spans == [(0, 1), (1, 2), (0, 3), (3, 0.5)]
    assert [bar.get_width() for bar in figure.axes[1].patches] == [2, 4, 6, 1]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]  # the first row on top


def test_a_figure_carries_its_words(monkeypatch):
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append(data["text/plain"]))
    bars.stacked({"number": ROWS}, "two bars of two parts")
    assert seen == ["two bars of two parts"]
    with pytest.raises(ValueError, match="bars can have 6 parts, not 7"):
        bars.stacked({"number": {"a": dict.fromkeys("abcdefg", 1.0)}}, "seven parts")
