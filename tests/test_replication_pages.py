"""The pages of docs/replication: one for each system, with the same parts, living links, and measured numbers."""

import re
from pathlib import Path

import pytest

from vinpaint_lib.systems import registry

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "replication"
SYSTEMS = [name for name in registry.NAMES if name != "painter"]  # the painter is of no paper
PARTS = ("Claimed", "Rebuilt, and from which source", "Holds", "Easy", "Hard", "Needed to say more")


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_page_has_its_parts_in_order_and_is_one_page(name):
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [part for part in PARTS if any(head.startswith(part) for head in heads)] == list(PARTS)
    assert len(text.split()) <= 600
    assert f"`systems/{name}/`" in text


@pytest.mark.parametrize("page", ["README", *SYSTEMS])
def test_links_lead_to_files(page):
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (PAGES / link).exists(), link
    assert page == "README" or f"]({page}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SYSTEMS)
def test_scores_in_the_hole_are_those_of_readme_and_card(name):
    """Two decimals and dB: such a number is measured, or stands in a sentence that names the published table."""
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    card = registry.KNOWN[name].weights[name].with_suffix(".md")
    measured = (ROOT / "README.md").read_text(encoding="utf-8") + (card.read_text("utf-8") if card.exists() else "")
    for sentence in re.split(r"(?<=\.)\s+(?=[A-Z-])", text):
        if "Table" not in sentence:
            for number in re.findall(r"\b\d\d\.\d\d\b", sentence):
                assert number in measured, sentence
