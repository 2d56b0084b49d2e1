"""No name of training data is a published test clip: headers of weights, cards, recipes, lists, real folders."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from data_scripts import counts
from vinpaint_lib.checkpoints import read_provenance
from vinpaint_lib.datasets import heldout
from vinpaint_lib.systems.registry import COMING
from vinpaint_lib.toy.clip import PHOTOS
from vinpaint_lib.video import read_clip, write_video

ROOT = Path(__file__).parents[1]
# A DAVIS clip is called "train". The word counts only where nothing but the name of a clip or folder can stand.
ORDINARY = {"train"}
OPTIONS = re.compile(r"--(?:data|held-back|clips|photos)[ =]((?:(?!--|\\)\S+[ ]?)+)")
# Sections of pages that speak of test clips, since they were scored there.
SCORED = ("Scores", "Parts switched off", "Where it fails", "Measured")
WEIGHTS = sorted((ROOT / "vinpaint_lib").rglob("*.safetensors"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "vinpaint_lib" / "systems").rglob("*.md"))]
RECIPES = [
    ROOT / "vinpaint_lib" / "train.py",
    *sorted((ROOT / "vinpaint_lib" / "systems").glob("*/recipe.py")),
    *sorted((ROOT / "data_scripts").glob("pretrain*.py")),
    ROOT / "data_scripts" / "ship_weights.py",
]
ALIKE = 0.05  # mean difference of small grey pictures in [0, 1]; one frame in two encodings has less


@cache
def published() -> dict[str, frozenset[str]]:
    """Every published test list that the repository holds. STTN tests on all of DAVIS 2017 trainval."""
    lists = {f"{name} (library)": heldout.published_names(name) for name in heldout.LISTS}
    return lists | {name: frozenset(counts.published(name)) for name in ("davis_trainval", "youtube_vos_test")}


def breaches(names: set[str], lists: dict[str, frozenset[str]]) -> list[str]:
    """The names that a list has, in words."""
    lower = {name.lower() for name in names}
    return sorted(f"{name} is in {title}" for title, clips in lists.items() for name in lower & clips)


def words(text: str) -> set[str]:
    """Words, and names joined by hyphens."""
    return {word.lower() for word in re.findall(r"\w+(?:-\w+)*", text)}


def strings(value: Any) -> Iterator[str]:
    """All texts in JSON values, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def in_header(provenance: dict[str, Any]) -> set[str]:
    """Every word in the header of a file of weights, and "train" too where it stands for data."""
    run = provenance["run"]
    return (words(" ".join(strings(provenance))) - ORDINARY) | words(" ".join([run["data"], *run["held_back"]]))


def in_page(text: str) -> set[str]:
    """Every word of a page outside of the sections on scores, and all of the options that name data."""
    sections = re.split(r"^##? ", text, flags=re.MULTILINE)
    told = "\n".join(section for section in sections if not section.startswith(SCORED))
    return (words(told) - ORDINARY) | words(" ".join(OPTIONS.findall(told)))


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.name)
def test_headers_of_weights(path):
    provenance = read_provenance(path)
    assert provenance["run"]["data"]
    assert breaches(in_header(provenance), published()) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_cards_and_readme(path):
    assert breaches(in_page(path.read_text(encoding="utf-8")), published()) == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_recipes(path):
    assert breaches(in_page(path.read_text(encoding="utf-8")), published()) == []


def test_every_place_is_looked_at():
    assert len(WEIGHTS) >= 5
    assert {path.with_suffix(".md") for path in WEIGHTS} <= set(PAGES)
    trained = {path.parent for path in RECIPES if path.name == "recipe.py" and path.parent.name not in COMING}
    assert {path.parent for path in WEIGHTS} == trained
    assert [len(clips) for clips in published().values()] == [50, 508, 90, 508]


def test_lists_to_train_on():
    lists = {path.stem for path in (ROOT / "data_scripts" / "splits").glob("*_train.json")}
    assert lists == {"youtube_vos_train"}
    for name in lists:
        assert breaches(set(counts.published(name)), published()) == []
    assert breaches(set(PHOTOS), published()) == []


HEADER = {"run": {"data": "videos:clips", "held_back": ["room"]}, "history": ""}
PLANTED = [
    (in_header, HEADER | {"run": {"data": "videos:clips/bmx-trees", "held_back": []}}, "bmx-trees"),
    (in_header, HEADER | {"run": {"data": "videos:clips", "held_back": ["room", "train"]}}, "train"),
    (in_header, HEADER | {"history": "500 steps more on Blackswan."}, "blackswan"),
    (in_header, HEADER | {"more": [{"0070461469": 3}]}, "0070461469"),
    (in_page, "# Card\n\nData: eleven videos (bikes, dog, room).\n\n## Scores\n\nbear", "dog"),
    (in_page, "vinpaint train sttn --data toy --held-back room,train --seed 0", "train"),
    (in_page, "pretrain.py --held-back room train \\\n  --seed 0", "train"),
    (in_page, "## How it was trained\n\nOn `00bd64cb00` alone.", "00bd64cb00"),
    (in_page, 'CLIPS = ("koala",)', "koala"),
]


@pytest.mark.parametrize(("find", "source", "name"), PLANTED)
def test_a_planted_name_is_found(find, source, name):
    found = breaches(find(source), published())
    assert found
    assert all(breach.startswith(f"{name} is in ") for breach in found)


def test_what_is_no_breach():
    assert breaches(in_header(HEADER), published()) == []
    assert (
        breaches(in_page("vinpaint train sttn --data toy\n\n## Scores\n\nWorse on drift-chicane."), published()) == []
    )
    assert breaches({"dog-toy", "skateboard-dog"}, published()) == []


# Real folders


def in_folders(data: Path) -> dict[str, set[str]]:
    """Names of all that can be trained on in a folder of real data: file -> its name, and the names of its sources."""
    files = [path for part in ("clips", "clips-moving", "bsds500") for path in sorted((data / part).glob("*"))]
    found = {path.name: {path.stem.lower()} for path in files if path.name != "manifest.json"}
    manifest = data / "clips-moving" / "manifest.json"
    for entry in json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else []:
        source = Path(entry["path"])
        above = {part.lower() for part in (*Path(entry["repo"]).parts, *source.parent.parts)} - ORDINARY
        found.setdefault(f"{entry['name']}.mp4", set()).update(above | {entry["name"].lower(), source.stem.lower()})
    return found


@cache
def nearest(clip: Path, other: Path) -> float:
    """How far the most alike frames of two clips are from each other, 0 to 1."""
    small = [read_clip(path, size=(9, 16)).frames.mean(dim=1).flatten(1) for path in (clip, other)]
    return float(torch.cdist(*small, p=1).min()) / (9 * 16)


@pytest.mark.slow
def test_real_folders(real_data: Path):
    lists = {
        path.name: frozenset(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((real_data / "splits").glob("*test*.json"))
    } | published()
    found = in_folders(real_data)
    assert len(found) > 100
    for file, names in found.items():
        for breach in breaches(names, lists):
            # Another film may have the name of a test clip: then the pictures decide.
            test_clip = real_data / "davis" / "JPEGImages" / "480p" / breach.split()[0]
            assert test_clip.is_dir(), f"{file}: {breach}, and that clip is not there to compare it with"
            assert nearest(real_data / "clips-moving" / file, test_clip) > ALIKE, f"{file}: {breach}, and shows it"


def test_a_test_clip_in_real_folders_is_found(tmp_path: Path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips-moving").mkdir()
    (tmp_path / "clips" / "Bear.mp4").touch()
    entries = [
        {"name": "a", "repo": "b/c", "path": "x/bus/frames"},
        {"name": "d", "repo": "e/f", "path": "train/g.mp4"},
    ]
    (tmp_path / "clips-moving" / "manifest.json").write_text(json.dumps(entries))
    found = {file: breaches(names, published()) for file, names in in_folders(tmp_path).items()}
    assert [breach.split()[0] for breach in found["Bear.mp4"]] == ["bear", "bear"]
    assert [breach.split()[0] for breach in found["a.mp4"]] == ["bus", "bus"]
    assert found["d.mp4"] == []


@pytest.mark.slow
def test_pictures_tell_a_test_clip_from_others(davis: Path, tmp_path: Path):
    frames = davis / "JPEGImages" / "480p"
    write_video(tmp_path / "small.mp4", read_clip(frames / "dog", size=(144, 256), limit=12).frames[5:], Fraction(24))
    assert nearest(tmp_path / "small.mp4", frames / "dog") < ALIKE / 5
    assert nearest(tmp_path / "small.mp4", frames / "cows") > ALIKE
