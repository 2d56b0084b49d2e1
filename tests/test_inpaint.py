"""The loop: composition, order, feedback, padding, bounded memory."""

from fractions import Fraction

import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.inpaint import Recorder, fill, fill_clip, oldest_needs
from vinpaint_lib.interface import Inpainter, Output, Step, Window
from vinpaint_lib.video.clip import Clip


class Painter(Inpainter):
    """Paints frame t in the constant (t + 1) / 100 and remembers what it was shown."""

    def __init__(self, reach: int = 2, multiple: int = 1, feedback: bool = False) -> None:
        super().__init__()
        self.reach, self.multiple, self.feedback = reach, multiple, feedback
        self.seen = []

    def plan(self, length):
        for t in range(length):
            yield Step((t,), tuple(i for i in range(max(0, t - self.reach), min(length, t + self.reach + 1)) if i != t))

    def forward(self, window, step, state):
        self.seen.append((step, window))
        (t,) = step.targets
        return Output(torch.full_like(window.frames[:1], (t + 1) / 100), {})


def a_clip(length=5, height=7, width=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.rand(length, 3, height, width, generator=generator)
    masks = torch.zeros(length, 1, height, width)
    masks[:, :, 2:5, 3:7] = 1
    return Clip(frames, masks, Fraction(24), "made")


@pytest.mark.parametrize("feedback", [False, True])
@pytest.mark.parametrize("multiple", [1, 8])
def test_known_pixels_stay_and_holes_take_the_output(feedback, multiple):
    clip = a_clip()
    filled = fill_clip(Painter(multiple=multiple), clip, feedback=feedback)
    for t in range(len(clip)):
        hole = clip.masks[t].bool().expand(3, -1, -1)
        assert torch.equal(filled.frames[t][~hole], clip.frames[t][~hole])
        assert torch.allclose(filled.frames[t][hole], torch.tensor((t + 1) / 100))
    assert filled.masks.sum() == 0


def test_content_under_the_hole_never_reaches_the_model():
    clip = a_clip()
    painter = Painter()
    list(fill(painter, clip))
    for _, window in painter.seen:
        assert (window.frames * window.masks).abs().sum() == 0


def test_feedback_writes_completed_frames_back_and_empties_their_masks():
    clip = a_clip()
    painter = Painter()
    list(fill(painter, clip, feedback=True))
    step, window = painter.seen[2]
    done = [window.indices.index(i) for i in (0, 1)]
    assert step.targets == (2,)
    assert window.masks[done].sum() == 0
    assert torch.equal(window.filled[done], clip.masks[:2])
    assert torch.allclose(window.frames[done[1]][:, 3, 4], torch.tensor(0.02))
    later = [window.indices.index(i) for i in (3, 4)]
    assert torch.equal(window.masks[later], clip.masks[3:5])
    assert window.filled[later].sum() == 0


def test_without_feedback_every_window_shows_the_input():
    clip = a_clip()
    painter = Painter()
    list(fill(painter, clip, feedback=False))
    for _, window in painter.seen:
        assert torch.equal(window.masks, clip.masks[list(window.indices)])
        assert window.filled.sum() == 0


def test_windows_hold_only_what_the_step_needs_and_frames_are_read_as_late_as_possible():
    clip = a_clip(length=30)
    read = []

    class Watched:
        def __len__(self):
            return len(clip)

        def __iter__(self):
            for t, pair in enumerate(clip):
                read.append(t)
                yield pair

    frames = fill(Painter(reach=2), Watched())
    for t in range(10):
        next(frames)
        assert read[-1] <= t + 2
    frames.close()


@pytest.mark.parametrize("length", [1, 2])
def test_short_clips(length):
    assert len(fill_clip(Painter(), a_clip(length=length))) == length


def test_a_frame_visited_twice_gets_the_equal_mean():
    class Twice(Painter):
        def plan(self, length):
            yield Step((0, 1), ())
            yield Step((1, 2), ())
            yield Step((1,), ())

        def forward(self, window, step, state):
            self.seen.append(step)
            value = len(self.seen) / 10
            return Output(torch.full((len(step.targets), *window.frames.shape[1:]), value), {})

    clip = a_clip(length=3)
    filled = fill_clip(Twice(), clip)
    # Frame 1 was painted .1, .2 and .3: a running 0.5 / 0.5 average would give .225.
    assert torch.allclose(filled.frames[1][:, 3, 4], torch.tensor(0.2))
    assert torch.allclose(filled.frames[2][:, 3, 4], torch.tensor(0.2))


class Volumes(Painter):
    """Frames 0 - 3 in .1, then 2 - 5 in .5; frame by frame as heavy as `weights` say."""

    def __init__(self, weights):
        super().__init__()
        self.weights, self.calls = weights, 0

    def plan(self, length):
        yield Step((0, 1, 2, 3), ())
        yield Step((2, 3, 4, 5), ())

    def forward(self, window, step, state):
        self.calls += 1
        frames = torch.full((4, *window.frames.shape[1:]), (0.1, 0.5)[self.calls - 1])
        return Output(frames, {}, self.weights[self.calls - 1])


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ((torch.tensor([1.0, 2.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 2.0, 1.0])), (1 / 3, 2 / 3)),
        ((torch.tensor([9.0, 9.0, 3.0, 1.0]), None), (1 / 4, 1 / 2)),
        ((None, None), (1 / 2, 1 / 2)),
    ],
)
@pytest.mark.parametrize("feedback", [False, True])
def test_a_frame_visited_twice_gets_the_weighted_mean(weights, shares, feedback):
    clip = a_clip(length=6)
    filled = fill_clip(Volumes(weights), clip, feedback=feedback)
    inside = filled.frames[:, :, 3, 4].mean(dim=1)
    blended = [0.1 + 0.4 * share for share in shares]
    assert torch.allclose(inside, torch.tensor([0.1, 0.1, *blended, 0.5, 0.5]), atol=1e-6)
    assert torch.equal(filled.frames[..., 0, 0], clip.frames[..., 0, 0])


def test_weights_that_do_not_fit_the_targets_are_no_output():
    with pytest.raises(ValueError, match="zip"):
        fill_clip(Volumes((torch.ones(3), None)), a_clip(length=6))


def test_nothing_known_at_all_is_refused():
    clip = a_clip()
    with pytest.raises(UserError, match="every pixel of every frame"):
        list(fill(Painter(), Clip(clip.frames, torch.ones_like(clip.masks), clip.fps, clip.name)))


def test_oldest_needs_look_ahead():
    steps = [Step((3,), (1, 2)), Step((4,), (3, 5)), Step((0,), (6,)), Step((7,), (6,))]
    assert oldest_needs(steps) == [0, 0, 0, 6]


def test_a_window_of_single_frames_is_that_of_a_stack():
    clip = a_clip()
    filled = torch.rand_like(clip.masks)
    stacks = (clip.frames, clip.masks, filled)
    from_stacks, from_frames = Window(tuple(range(5)), *stacks), Window(tuple(range(5)), *map(list, stacks))
    for window in (from_stacks, from_frames):
        for found, given in zip((window.frames, window.masks, window.filled), stacks, strict=True):
            assert torch.equal(found, given)
        for n in range(5):
            for found, given in zip(window.at(n), stacks, strict=True):
                assert torch.equal(found, given[n])
    assert from_stacks.frames is clip.frames


def test_a_window_is_stacked_when_it_is_asked_for_and_only_then(monkeypatch):
    stacks = []
    stack = torch.stack
    monkeypatch.setattr(torch, "stack", lambda parts: stacks.append(len(parts)) or stack(parts))

    class OneByOne(Painter):
        def forward(self, window, step, state):
            still = window.at(window.indices.index(step.targets[0]))
            return Output(still.frame[None], {})

    list(fill(OneByOne(), a_clip(), feedback=True))
    assert stacks == []
    list(fill(Painter(), a_clip(), feedback=True))
    assert stacks == [3, 4, 5, 4, 3]


def test_the_recorder_keeps_the_maps_of_every_target_on_the_cpu():
    class Elsewhere(torch.Tensor):
        """Stands for a tensor on a device: it says so when it is copied."""

        def cpu(self):
            return self.as_subclass(torch.Tensor) + 100

    class Mapped(Painter):
        def forward(self, window, step, state):
            t = step.targets[0]
            there = torch.full((2,), float(t)).as_subclass(Elsewhere)
            return super().forward(window, step, state)._replace(maps={"a": there, "b": [there, there], "c": ("x", t)})

    recorder = Recorder()
    list(fill(Mapped(), a_clip(), on_step=recorder))
    assert sorted(recorder.maps) == list(range(5))
    for t, maps in recorder.maps.items():
        assert maps["a"].tolist() == [100 + t] * 2
        assert [part.tolist() for part in maps["b"]] == [[100 + t] * 2] * 2
        assert maps["c"] == ("x", t)
