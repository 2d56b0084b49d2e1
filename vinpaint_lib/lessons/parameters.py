"""Checks the parameters of a notebook before any work. A refusal names the parameter and the values that it may have.

    parameters.check(
        globals(),
        seed=parameters.whole(0),
        size=parameters.size(64),
        hole=parameters.one_of("stationary", "moving"),
        live=parameters.flag(),
        out_dir=parameters.folder(),
    )

This call stands in the third cell of a notebook, after the parameters and the imports. A condition on two parameters
follows it: `if mask and not clip: raise parameters.refusal("mask", mask, "empty unless clip is given")`.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vinpaint_lib.errors import UserError
from vinpaint_lib.options import parse_size


class Rule(NamedTuple):
    """What a parameter may be: a test of its value, and the same rule in words for the end of a refusal."""

    accepts: Callable[[Any], bool]
    allowed: str


def check(values: Mapping[str, Any], **rules: Rule) -> None:
    """Test each value in `values`, a notebook's `globals()`, with the rule of the same name.

    Raises UserError with a line for each value that is wrong, for each rule whose name has no value, and for each
    parameter without a rule. In a notebook the parameters are the names that its parameters cell annotates
    (`seed: int = 0`); in any other mapping all names are parameters.
    """
    declared = values.get("__annotations__", {}) if "__name__" in values else values
    known = f"the parameters are {', '.join(rules)}"
    wrong = [f"there is no parameter {name}; {known}" for name in declared if name not in rules]
    for name, rule in rules.items():
        if name not in values:
            wrong.append(f"parameter {name} is missing; allowed: {rule.allowed}")
        elif not rule.accepts(values[name]):
            wrong.append(str(refusal(name, values[name], rule.allowed)))
    if wrong:
        raise UserError(*wrong)


def refusal(name: str, value: Any, allowed: str) -> UserError:
    """The error to raise for a value that no single rule can judge."""
    return UserError(f"parameter {name} is {value!r}; allowed: {allowed}")


def whole(low: int, high: int | None = None) -> Rule:
    """A whole number from `low` to `high`, both included; True and 3.0 are refused."""
    allowed = f"a whole number from {low}" + ("" if high is None else f" to {high}")
    return Rule(lambda value: type(value) is int and low <= value and (high is None or value <= high), allowed)


def number(low: float | int, high: float | int) -> Rule:
    """A finite number from `low` to `high`, both included; whole numbers are numbers too."""

    def accepts(value: Any) -> bool:
        return type(value) in (int, float) and math.isfinite(value) and low <= value <= high

    return Rule(accepts, f"a number from {low:g} to {high:g}")


def one_of(*values: Any) -> Rule:
    """One of `values`, of the same type: 1 is not True."""
    return Rule(
        lambda value: any(type(value) is type(each) and value == each for each in values),
        ", ".join(str(value) or "empty" for value in values),
    )


def size(low: int, high: int | None = None, *, multiple: int = 1) -> Rule:
    """Text "WIDTHxHEIGHT" in pixels, both from `low` to `high` and multiples of `multiple`."""

    def accepts(value: Any) -> bool:
        try:
            sides = parse_size(value) if isinstance(value, str) else ()
        except UserError:
            return False
        return bool(sides) and all(low <= s and (high is None or s <= high) and s % multiple == 0 for s in sides)

    allowed = f"WIDTHxHEIGHT, at least {low}x{low}" + ("" if high is None else f" and at most {high}x{high}")
    return Rule(accepts, allowed + (f", multiples of {multiple}" if multiple > 1 else "") + ", as in 256x144")


def flag() -> Rule:
    """True or False. The text "false" is refused, since Python takes it for true."""
    return Rule(lambda value: type(value) is bool, "True or False without quotes (-p NAME=true on the command line)")


def text(*, empty: bool = False) -> Rule:
    """Any text; `empty` allows the empty text."""
    return Rule(lambda value: isinstance(value, str) and (empty or bool(value.strip())), "text" + or_empty(empty))


def path(*, empty: bool = True) -> Rule:
    """The path of a file or folder that exists; `empty` allows "", which means that no path is given.

    A relative path starts at the notebook's folder.
    """

    def accepts(value: Any) -> bool:
        return isinstance(value, str) and (Path(value).exists() if value else empty)

    return Rule(accepts, "the path of a file or folder that exists" + or_empty(empty))


def folder() -> Rule:
    """The path of a folder to write to. It need not exist yet, but no part of the path may be a file."""

    def accepts(value: Any) -> bool:
        if not isinstance(value, str) or not value.strip():
            return False
        there = next((part for part in (Path(value), *Path(value).parents) if part.exists()), Path())
        return there.is_dir()

    return Rule(accepts, "the path of a folder, made if it is missing, and not of a file")


def or_empty(empty: bool) -> str:
    """The words that a rule ends with where the empty text is allowed."""
    return ", or empty" if empty else ""
