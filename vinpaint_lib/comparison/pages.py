"""`make tables`: the tables of pages, written again from the committed results.

A table stands between two marks, and everything between them is replaced:

    <!-- results of results/davis.jsonl: masks=moving protocol=clean size=432x240 -->
    <!-- end of results -->

    python -m vinpaint_lib.comparison.pages README.md [--check]

The index of systems (`index.py`) is written beside the results.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from vinpaint_lib.comparison import index, results, show
from vinpaint_lib.comparison.results import Line
from vinpaint_lib.comparison.tables import tables
from vinpaint_lib.errors import UserError, run_program
from vinpaint_lib.files import draft_of

BLOCK = re.compile(r"(<!-- results of ([^\s:]+): ([^\n]*?) -->\n)(.*?)(<!-- end of results -->)", re.DOTALL)
MARK = "<!-- results of "
INDEX = "systems.json"


def rebuilt(text: str, root: Path) -> str:
    """A page with its tables made again; paths of results are from `root`.

    Raises UserError for a mark that has no end, and for results that are missing or hold no such table, or several.
    """
    if text.count(MARK) != len(BLOCK.findall(text)):
        raise UserError(f"a mark '{MARK}...' is spelled wrongly or has no '<!-- end of results -->'; mend the page")
    load = cache(lambda file: results.read(root / file).lines)
    return BLOCK.sub(lambda found: found[1] + block(found[2], found[3], load) + found[5], text)


def block(file: str, words: str, load: Callable[[str], list[Line]]) -> str:
    """What stands between two marks: a table of Markdown with an empty line around it, its notes, and the command."""
    wanted = dict(word.partition("=")[::2] for word in words.split())
    found = [
        table
        for table in tables(load(file))
        if all(str(table.setting.get(name)) == value for name, value in wanted.items())
    ]
    if len(found) != 1:
        raise UserError(f"{file}: holds {len(found)} tables with {words}; name one setting of one set of clips")
    (table,) = found
    text = [f"{show.heading(table)}.", "", *show.markdown(show.cells(table)), "", " ".join(show.notes(table)), ""]
    return "\n".join(["", *text, ""]).replace("\n\n\n", "\n\n")


def rewrite(pages: Sequence[Path], *, check: bool) -> list[Path]:
    """Write the tables of these pages again; gives the pages that changed. With `check` nothing is written.

    Raises UserError as `rebuilt`, with the page's name.
    """
    changed = []
    for page in pages:
        try:
            text = page.read_text(encoding="utf-8")
            new = rebuilt(text, page.resolve().parent)
        except OSError as error:
            raise UserError(f"{page}: cannot be read ({error.strerror}); give a page of text") from error
        except UserError as error:
            raise UserError(f"{page}: {error}") from None
        if new != text:
            changed.append(page)
            if not check:
                with draft_of(page) as draft:
                    draft.write_text(new, encoding="utf-8")
    return changed


def every_line(folder: Path) -> list[Line]:
    """The lines of all files of results in a folder."""
    return [line for path in sorted(folder.glob("*.jsonl")) for line in results.read(path).lines]


def work(arguments: Sequence[str]) -> int:
    """The command line: exit code 1 if `--check` finds a table that differs."""
    check = "--check" in arguments
    pages = [Path(word) for word in arguments if word != "--check"]
    if not pages or any(word.startswith("-") for word in map(str, pages)):
        raise UserError("pages: give the pages to write, as in README.md, and --check to change nothing")
    changed = rewrite(pages, check=check)
    for folder in sorted({page.resolve().parent / "results" for page in pages}):
        if not folder.is_dir():
            continue
        pages.append(folder / INDEX)
        if index.write(folder / INDEX, every_line(folder), check=check):
            changed.append(folder / INDEX)
    for page in pages:
        differs = "differs from the results: run `make tables`" if check else "written"
        print(f"{page}: {differs if page in changed else 'as the results have it'}")
    return int(check and bool(changed))


def main() -> None:
    """`python -m vinpaint_lib.comparison.pages`."""
    run_program(work, None, name="python -m vinpaint_lib.comparison.pages")


if __name__ == "__main__":
    main()
