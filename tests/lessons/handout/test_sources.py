"""What Sphinx reads: links, labels, folds, pictures with their words; refused: what a page cannot show."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons import catalogue, getting_about
from vinpaint_lib.lessons.handout import sources

PAGES = {"contents.md", "glossary.md", "04_b.ipynb"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def picture(alt="A red square."):
    return new_output("display_data", {"image/png": PIXEL}, metadata={"image/png": {"alt": alt}})


def text(words="a line\n"):
    return new_output("stream", name="stdout", text=words)


@pytest.mark.parametrize(
    "before, after",
    [
        ("see [04](04_b.ipynb) now", "see [04](04_b.ipynb) now"),
        ("see [04](04_b.ipynb#2-what) now", "see [04](04_b.ipynb#2-what) now"),
        ("[contents](contents.md)", "[contents](index.md)"),
        ("[contents](contents.md#a)", "[contents](index.md#a)"),
        ("the [card](../vinpaint_lib/card.md) of it", "the card of it"),
        ("[05](05_other.ipynb)", "05"),
        ("[*A [title]*](05_other.ipynb)", "*A [title]*"),
        ("[paper](https://arxiv.org/abs/1), [up](#here)", "[paper](https://arxiv.org/abs/1), [up](#here)"),
        ("```\nx[0](card.md)\n```", "```\nx[0](card.md)\n```"),
    ],
)
def test_a_link_leads_to_a_page_or_is_words(before, after):
    assert sources.linked(before, PAGES) == after


def test_every_displayed_equation_gets_a_label_and_the_count_goes_on():
    once, count = sources.numbered("$$a$$\n\nInline $b$ and $$c$$ stay.\n\n  $$\nd \\\\\ne\n$$\n", "04_b", 0)
    assert once.splitlines()[0] == "$$a$$ (04_b-equation-1)"
    assert "Inline $b$ and $$c$$ stay." in once
    assert once.rstrip().endswith("$$ (04_b-equation-2)")
    assert count == 2
    assert sources.numbered("$$f$$", "04_b", count) == ("$$f$$ (04_b-equation-3)", 3)
    assert sources.numbered("```\n$$a$$\n```", "04_b", 0) == ("```\n$$a$$\n```", 0)


def test_hidden_code_folds_and_open_code_does_not():
    hidden = sources.code(new_code_cell("plot()", metadata={"jupyter": {"source_hidden": True}}))
    assert hidden[0].metadata.tags == ["hide-input"]
    assert sources.code(new_code_cell("x = 1"))[0].metadata.tags == []


def test_a_solution_folds_and_its_markers_go():
    source = "def f(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
    cell = sources.code(new_code_cell(source, metadata={"nbgrader": {"solution": True}}))[0]
    assert cell.source == "def f(x):\n    return 2 * x"
    assert cell.metadata.tags == ["hide-input"]
    assert cell.metadata.mystnb["code_prompt_show"] == "Show a solution"


def test_every_picture_of_a_cell_has_words_of_its_own():
    outputs = [text(), picture("One,\n  in two lines."), text(), picture("Two."), text("end\n")]
    cells = sources.code(new_code_cell("plot()", outputs=outputs))
    assert [cell.metadata.mystnb.get("image", {}).get("alt") for cell in cells] == ["One, in two lines.", "Two.", None]
    assert [output for cell in cells for output in cell.outputs] == outputs
    assert ["remove-input" in cell.metadata.tags for cell in cells] == [False, True, True]
    assert len({cell.id for cell in cells}) == 3


@pytest.mark.parametrize(
    "output, sentence",
    [
        (picture(" "), "no words for those who cannot see it"),
        (new_output("display_data", {"image/png": PIXEL}), "no words for those who cannot see it"),
        (new_output("display_data", {"text/html": "<b>", "text/plain": "b"}), "an output is text/html"),
        (new_output("error", ename="ValueError", evalue="", traceback=[]), "holds the error ValueError"),
    ],
)
def test_what_a_page_cannot_show_is_refused(output, sentence):
    with pytest.raises(UserError, match=sentence):
        sources.code(new_code_cell("x", outputs=[output]))


def test_the_links_at_the_end_go_and_those_at_the_head_stay():
    line = "[contents](contents.md) · [glossary](glossary.md)"
    notebook = new_notebook(cells=[new_markdown_cell(f"# A\n\n{line}"), new_markdown_cell(f"End.\n\n{line}")])
    head, end = sources.page(notebook, "04_b", PAGES).cells
    assert head.source.endswith("[contents](index.md) · [glossary](glossary.md)")
    assert end.source == "End."
    assert notebook.cells[1].source.endswith(line)  # the notebook itself stays as it was


def test_the_contents_list_every_page_in_order():
    lessons = catalogue.listed()[:2]
    pages = {lesson.path.name for lesson in lessons}
    written = sources.contents(lessons, {*pages, getting_about.CONTENTS, getting_about.GLOSSARY})
    order = written.split(":hidden:\n\n")[1].splitlines()
    assert order[:3] == [*(lesson.path.stem for lesson in lessons), "glossary"]
    assert all(f"]({name})" in written for name in pages)


def test_no_notebook_and_the_same_one_twice_are_refused(tmp_path):
    with pytest.raises(UserError, match="there are no notebooks"):
        sources.write([], tmp_path)
    path = catalogue.listed()[0].path
    with pytest.raises(UserError, match="have the same name"):
        sources.write([path, path], tmp_path)


def test_a_refusal_names_the_notebook(tmp_path):
    path = tmp_path / "00_a.ipynb"
    head = "# 00 · A\n\n**Runs** in about 1 s on two CPU cores"
    cells = [new_markdown_cell(head), new_code_cell("x", outputs=[picture("")])]
    nbformat.write(new_notebook(cells=cells), path)
    with pytest.raises(UserError, match=r"00_a\.ipynb: a picture"):
        sources.write([path], tmp_path)
