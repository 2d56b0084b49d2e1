"""Exercises: their form, that each can be done and each stub is refused in words, and that every check is tested."""

import ast
import contextlib
import io
import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from tests.lessons.checks.solutions import function_of
from vinpaint_lib.lessons import assignments, checks
from vinpaint_lib.lessons.checks.verdict import Wrong

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
EXERCISES = [
    pytest.param(name, place, id=f"{name}-{exercise.name}")
    for name, notebook in NOTEBOOKS.items()
    for place, exercise in enumerate(assignments.exercises(notebook))
]
FACTS = re.compile(r"^Difficulty ([1-5]) of 5 · (\d+) minutes? · (\d+) points?$", re.MULTILINE)
HINT = re.compile(r"<details><summary>(.+?)</summary>\n\n(.+?)\n\n</details>", re.DOTALL)
LONGEST = 15  # lines of a solution
AUTHOR = {"locked": False, "schema_version": 3, "solution": True, "task": False, "grade": False}
GRADER = {"locked": True, "schema_version": 3, "solution": False, "task": False, "grade": True}


@pytest.fixture
def exercise(name, place):
    return assignments.exercises(NOTEBOOKS[name])[place]


def namespace(name):
    """What a notebook's import cell, its second code cell, defines."""
    code = [cell.source for cell in NOTEBOOKS[name].cells if cell.cell_type == "code"]
    found = {"__name__": name}
    exec(compile(code[1], f"the imports of {name}", "exec"), found)
    return found


def run_check(name, exercise, source):
    """What the check prints for the function that `source` defines."""
    found, printed = namespace(name), io.StringIO()
    exec(compile(source, exercise.name, "exec"), found)
    with contextlib.redirect_stdout(printed):
        exec(compile(exercise.check.source, f"{exercise.name}_check", "exec"), found)
    return printed.getvalue()


@pytest.mark.parametrize("name", [name for name in NOTEBOOKS if name[:2] > "00"])
def test_at_least_two_exercises_numbered_in_order(name):
    found = assignments.exercises(NOTEBOOKS[name])
    assert len(found) >= 2
    for number, each in enumerate(found, start=1):
        assert each.text.source.splitlines()[0] == f"### Exercise {number} · {each.name}"


@pytest.mark.parametrize("name, place", EXERCISES)
def test_text_says_difficulty_minutes_points_and_has_two_hints(exercise):
    facts = FACTS.findall(exercise.text.source)
    assert len(facts) == 1, "one line `Difficulty 2 of 5 · 10 minutes · 2 points`"
    minutes, points = map(int, facts[0][1:])
    assert 1 <= minutes <= 60
    assert 1 <= points <= 10
    assert exercise.check.metadata.nbgrader.points == points
    hints = HINT.findall(exercise.text.source)
    assert [title for title, _ in hints] == ["Hint 1", "Hint 2"], "each folded: <details><summary>Hint 1</summary>"
    assert exercise.text.source.count("<details>") == 2
    assert all(len(text.split()) >= 5 for _, text in hints)
    task = HINT.sub("", FACTS.sub("", exercise.text.source))
    assert len(task.split()) >= 20, "the task in a few sentences"


@pytest.mark.parametrize("name, place", EXERCISES)
def test_stub_is_typed_and_documented_and_its_solution_is_short(exercise):
    about = dict(exercise.stub.metadata.nbgrader)
    assert about == {**AUTHOR, "grade_id": exercise.name}
    before, solution, after = assignments.split(exercise.stub.source)
    assert len(solution) <= LONGEST
    assert after == [], "the function ends with its solution"
    (function,) = ast.parse(exercise.stub.source).body
    assert isinstance(function, ast.FunctionDef)
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    assert all(each.annotation for each in arguments), "arguments without a type"
    assert function.returns is not None, "no type of what is returned"
    assert len((ast.get_docstring(function) or "").split()) >= 4, "say what comes in and out, with axes"
    (stub,) = ast.parse("\n".join([*before, "    ..."])).body
    assert len(stub.body) == 2, "nothing but the docstring stands before the markers"


@pytest.mark.parametrize("name, place", EXERCISES)
def test_check_cell_holds_the_check_and_nothing_else(name, exercise):
    about = dict(exercise.check.metadata.nbgrader)
    assert about == {**GRADER, "grade_id": f"{exercise.name}_check", "points": about["points"]}
    function = ast.parse(exercise.stub.source).body[0].name
    assert exercise.check.source == f"checked_{exercise.name} = checks.{exercise.name}({function})"
    assert [output.text for output in exercise.check.outputs] == [f"right: {exercise.name}\n"]


@pytest.mark.parametrize("name, place", EXERCISES)
def test_what_a_reader_writes_is_used_after_its_check(name, exercise):
    """In a picture, a measurement or an assert further down: what the check hands back, so that a stub does no harm."""
    cells = NOTEBOOKS[name].cells
    after = [cell.source for cell in cells[cells.index(exercise.check) + 1 :] if cell.cell_type == "code"]
    assert any(re.search(rf"\bchecked_{exercise.name}\b", source) for source in after)


@pytest.mark.parametrize("name, place", EXERCISES)
def test_solution_is_right_and_stubs_are_refused_in_words(name, exercise):
    assert run_check(name, exercise, exercise.stub.source) == f"right: {exercise.name}\n"
    stub = assignments.without_solution(exercise.stub.source)
    said = run_check(name, exercise, stub)
    assert re.fullmatch(r"\w+ is not written yet: put .* Until then the lesson goes on with.*\n", said)
    with pytest.raises(Wrong, match="is not written yet"):
        getattr(checks, exercise.name).judge(function_of(exercise.name, stub))
    with pytest.raises(Wrong, match="returns nothing: is it still empty"):
        run_check(name, exercise, stub.replace(assignments.STUB, "pass"))
    with pytest.raises(Wrong, match="stops with ZeroDivisionError") as error:
        run_check(name, exercise, stub.replace(assignments.STUB, "1 / 0"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name, place", EXERCISES)
def test_text_says_what_the_check_demands(exercise):
    terms = getattr(checks, exercise.name).terms
    assert f"\n\n{terms}\n\n<details>" in exercise.text.source, f"write before the hints: {terms}"


def test_every_check_belongs_to_one_exercise():
    used = Counter(each.name for notebook in NOTEBOOKS.values() for each in assignments.exercises(notebook))
    assert sorted(used) == list(checks.names())
    assert set(used.values()) <= {1}


def planted(source):
    """Check -> number of mistakes in a test file: calls of `caught` times the parametrize lists of their test."""
    counts = Counter()
    for test in ast.walk(ast.parse(source)):
        if not (isinstance(test, ast.FunctionDef) and test.name.startswith("test")):
            continue
        times = 1
        for mark in test.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.parametrize":
                times *= len(mark.args[1].elts) if isinstance(mark.args[1], (ast.List, ast.Tuple)) else 1
        for call in ast.walk(test):
            if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "caught":
                counts[ast.unparse(call.args[0]).split(".")[-1]] += times
    return counts


@pytest.mark.parametrize("check", checks.names())
def test_every_check_is_held_against_three_mistakes(check):
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests/lessons/checks").glob("test_*.py"))]
    assert sum((planted(source) for source in sources), Counter())[check] >= 3
    assert any(re.search(rf"passes\((\w+\.)*{check},", source) for source in sources)


def test_mistakes_are_counted_in_the_source():
    source = """
@pytest.mark.parametrize("mistake, words", [(f, "a"), (g, "b")])
def test_a(mistake, words):
    caught(checks.share, mistake, words)

def test_b():
    caught(share, h, "c")
    caught(other, h, "c")
    passes(checks.share, right)
"""
    assert planted(source) == {"share": 3, "other": 1}
