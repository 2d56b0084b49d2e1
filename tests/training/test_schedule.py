"""Schedules: stages by step, other lengths, and blocks that are drawn at all."""

import pytest

from vinpaint_lib.systems import registry
from vinpaint_lib.training.schedule import learning_rate, of_length, stage_at

EVERY = [(name, preset) for name in registry.SYSTEMS for preset in registry.presets(name)]


@pytest.mark.parametrize("name, preset", EVERY)
def test_every_block_is_drawn_before_the_end(name, preset):
    chosen = registry.presets(name)[preset]
    first, every = chosen.growth
    drawn = first + (chosen.steps - 1) // every
    assert drawn >= chosen.blocks, f"{drawn} of {chosen.blocks} blocks"


@pytest.mark.parametrize("name, preset", EVERY)
def test_another_length_keeps_the_shares_of_stages_and_of_the_rate(name, preset):
    chosen = registry.presets(name)[preset]
    longer = of_length(chosen, 7 * chosen.steps)
    assert longer.steps == 7 * chosen.steps
    assert longer.config == chosen.config
    for step in (chosen.warmup, chosen.steps // 2, chosen.steps - 1):
        if chosen.drops:
            assert learning_rate(longer, 7 * step) == learning_rate(chosen, step)
    if hasattr(chosen, "stages"):
        for step in range(0, chosen.steps, max(1, chosen.steps // 97)):
            assert stage_at(longer.stages, 7 * step).name == stage_at(chosen.stages, step).name
        shorter = of_length(chosen, len(chosen.stages))
        assert stage_at(shorter.stages, shorter.steps - 1) == shorter.stages[-1], "the last stage is reached"
        assert shorter.stages[-1].until == shorter.steps


def test_the_same_length_is_the_same_preset():
    chosen = registry.presets("vinet")["laptop"]
    assert of_length(chosen, chosen.steps) == chosen
