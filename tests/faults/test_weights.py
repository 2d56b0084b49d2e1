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


def shift(about):
    about["data_offsets"] = [place - 4 for place in about["data_offsets"]]


def infinite(found):
    next(iter(found.values())).view(-1)[0] = float("-inf")


def taller(found):
    name = next(iter(found))
    found[name] = torch.zeros(1, *found[name].shape)


def whole_numbers(found):
    name = next(iter(found))
    found[name] = found[name].to(torch.int32)


BAD = [
    Bad(
        "nan",
        tensors(nan),
        STTN,
        "sttn.safetensors: tensor net.decoder.0.conv.bias holds NaN or infinite numbers, so its training went wrong or the file is damaged; give other weights",
    ),
    Bad(
        "infinite",
        tensors(infinite),
        STTN,
        "sttn.safetensors: tensor net.decoder.0.conv.bias holds NaN or infinite numbers, so its training went wrong or the file is damaged; give other weights",
    ),
    Bad(
        "nan to begin with",
        tensors(nan),
        TRAIN,
        "sttn.safetensors: tensor net.decoder.0.conv.bias holds NaN or infinite numbers, so its training went wrong or the file is damaged; give other weights",
    ),
    Bad(
        "nan to score",
        tensors(nan),
        SCORE,
        "sttn.safetensors: tensor net.decoder.0.conv.bias holds NaN or infinite numbers, so its training went wrong or the file is damaged; give other weights",
    ),
    Bad(
        "another model",
        lambda folder: weights(folder / "sttn.safetensors", "combcn"),
        STTN,
        "sttn.safetensors: holds weights of 'combcn', not of sttn",
    ),
    Bad(
        "another model to begin with",
        lambda folder: weights(folder / "sttn.safetensors", "combcn"),
        TRAIN,
        "sttn.safetensors: tensor net.transformer.0.attention.query_embedding.weight is missing; these are the weights of another model or configuration",
    ),
    Bad(
        "another shape",
        tensors(taller),
        STTN,
        "sttn.safetensors: tensor net.decoder.0.conv.bias has shape (1, 8) instead of (8,); these are the weights of another configuration",
    ),
    Bad(
        "a tensor is missing",
        tensors(lambda found: found.pop(next(iter(found)))),
        STTN,
        "sttn.safetensors: tensor net.decoder.0.conv.bias is missing; these are the weights of another model or configuration",
    ),
    Bad(
        "a tensor too many",
        tensors(lambda found: found.update(more=torch.zeros(2))),
        STTN,
        "sttn.safetensors: tensor more is not part of this model; these are the weights of another one",
    ),
    Bad(
        "whole numbers",
        tensors(whole_numbers),
        STTN,
        "sttn.safetensors: tensor net.decoder.0.conv.bias holds int32 and no weights; it is the file of another model",
    ),
    Bad(
        "no tensors",
        tensors(lambda found: found.clear()),
        STTN,
        "sttn.safetensors: tensor net.transformer.0.attention.query_embedding.weight is missing; these are the weights of another model or configuration",
    ),
    Bad(
        "a baseline with weights",
        nothing,
        "inpaint clip --mask mask.png --out out --model telea --weights sttn.safetensors",
        "sttn.safetensors: the baseline telea has no weights; leave --weights away",
    ),
    Bad(
        "code in a pickle",
        pickled("sttn.safetensors"),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: header too large); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "code in a pickle to begin with",
        pickled("sttn.safetensors"),
        TRAIN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: header too large); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "code in a plain pickle of authors",
        pickled("sttn.pth"),
        PTH,
        "sttn.pth: is no plain file of tensors, it could run code when loaded as a pickle; it was not loaded",
    ),
    Bad(
        "code in a torch file of authors",
        saved("sttn.pth", lambda: {"netG": Code()}),
        PTH,
        "sttn.pth: would run code (io.open) when loaded as a pickle; it was not loaded",
    ),
    Bad(
        "a torch file without the key",
        saved("sttn.pth", lambda: {"other": 1}),
        PTH,
        "sttn.pth: has no 'netG' with weights in it (but other); it is the file of another model",
    ),
    Bad(
        "a torch file of a list",
        saved("sttn.pth", lambda: [1, 2]),
        PTH,
        "sttn.pth: has no 'netG' with weights in it (but list); it is the file of another model",
    ),
    Bad(
        "a torch file of words",
        saved("sttn.pth", lambda: {"netG": {"a": "b"}}),
        PTH,
        "sttn.pth: netG.a is no tensor of weights; it is the file of another model",
    ),
    Bad(
        "a torch file of nan",
        saved("sttn.pth", lambda: {"netG": {"a": torch.tensor([float("nan")])}}),
        PTH,
        "sttn.pth: tensor netG.a holds NaN or infinite numbers, so its training went wrong or the file is damaged; give other weights",
    ),
    Bad(
        "a torch file cut short",
        several(saved("sttn.pth", lambda: {"netG": {}}), cut("sttn.pth", 0.7)),
        PTH,
        "sttn.pth: cannot be read as a torch file; download it again",
    ),
    Bad(
        "a torch file that is empty",
        wrote("sttn.pth", b""),
        PTH,
        "sttn.pth: cannot be read as a torch file; download it again",
    ),
    Bad(
        "a pickle without end",
        wrote("sttn.pth", pickle.dumps({"netG": [1, 2]})[:-4]),
        PTH,
        "sttn.pth: is no plain file of tensors, it could run code when loaded as a pickle; it was not loaded",
    ),
    Bad(
        "a folder as torch file", made_folder("sttn.pth"), PTH, "sttn.pth: is no file but a folder; give the file in it"
    ),
    Bad(
        "safetensors named pth",
        moved("sttn.safetensors", "sttn.pth"),
        PTH,
        "sttn.pth: is no plain file of tensors, it could run code when loaded as a pickle; it was not loaded",
    ),
    Bad(
        "a system without released weights",
        moved("sttn.safetensors", "sttn.pth"),
        "inpaint clip --mask mask.png --out out --model combcn --weights sttn.pth",
        "sttn.pth: there are no released weights of 'combcn' to read; choose sttn, vinet",
    ),
    Bad(
        "header longer than the file",
        changed("sttn.safetensors", 0, b"\xff\xff\xff\x00\x00\x00\x00\x00"),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid header length); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "header of 2^63 bytes",
        changed("sttn.safetensors", 0, b"\xff\xff\xff\xff\xff\xff\xff\x7f"),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: header too large); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "header of no bytes",
        changed("sttn.safetensors", 0, bytes(8)),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid JSON in header: EOF while parsing a value at line 1 column 0); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "header is no json",
        changed("sttn.safetensors", 8, b"nope"),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid JSON in header: expected ident at line 1 column 2); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "offsets behind the end",
        header(lambda found: first_tensor(found).update(data_offsets=[0, 1 << 40])),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid shape, data type, or offset for tensor); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "offsets backwards",
        header(lambda found: first_tensor(found).update(data_offsets=[8, 0])),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid offset for tensor `net.decoder.0.conv.bias`); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "offsets that overlap",
        header(lambda found: shift(list(found.values())[3])),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid offset for tensor `net.decoder.2.bias`); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "an unknown kind of number",
        header(lambda found: first_tensor(found).update(dtype="F7")),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid JSON in header: unknown variant `F7`, expected one of `BOOL`, `F4`, `F6_E2M3`, `F6_E3M2`, `U8`, `I8`, `F8_E5M2`, `F8_E4M3`, `F8_E8M0`, `F8_E4M3FNUZ`, `F8_E5M2FNUZ`, `I16`, `U16`, `F16`, `BF16`, `I32`, `U32`, `F32`, `C64`, `F64`, `I64`, `U64` at line 1 column 4603); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "a wrong kind of number",
        header(lambda found: first_tensor(found).update(dtype="F64")),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid shape, data type, or offset for tensor); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "a shape of 2^40",
        header(lambda found: first_tensor(found).update(shape=[1 << 40])),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid shape, data type, or offset for tensor); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "a name twice",
        doubled_key,
        STTN,
        "sttn.safetensors: not a weights file of this project (its header names net.decoder.0.conv.bias twice); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "no header of ours",
        header(lambda found: found.pop("__metadata__")),
        STTN,
        "sttn.safetensors: not a weights file of this project (its header has no provenance); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "a header that is no json",
        header(lambda found: found["__metadata__"].update(provenance="{")),
        STTN,
        "sttn.safetensors: not a weights file of this project (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "a header that is a list",
        header(lambda found: found["__metadata__"].update(provenance="[]")),
        STTN,
        "sttn.safetensors: not a weights file of this project (its provenance is no JSON object); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "no model", told(lambda about: about.pop("model")), STTN, "sttn.safetensors: holds weights of None, not of sttn"
    ),
    Bad(
        "a configuration of words",
        told(lambda about: about["config"].update(channels="wide")),
        STTN,
        "sttn.safetensors: its header names no configuration of STTN of this version (channels is 'wide'); give other weights",
    ),
    Bad(
        "a configuration of lists",
        told(lambda about: about.update(config=[1])),
        STTN,
        "sttn.safetensors: its header names no configuration of STTN of this version (it has none); give other weights",
    ),
    Bad(
        "a configuration too large",
        told(lambda about: about["config"].update(channels=1024)),
        STTN,
        "sttn.safetensors: tensor net.transformer.0.attention.query_embedding.weight has shape (16, 16, 1, 1) instead of (1024, 1024, 1, 1); these are the weights of another configuration",
    ),
    Bad(
        "a configuration below 0",
        told(lambda about: about["config"].update(channels=-4)),
        STTN,
        "sttn.safetensors: its header names no configuration of STTN of this version ({'channels': -4, 'blocks': 2, 'parts': [1, 3, 6, 12], 'silent': [], 'keys': 'all', 'as_released': False, 'trained': None, 'start': 'kaiming', 'first_guess': 'none'}); give other weights",
    ),
    Bad(
        "cut in the header",
        cut("sttn.safetensors", 0.01),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: invalid header length); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "cut in the tensors",
        cut("sttn.safetensors", 0.7),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: incomplete metadata, file not fully covered); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "cut to score",
        cut("sttn.safetensors", 0.7),
        SCORE,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: incomplete metadata, file not fully covered); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "empty",
        emptied("sttn.safetensors"),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: header too small); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "empty to begin with",
        emptied("sttn.safetensors"),
        TRAIN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: header too small); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "text",
        wrote("sttn.safetensors", "these are no weights"),
        STTN,
        "sttn.safetensors: not a weights file of this project (Error while deserializing header: header too large); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "a folder",
        several(moved("sttn.safetensors", "x"), made_folder("sttn.safetensors")),
        STTN,
        "sttn.safetensors: not a weights file of this project (it is a folder); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "a folder to begin with",
        several(moved("sttn.safetensors", "x"), made_folder("sttn.safetensors")),
        TRAIN,
        "sttn.safetensors: not a weights file of this project (it is a folder); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "missing",
        moved("sttn.safetensors", "x"),
        STTN,
        "sttn.safetensors: no such weights file; train one with `vinpaint train sttn` or reinstall the package",
    ),
    Bad(
        "missing to begin with",
        moved("sttn.safetensors", "x"),
        TRAIN,
        "sttn.safetensors: not a weights file of this project (no such file); give one that `vinpaint train` wrote, or copy it again",
    ),
    Bad(
        "a broken link",
        several(moved("sttn.safetensors", "x"), linked("sttn.safetensors", "gone")),
        STTN,
        "sttn.safetensors: no such weights file; train one with `vinpaint train sttn` or reinstall the package",
    ),
    Bad(
        "a loop of links",
        several(moved("sttn.safetensors", "x"), linked("sttn.safetensors", "sttn.safetensors")),
        STTN,
        "sttn.safetensors: no such weights file; train one with `vinpaint train sttn` or reinstall the package",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_weights(bad, whole, tmp_path, capsys, monkeypatch, record_property):
    hold(bad, whole, tmp_path / "place", capsys, monkeypatch)
    record_property("fault", "bad input")
