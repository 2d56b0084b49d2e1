"""Figures of 3DCN and CombCN: what is drawn, and that they carry their words."""

import pytest
import torch
from matplotlib.patches import FancyArrowPatch

from vinpaint_lib.figures import page
from vinpaint_lib.figures.curves import Panel
from vinpaint_lib.systems.combcn import figures as combcn_figures, network, volume


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (data, metadata)."""
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


def sizes(table):
    return [(4 * row.width, 8 + n) for n, row in enumerate(table)]


def test_a_bar_for_each_layer_an_arc_for_each_skip():
    figure = combcn_figures.tables_figure({"a": (network.TABLE, sizes(network.TABLE))})
    (axis,) = figure.axes
    arcs = [patch for patch in axis.patches if isinstance(patch, FancyArrowPatch)]
    bars = [patch for patch in axis.patches if not isinstance(patch, FancyArrowPatch)]
    assert [bar.get_height() for bar in bars] == [8 + n for n in range(17)]
    assert len(arcs) == 7
    assert sum(text.get_text() == "guide" for text in axis.texts) == 2


def test_kinds_of_layers():
    assert [combcn_figures.kind(row) for row in volume.TABLE] == [
        "convolution", "stride 2", "convolution", "stride 2", "dilated", "dilated", "dilated", "convolution",
        "transposed", "convolution", "transposed", "convolution",
    ]  # fmt: skip


def test_figures_carry_their_words(shown):
    combcn_figures.tables({"3DCN": (volume.TABLE, sizes(volume.TABLE))}, "bars of twelve layers")
    maps = torch.zeros(4, 1, 6, 8)
    maps[1:3] = torch.rand(2, 1, 6, 8) + 0.1
    combcn_figures.reach({"guide": maps, "cut": maps * 0}, [0, 1, 3], "two rows of maps", label="size")
    assert [data["text/plain"] for data, _ in shown] == ["bars of twelve layers", "two rows of maps"]


def test_exact_zeros_are_not_drawn_and_small_values_are():
    maps = torch.zeros(2, 1, 3, 4)
    maps[0, 0, 1, 2], maps[0, 0, 0, 0] = 1.0, 1e-12
    figure = combcn_figures.reach_figure({"a": maps}, [0, 1], decades=4, label="")
    first, second = (axis.images[0].get_array() for axis in figure.axes[:2])
    assert (~first.mask).sum() == 2
    assert second.mask.all()
    with pytest.raises(ValueError, match="zero everywhere"):
        combcn_figures.reach_figure({"a": maps * 0}, [0], decades=4, label="")
    with pytest.raises(ValueError):
        combcn_figures.tables_figure({"a": (volume.TABLE, [(4, 4)])})


def test_the_legend_of_the_volumes_lies_on_no_plot(shown):
    shares = Panel("shares", "frame", "share", {"volume 1": ([0, 1], [1, 0]), "volume 2": ([0, 1], [0, 1])})
    reflected = Panel("reflected", "place", "frame", {"": ([0, 1, 2], [1, 0, 1])})
    figure = combcn_figures.covering_figure(shares, reflected)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["volume 1", "volume 2"]
    figure.draw_without_rendering()
    for axis in figure.axes:
        assert axis.get_legend() is None
        assert legend.get_window_extent().y1 <= axis.get_window_extent().y0
    combcn_figures.covering(shares, reflected, "two plots")
    assert shown[0][0]["text/plain"] == "two plots"
    many = {str(n): ([0, 1], [0, 1]) for n in range(6)}
    with pytest.raises(ValueError, match="at most 5 volumes"):
        combcn_figures.covering_figure(shares._replace(lines=many), reflected)


def test_the_drawing_follows_the_configuration(shown):
    boxes, wires = combcn_figures.parts(network.CONFIGS["paper"])
    told = {box.name: box.text for box in boxes}
    assert "12 layers, 3D" in told["3DCN"]
    assert "17 layers, 2D" in told["CombCN"]
    assert "32 frames" in told["given clip"]
    (guide,) = [wire for wire in wires if wire.end == "CombCN" and wire.start != "one frame"]
    assert guide.start == "guide"
    small = {box.name: box.text for box in combcn_figures.parts(network.CONFIGS["small"])[0]}
    assert "64 channels" in small["CombCN"]
    assert "256 channels" in told["CombCN"]
    combcn_figures.architecture(network.CONFIGS["tiny"], "two networks as boxes")
    assert shown[0][0]["text/plain"] == "two networks as boxes"
