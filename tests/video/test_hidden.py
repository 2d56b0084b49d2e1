"""What file managers and archivers leave in a folder is passed over, wherever folders are read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vinpaint_lib.datasets import DavisFolder, PhotoMotion, SintelFolder, VideoFolder, YouTubeVosFolder
from vinpaint_lib.errors import UserError
from vinpaint_lib.video.hidden import is_hidden, visible
from vinpaint_lib.video.sources import open_source

LEFT = (
    "._00000.png", ".DS_Store", ".git/a.png", "__MACOSX/._00000.png", "__macosx/00000.png", "Thumbs.db", "desktop.ini",
    "@eaDir/00000.png", "$RECYCLE.BIN/a.mp4", "lost+found/a.png", "System Volume Information/b.png",
    ".ipynb_checkpoints/00000.png",
)  # fmt: skip


def litter(folder: Path) -> None:
    """Leave in a folder what systems leave there."""
    for name in LEFT:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\0\5\26\7")


def frames(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True)
    for t in range(count):
        Image.fromarray(np.full((24, 40, 3), 20 * t, np.uint8)).save(folder / f"{t:05d}.png")
    return folder


@pytest.mark.parametrize("name", [name.split("/")[0] for name in LEFT])
def test_the_names_of_systems_are_hidden(name):
    assert is_hidden(Path("a") / name)


@pytest.mark.parametrize("name", ["00000.png", "MACOSX", "a.DS_Store", "_x", "thumbs", "~a.png", "__pycache__"])
def test_other_names_are_not(name):
    assert not is_hidden(Path(".hidden") / name)


def test_visible_entries_are_sorted(tmp_path):
    litter(frames(tmp_path / "a"))
    assert [entry.name for entry in visible(tmp_path / "a")] == ["00000.png", "00001.png", "00002.png"]


def test_every_reader_of_folders_passes_them_over(tmp_path):
    litter(frames(tmp_path / "videos" / "walk"))
    litter(tmp_path / "videos")
    assert VideoFolder(tmp_path / "videos").names == ["walk"]
    assert VideoFolder(tmp_path / "videos").frames(0) == 3
    assert VideoFolder(tmp_path / "videos").describe() == {"kind": "videos", "clips": [["walk", 3]]}
    assert open_source(tmp_path / "videos" / "walk").length == 3
    assert PhotoMotion(tmp_path / "videos" / "walk").names == ["00000", "00001", "00002"]
    for kind, inner in ((DavisFolder, "480p"), (YouTubeVosFolder, "")):
        root = tmp_path / kind.__name__
        for part in ("JPEGImages", "Annotations"):
            litter(frames(root / part / inner / "walk"))
            litter(root / part / inner)
        assert kind(root).names == ["walk"]
        assert kind(root).annotated(0) == [0, 1, 2]
        assert kind(root).load(0).masks.any()
    litter(frames(tmp_path / "sintel" / "training" / "clean" / "alley"))
    litter(tmp_path / "sintel" / "training" / "clean")
    assert SintelFolder(tmp_path / "sintel").names == ["alley"]


def test_a_folder_of_nothing_else_has_no_pictures(tmp_path):
    litter(tmp_path)
    for read in (PhotoMotion, open_source, VideoFolder):
        with pytest.raises(UserError) as error:
            read(tmp_path)
        assert "MACOSX" not in str(error.value)
