"""Runs that cannot go on: broken states, logs that are folders, damaged samples. And notebooks that are none."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from tests.faults.battery import Bad, hold
from tests.faults.made import Code, Spoil, cut, emptied, linked, made_folder, moved, nothing, saved, several, wrote
from vinpaint_lib.systems.registry import KNOWN

TRAIN = "train sttn --preset tiny --device cpu --workers 0 --out run"
RERUN = "rerun run nb.ipynb out.ipynb"


def whole_state() -> dict:
    """A state as a run of another seed leaves it."""
    system = KNOWN["sttn"]
    tensors = {key: value.float() for key, value in system.model(system.configs["tiny"]).state_dict().items()}
    run = {
        "model": "sttn",
        "seed": 5,
        "held_back": [],
        "data": "toy",
        "processes": 1,
        "preset": asdict(system.presets["tiny"]),
    }
    return {"run": json.dumps(run), "step": 3, "bad": 0, "model": tensors, "average": dict(tensors), "optimiser": {}}


def state(change=lambda found: None) -> Spoil:
    """A stored state with a change."""

    def spoil(folder: Path) -> None:
        found = whole_state()
        change(found)
        (folder / "run").mkdir()
        torch.save(found, folder / "run" / "state.pt")

    return spoil


def cell(source: str) -> Spoil:
    """The notebook with another parameters cell."""

    def spoil(folder: Path) -> None:
        found = json.loads((folder / "nb.ipynb").read_text())
        found["cells"][0]["source"] = source
        (folder / "nb.ipynb").write_text(json.dumps(found))

    return spoil


def notebook(change) -> Spoil:
    """The notebook with another content."""

    def spoil(folder: Path) -> None:
        found = json.loads((folder / "nb.ipynb").read_text())
        change(found)
        (folder / "nb.ipynb").write_text(json.dumps(found))

    return spoil


BAD = [
    Bad("a state of text", wrote("run/state.pt", "no state"), TRAIN, "run/state.pt: cannot be read as a training state; delete it to start anew"),
    Bad("an empty state", wrote("run/state.pt", b""), TRAIN, "run/state.pt: cannot be read as a training state; delete it to start anew"),
    Bad("a state cut short", several(state(), cut("run/state.pt", 0.6)), TRAIN, "run/state.pt: cannot be read as a training state; delete it to start anew"),
    Bad("a state that would run code", several(made_folder("run"), saved("run/state.pt", lambda: {"run": Code()})), TRAIN, "run/state.pt: cannot be read as a training state; delete it to start anew"),
    Bad("a state that is a list", several(made_folder("run"), saved("run/state.pt", lambda: [1])), TRAIN, "run/state.pt: holds list and no training state; delete it to start anew"),
    Bad("a state without its run", state(lambda found: found.pop("run")), TRAIN, "run/state.pt: its run cannot be part of a training of this model; delete it to start anew"),
    Bad("a state whose run is no json", state(lambda found: found.update(run="{")), TRAIN, "run/state.pt: its run cannot be part of a training of this model; delete it to start anew"),
    Bad("a state whose run is a list", state(lambda found: found.update(run="[]")), TRAIN, "run/state.pt: its run cannot be part of a training of this model; delete it to start anew"),
    Bad("a state of step -1", state(lambda found: found.update(step=-1)), TRAIN, "run/state.pt: its step cannot be part of a training of this model; delete it to start anew"),
    Bad("a state of step nan", state(lambda found: found.update(step=float("nan"))), TRAIN, "run/state.pt: its step cannot be part of a training of this model; delete it to start anew"),
    Bad("a state of other settings", state(lambda found: None), TRAIN, "run/state.pt: belongs to a run with other settings (seed was 5 and is 0 now); give these again, choose another --out, or begin anew with --no-resume"),
    Bad("a folder named state.pt", made_folder("run/state.pt"), TRAIN, "run/state.pt: is a folder where the training writes a file; move it away"),
    Bad("a folder named log.jsonl", made_folder("run/log.jsonl"), TRAIN, "run/log.jsonl: is a folder where the training writes a file; move it away"),
    Bad("a file named samples", wrote("run/samples", "a"), TRAIN, "run/samples: is a file where the training needs a folder; move it away"),
    Bad("a file named tensorboard", wrote("run/tensorboard", "a"), TRAIN, "run/tensorboard: is a file where the training needs a folder; move it away"),
    Bad("a broken link named tensorboard", several(made_folder("run"), linked("run/tensorboard", "gone")), TRAIN, "run/tensorboard: is a file where the training needs a folder; move it away"),
    Bad("an empty notebook", emptied("nb.ipynb"), RERUN, "nb.ipynb is no notebook, or only a part of one (NotJSONError): save it again in Jupyter, or take a stored copy."),
    Bad("half a notebook", cut("nb.ipynb", 0.5), RERUN, "nb.ipynb is no notebook, or only a part of one (NotJSONError): save it again in Jupyter, or take a stored copy."),
    Bad("a notebook of text", wrote("nb.ipynb", "no notebook"), RERUN, "nb.ipynb is no notebook, or only a part of one (NotJSONError): save it again in Jupyter, or take a stored copy."),
    Bad("a notebook of bytes", wrote("nb.ipynb", b"\xff\xfe\x00" * 9), RERUN, "nb.ipynb is no notebook, or only a part of one (UnicodeDecodeError): save it again in Jupyter, or take a stored copy."),
    Bad("a notebook that is a list", wrote("nb.ipynb", "[]"), RERUN, "nb.ipynb is no notebook, or only a part of one (AttributeError): save it again in Jupyter, or take a stored copy."),
    Bad("a notebook that is a number", wrote("nb.ipynb", "3"), RERUN, "nb.ipynb is no notebook, or only a part of one (AttributeError): save it again in Jupyter, or take a stored copy."),
    Bad("a notebook of a later form", notebook(lambda found: found.update(nbformat=99)), RERUN, "nb.ipynb is no notebook, or only a part of one (NBFormatError): save it again in Jupyter, or take a stored copy."),
    Bad("a notebook whose cells are a word", notebook(lambda found: found.update(cells="x")), RERUN, "nb.ipynb is no notebook, or only a part of one (ValidationError): save it again in Jupyter, or take a stored copy."),
    Bad("a notebook without cells", notebook(lambda found: found.pop("cells")), RERUN, "nb.ipynb is no notebook, or only a part of one (ValidationError): save it again in Jupyter, or take a stored copy."),
    Bad("a notebook as deep as a well", wrote("nb.ipynb", "[" * 100000), RERUN, "nb.ipynb is no notebook, or only a part of one (RecursionError): save it again in Jupyter, or take a stored copy."),
    Bad("parameters that are no python", cell("steps = = 3"), RERUN, "nb.ipynb: line 1 of its parameters cell is no Python: correct it."),
    Bad("parameters as deep as a well", cell("steps = " + "(" * 2000 + "3" + ")" * 2000), RERUN, "nb.ipynb: line 1 of its parameters cell is no Python: correct it."),
    Bad("parameters with a zero byte", cell("steps = 3\x00"), RERUN, "nb.ipynb: a line of its parameters cell is no Python: correct it."),
    Bad("an unknown parameter", nothing, f"{RERUN} -p nope=3", "nb.ipynb has no parameter nope: it has name, steps."),
    Bad("a parameter of nan", nothing, f"{RERUN} -p steps=nan", "-p steps=nan: is no finite number; give one, as in steps=0.5"),
    Bad("a parameter of 1e999", nothing, f"{RERUN} -p steps=1e999", "-p steps=1e999: is no finite number; give one, as in steps=0.5"),
    Bad("a parameter without a value", nothing, f"{RERUN} -p steps", "'steps' is no parameter: write name=value, as in seed=3."),
    Bad("a parameter of another type", nothing, f"{RERUN} -p steps=three", "-p steps=three: is no whole number; write one, as in steps=3"),
    Bad("a parameter of 5000 digits", nothing, f"{RERUN} -p steps={'9' * 5000}", "-p steps=999999999999999999999999999999999999999999999999999999999999: is no finite number; give one, as in steps=0.5"),
    Bad("a missing notebook", nothing, "rerun run gone.ipynb out.ipynb", "gone.ipynb is not a file: give the path of a notebook, or run this from the project's folder."),
    Bad("a folder as notebook", nothing, "rerun run clip out.ipynb", "clip is not a file: give the path of a notebook, or run this from the project's folder."),
    Bad("a loop of links as notebook", linked("loop.ipynb", "loop.ipynb"), "rerun run loop.ipynb out.ipynb", "loop.ipynb is not a file: give the path of a notebook, or run this from the project's folder."),
    Bad("an executed copy over the notebook", nothing, "rerun run nb.ipynb nb.ipynb", "nb.ipynb is the notebook itself: give the executed copy another name."),
    Bad("an executed copy over a folder", nothing, "rerun run nb.ipynb clip", "clip is a folder: give the name of the executed copy, as in clip/nb.ipynb."),
    Bad("an executed copy below a file", nothing, "rerun run nb.ipynb mask.png/out.ipynb", "mask.png/out.ipynb: PLACE/mask.png is no folder, and nothing can be made in it; give another place"),
    Bad("an executed copy that is a loop of links", linked("loop", "loop"), "rerun run nb.ipynb loop", "loop: is a link that leads back to itself; remove it, or give another name"),
    Bad("an executed copy with an endless name", nothing, f"rerun run nb.ipynb {'x' * 300}", f"{'x' * 300}: cannot be used (File name too long); check the path and its rights"),
    Bad("a film as notebook", moved("film.mp4", "film.ipynb"), "rerun run film.ipynb out.ipynb", "film.ipynb is no notebook, or only a part of one (UnicodeDecodeError): save it again in Jupyter, or take a stored copy."),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_states(bad, whole, tmp_path, capsys, monkeypatch, record_property):
    hold(bad, whole, tmp_path / "place", capsys, monkeypatch)
    record_property("fault", "bad input")
