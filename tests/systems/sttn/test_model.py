"""STTN over a clip: windows, every frame encoded once, averaging of revisits, sizes through the engine."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from einops import rearrange

from vinpaint_lib.inpaint import fill, fill_clip, oldest_needs
from vinpaint_lib.interface import Window
from vinpaint_lib.systems.sttn.model import CARD, CONFIGS, STTN, Config, nearest, sttn_windows
from vinpaint_lib.video.clip import Clip

TINY = Config(channels=8, blocks=1, start="kaiming")


def build(config=TINY):
    torch.manual_seed(0)
    model = STTN(config)
    model.net.decoder[6].weight.data.mul_(20)  # far from grey
    return model.eval()


def a_clip(length=12, height=48, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(length, 1, height, width)
    masks[:, :, 5:20, 30:60] = 1
    return Clip(torch.rand(length, 3, height, width, generator=generator), masks, Fraction(24), "made")


@pytest.mark.parametrize("length", [1, 2, 9, 23])
def test_the_plan_is_the_released_walk(length):
    steps = list(build().plan(length))
    assert [(step.targets, step.references) for step in steps] == list(sttn_windows(length))
    assert {i for step in steps for i in step.targets} == set(range(length))


@pytest.mark.parametrize("length", [1, 3, 12])
def test_every_length_is_filled_and_known_pixels_stay(length):
    clip = a_clip(length)
    filled = fill_clip(build(), clip)
    known = 1 - clip.masks
    assert len(filled) == length
    assert torch.equal(filled.frames * known, clip.frames * known)
    assert torch.isfinite(filled.frames).all()
    assert (filled.frames * clip.masks).std() > 0.01


@pytest.mark.parametrize("size", [(240, 432), (256, 384), (50, 47), (16, 16)])
def test_any_size_runs_through_the_engine(size):
    height, width = size
    clip = a_clip(2, height, width)
    clip.masks[:, :, : height // 2, : width // 2] = 1
    filled = fill_clip(build(), clip)
    assert filled.frames.shape == clip.frames.shape
    assert torch.isfinite(filled.frames).all()
    assert torch.equal(filled.frames * (1 - clip.masks), clip.frames * (1 - clip.masks))


def test_the_walk_is_the_mean_of_the_windows():
    """By hand: encode all frames, transform each window, decode its targets, mean over a frame's visits."""
    model, clip = build(), a_clip(17)
    net = model.net
    sums, counts = torch.zeros_like(clip.frames), torch.zeros(17)
    with torch.no_grad():
        features = net.encode((clip.frames * 2 - 1) * (1 - clip.masks))
        for targets, references in sttn_windows(17):
            chosen = [*targets, *references]  # the released order: not sorted
            maps = rearrange(features[chosen], "t c h w -> 1 t c h w")
            maps = net.transform(maps, rearrange(clip.masks[chosen], "t 1 h w -> 1 t 1 h w"))[0]
            sums[list(targets)] += net.decode(maps[: len(targets)]) / 2 + 0.5
            counts[list(targets)] += 1
    expected = clip.masks * sums / rearrange(counts, "t -> t 1 1 1") + (1 - clip.masks) * clip.frames
    assert counts.max() == 3
    torch.testing.assert_close(fill_clip(model, clip).frames, expected, atol=1e-5, rtol=1e-4)


def test_every_frame_is_encoded_once_and_old_features_are_dropped():
    model, clip = build(), a_clip(60)
    counted, held = [], []
    model.net.encoder.register_forward_hook(lambda module, args, result: counted.append(len(args[0])))
    forward = model.forward

    def watched(window, step, state):
        result = forward(window, step, state)
        held.append(sorted(state["features"]))
        return result

    model.forward = watched
    fill_clip(model, clip)
    assert sum(counted) == 60
    for kept in held:
        near = [i for i in kept if i % 10]
        assert len(near) <= 11
        assert [i for i in kept if i % 10 == 0] == list(range(0, 60, 10))


def test_frames_that_were_written_back_are_encoded_anew():
    model, clip = build(), a_clip(11)
    counted = []
    model.net.encoder.register_forward_hook(lambda module, args, result: counted.append(len(args[0])))
    plain = fill_clip(model, clip)
    assert sum(counted) == 11
    again = fill_clip(model, clip, feedback=True)
    assert sum(counted) - 11 > 11
    assert not torch.allclose(plain.frames, again.frames, atol=1e-5)


def test_content_is_found_in_far_frames():
    """Frame 30 is a reference of the first window: changing it changes frame 0."""
    clip = a_clip(35)
    other = replace(clip, frames=clip.frames.clone())
    other.frames[30] = 1 - other.frames[30]
    model = build()
    first = [next(iter(fill(model, c))) for c in (clip, other)]
    assert not torch.equal(*first)


def test_configurations_and_card():
    assert set(CONFIGS) >= {"paper", "small", "tiny"}
    assert CONFIGS["paper"] == Config()
    assert not build().feedback
    assert build().multiple == 48
    assert CARD.name == "sttn"
    assert CARD.choices


def test_a_window_of_a_long_clip_sees_the_twenty_nearest_references():
    model = build()
    short, long = list(model.plan(205)), list(model.plan(2000))
    assert [(step.targets, step.references) for step in short] == list(sttn_windows(205))
    for step, (targets, references) in zip(long, sttn_windows(2000), strict=True):
        centre = targets[len(targets) // 2]
        assert step.targets == targets
        assert len(step.references) == 20
        assert set(step.references) <= set(references)
        left_out = [i for i in references if i not in step.references]
        inside = min(step.references) > 0 and max(step.references) < max(references)
        farthest = max(abs(i - centre) for i in step.references)
        assert not inside or min(abs(i - centre) for i in left_out) >= farthest - 10
    assert long[0].references == tuple(range(10, 210, 10))
    assert long[-1].references[-1] == max(list(sttn_windows(2000))[-1][1])


def test_a_long_clip_holds_a_bounded_number_of_frames_and_features():
    model, state, most = build(), {}, 0
    needs = oldest_needs(list(model.plan(2000)))
    for n, step in enumerate(model.plan(2000)):
        assert max((*step.targets, *step.references)) - needs[n] <= 230
    model.net.encode = lambda frames: torch.zeros(1, 1, 1, 1)
    for step in model.plan(600):
        indices = tuple(sorted({*step.targets, *step.references}))
        blank = [[torch.zeros(c, 2, 2)] * len(indices) for c in (3, 1, 1)]
        model.encoded(Window(indices, *blank), step, state, None)
        most = max(most, len(state["features"]))
    assert most <= 45


@pytest.mark.parametrize("length", [40, 205, 500])
def test_with_a_first_guess_the_network_sees_the_same_frames_as_without(length):
    torch.manual_seed(0)
    guessed, plain = STTN(replace(CONFIGS["tiny"], first_guess="aligned")), build()
    for step, bare in zip(guessed.plan(length), plain.plan(length), strict=True):
        assert step.targets == bare.targets
        distant = tuple(i for i in step.references if i % 10 == 0)
        assert nearest(distant, step.targets[len(step.targets) // 2]) == bare.references
        around = {*step.targets, *step.references}
        for index in (*bare.targets, *bare.references):
            assert around >= set(range(max(0, index - 24), min(length, index + 25)))
