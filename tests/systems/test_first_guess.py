"""STTN and 3DCN + CombCN with a first guess: they begin as the baseline `flow` and learn what to add to it."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from vinpaint_lib import checkpoints
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes.masks import moving_blob
from vinpaint_lib.inpaint import fill_clip
from vinpaint_lib.interface import Window
from vinpaint_lib.motion.first_guess import REACH, first_guesses
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.baselines import FlowPropagation
from vinpaint_lib.toy.clip import Shot, toy_clip
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

NAMES = ("sttn", "combcn")
SIZE = (48, 96)


def moving_clip(length: int) -> Clip:
    frames = toy_clip("coffee", Shot(length=length, size=SIZE, seed=1)).clip.frames
    return Clip(frames, moving_blob(length, SIZE, np.random.default_rng(0), area=(0.3, 0.5)))


def make(name: str, first_guess: str = "aligned"):
    torch.manual_seed(0)
    system = registry.SYSTEMS[name]
    return system.model(replace(system.configs["tiny"], first_guess=first_guess)).eval()


def scattered(model):
    """The same model, its residual no longer zero."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return model


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("feedback", [False, True])
def test_an_untrained_network_is_the_baseline(name, feedback):
    """Longer than the reach of chains, so all frames that the guesses need must be there.

    1e-6: means over visits. What was written back moves a colour beside its hole by less than a step of eight bits, and
    Telea's method works in such steps.
    """
    clip = moving_clip(REACH + 10)
    expected = fill_clip(FlowPropagation(), clip).frames
    found = fill_clip(make(name), clip, feedback=feedback).frames
    torch.testing.assert_close(found, expected, atol=1e-6 + feedback / 255, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_trained_one_adds_to_it(name):
    clip = moving_clip(9)
    start, model = fill_clip(make(name), clip).frames, scattered(make(name))
    assert (fill_clip(model, clip).frames - start).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_one_window_is_the_network_on_guesses(name):
    """A clip of one window: the loop, by hand."""
    clip, model = moving_clip(4), scattered(make(name))
    guess, trust = first_guesses(clip.frames, clip.masks)
    with torch.no_grad():
        parts = [x[None] for x in (guess, clip.masks)]
        raw = model.net(*parts, trust=trust[None])
    raw = (raw if name == "sttn" else raw.frames)[0].clamp(0, 1)
    expected = clip.masks * raw + (1 - clip.masks) * clip.frames
    torch.testing.assert_close(fill_clip(model, clip).frames, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_network_sees_the_same_frames_as_without(name, monkeypatch):
    """The guesses need more frames; the network does not get them."""
    seen = {}
    for first_guess in ("none", "aligned"):
        model, shapes = make(name, first_guess), []
        part = "transform" if name == "sttn" else "structure"
        inner = getattr(model.net, part)
        monkeypatch.setattr(
            model.net, part, lambda x, *rest, inner=inner, shapes=shapes: shapes.append(x.shape[1]) or inner(x, *rest)
        )
        fill_clip(model, moving_clip(23))
        seen[first_guess] = shapes, [step.targets for step in model.plan(23)]
    assert seen["none"] == seen["aligned"]


def test_what_is_held_does_not_grow_with_the_clip(monkeypatch):
    """CombCN: the guesses of a volume, and the motion around the frame whose guess is made."""
    model, held = make("combcn"), []
    inner = model.begun

    def watched(window: Window, step, state):
        result = inner(window, step, state)
        held.append(
            (len(state["guesses"].held), len(state["guesses"].links.by_index), len(state["guesses"].views.known))
        )
        return result

    monkeypatch.setattr(model, "begun", watched)
    fill_clip(model, moving_clip(3 * REACH))
    guesses, links, views = (max(counts) for counts in zip(*held, strict=True))
    assert guesses == model.config.frames
    assert links <= 2 * REACH
    assert views <= 2 * REACH + 1


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_weight(name):
    """At the start they reach the last layer alone, which is zero; then all."""
    clip = moving_clip(4)
    guess, trust = first_guesses(clip.frames, clip.masks)
    batch = {"truth": clip.frames, "guess": guess, "mask": clip.masks, "trust": trust}
    batch = {key: value[None] for key, value in batch.items()}
    preset = replace(registry.presets(name)["laptop-aligned"], batch=1)
    task = registry.SYSTEMS[name].task(preset, registry.SYSTEMS[name].model, make(name).config)
    for model, whole in ((make(name), False), (scattered(make(name)), True)):
        terms = task.losses(model.net, batch, preset.weights, None).terms
        assert set(terms) == set(preset.weights)
        torch.stack(list(terms.values())).sum().backward()
        moved = [bool(parameter.grad is not None and parameter.grad.any()) for parameter in model.net.parameters()]
        assert any(moved)
        assert all(moved) == whole


@pytest.mark.parametrize("name", NAMES)
def test_the_trust_must_be_given(name):
    clip = moving_clip(2)
    with pytest.raises(ValueError, match=r"with a first guess .* needs the trust of its pixels"):
        make(name).net(clip.frames[None], clip.masks[None])


@pytest.mark.parametrize("name", NAMES)
def test_other_first_guesses_are_refused(name):
    with pytest.raises(UserError, match="first_guess 'warped': is no first guess"):
        make(name, "warped")


@pytest.mark.parametrize("name", NAMES)
def test_the_variant_has_weights_of_its_own(name, tmp_path, monkeypatch):
    """They cannot be taken for those of the paper's form."""
    model, path = scattered(make(name)), tmp_path / "aligned.safetensors"
    checkpoints.save_weights(model, path, {"model": name, "config": asdict(model.config)})
    monkeypatch.setitem(registry.SHIPPED, f"{name}-aligned", path)
    found = registry.build(f"{name}-aligned")
    assert found.config.first_guess == "aligned"
    assert registry.build(name, path).config.first_guess == "aligned"  # as the header says
    assert registry.build(name).config.first_guess == "none"
    with pytest.raises(UserError, match="these are the weights of another"):
        registry.build(f"{name}-aligned", registry.SHIPPED[name])


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_that_it_is_ours(name):
    assert any(
        "`first_guess`" in choice and "is ours" in choice for choice in registry.SYSTEMS[name].model.card.choices
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_budget_is_that_of_the_paper_form(name):
    plain, aligned = (registry.presets(name)[preset] for preset in ("laptop", "laptop-aligned"))
    for field in ("steps", "batch", "blocks", "peak", "warmup"):
        assert getattr(plain, field) == getattr(aligned, field)
    for field in ("size", "count", "height", "length", "hole", "holes", "frames"):
        assert getattr(plain.spec, field) == getattr(aligned.spec, field)
