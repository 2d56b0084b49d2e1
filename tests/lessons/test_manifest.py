"""The manifest of a run: complete, first in the copy, and true."""

import hashlib
import platform
import subprocess

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import vinpaint_lib
from vinpaint_lib.lessons import manifest
from vinpaint_lib.systems.registry import SHIPPED


def notebook(path):
    cell = new_code_cell("seed: int = 5\nsize: str = 'a|b'  # text", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "x", "language": "python"}
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A"), cell], metadata={"kernelspec": kernel}), path)
    return path


def test_what_a_run_was_made_with(tmp_path):
    found = manifest.gather(notebook(tmp_path / "a.ipynb"), {"size": "wide"})
    assert found["notebook"] == "a.ipynb"
    assert found["parameters"] == {"seed": 5, "size": "wide"}
    assert found["seed"] == 5
    assert found["versions"] == {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vinpaint": vinpaint_lib.__version__,
    }
    assert found["device"].split()[0] in ("cpu", "mps", "cuda")
    assert found["weights"] == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SHIPPED.values() if path.is_file()
    }
    assert "tgfnet-small.safetensors" in found["weights"]
    assert set(found) == {"notebook", "parameters", "seed", "versions", "device", "weights", "commit"}


def test_it_is_the_first_cell_and_in_the_metadata(tmp_path):
    path = notebook(tmp_path / "a.ipynb")
    made_with = manifest.gather(path, {})
    manifest.put(path, made_with)
    read = nbformat.read(path, as_version=4)
    assert read.metadata.manifest == made_with
    assert len(read.cells) == 3
    first = read.cells[0]
    assert (first.cell_type, first.metadata.tags) == ("markdown", ["manifest"])
    rows = dict(line.strip("| ").split(" | ", 1) for line in first.source.splitlines()[4:])
    assert rows["parameter size"] == r"`'a\|b'`"
    assert rows["seed"] == "`5`"
    assert rows["torch"] == f"`{torch.__version__}`"
    assert rows["device"] == f"`{made_with['device']}`"
    assert made_with["weights"]["tgfnet-small.safetensors"] in rows["sha256 of tgfnet-small.safetensors"]
    assert "commit" in rows


def test_a_copy_with_other_parameters_begins_with_a_banner(tmp_path):
    path = notebook(tmp_path / "a.ipynb")
    manifest.put(path, manifest.made_with(path, {"seed": 5, "size": "`wide`", "out_dir": "x"}, AROUND))
    read = nbformat.read(path, as_version=4)
    assert [cell.metadata.get("tags") for cell in read.cells[:2]] == [["banner"], ["manifest"]]
    banner = read.cells[0].source
    assert "may not fit" in banner
    assert "`size` is ``'`wide`'`` (the notebook's own: `'a|b'`)" in banner
    assert "seed" not in banner, "a value that is the notebook's own"
    assert "out_dir" not in banner, "a folder changes no result"


AROUND = {"versions": {}, "device": "cpu", "weights": {}, "commit": None}


@pytest.mark.parametrize(
    "own, value, one",
    [(1, 1.0, True), (1, True, False), (0, False, False), ((1, 2), [1, 2], True), ([1], [1, 2], False),
     ([1], [True], False), ("1", 1, False), (None, None, True), ({"a": 1}, {"a": 1}, True), (1, None, False)],
)  # fmt: skip
def test_which_values_are_one(own, value, one):
    assert (manifest.changed({"x": own}, {"x": value}) == {}) is one


def test_the_commit_is_the_project_s_own_or_none(tmp_path):
    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", *words],
            cwd=tmp_path,
            check=True,
        )

    assert manifest.commit(tmp_path) is None
    git("init", "-q")
    assert manifest.commit(tmp_path) is None, "no commit yet"
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-q", "-m", "one")
    head = manifest.commit(tmp_path)
    assert len(head) == 40
    (tmp_path / "a").write_text("2")
    assert manifest.commit(tmp_path) == f"{head} with changes"
    (tmp_path / "inner").mkdir()
    assert manifest.commit(tmp_path / "inner") is None, "a project without git inside of another checkout"
