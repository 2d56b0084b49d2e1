"""What Sphinx is told about the handout. `build.py` names the folder of this file to it."""

from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

LESSON = 2  # digits that the name of a lesson's page begins with

project = "vinpaint"
author = "the vinpaint authors"
language = "en"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
root_doc = "index"
smartquotes = False  # the text stays as it was written
nitpicky = True  # a reference that leads nowhere is a warning, and a warning ends the build

nb_execution_mode = "off"  # the stored outputs are those that the tests hold
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# One script without fonts: it draws formulas as SVG, which works for a page that no server hands out.
_found = find_spec("sphinx-mathjax-offline")
_mathjax = Path(str(_found.origin)).parent / "static" / "mathjax" if _found else Path()
mathjax_path = "tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "sphinx_book_theme"
html_title = "vinpaint: the lessons"
html_static_path = ["static", str(_mathjax / mathjax_path)]
html_css_files = ["handout.css"]
html_js_files = ["handout.js"]
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_domain_indices = False
html_use_index = False
html_show_search_summary = False  # a page that no server hands out cannot read the others
html_theme_options = {
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "toc_title": "On this page",
    "search_bar_text": "Search the lessons",
}


def number_by_lesson(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write (4.1) for the first equation of lesson 04: the papers' own numbers, as (1), stand in some texts."""
    if docname[:LESSON].isdigit():
        for node in doctree.findall(nodes.math_block):
            if node.get("number"):
                node["number"] = f"{int(docname[:LESSON])}.{node['number']}"


def setup(app: Sphinx) -> None:
    """What Sphinx calls first."""
    app.connect("doctree-resolved", number_by_lesson)
