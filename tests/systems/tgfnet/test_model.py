"""TGF-Net as a whole: where it samples, and that its windows stay single frames."""

import numpy as np
import pytest
import torch

from tests.motion.moving import moving_clip
from vinpaint_lib.holes import masks
from vinpaint_lib.inpaint import fill, fill_clip
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import sampling
from vinpaint_lib.systems.tgfnet import model as tgfnet
from vinpaint_lib.systems.tgfnet.model import TGFNet
from vinpaint_lib.systems.tgfnet.network import CONFIGS
from vinpaint_lib.video.clip import Clip


def a_clip() -> Clip:
    frames = moving_clip()[:9]
    height, width = frames.shape[-2:]
    return Clip(
        frames, masks.stationary_blob(len(frames), (height, width), np.random.default_rng(0), area=(0.05, 0.15))
    )


@pytest.fixture
def model() -> TGFNet:
    torch.manual_seed(0)
    return TGFNet(CONFIGS["small"]).eval()


def test_a_model_elsewhere_samples_with_torch_and_fills_the_same(model, monkeypatch):
    """The torch back end on the CPU: OpenCV rounds positions to 1/32 pixel, so single pixels differ."""
    clip = a_clip()
    by_opencv = fill_clip(model, clip)
    asked = []

    def elsewhere(device):
        asked.append(device)
        return sampling.OnDevice(device)

    monkeypatch.setattr(tgfnet, "back_end", elsewhere)
    by_torch = fill_clip(model, clip)
    assert set(asked) == {torch.device("cpu")}
    inside = clip.masks.expand_as(clip.frames) > 0
    gap = (by_opencv.frames - by_torch.frames).abs()[inside]
    assert gap.mean() < 0.005
    assert (gap < 0.02).float().mean() > 0.97
    assert torch.equal(by_torch.frames[~inside], clip.frames[~inside])


def test_no_window_is_stacked(model, monkeypatch):
    for part in ("frames", "masks", "filled"):
        monkeypatch.setattr(Window, part, property(lambda window, part=part: pytest.fail(f"a stack of all {part}")))
    assert len(list(fill(model, a_clip()))) == len(a_clip())
