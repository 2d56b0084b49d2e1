"""Each kind of a broken link is found, and a whole folder of pages has none."""

import pytest

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons.handout import links

WHOLE = """<html><head><link rel="stylesheet" href="_static/a.css?v=1"><script src="_static/a.js"></script></head><body>
<h1 id="top-of-it">A</h1><a name="old"></a><img src="_images/a%20b.png" alt="A square.">
<a href="#top-of-it">up</a><a href="#">top</a><a href="b.html#there">b</a><a href="b.html">b</a>
<a href="https://arxiv.org/abs/1">paper</a><img src="data:image/png;base64,AA" alt="dot"></body></html>"""


@pytest.fixture
def site(tmp_path):
    for folder, name in (("_static", "a.css"), ("_static", "a.js"), ("_images", "a b.png")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).touch()
    (tmp_path / "a.html").write_text(WHOLE)
    (tmp_path / "b.html").write_text('<p id="there">b</p><a href="a.html#old">a</a>')
    return tmp_path


def test_whole_pages_have_no_faults(site, capsys):
    assert links.broken(site) == []
    links.work([str(site)])
    assert "every link leads somewhere" in capsys.readouterr().out


@pytest.mark.parametrize(
    "planted, fault",
    [
        ('<a href="c.html">', "a.html: c.html leads to no file"),
        ('<a href="b.html#here">', "a.html: b.html#here leads to no place in b.html"),
        ('<a href="#nowhere">', "a.html: #nowhere leads to no place in a.html"),
        ('<a href="04_b.ipynb">', "a.html: 04_b.ipynb leads to no file"),
        ('<a href="/index.html">', "a.html: /index.html leads to no file"),
        ('<img src="_images/c.png" alt="c">', "a.html: _images/c.png leads to no file"),
        ('<img src="_images/a%20b.png" alt=" ">', "a.html: 1 pictures have no alt text"),
        ('<script src="https://cdn.example.org/m.js">', "m.js lies elsewhere, and would have to be fetched"),
        ('<link rel="stylesheet" href="//fonts.example.org/f.css">', "f.css lies elsewhere, and would have to be"),
        ('<a href="file:///home/me/a.html">', "file:///home/me/a.html lies elsewhere"),
    ],
)
def test_a_planted_fault_is_found(site, planted, fault):
    (site / "a.html").write_text(WHOLE.replace("</body>", f"{planted}</body>"))
    found = links.broken(site)
    assert len(found) == 1
    assert fault in found[0]
    with pytest.raises(UserError):
        links.work([str(site)])


def test_a_folder_without_pages_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no pages"):
        links.work([str(tmp_path)])
