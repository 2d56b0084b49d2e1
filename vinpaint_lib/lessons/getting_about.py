"""How a reader gets about: previous, next, contents and glossary in every notebook, and links to the papers.

    python -m vinpaint_lib.lessons.getting_about        brings the notebooks and `notebooks/contents.md` up to date

The line stands below the title and at the end. Running it twice changes nothing; a test holds the stored notebooks
to it.
"""

import re
from collections.abc import Sequence

import nbformat
from nbformat import NotebookNode

from vinpaint_lib.files import draft_of
from vinpaint_lib.lessons import catalogue, declared
from vinpaint_lib.lessons.catalogue import Lesson

CONTENTS, GLOSSARY = "contents.md", "glossary.md"
LINE = re.compile(r"^(?:\[← .*?\]\(.*?\) · )?\[contents\]\(contents\.md\).*$", re.MULTILINE)
PROMISE = re.compile(r"^(?:- )?(?=\*\*(?:You need|You leave with|Runs)\*\*)", re.MULTILINE)
PAPERS = {  # title -> where the paper can be read, or at least found
    "Temporal Group Fusion Network for Deep Video Inpainting": "https://doi.org/10.1109/TCSVT.2021.3117964",
    "Deep Video Inpainting": "https://arxiv.org/abs/1905.01639",
    "Video Inpainting by Jointly Learning Temporal Structure and Spatial Details": "https://arxiv.org/abs/1806.08482",
    "Learning Joint Spatial-Temporal Transformations for Video Inpainting": "https://arxiv.org/abs/2007.10247",
    "Align-and-Attend Network for Globally and Locally Coherent Video Inpainting": "https://arxiv.org/abs/1905.13066",
    "Copy-and-Paste Networks for Deep Video Inpainting": "https://arxiv.org/abs/1908.11587",
    "Deep Flow-Guided Video Inpainting": "https://arxiv.org/abs/1905.02884",
}


def navigation(lessons: Sequence[Lesson], place: int) -> str:
    """The line of links of the lesson at `place`."""
    parts = [f"[contents]({CONTENTS})", f"[glossary]({GLOSSARY})"]
    if place > 0:
        before = lessons[place - 1]
        parts.insert(0, f"[← {before.title}]({before.path.name})")
    if place + 1 < len(lessons):
        after = lessons[place + 1]
        parts.append(f"[{after.title} →]({after.path.name})")
    return " · ".join(parts)


def linked(text: str) -> str:
    """The text with a link behind every title of `PAPERS` that stands in italics and has none yet."""
    for title, address in PAPERS.items():
        text = text.replace(f"*{title}*", f"[*{title}*]({address})").replace(
            f"[[*{title}*]({address})]({address})", f"[*{title}*]({address})"
        )
    return text


def placed(notebook: NotebookNode, line: str) -> NotebookNode:
    """A copy with `line` below the title and at the end, the three promises as a list, and the papers linked."""
    copy = nbformat.from_dict(notebook)
    head, end = copy.cells[0], [cell for cell in copy.cells if cell.cell_type == "markdown"][-1]
    title, _, rest = LINE.sub("", head.source).partition("\n")
    head.source = f"{title}\n\n{line}\n\n{PROMISE.sub('- ', rest).strip()}"
    end.source = f"{linked(LINE.sub('', end.source)).strip()}\n\n{line}"
    return copy


def contents(lessons: Sequence[Lesson]) -> str:
    """The page of contents: README's table with links from the notebooks' folder."""
    table = catalogue.readme_table(list(lessons)).replace("](notebooks/", "](")
    return (
        "# Contents\n\nThe lessons in reading order. Minutes are for the text alone, at "
        f"{catalogue.WORDS} words a minute; seconds are for two CPU cores, and 00 scales them to your machine.\n\n"
        f"{table}\n\nWords are explained in the [glossary]({GLOSSARY}).\n"
    )


def main() -> None:
    """Write the lines into the notebooks of the project, and the page of contents."""
    lessons = catalogue.listed()
    for place, lesson in enumerate(lessons):
        with draft_of(lesson.path) as draft:
            nbformat.write(placed(declared.read(lesson.path), navigation(lessons, place)), draft)
    with draft_of(catalogue.FOLDER / CONTENTS) as draft:
        draft.write_text(contents(catalogue.listed()), encoding="utf-8")


if __name__ == "__main__":
    main()
