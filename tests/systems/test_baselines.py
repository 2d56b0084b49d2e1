"""The baselines: what they must find exactly, what they must never read, and that they are no straw men."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vinpaint_lib.datasets.footage import DavisFolder
from vinpaint_lib.holes.smooth import RADIUS
from vinpaint_lib.inpaint import fill, fill_clip
from vinpaint_lib.interface import Inpainter, Window
from vinpaint_lib.scoring import metrics
from vinpaint_lib.systems import baselines
from vinpaint_lib.systems.baselines import AlignedMedian, FlowPropagation, Telea, TemporalMedian
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

ALL = (Telea, TemporalMedian, AlignedMedian, FlowPropagation)


def hole_score(model: Inpainter, clip: Clip) -> float:
    done = torch.stack(list(fill(model, clip)))
    return metrics.mean(metrics.psnr(done, clip.frames, clip.masks)).value


def still_clip(length: int = 7, size: tuple[int, int] = (40, 56)) -> Clip:
    """A fixed camera and a hole that wanders: every pixel is seen in most frames."""
    frames = toy_clip("chelsea", Shot(length=1, size=size, objects=0, seed=3)).clip.frames.repeat(length, 1, 1, 1)
    holes = torch.zeros(length, 1, *size)
    for t in range(length):
        holes[t, 0, 12:26, 4 + 6 * t : 14 + 6 * t] = 1
    return Clip(frames, holes)


def panned_clip(length: int = 12, size: tuple[int, int] = (96, 128), dx: int = 4) -> Clip:
    """A photograph that moves by whole pixels to the left under a fixed hole."""
    height, width = size
    wide = toy_clip("coffee", Shot(length=1, size=(height, width + dx * length), objects=0, seed=5)).clip.frames[0]
    frames = torch.stack([wide[:, :, dx * t : dx * t + width] for t in range(length)])
    holes = torch.zeros(length, 1, *size)
    holes[:, 0, 36:60, 56:72] = 1
    return Clip(frames, holes)


@pytest.mark.parametrize("make", ALL)
def test_nothing_under_a_hole_is_read(make: type[Inpainter]):
    clip = panned_clip(6)
    other = Clip(torch.where(clip.masks > 0, 1 - clip.frames, clip.frames), clip.masks)
    assert torch.equal(fill_clip(make(), clip).frames, fill_clip(make(), other).frames)


@pytest.mark.parametrize("make", ALL)
def test_known_pixels_come_back_and_the_input_is_left_alone(make: type[Inpainter]):
    clip = panned_clip(5)
    frames, holes = clip.frames.clone(), clip.masks.clone()
    done = fill_clip(make(), clip)
    assert torch.equal(done.frames * (1 - holes), frames * (1 - holes))
    assert torch.equal(clip.frames, frames)
    assert torch.equal(clip.masks, holes)
    assert done.frames.min() >= 0
    assert done.frames.max() <= 1


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("length, size", [(1, (17, 23)), (2, (8, 8)), (3, (21, 40))])
def test_any_length_and_size(make: type[Inpainter], length: int, size: tuple[int, int]):
    frames = torch.rand(length, 3, *size)
    holes = torch.zeros(length, 1, *size)
    holes[:, :, 2:6, 3:7] = 1
    done = fill_clip(make(), Clip(frames, holes)).frames
    assert done.shape == frames.shape
    assert torch.isfinite(done).all()


@pytest.mark.parametrize("make", ALL)
def test_frames_without_hole_and_frames_that_are_all_hole(make: type[Inpainter]):
    clip = still_clip(5)
    holes = clip.masks.clone()
    holes[1], holes[3] = 0, 1
    done = fill_clip(make(), Clip(clip.frames, holes)).frames
    assert torch.equal(done[1], clip.frames[1])
    assert torch.isfinite(done[3]).all()


def test_telea_is_opencv_s_and_uses_no_other_frame():
    clip = still_clip(3)
    alone = fill_clip(Telea(), Clip(clip.frames[1:2], clip.masks[1:2])).frames[0]
    assert torch.equal(fill_clip(Telea(), clip).frames[1], alone)
    picture = (clip.masked[1].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    hole = clip.masks[1, 0].numpy().astype(np.uint8)
    expected = cv2.inpaint(np.ascontiguousarray(picture), hole, RADIUS, cv2.INPAINT_TELEA) / 255
    inside = clip.masks[1].expand(3, -1, -1) > 0
    found = alone[inside].double()
    assert torch.allclose(found, torch.from_numpy(expected).permute(2, 0, 1)[inside], atol=1e-7)


def test_visible_median_is_the_slow_loop():
    rng = np.random.default_rng(0)
    colours = rng.random((6, 5, 4, 3)).astype(np.float32)
    visible = rng.random((6, 5, 4)) < 0.4
    visible[:, 0, 0], visible[:, 0, 1] = False, True
    median, seen = baselines.visible_median(colours, visible)
    for y, x in np.ndindex(5, 4):
        values = colours[visible[:, y, x], y, x]
        assert seen[y, x] == (len(values) > 0)
        expected = np.median(values, axis=0) if len(values) else np.zeros(3)
        assert median[y, x] == pytest.approx(expected, abs=1e-7)
    assert {0, 1, 2, 3, 6} <= set(visible.sum(0).ravel().tolist())


def test_median_is_exact_behind_a_fixed_camera():
    clip = still_clip()
    done = fill_clip(TemporalMedian(), clip).frames
    assert torch.equal(done, clip.frames)


def test_median_takes_the_majority_not_the_outlier():
    clip = still_clip(7)
    frames = clip.frames.clone()
    frames[5] = 0  # a flash; the pixel is seen in more frames than this one
    done = fill_clip(TemporalMedian(), Clip(frames, clip.masks)).frames
    assert torch.allclose(done[2], clip.frames[2])


@pytest.mark.parametrize("make", [AlignedMedian, FlowPropagation])
def test_a_pan_uncovers_what_is_under_the_hole(make: type[Inpainter]):
    clip = panned_clip()
    telea, median = hole_score(Telea(), clip), hole_score(TemporalMedian(), clip)
    # Whole-pixel motion of a textured photograph: what is left is sub-pixel error of the flow.
    assert hole_score(make(), clip) > max(telea, median) + 6


@pytest.mark.parametrize("hidden, source", [((-1, -2), 1), ((1, 2), -1), ((-1, 1, 2), -2), ((-2, -1, 1), 2)])
def test_flow_takes_the_nearest_frame_that_shows_the_pixel(hidden: tuple[int, ...], source: int):
    """Each frame is a little darker than the one before, so that the colour says where a pixel came from."""
    target = 6
    clip = panned_clip(13, dx=1)
    frames = clip.frames * 0.1 + 0.4
    tinted = frames * torch.linspace(1.0, 0.4, 13).reshape(-1, 1, 1, 1)
    holes = torch.zeros_like(clip.masks)
    for offset in (0, *hidden):
        holes[target + offset, 0, 36:60, 56:72] = 1
    filled = fill_clip(FlowPropagation(), Clip(tinted, holes)).frames[target]
    inner = (slice(None), slice(42, 54), slice(61, 67))
    brightness = (filled[inner] / frames[target][inner]).mean().item()
    # Steps of 0.05 from frame to frame; half of one decides.
    assert brightness == pytest.approx(1.0 - 0.05 * (target + source), abs=0.025)


def test_found_says_what_telea_filled():
    clip = still_clip(3)
    holes = clip.masks.clone()
    holes[:, 0, 0:6, 0:6] = 1  # never seen
    seen = []
    list(
        fill(TemporalMedian(), Clip(clip.frames, holes), on_step=lambda step, output: seen.append(output.maps["found"]))
    )
    assert len(seen) == 3
    found = torch.cat(seen)
    assert found.shape == (3, 1, 40, 56)
    assert found[:, :, 0:6, 0:6].sum() == 0
    assert found[1, :, 12:26, 20:].min() == 1


def test_spread_covers_both_ends():
    assert baselines.spread(list(range(48)), 8) == [0, 7, 13, 20, 27, 34, 40, 47]
    assert baselines.spread([3, 5], 8) == [3, 5]
    assert baselines.spread([], 8) == []


def test_memory_follows_the_window_not_the_clip():
    model = FlowPropagation(reach=3)
    state: dict = {}
    clip = panned_clip(12)
    for step in model.plan(12):
        indices = tuple(sorted((*step.targets, *step.references)))
        rows = list(indices)
        model(Window(indices, clip.frames[rows], clip.masks[rows], torch.zeros_like(clip.masks[rows])), step, state)
        assert len(indices) <= 7
        assert min(state["links"].by_index) >= indices[0]


def test_on_real_video_each_baseline_earns_its_place(davis: Path):
    """A camera that pans after a rider: the still median smears, the aligned one and the flow do not."""
    source = DavisFolder(davis)
    frames = source.load(source.names.index("scooter-black"), (120, 216), 0, 10).frames
    holes = torch.zeros(10, 1, 120, 216)
    holes[:, 0, 20:45, 30:60] = 1  # background that leaves the hole to the left
    clip = Clip(frames, holes)
    scores = {make.__name__: hole_score(make(), clip) for make in ALL}
    assert scores["FlowPropagation"] > scores["Telea"] + 1, scores
    assert scores["AlignedMedian"] > scores["TemporalMedian"] + 1, scores
