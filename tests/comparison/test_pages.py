"""Tables between marks: made again from the results, and those of README are what the results say."""

from pathlib import Path

import pytest

from tests.comparison.made_up import grid
from vinpaint_lib.comparison import index, pages, results
from vinpaint_lib.errors import UserError

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGE = """# A page

<!-- results of all.jsonl: masks=stationary protocol=clean -->
old
<!-- end of results -->

More.
"""


@pytest.fixture
def page(tmp_path):
    for line in grid({"flow": [16.0, 15.0, 19.0], "good": [17.0, 15.5, 22.0]}):
        results.append(tmp_path / "all.jsonl", line)
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_a_table_is_made_again_and_then_stays(page):
    assert pages.rewrite([page], check=True) == [page]
    assert page.read_text(encoding="utf-8") == PAGE
    assert pages.rewrite([page], check=False) == [page]
    text = page.read_text(encoding="utf-8")
    assert "| good | 18.17 [" in text
    assert (text.startswith("# A page\n\n<!-- results"), text.endswith("<!-- end of results -->\n\nMore.\n")) == (
        True,
        True,
    )
    assert "old" not in text
    assert pages.rewrite([page], check=True) == []
    page.write_text(text.replace("18.17", "18.19"), encoding="utf-8")
    assert pages.rewrite([page], check=True) == [page], "a number that was changed by hand is seen"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("<!-- end of results -->", ""), "has no '<!-- end of results -->'"),
        (("masks=stationary", "masks=moving"), "holds 0 tables with masks=moving"),
        (("all.jsonl", "none.jsonl"), "none.jsonl: cannot be read"),
    ],
)
def test_marks_that_lead_nowhere_are_refused(page, change, words):
    page.write_text(PAGE.replace(*change), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        pages.rewrite([page], check=False)
    assert page.read_text(encoding="utf-8") == PAGE.replace(*change)


def test_readme_prints_what_the_results_say():
    assert pages.MARK in README.read_text(encoding="utf-8")
    assert pages.rewrite([README], check=True) == [], "run `make tables`"


def test_the_index_says_what_the_results_say():
    folder = ROOT / "results"
    assert not index.write(folder / pages.INDEX, pages.every_line(folder), check=True), "run `make tables`"


def test_an_index_names_what_there_is(page):
    found = index.index(pages.every_line(page.parent))
    assert {"tgfnet", "tgfnet-learned", "vinet", "telea", "flow"} <= set(found)
    flow, network = found["flow"], found["tgfnet"]
    assert (flow["kind"], flow["weights"], flow["training"]) == ("baseline", None, None)
    (score,) = flow["scores"]
    assert (score["masks"], score["mean"]["hole_psnr"][0], score["rank"]) == ("stationary", 16.667, 2.0)
    assert network["scores"] == []
    assert network["paper"].startswith("Liu")
    assert len(network["weights"]["sha256"]) == 64
    assert network["training"]["run"]["preset_name"] == "laptop"


def test_results_that_are_committed_name_no_folder_of_a_machine():
    for path in (ROOT / "results").glob("*.jsonl"):
        commands = {line["run"]["command"] for line in results.read(path).lines}
        assert not [text for text in commands if ":/" in text or " /" in text or "\\" in text]


def test_the_command_line(page, capsys):
    assert pages.work(["--check", str(page)]) == 1
    assert pages.work([str(page)]) == 0
    assert pages.work(["--check", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{page}: as the results have it"
    with pytest.raises(UserError, match="give the pages"):
        pages.work(["--check"])
