"""Options that mean nothing, and outputs in places that cannot hold them."""

import pytest
import torch

from tests.faults.battery import Bad, hold
from tests.faults.made import linked, made_folder, nothing, several, wrote
from vinpaint_lib.datasets.parse import FORMS
from vinpaint_lib.holes.mix import KINDS
from vinpaint_lib.systems.registry import MODELS

NAMES, HOLES = ", ".join(MODELS), ", ".join(KINDS)

CLIP = "inpaint clip --mask mask.png --model telea --out out"
TRAIN = "train sttn --preset tiny --device cpu --workers 0 --out out"
SCORE = "evaluate --model telea --size 48x32 --limit 2 --out scores.json"


def to(out: str) -> str:
    return f"inpaint clip --mask mask.png --model telea --out {out}"


def plain(said: str, words: str, name: str = "") -> Bad:
    """A command line that is wrong by itself."""
    return Bad(name or words.removeprefix(CLIP).removeprefix(TRAIN).removeprefix(SCORE).strip(), nothing, words, said)


BAD = [
    plain("--size 0x0: is no size; write WIDTHxHEIGHT in pixels, as in 432x240", f"{CLIP} --size 0x0"),
    plain("--size -5x5: is no size; write WIDTHxHEIGHT in pixels, as in 432x240", f"{CLIP} --size -5x5"),
    plain("--size nanxnan: is no size; write WIDTHxHEIGHT in pixels, as in 432x240", f"{CLIP} --size nanxnan"),
    plain("--size 1e9x1e9: is no size; write WIDTHxHEIGHT in pixels, as in 432x240", f"{CLIP} --size 1e9x1e9"),
    plain("--size 1000000000x1000000000: is too large; give sides of at most 32767 pixels", f"{CLIP} --size 1000000000x1000000000"),
    plain("--size 9999999999999999999999999999999999999999: is too large; give sides of at most 32767 pixels", f"{CLIP} --size {'9' * 5000}x1", "a size of 5000 digits"),
    plain("--fps 0: is no frame rate; write frames a second, as in 30 or 30000/1001", f"{CLIP} --fps 0"),
    plain("--fps -1: is no frame rate; write frames a second, as in 30 or 30000/1001", f"{CLIP} --fps -1"),
    plain("--fps nan: is no frame rate; write frames a second, as in 30 or 30000/1001", f"{CLIP} --fps nan"),
    plain("--fps inf: is no frame rate; write frames a second, as in 30 or 30000/1001", f"{CLIP} --fps inf"),
    plain("--fps 1e999999999: is no frame rate; write frames a second, as in 30 or 30000/1001", f"{CLIP} --fps 1e999999999"),
    plain("--fps 1e-999999999: is no frame rate; write frames a second, as in 30 or 30000/1001", f"{CLIP} --fps 1e-999999999"),
    plain("--fps 1/0: is no frame rate; write frames a second, as in 30 or 30000/1001", f"{CLIP} --fps 1/0"),
    plain("--fps 1e12: is no frame rate; write frames a second, as in 30 or 30000/1001", "inpaint clip --mask mask.png --model telea --out out.mp4 --fps 1e12"),
    plain("--fps 1e-12: is no frame rate; write frames a second, as in 30 or 30000/1001", "inpaint clip --mask mask.png --model telea --out out.mp4 --fps 1e-12"),
    plain("a limit of 0 frames leaves nothing to do; give 1 or more", f"{CLIP} --limit 0"),
    plain("a limit of -3 frames leaves nothing to do; give 1 or more", f"{CLIP} --limit -3"),
    plain("a dilation of -1 pixels would shrink the hole; give 0 or more", f"{CLIP} --dilate -1"),
    plain("a dilation of 1000000000 pixels leaves nothing known; give 1000 or less", f"{CLIP} --dilate 1000000000"),
    plain("--margin nan: give auto, all, or pixels from 8 up, such as 200", f"{CLIP} --margin nan"),
    plain("--margin -8: give auto, all, or pixels from 8 up, such as 200", f"{CLIP} --margin -8"),
    plain("--margin 3: give auto, all, or pixels from 8 up, such as 200", f"{CLIP} --margin 3"),
    plain("--max-side 0: is too small for this model; give 1 or more", f"{CLIP} --max-side 0"),
    plain("--max-side -100: is too small for this model; give 1 or more", f"{CLIP} --max-side -100"),
    plain("--seed 1180591620717411303424: is no seed; give a whole number from 0 to 2^63 - 1", f"{CLIP} --seed {2**70}", "a seed of 2^70"),
    plain(f"--device cuda:99: this machine has none that torch {torch.__version__} can use; give cpu or auto", f"{CLIP} --device cuda:99"),
    plain("--device gpu: is not known; give auto, cpu, cuda, cuda:1 or mps", f"{CLIP} --device gpu"),
    plain(f"unknown model 'nope': choose among {NAMES}", "inpaint clip --mask mask.png --out out --model nope", "an unknown model"),
    plain(f"unknown model '': choose among {NAMES}", "inpaint clip --mask mask.png --out out --model ''", "no model"),
    plain("the word behind inpaint: is empty, as a variable that is not set would be; give a path", "inpaint '' --mask mask.png --out out --model telea", "no input"),
    plain("--mask: is empty, as a variable that is not set would be; give a path", "inpaint clip --mask '' --out out --model telea", "no name of a mask"),
    plain("--out: is empty, as a variable that is not set would be; give a path", "inpaint clip --mask mask.png --out '' --model telea", "no name of an output"),
    plain("--out: is empty, as a variable that is not set would be; give a value", "inpaint clip --mask mask.png --out= --model telea", "no name of an output behind ="),
    plain("--steps 0: leaves nothing to train; give 1 or more", f"{TRAIN} --steps 0"),
    plain("--steps -5: leaves nothing to train; give 1 or more", f"{TRAIN} --steps -5"),
    plain("--peak nan: is no learning rate; give a number above 0 and up to 1, as in 0.0005", f"{TRAIN} --peak nan"),
    plain("--peak inf: is no learning rate; give a number above 0 and up to 1, as in 0.0005", f"{TRAIN} --peak inf"),
    plain("--peak -1.0: is no learning rate; give a number above 0 and up to 1, as in 0.0005", f"{TRAIN} --peak -1"),
    plain("--peak 0.0: is no learning rate; give a number above 0 and up to 1, as in 0.0005", f"{TRAIN} --peak 0"),
    plain("a pool of 0 blocks holds no samples: ask for at least 1", f"{TRAIN} --blocks 0"),
    plain("--workers -1: is no number of processes; give 0 to 256", f"{TRAIN} --workers -1"),
    plain("--workers 100000: is no number of processes; give 0 to 256", f"{TRAIN} --workers 100000"),
    plain("--seed -1: is no seed; give a whole number from 0 to 2^63 - 1", f"{TRAIN} --seed -1"),
    plain("--seed 1180591620717411303424: is no seed; give a whole number from 0 to 2^63 - 1", f"{TRAIN} --seed {2**70}", "a seed of 2^70 for a training"),
    plain("holes: blob has the share nan; give a number above 0, or leave it out", f"{TRAIN} --holes 'blob*nan'"),
    plain("holes: blob has the share -1.0; give a number above 0, or leave it out", f"{TRAIN} --holes 'blob*-1'"),
    plain("holes: blob has the share inf; give a number above 0, or leave it out", f"{TRAIN} --holes 'blob*1e999'"),
    plain(f"holes: '' is no kind of hole; use {HOLES}", f"{TRAIN} --holes ,"),
    plain(f"'' is no source of clips; use {FORMS}, with *WEIGHT where one counts more", f"{TRAIN} --data ''"),
    plain(f"'toy*0' is no source of clips; use {FORMS}, with *WEIGHT where one counts more", f"{TRAIN} --data 'toy*0'"),
    plain(f"'toy*nan' is no source of clips; use {FORMS}, with *WEIGHT where one counts more", f"{TRAIN} --data 'toy*nan'"),
    plain(f"'toy*{'9' * 56}' is no source of clips; use {FORMS}, with *WEIGHT where one counts more", f"{TRAIN} --data 'toy*{'9' * 400},toy'", "a weight of 400 digits"),
    plain("nowhere: no such folder; check the path", f"{TRAIN} --data videos:nowhere"),
    plain("no clip of at least 3 frames and 48 pixels a side found in the training data", f"{TRAIN} --data videos:mask.png"),
    plain("mask.png: no such folder of photographs; check the path", f"{TRAIN} --data photos:mask.png"),
    plain("clip/JPEGImages/480p: no such folder; give the folder that holds JPEGImages", f"{TRAIN} --data davis:clip"),
    plain("no clip is called nobody; the names are astronaut, coffee, chelsea, rocket, motorcycle, hubble", f"{TRAIN} --held-back nobody"),
    plain("no training recipe for model 'telea': choose one of tgfnet, sttn, combcn, vinet, align_attend, cpnet, dfvi, painter", "train telea --out out --device cpu", "a training of a baseline"),
    plain("unknown preset 'nope': choose one of tiny, laptop, laptop-aligned, gpu, paper", "train sttn --preset nope --out out --device cpu", "an unknown preset"),
    Bad("text among photographs", wrote("photos/a.jpg", "text"), f"{TRAIN} --data photos:photos", "1 training file cannot be used: photos/a.jpg: cannot be read as a picture (cannot identify image file 'photos/a.jpg'); replace or remove what is broken"),
    Bad("no film among films", wrote("films/a.mp4", "text"), f"{TRAIN} --data videos:films", "1 training file cannot be used: films/a.mp4: cannot be read as a video (Invalid data found when processing input); replace or remove what is broken"),
    Bad("a loop among films", several(made_folder("films"), linked("films/a.mp4", "a.mp4")), f"{TRAIN} --data videos:films", "1 training file cannot be used: films/a.mp4: cannot be read (Too many levels of symbolic links); replace or remove what is broken"),
    Bad("a broken link among photographs", several(made_folder("photos"), linked("photos/a.png", "gone")), f"{TRAIN} --data photos:photos", "photos/a.png: is a link to nothing and no picture; replace or remove it"),
    plain("--limit 0: leaves no frames to score; give 1 or more, or None for all", "evaluate --model telea --data toy --limit 0 --out scores.json", "no frames to score"),
    plain("--limit -2: leaves no frames to score; give 1 or more, or None for all", "evaluate --model telea --data toy --limit -2 --out scores.json", "-2 frames to score"),
    plain("--size 0x0: is no size; write WIDTHxHEIGHT in pixels, as in 432x240", "evaluate --model telea --data toy --size 0x0"),
    plain("--size 2x2: is too small to score; give sides of 8 pixels or more", "evaluate --model telea --data toy --size 2x2 --limit 2"),
    plain("--size 100000x100000: is too large; give sides of at most 32767 pixels", "evaluate --model telea --data toy --size 100000x100000 --limit 2"),
    plain(f"--model : names no model; choose among {NAMES}", "evaluate --model '' --data toy", "no models"),
    plain(f"unknown model 'nope': choose among {NAMES}", "evaluate --model nope --data toy", "an unknown model to score"),
    plain("--seed -1: is no seed; give a whole number from 0 to 2^63 - 1", f"{SCORE} --data toy --seed -1"),
    plain("--masks nope: is not known; use one of stationary, watermark, moving, object, fvi:PATH", f"{SCORE} --data toy --masks nope"),
    plain("nowhere: no such folder of masks; give fvi:PATH with one folder for each clip in PATH", f"{SCORE} --data toy --masks fvi:nowhere"),
    plain("no clip is called nobody; the names are astronaut, coffee, chelsea, rocket, motorcycle, hubble", f"{SCORE} --data toy --clips nobody"),
    plain("--out clip: cannot hold the table; give the name of a .json file", "evaluate --model telea --data toy --out clip"),
    plain("--out scores.txt: cannot hold the table; give the name of a .json file", "evaluate --model telea --data toy --out scores.txt"),
    plain("mask.png/scores.json: PLACE/mask.png is no folder, and nothing can be made in it; give another place", "evaluate --model telea --data toy --out mask.png/scores.json"),
    plain("--ablation dfvi: is no system with a table of parts; use one of tgfnet, sttn, combcn, vinet, align_attend", "evaluate --ablation dfvi --data toy"),
    plain("mask.png: is the mask itself; give another name", to("mask.png")),
    plain("film.mp4/inner: PLACE/film.mp4 is no folder, and nothing can be made in it; give another place", to("film.mp4/inner")),
    plain("clip: is the input itself; give another name", to("clip")),
    plain("out.txt: '.txt' cannot be written; give .mp4, .m4v, .mov, .mkv, .png, or a folder name without a dot", to("out.txt")),
    plain("out.mp4.part: '.part' cannot be written; give .mp4, .m4v, .mov, .mkv, .png, or a folder name without a dot", to("out.mp4.part")),
    plain("/proc/out: the folder /proc cannot be written to (No such file or directory); give another, or change its rights", to("/proc/out")),
    plain("/dev/null: is a file, a folder of pictures cannot be written over it; give another name", to("/dev/null")),
    plain("/dev/full: is a file, a folder of pictures cannot be written over it; give another name", to("/dev/full")),
    plain(f"{'x' * 300}: cannot be used (File name too long); check the path and its rights", to("x" * 300), "an endless name of an output"),
    plain(f"{'x' * 300}...: cannot be used (File name too long); check the path and its rights", to(f"{'x' * 300}.mp4"), "an endless name of a film"),
    plain(f"{'a/' * 150}...: cannot be used (File name too long); check the path and its rights", to("a" + "/a" * 2500), "an endless path"),
    Bad("an output that is a loop of links", linked("out", "out"), to("out"), "out: is a link that leads back to itself; remove it, or give another name"),
    Bad("a film that is a loop of links", linked("out.mp4", "out.mp4"), to("out.mp4"), "out.mp4: is a link that leads back to itself; remove it, or give another name"),
    Bad("an output below a loop of links", linked("a", "a"), to("a/out"), "a/out: PLACE/a is no folder, and nothing can be made in it; give another place"),
    Bad("an output that holds more than pictures", wrote("out/a.txt", "a"), f"{CLIP} --overwrite", "out: holds more than pictures (a.txt) and is not replaced; give a new name"),
    Bad("an output that is not empty", wrote("out/a.png", "a"), CLIP, "out: the folder is not empty; give a new name, or --overwrite to replace its pictures"),
    Bad("a training into a file", wrote("out", "a"), TRAIN, "out: is a file, a folder cannot be written over it; give another name"),
    Bad("a training below a file", wrote("a", "a"), TRAIN.replace("--out out", "--out a/out"), "a/out: PLACE/a is no folder, and nothing can be made in it; give another place"),
    Bad("a training into a loop of links", linked("out", "out"), TRAIN, "out: is a link that leads back to itself; remove it, or give another name"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_options(bad, whole, tmp_path, capsys, monkeypatch, record_property):
    hold(bad, whole, tmp_path / "place", capsys, monkeypatch)
    record_property("fault", "bad input")
