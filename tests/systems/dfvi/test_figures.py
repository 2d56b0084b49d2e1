"""Figures of DFVI: fields share one scale, and every origin has its colour."""

import torch
from matplotlib.colors import to_rgb

from vinpaint_lib.figures import page
from vinpaint_lib.systems.dfvi import figures


def test_fields_share_one_scale():
    flow = torch.zeros(2, 8, 8)
    flow[0, :, 4:] = 4.0
    assert torch.allclose(figures.coloured(flow, 4.0)[:, 0, 0], torch.ones(3))
    strong, weak = (figures.coloured(flow, top)[:, 0, 5] for top in (4.0, 16.0))
    assert strong.min() < 0.1 < weak.min()
    hole = torch.zeros(1, 8, 8)
    figure = figures.flows_figure({"membrane": [flow], "network": [flow / 2]}, ["frame 3"], hole)
    assert len([axis for axis in figure.axes if axis.images]) == 2


def test_every_origin_has_its_colour():
    origin = torch.zeros(1, 8, 8)
    for kind in (1, 2, 3):
        origin[:, 2 * kind] = kind
    figure = figures.sources_figure([torch.rand(3, 8, 8)], [origin])
    shown = figure.axes[1].images[0].get_array()
    for kind in (1, 2, 3):
        expected = to_rgb(page.COLOURS[kind - 1])
        assert abs(shown[2 * kind, 3] / (255 if shown.max() > 1 else 1) - expected).max() < 0.01
    assert {text.get_text() for text in figure.texts} >= set(figures.SOURCES)
