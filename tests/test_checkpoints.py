"""Weights are loaded whole or not at all, and never run code."""

import pickle

import pytest
import torch
from torch import nn

from vinpaint_lib import checkpoints
from vinpaint_lib.errors import UserError


def two_layers(width=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))


def test_round_trip_with_provenance(tmp_path):
    path, model = tmp_path / "w.safetensors", two_layers()
    checkpoints.save_weights(model, path, {"model": "made", "step": 3})
    other = two_layers()
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    assert checkpoints.load_weights(other, path) == {"model": "made", "step": 3}
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (nn.Sequential(nn.Linear(2, 3)), "1.(bias|weight) is not part"),
        (nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1), nn.Linear(1, 1)), "2.weight is missing"),
        (nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1)), r"0.weight has shape \(3, 2\) instead of \(4, 2\)"),
    ],
)
def test_other_tensors_are_refused_by_name_and_nothing_is_loaded(tmp_path, other, sentence):
    path = tmp_path / "w.safetensors"
    checkpoints.save_weights(two_layers(), path, {"model": "made"})
    before = [p.clone() for p in other.parameters()]
    with pytest.raises(UserError, match=sentence):
        checkpoints.load_weights(other, path)
    assert all(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True))


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the file ran code')",))


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError, match="not a weights file"):
        checkpoints.read_provenance(path)
    with pytest.raises(UserError, match="cannot be read as a training state"):
        checkpoints.load_state(path)


def test_a_missing_or_foreign_file_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="not a weights file"):
        checkpoints.read_provenance(tmp_path / "none.safetensors")


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    checkpoints.save_state(path, {"step": 1})

    def half(target, content):
        with target.open("wb") as file:
            file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.Path, "write_bytes", half)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save_state(path, {"step": 2})
    monkeypatch.undo()
    assert checkpoints.load_state(path) == {"step": 1}


def test_a_training_begins_with_what_fits(tmp_path):
    path, model = tmp_path / "w.safetensors", two_layers()
    checkpoints.save_weights(model, path, {"model": "made"})
    larger = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1), nn.Linear(1, 1))
    fresh = larger[2].weight.clone()
    assert checkpoints.begin_with(larger, path) == ["2.weight", "2.bias"]
    assert torch.equal(larger[0].weight, model[0].weight)
    assert torch.equal(larger[2].weight, fresh)
    wider = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    assert checkpoints.begin_with(wider, path) == ["1.weight", "1.bias"]
    assert torch.equal(wider[0].weight, model[0].weight)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (nn.Sequential(nn.Linear(2, 3)), "1.(bias|weight) is not part"),
        (nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1)), r"0.weight has shape \(3, 2\) instead of \(4, 2\)"),
    ],
)
def test_a_training_does_not_begin_with_the_weights_of_another_model(tmp_path, other, sentence):
    path = tmp_path / "w.safetensors"
    checkpoints.save_weights(two_layers(), path, {"model": "made"})
    before = [p.clone() for p in other.parameters()]
    with pytest.raises(UserError, match=sentence):
        checkpoints.begin_with(other, path)
    assert all(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True))
