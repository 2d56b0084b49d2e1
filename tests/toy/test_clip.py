"""Toy clips: the motion they state is the motion they show."""

from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import torch
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.motion import warp
from vinpaint_lib.toy import scene as scenes, staging
from vinpaint_lib.toy.clip import PHOTOS, Material, Shot, ToyClip, photograph, toy_clip, toy_scene

SIZE = (96, 160)


@pytest.fixture(scope="module")
def clips() -> dict[str, ToyClip]:
    shot = Shot(length=6, size=SIZE, speed=3.0)
    return {
        "affine": toy_clip("coffee", replace(shot, objects=2, seed=3)),
        "homography": toy_clip("rocket", replace(shot, camera="homography", seed=4)),
        "still": toy_clip("chelsea", replace(shot, camera="still", seed=5)),
        "silhouettes": toy_clip(
            "astronaut", replace(shot, objects=2, seed=6, speed=2.0), Material(object_shapes=[walker()])
        ),
    }


def walker() -> Float[Tensor, "t 1 h w"]:
    """A box that walks to the right and grows."""
    result = torch.zeros(9, 1, 48, 80)
    for t in range(9):
        result[t, 0, 15 : 27 + t, 10 + 3 * t : 28 + 3 * t] = 1
    return result


def mean_where(values: Float[Tensor, "p c h w"], where: Float[Tensor, "p 1 h w"]) -> float:
    return float((reduce(values, "p c h w -> p 1 h w", "mean") * where).sum() / where.sum())


@pytest.mark.parametrize("name", ["affine", "homography", "still", "silhouettes"])
def test_warping_the_neighbour_by_the_flow_gives_the_frame(clips, name):
    """Tolerance 0.012 of 1: bilinear resampling of a sharp picture. A flow that is wrong by one pixel gives more."""
    clip = clips[name]
    frames = clip.clip.frames
    ways = [
        (frames[:-1], frames[1:], clip.forward, clip.visible_forward),
        (frames[1:], frames[:-1], clip.backward, clip.visible_backward),
    ]
    for here, there, flow, visible in ways:
        right = mean_where((warp.by_flow(there, flow) - here).abs(), visible)
        wrong = mean_where((warp.by_flow(there, flow + 1.0) - here).abs(), visible)
        assert right < 0.012
        assert wrong > 2 * right
        assert float(visible.mean()) > 0.8
        if name != "still":
            hidden = mean_where((warp.by_flow(there, flow) - here).abs(), 1 - visible)
            assert hidden > 4 * right


@pytest.mark.parametrize("name", ["affine", "homography", "still", "silhouettes"])
def test_the_homography_is_the_flow_of_the_background(clips, name):
    clip = clips[name]
    grid = warp.pixel_grid(*SIZE)
    moved = warp.project(clip.homographies, grid) - grid
    # Soft edges belong half to the object: stay two pixels away from it.
    background = 1 - masks.dilate(clip.silhouettes[:-1], 2)
    assert background.mean() > 0.5
    # float32 positions of a few hundred pixels: 1e-3 pixel.
    assert ((moved - clip.forward).abs() * background).max() < 1e-3


def test_only_the_homography_camera_has_perspective(clips):
    assert clips["affine"].homographies[:, 2, :2].abs().max() < 1e-9
    assert clips["homography"].homographies[:, 2, :2].abs().max() > 1e-6


def test_a_still_camera_gives_no_flow_outside_of_objects():
    scene = toy_scene("chelsea", Shot(length=6, size=SIZE, camera="still", objects=1, seed=5))
    frames, motion = scene.frames(), scene.motion()
    shown = torch.from_numpy(np.stack([scene.weights(t)[:1] for t in range(6)]))  # how much of the background shows
    moving = motion.forward.abs().sum(dim=1, keepdim=True) > 0
    assert moving.any()
    assert shown[:-1][moving].max() <= 0.5
    always = shown.amin(dim=0) == 1
    assert always.float().mean() > 0.5
    assert ((frames - frames[:1]).abs() * always).max() == 0
    empty = toy_clip("chelsea", Shot(length=4, size=SIZE, camera="still", objects=0, object_speed=9.0))
    assert empty.forward.abs().max() == 0
    assert empty.visible_forward.min() == 1
    assert torch.equal(empty.clip.frames[0], empty.clip.frames[3])


def test_forward_and_backward_flow_cancel_where_both_are_seen(clips):
    """Following a visible pixel there and back ends where it began; 0.02 pixel for sampling a flow bilinearly."""
    for clip in clips.values():
        back = warp.by_flow(clip.backward, clip.forward)
        seen = warp.by_flow(clip.visible_backward, clip.forward) > 0.999
        assert ((clip.forward + back).abs() * (seen & (clip.visible_forward > 0))).max() < 0.02


def test_objects_hide_what_is_behind_them_and_not_what_is_before_them():
    """Two flat layers over a still background, moved by whole pixels: everything can be counted by hand."""
    grey = np.full((40, 60, 3), 50, np.uint8)
    red, blue = (np.zeros((10, 10, 3), np.uint8) for _ in range(2))
    red[..., 0], blue[..., 2] = 200, 200

    def at(x: float, y: float) -> np.ndarray:
        return np.stack([staging.shift(-x, -y), staging.shift(-x - 4, -y)])  # moves 4 to the right

    whole = np.ones((1, 10, 10), np.float32)
    layers = [
        scenes.Layer(grey, np.stack([np.eye(3)] * 2)),
        scenes.Layer(red, at(10.0, 10.0), whole),
        scenes.Layer(blue, np.stack([staging.shift(-22.0, -5.0)] * 2), whole),  # at rest, in front
    ]
    scene = scenes.Scene(layers, (40, 60))
    first, second = (scene.frame(t) for t in range(2))
    expected = grey.copy()
    expected[10:20, 10:20] = (200, 0, 0)
    expected[5:15, 22:32] = (0, 0, 200)
    assert (first == expected).all()
    expected[10:20, 10:14] = 50
    expected[10:20, 14:24] = (200, 0, 0)
    expected[5:15, 22:32] = (0, 0, 200)
    assert (second == expected).all()

    motion = scene.motion()
    flow, visible = motion.forward[0], motion.visible_forward[0, 0]
    assert (flow[0, 10:20, 10:20] == 4).all()
    assert flow[0].sum() == 4 * 100
    assert flow[1].abs().sum() == 0
    seen = torch.ones(40, 60)
    seen[10:20, 20:24] = 0  # background that red moves onto
    seen[5:15, 22:32] = 1  # but for what blue covers, which stays
    seen[10:15, 18:20] = 0  # red's corner moves behind blue
    assert torch.equal(visible, seen)
    back = torch.ones(40, 60)
    back[10:20, 10:14] = 0  # background that red uncovers was hidden before
    assert torch.equal(motion.visible_backward[0, 0], back)
    assert torch.equal(scene.silhouettes()[0, 0] > 0, torch.from_numpy((scene.frame(0) != 50).any(axis=-1)))


def test_same_seed_same_clip_and_the_camera_does_not_depend_on_objects():
    first, again = (toy_clip(shot=Shot(length=3, size=SIZE, seed=7)) for _ in range(2))
    for one, other in zip(first[1:], again[1:], strict=True):
        assert torch.equal(one, other)
    assert torch.equal(first.clip.frames, again.clip.frames)
    assert not torch.equal(first.forward, toy_clip(shot=Shot(length=3, size=SIZE, seed=8)).forward)
    assert torch.equal(first.homographies, toy_clip(shot=Shot(length=3, size=SIZE, seed=7, objects=3)).homographies)


def test_frames_are_as_sharp_and_bright_as_the_photograph_and_masks_are_empty(clips):
    for clip in clips.values():
        frames = clip.clip.frames
        assert frames.dtype == torch.float32
        assert frames.min() >= 0
        assert 0.3 < frames.max() <= 1
        assert clip.clip.masks.sum() == 0
        assert clip.clip.masks.shape == clip.silhouettes.shape == (6, 1, *SIZE)


@pytest.mark.parametrize("name", PHOTOS)
def test_photographs_come_with_scikit_image(name):
    picture = photograph(name)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert min(picture.shape[:2]) >= 300


def test_photographs_are_read_without_a_downloader(monkeypatch):
    """scikit-image fetches its larger pictures through pooch: none of ours may ask for it."""
    monkeypatch.setattr(skimage.data._fetchers, "_image_fetcher", None)
    photograph.cache_clear()
    assert len([photograph(name) for name in PHOTOS]) == len(PHOTOS)


def test_the_border_of_a_photograph_never_shows():
    """Where the photograph is large enough, the corners of every frame lie inside of it."""
    photo = np.zeros((300, 400, 3), np.uint8)
    corners = np.array([[0.0, 127, 0, 127], [0, 0, 95, 95], [1, 1, 1, 1]])
    for seed in range(20):
        camera = "homography" if seed % 2 else "affine"
        scene = toy_scene(
            "black",
            Shot(length=60, size=(96, 128), seed=seed, camera=camera, speed=4.0),
            material=Material(photo=photo),
        )
        background = scene.layers[0]
        at = background.matrices @ corners
        x, y = np.moveaxis(at[:, :2] / at[:, 2:], 1, 0)
        height, width = background.texture.shape[:2]
        assert min(x.min(), y.min()) >= 0
        assert x.max() <= width - 1
        assert y.max() <= height - 1


def test_small_photographs_are_continued_and_large_ones_reduced():
    tiny = np.random.default_rng(0).integers(0, 255, (12, 10, 3)).astype(np.uint8)
    assert toy_clip("tiny", Shot(length=2, size=SIZE), material=Material(photo=tiny)).clip.frames.std() > 0.05
    large = np.zeros((1500, 2400, 3), np.uint8)
    large[:, 1200:] = 255
    shares = [
        float(
            toy_clip(
                "large", Shot(length=2, size=SIZE, seed=s, objects=0), material=Material(photo=large)
            ).clip.frames.mean()
        )
        for s in range(8)
    ]
    assert max(shares) < 1  # at most twice as large as needed: both halves are in view unless it lies at the side
    assert 0.3 < np.mean(shares) < 0.7


def test_speed_is_pixels_per_frame():
    """Root mean square over seeds and frames: the phase of a swing is random."""
    centre = np.array([(SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2, 1])
    steps = []
    for seed in range(60):
        path = staging.camera_path("affine", 60, SIZE, 4.0, np.random.default_rng(seed)) @ centre
        steps.append(np.diff(path[:, :2] / path[:, 2:], axis=0))
    # Tolerance 10 %: 60 clips of one to two swings each.
    assert np.sqrt(np.mean(np.sum(np.square(steps), axis=-1))) == pytest.approx(4.0, rel=0.1)


def test_drift_changes_the_brightness_slowly_and_within_its_bound():
    steady = toy_clip(shot=Shot(length=30, size=SIZE, camera="still", objects=0)).clip.frames
    drifting = toy_clip(shot=Shot(length=30, size=SIZE, camera="still", objects=0, drift=0.1)).clip.frames
    level = reduce(drifting, "t c h w -> t", "mean") / reduce(steady, "t c h w -> t", "mean")
    assert 0.89 < level.min() < level.max() < 1.11
    assert float(level.max() - level.min()) > 0.03
    assert float(level.diff().abs().max()) < 0.03


def test_a_single_frame_has_no_motion_and_silhouettes_may_be_empty():
    clip = toy_clip(shot=Shot(length=1, size=SIZE), material=Material(object_shapes=[torch.zeros(2, 1, 9, 9)]))
    assert clip.forward.shape == (0, 2, *SIZE)
    assert clip.homographies.shape == (0, 3, 3)
    assert clip.silhouettes.sum() == 0


def test_given_silhouettes_keep_their_size_and_textures_their_colours():
    green = np.zeros((50, 50, 3), np.uint8)
    green[..., 1] = 255
    clip = toy_clip(
        shot=Shot(length=9, size=SIZE, camera="still", object_speed=0.0),
        material=Material(object_shapes=[walker()], textures=[green]),
    )
    expected = reduce(masks.resize(walker(), SIZE), "t 1 h w -> t", "mean")
    # Smoothed centres move edges by half a pixel: up to one row and one column of a 24x36 box, 7 %.
    assert torch.allclose(reduce(clip.silhouettes, "t 1 h w -> t", "mean"), expected, rtol=0.07)
    inside = clip.silhouettes - masks.dilate(1 - clip.silhouettes, 2).mul(clip.silhouettes)
    colour = rearrange(clip.clip.frames, "t c h w -> c t h w")[:, inside[:, 0] > 0]
    assert torch.allclose(colour, torch.tensor([[0.0], [1.0], [0.0]]).expand_as(colour), atol=1 / 255)


@pytest.mark.parametrize(
    "wrong",
    [{"camera": "flying"}, {"length": 0}, {"size": (4, 100)}],
)
def test_what_cannot_be_made_is_refused(wrong):
    with pytest.raises((UserError, TypeError)):
        toy_clip(shot=Shot(**wrong))


def test_a_photograph_that_is_not_bundled_is_refused():
    with pytest.raises(UserError, match="no bundled photograph is called 'nobody'"):
        toy_clip("nobody")
