"""Notebooks: strict parameters, the stored form, and that strict nbval accepts it."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vinpaint_lib import rerun
from vinpaint_lib.errors import UserError

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


def test_the_word_false_is_no_flag_and_the_refused_run_has_its_manifest(tmp_path):
    notebook = write(tmp_path / "a.ipynb", CHECKED, "print(fast)")
    name, value = rerun.parse_parameter('fast="false"')
    with pytest.raises(papermill.PapermillExecutionError, match="parameter fast is 'false'; allowed: True or False"):
        rerun.run(notebook, tmp_path / "o.ipynb", {name: value})
    stopped = nbformat.read(tmp_path / "o.ipynb", as_version=4)
    assert stopped.cells[0].metadata.tags == ["manifest"]
    assert stopped.metadata.manifest.parameters.fast == "false"
    assert not stopped.cells[-1].outputs
    name, value = rerun.parse_parameter("fast=false")
    rerun.run(notebook, tmp_path / "o.ipynb", {name: value})
    assert nbformat.read(tmp_path / "o.ipynb", as_version=4).cells[-1].outputs[0].text == "False\n"


def test_a_notebook_is_not_overwritten_by_its_copy(tmp_path):
    notebook = write(tmp_path / "a.ipynb")
    with pytest.raises(UserError, match="is the notebook itself"):
        rerun.run(notebook, tmp_path / ".." / tmp_path.name / "a.ipynb")
    assert notebook.is_file()


@pytest.mark.parametrize(
    "text, value",
    [
        ("a=3", 3),
        ("a=0.5", 0.5),
        ("a=false", False),
        ("a=True", True),
        ("a=dog", "dog"),
        ("a=[1, 2]", [1, 2]),
        ("a=x=y", "x=y"),
    ],
)
def test_parameters_mean_what_they_look_like(text, value):
    assert rerun.parse_parameter(text) == ("a", value)


@pytest.mark.parametrize("text", ["seed", "=3", "a b=3"])
def test_malformed_parameters_are_refused(text):
    with pytest.raises(UserError, match="write name=value"):
        rerun.parse_parameter(text)


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
    outputs = rerun.joined([*pieces, new_output("stream", text="c\n")])
    assert [output.get("text") for output in outputs] == ["a\nb\n", None, "c\n"]


def test_stored_form_refuses_stderr_and_paths_of_this_machine(tmp_path):
    notebook = tmp_path / "a.ipynb"
    with pytest.raises(UserError, match=r"cell 1 writes to stderr \('Warning"):
        rerun.stored_form(executed(new_output("stream", name="stderr", text="Warning: no")), notebook)
    for place in (Path(rerun.__file__).parent, Path.home(), tmp_path):
        with pytest.raises(UserError, match="cell 1 shows the path"):
            rerun.stored_form(executed(new_output("stream", text=f"wrote {place}/a.png")), notebook)
    rerun.stored_form(executed(new_output("stream", text="wrote runs/a.png")), notebook)


def test_store_leaves_the_notebook_alone_when_a_cell_warns(tmp_path):
    notebook = write(tmp_path / "a.ipynb", "import sys\nprint('bar', file=sys.stderr)")
    before = notebook.read_bytes()
    with pytest.raises(UserError, match="cell 3 writes to stderr"):
        rerun.store(notebook)
    assert notebook.read_bytes() == before
    assert list(tmp_path.iterdir()) == [notebook]


SCORES = {
    "telea": {"psnr": 30.0, "hole_psnr": 18.25, "ssim": 0.95, "warping_error": 0.0123},
    "tgfnet": {"psnr": 34.567, "hole_psnr": 24.5, "ssim": 0.98, "warping_error": 0.004},
}
NINE = "import json\njson.dump({'clip': 'toy clip', 'scores': %r}, open(out_dir + '/metrics.json', 'w'))"


def test_demo_prints_the_scores_of_this_run_and_where_things_are(tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    write(tmp_path / rerun.DEMO, NINE % SCORES)
    monkeypatch.chdir(tmp_path)
    rerun.demo()
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if line[:3] in ("tgf", "tel")]
    assert rows == [["tgfnet", "34.57", "24.50", "0.9800", "0.004"], ["telea", "30.00", "18.25", "0.9500", "0.0123"]]
    assert "toy clip" in printed
    assert "runs/demo/metrics.json\nruns/demo/09_attention_maps.ipynb\nruns/demo/09_attention_maps.html" in printed
    assert "filled.mp4 (not written)" in printed
    assert json.loads(Path("runs/demo/metrics.json").read_text())["scores"] == SCORES
    assert "<html" in Path("runs/demo/09_attention_maps.html").read_text()

    write(tmp_path / rerun.DEMO, "print('no scores')")  # the scores of the first run must not be shown again
    with pytest.raises(UserError, match=r"wrote no runs/demo/metrics\.json"):
        rerun.demo()


def test_demo_outside_the_project_is_one_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        rerun.main(["demo"])
    assert stop.value.code == 2
    assert "run this from the project's folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
