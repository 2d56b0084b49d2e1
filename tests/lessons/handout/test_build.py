"""The build: what it refuses before any work, that a fault leaves the old pages, and one small site from end to end."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.lessons.handout.test_sources import picture, text
from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons.handout import build, links

pytestmark = pytest.mark.slow
HEAD = "# 04 · A lesson (TGF-Net, section 3D)\n\n**Runs** in about 1 s on two CPU cores"
HINT = "<details><summary>Hint 1</summary>\n\nDivide $a$ first.\n\n</details>"


def lesson(folder, *more, name="04_a.ipynb"):
    hidden = {"jupyter": {"source_hidden": True}}
    cells = [
        new_markdown_cell(HEAD),
        new_markdown_cell("## 1 A sum\n\n$$a = \\begin{pmatrix} b \\\\ c \\end{pmatrix}$$\n\n[card](../card.md)"),
        new_code_cell("plot()", metadata=hidden, outputs=[text(), picture("One square."), picture("Two squares.")]),
        new_markdown_cell(HINT),
        *more,
        new_markdown_cell("## What to keep\n\nA sum."),
    ]
    about = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    nbformat.write(new_notebook(cells=cells, metadata=about), folder / name)
    return folder / name


@pytest.fixture
def _sphinx():
    pytest.importorskip("myst_nb", reason="no Sphinx: pip install -c constraints.txt -e '.[site]'")


@pytest.mark.usefixtures("_sphinx")
def test_a_small_site_and_a_fault_that_leaves_it(tmp_path, capsys):
    out = tmp_path / "handout"
    build.work([str(lesson(tmp_path)), "--out", str(out)])
    assert "1 lessons, and every link leads somewhere" in capsys.readouterr().out
    page = (out / "04_a.html").read_text()
    assert "(4.1)" in page
    assert 'alt="One square."' in page
    assert 'alt="Two squares."' in page
    assert "Show the code" in page
    assert "<details><summary>Hint 1</summary>" in page
    assert "A lesson" in (out / "index.html").read_text()
    assert links.broken(out) == []
    files = sorted(path.name for path in out.iterdir())
    assert not [name for name in files if name.endswith(".part")]

    with pytest.raises(UserError, match=r"04_a\.ipynb.*nowhere-at-all"):
        build.build([lesson(tmp_path, new_markdown_cell("[up](#nowhere-at-all)"))], out)
    assert (out / "04_a.html").read_text() == page

    (out / "_images" / "old.png").touch()
    build.build([lesson(tmp_path, name="05_b.ipynb")], out)
    assert not (out / "04_a.html").exists()  # a page of an earlier build
    assert not (out / "_images" / "old.png").exists()
    assert (out / "05_b.html").exists()


def test_without_sphinx_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "NEEDED", ("no_such_package",))
    with pytest.raises(UserError, match=r"no_such_package is not installed.*\[site\]"):
        build.build([lesson(tmp_path)], tmp_path / "handout")


@pytest.mark.usefixtures("_sphinx")
def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"holds .*, and is no handout"):
        build.build([lesson(tmp_path)], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["04_a.ipynb", "thesis.tex"]
