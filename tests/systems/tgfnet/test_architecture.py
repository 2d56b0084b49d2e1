"""The drawing of the network: every box stands for a module that is there, and no module with weights is forgotten."""

from dataclasses import replace

import pytest

from vinpaint_lib.figures import page
from vinpaint_lib.systems.tgfnet import architecture, network
from vinpaint_lib.systems.tgfnet.network import CONFIGS, FusionNet

SMALL = CONFIGS["small"]
VARIANTS = {
    **CONFIGS,
    "one scale": replace(SMALL, scales=(2,)),
    "without grouping": replace(CONFIGS["paper"], grouping=False),
    "without attention": replace(SMALL, attention=False),
}


@pytest.fixture(params=VARIANTS, scope="module")
def net(request):
    return FusionNet(VARIANTS[request.param])


def test_boxes_name_the_modules_that_hold_weights_and_no_others(net):
    modules = dict(net.named_modules())
    parts = [box.part for box in architecture.boxes(net) if box.part]
    assert len(set(parts)) == len(parts)
    for part in parts:
        assert part in modules or callable(getattr(network, part, None)), part
    drawn = [part for part in parts if part in modules]
    for name, _ in net.named_parameters():
        idle = name.startswith("encoder.") and len(net.levels) < 3  # its coarse stages run, though nobody reads them
        assert idle or sum(name.startswith(f"{part}.") for part in drawn) == 1, name


def test_numbers_in_the_boxes_are_those_of_the_configuration():
    config = replace(SMALL, channels=(7, 11, 13), sizes=(1, 9), widths=(17, 19, 23), depth=4, tail=29)
    texts = {box.part: " ".join([box.title, *box.lines]) for box in architecture.boxes(FusionNet(config))}
    for level in range(3):
        assert f"{config.channels[level]} channels" in texts[f"encoder.stages.{level}"]
        assert f"1/{2 ** (level + 1)}" in texts[f"encoder.stages.{level}"]
        assert "ks 1/9 x 2, then 4 x 2D" in texts[f"groups.{level}"]
        assert f"width {config.widths[level]}" in texts[f"groups.{level}"]
    assert "13 -> 11" in texts["transfer.2"]
    assert "11 -> 7" in texts["transfer.1"]
    assert "transfer.0" not in texts
    assert "37 -> 29 channels" in texts["tail"]  # the copy path adds 8 to what comes out of `tail_in`
    assert "copy_weights" in texts
    assert "copy_weights" not in {box.part for box in architecture.boxes(FusionNet(CONFIGS["paper"]))}


def test_boxes_do_not_lie_on_each_other_and_inside_of_the_picture(net):
    boxes = architecture.boxes(net)
    for n, one in enumerate(boxes):
        for other in boxes[n + 1 :]:
            apart_x = abs(one.x - other.x) >= one.half + other.half
            assert apart_x or abs(one.y - other.y) >= one.tall + other.tall, (one.part, other.part)
    (axis,) = architecture.figure(net).axes
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    for box in boxes:
        assert left < box.x - box.half < box.x + box.half < right
        assert low < box.y - box.tall < box.y + box.tall < high


def test_every_text_stands_inside_of_its_box(net):
    figure = architecture.figure(net)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    for box in architecture.boxes(net):
        for text in axis.texts:
            if abs(text.get_position()[0] - box.x) < 1e-9 and abs(text.get_position()[1] - box.y) < box.tall:
                area = text.get_window_extent().transformed(axis.transData.inverted())
                assert area.width <= 2 * box.half, text.get_text()


def test_shown_with_its_words(net, monkeypatch):
    shown = []
    monkeypatch.setattr(page, "show", lambda figure, alt: shown.append((figure.get_figwidth(), alt)))
    architecture.draw(net, "boxes and arrows")
    assert shown == [(page.WIDTH, "boxes and arrows")]
