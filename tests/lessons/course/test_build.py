"""The sources of a course, what guards the releases, and the pages for the teacher; nbgrader itself is not started."""

import importlib.util
import json

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_output

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments, catalogue
from vinpaint_lib.lessons.course import assignment, build, marks, pages, reading, release

NAME = "04_temporal_attention"
LESSONS = catalogue.listed()


@pytest.fixture(scope="module")
def lesson():
    return nbformat.read(catalogue.FOLDER / f"{NAME}.ipynb", as_version=4)


@pytest.fixture
def source(lesson):
    return assignment.source_version(nbformat.from_dict(lesson), NAME, 11)


@pytest.fixture
def released(source):
    """What nbgrader makes of a source, in short."""
    copy = nbformat.from_dict(source)
    for cell in copy.cells:
        if release.is_answer(cell):
            is_code = cell.cell_type == "code"
            cell.source = assignments.without_solution(cell.source) if is_code else "*Your answer.*"
        cell.source = cell.source.partition(f"\n{marks.BEGIN}")[0]
    return copy


def named(notebook):
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}


def test_a_source_has_solutions_hidden_tests_and_rubrics(source, lesson):
    cells = named(source)
    assert list(cells) == [
        "imports", "fuse_groups", "fuse_groups_check", "inject", "inject_check", "copy_weights", "copy_weights_check",
        "reading_1_text", "reading_1", "reading_2_text", "reading_2", "reading_3_text", "reading_3",
    ]  # fmt: skip
    assert assignments.BEGIN in cells["inject"].source
    assert cells["inject_check"].source.splitlines() == [
        "checked_inject = checks.inject(inject)",
        "### BEGIN HIDDEN TESTS",
        "from vinpaint_lib.lessons.course import hidden",
        "",
        f'hidden.again("{NAME}", "inject", inject, seed=11)',
        "### END HIDDEN TESTS",
    ]
    assert cells["reading_2"].metadata.nbgrader.points == 2
    assert cells["reading_2"].source.startswith("**Model answer.** A fused group has already been compared")
    assert "without its reason" not in cells["reading_2_text"].source
    assert len({cell.id for cell in source.cells}) == len(source.cells)
    texts = "\n".join(cell.source for cell in source.cells if cell.cell_type == "markdown")
    assert "Questions for reading" not in texts
    assert "**References.**" in texts
    assert 'out_dir: str = "runs/' in "\n".join(cell.source for cell in source.cells)


def test_only_imports_exercises_and_the_student_s_cells_are_run(source):
    run = [c for c in source.cells if c.cell_type == "code" and "skip-execution" not in c.metadata.get("tags", [])]
    assert len(run) == 7
    assert all("nbgrader" in cell.metadata for cell in run)


def test_links_to_files_of_the_project_become_words():
    given = (
        "[code](../vinpaint_lib/cli.py), [03](03_x.ipynb), [web](https://a.b), ![a picture](data:image/png;base64,x)"
    )
    assert assignment.LINKED.sub(r"\1", given) == "code, 03, [web](https://a.b), ![a picture](data:image/png;base64,x)"


def test_a_clean_release_passes(released, source):
    release.check(released, source)


def leak_solution(notebook):
    notebook.cells[3].source += '\n    return einsum(weights, groups, "b n one h w, b n c h w -> b c h w")  '


def leak_rubric(notebook):
    notebook.cells.append(new_markdown_cell(named_source["reading_3"]))


def leak_test(notebook):
    notebook.cells[5].source += f'\nhidden.again("{NAME}", "inject", inject, seed=11)'


def keep_marker(notebook):
    named(notebook)["inject"].source += "\n    ### END SOLUTION"


def keep_output(notebook):
    named(notebook)["inject_check"].outputs = [new_output("stream", text="right: inject\n")]


def lose_stub(notebook):
    named(notebook)["inject"].source = "def inject(): return 1"


named_source = {}


@pytest.mark.parametrize(
    "leak, said",
    [
        (leak_solution, "gives away a line of the answers: 'return einsum"),
        (leak_rubric, "gives away a line of the answers: '..Model answer"),
        (leak_test, "gives away a line of the answers: 'hidden.again"),
        (keep_marker, "still holds '### END SOLUTION'"),
        (keep_output, "holds an output"),
        (lose_stub, "has 2 empty functions, and its source 3 solutions"),
    ],
)
def test_a_release_that_gives_away_is_refused(leak, said, released, source):
    named_source.update({name: cell.source for name, cell in named(source).items()})
    leak(released)
    with pytest.raises(UserError, match=said):
        release.check(released, source)


@pytest.fixture
def without_nbgrader(monkeypatch):
    """A build that stops before nbgrader is started."""
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(build, "generate", lambda out, names: None)


def test_a_leak_fails_the_build_and_leaves_no_release(tmp_path, source, released):
    for part, notebook in (("source", source), ("release", released)):
        (tmp_path / part / NAME).mkdir(parents=True)
        leak_solution(notebook) if part == "release" else None
        nbformat.write(notebook, tmp_path / part / NAME / f"{NAME}.ipynb")
    with pytest.raises(UserError, match=f"{NAME}: cell .* gives away a line .* the release was removed"):
        build.look_at(tmp_path, NAME)
    assert not (tmp_path / "release" / NAME).exists()


def test_a_course_keeps_its_seed_and_what_its_teacher_changed(tmp_path, without_nbgrader):
    path, out = catalogue.FOLDER / f"{NAME}.ipynb", tmp_path / "course"
    assert build.build([path], out) == [NAME]
    seed = json.loads((out / "course.json").read_text())["seed"]
    own = out / "source" / NAME / f"{NAME}.ipynb"
    assert f"seed={seed})" in json.dumps(nbformat.read(own, as_version=4)).replace("\\", "")
    assert build.build([path], out) == [NAME]
    changed = nbformat.read(own, as_version=4)
    changed.cells[0].source += "\nby Monday"
    nbformat.write(changed, own)
    (out / "nbgrader_config.py").write_text("mine")
    (said,) = build.build([path], out)
    assert said == f"{NAME}: {own} has changes of yours and was kept; --force replaces it"
    assert "by Monday" in own.read_text()
    assert (out / "nbgrader_config.py").read_text() == "mine"
    assert build.build([path], out, force=True) == [NAME]
    assert "by Monday" not in own.read_text()
    assert (out / "nbgrader_config.py").read_text() == build.CONFIG
    assert json.loads((out / "course.json").read_text())["seed"] == seed
    build.build([path], out, seed=0)
    assert "seed=0)" in own.read_text()


def test_without_nbgrader_or_lessons_the_remedy_is_named(tmp_path, monkeypatch, without_nbgrader):
    (tmp_path / "course.json").write_text("{}")
    with pytest.raises(UserError, match=r"course\.json: is no settings of a course"):
        build.build([catalogue.FOLDER / f"{NAME}.ipynb"], tmp_path)
    bare = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), bare)
    with pytest.raises(UserError, match="there are no notebooks with exercises"):
        build.build([bare], tmp_path / "out")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="nbgrader is not installed: run `pip install -c constraints"):
        build.build([bare], tmp_path / "out")


@pytest.mark.parametrize("each", LESSONS, ids=lambda each: each.path.stem)
def test_every_reading_question_has_its_model_answer(each):
    cells = nbformat.read(each.path, as_version=4).cells
    asked = [question for cell in cells for question in reading.taken_out(cell.source)[1]]
    assert len(asked) >= 3
    for question in reading.with_answers(each.path.stem, asked):
        assert len(question.answer.split()) >= 12
        assert not question.text.endswith(")*")


def test_questions_are_taken_out_and_their_answers_with_them():
    text = "## Keep\n\n- a\n\n**Questions for reading.**\n1. Why? *(So.)*\n2. How (1)?\n\n**References.** b"
    assert reading.taken_out(text) == ("## Keep\n\n- a\n\n**References.** b", [(1, "Why?"), (2, "How (1)?")])
    assert reading.taken_out("## Keep") == ("## Keep", [])
    with pytest.raises(UserError, match=r"asks 1 reading questions, and reading\.md answers \[1, 2, 3"):
        reading.with_answers("04_x", [(1, "Why?")])


def test_the_syllabus_adds_up(source):
    (four,) = [each for each in LESSONS if each.path.stem == NAME]
    rows = pages.syllabus([four, four], {NAME: source}).splitlines()
    assert rows[4] == f"| `{NAME}` | 04 Temporal attention | TGF-Net, 3D | 3 | 33 | 6 | 6 | 12 |"
    assert rows[6] == "| 2 assignments |  |  | 6 | 66 | 12 | 12 | 24 |"
    assert pages.rubric(four, source).count("**Model answer.**") == 3
