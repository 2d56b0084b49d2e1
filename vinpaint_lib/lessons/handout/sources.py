"""What Sphinx reads: the stored notebooks, changed where a page differs from a notebook."""

import re
from collections.abc import Callable, Container, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import assignments, catalogue, declared, getting_about
from vinpaint_lib.lessons.catalogue import Lesson

INDEX = "index.md"  # the first page, which holds the contents
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|mailto:|#)([^()\s]+)\)")
FENCED = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
EQUATION = re.compile(r"^(\s*\$\$.+?\$\$)[ \t]*$", re.MULTILINE | re.DOTALL)
PICTURES = ("image/png", "image/jpeg")
SHOWN = {*PICTURES, "text/plain"}  # kinds of output that a page can show


def write(notebooks: Sequence[Path], folder: Path) -> None:
    """Write the pages of the notebooks, contents and glossary into `folder`.

    Raises UserError, which names the notebook, as `catalogue.read` does, for no notebooks, for two of a name, and for
    an output that a page cannot show.
    """
    if not notebooks:
        raise UserError("there are no notebooks among those given: name some, as in notebooks/*.ipynb")
    lessons = [catalogue.read(path) for path in notebooks]
    pages = {lesson.path.name for lesson in lessons} | {getting_about.CONTENTS, getting_about.GLOSSARY}
    if len(pages) != len(lessons) + 2:
        raise UserError(f"two of the {len(lessons)} notebooks have the same name: name each once")
    for lesson in lessons:
        try:
            changed = page(declared.read(lesson.path), lesson.path.stem, pages)
        except UserError as error:
            raise UserError(f"{lesson.path}: {error}") from error
        nbformat.write(changed, folder / lesson.path.name)
    (folder / INDEX).write_text(contents(lessons, pages), encoding="utf-8")
    glossary = (catalogue.FOLDER / getting_about.GLOSSARY).read_text(encoding="utf-8")
    (folder / getting_about.GLOSSARY).write_text(linked(glossary, pages), encoding="utf-8")


def contents(lessons: Sequence[Lesson], pages: Container[str]) -> str:
    """The first page: the table of contents, and for Sphinx the order of the pages."""
    order = "\n".join([*(lesson.path.stem for lesson in lessons), Path(getting_about.GLOSSARY).stem])
    return f"{linked(getting_about.contents(lessons), pages)}\n```{{toctree}}\n:hidden:\n\n{order}\n```\n"


def page(notebook: NotebookNode, name: str, pages: Container[str]) -> NotebookNode:
    """A copy of a notebook for Sphinx: links lead to pages, equations have labels, hidden code and solutions fold.

    `name` is the page's, with which the labels begin, and `pages` are the files that links may lead to. The line of
    links at the end goes, since the theme has its own. Raises UserError for an output that is neither text nor
    picture, and for a picture without words for those who cannot see it.
    """
    copy = nbformat.from_dict(notebook)
    words = [cell for cell in copy.cells if cell.cell_type == "markdown"]
    if len(words) > 1:
        words[-1].source = getting_about.LINE.sub("", words[-1].source).rstrip()
    count = 0
    for cell in words:
        cell.source, count = numbered(linked(cell.source, pages), name, count)
    copy.cells = [part for cell in copy.cells for part in (code(cell) if cell.cell_type == "code" else [cell])]
    return copy


def linked(text: str, pages: Container[str]) -> str:
    """The text with the contents' link to the first page, and without links to what is no page: their words stay."""

    def replaced(link: re.Match[str]) -> str:
        target, hash_, place = link[2].partition("#")
        if target not in pages:
            return link[1]
        return f"[{link[1]}]({INDEX if target == getting_about.CONTENTS else target}{hash_}{place})"

    return outside_of_code(LINK, replaced, text)


def numbered(text: str, name: str, count: int) -> tuple[str, int]:
    """The text with a label behind each displayed equation, and how many labels the page has so far."""

    def labelled(equation: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"{equation[1]} ({name}-equation-{count})"

    return outside_of_code(EQUATION, labelled, text), count


def outside_of_code(pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str], text: str) -> str:
    """`re.sub`, but in no fenced block."""
    parts = FENCED.split(text)  # every second part is a block
    return "".join(part if number % 2 else pattern.sub(replacement, part) for number, part in enumerate(parts))


def code(cell: NotebookNode) -> list[NotebookNode]:
    """A cell of code as one cell for each picture, so that each has its own words; the later ones show no code."""
    tags = list(cell.metadata.get("tags", []))
    about: dict[str, object] = {}
    if cell.metadata.get("nbgrader", {}).get("solution"):
        before, solution, after = assignments.split(cell.source)
        cell.source = "\n".join([*before, *solution, *after])
        about |= {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide the solution"}
        tags.append("hide-input")
    elif cell.metadata.get("jupyter", {}).get("source_hidden"):
        tags.append("hide-input")
    cells: list[NotebookNode] = []
    outputs = list(cell.outputs)
    while outputs or not cells:
        part = nbformat.from_dict(cell)
        part.metadata.tags = [*tags, "remove-input"] if cells else tags
        part.id = f"{cell.id}-{len(cells)}" if cells else cell.id
        words = None
        part.outputs = []
        while outputs and words is None:
            words = description(outputs[0])
            part.outputs.append(outputs.pop(0))
        part.metadata.mystnb = {**about, "image": {"alt": words}} if words else about
        cells.append(part)
    return cells


def description(output: NotebookNode) -> str | None:
    """The words for those who cannot see a picture; None for text. Raises UserError as `page` does."""
    if output.output_type == "error":
        raise UserError(f"holds the error {output.ename}: run it again with `make notebooks`")
    data = output.get("data", {})
    if not set(data) <= SHOWN:
        raise UserError(f"an output is {min(set(data) - SHOWN)}, which a page cannot show: store it as text or picture")
    for kind in PICTURES:
        if kind in data:
            words = output.metadata.get(kind, {}).get("alt", "").strip()
            if not words:
                raise UserError(f"a picture ({kind}) has no words for those who cannot see it: give it an alt text")
            return " ".join(words.split())
    return None
