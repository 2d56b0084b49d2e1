"""Figures of alignment: the drawn positions are those that the warp looks at; estimates are drawn over the truth."""

import pytest
import torch
from einops import rearrange

from vinpaint_lib.figures import page
from vinpaint_lib.lessons.figures import alignment as alignment_figures

ALT = "A figure of alignment that is drawn in a test of this project."


@pytest.fixture
def drawn(monkeypatch):
    shown = []
    monkeypatch.setattr(page, "show", lambda figure, alt, **_: shown.append((figure, alt)))
    return shown


def test_the_grid_lies_where_the_result_looks(drawn):
    picture = torch.rand(3, 21, 41)
    maps = {"identity": torch.eye(2, 3), "right": torch.tensor([[1.0, 0, 0.5], [0, 1, 0]])}
    alignment_figures.sampling(picture, maps, ALT, every=5)
    (figure, alt), *more = drawn
    assert alt == ALT
    assert not more
    same, moved = figure.axes[0].lines[0], figure.axes[1].lines[0]
    assert same.get_xdata()[[0, -1]].tolist() == [0, 40]
    assert same.get_ydata()[0] == 0
    assert torch.allclose(torch.from_numpy(moved.get_xdata() - same.get_xdata()), torch.tensor(10.0))  # half of 40 / 2
    shown = torch.from_numpy(figure.axes[3].images[0].get_array())
    assert torch.allclose(shown[:, :30], rearrange(picture, "c h w -> h w c")[:, 10:40], atol=1e-4)
    assert shown[:, 31:].max() < 1e-4, "outside of the picture"


def test_estimates_are_drawn_over_the_truth(drawn):
    truth = torch.tensor([[0.1, -2.0], [-0.3, 1.0], [0.2, 0.5]])
    alignment_figures.scatter(truth, {"one": truth, "two": truth * 0}, ("x", "y"), ALT)
    figure = drawn[0][0]
    left = figure.axes[0]
    assert [axis.get_title() for axis in figure.axes] == ["x", "y"]
    assert left.lines[1].get_xdata().tolist() == truth[:, 0].tolist()
    assert left.lines[1].get_ydata().tolist() == truth[:, 0].tolist()
    assert set(left.lines[2].get_ydata().tolist()) == {0.0}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_the_difference_is_doubled_and_striped_where_nothing_is_shown():
    one, shown = torch.full((3, 12, 12), 0.5), torch.ones(1, 12, 12)
    shown[:, :, 8:] = 0
    stronger = alignment_figures.difference(one, one - 0.1, shown, times=4.0)
    assert torch.allclose(stronger[:, :, :6], torch.full((3, 12, 6), 0.4), atol=1e-6)
    found = alignment_figures.difference(one, one - 0.1, shown)
    assert torch.allclose(found[:, :, :4], torch.full((3, 12, 4), 0.2))
    assert found[:, :, 11].std() > 0.05
