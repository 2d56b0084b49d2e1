"""Notebooks: strict parameters, the stored form, and that strict nbval accepts it."""

import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vinpaint_lib import rerun
from vinpaint_lib.errors import UserError
from vinpaint_lib.reruns import one, stored

pytestmark = pytest.mark.slow

PARAMETERS = "seed: int = 0  # which clip\nout_dir: str = '.'\nfast: bool = True"


def write(path: Path, *sources: str, parameters: str | None = PARAMETERS) -> Path:
    cells = [new_markdown_cell("# A notebook")]
    if parameters is not None:
        cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [new_code_cell(source) for source in sources]
    notebook = new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    )
    nbformat.write(notebook, path)
    return path


def test_run_sets_parameters_and_starts_in_the_notebooks_folder(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "beside.txt").write_text("seen")
    notebook = write(
        tmp_path / "notebooks" / "a.ipynb",
        "print(open('beside.txt').read(), seed, fast)",
    )
    before = notebook.read_bytes()
    monkeypatch.chdir(tmp_path)
    out = rerun.run(Path("notebooks/a.ipynb"), Path("runs/new/a.ipynb"), {"seed": 7, "fast": False})
    executed = nbformat.read(out, as_version=4)
    printed = [o.text for c in executed.cells for o in c.get("outputs", [])]
    assert printed == ["seen 7 False\n"]
    assert notebook.read_bytes() == before


def test_run_refuses_unknown_parameters_before_it_runs(tmp_path):
    notebook = write(tmp_path / "a.ipynb", "open('ran', 'w')")
    with pytest.raises(UserError, match="has no parameter stepps: it has fast, out_dir, seed"):
        rerun.run(notebook, tmp_path / "out" / "o.ipynb", {"stepps": 3})
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="none at all"):
        rerun.run(write(tmp_path / "b.ipynb", parameters=None), tmp_path / "o.ipynb", {"seed": 3})
    with pytest.raises(UserError, match="is not a file"):
        rerun.run(tmp_path / "missing.ipynb", tmp_path / "o.ipynb")


CHECKED = """from vinpaint_lib.lessons import parameters
parameters.check(globals(), seed=parameters.whole(0), out_dir=parameters.text(), fast=parameters.flag())"""


def test_a_refused_value_is_a_sentence_and_leaves_what_was_there(tmp_path, capfd):
    notebook, out = write(tmp_path / "a.ipynb", CHECKED, "open('ran', 'w')"), tmp_path / "new" / "o.ipynb"
    with pytest.raises(UserError, match=r"a\.ipynb: parameter fast is 'false'; allowed: True or False"):
        rerun.run(notebook, out, {"fast": "false"})
    assert not out.parent.exists()
    rerun.run(notebook, out, {"fast": False})
    before = out.read_bytes()
    (tmp_path / "ran").unlink()
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        rerun.main(["run", str(notebook), str(out), "-p", "seed=-1", "-p", "out_dir= "])
    assert stop.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"vinpaint: {notebook}: parameter seed is -1; allowed: a whole number from 0; parameter out")
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]
    assert not (tmp_path / "ran").exists()


def test_types_of_the_notebook_reach_the_cells(tmp_path, capsys):
    notebook = write(tmp_path / "a.ipynb", "print(repr((x, name, sizes, flag)))", parameters=TYPED)
    out = tmp_path / "my copies" / "o #1.ipynb"
    given = ["x=1e-3", 'name=a: "b" #[*@%\\n\'', "sizes=1", "sizes=2,3", "flag=true"]
    rerun.main(["run", str(notebook), str(out), *(word for text in given for word in ("-p", text))])
    assert capsys.readouterr().out == f"{out}\n"
    executed = nbformat.read(out, as_version=4)
    expected = (0.001, 'a: "b" #[*@%\\n\'', [1, 2, 3], True)
    assert executed.cells[-1].outputs[0].text == f"{expected!r}\n"
    assert executed.metadata.papermill.output_path == str(out)
    assert executed.metadata.manifest.parameters == dict(zip(("x", "name", "sizes", "flag"), expected, strict=True))


TYPED = "import math\nx: float = math.pi\nname: str = 'a'\nsizes: list[int] = [1]\nflag = False"


def test_a_cell_that_fails_ends_the_copy_and_is_a_sentence(tmp_path, capfd):
    notebook, out = write(tmp_path / "a.ipynb", "print(seed)\n1 / 0", "print('never')"), tmp_path / "o.ipynb"
    with pytest.raises(papermill.PapermillExecutionError):
        rerun.run(notebook, out, {"seed": 5})
    out.unlink()
    with pytest.raises(SystemExit) as stop:
        rerun.main(["run", str(notebook), str(out), "-p", "seed=5"])
    assert stop.value.code == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith(f"a.ipynb: a cell failed (ZeroDivisionError: division by zero); {out} ends there and shows it")
    stopped = nbformat.read(out, as_version=4)
    assert [cell.metadata.tags for cell in stopped.cells[:2]] == [["banner"], ["manifest"]]
    assert "`seed` is `5` (the notebook's own: `0`)" in stopped.cells[0].source
    assert stopped.metadata.manifest.parameters.seed == 5
    assert not stopped.cells[-1].outputs


LATE = "from vinpaint_lib.errors import UserError\nraise UserError('clip.mp4: is damaged')"


def test_a_user_s_mistake_that_shows_late_keeps_what_was_done(tmp_path):
    notebook, out = write(tmp_path / "a.ipynb", CHECKED, "print('done')", LATE), tmp_path / "o.ipynb"
    with pytest.raises(UserError, match=r"clip\.mp4: is damaged \(.*o\.ipynb ends at the cell that says so\)"):
        rerun.run(notebook, out)
    assert "done" in out.read_text()


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], Path("a"), {1: 2}])
def test_values_that_a_notebook_file_cannot_hold_are_refused(tmp_path, value):
    with pytest.raises(UserError, match="parameter seed is"):
        rerun.run(write(tmp_path / "a.ipynb"), tmp_path / "o.ipynb", {"seed": value})
    assert not (tmp_path / "o.ipynb").exists()


@pytest.mark.parametrize(
    "out, said",
    [("folder", "is a folder"), ("file/o.ipynb", "file is no folder"), ("file/deep/o.ipynb", "file is no folder")],
)
def test_a_place_that_cannot_hold_the_copy_is_refused_before_the_run(tmp_path, out, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=said):
        rerun.run(write(tmp_path / "a.ipynb", "open('ran', 'w')"), tmp_path / out)
    assert not (tmp_path / "ran").exists()


def test_a_copy_that_cannot_be_written_in_the_end_is_kept_elsewhere(tmp_path, monkeypatch):
    notebook = write(tmp_path / "a.ipynb", "import shutil\nshutil.rmtree('new')\nopen('new', 'w')\nprint('done')")
    monkeypatch.setattr(one.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UserError, match=r"new/o\.ipynb cannot be written \((File exists|Not a directory)\)") as error:
        rerun.run(notebook, tmp_path / "new" / "o.ipynb")
    saved = Path(str(error.value).rpartition("notebook is ")[2].removesuffix("."))
    assert "done" in nbformat.read(saved, as_version=4).cells[-1].outputs[0].text


def test_half_a_notebook_is_a_sentence(tmp_path, capsys):
    (tmp_path / "a.ipynb").write_text('{"cells": [')
    for words in (["run", f"{tmp_path}/a.ipynb", f"{tmp_path}/o.ipynb"], ["store", f"{tmp_path}/a.ipynb"]):
        with pytest.raises(SystemExit) as stop:
            rerun.main(words)
        assert stop.value.code == 2
        assert "is no notebook, or only a part of one" in capsys.readouterr().err


def test_a_notebook_is_not_overwritten_by_its_copy(tmp_path):
    notebook = write(tmp_path / "a.ipynb")
    with pytest.raises(UserError, match="is the notebook itself"):
        rerun.run(notebook, tmp_path / ".." / tmp_path.name / "a.ipynb")
    assert notebook.is_file()


def test_store_is_the_same_every_time_and_passes_strict_nbval(tmp_path):
    notebook = write(
        tmp_path / "a.ipynb",
        "import ipywidgets\nipywidgets.IntSlider(value=3)",
        "import matplotlib.pyplot as plt\nplt.imshow([[0, 1], [1, 0]])\nplt.show()",
        "object()",
    )
    ids = [cell.id for cell in nbformat.read(notebook, as_version=4).cells]
    rerun.store(notebook)
    first = notebook.read_text()
    rerun.store(notebook)
    second = notebook.read_text()
    assert [line for line in first.splitlines() if "0x" not in line] == [
        line for line in second.splitlines() if "0x" not in line
    ]
    stored = nbformat.read(notebook, as_version=4)
    assert [cell.id for cell in stored.cells] == ids
    assert [cell.execution_count for cell in stored.cells[1:]] == [1, 2, 3, 4]
    assert "image/png" in stored.cells[3].outputs[-1].data
    for word in ("papermill", "manifest", "widget-view", "widget-state", "iopub", str(tmp_path), '"version"'):
        assert word not in first
    assert list(tmp_path.iterdir()) == [notebook]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-o",
        "addopts=",
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
    ]
    sanitize = Path(__file__).with_name("nbval.cfg")
    done = subprocess.run(
        [*command, "--nbval-sanitize-with", sanitize, "a.ipynb"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def executed(*outputs) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_code_cell("x", execution_count=1, outputs=list(outputs))])


def test_stored_form_joins_a_text_that_came_in_pieces():
    pieces = [new_output("stream", text="a\n"), new_output("stream", text="b\n"), new_output("display_data", {})]
    outputs = stored.joined([*pieces, new_output("stream", text="c\n")])
    assert [output.get("text") for output in outputs] == ["a\nb\n", None, "c\n"]


def test_stored_form_refuses_stderr_and_paths_of_this_machine(tmp_path):
    notebook = tmp_path / "a.ipynb"
    with pytest.raises(UserError, match=r"cell 1 writes to stderr \('Warning"):
        stored.stored_form(executed(new_output("stream", name="stderr", text="Warning: no")), notebook)
    for place in (Path(rerun.__file__).parent, Path.home(), tmp_path):
        with pytest.raises(UserError, match="cell 1 shows the path"):
            stored.stored_form(executed(new_output("stream", text=f"wrote {place}/a.png")), notebook)
    stored.stored_form(executed(new_output("stream", text="wrote runs/a.png")), notebook)


def test_store_leaves_the_notebook_alone_when_a_cell_warns(tmp_path):
    notebook = write(tmp_path / "a.ipynb", "import sys\nprint('bar', file=sys.stderr)")
    before = notebook.read_bytes()
    with pytest.raises(UserError, match="cell 3 writes to stderr"):
        rerun.store(notebook)
    assert notebook.read_bytes() == before
    assert list(tmp_path.iterdir()) == [notebook]


def test_demo_keeps_the_notebook_with_its_page_and_says_what_is_missing(tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    write(tmp_path / rerun.DEMO, "print(out_dir)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rerun.street_demo, "show", lambda out: print("film and scores"))
    rerun.demo()
    printed = capsys.readouterr().out
    assert printed.startswith("film and scores\n")
    assert "lesson/attention.png (not written)" in printed
    assert printed.endswith("runs/demo/09_attention_maps.ipynb\nruns/demo/09_attention_maps.html\n")
    page = Path("runs/demo/09_attention_maps.html").read_text()
    assert "<html" in page
    assert "../runs/demo/lesson" in page


def test_demo_outside_the_project_is_one_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        rerun.main(["demo"])
    assert stop.value.code == 2
    assert "run this from the project's folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
