"""A lesson in a real JupyterLab, as `make lab` opens it: Run All ends without an error, and every widget moves by
keyboard. `make test` runs one lesson; VINPAINT_ALL_IN_BROWSER=1, as in `make browser`, runs more."""

import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tests.browser.conftest import PATIENCE
from vinpaint_lib.lessons import catalogue, working_copy

pytestmark = pytest.mark.slow
LONG = 1_500_000  # milliseconds for a whole lesson, on a machine with nothing to spare
ONE, MORE = ("00_start_here",), ("04_temporal_attention", "09_attention_maps", "13_sttn")
LESSONS = ONE + (MORE if os.environ.get("VINPAINT_ALL_IN_BROWSER", "0") not in ("", "0") else ())
WITH_WIDGETS = ("09_attention_maps", "13_sttn")
IDLE = """() => document.querySelector('.jp-Toolbar-kernelName')?.textContent.includes('Python 3')
  && document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status == 'idle'
  && document.querySelector('#jp-main-statusbar')?.textContent.includes('Idle')"""
# How many cells of code have run, and -1 while some still wait. A copy comes without the numbers of its stored run.
RUN = """() => {
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent);
  return prompts.some(text => text.includes('*')) ? -1 : prompts.filter(text => /\\d/.test(text)).length;
}"""
FAULTS = '[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]'


@pytest.fixture(scope="module")
def lab(tmp_path_factory, browser):
    """The address of a server on copies of the notebooks, with the settings of `make lab`."""
    home = tmp_path_factory.mktemp("lab")
    working_copy.lay(home / "work")
    settings = home / "settings" / "labconfig"
    settings.mkdir(parents=True)
    given = (catalogue.FOLDER / "lab" / "labconfig" / "default_setting_overrides.json").read_text(encoding="utf-8")
    # all cells stand in the page, also those that are not in the window
    whole = '{\n  "@jupyterlab/notebook-extension:tracker": { "windowingMode": "none" },'
    (settings / "default_setting_overrides.json").write_text(given.replace("{", whole, 1), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    own = {name: str(home / name) for name in ("JUPYTERLAB_WORKSPACES_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    environment = {**os.environ, **own, "JUPYTER_CONFIG_PATH": str(home / "settings"), "JUPYTER_TOKEN": token}
    root = str(catalogue.FOLDER.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*command, str(home / "work")], env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=home
        )
        try:
            await_answer(f"http://127.0.0.1:{port}/api/status?token={token}", server, home / "server.log")
            yield f"http://127.0.0.1:{port}", token, home / "work"
        finally:
            server.terminate()
            server.wait(timeout=PATIENCE / 1000)


def await_answer(address: str, server: subprocess.Popen, log: Path) -> None:
    """Return when the server answers; it is asked again and again, since it says nothing when it is ready."""
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        assert server.poll() is None, f"JupyterLab ended by itself: {log.read_text()[-2000:]}"
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE / 1000):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail("JupyterLab did not answer")


def without_results(path: Path) -> int:
    """Take outputs and numbers from a copy of a lesson, so that only a new run has any; how many cells have code."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)
    return sum(bool(cell.source.strip()) for cell in cells)


def run_all(page, count: int) -> None:
    """Choose Run > Run All Cells, and wait until `count` cells have run."""
    page.wait_for_function(IDLE)  # without a kernel, Run All would ask for one
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
    page.wait_for_function(f"count => ({RUN})() == count", arg=count, timeout=LONG)


def move_every_widget(page) -> int:
    """Move each slider and each list of choices by keyboard, and see its picture change; how many there are."""
    moved = 0
    for box in page.locator(".jp-OutputArea-output .widget-vbox:has(img)").all():
        picture = box.locator("img").first
        for handle in box.locator("[role=slider], select").all():
            before = picture.get_attribute("src")
            handle.scroll_into_view_if_needed()
            handle.focus()
            for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):  # one of them leads away from the end
                page.keyboard.press(key)
                if changed(page, picture, before):
                    moved += 1
                    break
            else:
                pytest.fail(f"no key changes the picture: {handle.get_attribute('aria-label')}")
    return moved


def changed(page, picture, before: str, patience: float = 60) -> bool:
    """Whether the picture becomes another one."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if picture.get_attribute("src") != before:
            return True
        page.wait_for_timeout(50)
    return False


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_from_top_to_end_and_its_widgets_move(lab, opened, name):
    address, token, folder = lab
    count = without_results(folder / f"{name}.ipynb")
    with opened(f"{address}/lab/tree/{name}.ipynb?token={token}") as window:
        page = window.page
        run_all(page, count)
        said = page.locator(FAULTS).all_inner_texts()
        assert said == []
        assert page.locator(".jp-OutputArea-output img").count() > 3
        moved = move_every_widget(page)
        window.shoot(f"lab-{name}")
        assert moved > 0 or name not in WITH_WIDGETS
        assert window.wrong == []
