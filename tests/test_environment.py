"""pyproject.toml, constraints.txt and environment.yml name the same packages and versions; nothing else is imported."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
OPTIONAL = ("browser", "course", "site")  # extras that the tests do without, and say so
CONDA_NAMES = {"pytorch": "torch"}  # conda's name -> ours
IMPORT_NAMES = {  # import's name -> ours, where they differ
    "axe_playwright_python": "axe-playwright-python",
    "cv2": "opencv-python-headless",
    "docutils": "sphinx",
    "IPython": "ipywidgets",
    "PIL": "pillow",
    "requests": "gdown",  # whose errors are requests' own
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}


def extras() -> dict[str, list[str]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {*project["dependencies"], *(name for extra in extras().values() for name in extra)}


def pinned() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def conda() -> dict[str, str]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    wheels = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    versions = dict(line.split("==") for line in wheels if line != "-e .")
    for line in listed:
        if isinstance(line, str) and line != "pip":
            name, number = line.split("=")[:2]
            versions[CONDA_NAMES.get(name, name)] = number
    return versions


def test_every_dependency_is_pinned_exactly_and_nothing_else_is():
    assert set(pinned()) == declared()
    assert all(re.fullmatch(r"\d+(\.\d+)+", number) for number in pinned().values())  # no build suffix, no range


def test_conda_installs_the_same_versions():
    versions = conda()
    assert versions.pop("python") == "3.11"
    assert versions == pinned()


def test_the_gpu_is_one_commented_line():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    cpu = next(i for i, line in enumerate(lines) if "=cpu" in line)
    gpu = next(i for i, line in enumerate(lines) if "=cuda" in line)
    assert gpu == cpu + 1
    assert lines[gpu].strip().startswith("# - pytorch=")
    assert lines[gpu].split("#")[1].strip().replace("cuda", "cpu") == lines[cpu].strip()


@pytest.mark.parametrize("name, number", pinned().items())
def test_these_tests_run_on_the_pinned_versions(name, number):
    with suppress(PackageNotFoundError):
        assert version(name).split("+")[0] == number
        return
    extra = next((extra for extra in OPTIONAL if name in extras()[extra]), None)
    assert extra, f"{name} is not installed"
    pytest.skip(f"no {name}: pip install -c constraints.txt -e '.[{extra}]'")


def imported() -> dict[str, str]:
    """Import name -> a file that imports it, for everything outside the standard library and this project."""
    found = {}
    for folder in ("vinpaint_lib", "data_scripts", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    names = [node.module]
                found.update({name.split(".")[0]: str(path.relative_to(ROOT)) for name in names})
    ours = {"vinpaint_lib", "data_scripts", "tests"}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | ours}


def test_whatever_is_imported_is_declared():
    missing = {n: p for n, p in imported().items() if IMPORT_NAMES.get(n, n) not in declared()}
    assert not missing


def test_nothing_on_the_default_path_imports_torchvision():
    modules = "vinpaint_lib.cli, vinpaint_lib.doctor, vinpaint_lib.systems"
    code = f"import sys, {modules}; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# The Makefile and the file that continuous integration runs


def make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    # what an outer `make test TORCH_INDEX=...` was given must not reach this one
    outer = {"MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "PYTHON", "TORCH_INDEX", "WORKERS"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(["make", *arguments], cwd=cwd, env=environment, capture_output=True, text=True)


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    assert targets == set(re.search(r"^\.PHONY: (.*)", makefile, flags=re.MULTILINE)[1].split())
    assert {"demo", "test", "lab", "check", "bench", "notebooks", "clean"} <= targets
    listed = set(re.findall(r"^  make (\w+) ", make("help").stdout, flags=re.MULTILINE))
    assert listed == targets


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with what set-up reads, and no .venv."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def fake_python(folder: Path, body: str) -> str:
    path = folder / "fake-python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    "body, sentence",
    [
        ('case "$*" in --version) echo Python 3.9.1;; *version_info*) exit 1;; esac', "Python 3.9.1 is too old"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "apt install python3-venv"),
    ],
)
def test_an_unfit_python_is_refused_in_a_sentence(bare, body, sentence):
    done = make("setup", f"PYTHON={fake_python(bare, body)}", cwd=bare)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert not (bare / ".venv").exists()


def test_a_missing_python_is_refused_in_a_sentence(bare):
    done = make("setup", "PYTHON=no-such-python", cwd=bare)
    assert done.returncode != 0
    assert "There is no no-such-python on this machine" in done.stderr


INSTALLER = """
case "$*" in
  "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *"pip install"*) echo "$@" >> calls; [ ! -e fail ] ;;
esac
"""


def test_an_interrupted_set_up_starts_again_and_a_finished_one_does_not(bare):
    python = f"PYTHON={fake_python(bare, INSTALLER)}"
    (bare / "fail").touch()
    assert make("setup", python, cwd=bare).returncode != 0
    assert not (bare / ".venv" / ".installed").exists()
    (bare / "fail").unlink()
    assert make("setup", python, "TORCH_INDEX=https://example.org/cpu", cwd=bare).returncode == 0
    calls = (bare / "calls").read_text().splitlines()
    assert calls[1].endswith("--index-url https://example.org/cpu torch")
    assert calls[2].endswith("-c constraints.txt -e .[dev]")
    assert make("setup", python, cwd=bare).returncode == 0
    assert (bare / "calls").read_text().splitlines() == calls  # nothing was installed a second time
    # Files written in the same clock tick look equally old to make.
    later = (bare / ".venv" / ".installed").stat().st_mtime + 5
    os.utime(bare / "constraints.txt", (later, later))
    assert make("setup", python, cwd=bare).returncode == 0
    assert len((bare / "calls").read_text().splitlines()) == len(calls) + 1


def test_continuous_integration_runs_the_readers_test_command():
    script = ROOT / ".ci" / "run"
    assert script.read_text().splitlines()[-1] == "make test"
    assert script.stat().st_mode & 0o111
