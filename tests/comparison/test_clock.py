"""Minutes left: by the rates of systems, those of this run before those of earlier ones."""

import pytest

from tests.comparison.made_up import line
from vinpaint_lib.comparison.clock import Clock


def test_minutes_follow_what_each_system_takes():
    clock = Clock()
    assert clock.words([("a", 10)]) == ""
    clock.taken["a"] = [1.0, 3.0]
    assert clock.seconds([("a", 10), ("b", 5)]) == pytest.approx(30.0)
    clock.taken["b"] = [20.0]
    assert clock.seconds([("a", 10), ("b", 5), ("c", 1)]) == pytest.approx(20 + 100 + 11)
    assert (clock.words([("b", 30)]), clock.words([("a", 10)])) == ("10 min left", "20 s left")


def test_earlier_lines_serve_until_a_system_was_run():
    clock = Clock([line("a", 0, {}), line("a", 1, {})])  # half a second a frame
    assert clock.seconds([("a", 10)]) == pytest.approx(5.0)
    with clock.timing("a", 4):
        pass
    assert clock.seconds([("a", 10)]) < 1.0


def test_a_failure_is_not_timed():
    clock = Clock()
    with pytest.raises(ValueError), clock.timing("a", 4):
        raise ValueError
    assert clock.words([("a", 1)]) == ""
