"""What the model wrote back itself: how it counts, and the guess that is never empty."""

import itertools
import math

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor

from tests.motion.moving import (
    BOX,
    FLOW_ONLY,
    MARKER,
    STEP,
    TARGET,
    cut,
    exact_links,
    gathered,
    groups_of,
    moving_clip,
    shows,
    window_of,
)
from vinpaint_lib.holes.smooth import FINE, complete
from vinpaint_lib.interface import Window
from vinpaint_lib.motion import chains
from vinpaint_lib.motion.chains import EarlierOutput
from vinpaint_lib.systems.tgfnet import groups
from vinpaint_lib.systems.tgfnet.groups import Groups


def earlier_case(feedback: str, reach: int = 24) -> tuple[Window, Groups, EarlierOutput | None]:
    """All frames before the target are completed with the marker's colour."""
    window = window_of(moving_clip(), written_back=TARGET)
    options = {"ways": FLOW_ONLY, "picks": 1, "reach": reach, "feedback": feedback}
    return window, *gathered(window, exact_links(), **options)


def is_marker(frame: Tensor) -> Tensor:
    return ((frame - rearrange(MARKER, "c -> c 1 1")).abs() < 1e-3).all(dim=0)


def first_output(window: Window, x: int, y: int, reach: int) -> int:
    """Slow walk into the past: the first distance that shows an output, unless a real pixel comes before; or 0."""
    for k in range(1, reach + 1):
        place = (TARGET - k, x - k * STEP[0], y - k * STEP[1])
        if place[0] < 0 or shows(window, *place):
            return 0
        if shows(window, *place, earlier=True):
            return k
    return 0


# How outputs count


@pytest.mark.parametrize("reach", [24, 3])
def test_outputs_are_kept_apart_and_real_pixels_come_first(reach):
    window, aligned, earlier = earlier_case("unseen", reach)
    plain = groups_of(window_of(moving_clip()), exact_links(), ways=FLOW_ONLY, picks=1, reach=reach)
    # The groups are as if nothing had been written back.
    assert torch.equal(aligned.frames, plain.frames)
    assert torch.equal(aligned.trust, plain.trust)
    markers = 0
    for row, column in (cut(window.masks[TARGET])[0] > 0).nonzero().tolist():
        x, y = BOX.left + column, BOX.top + row
        age = int(earlier.age[row, column])
        assert age == first_output(window, x, y, reach)
        if age:
            source = window.frames[TARGET - age, :, y - age * STEP[1], x - age * STEP[0]]
            np.testing.assert_allclose(earlier.picture[row, column], source, atol=1e-4)
            markers += torch.equal(source, MARKER)
    assert markers > 100


def test_real_pixels_are_trusted_more_than_outputs_and_these_more_than_a_membrane():
    # However long the way and large the doubt, a real pixel keeps 0.2.
    assert 0 < groups.MEMBRANE < groups.EARLIER < 0.2


def test_all_takes_outputs_like_real_pixels():
    window, aligned, earlier = earlier_case("all")
    assert earlier is None
    hole = cut(window.masks[TARGET])[0] > 0
    assert (aligned.age[0, 0][hole] == 1).all()
    assert torch.allclose(aligned.trust[0, 0][hole], torch.tensor(0.2 + 0.8 * math.exp(-chains.FADE)), atol=1e-5)
    assert is_marker(aligned.frames[0])[10:-10, 16:-16].float().mean() > 0.9
    # Nothing was written back in the future.
    assert not is_marker(aligned.frames[1]).any()


def test_off_never_takes_an_output():
    _, aligned, earlier = earlier_case("off", reach=3)
    plain = groups_of(window_of(moving_clip()), exact_links(), ways=FLOW_ONLY, picks=1, reach=3)
    assert earlier is None
    assert torch.equal(aligned.frames, plain.frames)
    assert torch.equal(aligned.trust, plain.trust)
    assert not is_marker(aligned.frames[0]).any()


def test_nothing_written_back_is_nothing_of_our_own():
    options = {"ways": FLOW_ONLY, "picks": 1, "reach": 3}
    assert gathered(window_of(moving_clip()), exact_links(), **options)[1] is None


def test_an_output_written_back_between_two_steps_is_seen_in_the_second():
    # One set of views serves a whole clip; it must not keep the picture from before the writing.
    truth, options = moving_clip(), {"ways": FLOW_ONLY, "picks": 1, "reach": 3}
    links, views = exact_links(), chains.Views()
    assert gathered(window_of(truth), links, views=views, **options)[1] is None
    _, earlier = gathered(window_of(truth, TARGET), links, views=views, **options)
    _, fresh = gathered(window_of(truth, TARGET), exact_links(), **options)
    assert earlier.age.any()
    assert np.array_equal(earlier.picture, fresh.picture)


# The guess


def guess_case() -> tuple[Tensor, Tensor, Groups, EarlierOutput]:
    """A target with a hole, two groups that show a part of it, earlier output in another part."""
    target, mask = torch.rand(3, 24, 32), torch.zeros(1, 24, 32)
    mask[:, 4:20, 6:26] = 1
    target *= 1 - mask
    trust = torch.zeros(2, 1, 24, 32)
    trust[0, :, 4:10, 6:16], trust[1, :, 4:10, 12:20] = 0.6, 0.8
    frames = torch.rand(2, 3, 24, 32) * (trust > 0)
    age = np.zeros((24, 32), np.float32)
    age[8:16, 6:20] = 2
    earlier = EarlierOutput(np.random.default_rng(0).random((24, 32, 3)).astype(np.float32), age)
    return target, mask, Groups(frames, trust, trust * 5, ("a", "b")), earlier


def test_the_guess_is_what_is_known_then_a_group_then_output_and_membrane_mixed():
    target, mask, aligned, earlier = guess_case()
    guess = groups.guess(target, mask, aligned, earlier)
    assert guess.names == ("guess",)
    plain = groups.guess(target, mask, aligned).frames[0]
    shown = np.zeros((24, 32), bool)
    for y, x in itertools.product(range(24), range(32)):
        trust = aligned.trust[:, 0, y, x]
        expected, by_output = None, False
        if mask[0, y, x] == 0:
            expected = target[:, y, x]
        elif trust.max() > 0:
            expected = aligned.frames[0 if trust[0] > trust[1] else 1, :, y, x]
        elif earlier.age[y, x] > 0:
            # Half of it is the membrane that there is without outputs.
            mixed = groups.KEEP * torch.from_numpy(earlier.picture[y, x]) + (1 - groups.KEEP) * plain[:, y, x]
            assert torch.allclose(guess.frames[0, :, y, x], mixed, atol=1e-6), (y, x)
            by_output = True
        if expected is not None:
            shown[y, x] = True
            assert torch.equal(guess.frames[0, :, y, x], expected), (y, x)
        assert guess.trust[0, 0, y, x].item() == pytest.approx(groups.EARLIER if by_output else groups.MEMBRANE)
        assert guess.age[0, 0, y, x].item() == (2 if by_output else 0)
    assert 0.5 < shown.mean() < 1
    # The rest is the membrane through all of that.
    picture = rearrange(plain, "c h w -> h w c").numpy()
    membrane = complete(np.where(shown[..., None], picture, 9), ~shown, FINE)
    np.testing.assert_allclose(membrane, picture, atol=1e-5)


def test_a_guess_without_outputs_continues_the_surroundings():
    _, mask, aligned, _ = guess_case()
    nothing = aligned._replace(frames=aligned.frames * 0, trust=aligned.trust * 0)
    even = (1 - mask) * rearrange(MARKER, "c -> c 1 1")
    guess = groups.guess(even, mask, nothing)
    assert is_marker(guess.frames[0]).all()
    assert torch.allclose(guess.trust, torch.tensor(groups.MEMBRANE))


def test_the_guess_of_a_target_without_hole_is_the_target():
    target, mask, aligned, earlier = guess_case()
    assert torch.equal(groups.guess(target, mask * 0, aligned, earlier).frames[0], target)


def test_the_guess_does_not_see_what_is_under_the_hole_or_without_trust():
    target, mask, aligned, earlier = guess_case()
    first = groups.guess(target, mask, aligned, earlier)
    garbage = aligned._replace(frames=torch.where(aligned.trust > 0, aligned.frames, torch.rand(2, 3, 24, 32)))
    hidden = EarlierOutput(np.where(earlier.age[..., None] > 0, earlier.picture, 7).astype(np.float32), earlier.age)
    second = groups.guess(target + mask * torch.rand(3, 24, 32), mask, garbage, hidden)
    assert torch.equal(first.frames, second.frames)


def test_where_nothing_at_all_is_known_the_guess_is_finite():
    _, mask, aligned, _ = guess_case()
    nothing = aligned._replace(frames=aligned.frames * 0, trust=aligned.trust * 0)
    guess = groups.guess(torch.zeros(3, 24, 32), torch.ones_like(mask), nothing)
    assert torch.isfinite(guess.frames).all()
