"""What `-p name=value` means: for parameters whose type the notebook says, and for others."""

import json
import math

import pytest

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons.declared import Kind, Parameter
from vinpaint_lib.lessons.words import Number, parse_all, parse_parameter

UNTYPED = {
    "7": 7,
    "+7": 7,
    "-3": -3,
    "007": 7,
    "-08": -8,
    "0.5": 0.5,
    ".5": 0.5,
    "5.": 5.0,
    "1e-3": 1e-3,
    "1E5": 1e5,
    "2e+3": 2e3,
    "-1.5E-3": -1.5e-3,
    " 4": 4,
    "true": True,
    "false": False,
    "True": True,
    "null": None,
    "3": 3,
    '"3"': "3",
    "'true'": "true",
    "": "",
    '""': "",
}
TEXTS = (
    "no", "yes", "off", "~", "TRUE", "nil", "1:30", "1_000", "0x10", "0o7", "1,5", "1/2", "50%", "2026-11-30",
    "2026-11-30T12:30:05", "take #2.mp4", "#1", "[draft].mp4", "[1, 2]", "{a: 1}", "*.mp4", "&a", "@home", "a: b",
    "%d.png", "it's.mp4", 'say "hi"', "=", "a=b", "!x", "| x", "> x", "- x", "? x", "`x`", "a\\nb", "C:\\new",
    "ünï 日本", "nano", "information",
)  # fmt: skip


@pytest.mark.parametrize("text", UNTYPED)
def test_without_a_type_numbers_and_flags_are_what_they_look_like(text):
    name, value = parse_parameter(f"a={text}")
    assert (name, value, type(value)) == ("a", UNTYPED[text], type(UNTYPED[text]))


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_the_text_that_was_typed(text):
    assert parse_parameter(f"a={text}") == ("a", text)
    assert parse_parameter(f"a={text}", Kind(str)) == ("a", text)


@pytest.mark.parametrize("text", ["3", "1e-3", "010", "true", "null", "nan", "inf", " padded "])
def test_a_parameter_that_is_text_takes_every_text(text):
    assert parse_parameter(f"a={text}", Kind(str)) == ("a", text)
    assert parse_parameter(f'a="{text}"', Kind(str)) == ("a", text)


@pytest.mark.parametrize(
    "kind, text, value",
    [
        (Kind(int), "010", 10),
        (Kind(int), "1e3", 1000),
        (Kind(int), "1.5e1", 15),
        (Kind(int), "2.0", 2),
        (Kind(float), "2", 2.0),
        (Kind(float), "1e-3", 1e-3),
        (Kind(Number), "2", 2),
        (Kind(Number), "2.0", 2.0),
        (Kind(bool), "True", True),
        (Kind(bool), "false", False),
        (Kind(int, optional=True), "null", None),
        (Kind(str, optional=True), "None", None),
        (Kind(list, int), "1,2,030", [1, 2, 30]),
        (Kind(list, int), "[1, 2]", [1, 2]),
        (Kind(list, float), "1e-3, 2", [1e-3, 2.0]),
        (Kind(list, str), 'a,"b, c", 3', ["a", "b, c", "3"]),
        (Kind(list, str), "[draft].mp4,*", ["[draft].mp4", "*"]),
        (Kind(list, bool), "true,false", [True, False]),
        (Kind(list), "1,a,true", [1, "a", True]),
        (Kind(list), "", []),
        (Kind(list, int), "[]", []),
        (Kind(dict), '{"a": [1, 2.5]}', {"a": [1, 2.5]}),
    ],
)
def test_the_type_decides(kind, text, value):
    name, found = parse_parameter(f"a={text}", kind)
    assert (name, found, type(found)) == ("a", value, type(value))
    assert not isinstance(value, list) or list(map(type, found)) == list(map(type, value))


@pytest.mark.parametrize(
    "kind, text, said",
    [
        (Kind(int), "2.5", "no whole number"),
        (Kind(int), "many", "no whole number"),
        (Kind(int), "", "no whole number"),
        (Kind(int), "1:30", "no whole number"),
        (Kind(int), "1e400", "no finite number"),
        (Kind(int), "1e301", "no whole number"),
        (Kind(float), "0,5", "no number"),
        (Kind(float), "0x10", "no number"),
        (Kind(float), "1_000", "no number"),
        (Kind(float), "nan", "no finite number"),
        (Kind(float), "-inf", "no finite number"),
        (Kind(float), "1e999", "no finite number"),
        (Kind(), ".nan", "no finite number"),
        (Kind(), "NaN", "no finite number"),
        (Kind(), "-.inf", "no finite number"),
        (Kind(), "Infinity", "no finite number"),
        (Kind(), "9" * 5000, "no finite number"),
        (Kind(bool), "no", "neither true nor false"),
        (Kind(bool), "1", "neither true nor false"),
        (Kind(list, int), "1,x", "no whole number"),
        (Kind(dict), "{a: 1}", "no JSON object"),
        (Kind(dict), '{"a": NaN}', "no JSON object"),
        (Kind(), "a\udcff", "no UTF-8"),
    ],
)
def test_what_is_no_value_of_the_type_is_one_sentence(kind, text, said):
    with pytest.raises(UserError, match=said) as error:
        parse_parameter(f"speed={text}", kind)
    assert str(error.value).startswith("-p ")
    assert "speed=" in str(error.value)
    assert "\n" not in str(error.value)


def test_odd_lines_and_depths_are_no_faults():
    assert parse_parameter("a=x\ry,z", Kind(list, str)) == ("a", ["x y", "z"])
    with pytest.raises(UserError, match="is no JSON object"):
        parse_parameter("a=" + '{"a":' * 20000, Kind(dict))


@pytest.mark.parametrize("text", ["seed", "=3", "a b=3", "1a=3", "", "a-b=1"])
def test_malformed_parameters_are_refused(text):
    with pytest.raises(UserError, match="write name=value"):
        parse_parameter(text)


def test_every_value_can_stand_in_a_notebook_file():
    values = [parse_parameter(f"a={text}")[1] for text in (*UNTYPED, *TEXTS)]
    json.dumps(values, allow_nan=False)
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in values)


def test_a_list_may_be_given_item_by_item_and_nothing_else_twice():
    known = {"sizes": Parameter(Kind(list, int), "[1]"), "seed": Parameter(Kind(int), "0")}
    assert parse_all(["sizes=1", "seed=3", "sizes=2,3"], known) == {"sizes": [1, 2, 3], "seed": 3}
    assert parse_all(["other=1e3"], known) == {"other": 1000.0}  # the names are checked elsewhere
    known["maybe"] = Parameter(Kind(list, int, optional=True), "None")
    of_none = (["maybe=1", "maybe=null"], ["maybe=null", "maybe=1"])
    for twice in (["seed=1", "seed=2"], ["other=1", "other=1"], *of_none):
        with pytest.raises(UserError, match="is given twice"):
            parse_all(twice, known)
