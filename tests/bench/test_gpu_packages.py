"""`make gpu` on a machine that lacks packages: they are named, and what can run without them runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from vinpaint_lib.bench.gpu import needs, run
from vinpaint_lib.bench.gpu.record import DONE, LEFT_OUT, read
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_missing_package_is_named_with_the_sections_that_need_it():
    needed = {section.name: section.needs for section in run.SECTIONS}
    assert needs.in_words([], needed) == "no package is missing"
    assert needs.in_words(["av"], needed) == "missing: av; every section runs without"
    assert needs.in_words(["skimage", "tensorboard"], {"one": ("skimage",), "two": (), "three": ("tensorboard",)}) == (
        "missing: scikit-image, tensorboard; sections that cannot run: one, three; "
        "carry the packages with --packages FOLDER"
    )


HIDDEN = """
import sys
from importlib.machinery import PathFinder
real = PathFinder.find_spec
def without(name, *rest, **more):
    return None if name.split(".")[0] in {hidden!r} else real(name, *rest, **more)
PathFinder.find_spec = without
from vinpaint_lib.bench.gpu.run import main
sys.exit(main({words!r}))
"""


def test_sections_run_without_packages_that_they_do_not_use(tmp_path):
    """Also those whose modules import a missing package, and name it in signatures."""
    lines = tmp_path / "lines.jsonl"
    hidden = {"av", "jaxtyping", "tyro", "tensorboard", "matplotlib", "accelerate"}
    words = ["--minutes", "5", "--device", "cpu", "--out", str(lines), "--only", "parity,steps,training"]
    script = HIDDEN.format(hidden=hidden, words=words)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = read(lines)
    assert rows[0]["packages"].startswith("missing: accelerate, av, jaxtyping, tensorboard; sections that cannot run: ")
    filled = {row["cell"] for row in rows if row["section"] == "parity" and row["state"] == DONE}
    assert filled >= set(filter(registry.ready, registry.MODELS))
    assert [(row["section"], row["why"]) for row in rows if row["state"] == LEFT_OUT] == [
        ("steps", "accelerate not installed"),
        ("training", "accelerate, tensorboard not installed"),
    ]


def test_a_stand_in_can_be_named_but_not_used():
    absent = needs.Absent("av", "av")
    assert (absent.container["x"] | None) is not None
    assert not hasattr(absent, "__version__")
    with pytest.raises(ModuleNotFoundError, match=r"av is not installed here, and av\.open is of it"):
        absent.open("clip.mp4")


def test_whatever_the_sections_import_is_in_the_list():
    """All that their modules, and the modules these import, import from outside."""
    code = "import sys\n" + "".join(f"import vinpaint_lib.bench.gpu.{each.name}\n" for each in run.SECTIONS)
    code += "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('vinpaint_lib')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = set()
    for path in done.stdout.split():
        for node in ast.walk(ast.parse(Path(path).read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add("tensorboard" if "tensorboard" in node.module else node.module.split(".")[0])
    assert found - set(sys.stdlib_module_names) - {"vinpaint_lib", "torch"} == set(needs.PACKAGES)


def test_a_folder_of_packages_comes_first(tmp_path):
    (tmp_path / "carried.py").write_text("VALUE = 7")
    code = (
        "import os, subprocess, sys; from pathlib import Path; from vinpaint_lib.bench.gpu import needs\n"
        f"needs.add_folder(Path({str(tmp_path)!r})); import carried; assert carried.VALUE == 7\n"
        "subprocess.run([sys.executable, '-c', 'import carried'], check=True)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_folder_without_packages_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        needs.add_folder(tmp_path / "none")
    (tmp_path / "einops-0.8.2-py3-none-any.whl").touch()
    with pytest.raises(UserError, match="its wheels are packed"):
        needs.add_folder(tmp_path)
