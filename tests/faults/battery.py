"""Bad inputs as data, and the one rule that they are all held against.

The rule: exit code 2, one sentence on stderr, nothing on stdout, no traceback, no code that ran, and the folder as it
was. Programs run in this process, in a folder of their own, so that messages name files as the table does.
"""

import logging
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from data_scripts import download, fetch_davis, fetch_youtube_vos
from data_scripts.assets import Asset
from data_scripts.report import finish
from tests.faults.made import Spoil
from vinpaint_lib import cli, rerun


class Bad(NamedTuple):
    """A bad input: its name, what is done to the place, the command line there, and the message, in which PLACE stands
    for the folder."""

    name: str
    make: Spoil
    words: str
    said: str


def fetch(words: Sequence[str]) -> int:
    """The download of one file: its address, and the folder that it goes to."""
    address, folder = words
    asset = Asset("w", Path(address).name, (address,), "https://example.org", "MIT")
    return finish(lambda: print(download.fetch(asset, Path(folder), say=say)[0]))


def say(line: str) -> None:
    print(line, file=sys.stderr)


SCRIPTS: dict[str, Callable[[Sequence[str]], int]] = {
    "fetch": fetch,
    "fetch_davis": fetch_davis.main,
    "fetch_youtube_vos": fetch_youtube_vos.main,
}


def listing(folder: Path) -> dict[str, tuple[int, int] | None]:
    """Every entry below a folder: size and time of files, None for folders and links."""
    found: dict[str, tuple[int, int] | None] = {}
    for path in sorted(folder.rglob("*")):
        plain = path.is_file() and not path.is_symlink()
        found[str(path.relative_to(folder))] = (path.stat().st_size, path.stat().st_mtime_ns) if plain else None
    return found


def ended(words: Sequence[str]) -> int:
    """The exit code of a program that runs in this process."""
    name, *rest = words
    if name in SCRIPTS:
        return SCRIPTS[name](rest)
    try:
        if name == "rerun":
            rerun.main(rest)
        else:
            cli.main(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was said on stderr without notes; on stdout there may be a licence, which scripts tell first."""
    shown = capsys.readouterr()
    assert [line for line in shown.out.splitlines() if not line.startswith("licence: ")] == []
    lines = shown.err.strip("\n").split("\n")
    return [line for line in lines if not line.startswith("vinpaint: note: ")]


def hold(bad: Bad, whole: Path, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
    """Run a bad input in a copy of the whole place, and assert the rule."""
    shutil.copytree(whole, folder, symlinks=True)
    patch.chdir(folder)
    patch.setattr(sys, "argv", ["vinpaint"])
    patch.delenv("VINPAINT_CACHE", raising=False)
    bad.make(folder)
    before = listing(folder)
    capsys.readouterr()
    code = ended(shlex.split(bad.words))
    lines = told(capsys)
    prefix = "error: " if bad.words.split()[0] in SCRIPTS else "vinpaint: "
    assert lines == [prefix + bad.said.replace("PLACE", str(folder))], lines
    assert code == 2
    assert listing(folder) == before
    assert logging.getLogger().level == logging.WARNING
