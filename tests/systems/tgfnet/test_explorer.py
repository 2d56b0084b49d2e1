"""The explorer of TGF-Net's weights: what its sliders offer, and the picture without them."""

import io
import json

import pytest
import torch
from PIL import Image

from tests.figures.drawn import clip, groups, hole
from vinpaint_lib import inpaint
from vinpaint_lib.figures import choices, page
from vinpaint_lib.holes.box import Box
from vinpaint_lib.interface import Output, Step
from vinpaint_lib.systems.tgfnet.explorer import Explorer


@pytest.fixture
def shown(monkeypatch):
    """What is displayed: a list of (data, metadata)."""
    seen = []
    monkeypatch.setattr(page, "display", lambda data, metadata, raw: seen.append((data, metadata)))
    return seen


def explorer():
    recorder = inpaint.Recorder()
    box = Box(0, 24, 0, 40)
    for frame in (1, 3):
        weights, trust, age = groups()
        attention = [torch.rand(9, 1, 24 // s, 40 // s).softmax(dim=0) for s in (2, 4, 8)]
        maps = {"box": box, "names": [f"g{i}" for i in range(9)], "attention": attention, "weights": weights}
        recorder(Step((frame,), ()), Output(torch.rand(1, 3, 24, 40), maps | {"trust": trust, "age": age}))
    recorder(Step((4,), ()), Output(torch.rand(1, 3, 24, 40), {}))
    return Explorer(clip(), torch.stack([hole()] * 5), recorder.maps)


def test_the_explorer_offers_frames_with_a_hole_and_redraws():
    view = explorer()
    assert list(view.frame.options) == [1, 3]
    assert view.names == [f"g{i}" for i in range(9)]
    before = view.image.value
    for slider, value in ((view.scale, "1/8"), (view.group, 2), (view.frame, 1)):
        slider.value = value
        assert view.image.value != before
        before = view.image.value
    assert Image.open(io.BytesIO(before)).format == "JPEG"


def test_the_explorer_takes_the_weights_of_the_scale():
    view = explorer()
    maps = view.maps[3]
    assert torch.equal(view.weights(3, "full size"), maps["weights"])
    for scale, part in zip(("1/2", "1/4", "1/8"), maps["attention"], strict=True):
        assert torch.equal(view.weights(3, scale), choices.enlarge(part, (24, 40)))


def test_the_explorer_without_widgets_is_a_line_of_text(shown):
    view = explorer()
    bundle = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"].startswith("Three sliders")
    json.dumps(bundle)
    view.still(1, "1/4", 0, "one setting")
    assert shown[0][0]["text/plain"] == "one setting"
    with pytest.raises(ValueError, match="no frame of this clip has a hole"):
        Explorer(clip(), torch.zeros(5, 1, 24, 40), {})
