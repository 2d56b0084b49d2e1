"""Figures of losses: what they are computed from, and that they carry their words."""

import numpy as np
import pytest
import torch

from vinpaint_lib.figures import page
from vinpaint_lib.lessons.figures import losses as losses_figures
from vinpaint_lib.systems.tgfnet import losses


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (data, metadata)."""
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


def test_a_gradient_is_summed_over_channels_and_scaled_by_its_large_values():
    gradient = torch.randn(3, 20, 30)
    values, top = losses_figures.signed(gradient)
    slow = [[sum(float(gradient[c, y, x]) for c in range(3)) for x in range(30)] for y in range(20)]
    np.testing.assert_allclose(values, slow, rtol=1e-5)
    assert top == pytest.approx(np.percentile(np.abs(slow), losses_figures.FULL))


def test_the_key_says_what_the_colours_mean():
    gradient = torch.zeros(3, 6, 8)
    gradient[:, 0, 0], gradient[:, 5, 7] = -0.5, 0.5  # the loss falls with a lighter pixel, with a darker pixel
    figure = losses_figures.gradient_figure({"a": gradient}, 1)
    drawn = figure.axes[0].images[0]
    shown = drawn.to_rgba(drawn.get_array())
    (key,) = figure.legends
    for place, end in (((0, 0), "lighter"), ((5, 7), "darker")):
        red, _, blue, _ = shown[place]
        (tone,) = (patch for patch in key.get_patches() if patch.get_label().endswith(end))
        assert (red > blue) == (tone.get_facecolor()[0] > tone.get_facecolor()[2]) == (end == "lighter")
    assert figure.axes[0].get_title() == "a  (darkest tone: 2)"


def test_the_scale_is_that_of_the_hole_however_small_it_is():
    gradient = torch.zeros(3, 50, 50)
    gradient[:, 3:5, 3:5] = 0.01
    assert losses_figures.signed(gradient)[1] == pytest.approx(0.03)
    assert losses_figures.signed(0 * gradient)[1] == 1


def test_figures_carry_their_words(shown):
    maps = {"full": torch.randn(3, 16, 24), "half": torch.randn(3, 8, 12), "none": torch.zeros(3, 8, 12)}
    losses_figures.gradient_maps(maps, "three maps", columns=2)
    losses_figures.grams({name: losses.gram(torch.rand(1, 5, 4, 6))[0] for name in "ab"}, "two matrices")
    (first, about), (second, _) = shown
    assert first["text/plain"] == about["image/png"]["alt"] == "three maps"
    assert second["text/plain"] == "two matrices"
    with pytest.raises(ValueError, match="alternative text"):
        losses_figures.grams({"a": torch.eye(3)}, " ")
