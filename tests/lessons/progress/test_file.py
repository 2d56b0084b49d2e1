"""The list of solved exercises: it begins empty, keeps first days, and never stands in the way of a right answer."""

import json
import linecache
import sys

import pytest

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons.progress import file

SOLUTION = 'def half(x):\n    """x -> x / 2"""\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION\n'


def written(source, name):
    """A function whose lines are known, as those of a cell are."""
    place = f"<cell of {name}>"
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    space = {"__name__": __name__}
    exec(compile(source, place, "exec"), space)
    return space[name]


def test_it_begins_empty_once_and_keeps_the_first_day(tmp_path):
    file.add(tmp_path, ["inject"])
    assert not (tmp_path / file.FILE).exists(), "no file without copies beside it"
    file.begin(tmp_path, solutions=False)
    assert file.read(tmp_path) == file.Progress({}, False)
    file.add(tmp_path, ["inject", "gram"])
    (tmp_path / file.FILE).write_text((tmp_path / file.FILE).read_text().replace("20", "19"))
    first = file.read(tmp_path).solved["inject"]
    file.add(tmp_path, ["inject", "psnr"])
    file.begin(tmp_path, solutions=True)
    after = file.read(tmp_path)
    assert sorted(after.solved) == ["gram", "inject", "psnr"]
    assert after.solved["inject"] == first
    assert not after.solutions


def test_where_copies_hold_solutions_the_solution_itself_does_not_count(tmp_path):
    file.begin(tmp_path, solutions=True)
    spaced = SOLUTION.replace("x / 2\n    ###", "x/2  # mine\n    ###").replace("x -> x / 2", "another docstring")
    file.passed("half", written(spaced, "half"), lambda name: SOLUTION, tmp_path)
    assert file.read(tmp_path).solved == {}
    file.passed("half", written("def half(x):\n    return 0.5 * x\n", "half"), lambda name: SOLUTION, tmp_path)
    assert list(file.read(tmp_path).solved) == ["half"]


@pytest.mark.parametrize("function", [abs, lambda x: x / 2, object()])
def test_what_has_no_lines_of_its_own_counts(function, tmp_path):
    file.begin(tmp_path, solutions=True)
    file.passed("half", function, lambda name: SOLUTION, tmp_path)
    assert list(file.read(tmp_path).solved) == ["half"]


def test_where_copies_hold_no_solutions_every_right_answer_counts(tmp_path, monkeypatch):
    file.begin(tmp_path, solutions=False)
    monkeypatch.chdir(tmp_path)
    file.passed("half", written(SOLUTION, "half"), lambda name: SOLUTION)
    assert list(file.read(tmp_path).solved) == ["half"]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"solved": 3, "solutions": true}', '{"solved": {"a": 1}, "solutions": 0}']
)
def test_a_broken_file_is_refused_where_it_is_shown_and_left_alone_by_a_check(content, tmp_path):
    (tmp_path / file.FILE).write_text(content)
    with pytest.raises(UserError, match="is no list of solved exercises; delete it to begin anew"):
        file.read(tmp_path)
    file.passed("half", abs, lambda name: SOLUTION, tmp_path)
    assert (tmp_path / file.FILE).read_text() == content


@pytest.mark.skipif(sys.platform == "win32", reason="folders without rights need a POSIX system")
def test_a_file_that_cannot_be_written_does_not_stop_a_check(tmp_path, monkeypatch):
    file.begin(tmp_path, solutions=False)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file, "write", full)
    file.passed("half", abs, lambda name: SOLUTION, tmp_path)
    assert json.loads((tmp_path / file.FILE).read_text())["solved"] == {}
