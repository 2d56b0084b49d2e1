"""Forms that are trained anew: what a variant changes, and that every declared one changes something it can name."""

from dataclasses import replace

import pytest
import torch

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


def tasks_of(system, variant):
    """The task of the tiny preset, once for each of its stages."""
    preset = system.presets["tiny"]
    changes = variant.changes(system.configs[preset.config])
    changed = variant.preset(preset)
    stages = [{"stages": (stage,)} for stage in getattr(changed, "stages", ())]
    for each in stages or [{}]:
        task = system.make_task(replace(changed, **each), changes)
        assert {key: getattr(task.config, key) for key in changes} == changes
        yield task


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variant"), [(name, variant) for name, system in DECLARED.items() for variant in system.retrained],
    ids=lambda value: getattr(value, "name", value),
)  # fmt: skip
def test_every_variant_takes_a_step(name, variant):
    """On grey, where losses are small: every term that is weighed is finite, and something learns."""
    for task in tasks_of(DECLARED[name], variant):
        torch.manual_seed(0)
        model = task.trained(task.network())
        batch, choice = task.example(torch.device("cpu"))
        weights = task.weights_at(task.preset.steps - 1)
        terms = task.losses(model, batch, weights, choice).terms
        assert terms
        assert set(terms) <= {key for key, weight in weights.items() if weight}
        torch.stack([weights[key] * term for key, term in terms.items()]).sum().backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert all(torch.isfinite(grad).all() for grad in gradients)
        assert any(grad.any() for grad in gradients)
