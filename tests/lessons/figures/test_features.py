"""Figures of features: what they are drawn from, and that they carry their words."""

import itertools

import pytest
import torch
from matplotlib.colors import to_rgb

from vinpaint_lib.figures import page
from vinpaint_lib.lessons.figures import features as draw


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (data, metadata)."""
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


def test_the_fate_of_every_pixel():
    mask, small = (torch.rand(1, 16, 24) > 0.5).float(), (torch.rand(1, 4, 6) > 0.5).float()
    picture = torch.rand(3, 16, 24)
    painted = draw.fates(mask, small, picture)
    both, given_up, leaked = (torch.tensor(to_rgb(colour)) for colour in draw.FATES.values())
    for y, x in itertools.product(range(16), range(24)):
        case = (int(mask[0, y, x]), int(small[0, y // 4, x // 4]))
        grey = (picture[:, y, x].mean() * 0.4 + 0.6).expand(3)
        wanted = {(1, 1): both, (0, 1): given_up, (1, 0): leaked, (0, 0): grey}[case]
        assert torch.allclose(painted[:, y, x], wanted, atol=1e-6)


def test_the_strongest_channels_come_first():
    features = torch.randn(6, 5, 7) * torch.tensor([1.0, 5, 0, 3, 2, 4])[:, None, None]
    assert torch.equal(draw.strongest(features, 3), features[[1, 5, 3]])


def test_figures_carry_their_words(shown):
    picture, hole = torch.rand(3, 24, 40), torch.zeros(1, 24, 40)
    hole[:, 8:16, 12:28] = 1
    square = draw.Square(8, 16, 9, "1/2: 9")
    draw.fields_on(picture, [square, draw.Square(8, 16, 21, "1/4: 21")], "two squares")
    draw.channels({"1/2": torch.rand(3, 12, 20), "1/4": torch.rand(2, 6, 10)}, "two rows of maps")
    draw.sensitivity_maps({"a": {"1/2": torch.rand(9, 9)}, "b": {"1/2": torch.rand(9, 9)}}, {"1/2": square}, "two maps")
    draw.changes({"1/2": torch.rand(1, 12, 20), "1/4": torch.rand(1, 6, 10)}, hole, "two changes", label="e")
    draw.fate_maps({"max": draw.fates(hole, hole[:, ::4, ::4], picture)}, "one fate")
    assert [data["text/plain"] for data, _ in shown] == [
        "two squares", "two rows of maps", "two maps", "two changes", "one fate",
    ]  # fmt: skip


def test_a_square_is_drawn_around_whole_pixels():
    figure = draw.fields_figure(torch.rand(3, 24, 40), [draw.Square(10, 20, 9)])
    patch = figure.axes[0].patches[0]
    assert (patch.get_x(), patch.get_y(), patch.get_width()) == (15.5, 5.5, 9)  # pixels 16 to 24, 6 to 14


def test_titles_stand_above_the_columns():
    square = draw.Square(4, 4, 3)
    figure = draw.sensitivity_figure(
        {"a": {"1/2": torch.rand(9, 9), "1/4": torch.rand(9, 9)}}, {"1/2": square, "1/4": square}
    )
    assert [axis.get_title() for axis in figure.axes] == ["1/2", "1/4"]
