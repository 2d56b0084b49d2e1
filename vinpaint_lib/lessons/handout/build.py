"""`make handout`: a site of the stored lessons, which opens from a folder.

    python -m vinpaint_lib.lessons.handout.build notebooks/*.ipynb --out handout

    handout/index.html    contents; open this one
    handout/NAME.html     a lesson; hints, answers, hidden code and solutions are folded
    handout/glossary.html, search.html

Sphinx with MyST-NB makes the pages. Nothing is run and nothing is fetched, neither here nor by a reader. Pages of an
earlier build are replaced once the new ones are whole, and every link of theirs leads somewhere.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vinpaint_lib.errors import UserError, run_program
from vinpaint_lib.files import filling
from vinpaint_lib.lessons.handout import links, sources
from vinpaint_lib.places import check_folder, claimed

NEEDED = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx-mathjax-offline")
FIRST = "index.html"
OURS = "searchindex.js"  # a folder with this file was written by Sphinx
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def build(notebooks: Sequence[Path], out: Path) -> int:
    """Write the pages into `out`, and hand back how many lessons there are.

    Raises UserError without Sphinx, as `check_folder` and `sources.write` do, for a folder that holds other files, for
    text that Sphinx warns of, and for links that lead nowhere; `out` stays as it was.
    """
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise UserError(
                f"{name} is not installed: run `pip install -c constraints.txt -e '.[site]'`, or `make handout`"
            )
    check_folder(out)
    check_ours(out)
    with claimed(out, folder=True) as place, tempfile.TemporaryDirectory() as temporary:
        texts, pages = Path(temporary) / "texts", Path(temporary) / "pages"
        texts.mkdir()
        sources.write(notebooks, texts)
        run_sphinx(texts, pages)
        if faulty := links.broken(pages):
            raise UserError(*faulty)
        put(pages, place)
    return len(notebooks)


def check_ours(out: Path) -> None:
    """Raises UserError if the folder holds files that are not of an earlier build."""
    if out.is_dir() and not (out / OURS).exists():
        others = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
        if others:
            raise UserError(f"{out}: holds {others[0]}, and is no handout; name an empty folder, or a new one")


def run_sphinx(texts: Path, pages: Path) -> None:
    """Let Sphinx write the pages. Raises UserError, a line for each of its warnings."""
    settings = Path(__file__).parent
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", str(settings)]
    done = subprocess.run(
        [*command, "-d", str(pages.with_name("trees")), str(texts), str(pages)], capture_output=True, text=True
    )
    if done.returncode:
        said = [line.replace(f"{texts}/", "") for line in COLOURS.sub("", done.stderr).splitlines() if line.strip()]
        warned = [line for line in said if "WARNING" in line or "ERROR" in line] or said[-1:]
        raise UserError(*(warned or [f"sphinx ended with exit code {done.returncode}, and gave no reason"]))


def put(pages: Path, place: Path) -> None:
    """Bring whole pages into their place: what they need first, then the pages themselves. Older files go."""
    folders = [pages, *(path for path in pages.rglob("*") if path.is_dir() and not path.name.startswith("."))]
    for folder in reversed(folders):
        target = place / folder.relative_to(pages)
        target.mkdir(parents=True, exist_ok=True)
        files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
        old = [path for path in target.iterdir() if path.is_file() and not path.name.startswith(".")]
        with filling(target, old) as draft:
            for file in files:
                (draft / file.name).write_bytes(file.read_bytes())


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module; a UserError is one sentence and exit code 2."""
    run_program(work, arguments, name="python -m vinpaint_lib.lessons.handout.build")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(
        prog="python -m vinpaint_lib.lessons.handout.build", description="A site of the lessons, for a folder."
    )
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pages")
    given = parser.parse_args(arguments)
    count = build(given.notebooks, given.out)
    print(f"{given.out}: {count} lessons, and every link leads somewhere; open {given.out / FIRST} in a browser")


if __name__ == "__main__":
    main()
