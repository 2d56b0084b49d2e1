"""CPNet over a clip: two passes against a loop without any cache, the first maps, holes that need nothing."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.test_every_model import moving
from vinpaint_lib.inpaint import Recorder, fill_clip
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.cpnet.first_maps import first_maps, modest, nearest_affine, seen
from vinpaint_lib.systems.cpnet.model import CONFIGS, CPNet, cpnet_references
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow


def a_model(**changes):
    torch.manual_seed(0)
    model = CPNet(replace(CONFIGS["tiny"], width=2, side=16, **changes)).eval()
    # A trained network moves references, and adds something of its own.
    torch.nn.init.normal_(model.net.A_Regressor.fc.weight, std=0.01)
    torch.nn.init.normal_(model.net.Decoder.conv21.weight, std=0.02)
    return model


def a_clip(length=4, size=(24, 32)):
    masks = torch.zeros(length, 1, *size)
    for t in range(length):
        masks[t, :, 8:16, 6 + 2 * t : 16 + 2 * t] = 1
    masks[1] = 0  # a frame without a hole is a reference like the others
    frames = torch.rand(length, 3, *size, generator=torch.Generator().manual_seed(3))
    return Clip(frames, masks, Fraction(24), "noise")


def slowly(model, clip):
    """Both passes, every feature computed where it is needed: what the paper says, without caches or the engine."""
    length, config = len(clip), model.config
    passes = []
    stale: dict[int, tuple] = {}
    for order in (range(length - 1, -1, -1), range(length)):
        frames, masks = list(clip.frames * (1 - clip.masks)), list(clip.masks)
        made = {}
        for t in order:
            chosen = cpnet_references(t, length, config.reach, config.step, as_released=config.as_released)
            frame, mask = frames[t][None], masks[t][None]
            if mask.any():
                blank = model.net.blanked(frame, mask)
                others = torch.stack([frames[i] for i in chosen])[None]
                gone = torch.stack([masks[i] for i in chosen])[None]
                others = model.net.blanked(others, gone)
                looks = [stale.get(i, (model.net.blanked(frames[i], masks[i])[None], masks[i][None])) for i in chosen]
                features = torch.stack([model.net.A_Encoder(*look) for look in looks], dim=1)
                theta = model.net.regressed(model.net.A_Encoder(blank, mask), features)
                pasted = model.net.paste(blank, mask, model.net.align(others, gone, theta))
                frame = mask * pasted.frame.clamp(0, 1) + (1 - mask) * frame
                frames[t], masks[t] = frame[0], torch.zeros_like(masks[t])
                if config.as_released:
                    stale[t] = (frame, torch.zeros_like(mask))  # kept from pass to pass
            made[t] = frame[0]
        passes.append(made)
    back, forth = passes
    return torch.stack([(back[t] * (length - t) + forth[t] * t) / length for t in range(length)])


@pytest.mark.parametrize("released", [False, True])
def test_a_clip_is_filled_as_by_a_loop_without_caches(released):
    model, clip = a_model(as_released=released), a_clip()
    with torch.no_grad():
        expected = slowly(model, clip)
    found = fill_clip(model, clip).frames
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    known = (1 - clip.masks).bool().expand_as(found)
    assert torch.equal(found[known], clip.frames[known])


def test_every_frame_is_visited_twice_from_the_last_to_the_first_and_back():
    model = a_model()
    steps = list(model.plan(4))
    assert [step.targets[0] for step in steps] == [3, 2, 1, 0, 0, 1, 2, 3]
    assert all(step.references == cpnet_references(step.targets[0], 4, 6, 2) for step in steps)
    assert [step.targets[0] for step in a_model(both_ways=False).plan(3)] == [0, 1, 2]


@pytest.mark.parametrize("camera", [False, True])
@pytest.mark.parametrize("length, hole", [(1, "ordinary"), (2, "border"), (4, "all of some frames"), (4, "nothing")])
def test_clips_at_the_edge_of_what_can_be_asked(length, hole, camera):
    clip = moving(length, hole)
    found = fill_clip(a_model(camera=camera), clip).frames
    assert torch.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
    known = (1 - clip.masks).bool().expand_as(found)
    assert torch.equal(found[known], clip.frames[known])


def test_what_lies_under_a_hole_cannot_reach_the_result():
    clip, model = moving(3, "ordinary"), a_model(camera=True)
    other = replace(clip, frames=clip.frames * (1 - clip.masks) + 0.9 * clip.masks)
    assert torch.equal(fill_clip(model, clip).frames, fill_clip(model, other).frames)


def test_maps_for_figures():
    clip, recorder = moving(3, "ordinary"), Recorder()
    fill_clip(a_model(camera=True), clip, on_step=recorder)
    maps = recorder.maps[1]
    assert maps["references"] == (0, 2)
    assert maps["aligned"].shape == (2, 3, 56, 72)
    assert maps["visible"].shape == (2, 1, 56, 72)
    assert maps["shares"].shape == (2, 1, 14, 18)
    assert maps["missing"].shape == (1, 56, 72)
    assert maps["copied"].shape == (3, 56, 72)


# --- first maps


def test_the_camera_s_motion_comes_first():
    """Six frames of a pan and zoom: the maps carry references onto the target far better than no map."""
    clip = toy_clip("coffee", Shot(length=7, size=(96, 128), seed=1)).clip
    holes = torch.zeros_like(clip.masks)
    holes[:, :, 30:60, 40:80] = 1
    each = [seen(frame * (1 - hole), hole) for frame, hole in zip(clip.frames, holes, strict=True)]
    others = [0, 1, 2, 4, 5, 6]
    maps = first_maps(each[3], [each[n] for n in others], [n - 3 for n in others])
    warped = warp.by_affine(clip.frames[others], maps)
    shown = warp.by_affine(torch.ones(6, 1, 96, 128), maps) > 0.999
    gaps = [((part - clip.frames[3]).abs() * shown).mean() for part in (warped, clip.frames[others])]
    assert gaps[0] < 0.4 * gaps[1]


def test_an_affine_homography_is_that_map_and_wild_ones_are_refused():
    height, width = 30, 50
    theta = torch.tensor([[[1.1, 0.05, 0.1], [-0.05, 0.95, -0.2]]])
    matrix = warp.affine_to_pixels(theta, height, width)[0].numpy()
    torch.testing.assert_close(nearest_affine(matrix, height, width), theta[0], atol=1e-4, rtol=0)
    assert modest(matrix, height, width)
    assert not modest(np.diag([3.0, 3.0, 1.0]), height, width)
    assert not modest(np.array([[1.0, 0, 80], [0, 1, 0], [0, 0, 1]]), height, width)


def test_where_nothing_can_be_tracked_the_map_is_the_identity():
    grey = seen(torch.full((3, 24, 32), 0.5), torch.zeros(1, 24, 32))
    assert torch.allclose(first_maps(grey, [grey, grey], [-1, 1]), torch.eye(2, 3).expand(2, 2, 3), atol=1e-6)
    assert first_maps(grey, [], []).shape == (0, 2, 3)
