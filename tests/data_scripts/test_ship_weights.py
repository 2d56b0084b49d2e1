"""Files that ship: of any system, TGF-Net's with its aligner; refused whole where something does not fit."""

from dataclasses import asdict

import pytest
import torch

from data_scripts import ship_weights
from vinpaint_lib import checkpoints
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.registry import KNOWN, SHIPPED, VARIANTS, build

CONFIG = {"tgfnet": "small", "sttn": "tiny", "combcn": "tiny", "dfvi": "tiny", "painter": "tiny"}


def trained(folder, model):
    """The weights file of a run, with random weights."""
    system, path = KNOWN[model], folder / f"{model}.safetensors"
    config = system.configs[CONFIG[model]]
    provenance = {
        "model": model,
        "config": asdict(config),
        "config_name": CONFIG[model],
        "run": {"data": "videos:/home/me/clips*2,toy"},
    }
    checkpoints.save_weights(system.model(config), path, provenance)
    return path


@pytest.fixture
def aligner(tmp_path):
    path = tmp_path / "affine.safetensors"
    net = LearnedAffine()
    with torch.no_grad():
        net.gate.fill_(0.75)
    checkpoints.save_weights(net, path, {"steps": 3})
    return path


@pytest.mark.parametrize("model", ["sttn", "combcn"])
def test_a_system_of_one_part(tmp_path, model):
    source = trained(tmp_path, model)
    path = ship_weights.ship(source, out=tmp_path / "out" / "w.safetensors", history="a note")
    one, two = build(model, source).state_dict(), build(model, path).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    header = checkpoints.read_provenance(path)
    assert (header["history"], header["run"]["data"]) == ("a note", "videos:clips*2,toy")
    assert [p.name for p in path.parent.iterdir()] == ["w.safetensors"]


def test_tgfnet_takes_the_aligner_that_was_trained_apart(tmp_path, aligner):
    path = ship_weights.ship(trained(tmp_path, "tgfnet"), aligner, tmp_path / "w.safetensors")
    assert build("tgfnet", path).affine.gate == 0.75


def test_tgfnet_takes_a_painter_and_then_paints(tmp_path, aligner):
    source = trained(tmp_path, "painter")
    path = ship_weights.ship(trained(tmp_path, "tgfnet"), aligner, tmp_path / "w.safetensors", painter=source)
    model, alone = build("tgfnet", path), build("painter", source).net.state_dict()
    assert model.config.paint
    assert all(torch.equal(value, alone[name]) for name, value in model.painter.state_dict().items())
    assert not build("tgfnet-fidelity", path).config.paint
    header = checkpoints.read_provenance(path)
    assert header["painter"]["run"]["data"] == "videos:clips*2,toy"


def test_dfvi_takes_a_painter_for_what_no_flow_reaches(tmp_path):
    source = trained(tmp_path, "painter")
    path = ship_weights.ship(trained(tmp_path, "dfvi"), out=tmp_path / "w.safetensors", painter=source)
    model, alone = build("dfvi", path), build("painter", source).net.state_dict()
    assert (model.config.painter, model.config.leftovers) == ("tiny", "painter")
    assert all(torch.equal(value, alone[name]) for name, value in model.painter.state_dict().items())
    assert build("dfvi-telea", path).config.leftovers == "telea"


def test_a_painter_that_is_not_wanted_or_is_none_is_refused(tmp_path, aligner):
    source, other = trained(tmp_path, "painter"), trained(tmp_path, "sttn")
    with pytest.raises(UserError, match=r"holds weights of sttn; leave .*painter"):
        ship_weights.ship(other, out=tmp_path / "w", painter=source)
    with pytest.raises(UserError, match=r"holds no painter; give the weights\.safetensors of `vinpaint train painter`"):
        ship_weights.ship(trained(tmp_path, "tgfnet"), aligner, tmp_path / "w", painter=other)
    assert not (tmp_path / "w").exists()


def test_a_variant_that_was_trained_apart_goes_to_its_own_file(tmp_path, monkeypatch):
    place = tmp_path / "sttn-small-apart.safetensors"
    monkeypatch.setitem(VARIANTS, "sttn-apart", ("sttn", {"as_released": True}))
    monkeypatch.setitem(SHIPPED, "sttn-apart", place)
    assert ship_weights.ship(trained(tmp_path, "sttn"), variant="sttn-apart") == place
    assert build("sttn-apart").config.as_released
    with pytest.raises(UserError, match=r"--variant sttn-as-released: sttn has no such weights file; use sttn or "):
        ship_weights.ship(trained(tmp_path, "sttn"), out=tmp_path / "w", variant="sttn-as-released")
    with pytest.raises(UserError, match=r"--variant sttn-apart: combcn has no such weights file; use combcn"):
        ship_weights.ship(trained(tmp_path, "combcn"), out=tmp_path / "w", variant="sttn-apart")


def test_a_part_too_few_or_too_many_is_refused(tmp_path, aligner):
    out = tmp_path / "w.safetensors"
    with pytest.raises(UserError, match=r"holds weights of tgfnet; give the weights of data_scripts/pretrain_affine"):
        ship_weights.ship(trained(tmp_path, "tgfnet"), None, out)
    with pytest.raises(UserError, match=r"holds weights of sttn; leave .*affine.safetensors away"):
        ship_weights.ship(trained(tmp_path, "sttn"), aligner, out)
    with pytest.raises(UserError, match=r"none\.safetensors: no such file"):
        ship_weights.ship(tmp_path / "none.safetensors", None, out)
    assert not out.exists()


def test_what_does_not_load_or_is_too_large_leaves_the_old_file(tmp_path, monkeypatch):
    out = tmp_path / "w.safetensors"
    out.write_text("old")
    source = trained(tmp_path, "sttn")
    monkeypatch.setattr(ship_weights, "LARGEST", 1000)
    with pytest.raises(UserError, match="MB are too many to ship"):
        ship_weights.ship(source, out=out)
    net = torch.nn.Linear(2, 2)
    header = checkpoints.read_provenance(source)
    checkpoints.save_weights(net, source, header)
    with pytest.raises(UserError, match="is missing"):
        ship_weights.ship(source, out=out)
    assert out.read_text() == "old"
    assert not list(out.parent.glob(f".{out.name}.*"))


def test_the_command_line_ships_a_file_and_refuses_in_a_sentence(tmp_path, capsys):
    out = tmp_path / "shipped.safetensors"
    ship_weights.main([str(trained(tmp_path, "painter")), "--out", str(out)])
    assert capsys.readouterr().out == f"{out}\n"
    assert checkpoints.read_provenance(out)["model"] == "painter"
    with pytest.raises(UserError, match=r"none.safetensors: no such file; train it first"):
        ship_weights.main([str(tmp_path / "none.safetensors")])
