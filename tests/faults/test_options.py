"""Options that mean nothing, and outputs in places that cannot hold them."""

import pytest

from tests.faults.battery import Bad, hold
from tests.faults.made import Spoil, linked, made_folder, nothing, several, wrote

CLIP = "inpaint clip --mask mask.png --model telea --out out"
TRAIN = "train sttn --preset tiny --device cpu --workers 0 --out out"
SCORE = "evaluate --model telea --size 48x32 --limit 2 --out scores.json"


def to(out: str) -> str:
    return f"inpaint clip --mask mask.png --model telea --out {out}"


def plain(words: str, name: str = "") -> Bad:
    """A command line that is wrong by itself."""
    return Bad(name or words.removeprefix(CLIP).removeprefix(TRAIN).removeprefix(SCORE).strip(), nothing, words, "")


BAD = [
    plain(f"{CLIP} --size 0x0"),
    plain(f"{CLIP} --size -5x5"),
    plain(f"{CLIP} --size nanxnan"),
    plain(f"{CLIP} --size 1e9x1e9"),
    plain(f"{CLIP} --size 1000000000x1000000000"),
    plain(f"{CLIP} --size {'9' * 5000}x1", "a size of 5000 digits"),
    plain(f"{CLIP} --fps 0"),
    plain(f"{CLIP} --fps -1"),
    plain(f"{CLIP} --fps nan"),
    plain(f"{CLIP} --fps inf"),
    plain(f"{CLIP} --fps 1e999999999"),
    plain(f"{CLIP} --fps 1e-999999999"),
    plain(f"{CLIP} --fps 1/0"),
    plain("inpaint clip --mask mask.png --model telea --out out.mp4 --fps 1e12"),
    plain("inpaint clip --mask mask.png --model telea --out out.mp4 --fps 1e-12"),
    plain(f"{CLIP} --limit 0"),
    plain(f"{CLIP} --limit -3"),
    plain(f"{CLIP} --dilate -1"),
    plain(f"{CLIP} --dilate 1000000000"),
    plain(f"{CLIP} --margin nan"),
    plain(f"{CLIP} --margin -8"),
    plain(f"{CLIP} --margin 3"),
    plain(f"{CLIP} --max-side 0"),
    plain(f"{CLIP} --max-side -100"),
    plain(f"{CLIP} --seed {2**70}", "a seed of 2^70"),
    plain(f"{CLIP} --device cuda:99"),
    plain(f"{CLIP} --device gpu"),
    plain("inpaint clip --mask mask.png --out out --model nope", "an unknown model"),
    plain("inpaint clip --mask mask.png --out out --model ''", "no model"),
    plain("inpaint '' --mask mask.png --out out --model telea", "no input"),
    plain("inpaint clip --mask '' --out out --model telea", "no name of a mask"),
    plain("inpaint clip --mask mask.png --out '' --model telea", "no name of an output"),
    plain("inpaint clip --mask mask.png --out= --model telea", "no name of an output behind ="),
    plain(f"{TRAIN} --steps 0"),
    plain(f"{TRAIN} --steps -5"),
    plain(f"{TRAIN} --peak nan"),
    plain(f"{TRAIN} --peak inf"),
    plain(f"{TRAIN} --peak -1"),
    plain(f"{TRAIN} --peak 0"),
    plain(f"{TRAIN} --blocks 0"),
    plain(f"{TRAIN} --workers -1"),
    plain(f"{TRAIN} --workers 100000"),
    plain(f"{TRAIN} --seed -1"),
    plain(f"{TRAIN} --seed {2**70}", "a seed of 2^70 for a training"),
    plain(f"{TRAIN} --holes 'blob*nan'"),
    plain(f"{TRAIN} --holes 'blob*-1'"),
    plain(f"{TRAIN} --holes 'blob*1e999'"),
    plain(f"{TRAIN} --holes ,"),
    plain(f"{TRAIN} --data ''"),
    plain(f"{TRAIN} --data 'toy*0'"),
    plain(f"{TRAIN} --data 'toy*nan'"),
    plain(f"{TRAIN} --data 'toy*{'9' * 400},toy'", "a weight of 400 digits"),
    plain(f"{TRAIN} --data videos:nowhere"),
    plain(f"{TRAIN} --data videos:mask.png"),
    plain(f"{TRAIN} --data photos:mask.png"),
    plain(f"{TRAIN} --data davis:clip"),
    plain(f"{TRAIN} --held-back nobody"),
    plain("train telea --out out --device cpu", "a training of a baseline"),
    plain("train sttn --preset nope --out out --device cpu", "an unknown preset"),
    Bad("text among photographs", wrote("photos/a.jpg", "text"), f"{TRAIN} --data photos:photos", ""),
    Bad("no film among films", wrote("films/a.mp4", "text"), f"{TRAIN} --data videos:films", ""),
    Bad("a loop among films", several(made_folder("films"), linked("films/a.mp4", "a.mp4")), f"{TRAIN} --data videos:films", ""),
    Bad("a broken link among photographs", several(made_folder("photos"), linked("photos/a.png", "gone")), f"{TRAIN} --data photos:photos", ""),
    plain("evaluate --model telea --data toy --limit 0 --out scores.json", "no frames to score"),
    plain("evaluate --model telea --data toy --limit -2 --out scores.json", "-2 frames to score"),
    plain("evaluate --model telea --data toy --size 0x0"),
    plain("evaluate --model telea --data toy --size 2x2 --limit 2"),
    plain("evaluate --model telea --data toy --size 100000x100000 --limit 2"),
    plain("evaluate --model '' --data toy", "no models"),
    plain("evaluate --model nope --data toy", "an unknown model to score"),
    plain(f"{SCORE} --data toy --seed -1"),
    plain(f"{SCORE} --data toy --masks nope"),
    plain(f"{SCORE} --data toy --masks fvi:nowhere"),
    plain(f"{SCORE} --data toy --clips nobody"),
    plain("evaluate --model telea --data toy --out clip"),
    plain("evaluate --model telea --data toy --out scores.txt"),
    plain("evaluate --model telea --data toy --out mask.png/scores.json"),
    plain("evaluate --ablation sttn --data toy"),
    plain(to("mask.png")),
    plain(to("film.mp4/inner")),
    plain(to("clip")),
    plain(to("out.txt")),
    plain(to("out.mp4.part")),
    plain(to("/proc/out")),
    plain(to("/dev/null")),
    plain(to("/dev/full")),
    plain(to("x" * 300), "an endless name of an output"),
    plain(to(f"{'x' * 300}.mp4"), "an endless name of a film"),
    plain(to("a" + "/a" * 2500), "an endless path"),
    Bad("an output that is a loop of links", linked("out", "out"), to("out"), ""),
    Bad("a film that is a loop of links", linked("out.mp4", "out.mp4"), to("out.mp4"), ""),
    Bad("an output below a loop of links", linked("a", "a"), to("a/out"), ""),
    Bad("an output that holds more than pictures", wrote("out/a.txt", "a"), f"{CLIP} --overwrite", ""),
    Bad("an output that is not empty", wrote("out/a.png", "a"), CLIP, ""),
    Bad("a training into a file", wrote("out", "a"), TRAIN, ""),
    Bad("a training below a file", wrote("a", "a"), TRAIN.replace("--out out", "--out a/out"), ""),
    Bad("a training into a loop of links", linked("out", "out"), TRAIN, ""),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_options(bad, whole, tmp_path, capsys, monkeypatch, record_property):
    hold(bad, whole, tmp_path / "place", capsys, monkeypatch)
    record_property("fault", "bad input")
