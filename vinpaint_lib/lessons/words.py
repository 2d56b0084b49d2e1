"""The values that `-p name=value` gives: from what was typed to what the notebook takes.

Text is the text that was typed. Where the notebook says a parameter's type (`declared.py`), the type decides. Where it
says nothing, a number is a number, true, false and null are what they are, and everything else is text.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from numbers import Number
from typing import Any

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons.declared import UNKNOWN, Kind, Parameter, is_plain

HELP = (
    "another value for a parameter of the notebook. Text is taken as it is typed; quotes around a whole value are "
    'taken off, and make text of a number (label="3"). Numbers may be written as 7, 0.5 or 1e-3; true and false are '
    "flags; null is None. A list is its items with commas (sizes=64,96), or the option once for each item"
)
WHOLE = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NO_NUMBER = re.compile(r"[+-]?\.?(nan|inf|infinity)", re.IGNORECASE)  # a float for Python, YAML or both
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'", re.DOTALL)
FLAGS = {"true": True, "false": False, "True": True, "False": False}
NOTHING = ("null", "None")
LONGEST, SHOWN = 300, 60  # digits of a whole number; letters of a wrong one in a message


def parse_parameter(text: str, kind: Kind = UNKNOWN) -> tuple[str, Any]:
    """`name=value` and what its value means for a parameter of this type. Raises UserError, which shows the text, for
    a text without a name, a value of another type, and a number that is not finite."""
    name, value = halves(text)
    return name, meant(name, value, kind)


def parse_all(texts: Sequence[str], known: Mapping[str, Parameter]) -> dict[str, Any]:
    """All `name=value` of a command line; `known` are the notebook's parameters. A name that is not among them stays,
    for `reruns.one.check_names` to refuse. Raises UserError as `parse_parameter` does, and for a name that is given
    twice and is no list."""
    found: dict[str, Any] = {}
    for text in texts:
        name, value = halves(text)
        kind = known[name].kind if name in known else UNKNOWN
        given = meant(name, value, kind)
        if name not in found:
            found[name] = given
        elif isinstance(found[name], list) and isinstance(given, list):
            found[name] = found[name] + given
        else:
            raise UserError(f"-p {text}: {name} is given twice, and is no list; give it once")
    return found


def halves(text: str) -> tuple[str, str]:
    """The name and the value of `name=value`."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise UserError(f"{text!r} is no parameter: write name=value, as in seed=3.")
    if not is_plain(value):
        raise UserError(f"-p {text!r}: holds bytes that are no UTF-8; give another name to what it names")
    return name, value


def meant(name: str, value: str, kind: Kind) -> Any:
    """The value of parameter `name`, from what was typed."""
    if kind.optional and value.strip() in NOTHING:
        return None
    if kind.base is list:
        return [meant(name, item, Kind(kind.item)) for item in items(value, kind.item)]
    if kind.base is dict:
        return mapping(name, value)
    quoted = QUOTED.fullmatch(value) is not None
    if kind.base is str or (quoted and kind.base is None):
        return value[1:-1] if quoted else value
    word = value.strip()
    if kind.base is None:
        return guessed(name, value, word)
    word = word[1:-1].strip() if quoted else word
    if kind.base is bool:
        if word in FLAGS:
            return FLAGS[word]
        raise UserError(f"-p {name}={value}: is neither true nor false; write {name}=true or {name}=false")
    whole = kind.base is int or (kind.base is Number and WHOLE.fullmatch(word) is not None)
    return number(name, value, word, whole=whole)


def guessed(name: str, value: str, word: str) -> Any:
    """The value of a parameter whose type is not known."""
    if word in FLAGS:
        return FLAGS[word]
    if word in NOTHING:
        return None
    if NUMBER.fullmatch(word) or NO_NUMBER.fullmatch(word):
        return number(name, value, word, whole=WHOLE.fullmatch(word) is not None)
    return value


def number(name: str, value: str, word: str, *, whole: bool) -> int | float:
    """A finite number in any usual form; 010 is ten. A whole one may be written as 1e3 or 2.0 too."""
    try:
        exact = Decimal(word) if NUMBER.fullmatch(word) else Decimal("nan")
    except InvalidOperation:
        exact = Decimal("nan")
    if NO_NUMBER.fullmatch(word) or (exact.is_finite() and not is_plain(float(exact))):
        raise UserError(f"-p {name}={value[:SHOWN]}: is no finite number; give one, as in {name}=0.5")
    if not whole and exact.is_finite():
        return float(word)
    if exact.is_finite() and exact.adjusted() < LONGEST and exact == exact.to_integral_value():
        return int(exact)
    said = "whole number; write one, as in" if whole else "number; write one with a point, as in"
    raise UserError(f"-p {name}={value[:SHOWN]}: is no {said} {name}={3 if whole else 0.5}")


def items(value: str, item: type | None) -> list[str]:
    """The items of a list as they were typed: with commas between them, in brackets or not; quotes keep a comma."""
    inner = value.strip()
    bracketed = inner.startswith("[") and inner.endswith("]")
    if bracketed and ("," in inner or item is not str):
        inner = inner[1:-1].strip()
    if not inner:
        return []
    return [each.strip() for each in next(csv.reader([re.sub(r"[\r\n]", " ", inner)], skipinitialspace=True))]


def mapping(name: str, value: str) -> dict[str, Any]:
    """A parameter that is a dict, written as JSON."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not is_plain(found):
        raise UserError(f'-p {name}={value}: is no JSON object; write one, as in {name}={{"a": 1}}')
    return found
