"""What docstrings, comments, pages and lessons name: every file in backticks exists."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`([A-Za-z_/]+\.py)`")
# CONTRIBUTING: the file that there is not, and stand-ins for a reader's own notebook.
NO_FILES = {"utils.py", "lessons/checks/name.py", "tests/lessons/checks/test_name.py"}
FOLDERS = ("vinpaint_lib", "data_scripts", "tests")
FILES = {path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}


def texts(path: Path) -> list[str]:
    """The text of a file; of a notebook, its cells."""
    text = path.read_text(encoding="utf-8")
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"]] if path.suffix == ".ipynb" else [text]


def unknown(text: str) -> list[str]:
    """Names in backticks of files that are not there; `toy/clip.py` may stand for `vinpaint_lib/toy/clip.py`."""
    return [
        name
        for name in NAMED.findall(text)
        if name not in NO_FILES and not any(f"/{file}".endswith(f"/{name}") for file in FILES)
    ]


PAGES = [
    *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".py", ".md")),
    *sorted((ROOT / "notebooks").glob("*.*")),
    *sorted(ROOT.glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page):
    assert [name for text in texts(page) for name in unknown(text)] == []


def test_a_name_of_before_is_found():
    named = ("gather.py", "models/tgfnet.py", "toy/clip.py")
    assert unknown(" and ".join(f"`{name}`" for name in named)) == ["gather.py", "models/tgfnet.py"]
