"""The browser that these tests drive: the system's Chromium, without a window.

They skip, and say why, where there is no Chromium, no Playwright or no Sphinx. Screenshots stay in build/browser/.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")
SHOTS = Path(__file__).parents[2] / "build" / "browser"
PATIENCE = 240_000  # milliseconds for a page that answers at once, on a machine with nothing to spare


class Window:
    """A page in the browser, and what went wrong in it: errors of the console, and what it would have fetched."""

    def __init__(self, page: Any, home: str) -> None:
        self.page, self.wrong = page, []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", self.hear)
        page.on("request", lambda request: self.ask(request.url, home))

    def hear(self, said: Any) -> None:
        if said.type == "error":
            self.wrong.append(f"console: {said.text} ({said.location.get('url', '')})")

    def ask(self, address: str, home: str) -> None:
        if not address.startswith((home, "data:", "blob:")):
            self.wrong.append(f"fetched {address}")

    def shoot(self, name: str) -> None:
        """Keep a picture of what stands in the window."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: pip install -c constraints.txt -e '.[browser]'"
    )
    found = os.environ.get("VINPAINT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip("no Chromium: install it (apt install chromium), or name one in VINPAINT_CHROMIUM")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with driver.sync_playwright() as playwright:
        flags = [*FLAGS, *(["--no-sandbox"] if root else [])]  # Chromium refuses its sandbox to root
        running = playwright.chromium.launch(executable_path=found, args=flags, timeout=PATIENCE)
        yield running
        running.close()


@pytest.fixture
def opened(browser):
    """`with opened(address, width, scheme) as window`: an address in a new window of the browser."""

    @contextmanager
    def opening(address: str, width: int = 1280, scheme: str = "light") -> Iterator[Window]:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        home = "file://" if address.startswith("file:") else address.split("/lab")[0]
        window = Window(page, home)
        page.goto(address)
        yield window
        page.close()

    return opening
