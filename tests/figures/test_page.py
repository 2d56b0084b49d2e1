"""Figures carry their words and a fixed size; files are whole; grids have their titles."""

import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from tests.figures.drawn import clip
from vinpaint_lib.figures import clips, page


def lightness(colour):
    """CIE L* of a colour."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    y = np.dot(linear, (0.2126, 0.7152, 0.0722))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_a_figure_carries_its_words_and_a_fixed_size(shown):
    for _ in range(2):
        clips.film_strip({"a": clip(), "b": clip()}, "two rows of five frames")
    clips.scores({"a": {"x": 1.0}, "b": {"x": 2.0}}, {"x": "score"}, "two dots")
    (photo, about), (again, _), (chart, chart_about) = shown
    assert photo["text/plain"] == "two rows of five frames"
    assert about == {"image/jpeg": {"alt": "two rows of five frames"}}
    assert chart_about == {"image/png": {"alt": "two dots"}}
    sizes = [Image.open(io.BytesIO(data["image/jpeg"])).size for data in (photo, again)]
    assert sizes[0] == sizes[1]
    assert sizes[0][0] == page.WIDTH * page.DPI == Image.open(io.BytesIO(chart["image/png"])).size[0]


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_figure_without_words_is_refused_and_not_written(alt, shown, tmp_path):
    with pytest.raises(ValueError, match="alternative text"):
        clips.film_strip({"a": clip()}, alt, path=tmp_path / "a.png")
    assert not shown
    assert not list(tmp_path.iterdir())


def test_files_are_pngs_that_replace_the_old_one_at_once(tmp_path, monkeypatch):
    path = tmp_path / "strip.png"
    assert clips.poster(path, {"a": clip()}) == path
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size[0] == page.WIDTH * page.FILE_DPI
    before = path.read_bytes()

    def broken(self, file, **options):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(page.Figure, "savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        clips.poster(path, {"a": clip()})
    assert path.read_bytes() == before


def test_colours_of_walks_differ_in_a_grey_print():
    strong = sorted(map(lightness, page.COLOURS[0:8:2]))
    assert min(b - a for a, b in pairwise(strong)) > 10
    for first, later in zip(page.COLOURS[0:8:2], page.COLOURS[1:8:2], strict=True):
        assert lightness(later) - lightness(first) > 10
    assert lightness(page.COLOURS[0]) == pytest.approx(19.5, abs=2)  # the formula itself: navy is nearly black


@pytest.mark.parametrize("count, columns, size", [(3, 3, (112, 192)), (6, 3, (96, 160)), (12, 6, (24, 40))])
def test_titles_on_top_are_not_cut(count, columns, size):
    rows = [[torch.rand(3, *size)] * columns] * (count // columns)
    figure = page.grid(rows, [], [f"|difference| {n}" for n in range(count)])
    page.encoded(figure, photo=True)
    ends = [axis.title.get_window_extent(figure.canvas.get_renderer()).y1 for axis in figure.axes]
    assert max(ends) < figure.bbox.height - 2  # pixels; what matplotlib measures is a little less than what it draws


def test_a_row_whose_first_place_is_free_has_its_name_below_the_others():
    picture = torch.rand(3, 24, 40)
    figure = page.grid([[picture, picture], [None, picture], [None, None]], ["one", "two"], ["a", "b"])
    page.encoded(figure, photo=True)
    first, _, below, _, unnamed, _ = figure.axes
    assert below.get_ylabel() == "two"
    assert [axis.get_visible() for axis in (below, unnamed)] == [True, False]
    assert not below.images
    assert not below.patch.get_visible()
    boxes = [axis.yaxis.label.get_window_extent(figure.canvas.get_renderer()) for axis in (first, below)]
    assert abs(boxes[0].x0 - boxes[1].x0) < 1  # pixels
    assert boxes[1].y1 < boxes[0].y0
