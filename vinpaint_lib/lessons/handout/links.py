"""Are the pages whole? Every link of a folder of pages leads somewhere, and nothing is fetched from elsewhere.

python -m vinpaint_lib.lessons.handout.links handout        says which links are broken
"""

import argparse
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from vinpaint_lib.errors import UserError, run_program

OWN_TOP = ("", "top")  # a browser scrolls to the top by itself


class Found(NamedTuple):
    """A link: what it names, and whether the page needs the file to be shown (a picture, a style, a script)."""

    target: str
    needed: bool


class Page(HTMLParser):
    """The links of a page, the names of places in it, and its pictures without words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[Found] = []
        self.places: set[str] = set()
        self.wordless = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given and (name == "id" or tag == "a")}
        if tag == "img" and not given.get("alt", "").strip():
            self.wordless += 1
        if "href" in given:
            self.links.append(Found(given["href"], tag == "link" and given.get("rel") in ("stylesheet", "preload")))
        if "src" in given:
            self.links.append(Found(given["src"], True))


def broken(folder: Path) -> list[str]:
    """A sentence for each link of the pages in `folder` that leads nowhere, for each file that would have to be
    fetched from elsewhere, and for each picture without words; none for pages that are whole."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.html"))}
    found = []
    for path, page in pages.items():
        found += [f"{path.name}: {fault}" for link in page.links for fault in faults(link, path, pages)]
        if page.wordless:
            found.append(f"{path.name}: {page.wordless} pictures have no alt text")
    return found


def faults(link: Found, page: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """What is wrong with a link of a page, in words."""
    parts = urlsplit(link.target)
    if parts.scheme == "data":
        return
    if parts.scheme or parts.netloc:
        if link.needed or parts.scheme not in ("https", "mailto"):
            yield f"{link.target} lies elsewhere, and would have to be fetched"
        return
    name, place = unquote(parts.path), unquote(parts.fragment)
    target = page.parent / name if name else page
    if name.startswith("/") or not target.is_file():
        yield f"{link.target} leads to no file"
    elif target.suffix == ".html" and place not in OWN_TOP and place not in pages[target].places:
        yield f"{link.target} leads to no place in {target.name}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module; a UserError is one sentence and exit code 2."""
    run_program(work, arguments, name="python -m vinpaint_lib.lessons.handout.links")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(
        prog="python -m vinpaint_lib.lessons.handout.links", description="Broken links of a folder of pages."
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    if not any(folder.glob("*.html")):
        raise UserError(f"{folder}: holds no pages; `make handout` writes them into handout/")
    if faulty := broken(folder):
        raise UserError(*faulty)
    print(f"{folder}: every link leads somewhere")


if __name__ == "__main__":
    main()
