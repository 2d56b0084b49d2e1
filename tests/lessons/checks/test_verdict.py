"""The tools of the checks: every way in which a reader's function can go wrong becomes one sentence."""

import math

import pytest
import torch

from tests.lessons.checks.planted import caught, passes
from vinpaint_lib.lessons import checks
from vinpaint_lib.lessons.checks import verdict
from vinpaint_lib.lessons.checks.verdict import Wrong


def stub(x):
    """A stub as the students get it."""
    raise NotImplementedError


def empty(x):
    """Nothing but a docstring."""


def broken(x):
    y = x + 1
    return y.nothing


def too_little(x):
    """An operation that torch does not have for these numbers, or not on this device."""
    raise NotImplementedError("\"cummin\" not implemented for 'Half'")


def spoils(x):
    x += 1
    return x


@pytest.mark.parametrize(
    "function, sentence",
    [
        (stub, "stub is not written yet"),
        (empty, "empty returns nothing: is it still empty"),
        (broken, r"broken stops with AttributeError in line 3 of the function: 'Tensor' object has no attribute"),
        (too_little, 'too_little stops with NotImplementedError in line 3 of the function: "cummin" not implemented'),
        (spoils, "spoils changes one of its arguments"),
        (lambda x: [x], "returns a list, and a Tensor is wanted"),
        (lambda x: 3, "returns an int, and a Tensor is wanted"),
        (lambda: 3, r"stops with TypeError: .* takes 0 positional arguments but 1 was given"),
        (torch.zeros(3), "a function is wanted here, and this is a Tensor"),
    ],
)
def test_what_python_would_report_as_a_traceback(function, sentence):
    with pytest.raises(Wrong, match=sentence) as error:
        verdict.call(function, torch.zeros(3))
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert error.value._render_traceback_() == [str(error.value)]


def test_call_hands_over_copies_and_what_was_returned():
    given, listed = torch.zeros(2), [torch.ones(2)]
    seen = verdict.call(lambda x, y, *, z: (x, y[0], z), given, listed, z=3, returns=tuple)
    assert torch.equal(seen[0], given)
    assert seen[0] is not given
    assert seen[1] is not listed[0]
    assert seen[2] == 3
    learns = torch.ones(2, requires_grad=True)
    verdict.call(lambda x: (x * 2).sum(), learns).backward()
    assert torch.equal(learns.grad, torch.full((2,), 2.0))
    assert verdict.call(lambda: 2, returns=(int, float)) == 2
    with pytest.raises(Wrong, match="returns a str, and an int or a float is wanted"):
        verdict.call(lambda: "2", returns=(int, float))
    with pytest.raises(Wrong, match="changes one of its arguments"):
        verdict.call(lambda x: x["a"][0].add_(1), {"a": [given]})
    assert torch.equal(given, torch.zeros(2))


def test_values_are_compared_with_their_shape_and_tolerance():
    verdict.close(torch.tensor([1.0, math.inf]), torch.tensor([1.000001, math.inf]), "never")
    verdict.close(3, torch.tensor(3.0), "never")
    with pytest.raises(Wrong, match=r"^too large \(largest difference: 0.5\)$"):
        verdict.close(torch.tensor([1.0, 2.5]), torch.tensor([1.0, 2.0]), "too large")
    with pytest.raises(Wrong, match=r"has the shape \(2, 3\), and \(3, 2\) is wanted"):
        verdict.close(torch.zeros(2, 3), torch.zeros(3, 2), "never")
    with pytest.raises(Wrong, match=r"1 of the values are not finite"):
        verdict.close(torch.tensor([1.0, math.nan]), torch.tensor([1.0, 2.0]), "never")
    with pytest.raises(Wrong, match="the result is a str, and numbers are wanted"):
        verdict.close("3", 3, "never")
    with pytest.raises(Wrong, match="the map is a float"):
        verdict.same_shape(3.0, (2, 3), "the map")


def test_checks_are_found_and_an_unknown_name_lists_them():
    assert list(checks.names()) == sorted(checks.names())
    for name in checks.names():
        assert getattr(checks, name).__name__ == name
        assert name in dir(checks)
    with pytest.raises(AttributeError, match="there is no check missing; there are"):
        checks.missing  # noqa: B018 - the attribute is what fails


def half(function):
    """A check for the test below."""
    found = verdict.call(function, torch.ones(3))
    verdict.close(found, torch.full((3,), 0.5), "not the half")
    verdict.passed("half")


def test_planted_mistakes_need_messages_of_their_own():
    passes(half, lambda x: x / 2)
    caught(half, lambda x: x, "not the half")
    caught(half, lambda x: x[:2], "shape")
    with pytest.raises(AssertionError, match="another mistake got the same message"):
        caught(half, lambda x: x / 3, "half")


def test_values_are_compared_in_double_precision_whatever_their_type():
    values = torch.tensor([1.0, 2.0])
    assert verdict.precise(values, "the result").dtype == torch.float64
    assert verdict.alike(values, values.double() + 1e-6)
    assert not verdict.alike(values, values + 1e-3)
    assert not verdict.alike(values, values[:1])
    for other in (values.half(), values.int(), values.bool()):
        with pytest.raises(Wrong, match=r"the result is of type .*: float32 is wanted"):
            verdict.precise(other, "the result")
