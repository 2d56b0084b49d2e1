"""Notebooks: what strict nbval cannot see of the stored form, and runs with other parameters whose numbers are read.

`make test` also runs every notebook against its stored outputs (nbval).
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

from vinpaint_lib import rerun, toy
from vinpaint_lib.clips import read_clip
from vinpaint_lib.writing import write_video

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ATTENTION = ROOT / "notebooks/09_attention_maps.ipynb"
PICTURES = ("image/png", "image/jpeg")
OTHER_FORMS = ("image/svg+xml", "text/html", "application/pdf", "application/javascript")
HERE = re.compile(r"(?<![\w.])/(?:home|Users|root|tmp|private|var|opt|mnt)/|[A-Z]:\\\\")


def outputs(notebook):
    """(number of the cell, output) for every output."""
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            yield number, output


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def stored(request):
    return nbformat.read(request.param, as_version=4)


def test_there_are_notebooks():
    assert ATTENTION in NOTEBOOKS


def test_stored_whole_and_in_order(stored):
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert len({cell.id for cell in stored.cells}) == len(stored.cells)
    assert set(stored.metadata) == {"kernelspec", "language_info"}, "run `make notebooks`: it brings the stored form"
    assert stored.metadata.kernelspec.name == "python3"
    for cell in stored.cells:
        assert set(cell.metadata) <= {"tags", "nbgrader"}, "timings and the like change with every run"


def test_cells_are_short_and_the_file_small(stored, request):
    path = request.node.callspec.params["stored"]
    assert path.stat().st_size <= 600_000
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


def test_links_lead_somewhere(stored, request):
    folder = request.node.callspec.params["stored"].parent
    for cell in stored.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)\s]+)\)", cell.source):
                if not target.startswith(("http://", "https://", "#")):
                    assert (folder / target.split("#")[0]).exists(), target


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
    truth = toy.toy_clip("coffee", length=6, size=(96, 128), camera="homography", speed=3.0, seed=3).clip.frames
    assert float((filled.frames - truth).abs().mean()) < 0.08, "filled.mp4 is not this clip"
    assert cv2.imread(str(out / "attention.png")).std() > 10
    assert "other parameters" in "".join(str(o.get("text")) for _, o in outputs(notebook))


def test_attention_maps_on_a_clip_of_ones_own(tmp_path):
    clip = toy.toy_clip("chelsea", length=5, size=(64, 96), seed=1, speed=3.0).clip
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
    with pytest.raises(
        papermill.PapermillExecutionError, match="parameter hole is 'star'; allowed: stationary, moving"
    ):
        rerun_with(tmp_path, hole="star")
    assert not (tmp_path / "out").exists()
