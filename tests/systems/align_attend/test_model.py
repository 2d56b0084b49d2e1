"""Align-and-Attend over a clip: the plan, what is carried and for how long, sizes and holes of every kind."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from vinpaint_lib.inpaint import fill, fill_clip
from vinpaint_lib.lessons.experiments.frames_held import frames_held
from vinpaint_lib.systems.align_attend.model import CARD, CONFIGS, AlignAttend, sliding_references
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

TINY = CONFIGS["tiny"]


def build(**options):
    torch.manual_seed(0)
    model = AlignAttend(replace(TINY, **options))
    model.net.decoder.last.weight.data.mul_(10)
    model.net.merge.last.weight.data.normal_(std=0.05)
    model.net.flow.last.weight.data.normal_(std=0.05)
    return model.eval()


def a_clip(length=9, height=32, width=40, seed=0):
    rng = torch.Generator().manual_seed(seed)
    masks = torch.zeros(length, 1, height, width)
    for t in range(length):
        masks[t, :, 6:20, (3 * t) % 20 : (3 * t) % 20 + 14] = 1
    return Clip(torch.rand(length, 3, height, width, generator=rng), masks, Fraction(24), "made")


@pytest.mark.parametrize("length", [1, 2, 3, 7, 40])
def test_every_frame_is_a_target_once_in_order(length):
    steps = list(build().plan(length))
    assert [step.targets for step in steps] == [(t,) for t in range(length)]
    for step in steps:
        assert step.references == sliding_references(step.targets[0], length, 3, 12, 4)
        assert step.targets[0] not in step.references
        assert len(step.references) <= 4
    assert all(step.references for step in steps) == (length > 1)


def test_the_paper_takes_every_tenth_frame():
    steps = list(AlignAttend(replace(CONFIGS["paper"], channels=(4, 4), matching_channels=(4, 4, 4))).plan(95))
    assert steps[34].references == (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert steps[30].references == (0, 10, 20, 40, 50, 60, 70, 80, 90)


@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_every_length_is_filled_and_known_pixels_stay(length):
    clip = a_clip(length)
    filled = fill_clip(build(), clip)
    known = 1 - clip.masks
    assert torch.equal(filled.frames * known, clip.frames * known)
    assert torch.isfinite(filled.frames).all()
    assert (filled.frames * clip.masks).std() > 0.01


@pytest.mark.parametrize("size", [(60, 108), (33, 47), (8, 8), (5, 7)])
def test_any_size_runs_through_the_engine(size):
    clip = a_clip(3, *size)
    clip.masks[:, :, : size[0] // 2, : size[1] // 2] = 1
    filled = fill_clip(build(), clip)
    assert filled.frames.shape == clip.frames.shape
    assert torch.isfinite(filled.frames).all()
    assert torch.equal(filled.frames * (1 - clip.masks), clip.frames * (1 - clip.masks))


@pytest.mark.parametrize("whole", [slice(2, 6), slice(0, 1), slice(8, 9), slice(0, 8)])
def test_frames_that_are_missing_whole(whole):
    clip = a_clip()
    clip.masks[whole] = 1
    assert torch.isfinite(fill_clip(build(), clip).frames).all()


def test_empty_masks_give_the_input_back_and_cost_nothing():
    clip = a_clip()
    clip.masks[:] = 0
    model = build()
    model.net.fill = None  # would be called for a hole
    assert torch.equal(fill_clip(model, clip).frames, clip.frames)


def test_a_frame_without_a_hole_steadies_the_next():
    clip = a_clip(9)
    clip.masks[4] = 0
    other = replace(clip, frames=clip.frames.clone())
    other.frames[4] = 1 - other.frames[4]
    model = build()
    assert 4 not in list(model.plan(9))[5].references
    assert not torch.equal(fill_clip(model, clip).frames[5], fill_clip(model, other).frames[5])


def test_the_walk_is_the_network_frame_after_frame():
    # An untrained estimator jumps at the last digit of a carried frame: it looks at given frames only.
    model, clip = build(camera=False), a_clip(8)
    net, shown = model.net, clip.frames * (1 - clip.masks)
    previous, expected = [], []
    with torch.no_grad():
        for step in model.plan(8):
            t, places = step.targets[0], list(step.references)
            known = net.encode_references(shown[None, places], clip.masks[None, places])
            output = net.fill(shown[None, t], clip.masks[None, t], known, previous).output
            done = clip.masks[t] * output[0].clamp(0, 1) + (1 - clip.masks[t]) * shown[t]
            previous = [done[None], *previous[:1]]
            expected.append(done)
    torch.testing.assert_close(fill_clip(model, clip).frames, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_what_is_under_the_hole_does_not_reach_the_output():
    clip = a_clip()
    other = replace(clip, frames=torch.where(clip.masks > 0, 1 - clip.frames, clip.frames))
    model = build()
    assert torch.equal(fill_clip(model, clip).frames, fill_clip(model, other).frames)


def test_a_long_clip_neither_drifts_nor_grows():
    """1,000 small frames: nothing but numbers, two outputs and the features of the window in the state."""
    model = build(align=False, camera=False, references=3)  # the recursion alone, which could drift; it is also fast
    clip = a_clip(20, 16, 16)
    order = torch.arange(1000) % 20
    long = Clip(clip.frames[order], clip.masks[order], Fraction(24), "long")
    sizes, forward = [], model.forward

    def watched(window, step, state):
        result = forward(window, step, state)
        sizes.append((len(state["features"]), len(state["previous"])))
        return result

    model.forward = watched
    filled = fill_clip(model, long)
    assert torch.isfinite(filled.frames).all()
    assert max(size[0] for size in sizes) <= 2 * 12 // 3 + 1
    assert max(size[1] for size in sizes) == 2
    assert max(len(held) for held in frames_held(model.plan(1000))) <= 2 * 12 + 3
    assert filled.frames[900:].std() > 0.05


def test_references_are_encoded_once():
    model, clip = build(), a_clip(30)
    counted = []
    model.net.encoder.register_forward_hook(lambda module, args, result: counted.append(len(args[0])))
    fill_clip(model, clip)
    asked = {i for step in model.plan(30) for i in step.references}
    assert sum(counted) == 30 + len(asked)


def test_maps_are_there_for_figures():
    model, clip = build(), a_clip(5)
    seen = []
    list(fill(model, clip, on_step=lambda step, output: seen.append(output.maps)))
    references = len(list(model.plan(5))[4].references)
    assert seen[4]["weights"].shape == (references, 1, 8, 10)
    assert seen[4]["theta"].shape == (references, 2, 3)
    assert seen[4]["flow"].shape == (2, 32, 40)
    assert seen[4]["composition"].shape == (1, 32, 40)
    assert {"rough", "covered", "base", "own", "raw", "visible", "distance", "warped"} <= set(seen[4])
    assert "flow" not in seen[0]


def test_configurations_and_card():
    assert set(CONFIGS) >= {"paper", "small", "tiny"}
    paper = CONFIGS["paper"]
    assert (paper.step, paper.reach, paper.references, paper.head, paper.copy) == (10, None, None, "regress", False)
    model = build()
    assert not model.feedback
    assert model.multiple == 8
    assert CARD.name == "align_attend"
    assert any("small" in choice for choice in CARD.choices)
