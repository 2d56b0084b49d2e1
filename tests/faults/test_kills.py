"""`kill -9` at random moments: no final name ever holds half a file, and the next run goes on, or begins anew.

The moments are drawn over the time that a whole run takes. VINPAINT_KILLS says how many there are for each command: 2 if
it is not set, 20 with `make faults`.
"""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np
import pytest
from PIL import Image

from tests.data_scripts.local_server import Served, serving
from tests.faults.ground import LENGTH, SIZE
from vinpaint_lib.checkpoints import load_state, read_weights
from vinpaint_lib.video.sources import open_source

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("VINPAINT_KILLS", "2"))
BODY = random.Random(3).randbytes(3_000_000)
CLEARED = "what a run that was killed left half made there is removed"


class Kill(NamedTuple):
    """A command that is killed: its words, a check that no final name holds half a file, which says whether the result
    is there, and what the next run must say if `kept` finds that there is something to go on with."""

    name: str
    words: str
    check: Callable[[Path], bool]
    kept: Callable[[Path], bool] = lambda place: False
    says: str = ""


def film(place: Path) -> bool:
    out = place / "out.mp4"
    if out.exists():
        assert len(list(open_source(out).checked().pictures())) == LENGTH
    return out.exists()


def folder(place: Path) -> bool:
    found = [path for path in (place / "out").glob("*") if not path.name.startswith(".")]
    assert all(np.asarray(Image.open(path)).shape == (*SIZE, 3) for path in found)
    return len(found) == LENGTH


def training(place: Path) -> bool:
    if (place / "run" / "state.pt").exists():
        assert load_state(place / "run" / "state.pt")["step"] in (2, 4)
    if (place / "run" / "weights.safetensors").exists():
        read_weights(place / "run" / "weights.safetensors")
    for block in (place / "run").glob("*/?????/*.npy"):
        np.load(block)
    for picture in (place / "run").glob("samples/*.png"):
        Image.open(picture).load()
    return stored(place) and load_state(place / "run" / "state.pt")["step"] == 4


def stored(place: Path) -> bool:
    return (place / "run" / "state.pt").exists() and (place / "run" / "weights.safetensors").exists()


def scores(place: Path) -> bool:
    out = place / "scores.json"
    return out.exists() and bool(json.loads(out.read_text()))


def executed(place: Path) -> bool:
    out = place / "out.ipynb"
    if out.exists():
        nbformat.validate(nbformat.read(out, as_version=4))
    return out.exists()


def fetched(place: Path) -> bool:
    out = place / "weights" / "w.pth"
    if out.exists():
        assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(BODY).digest()
    return out.exists()


COMMANDS = [
    Kill("inpaint to a video", "inpaint clip --mask mask.png --out out.mp4 --model telea", film),
    Kill("inpaint to a folder", "inpaint clip --mask mask.png --out out --model telea --overwrite", folder),
    Kill(
        "train",
        "train sttn --preset tiny --steps 4 --holes blob --data videos:films --workers 0 --device cpu --out run",
        training,
        lambda place: (place / "run" / "state.pt").exists(),
        "run: goes on after step ",
    ),
    Kill("evaluate", "evaluate --model telea --data videos:films --size 64x64 --limit 6 --out scores.json", scores),
    Kill("rerun", "rerun run nb.ipynb out.ipynb", executed),
    Kill(
        "fetch",
        "fetch URL weights",
        fetched,
        lambda place: (place / "weights" / "w.pth").exists(),
        "already there",
    ),
]


@pytest.fixture(scope="module")
def address():
    with serving() as server:
        server.files["w.pth"] = Served(BODY)
        yield server.url("w.pth")


def left(place: Path) -> list[Path]:
    """Drafts that lie about."""
    return [
        path for path in place.rglob("*") if path.name.endswith((".part", ".tmp")) and path.parent.name != "weights"
    ]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_kills(command, ground, forge, address, tmp_path, record_property):
    words = command.words.replace("URL", address).split()
    shutil.copytree(ground, tmp_path / "whole")
    whole = forge.run(words, tmp_path / "whole")
    assert (whole.code, command.check(tmp_path / "whole")) == (0, True), whole.said
    draw = random.Random(command.name)
    for number in range(KILLS):
        place = tmp_path / str(number)
        shutil.copytree(ground, place)
        forge.run(words, place, kill=draw.uniform(0, whole.seconds))
        there = command.check(place)
        drafts, kept = left(place), command.kept(place)
        again = forge.run(words, place)
        assert again.code == 0, again.said
        assert command.check(place)
        assert left(place) == []
        if kept:
            assert command.says in again.said or there
        elif any(path.suffix == ".part" for path in drafts):
            assert CLEARED in again.said
        record_property("fault", "kill moment")
        record_property(
            "moment", f"{command.name}: " + ("done" if there else "kept" if kept else "drafts" if drafts else "nothing")
        )
        shutil.rmtree(place)
