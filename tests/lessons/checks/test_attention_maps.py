"""The checks of notebook 09 accept the library's functions and tell planted mistakes apart."""

import math

import pytest
import torch
from einops import rearrange, reduce

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.figures import choices
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.checks.verdict import Wrong
from vinpaint_lib.systems.tgfnet import attention_maps


def log_sum(weights):
    """Entropy without the division by log N; 0 log 0 = 0."""
    return reduce(torch.special.entr(weights), "n 1 h w -> 1 h w", "sum")


def test_entropy():
    passes(checks.entropy, choices.entropy)
    caught(checks.entropy, log_sum, "divide by log N")
    caught(checks.entropy, lambda w: -choices.entropy(w), "is not negative")
    caught(checks.entropy, lambda w: -(w * w.log()).sum(dim=0) / math.log(len(w)), "0 log 0 counts as 0")
    caught(checks.entropy, lambda w: log_sum(w) / math.log(len(w)), "a single group gives nan")
    caught(checks.entropy, lambda w: choices.entropy(w) / len(w), "for any N")
    caught(checks.entropy, lambda w: log_sum(w) / max(math.log(len(w)), 1), "divide by log 2")
    caught(checks.entropy, lambda w: torch.special.entr(w) / math.log(len(w)), "has the shape")
    caught(checks.entropy, lambda w: (log_sum(w) + 1e-9) / (math.log(len(w)) + 1e-9), "always sure")
    caught(checks.entropy, lambda w: choices.entropy(w.clamp(min=0.01)), "some of weight 0")


def right(weights, trust, guess):
    """The library's function, called as the exercise asks."""
    return attention_maps.credited(weights, trust, ["guess" if n == guess else str(n) for n in range(len(weights))])


def itself_too(weights, trust, guess):
    """The most trusted group may be the guess."""
    source = rearrange(torch.nn.functional.one_hot(trust.argmax(dim=0), len(trust)), "1 h w n -> n 1 h w")
    result = weights + source * weights[guess] * (trust.sum(dim=0) > trust[guess])
    result[guess] -= weights[guess] * (trust.sum(dim=0) > trust[guess])
    return result


def to_all(weights, trust, guess):
    """The other groups share the guess's weight."""
    result = right(weights, trust, guess)
    shared = weights + (weights - result)[guess] / (len(weights) - 1)
    shared[guess] = result[guess]
    return shared


def also_alone(weights, trust, guess):
    """Moves the weight where there is no source, too."""
    return right(weights, trust.clamp(min=1e-3), guess)


def dropped(weights, trust, guess):
    """Takes the guess's weight and gives it to nobody."""
    result = weights.clone()
    others = trust.sum(dim=0) > trust[guess]
    result[guess] = weights[guess] * ~others
    return result


def winner_takes_all(weights, trust, guess):
    """All of a pixel's weight goes to the most trusted group."""
    result = right(weights, trust, guess)
    others = trust.clone()
    others[guess] = 0
    top = torch.zeros_like(weights).scatter(0, others.argmax(dim=0, keepdim=True), result.sum(dim=0, keepdim=True))
    return torch.where(others.sum(dim=0) > 0, top, result)


def test_credited():
    passes(checks.credited, right)
    caught(checks.credited, lambda w, trust, guess: w, "the guess still has weight")
    caught(checks.credited, also_alone, "must keep its weight")
    caught(checks.credited, dropped, "do not sum to what they were")
    caught(checks.credited, winner_takes_all, "only the guess gives")
    caught(checks.credited, to_all, "and goes elsewhere")
    caught(checks.credited, lambda w, trust, guess: right(w, trust, guess)[0], "has the shape")


def test_credited_sees_two_more_ways_to_go_wrong():
    for mistake in (itself_too, lambda w, trust, guess: right(w, trust, len(w) - 1)):
        with pytest.raises(Wrong, match="the guess still has weight"):
            checks.credited(mistake)
