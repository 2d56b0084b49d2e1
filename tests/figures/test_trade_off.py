"""Quality against seconds: every point stands where its numbers are."""

import pytest

from vinpaint_lib.figures import trade_off
from vinpaint_lib.figures.trade_off import Point

POINTS = {"slow": Point(2.0, 17.0, 16.0, 19.0), "fast": Point(0.01, 16.0, 16.0, 16.0)}


def test_points_and_intervals_are_where_the_numbers_are():
    (axis,) = trade_off.figure_of(POINTS, "hole PSNR dB").axes
    places = [tuple(float(value[0]) for value in bars.lines[0].get_data()) for bars in axis.containers]
    assert places == [(2.0, 17.0), (0.01, 16.0)]
    ends = [bars.lines[2][0].get_segments()[0][:, 1].tolist() for bars in axis.containers]
    assert ends == [pytest.approx([16.0, 19.0]), pytest.approx([16.0, 16.0])]
    assert (axis.get_xscale(), axis.get_ylabel()) == ("log", "hole PSNR dB")


def test_it_is_written_and_shown_with_its_words(tmp_path, shown):
    assert trade_off.save(POINTS, "dB", tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    trade_off.drawn(POINTS, "dB", "two methods")
    assert shown[0][0]["text/plain"] == "two methods"
