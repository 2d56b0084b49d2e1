"""Letterbox bars are found and cut off; dark pictures are left alone."""

import numpy as np
import pytest
import torch

from vinpaint_lib.datasets import bars
from vinpaint_lib.datasets.clip_set import ClipSet, draw_stretch, without_bars
from vinpaint_lib.video.clip import Clip


def noise(height: int, width: int, length: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(0.2, 1, (length, 3, height, width)).astype(np.float32))


def boxed(top: int, bottom: int, left: int, right: int, height: int = 96, width: int = 120) -> torch.Tensor:
    frames = torch.from_numpy(np.random.default_rng(1).uniform(0, 0.05, (4, 3, height, width)).astype(np.float32))
    rows, columns = slice(top, height - bottom), slice(left, width - right)
    frames[..., rows, columns] = noise(height - top - bottom, width - left - right)
    return frames


@pytest.mark.parametrize(
    ("edges", "rows", "columns"),
    [
        ((0, 0, 0, 0), (0, 96), (0, 120)),
        ((12, 12, 0, 0), (12, 84), (0, 120)),
        ((12, 13, 0, 0), (12, 83), (0, 120)),
        ((0, 0, 20, 20), (0, 96), (20, 100)),
        ((10, 10, 20, 20), (10, 86), (20, 100)),
        ((12, 0, 0, 0), (0, 96), (0, 120)),  # a dark sky has no counterpart below
        ((12, 24, 0, 0), (0, 96), (0, 120)),
        ((1, 1, 1, 1), (0, 96), (0, 120)),  # a line at the edge is no bar
        ((40, 40, 0, 0), (0, 96), (0, 120)),  # a slit is no picture
    ],
)
def test_bars_come_in_pairs(edges, rows, columns):
    found = bars.picture_in(boxed(*edges))
    assert [(span.start, span.stop) for span in found] == [rows, columns]


def test_bars_of_some_frames_count_for_all_and_black_frames_for_none():
    frames = torch.cat([noise(96, 120), boxed(12, 12, 0, 0), torch.zeros(2, 3, 96, 120)])
    assert bars.picture_in(frames)[0] == slice(12, 84)
    assert bars.picture_in(torch.zeros(3, 3, 96, 120)) == (slice(0, 96), slice(0, 120))


def test_a_clip_is_cut_to_its_picture_with_its_masks():
    frames = boxed(13, 13, 0, 0)
    silhouettes = (frames[:, :1] > 0.5).float()
    cut = without_bars(Clip(frames, silhouettes))
    assert cut.size == (64, 120)  # 70 rows of picture, at a multiple of 8
    assert cut.frames.amin() >= 0.2
    assert torch.equal(cut.frames, frames[:, :, 16:80])
    assert torch.equal(cut.masks, silhouettes[:, :, 16:80])
    clip = Clip(noise(90, 121), torch.zeros(4, 1, 90, 121))
    assert without_bars(clip) is clip


class Boxed(ClipSet):
    def __len__(self):
        return 1

    def load_random(self, i, rng, **_):
        return Clip(boxed(12, 12, 0, 0), torch.zeros(4, 1, 96, 120))


def test_training_never_sees_a_bar():
    for seed in range(5):
        stretch = draw_stretch(Boxed(), np.random.default_rng(seed), (96, 96), 4, 4, (64, 64))
        assert stretch.size == (72, 120)
        assert stretch.frames.amin() >= 0.2
