"""Names on the command line: a variant shares its system's weights, unless it was trained apart."""

from dataclasses import asdict, replace

import pytest
import torch

from vinpaint_lib import checkpoints
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.sttn import SYSTEM


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """The weights file of a variant that was trained apart; it is not there yet."""
    path = tmp_path / "sttn-small-apart.safetensors"
    monkeypatch.setitem(registry.VARIANTS, "sttn-apart", ("sttn", {"as_released": True}))
    monkeypatch.setitem(registry.SHIPPED, "sttn-apart", path)
    return path


def store(path, **changes):
    """Weights as drawn of STTN's tiny configuration."""
    model = SYSTEM.model(replace(SYSTEM.configs["tiny"], **changes))
    checkpoints.save_weights(model, path, {"model": "sttn", "config": asdict(model.config)})
    return model


def test_files_stand_in_the_folder_of_the_system():
    system = replace(SYSTEM, own_weights={"sttn-apart": "sttn-small-apart.safetensors"})
    names = {"sttn": "sttn-small.safetensors", "sttn-apart": "sttn-small-apart.safetensors"}
    assert {name: path.name for name, path in system.weights.items()} == names
    assert {path.parent for path in system.weights.values()} == {registry.SHIPPED["sttn"].parent}


def test_own_weights_are_of_variants():
    for name, system in registry.SYSTEMS.items():
        assert set(system.own_weights) <= set(system.variants)
        assert system.weights[name].exists()


def test_a_variant_that_was_trained_apart_has_its_own_weights(apart):
    stored = store(apart, blocks=1)
    model = registry.build("sttn-apart")
    assert (model.config.blocks, model.config.as_released) == (1, True)
    assert all(torch.equal(value, stored.state_dict()[name]) for name, value in model.state_dict().items())
    assert registry.weights_of("sttn-apart") == apart
    assert registry.weights_of("sttn-as-released") == registry.weights_of("sttn") == registry.SHIPPED["sttn"]


def test_a_form_that_needs_no_weights_is_a_baseline(tmp_path):
    for name, system in registry.KNOWN.items():
        for baseline, config in system.untrained.items():
            model = registry.build(baseline)
            assert model.config == system.configs[config]
            assert not list(model.parameters())
            assert registry.weights_of(baseline) is None
            assert baseline in registry.MODELS
            assert name not in registry.SYSTEMS or baseline not in registry.VARIANTS
    assert "dfvi-membrane" in registry.BASELINES
    with pytest.raises(UserError, match="the baseline dfvi-membrane has no weights"):
        registry.build("dfvi-membrane", tmp_path / "any.pth")


def test_until_its_weights_ship_there_is_a_sentence(apart, tmp_path):
    assert not registry.ready("sttn-apart")
    with pytest.raises(UserError, match=r"sttn-small-apart.safetensors: no such weights file; train one with"):
        registry.build("sttn-apart")
    given = tmp_path / "given.safetensors"
    store(given)
    assert registry.build("sttn-apart", given).config.as_released
    store(apart)
    assert registry.ready("sttn-apart")
    assert all(registry.ready(name) for name in (*registry.SYSTEMS, *registry.BASELINES))
