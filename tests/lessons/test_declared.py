"""What a notebook says of its parameters: by annotation, by rule, by literal; and notebooks that are none."""

import json
import math

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import declared
from vinpaint_lib.lessons.catalogue import FOLDER
from vinpaint_lib.lessons.declared import Kind, Number


def write(path, parameters, *sources):
    cells = [new_markdown_cell("# A"), new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    nbformat.write(new_notebook(cells=[*cells, *map(new_code_cell, sources)]), path)
    return path


SAYS = [
    ("x: int = 0", "", Kind(int)),
    ("x: float = 1", "", Kind(float)),
    ("x: bool = True  # a flag", "", Kind(bool)),
    ("x: str = 'a # b'", "", Kind(str)),
    ("x: 'int' = 0", "", Kind(int)),
    ("x: int | None = None", "", Kind(int, optional=True)),
    ("x: int | float = 1", "", Kind(Number)),
    ("x: int | str = 1", "", Kind(Number)),  # not known by annotation, so the literal says it
    ("from typing import Optional\nx: Optional[str] = None", "", Kind(str, optional=True)),
    ("x: list[int] = [1]", "", Kind(list, int)),
    ("x: list = [0.5]", "", Kind(list, float)),
    ("x: tuple[float, ...] = (1, 2)", "", Kind(list, float)),
    ("x: dict[str, int] = {}", "", Kind(dict)),
    ("x: Literal['a', 'b'] = 'a'", "", Kind(str)),
    ("x = 1", "", Kind(Number)),
    ("x = 1.0", "", Kind(float)),
    ("x = -2.5", "", Kind(float)),
    ("x = True", "", Kind(bool)),
    ("x = ['a', 'b']", "", Kind(list, str)),
    ("x = (1, 2.5)", "", Kind(list, Number)),
    ("x = []", "", Kind(list)),
    ("x = None", "", Kind(optional=True)),
    ("import math\nx = math.pi", "", Kind()),
    ("%matplotlib inline\nx = 'a'", "", Kind(str)),
    ("y, x = 1, 'a'", "", Kind(str)),
    ("x = (\n    'several'\n    'lines'\n)", "", Kind(str)),
    ("x = None", "parameters.check(globals(), x=parameters.whole(0))", Kind(int, optional=True)),
    ("x = 1", "parameters.check(globals(), x=parameters.number(0, 1))", Kind(Number)),
    ("x = compute()", "parameters.check(globals(), x=parameters.flag())", Kind(bool)),
    ("x = compute()", "parameters.check(globals(), x=parameters.one_of('a', 'b'))", Kind(str)),
    ("x = compute()", "parameters.check(globals(), x=parameters.one_of('a', 1))", Kind()),
    ("x = compute()", "parameters.check(globals(), x=parameters.one_of(*KINDS))", Kind()),
    ("x: int = 1", "parameters.check(globals(), x=parameters.number(0, 1))", Kind(int)),
]


@pytest.mark.parametrize("parameters, check, kind", SAYS)
def test_the_type_is_annotated_or_a_rule_s_or_the_literal_s(tmp_path, parameters, check, kind):
    assert declared.parameters_of(write(tmp_path / "a.ipynb", parameters, check))["x"].kind == kind


def test_defaults_are_values_or_the_words_that_compute_them(tmp_path):
    source = "import math\na = 3\nb: str = 'x'\nc = math.pi\nd = 1e999\ne = [1, 2]\nf = {1, 2}\ng = None\nh = len('a')"
    found = declared.parameters_of(write(tmp_path / "a.ipynb", source))
    defaults = {name: parameter.default for name, parameter in found.items()}
    assert defaults == {
        "a": 3, "b": "x", "c": "math.pi", "d": "1e309", "e": [1, 2], "f": "{1, 2}", "g": None, "h": "len('a')",
    }  # fmt: skip
    json.dumps(defaults, allow_nan=False)


def test_our_notebooks_have_the_names_that_papermill_sees():
    notebooks = sorted(FOLDER.glob("[0-9]*.ipynb"))
    assert notebooks
    for path in notebooks:
        found = declared.parameters_of(path)
        assert list(found) == list(papermill.inspect_notebook(str(path)))
        assert all(parameter.kind.base for parameter in found.values())


def test_a_line_of_python_may_begin_with_a_sign_of_ipython(tmp_path):
    source = 'a = (7\n    % 4)\nb = """x\n%y\n"""'
    parameters = new_code_cell(source, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[parameters]), tmp_path / "a.ipynb")
    found = declared.parameters_of(tmp_path / "a.ipynb")
    assert (found["a"].source, found["b"].default) == ("7 % 4", "x\n%y\n")


def test_a_refusal_names_the_line_of_the_cell(tmp_path):
    parameters = new_code_cell("a = 1\n\n\n%matplotlib inline\nb = = 2", metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[parameters]), tmp_path / "a.ipynb")
    with pytest.raises(UserError, match="line 5 of its parameters cell is no Python"):
        declared.parameters_of(tmp_path / "a.ipynb")


def test_a_notebook_without_a_parameters_cell_has_none(tmp_path):
    nbformat.write(new_notebook(cells=[new_code_cell("x = 3")]), tmp_path / "a.ipynb")
    assert declared.parameters_of(tmp_path / "a.ipynb") == {}
    with pytest.raises(UserError, match="line 2 of its parameters cell is no Python"):
        declared.parameters_of(write(tmp_path / "b.ipynb", "x = 1\ny = = 2"))


NO_NOTEBOOKS = {
    "half": '{"cells": [',
    "empty": "",
    "list": "[]",
    "number": "3",
    "other JSON": '{"a": 1}',
    "bytes": b"\x89PNG\xff\xfe",
    "old": '{"nbformat": 99, "cells": []}',
    "cells are none": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "x"}]}',
    "cut": None,
}


@pytest.mark.parametrize("name", NO_NOTEBOOKS)
def test_what_is_no_whole_notebook_is_one_sentence(tmp_path, name):
    content = NO_NOTEBOOKS[name]
    whole = write(tmp_path / "whole.ipynb", "x = 1").read_bytes()
    content = whole[: len(whole) // 2] if content is None else content
    path = tmp_path / "a.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match="is no notebook, or only a part of one") as error:
        declared.read(path)
    assert "\n" not in str(error.value)
    for wrong in (tmp_path, tmp_path / "none.ipynb"):
        with pytest.raises(UserError, match="is not a file"):
            declared.read(wrong)


@pytest.mark.parametrize("value", [math.nan, math.inf, [math.nan], {"a": -math.inf}, {1: 2}, {1}, object(), "\udcff"])
def test_what_json_cannot_hold_is_not_plain(value):
    assert not declared.is_plain(value)
    assert declared.is_plain({"a": [1, 2.5, None, True, "日本"]})
