"""First guesses: the frames of the baseline `flow`, a trust that falls with the distance, and nothing of the truth."""

import numpy as np
import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes.masks import moving_blob
from vinpaint_lib.inpaint import Recorder, fill
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import chains, first_guess
from vinpaint_lib.motion.first_guess import FirstGuesses, first_guesses
from vinpaint_lib.systems.baselines import FlowPropagation
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip

SIZE = (48, 96)


def moving_clip(length: int = 30) -> Clip:
    frames = toy_clip("coffee", Shot(length=length, size=SIZE, seed=1)).clip.frames
    return Clip(frames, moving_blob(length, SIZE, np.random.default_rng(0), area=(0.3, 0.5)))


def window_of(clip: Clip) -> Window:
    return Window(tuple(range(len(clip))), clip.frames * (1 - clip.masks), clip.masks, torch.zeros_like(clip.masks))


@pytest.mark.slow
def test_a_guess_is_a_frame_of_the_baseline():
    """To the bit, and there is trust exactly where the baseline found a pixel, or has it."""
    clip, recorder = moving_clip(), Recorder()
    frames = torch.stack(list(fill(FlowPropagation(), clip, on_step=recorder)))
    pictures, trust = first_guesses(clip.frames, clip.masks)
    assert torch.equal(pictures, frames)
    found = torch.stack([recorder.maps[t]["found"][0] for t in range(len(clip))])
    assert torch.equal(trust > 0, found > 0)
    assert torch.equal(trust[clip.masks == 0], torch.ones_like(trust[clip.masks == 0]))
    holes = trust[clip.masks > 0]
    assert 0.2 < (holes > 0).float().mean() < 1  # some is found, some is not
    assert holes.max() < 1


def test_trust_falls_with_the_distance_in_time():
    """A still picture under a hole that leaves one way: a pixel is found as far away as the hole covers it."""
    picture = toy_clip("chelsea", Shot(length=1, size=SIZE, objects=0, seed=3)).clip.frames
    holes = torch.zeros(8, 1, *SIZE)
    for t in range(5):
        holes[t, :, 12:30, 40:60] = 1  # from frame 5 on nothing is missing
    pictures, trust = first_guesses(picture.repeat(8, 1, 1, 1), holes)
    for t in range(5):
        centre = trust[t, 0, 18:24, 46:54]
        expected = 0.2 + 0.8 * np.exp(-chains.FADE * (5 - t))
        assert centre.numpy() == pytest.approx(expected, abs=0.02)  # DIS of a still picture is not exactly zero
        assert (pictures[t] - picture[0]).abs().max() < 0.02


def test_nothing_under_a_hole_is_read():
    clip = moving_clip(6)
    other = torch.where(clip.masks > 0, 1 - clip.frames, clip.frames)
    for one, two in zip(first_guesses(clip.frames, clip.masks), first_guesses(other, clip.masks), strict=True):
        assert torch.equal(one, two)


def test_a_guess_is_made_once_and_forgotten_when_told(monkeypatch):
    clip, made = moving_clip(5), []
    guesses, window = FirstGuesses(), window_of(clip)
    make = FirstGuesses.make
    monkeypatch.setattr(FirstGuesses, "make", lambda self, window, t: made.append(t) or make(self, window, t))
    guesses.update(window, (3, 1))
    guesses.update(window, (1, 2, 3))
    assert made == [1, 3, 2]
    guesses.drop([1, 2])
    assert list(guesses.held) == [3]


def test_what_was_written_back_is_no_hole_any_more():
    """The guess is laid into the hole that is still open; a frame without a hole is its own guess."""
    clip = moving_clip(5)
    guesses = FirstGuesses()
    guesses.update(window_of(clip), range(5))
    grey = torch.full_like(clip.frames, 0.25)
    done = Window(tuple(range(5)), grey, torch.zeros_like(clip.masks), clip.masks)
    assert torch.equal(guesses.of(done, 2)[0], grey[2])
    assert guesses.of(done, 2)[1].min() == 1
    empty = FirstGuesses()
    empty.update(done, [2])
    assert empty.held == {2: None}
    assert torch.equal(empty.of(done, 2)[0], grey[2])


def test_the_frames_that_guesses_need():
    assert first_guess.reached((30, 31), 100) == range(6, 56)
    assert first_guess.reached((3,), 20) == range(20)


def test_other_words_are_refused():
    with pytest.raises(UserError, match="first_guess 'warped': is no first guess; use none or aligned"):
        first_guess.check("warped")
