"""The whole course: every lesson's solution has all points, and its empty stub none. Ten minutes: `make trial`."""

import importlib.util
import os

import nbformat
import pytest

from tests.lessons.course.by_hand import handed_in, nbgrader, scores
from vinpaint_lib.lessons import assignments, catalogue
from vinpaint_lib.lessons.course import build
from vinpaint_lib.lessons.verdicts.answers import points_of

WANTED = "VINPAINT_WHOLE_COURSE"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get(WANTED), reason="ten minutes: make trial"),
    pytest.mark.skipif(
        importlib.util.find_spec("nbgrader") is None, reason="pip install -c constraints.txt -e '.[course]'"
    ),
]
LESSONS = [each.path for each in catalogue.listed() if each.exercises]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """All lessons, with the solution and the empty stub handed in for each."""
    course = tmp_path_factory.mktemp("whole") / "course"
    build.build(LESSONS, course)
    for path in LESSONS:
        for student, part in (("reference", "source"), ("empty", "release")):
            notebook = nbformat.read(course / part / path.stem / path.name, as_version=4)
            handed_in(course, student, path.stem, notebook)
    return course


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_solution_has_all_points_and_the_stub_none(course, path):
    nbgrader(course, "autograde", path.stem)
    exercises = assignments.exercises(nbformat.read(path, as_version=4))
    assert scores(course, path.stem) == {"reference": sum(map(points_of, exercises)), "empty": 0}
