"""Forms that are trained anew: what a variant changes, and that every declared one changes something it can name."""

from dataclasses import replace

import pytest

from vinpaint_lib.systems import registry
from vinpaint_lib.systems.vinet import recipe
from vinpaint_lib.training.variants import Variant, having, weighed

DECLARED = {name: system for name, system in registry.KNOWN.items() if system.retrained}


def test_changes_are_the_fields_that_differ():
    config = registry.KNOWN["sttn"].configs["tiny"]
    variant = Variant("a", "b", lambda c: replace(c, blocks=c.blocks, parts=(12,)))
    assert variant.changes(config) == {"parts": (12,)}
    assert Variant("a", "b").changes(config) == {}


def test_weights_change_in_the_preset_and_in_its_stages():
    """By a plain loop: a weight of 0 is gone, others stay, and a stage gets no term that it did not have."""
    preset = registry.KNOWN["sttn"].presets["tiny"]
    assert weighed({"L_adv": 0.01})(preset).weights == preset.weights | {"L_adv": 0.01}
    assert weighed({"L_adv": 0.0})(preset) == preset
    staged = weighed({"L_F": 0.0, "L_1": 7.0})(recipe.PRESETS["laptop"])
    for new, old in zip(staged.stages, recipe.PRESETS["laptop"].stages, strict=True):
        wanted = {}
        for name, weight in old.weights.items():
            if name != "L_F":
                wanted[name] = 7.0 if name == "L_1" else weight
        assert new.weights == wanted
        assert replace(new, weights=old.weights) == old


def test_having_refuses_a_field_that_there_is_not():
    with pytest.raises(TypeError):
        having(wings=2)(registry.KNOWN["sttn"].configs["tiny"])


def test_five_papers_declare_forms():
    assert set(DECLARED) == {"tgfnet", "sttn", "combcn", "vinet", "align_attend"}


@pytest.mark.parametrize("name", DECLARED)
def test_every_variant_has_a_sentence_and_changes_something(name):
    system = DECLARED[name]
    names = [variant.name for variant in system.retrained]
    assert len(set(names)) == len(names)
    assert all(variant.says.rstrip().endswith(".") for variant in system.retrained)
    full, *others = system.retrained
    for key in ("laptop", "paper"):
        preset = system.presets[key]
        config = system.configs[preset.config]
        assert (full.changes(config), full.preset(preset)) == ({}, preset)
    changed = {variant.name: set() for variant in others}
    for key in ("laptop", "gpu"):
        preset = system.presets[key]
        config = system.configs[preset.config]
        for variant in others:
            assert set(variant.changes(config)) <= set(vars(config))
            if variant.changes(config) or variant.preset(preset) != preset:
                changed[variant.name].add(key)
    assert all(changed.values()), changed


@pytest.mark.parametrize("name", DECLARED)
def test_every_variant_of_the_tiny_preset_is_a_network_with_its_change(name):
    system = DECLARED[name]
    preset = system.presets["tiny"]
    for variant in system.retrained:
        changes = variant.changes(system.configs[preset.config])
        task = system.make_task(variant.preset(preset), changes)
        assert {key: getattr(task.config, key) for key in changes} == changes
        assert sum(p.numel() for p in task.network().parameters()) > 0
