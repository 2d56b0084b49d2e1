"""Notebooks: what strict nbval cannot see of the stored form, and runs with other parameters whose numbers are read.

`make test` also runs every notebook against its stored outputs (nbval). Exercises are in test_exercises.py.
"""

import ast
import json
import re
from pathlib import Path

import cv2
import nbformat
import numpy as np
import papermill
import pytest
import torch
import yaml

from vinpaint_lib import rerun
from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import catalogue, record
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import read_clip
from vinpaint_lib.video.writing import write_video

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ATTENTION = ROOT / "notebooks/09_attention_maps.ipynb"
RERUNS = yaml.safe_load((ROOT / "tests/reruns.yml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURES = ("image/png", "image/jpeg")
OTHER_FORMS = ("image/svg+xml", "text/html", "application/pdf", "application/javascript")
HERE = re.compile(r"(?<![\w.])/(?:home|Users|root|tmp|private|var|opt|mnt)/|[A-Z]:\\\\")


def outputs(notebook):
    """(number of the cell, output) for every output."""
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            yield number, output


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def stored(path):
    return nbformat.read(path, as_version=4)


def code_of(notebook):
    """The sources of the code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert ATTENTION in NOTEBOOKS


def test_stored_whole_and_in_order(stored):
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert len({cell.id for cell in stored.cells}) == len(stored.cells)
    assert set(stored.metadata) == {"kernelspec", "language_info"}, "run `make notebooks`: it brings the stored form"
    assert stored.metadata.kernelspec.name == "python3"
    for cell in stored.cells:
        assert set(cell.metadata) <= {"tags", "nbgrader", "jupyter"}, "timings and the like change with every run"
        assert cell.metadata.get("jupyter", {"source_hidden": True}) == {"source_hidden": True}


def test_cells_are_short_and_the_file_small(stored, path):
    assert path.stat().st_size <= 900_000
    for number, cell in enumerate(stored.cells, start=1):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 25, f"cell {number}"
            assert cell.source.strip(), f"cell {number} is empty"


def test_outputs_are_text_and_described_pictures(stored):
    for number, output in outputs(stored):
        assert output.output_type != "error", f"cell {number}"
        assert output.get("name") != "stderr", f"cell {number}"
        data = output.get("data", {})
        assert not set(data) & set(OTHER_FORMS), f"cell {number}"
        for kind in set(data) & set(PICTURES):
            alt = output.metadata.get(kind, {}).get("alt", "")
            assert len(alt.split()) >= 8, f"cell {number}: the figure has no alternative text"
            assert data["text/plain"] == alt, f"cell {number}"


def test_no_place_of_one_machine_is_stored(stored):
    for number, cell in enumerate(stored.cells, start=1):
        texts = [cell.source, *(json.dumps({**o, "data": without_pictures(o)}) for o in cell.get("outputs", []))]
        for text in texts:
            assert not HERE.search(text), f"cell {number}: {HERE.search(text)}"


def without_pictures(output):
    return {kind: value for kind, value in output.get("data", {}).items() if kind not in PICTURES}


def test_one_cell_of_parameters_typed_and_explained(stored):
    tagged = [cell for cell in stored.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    lines = tagged[0].source.splitlines()
    for line, statement in zip(lines, ast.parse(tagged[0].source).body, strict=True):
        assert isinstance(statement, ast.AnnAssign), line
        ast.literal_eval(statement.value)  # a literal: what is computed from it comes in a later cell
        assert "  # " in line, f"{line}: say what it is and which values it takes"


def test_parameters_then_imports_then_their_check(stored, path):
    first, imports, check, *later = code_of(stored)
    names = {statement.target.id: ast.unparse(statement) for statement in ast.parse(first).body}
    assert names["seed"].startswith("seed: int = ")
    assert names["out_dir"] == f"out_dir: str = '../runs/{path.stem}'"
    assert all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in ast.parse(imports).body)
    assert "parameters.check(globals()," in "".join(check.split())
    for source in later:
        annotated = [each for each in ast.parse(source).body if isinstance(each, ast.AnnAssign)]
        assert not annotated, "parameters.check takes annotated names for parameters"


def test_wrong_values_are_refused_by_the_check_itself(stored, path, tmp_path, monkeypatch):
    """Without a kernel: the first three code cells, with one value replaced each time."""
    first, imports, check, *_ = code_of(stored)
    monkeypatch.chdir(path.parent)
    modules = {"__name__": "__main__"}
    exec(imports, modules)

    def run(name, value):
        namespace = {**modules, "__annotations__": {}}
        exec(first, namespace)
        namespace.update({"out_dir": str(tmp_path / "out"), name: value})
        exec(check, namespace)

    wrong = {"bool": ["true", "false", 1], "int": ["3", 2.5, True], "float": ["0.5", True], "str": [3, False]}
    for statement in ast.parse(first).body:
        name = statement.target.id
        for value in [None, *wrong[statement.annotation.id]]:
            with pytest.raises(UserError, match=rf"parameter {name} is {re.escape(repr(value))}; allowed: \S"):
                run(name, value)
    assert not (tmp_path / "out").exists(), "a refused run leaves nothing"


def test_text_says_what_is_needed_and_what_to_keep(stored, path):
    texts = [cell.source for cell in stored.cells if cell.cell_type == "markdown"]
    assert catalogue.read(path).title.startswith(f"{path.stem[:2]} · ")
    for part in (
        "**You need**",
        "**You leave with**",
        "**Runs** in",
        "CPU",
        "GPU",
        "vinpaint_lib.rerun run",
        path.name,
    ):
        assert part in texts[0], part
    for part in ("## What to keep", "**Questions for reading.**", "**References.**"):
        assert any(part in text for text in texts[-3:]), part


def test_readme_lists_every_notebook_and_no_other():
    rows = re.findall(r"^\|.*\]\(notebooks/([\w.-]+\.ipynb)\).*\|$", README, re.MULTILINE)
    assert rows == [path.name for path in NOTEBOOKS]
    for name in re.findall(r"notebooks/([\w.-]+\.ipynb)", README):
        assert (ROOT / "notebooks" / name).exists(), name


def test_readme_s_row_says_what_the_notebook_says(path):
    """`python -m vinpaint_lib.lessons.catalogue` prints the rows."""
    assert catalogue.read(path).row() in README.splitlines()


def test_every_section_shows_and_asserts(stored):
    sections, text = {}, ""
    for cell in stored.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            text = cell.source.splitlines()[0]
        numbered = re.match(r"## \d", text)
        if numbered:
            sections.setdefault(text, []).append(cell)
    assert sections
    for title, cells in sections.items():
        code = "".join(cell.source for cell in cells if cell.cell_type == "code")
        assert "assert " in code, title
        assert "TODO" not in code + "".join(cell.source for cell in cells)


def test_links_lead_somewhere(stored, path):
    for cell in stored.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)\s]+)\)", cell.source):
                if not target.startswith(("http://", "https://", "#")):
                    assert (path.parent / target.split("#")[0]).exists(), target


# xdist's loadscope keeps on one worker what has the same id up to the last "::", so with one in the brackets each run
# of a notebook goes to whichever worker is free.
RUNS = [pytest.param(name, id=f"{name}::run") for name in RERUNS]
REFUSALS = [
    pytest.param(name, parameter, *told, id=f"{name}::{parameter}")
    for name, entry in RERUNS.items()
    for parameter, told in entry["refuse"].items()
]


def test_every_notebook_has_a_run_with_parameters_of_its_own():
    assert sorted(RERUNS) == [path.stem for path in NOTEBOOKS]
    for name, entry in RERUNS.items():
        assert set(entry) == {"parameters", "expect", "refuse"}, name
        known = papermill.inspect_notebook(ROOT / f"notebooks/{name}.ipynb")
        assert {*entry["parameters"], *entry["refuse"]} <= set(known), name
        for parameter, value in entry["parameters"].items():
            assert ast.literal_eval(known[parameter]["default"]) != value, f"{name}: {parameter} is the default"
        for key, wanted in entry["expect"].items():
            bounds = wanted if isinstance(wanted, list) else [0, 1]
            assert all(isinstance(bound, (int, float)) for bound in bounds), (
                f"{name}: {key} (1e-3 is text: write 1.0e-3)"
            )
            assert len(bounds) == 2, f"{name}: {key}"


@pytest.mark.parametrize("name", RUNS)
def test_rerun_records_what_is_expected(name, tmp_path):
    entry, out = RERUNS[name], tmp_path / "out"
    rerun.run(ROOT / f"notebooks/{name}.ipynb", tmp_path / "run.ipynb", {**entry["parameters"], "out_dir": str(out)})
    found = record.read(out)
    for key, wanted in entry["expect"].items():
        value = found
        for part in key.split("."):
            assert part in value, f"{key} was not recorded"
            value = value[part]
        if isinstance(wanted, list):
            assert value is not None, f"{key} is not finite"
            assert wanted[0] <= value <= wanted[1], f"{key} is {value}"
        else:
            assert value == wanted, key


@pytest.mark.parametrize("name, parameter, value, message", REFUSALS)
def test_rerun_with_a_wrong_value_stops_before_any_work(name, parameter, value, message, tmp_path):
    parameters = {"out_dir": str(tmp_path / "out"), parameter: value}
    with pytest.raises(UserError, match=re.escape(message)):
        rerun.run(ROOT / f"notebooks/{name}.ipynb", tmp_path / "run.ipynb", parameters)
    assert list(tmp_path.iterdir()) == []


def rerun_with(tmp_path, **parameters):
    """Notebook 09 with other parameters: the executed notebook, its folder and what it recorded."""
    out = tmp_path / "out"
    executed = rerun.run(ATTENTION, tmp_path / "executed.ipynb", {"out_dir": str(out), **parameters})
    return nbformat.read(executed, as_version=4), out, json.loads((out / "metrics.json").read_text())


def test_attention_maps_on_a_small_clip(tmp_path):
    notebook, out, found = rerun_with(tmp_path, frames=6, size="128x96", hole="moving", seed=3, photo="coffee")
    assert found["clip"] == "coffee, 6 frames of 128x96, moving hole"
    assert found["seed"] == 3
    assert found["warping_error"] == "exact"
    assert set(found["scores"]) == {"tgfnet", "telea", "median", "aligned-median", "flow"}
    for name, row in found["scores"].items():
        assert row["hole_psnr"] < row["psnr"], name  # known pixels are perfect
        assert 8 < row["hole_psnr"] < 60, name
        assert 0 < row["warping_error"] < 0.1, name
    assert 0.5 < sum(found["groups"].values()) <= 1.001
    assert min(found["groups"].values()) >= 0
    assert re.fullmatch(r"[0-9a-f]{64}", found["weights"]["sha256"])
    filled, pair = read_clip(out / "filled.mp4"), read_clip(out / "before_after.mp4")
    assert (len(filled), filled.size) == (6, (96, 128))
    assert (len(pair), pair.size) == (6, (96, 260))
    truth = toy_clip("coffee", Shot(length=6, size=(96, 128), camera="homography", speed=3.0, seed=3)).clip.frames
    assert float((filled.frames - truth).abs().mean()) < 0.08, "filled.mp4 is not this clip"
    assert cv2.imread(str(out / "attention.png")).std() > 10
    assert "other parameters" in "".join(str(o.get("text")) for _, o in outputs(notebook))


def test_attention_maps_on_a_clip_of_ones_own(tmp_path):
    clip = toy_clip("chelsea", Shot(length=5, size=(64, 96), seed=1, speed=3.0)).clip
    write_video(tmp_path / "mine.mp4", clip.frames, clip.fps)
    mask = np.zeros((64, 96), np.uint8)
    mask[20:40, 40:60] = 255
    cv2.imwrite(str(tmp_path / "mine.png"), mask)
    _, out, found = rerun_with(
        tmp_path, clip=str(tmp_path / "mine.mp4"), mask=str(tmp_path / "mine.png"), frames=4, size="96x64"
    )
    assert found["clip"] == "mine, 4 frames of 96x64, given hole"
    # Nobody knows what is under a mask that the reader drew: no PSNR.
    assert all(set(row) == {"warping_error", "hole_warping_error"} for row in found["scores"].values())
    filled = read_clip(out / "filled.mp4").frames
    known = torch.from_numpy(mask == 0)
    assert float((filled - clip.frames[:4]).abs()[:, :, known].mean()) < 0.03
    assert len(filled) == 4


def test_attention_maps_refuse_a_wrong_value_before_any_work(tmp_path):
    with pytest.raises(UserError, match="parameter hole is 'star'; allowed: stationary, moving"):
        rerun_with(tmp_path, hole="star")
    assert not (tmp_path / "out").exists()
