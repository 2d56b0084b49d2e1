"""For the tests of checks: a right function passes, and each planted mistake is caught with a message of its own.

    from tests.lessons.checks.planted import caught, passes

    def test_coverage():
        passes(checks.coverage, problem.coverage)
        caught(checks.coverage, lambda masks: 1 - problem.coverage(masks), "known")

`test_every_check.py` counts the mistakes of each check in the source: one for each `caught(checks.NAME, ...)`,
times the entries of the `pytest.mark.parametrize` lists (written out in place) of the test that holds it.
"""

import contextlib
import io
import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from vinpaint_lib.lessons.checks.verdict import Wrong

told: dict[tuple[str, str], dict[str, Callable[..., Any]]] = {}  # test file, check -> message -> mistake that got it


def passes(check: Callable[..., None], function: Callable[..., Any]) -> None:
    """The check accepts `function`, and prints its one line; or it finds nothing wrong but whose function this is."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            check(function)
    except Wrong as error:
        if re.match("the values are right, but .* computes them", str(error)):
            return
        raise
    assert printed.getvalue() == f"right: {check.__name__}\n"


def caught(check: Callable[..., None], function: Callable[..., Any], match: str) -> str:
    """The check refuses `function` with a sentence that holds `match`, and that no other planted mistake of it in the
    same file got.

    Returns the sentence.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(Wrong, match=match) as error:
        check(function)
    assert printed.getvalue() == "", "a check that refuses prints nothing"
    message = str(error.value)
    assert "\n" not in message, f"one sentence: {message!r}"
    plain = re.sub(r"[\d.e+-]+", "0", message)  # two sentences that differ in a number only are the same
    file = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0]  # other files plant some mistakes again
    first = told.setdefault((file, check.__name__), {}).setdefault(plain, function)
    assert first is function, f"another mistake got the same message: {message}"
    return message
