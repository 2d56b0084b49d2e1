"""Weights that are broken, lie about themselves, belong to another model, or would run code."""

import pickle

import pytest
import torch

from tests.faults.battery import Bad, hold
from tests.faults.made import (
    Code,
    changed,
    cut,
    doubled_key,
    emptied,
    first_tensor,
    header,
    linked,
    made_folder,
    moved,
    nothing,
    pickled,
    saved,
    several,
    tensors,
    told,
    weights,
    wrote,
)

STTN = "inpaint clip --mask mask.png --out out --model sttn --weights sttn.safetensors"
PTH = "inpaint clip --mask mask.png --out out --model sttn --weights sttn.pth"
TRAIN = "train sttn --preset tiny --out out --device cpu --workers 0 --start sttn.safetensors"
SCORE = "evaluate --model sttn --data toy --limit 2 --size 48x32 --out scores.json --weights sttn.safetensors"


def nan(found):
    next(iter(found.values())).view(-1)[3] = float("nan")


def infinite(found):
    next(iter(found.values())).view(-1)[0] = float("-inf")


def taller(found):
    name = next(iter(found))
    found[name] = torch.zeros(1, *found[name].shape)


def whole_numbers(found):
    name = next(iter(found))
    found[name] = found[name].to(torch.int32)


BAD = [
    Bad("nan", tensors(nan), STTN, ""),
    Bad("infinite", tensors(infinite), STTN, ""),
    Bad("nan to begin with", tensors(nan), TRAIN, ""),
    Bad("nan to score", tensors(nan), SCORE, ""),
    Bad("another model", lambda folder: weights(folder / "sttn.safetensors", "combcn"), STTN, ""),
    Bad("another model to begin with", lambda folder: weights(folder / "sttn.safetensors", "combcn"), TRAIN, ""),
    Bad("another shape", tensors(taller), STTN, ""),
    Bad("a tensor is missing", tensors(lambda found: found.pop(next(iter(found)))), STTN, ""),
    Bad("a tensor too many", tensors(lambda found: found.update(more=torch.zeros(2))), STTN, ""),
    Bad("whole numbers", tensors(whole_numbers), STTN, ""),
    Bad("no tensors", tensors(lambda found: found.clear()), STTN, ""),
    Bad("a baseline with weights", nothing, "inpaint clip --mask mask.png --out out --model telea --weights sttn.safetensors", ""),
    Bad("code in a pickle", pickled("sttn.safetensors"), STTN, ""),
    Bad("code in a pickle to begin with", pickled("sttn.safetensors"), TRAIN, ""),
    Bad("code in a plain pickle of authors", pickled("sttn.pth"), PTH, ""),
    Bad("code in a torch file of authors", saved("sttn.pth", lambda: {"netG": Code()}), PTH, ""),
    Bad("a torch file without the key", saved("sttn.pth", lambda: {"other": 1}), PTH, ""),
    Bad("a torch file of a list", saved("sttn.pth", lambda: [1, 2]), PTH, ""),
    Bad("a torch file of words", saved("sttn.pth", lambda: {"netG": {"a": "b"}}), PTH, ""),
    Bad("a torch file of nan", saved("sttn.pth", lambda: {"netG": {"a": torch.tensor([float("nan")])}}), PTH, ""),
    Bad("a torch file cut short", several(saved("sttn.pth", lambda: {"netG": {}}), cut("sttn.pth", 0.7)), PTH, ""),
    Bad("a torch file that is empty", wrote("sttn.pth", b""), PTH, ""),
    Bad("a pickle without end", wrote("sttn.pth", pickle.dumps({"netG": [1, 2]})[:-4]), PTH, ""),
    Bad("a folder as torch file", made_folder("sttn.pth"), PTH, ""),
    Bad("safetensors named pth", moved("sttn.safetensors", "sttn.pth"), PTH, ""),
    Bad("a system without released weights", moved("sttn.safetensors", "sttn.pth"), "inpaint clip --mask mask.png --out out --model combcn --weights sttn.pth", ""),
    Bad("header longer than the file", changed("sttn.safetensors", 0, b"\xff\xff\xff\x00\x00\x00\x00\x00"), STTN, ""),
    Bad("header of 2^63 bytes", changed("sttn.safetensors", 0, b"\xff\xff\xff\xff\xff\xff\xff\x7f"), STTN, ""),
    Bad("header of no bytes", changed("sttn.safetensors", 0, bytes(8)), STTN, ""),
    Bad("header is no json", changed("sttn.safetensors", 8, b"nope"), STTN, ""),
    Bad("offsets behind the end", header(lambda found: first_tensor(found).update(data_offsets=[0, 1 << 40])), STTN, ""),
    Bad("offsets backwards", header(lambda found: first_tensor(found).update(data_offsets=[8, 0])), STTN, ""),
    Bad("offsets that overlap", header(lambda found: list(found.values())[2].update(data_offsets=first_tensor(found)["data_offsets"])), STTN, ""),
    Bad("an unknown kind of number", header(lambda found: first_tensor(found).update(dtype="F7")), STTN, ""),
    Bad("a wrong kind of number", header(lambda found: first_tensor(found).update(dtype="F64")), STTN, ""),
    Bad("a shape of 2^40", header(lambda found: first_tensor(found).update(shape=[1 << 40])), STTN, ""),
    Bad("a name twice", doubled_key, STTN, ""),
    Bad("no header of ours", header(lambda found: found.pop("__metadata__")), STTN, ""),
    Bad("a header that is no json", header(lambda found: found["__metadata__"].update(provenance="{")), STTN, ""),
    Bad("a header that is a list", header(lambda found: found["__metadata__"].update(provenance="[]")), STTN, ""),
    Bad("no model", told(lambda about: about.pop("model")), STTN, ""),
    Bad("a configuration of words", told(lambda about: about["config"].update(channels="wide")), STTN, ""),
    Bad("a configuration of lists", told(lambda about: about.update(config=[1])), STTN, ""),
    Bad("a configuration too large", told(lambda about: about["config"].update(channels=1024)), STTN, ""),
    Bad("a configuration below 0", told(lambda about: about["config"].update(channels=-4)), STTN, ""),
    Bad("cut in the header", cut("sttn.safetensors", 0.01), STTN, ""),
    Bad("cut in the tensors", cut("sttn.safetensors", 0.7), STTN, ""),
    Bad("cut to score", cut("sttn.safetensors", 0.7), SCORE, ""),
    Bad("empty", emptied("sttn.safetensors"), STTN, ""),
    Bad("empty to begin with", emptied("sttn.safetensors"), TRAIN, ""),
    Bad("text", wrote("sttn.safetensors", "these are no weights"), STTN, ""),
    Bad("a folder", several(moved("sttn.safetensors", "x"), made_folder("sttn.safetensors")), STTN, ""),
    Bad("a folder to begin with", several(moved("sttn.safetensors", "x"), made_folder("sttn.safetensors")), TRAIN, ""),
    Bad("missing", moved("sttn.safetensors", "x"), STTN, ""),
    Bad("missing to begin with", moved("sttn.safetensors", "x"), TRAIN, ""),
    Bad("a broken link", several(moved("sttn.safetensors", "x"), linked("sttn.safetensors", "gone")), STTN, ""),
    Bad("a loop of links", several(moved("sttn.safetensors", "x"), linked("sttn.safetensors", "sttn.safetensors")), STTN, ""),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_weights(bad, whole, tmp_path, capsys, monkeypatch, record_property):
    hold(bad, whole, tmp_path / "place", capsys, monkeypatch)
    record_property("fault", "bad input")
