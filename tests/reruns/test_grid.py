"""A grid is read as it is meant, and all of its mistakes are told at once."""

import itertools

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from vinpaint_lib.errors import UserError
from vinpaint_lib.reruns import names
from vinpaint_lib.reruns.grid import read_grid

PARAMETERS = """seed: int = 0
hole: str = 'a'
rate: float = 0.5
sizes: list[int] = [1]
label = None
flag: bool = True
out_dir: str = '.'"""


def write(folder, text, source=PARAMETERS):
    cell = new_code_cell(source, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[cell, new_code_cell("1 + 1")]), folder / "a.ipynb")
    path = folder / "grid.yml"
    path.write_text(text)
    return path


def test_it_is_the_product_without_what_is_excluded(tmp_path):
    path = write(
        tmp_path,
        """
notebook: a.ipynb
parameters:
  hole: [a, b, c]
  rate: 1e-3
  sizes: [[1, 2], []]
exclude:
  - {hole: b, sizes: [[1, 2]]}
  - hole: [a, c]
    seed: 1
seeds: 2
repeats: 2
""",
    )
    expected = []
    for hole, sizes, seed, repeat in itertools.product("abc", ([1, 2], []), (0, 1), (0, 1)):
        if (hole == "b" and sizes == [1, 2]) or (hole != "b" and seed == 1):
            continue
        expected.append(({"hole": hole, "rate": 0.001, "sizes": sizes, "seed": seed}, repeat))
    grid = read_grid(path)
    assert list(grid.runs) == expected
    assert grid.notebook == tmp_path / "a.ipynb"


def test_a_value_means_what_it_means_on_the_command_line(tmp_path):
    text = "notebook: a.ipynb\nparameters: {hole: [no, 010, ~, '1'], flag: false, label: [3, '3', null, no], seed: 1e3}"
    runs = [given for given, _ in read_grid(write(tmp_path, text)).runs]
    assert [given["hole"] for given in runs[::4]] == ["no", "010", "~", "1"]
    assert [given["label"] for given in runs[:4]] == [3, "3", None, "no"]
    assert {type(given["seed"]) for given in runs} == {int}
    assert runs[0]["flag"] is False


def test_all_mistakes_are_told_at_once_a_sentence_each(tmp_path):
    path = write(
        tmp_path,
        """notebook: a.ipynb
parameters:
  seed: [1, x]
  hole: [a, a]
  rats: 1
  out_dir: there
  sizes: [1, 2]
  flag: [yes]
  rate: []
  hole: b
exclude:
  - {hole: z}
  - {nothing: 1}
  - 3
seeds: 3
repeats: 0
repeat: 2
""",
    )
    with pytest.raises(UserError) as stop:
        read_grid(path)
    lines = str(stop.value).splitlines()
    assert all(line.startswith(f"{path}, line ") for line in lines)
    told = sorted((int(line.split(", line ")[1].split(":")[0]), line.split(": ", 1)[1]) for line in lines)
    for number, part in [
        (3, "seed=x: is no whole number"),
        (5, "has no parameter rats: it has flag, hole"),
        (6, "out_dir is each run's own folder"),
        (7, "sizes takes a list: write a list of lists"),
        (8, "flag=yes: is neither true nor false"),
        (9, "rate has no value"),
        (10, "parameter hole stands twice"),
        (12, "exclude names hole 'z', which the grid does not have"),
        (13, "exclude names nothing, which is no parameter"),
        (14, "exclude is a list of values"),
        (15, "seed is among the parameters too"),
        (16, "repeats is 0; give a whole number from 1"),
        (17, "there is no repeat; a grid has notebook"),
    ]:
        assert any(line == number and part in said for line, said in told), (number, part, told)


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "line 1: there is no notebook"),
        ("notebook: b.ipynb", "b.ipynb is not a file"),
        ("- 1", "is no grid"),
        ("notebook: [", "line 1: "),
        ("notebook: a.ipynb\nparameters: {label: [1, 1]}", "line 2: label has the value 1 twice"),
        ("notebook: a.ipynb\nparameters: {hole: [a, b]}\nexclude: [{hole: [a, b]}]", "line 3: no run is left"),
        ("notebook: a.ipynb\nparameters: {hole: [a]}\nexclude: [{seed: 0, hole: a}]", "no run is left"),
        ("notebook: a.ipynb\nseeds: 2\nexclude: [{seed: 1}, {seed: [1]}]", "this leaves out no run"),
        ("notebook: a.ipynb\nseeds: 1000\nrepeats: 1001", "1,001,000 runs"),
        ("notebook: a.ipynb\nparameters: &a {label: *a}", "lists lie in one another"),
        ("notebook: a.ipynb\nparameters: {? [1] : 2}", "a name must be a word"),
    ],
)
def test_a_mistake_that_ends_the_reading(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(UserError) as stop:
        read_grid(path)
    assert said in str(stop.value)
    assert str(path) in str(stop.value)


def test_the_name_changes_with_whatever_changes_the_result(tmp_path):
    write(tmp_path, "")
    (tmp_path / "weights").write_text("one")
    made_by = {"commit": "abc", "weights": {"x": "1"}}

    def name(given, repeat=0, made_by=made_by):
        return names.Namer(tmp_path / "a.ipynb", made_by).name(given, repeat)

    first = name({})
    assert first == name({"seed": 0, "flag": True}), "a notebook's own value, given or not, is the same run"
    assert first == name({"out_dir": "elsewhere"})
    named = name({"hole": "weights"})
    others = [name({"seed": 1}), name({}, 1), name({}, made_by={**made_by, "commit": "abd"}), named]
    others.append(name({}, made_by={**made_by, "weights": {"x": "2"}}))
    (tmp_path / "weights").write_text("two")
    others.append(name({"hole": "weights"}))
    write(tmp_path, "", PARAMETERS + "\n# a word more")
    others.append(name({}))
    assert len({first, *others}) == 8
