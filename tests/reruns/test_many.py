"""A grid of a real notebook from the command line: what lies in the folders, and what a mistake says."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from vinpaint_lib import cli
from vinpaint_lib.reruns import local
from vinpaint_lib.reruns.rehearsal import refusals

pytestmark = pytest.mark.slow

PARAMETERS = "seed: int = 0\nhole: str = 'a'\nout_dir: str = '.'"
BODY = """import json, pathlib
print('seen', pathlib.Path('beside.txt').read_text(), seed, hole, out_dir)
assert hole != 'bad', 'no such hole'
json.dump({'psnr': seed + 0.5, 'of': {'hole': hole}}, open(out_dir + '/metrics.json', 'w'))"""


def write(path, *sources):
    first = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[first, *map(new_code_cell, sources)]), path)
    return path


def test_a_grid_from_end_to_end(tmp_path, capfd):
    write(tmp_path / "a.ipynb", BODY)
    (tmp_path / "beside.txt").write_text("it")
    grid, out = tmp_path / "grid.yml", tmp_path / "out"
    grid.write_text(
        "notebook: a.ipynb\nparameters: {hole: [good, bad]}\nseeds: [0, 7]\nexclude: [{hole: bad, seed: 0}]"
    )
    with pytest.raises(SystemExit) as stop:
        cli.main(["rerun", str(grid), "--out", str(out), "--workers", "2"])
    assert stop.value.code == 1
    said = capfd.readouterr()
    assert said.out.split() == [str(out / "results.csv"), str(out / "results.html")]
    assert "failed: AssertionError: no such hole" in said.err
    assert said.err.splitlines()[-1] == f"vinpaint: 2 of 3 runs are done, 1 failed: {out}"
    rows = [line.split(",") for line in (out / "results.csv").read_text().splitlines()]
    assert rows[0] == ["run", "status", "hole", "seed", "metrics.psnr", "metrics.of.hole", "seconds", "error", "folder"]
    assert [row[1:6] for row in rows[1:]] == [
        ["done", "good", "0", "0.5", "good"],
        ["done", "good", "7", "7.5", "good"],
        ["failed", "bad", "7", "", ""],
    ]
    for row in rows[1:]:
        folder = out / row[-1]
        files = {"a.ipynb", "run.json", "manifest.json", "log.txt"} | ({"metrics.json"} if row[1] == "done" else set())
        assert {path.name for path in folder.iterdir()} == files
        executed = nbformat.read(folder / "a.ipynb", as_version=4)
        printed = [part.text for cell in executed.cells for part in cell.get("outputs", []) if part.get("text")]
        assert printed[0] == f"seen it {row[3]} {row[2]} {folder}\n", "the folder's own name, not that of its draft"
        assert executed.cells[0].metadata.tags == ["banner"]
        made_with = json.loads((folder / "manifest.json").read_text())
        assert executed.metadata.manifest == made_with
        assert made_with["parameters"] == {"seed": int(row[3]), "hole": row[2], "out_dir": "."}
        assert "seen it" in (folder / "log.txt").read_text()
        assert json.loads((folder / "run.json").read_text())["seconds_in_cells"] > 0
    cli.main(["rerun", str(tmp_path / "a.ipynb"), "-p", "seed=7", "-p", "hole=good", "--out", str(out)])
    said = capfd.readouterr()
    assert said.out == f"{out / rows[2][0] / 'a.ipynb'}\n", "a run of the grid is known from the command line too"
    assert "1 of 1 runs are done (1 were before)" in said.err


CHECKED = """from vinpaint_lib.errors import UserError
class parameters:
    def check(values):
        said = []
        if values['seed'] < 0:
            said.append(f"parameter seed is {values['seed']}; allowed: a whole number from 0")
        if values['hole'] not in KINDS:
            said.append(f"parameter hole is {values['hole']!r}; allowed: {', '.join(KINDS)}")
        if said:
            raise UserError('\\n'.join(said))
parameters.check(globals())
if hole == 'b' and seed:
    raise UserError("parameter hole is 'b'; allowed: b with seed 0 only")"""


def test_the_notebook_s_own_check_is_asked_before_the_first_run(tmp_path, capfd):
    write(tmp_path / "a.ipynb", "%matplotlib inline\nKINDS = ['a', 'b']", CHECKED, "open('ran', 'w')")
    grid = tmp_path / "grid.yml"
    grid.write_text("notebook: a.ipynb\nparameters: {hole: [a, b, star], seed: [0, 2, -1]}")
    with pytest.raises(SystemExit) as stop:
        cli.main(["rerun", str(grid), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert stop.value.code == 2
    said = capfd.readouterr().err.removeprefix("vinpaint: ").splitlines()
    assert said == [
        f"{grid}: parameter seed is -1; allowed: a whole number from 0",
        f"{grid}: parameter hole is 'b'; allowed: b with seed 0 only",
        f"{grid}: parameter hole is 'star'; allowed: a, b",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ipynb", "grid.yml"]


def test_a_notebook_whose_first_cells_fail_is_not_judged(tmp_path):
    broken = write(tmp_path / "a.ipynb", "1 / 0", "parameters.check(")
    assert refusals(broken, [{"seed": 1}]) == []
    assert refusals(write(tmp_path / "b.ipynb", "1 / 0"), [{"seed": 1}]) == []


@pytest.mark.parametrize(
    "words, said",
    [
        (["grid.yml", "-p", "seed=1"], "is a grid, which holds its parameters"),
        (["a.ipynb", "-p", "sead=1"], "has no parameter sead: it has hole, out_dir, seed"),
        (["a.ipynb", "-p", "out_dir=x"], "each run has a folder of its own"),
        (["a.ipynb", "--workers", "0"], "--workers 0: give a whole number from 1"),
        (["a.ipynb", "--workers", "2", "--scheduler", "tcp://x:1"], "the cluster's workers make the runs"),
        (["b.ipynb"], "b.ipynb is not a file"),
        (["grid.yml"], "line 1: there is no notebook"),
    ],
)
def test_a_mistake_in_the_options_is_a_sentence(tmp_path, monkeypatch, capfd, words, said):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.ipynb", BODY)
    (tmp_path / "grid.yml").write_text("")
    with pytest.raises(SystemExit) as stop:
        cli.main(["rerun", *words])
    assert stop.value.code == 2
    assert said in capfd.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ipynb", "grid.yml"]


@pytest.mark.parametrize(
    "cores, gpus, workers, expected",
    [
        (8, 0, None, [{"OMP_NUM_THREADS": "2"}] * 4),
        (1, 0, None, [{"OMP_NUM_THREADS": "1"}]),
        (8, 0, 3, [{"OMP_NUM_THREADS": "2"}] * 3),
        (8, 2, None, [{"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": name} for name in "57"]),
        (8, 2, 3, [{"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": name} for name in "575"]),
    ],
)
def test_a_run_for_each_gpu_or_for_every_two_cores(monkeypatch, cores, gpus, workers, expected):
    monkeypatch.setattr(local, "cores", lambda: cores)
    monkeypatch.setattr(local.torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(local.torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "1")
    assert local.slots(workers) == expected
