"""The real nbgrader on a small lesson: releases, five submissions, their scores, and the pages that students get."""

import html
import importlib.util
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from tests.lessons.course.by_hand import handed_in, nbgrader, scores
from vinpaint_lib.lessons import assignments, catalogue
from vinpaint_lib.lessons.course import build

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("nbgrader") is None,
        reason="no nbgrader: pip install -c constraints.txt -e '.[course]'",
    ),
]
NAME = "04_temporal_attention"
SECONDS = 30  # an endless loop is given up after so many; a busy machine needs some for a check
IMPORTS = "import time\n\nimport torch\nfrom einops import einsum\n\nfrom vinpaint_lib.lessons import checks"
FUSE = "return (scores.softmax(dim=1) * groups).sum(dim=1)"
INJECT = "return torch.where(mask > 0, fused, feature)"
LIBRARY = "return __import__('vinpaint_lib.systems.tgfnet.fusion', fromlist=['x']).inject(feature, fused, mask)"
WRITTEN = {  # student -> what stands in fuse_groups, which is worth 2 points, and in inject, which is worth 1
    "empty": (assignments.STUB, assignments.STUB),  # and its second function and check are deleted
    "endless": ("while True:\n        time.sleep(0.1)", INJECT),
    "mistake": (FUSE.replace("dim=1)", "dim=2)", 1), INJECT),  # and all cells of its second exercise stand there twice
    "library": (FUSE, LIBRARY),  # and its imports and its first check are deleted
}
POINTS = {"reference": 3, "empty": 0, "endless": 1, "mistake": 1, "library": 2}


def small_lesson():
    """Notebook 04 without its figures: title, parameters, imports, two exercises, the end with its questions."""
    given = nbformat.read(catalogue.FOLDER / f"{NAME}.ipynb", as_version=4)
    exercises = [cell for each in assignments.exercises(given)[:2] for cell in each[1:]]
    given.cells = [*given.cells[:3], given.cells[5], *exercises, given.cells[-1]]
    given.cells[2].source = IMPORTS
    return given


def by_name(notebook):
    """The cells that nbgrader names."""
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def submissions(release, source):
    """What five students hand in."""
    handed = {"reference": nbformat.from_dict(source)}
    for student, written in WRITTEN.items():
        handed[student] = nbformat.from_dict(release)
        for name, lines in zip(("fuse_groups", "inject"), written):
            cell = by_name(handed[student])[name]
            cell.source = cell.source.replace(assignments.STUB, lines)
    delete(handed["empty"], "inject", "inject_check")
    delete(handed["library"], "imports", "fuse_groups_check")
    cells = handed["mistake"].cells
    doubled = [cell for name, cell in by_name(handed["mistake"]).items() if name.startswith("inject")]
    place = cells.index(doubled[-1]) + 1
    cells[place:place] = [new_code_cell(cell.source, metadata=nbformat.from_dict(cell.metadata)) for cell in doubled]
    return handed


def delete(notebook, *names):
    """Take cells out by their names."""
    notebook.cells = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") not in names]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course whose submissions are graded."""
    folder = tmp_path_factory.mktemp("course")
    nbformat.write(small_lesson(), folder / f"{NAME}.ipynb")
    course = folder / "my course"
    assert build.build([folder / f"{NAME}.ipynb"], course, seed=7) == [NAME]
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text().replace("else 60", f"else {SECONDS}"))
    release, source = (nbformat.read(course / p / NAME / f"{NAME}.ipynb", as_version=4) for p in ("release", "source"))
    for student, notebook in submissions(release, source).items():
        handed_in(course, student, NAME, notebook)
    nbgrader(course, "autograde", NAME)
    nbgrader(course, "generate_feedback", NAME)
    return course


def test_each_submission_has_its_points_and_nothing_crashed(course):
    gradebook = pytest.importorskip("nbgrader.api").Gradebook(f"sqlite:///{course / 'gradebook.db'}")
    with gradebook:
        wait = {each.student.id: each.needs_manual_grade for each in gradebook.assignment_submissions(NAME)}
        highest = gradebook.find_assignment(NAME).max_score
    assert scores(course, NAME) == POINTS
    assert highest == 3 + 3 * 2, "two exercises by tests, three reading questions by hand"
    assert wait["reference"], "what was written in answer to a reading question waits for a person"
    assert not wait["empty"], "an answer that was not touched has 0 points at once"


def test_the_release_has_neither_answers_nor_outputs(course):
    text = (course / "release" / NAME / f"{NAME}.ipynb").read_text()
    for secret in ("BEGIN", "einsum(weights", "hidden.again", "Model answer", "seed=7"):
        assert secret not in text
    assert text.count("raise NotImplementedError") == 3, "two stubs, and the word in the first cell's text"


def test_feedback_tells_the_mistake_and_no_answer(course):
    pages = {each: course / "feedback" / each / NAME / f"{NAME}.html" for each in POINTS}
    said = {
        name: html.unescape(re.sub(r"<[^>]+>", "", path.read_text(encoding="utf-8"))) for name, path in pages.items()
    }
    assert "axis of length 1 is 1 everywhere" in said["mistake"]
    assert "is not written yet" in said["empty"]
    assert "right: fuse_groups" in said["library"]
    assert "right: inject" in said["mistake"]
    assert "KeyboardInterrupt" in said["endless"] or "CellTimeoutError" in said["endless"]
    assert "was missing from the submission" in said["library"]
    for name, text in said.items():
        assert "Model answer" not in text or name == "reference"
        assert "einsum(weights" not in text or name == "reference"
        assert "same_shape(found" not in text, "a line of a check"


def test_a_second_build_keeps_what_nbgrader_has(course):
    before = (course / "gradebook.db").stat().st_size
    assert build.build([course.parent / f"{NAME}.ipynb"], course) == [NAME]
    assert "seed=7" in (course / "source" / NAME / f"{NAME}.ipynb").read_text()
    assert (course / "gradebook.db").stat().st_size >= before
    assert f"else {SECONDS}" in (course / "nbgrader_config.py").read_text()
    assert (course / "submitted" / "empty" / NAME / f"{NAME}.ipynb").is_file()
