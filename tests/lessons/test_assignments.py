"""Notebooks for students: no line of a solution survives, and markers that do not fit are refused."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments
from vinpaint_lib.places import claimed

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
SOLVED = '''def share(x: Tensor) -> Tensor:
    """x (n 1 h w) -> n"""
    ### BEGIN SOLUTION
    total = x.sum()

    return x.sum(dim=(1, 2, 3)) / total
    ### END SOLUTION'''
STUB = '''def share(x: Tensor) -> Tensor:
    """x (n 1 h w) -> n"""
    raise NotImplementedError'''


def notebook(*more, solved=SOLVED, check="share_check"):
    """A notebook with one exercise in the middle."""
    return new_notebook(
        cells=[
            new_code_cell(
                'out_dir: str = "../runs/01_x"  # folder', metadata={"tags": ["parameters"]}, execution_count=1
            ),
            new_markdown_cell(
                "### Exercise 1 · share\n[code](../vinpaint_lib/cli.py) [two](02_y.ipynb) [web](https://a.b)"
            ),
            new_code_cell(solved, metadata={"nbgrader": {"solution": True, "grade_id": "share"}}, execution_count=2),
            new_code_cell(
                "checks.share(share)",
                metadata={"nbgrader": {"grade": True, "grade_id": check}},
                outputs=[new_output("stream", text="right: share\n")],
                execution_count=3,
            ),
            *more,
        ]
    )


def test_solutions_and_outputs_go_and_the_rest_stays():
    given = notebook()
    ids = [cell.id for cell in given.cells]
    copy = assignments.student_version(given)
    assert copy.cells[2].source == STUB
    assert given.cells[2].source == SOLVED, "the original was changed"
    assert given.cells[3].outputs
    assert [cell.id for cell in copy.cells] == ids
    assert all(not cell.outputs and cell.execution_count is None for cell in copy.cells if cell.cell_type == "code")
    assert copy.cells[2].metadata.nbgrader.solution
    assert copy.cells[3].source == "checks.share(share)"


def test_links_and_folders_fit_the_folder_of_the_copies():
    copy = assignments.student_version(notebook())
    assert "[code](../../../vinpaint_lib/cli.py) [two](02_y.ipynb) [web](https://a.b)" in copy.cells[1].source
    assert '"../../../runs/assignments/01_x"' in copy.cells[0].source


@pytest.mark.parametrize(
    "source",
    [
        SOLVED.replace("    ### END SOLUTION", ""),
        SOLVED.replace("    ### BEGIN SOLUTION\n", ""),
        SOLVED.replace("    total", "    ### BEGIN SOLUTION\n    total"),
        SOLVED + "\n    ### END SOLUTION",
        SOLVED.replace("BEGIN", "end").replace("END", "BEGIN").replace("end", "END"),
        "",
    ],
)
def test_markers_that_do_not_come_in_pairs_are_refused(source):
    with pytest.raises(UserError, match="write one of each, the solution between them"):
        assignments.student_version(notebook(solved=source))


def test_other_solutions_that_cannot_be_taken_out_are_refused():
    empty = "\n".join(line for line in SOLVED.splitlines() if "total" not in line)
    apart = SOLVED.replace("    ### END", "### END")
    for source in (empty, apart):
        with pytest.raises(UserError, match="is empty or they are indented apart"):
            assignments.student_version(notebook(solved=source))
    with pytest.raises(UserError, match="nbgrader knows nothing of"):
        assignments.student_version(notebook(new_code_cell(SOLVED)))
    with pytest.raises(UserError, match=r"gives away a line of a solution: 'return x\.sum"):
        assignments.student_version(
            notebook(new_code_cell("def loop(x, total):\n  return x.sum(dim=(1, 2, 3)) / total"))
        )


def test_an_exercise_has_text_function_and_check():
    found = assignments.exercises(notebook())
    assert [(each.name, each.check.source) for each in found] == [("share", "checks.share(share)")]
    alone = notebook()
    del alone.cells[3]
    bare = notebook()
    bare.cells[1].cell_type = "raw"
    for wrong in (notebook(check="other_check"), alone, bare):
        with pytest.raises(UserError, match="exercise share: a text stands before the function, and its check"):
            assignments.exercises(wrong)


def test_build_writes_all_or_nothing(tmp_path, capsys):
    nbformat.write(notebook(), tmp_path / "01_a.ipynb")
    nbformat.write(new_notebook(cells=[new_markdown_cell("no exercise")]), tmp_path / "00_b.ipynb")
    nbformat.write(notebook(solved="def share(x): pass"), tmp_path / "02_c.ipynb")
    out = tmp_path / "build"
    with pytest.raises(SystemExit) as stop:
        assignments.main([*map(str, sorted(tmp_path.glob("*.ipynb"))), "--out", str(out)])
    assert stop.value.code == 2
    assert "02_c.ipynb: 'def share(x): pass' has 0 x" in capsys.readouterr().err
    assert not out.exists()
    assignments.main([str(tmp_path / "00_b.ipynb"), str(tmp_path / "01_a.ipynb"), "--out", str(out)])
    assert capsys.readouterr().out == f"{out / '01_a.ipynb'}\n"
    assert sorted(path.name for path in out.iterdir()) == [".copies.json", "01_a.ipynb", "progress.json"]
    with pytest.raises(UserError, match=r"none\.ipynb is not a file"):
        assignments.build([tmp_path / "none.ipynb"], out)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_line_of_a_solution_is_left_in_the_project_s_own(path):
    given = nbformat.read(path, as_version=4)
    copy = assignments.student_version(given)
    kept = "\n".join(cell.source for cell in copy.cells if cell.cell_type == "code")
    assert "SOLUTION" not in kept
    for exercise in assignments.exercises(given):
        for line in assignments.telling(assignments.split(exercise.stub.source)[1]):
            assert line not in kept, exercise.name


def test_an_out_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    nbformat.write(notebook(), tmp_path / "a.ipynb")
    for out, said in (("file", "is a file"), ("file/deep", "file is no folder")):
        with pytest.raises(UserError, match=said):
            assignments.build([tmp_path / "a.ipynb"], tmp_path / out)
    with claimed(tmp_path / "out", folder=True), pytest.raises(UserError, match="another run"):
        assignments.build([tmp_path / "a.ipynb"], tmp_path / "out")
    (made,) = assignments.build([tmp_path / "a.ipynb"], tmp_path / "b" / "c" / "d")
    assert sorted(path.name for path in made.path.parent.iterdir()) == [".copies.json", "a.ipynb", "progress.json"]


def test_work_is_never_overwritten(tmp_path, capsys):
    given, out = tmp_path / "01_a.ipynb", tmp_path / "build"
    nbformat.write(notebook(), given)
    assignments.build([given], out)
    worked = nbformat.read(out / "01_a.ipynb", as_version=4)
    worked.cells[2].source = worked.cells[2].source.replace(assignments.STUB, "return 1")
    nbformat.write(worked, out / "01_a.ipynb")
    assignments.main([str(given), "--out", str(out)])
    said = capsys.readouterr().out
    assert said == f"{out / '01_a-new.ipynb'}: 01_a.ipynb has changes of yours and was kept; --force replaces it\n"
    assert nbformat.read(out / "01_a.ipynb", as_version=4).cells[2].source.endswith("return 1")
    assert nbformat.read(out / "01_a-new.ipynb", as_version=4).cells[2].source == STUB
    assignments.main([str(given), "--out", str(out), "--force"])
    assert nbformat.read(out / "01_a.ipynb", as_version=4).cells[2].source == STUB
