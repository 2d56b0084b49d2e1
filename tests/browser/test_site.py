"""`make handout` with every lesson: its links without a browser, and its pages in one, opened from the folder."""

import pytest

from tests.browser.conftest import SHOTS
from vinpaint_lib.lessons import catalogue
from vinpaint_lib.lessons.handout import build, links

pytestmark = pytest.mark.slow
LESSON = "04_temporal_attention"
DRAWN = "() => !window.MathJax?.startup?.promise || document.querySelector('mjx-container')"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("myst_nb", reason="no Sphinx: pip install -c constraints.txt -e '.[site]'")
    out = tmp_path_factory.mktemp("site") / "handout"
    count = build.build([lesson.path for lesson in catalogue.listed()], out)
    assert count == len(catalogue.listed())
    return out


def findings(page):
    """What axe finds that is serious or worse."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: install the extra .[browser]")
    # it reads the styles of a page again, which a page without a server does not allow
    found = axe.Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).response["violations"]
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:200]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def test_every_link_leads_somewhere_and_every_lesson_is_there(site):
    assert links.broken(site) == []
    names = {path.stem for path in site.glob("*.html")}
    assert names == {lesson.path.stem for lesson in catalogue.listed()} | {"index", "glossary", "search"}
    for lesson in catalogue.listed():
        text = (site / f"{lesson.path.stem}.html").read_text(encoding="utf-8")
        assert "BEGIN SOLUTION" not in text
        assert text.count("Show a solution") == len(lesson.exercises)


def test_a_lesson_opens_is_drawn_and_unfolds(site, opened):
    with opened(f"file://{site}/{LESSON}.html") as window:
        page = window.page
        page.wait_for_function(DRAWN)
        assert page.locator("mjx-container svg").count() > 20
        assert page.locator(".eqno").first.inner_text().startswith("(4.1)")
        wide = page.evaluate("[...document.images].filter(i => i.complete && i.naturalWidth == 0).length")
        assert wide == 0, "pictures that did not load"
        hint = page.locator("details", has_text="Hint 1").first
        inside = hint.locator("p").first
        assert not inside.is_visible()
        hint.locator("summary").first.focus()
        page.keyboard.press("Enter")
        inside.wait_for(state="visible")
        window.shoot("site-hint-1280")
        solution = page.locator("details", has_text="Show a solution").first
        assert not solution.locator("pre").first.is_visible()
        assert findings(page) == []
        assert window.wrong == []


def test_next_leads_to_the_next_lesson(site, opened):
    with opened(f"file://{site}/index.html") as window:
        window.shoot("site-index-1280")
        assert findings(window.page) == []
        window.page.locator("article table a", has_text="00 Start here").first.click()
        window.page.wait_for_url("**/00_start_here.html")
        window.page.locator("a.right-next").click()
        window.page.wait_for_url("**/01_problem_statement.html")
        assert window.wrong == []


def test_search_finds_a_term_and_its_page(site, opened):
    with opened(f"file://{site}/search.html?q=softmax") as window:
        results = window.page.locator("ul.search li a")
        results.first.wait_for()
        found = results.evaluate_all("links => links.map(a => a.getAttribute('href').split(/[?#]/)[0])")
        assert f"{LESSON}.html" in found
        window.shoot("site-search-1280")
        assert findings(window.page) == []
        assert window.wrong == []


def test_the_dark_page_is_dark_and_keeps_its_pictures(site, opened):
    with opened(f"file://{site}/{LESSON}.html", scheme="dark") as window:
        page = window.page
        page.wait_for_function(DRAWN)
        red, green, blue = page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)"
        )
        assert max(red, green, blue) < 64
        assert page.locator(".cell_output img").first.evaluate("image => getComputedStyle(image).filter") == "none"
        page.locator("mjx-container").nth(20).scroll_into_view_if_needed()
        window.shoot("site-dark-1280")
        assert findings(page) == []
        assert window.wrong == []


@pytest.mark.parametrize("name", [LESSON, "glossary"])
def test_a_phone_shows_all_of_a_page(site, opened, name):
    with opened(f"file://{site}/{name}.html", width=400) as window:
        page = window.page
        if name == LESSON:
            page.wait_for_function(DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400  # what is wider scrolls by itself
        if name == LESSON:
            page.locator("div.math").first.scroll_into_view_if_needed()
        window.shoot(f"site-{name}-400")
        assert findings(page) == []
        assert window.wrong == []


def test_paper_shows_the_lesson_alone(site, opened):
    with opened(f"file://{site}/{LESSON}.html") as window:
        page = window.page
        page.wait_for_function(DRAWN)
        assert page.locator(".bd-sidebar-primary").first.is_visible()
        page.emulate_media(media="print")
        assert not page.locator(".bd-sidebar-primary").first.is_visible()
        assert page.locator("h1").first.is_visible()
        assert page.locator("pre").first.evaluate("block => getComputedStyle(block).whiteSpace") == "pre-wrap"
        page.pdf(path=SHOTS / "site-print.pdf")
        assert window.wrong == []
