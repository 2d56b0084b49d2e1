"""Hidden tests: every exercise has one, its own solution passes it, and what it is for is caught."""

import ast
import inspect
from importlib import import_module

import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import catalogue, checks
from vinpaint_lib.lessons.checks.verdict import Wrong
from vinpaint_lib.lessons.course import hidden
from vinpaint_lib.lessons.course.draw import Draw
from vinpaint_lib.systems.tgfnet import fusion

pytestmark = pytest.mark.slow

FOUR = "04_temporal_attention"
LESSON_OF = {name: each.path.stem for each in catalogue.listed() for name in each.exercises}
TESTS = [
    import_module(f"tests.lessons.checks.test_{name}") for name in sorted({path[3:] for path in LESSON_OF.values()})
]


def flat(values):
    """The tensors and numbers in nested inputs, as text."""
    return [str(each) for each in values]


def test_every_exercise_has_inputs_and_nothing_else_has():
    assert sorted(hidden.makers()) == sorted(checks.names())


@pytest.mark.parametrize("name", sorted(LESSON_OF))
def test_the_solution_is_right_by_its_own_answer_and_inputs_are_drawn(name):
    solution = hidden.solution_of(LESSON_OF[name], name, catalogue.FOLDER)
    maker = hidden.makers()[name]
    for seed in range(2):
        for case in range(hidden.CASES):
            found, _ = hidden.called(solution, maker(Draw(seed, case)))
            assert hidden.differs(found, found) == ""
            if isinstance(found, torch.Tensor):
                assert torch.isfinite(found).all()
    if name != "obeys_mask":  # its inputs are functions
        drawn = [flat(maker(Draw(seed, 2))) for seed in range(4)]
        assert drawn[0] == flat(maker(Draw(0, 2)))
        assert any(drawn[0] != other for other in drawn[1:])


def right_answers():
    """(check, function) of every `passes(checks.NAME, ...)` in the tests of checks: answers that are not ours."""
    found = []
    for module in TESTS:
        for name, test in vars(module).items():
            source = inspect.getsource(test) if name.startswith("test_") and inspect.isfunction(test) else ""
            if "passes(" in source and "parametrize" not in source and not inspect.signature(test).parameters:
                collected = []
                space = {
                    **vars(module),
                    "passes": lambda check, function, into=collected: into.append((check, function)),
                }
                exec(compile(ast.parse(source), name, "exec"), space)
                space[name]()
                found += [(check.__name__, function) for check, function in collected]
    return found


def test_right_answers_of_another_form_pass_too():
    answers = right_answers()
    assert len({name for name, _ in answers}) > 25
    refused = []
    for name, function in answers:
        try:
            hidden.again(LESSON_OF[name], name, function, seed=5)
        except Wrong as wrong:
            if "of the library: the exercise asks" not in str(wrong):
                refused.append((name, str(wrong)))
    assert refused == []


def fused(groups, scores):
    return (scores.softmax(1) * groups).sum(1)


WRONG = {
    "fusion.fuse in one line": (lambda groups, scores: fusion.fuse(groups, scores), "calls fuse of the library"),
    "the function itself": (fusion.fuse, "calls fuse of the library"),
    "sizes of the check": (lambda groups, scores: fused(groups, scores).reshape(2, 3, 4, 7), "stops with RuntimeError"),
    "a constant": (lambda groups, scores: torch.zeros(2, 3, 4, 7), r"gives the shape \(2, 3, 4, 7\) instead of"),
    "a number": (lambda groups, scores: fused(groups, scores) * (1 + 0.1 * (len(groups) != 2)), "is off by up to"),
    "text": (lambda groups, scores: "right", "gives a str, which is no number"),
    "an empty stub": (lambda groups, scores: None, "returns nothing"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_check_cannot_see_is_seen(what):
    function, words = WRONG[what]
    with pytest.raises(Wrong, match=words) as error:
        hidden.again(FOUR, "fuse_groups", function, seed=1)
    assert "\n" not in str(error.value)


def test_a_loop_of_one_s_own_passes_and_the_library_is_allowed_where_the_solution_uses_it():
    hidden.again(FOUR, "fuse_groups", fused, seed=1)
    solution = hidden.solution_of("01_problem_statement", "coverage", catalogue.FOLDER)
    _, allowed = hidden.called(solution, hidden.makers()["coverage"](Draw(0, 0)))
    assert "by_flow" in allowed
    hidden.again("01_problem_statement", "coverage", solution, seed=2)


@pytest.mark.parametrize(
    "found, wanted, words",
    [
        ((1, 2), (1, 2), ""),
        ([1, 2.0], (1, 2), ""),
        ((1,), (1, 2), "does not give 2 values"),
        (3, (1, 2), "does not give 2 values"),
        (True, False, "is off by up to 1"),
        (3.0001, 3, "is off by up to"),
        (3.0001, 3.0, ""),
        (torch.tensor([1.0, torch.nan]), torch.tensor([1.0, 2.0]), "not finite"),
        (None, 1.0, "no number"),
    ],
)
def test_differences_in_words(found, wanted, words):
    assert words in hidden.differs(found, wanted)
    assert bool(hidden.differs(found, wanted)) == bool(words)


def test_an_exercise_that_is_gone_is_named():
    with pytest.raises(UserError, match="04_temporal_attention: has no exercise gone"):
        hidden.again(FOUR, "gone", fused, seed=1)
