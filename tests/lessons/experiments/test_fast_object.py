"""The scene of fast motion: one middle frame for all speeds, and the motion that was asked for."""

import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.lessons.experiments.fast_object import AREA, passing


def test_the_middle_frame_does_not_know_the_speed():
    middles = [passing("coffee", speed=speed, seed=3).frames()[2] for speed in (0, 1.5, 20)]
    assert all(torch.equal(middles[0], other) for other in middles[1:])
    slow, fast = (passing("coffee", speed=speed, seed=3).frames() for speed in (0, 20))
    assert torch.equal(slow[0], slow[4]), "at speed 0 nothing moves"
    assert not torch.equal(slow[0], fast[0])


@pytest.mark.parametrize("speed", [1.0, 7.5])
def test_the_object_moves_at_the_speed_and_the_ground_stands_still(speed):
    scene = passing("chelsea", speed=speed, seed=1)
    flow, objects = scene.motion().forward, scene.silhouettes()
    for t in range(4):
        pace = flow[t].norm(dim=0)
        assert torch.allclose(pace[objects[t, 0] > 0], torch.tensor(speed), atol=1e-3)
    still = (masks.dilate(objects, 6).amax(dim=0) == 0)[0]
    assert not flow[:, :, still].abs().max() > 1e-3
    assert torch.equal(scene.frames()[0][:, still], scene.frames()[4][:, still])


def test_the_object_stands_in_the_middle_and_has_its_size():
    objects = passing(speed=4, seed=2).silhouettes()[2, 0]
    assert AREA[0] * 0.9 < float(objects.mean()) < AREA[1] * 1.1
    rows, columns = objects.nonzero().float().aminmax(dim=0).min, objects.nonzero().float().aminmax(dim=0).max
    assert torch.allclose((rows + columns) / 2, torch.tensor([71.5, 95.5]), atol=1.5)


@pytest.mark.parametrize("options", [{"length": 4}, {"length": 0}, {"speed": -1.0}, {"speed": float("nan")}])
def test_what_has_no_middle_or_no_speed_is_refused(options):
    with pytest.raises(UserError, match="odd number of frames"):
        passing(**{"speed": 1.0, **options})
