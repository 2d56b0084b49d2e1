"""What holds for every model of the project: clips at the edge of what can be asked have a defined result."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.inpaint import fill, fill_clip
from vinpaint_lib.systems import registry
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

SIZE = (52, 69)  # no multiple of anything that a network asks for


def make(name: str):
    """The model of that name in its smallest configuration, with weights as drawn."""
    if name in registry.BASELINES:
        return registry.build(name)
    of, changes = registry.VARIANTS[name]
    system = registry.KNOWN[of]
    return system.model(replace(system.configs["tiny" if "tiny" in system.configs else "small"], **changes)).eval()


def moving(length: int, hole: str) -> Clip:
    """A clip of camera motion with a hole of the kind that is named."""
    frames = toy_clip("coffee", Shot(length=length, size=SIZE, seed=0)).clip.frames
    masks = torch.zeros(length, 1, *SIZE)
    if hole == "border":
        masks[:, :, :9] = masks[:, :, -9:] = 1
        masks[..., :9] = masks[..., -9:] = 1
    elif hole == "all of some frames":
        masks[::2] = 1
        masks[1::2, :, 10:30, 20:40] = 1
    elif hole == "all of most frames":
        masks[1:] = 1
    elif hole == "in one frame":
        masks[length // 2, :, 10:30, 20:40] = 1
    elif hole == "a pixel":
        masks[:, :, 20, 30] = 1
    elif hole == "everything":
        masks[:] = 1
    elif hole == "ordinary":
        masks[:, :, 10:30, 20:40] = 1
    return Clip(frames, masks, Fraction(24), "moving")


@pytest.mark.parametrize("name", registry.MODELS)
@pytest.mark.parametrize(
    "length, hole",
    [
        (1, "ordinary"),
        (1, "border"),
        (2, "ordinary"),
        (9, "border"),
        (9, "all of some frames"),
        (9, "all of most frames"),
        (9, "in one frame"),
        (9, "a pixel"),
    ],
)
def test_what_is_missing_is_finite_and_what_is_known_stays(name, length, hole):
    clip = moving(length, hole)
    filled = fill_clip(make(name), clip)
    assert filled.frames.shape == clip.frames.shape
    assert torch.isfinite(filled.frames).all()
    assert filled.frames.min() >= 0
    assert filled.frames.max() <= 1
    known = (1 - clip.masks).bool().expand_as(clip.frames)
    assert torch.equal(filled.frames[known], clip.frames[known])
    assert filled.masks.sum() == 0


@pytest.mark.parametrize("name", registry.MODELS)
@pytest.mark.parametrize("length", [1, 5])
def test_where_nothing_is_missing_the_input_comes_back(name, length):
    clip = moving(length, "nothing")
    assert torch.equal(fill_clip(make(name), clip).frames, clip.frames)


@pytest.mark.parametrize("name", registry.MODELS)
@pytest.mark.parametrize("length", [1, 7])
def test_where_nothing_is_known_there_is_a_sentence(name, length):
    with pytest.raises(UserError, match="every pixel of every frame is marked as missing"):
        list(fill(make(name), moving(length, "everything")))


@pytest.mark.parametrize("name", registry.MODELS)
def test_what_lies_under_the_hole_cannot_reach_the_result(name):
    clip = moving(5, "ordinary")
    other = Clip(clip.frames * (1 - clip.masks) + 0.9 * clip.masks, clip.masks, clip.fps, clip.name)
    model = make(name)
    assert torch.equal(fill_clip(model, clip).frames, fill_clip(model, other).frames)


@pytest.mark.parametrize("name", registry.MODELS)
def test_twice_the_same(name):
    model, clip = make(name), moving(5, "ordinary")
    assert torch.equal(fill_clip(model, clip).frames, fill_clip(model, clip).frames)
