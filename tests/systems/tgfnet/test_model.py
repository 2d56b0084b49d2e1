"""TGF-Net as a whole: where it samples, and that its windows stay single frames."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from tests.motion.moving import moving_clip
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.holes.box import Box
from vinpaint_lib.inpaint import Recorder, fill, fill_clip
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import sampling
from vinpaint_lib.painting.network import CONFIGS as PAINTERS, Painter
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


class Red(Painter):
    """Stands for a painter: paints the hole red."""

    def paint(self, picture, mask):
        return torch.where(mask > 0, torch.tensor([1.0, 0, 0])[:, None, None], picture)


def test_what_no_frame_shows_is_what_was_painted_and_is_carried_along():
    torch.manual_seed(0)
    model = TGFNet(replace(CONFIGS["small"], painter="tiny", paint=True)).eval()
    model.painter = Red(PAINTERS["tiny"])
    clip = a_clip()
    recorder = Recorder()
    filled = fill_clip(model, clip, on_step=recorder).frames
    for target, maps in recorder.maps.items():
        box = Box(*maps["box"])
        never = maps["trust"][:-1].amax(dim=0)[0] == 0
        inside = clip.masks[target, 0][box.slices] > 0
        assert (never & inside).sum() > 50
        picture = filled[target][:, *box.slices]
        guess = maps["frames"][-1]
        assert torch.allclose(picture[:, never & inside], guess[:, never & inside].clamp(0, 1), atol=1e-5)
        # The painter's red, painted once; cubic interpolation of what was carried keeps it near.
        deep = cv2.erode((never & inside).numpy().astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert (guess[0][torch.from_numpy(deep)] > 0.8).all()
    known = clip.masks.expand_as(clip.frames) == 0
    assert torch.equal(filled[known], clip.frames[known])


@pytest.mark.parametrize("lacking", [{"painter": ""}, {"guess": False}, {"copy": False}])
def test_painting_without_what_it_needs_is_refused(lacking):
    with pytest.raises(UserError, match="paint: there is nothing to paint with"):
        replace(CONFIGS["small"], **{"painter": "tiny", "paint": True} | lacking)
