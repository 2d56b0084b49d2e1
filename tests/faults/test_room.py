"""A full disk, a read-only place, few open files: one sentence, no half files, and the next run with room goes on.

A full disk is a small file system in memory where one may be mounted. Everywhere, a limit for the size of files stands
for a full quota: the system then refuses the bytes behind it.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from vinpaint_lib.checkpoints import load_state

pytestmark = pytest.mark.slow

OUTS = {
    "inpaint to a video": ("inpaint clip --mask mask.png --out OUT/out.mp4 --model telea", "out.mp4"),
    "inpaint to a folder": ("inpaint clip --mask mask.png --out OUT/out --model telea", "out"),
    "train": (
        "train sttn --preset tiny --steps 4 --holes blob --data videos:films --workers 0 --device cpu --out OUT/run",
        "run/weights.safetensors",
    ),
    "evaluate": (
        "evaluate --model telea --data videos:films --size 64x64 --limit 6 --out OUT/scores.json",
        "scores.json",
    ),
    "rerun": ("rerun run nb.ipynb OUT/out.ipynb", "out.ipynb"),
}
ROOM = {"inpaint to a video": 1000, "inpaint to a folder": 3000, "train": 100_000, "evaluate": 500, "rerun": 50_000}


@pytest.fixture
def small(tmp_path):
    """A function that mounts a file system of so many bytes; skipped where that is not allowed."""
    mounted = []

    def mount(size: int, name: str = "small") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes=1000", "tmpfs", str(folder)]
        if shutil.which("mount") is None or os.geteuid() or subprocess.run(words, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here: that needs root and its rights")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def left(place: Path) -> list[str]:
    """Files that nobody gave a final name."""
    return [path.name for path in place.rglob("*") if path.name.endswith((".part", ".tmp", ".lock"))]


def sentence(said: str) -> str:
    """The last line, which must be the only one of a fault."""
    assert "Traceback" not in said
    assert "a fault of vinpaint" not in said
    return said.strip().splitlines()[-1]


@pytest.mark.parametrize("name", OUTS)
def test_a_quota_that_is_full(name, forge, ground, tmp_path):
    words, result = OUTS[name]
    out = tmp_path / "out"
    out.mkdir()
    ended = forge.run(words.replace("OUT", str(out)).split(), ground, fsize=ROOM[name])
    assert ended.code in (1, 2)
    assert any(word in sentence(ended.said) for word in ("no room left", "File too large")), ended.said
    assert not (out / result).exists() or list((out / result).iterdir()) == []
    assert left(out) == []
    again = forge.run(words.replace("OUT", str(out)).split(), ground)
    assert again.code == 0, again.said
    assert (out / result).exists()


@pytest.mark.parametrize("name", OUTS)
def test_a_full_disk(name, forge, ground, small):
    words, result = OUTS[name]
    out = small(1 << 20)
    filler = out / "filler"
    filler.write_bytes(bytes((1 << 20) - ROOM[name] // 4096 * 4096 - 4096))
    ended = forge.run(words.replace("OUT", str(out)).split(), ground)
    assert ended.code in (1, 2)
    assert any(word in sentence(ended.said) for word in ("no room left", "No space left")), ended.said
    assert not (out / result).exists() or list((out / result).iterdir()) == []
    assert left(out) == []


def test_a_training_whose_disk_fills_up_keeps_its_last_step(forge, ground, tmp_path):
    words = OUTS["train"][0].replace("OUT", str(tmp_path)).split()
    short = [*words, "--steps", "2"]
    assert forge.run(short, ground).code == 0
    before = (tmp_path / "run" / "state.pt").read_bytes()
    ended = forge.run([*words, "--steps", "6"], ground, fsize=len(before) - 1)
    assert "there is no room left on the disk, and step 2 is stored" in sentence(ended.said)
    assert ended.code == 2
    assert (tmp_path / "run" / "state.pt").read_bytes() == before
    assert forge.run([*words, "--steps", "6"], ground).code == 0
    assert load_state(tmp_path / "run" / "state.pt")["step"] == 6
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", OUTS)
def test_a_read_only_place(name, forge, ground, small):
    words, _ = OUTS[name]
    out = small(1 << 20)
    subprocess.run(["mount", "-o", "remount,ro", str(out)], check=True)
    ended = forge.run(words.replace("OUT", str(out)).split(), ground)
    assert ended.code == 2
    assert f"the folder {out} cannot be written to (Read-only file system)" in sentence(ended.said)
    assert list(out.iterdir()) == []


# With two files a kernel starts and dies, and what it then says depends on where.
@pytest.mark.parametrize(("name", "files"), [(name, n) for name in OUTS for n in (0, 2) if (name, n) != ("rerun", 2)])
def test_few_open_files(name, files, forge, ground, tmp_path):
    words, result = OUTS[name]
    out = tmp_path / "out"
    out.mkdir()
    ended = forge.run(words.replace("OUT", str(out)).split(), ground, nofile=files)
    if ended.code:
        assert ended.code in (1, 2)
        assert any(word in sentence(ended.said) for word in ("oo many files are open", "oo many open files")), (
            ended.said
        )
        assert not (out / result).exists() or list((out / result).iterdir()) == []
        assert left(out) == []
    else:
        assert (out / result).exists()
