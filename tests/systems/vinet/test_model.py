"""VINet over a clip: windows, what is carried, edges, long clips, sizes through the engine."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from einops import rearrange

from vinpaint_lib.errors import UserError
from vinpaint_lib.inpaint import Buffer, fill, fill_clip
from vinpaint_lib.interface import Step
from vinpaint_lib.systems.vinet import feature_flow
from vinpaint_lib.systems.vinet.model import CARD, CONFIGS, VINet, slots, vinet_window
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

TINY = CONFIGS["tiny"]


def build(config=TINY):
    """A tiny model whose flows are not those of an untrained one."""
    torch.manual_seed(0)
    model = VINet(config)
    with torch.no_grad():
        for part in model.net.modules():
            if isinstance(part, feature_flow.FlowNet):
                part.flow_estimator.conv1.weight.normal_(0, 0.3)
        model.net.decoder.dc6.weight.mul_(100)
    return model.eval()


def a_clip(length=12, height=16, width=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(length, 1, height, width)
    masks[:, :, 3:11, 6:18] = 1
    return Clip(torch.rand(length, 3, height, width, generator=generator), masks, Fraction(24), "made")


@pytest.mark.parametrize("length", range(1, 31))
def test_the_frames_of_a_step_tell_the_released_window(length):
    for t, step in enumerate(build().plan(length)):
        assert step.targets == (t,)
        assert list(step.references) == sorted(set(step.references) - {t})
        assert all(0 <= i < length for i in step.references)
        indices = tuple(sorted({t, *step.references}))
        assert slots(t, indices) == vinet_window(t, length)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 12])
def test_every_length_is_filled_and_known_pixels_stay(length):
    clip = a_clip(length)
    filled = fill_clip(build(), clip)
    known = 1 - clip.masks
    assert len(filled) == length
    assert torch.equal(filled.frames * known, clip.frames * known)
    assert torch.isfinite(filled.frames).all()
    assert (filled.frames * clip.masks).std() > 0.01


@pytest.mark.parametrize("size", [(5, 7), (8, 8), (37, 50), (16, 72)])
def test_any_size_runs_through_the_engine(size):
    clip = a_clip(2, *size)
    clip.masks[:, :, : size[0] // 2, : size[1] // 2] = 1
    filled = fill_clip(build(), clip)
    assert filled.frames.shape == clip.frames.shape
    assert torch.isfinite(filled.frames).all()
    assert torch.equal(filled.frames * (1 - clip.masks), clip.frames * (1 - clip.masks))


def test_the_walk_is_eq_2_by_hand():
    """Reflected windows, the completed output and the memory fed on."""
    model, clip = build(), a_clip(9)
    shown = (clip.frames * 2 - 1) * (1 - clip.masks)
    previous, memory, expected = None, None, []
    with torch.no_grad():
        for t in range(9):
            order = [abs(i) if i < 9 else 16 - i for i in (t - 6, t - 3, t + 3, t + 6)]
            maps = [model.net.as_source(shown[i : i + 1], clip.masks[i : i + 1]) for i in order]
            mask = clip.masks[t : t + 1]
            painted = model.net.paint(shown[t : t + 1], mask, maps, previous, memory)
            raw = (painted.output / 2 + 0.5).clamp(0, 1)
            expected.append(clip.masks[t] * raw[0] + (1 - clip.masks[t]) * clip.frames[t])
            previous = mask * painted.output.clamp(-1, 1) + (1 - mask) * shown[t : t + 1]
            memory = painted.memory
    torch.testing.assert_close(fill_clip(model, clip).frames, torch.stack(expected), atol=1e-5, rtol=1e-4)


def test_variants_differ_where_they_should():
    """No memory and no recurrence leave the first frame alone and change later ones."""
    clip, model = a_clip(9), build()
    plain = fill_clip(model, clip).frames
    for changes in ({"memory": False}, {"recurrence": False}, {"previous": "output"}, {"as_released": True}):
        other = VINet(replace(TINY, **changes))
        other.load_state_dict(model.state_dict())
        changed = fill_clip(other.eval(), clip).frames
        assert torch.equal(changed[0], plain[0])
        assert not torch.allclose(changed[1:], plain[1:], atol=1e-5)


def test_a_clip_is_not_told_by_the_one_before():
    model, clip = build(), a_clip(8)
    first = fill_clip(model, clip).frames
    fill_clip(model, a_clip(5, seed=3))
    assert torch.equal(fill_clip(model, clip).frames, first)


def test_every_source_is_encoded_once_and_old_features_are_dropped():
    model, clip = build(), a_clip(40)
    counted, held = [], []
    model.net.encoder2.register_forward_hook(lambda module, args, result: counted.append(len(args[0])))
    forward = model.forward

    def watched(window, step, state):
        result = forward(window, step, state)
        held.append((step.targets[0], sorted(state["features"])))
        return result

    model.forward = watched
    fill_clip(model, clip)
    assert sum(counted) == 40 + 40  # sources, previous outputs
    for t, kept in held:
        assert all(t - 6 < i <= t + 6 for i in kept)
        assert len(kept) <= 12


def test_frames_that_were_written_back_are_encoded_anew():
    model, clip = build(), a_clip(11)
    counted = []
    model.net.encoder2.register_forward_hook(lambda module, args, result: counted.append(len(args[0])))
    plain = fill_clip(model, clip)
    once = sum(counted)
    again = fill_clip(model, clip, feedback=True)
    # Every earlier frame of a window, whenever it is asked for: t-6 and t-3, and those reflected beyond the end.
    earlier = [{i for i in vinet_window(t, 11) if i < t} for t in range(11)]
    assert sum(counted) - once >= once + sum(len(found) for found in earlier) - 11
    assert torch.isfinite(again.frames).all()
    assert not torch.allclose(plain.frames, again.frames, atol=1e-5)


class Endless:
    """A short clip played in a circle; holds only its few frames."""

    def __init__(self, length):
        self.length, self.clip = length, a_clip(5, 8, 8)
        self.clip.masks[:] = 0
        self.clip.masks[:, :, 2:7, 1:6] = 1

    def __len__(self):
        return self.length

    def __iter__(self):
        for t in range(self.length):
            yield self.clip.frames[t % 5], self.clip.masks[t % 5]


@pytest.mark.parametrize(
    ("changes", "length"), [({}, 1000), ({"previous": "output"}, 100), ({"as_released": True}, 100)]
)
def test_long_clips_stay_finite_and_in_range(changes, length):
    """A memory that forgets slowly and weights far larger than trained ones, so that what can grow does."""
    torch.manual_seed(0)
    small = {"widths": (2, 2, 2, 4), "flow_widths": (1, 1, 1, 1), "radii": (1, 1, 1, 1), "context": False}
    model = VINet(replace(TINY, **small, **changes)).eval()
    with torch.no_grad():
        model.net.convlstm.Gates.bias.fill_(3)
        model.net.convlstm.Gates.weight.mul_(5)
    cells = []
    model.net.convlstm.register_forward_hook(lambda module, args, result: cells.append(result[1].abs().max().item()))
    count = 0
    for frame in fill(model, Endless(length)):
        assert torch.isfinite(frame).all()
        assert frame.min() >= 0
        assert frame.max() <= 1
        count += 1
    assert count == length == len(cells)
    # Each frame adds less than 1 to the cell.
    assert max(cells) < length
    assert max(cells[-length // 4 :]) <= 1.5 * max(cells[length // 4 : length // 2])


def test_what_is_kept_does_not_grow_with_the_clip():
    model, kept = build(), []
    forward = model.forward

    def watched(window, step, state):
        result = forward(window, step, state)
        tensors = [x for maps in state["features"].values() for x in maps] + [state["previous"], *state["memory"]]
        kept.append(sum(x.numel() for x in tensors))
        return result

    model.forward = watched
    for _ in fill(model, Endless(60)):
        pass
    assert max(kept[20:]) == kept[20]


def test_maps_for_figures():
    model, clip = build(), a_clip(3)
    seen = []
    for _ in fill(model, clip, on_step=lambda step, output: seen.append(output)):
        pass
    assert "flow" not in seen[0].maps
    maps = seen[1].maps
    assert [m.shape for m in maps["compositions"]] == [(1, 16 >> k, 24 >> k) for k in range(4)]
    assert [f.shape for f in maps["flows"]] == [(5, 2, 8 >> k, 12 >> k) for k in range(3)]
    assert maps["flow"].shape == (2, 16, 24)
    assert maps["raw"].shape == (3, 16, 24)
    for m in maps["compositions"]:
        assert 0 <= m.min() <= m.max() <= 1
    warped = feature_flow.clamped(
        rearrange(seen[0].frames, "1 c h w -> 1 c h w"), rearrange(maps["flow"], "c h w -> 1 c h w")
    )
    assert warped.shape == (1, 3, 16, 24)


def test_a_step_by_hand_with_an_empty_state_is_a_first_frame():
    model, clip = build(), a_clip(20)
    steps = list(model.plan(20))
    buffer = Buffer(clip, model.multiple)
    buffer.reach(19)
    with torch.no_grad():
        output = model(buffer.window(steps[9]), steps[9], {})
    assert isinstance(steps[9], Step)
    assert steps[9].references == (3, 6, 12, 15)
    assert "flow" not in output.maps
    assert output.frames.shape == (1, 3, 16, 24)


def test_configurations_and_card():
    assert set(CONFIGS) >= {"paper", "small", "tiny"}
    assert not build().feedback
    assert build().multiple == 8
    assert VINet(replace(TINY, aligned=False, double=True)).multiple == 16
    assert CARD.name == "vinet"
    assert any("as_released" in choice for choice in CARD.choices)
    with pytest.raises(UserError, match="aligned"):
        replace(TINY, double=True)
