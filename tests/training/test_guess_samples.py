"""Samples with a first guess: what inference would guess, cut to the crop, and nothing of the truth behind the hole."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import mix
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.sttn.recipe import STTNTask
from vinpaint_lib.training import guess_samples
from vinpaint_lib.training.clip_samples import MIXED, ClipSpec
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

SPEC = ClipSpec(frames="sttn", crop=(24, 44), height=(48, 48), length=8, crops=2, hole=(0.05, 0.3), count=3)


@pytest.fixture(scope="module")
def toy():
    return parse_source("toy")


def pool_of(toy, folder, spec=SPEC, blocks=2):
    return guess_samples.GuessPool(toy, folder, blocks, 0, spec, rule=STTNTask.rules[spec.frames])


def test_a_block_is_a_function_of_seed_and_number(toy):
    one, same, other = (guess_samples.make_block(toy, 0, number, SPEC) for number in (3, 3, 4))
    assert all(np.array_equal(one[name], same[name]) for name in guess_samples.FIELDS)
    assert not np.array_equal(one["truth"], other["truth"])
    assert (one["truth"].shape, one["mask"].shape) == ((2, 8, 3, 24, 44), (2, 8, 1, 24, 6))
    assert one["inside"].shape == (np.unpackbits(one["mask"], axis=-1, count=44).sum(), 4)


def watched(monkeypatch):
    """What `first_guesses` gets and gives while blocks are made."""
    seen, inner = [], guess_samples.first_guesses

    def kept(frames, masks):
        seen.append((frames, masks, *inner(frames, masks)))
        return seen[-1][2:]

    monkeypatch.setattr(guess_samples, "first_guesses", kept)
    return seen


def test_samples_are_cut_out_of_what_inference_guesses(toy, tmp_path, monkeypatch):
    """A loop looks for each crop in its whole frames: truth, hole, guess and trust lie in the same place."""
    seen = watched(monkeypatch)
    spec = replace(SPEC, frames="consecutive", count=8)  # all frames
    sample = pool_of(toy, tmp_path, spec, 1).whole(0)
    assert len(seen) == len(sample["truth"]) == 2
    for n, whole in enumerate(seen):
        cut = {name: sample[name][n] for name in ("truth", "mask", "guess", "trust")}
        frames, masks, guess, trust = ((x * 255).round() / 255 for x in whole)
        places = [
            (y, x)
            for y in range(48 - 23)
            for x in range(frames.shape[-1] - 43)
            if torch.equal(cut["mask"], masks[..., y : y + 24, x : x + 44])
            and torch.allclose(cut["truth"], frames[..., y : y + 24, x : x + 44])
        ]
        assert len(places) == 1
        (y, x) = places[0]
        inside = (..., slice(y, y + 24), slice(x, x + 44))
        torch.testing.assert_close(cut["guess"], guess[inside])
        torch.testing.assert_close(cut["trust"], trust[inside])
        assert masks.sum() == cut["mask"].sum() > 0  # the hole lies in the crop


def test_the_truth_under_the_hole_reaches_nothing(toy, monkeypatch):
    """Neither what other frames show, nor what none shows: the hole is so large that there is some of both."""
    spec = replace(SPEC, crops=1, hole=(0.3, 0.5))
    seen = watched(monkeypatch)
    one = guess_samples.make_block(toy, 0, 0, spec)
    assert 0.1 < (one["inside"][:, 3] > 0).mean() < 0.9
    masks, draw = seen[0][1], guess_samples.draw_stretch

    def changed(*arguments):
        clip = draw(*arguments)
        return Clip(torch.where(masks > 0, 1 - clip.frames, clip.frames), clip.masks, clip.fps, clip.name)

    monkeypatch.setattr(guess_samples, "draw_stretch", changed)
    other = guess_samples.make_block(toy, 0, 0, spec)
    assert not np.array_equal(one["truth"], other["truth"])
    for name in ("mask", "inside", "begins"):
        assert np.array_equal(one[name], other[name])


def test_outside_of_the_hole_the_guess_is_the_truth(toy, tmp_path):
    pool = pool_of(toy, tmp_path)
    batch = pool.batch(np.random.default_rng(0), 12)
    assert {name: tuple(x.shape) for name, x in batch.items()} == {
        name: (12, 3, channels, 24, 44) for name, channels in (("truth", 3), ("guess", 3), ("mask", 1), ("trust", 1))
    }
    known = batch["mask"] == 0
    assert known.any()
    assert set(batch["mask"].unique().tolist()) == {0.0, 1.0}
    # Mirrored and tinted alike.
    assert torch.equal(batch["guess"][known.expand_as(batch["guess"])], batch["truth"][known.expand_as(batch["guess"])])
    assert batch["trust"][known].min() == 1
    assert batch["trust"][~known].max() < 1
    error = (batch["guess"] - batch["truth"]).abs().mean(dim=2, keepdim=True)
    sure, unsure = (error[~known & chosen].mean() for chosen in (batch["trust"] > 0.5, batch["trust"] == 0))
    assert sure < unsure  # the trust says something


def test_draws_repeat_and_differ(toy, tmp_path):
    pool = pool_of(toy, tmp_path)
    one, same, other = (pool.packed(np.random.default_rng(seed), 4) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["truth"], other["truth"])
    whole = [pool.whole(1) for _ in range(2)]
    assert all(torch.equal(whole[0][name], whole[1][name]) for name in whole[0])


def test_all_kinds_of_holes_can_be_asked_for(toy, monkeypatch):
    """Outlines of objects are cut where a kind needs them."""
    kinds, inner = [], mix.draw

    def kept(*arguments):
        drawn = inner(*arguments)
        kinds.append(drawn.kind)
        return drawn

    monkeypatch.setattr(guess_samples.mix, "draw", kept)
    spec = replace(SPEC, holes={"moving object": 1.0}, crops=1)
    assert guess_samples.make_block(toy, 0, 1, spec)["inside"].any()
    guess_samples.make_block(toy, 0, 2, replace(SPEC, holes=MIXED))
    assert kinds[0] == "moving object"
    assert len(kinds) == 3


def test_impossible_specs_are_refused(toy, tmp_path):
    with pytest.raises(UserError, match="count 9: a stretch of 8 frames has not so many"):
        pool_of(toy, tmp_path, replace(SPEC, count=9))


@pytest.mark.parametrize("name", ["sttn", "combcn"])
def test_the_log_compares_with_the_guess(name, toy, tmp_path):
    """Before the first step both scores are equal: the network begins with the guess."""
    system = registry.SYSTEMS[name]
    tiny = registry.presets(name)["tiny"]
    task = system.task(tiny, system.model, replace(system.configs["tiny"], first_guess="aligned"))
    assert task.rival == "the guess"
    pool = task.held_back(toy, tmp_path, 0)
    assert isinstance(pool, guess_samples.GuessPool)
    batch = pool.whole(0)
    shown = task.show(task.network().eval(), batch, 0)
    hole = shown.mask.expand_as(shown.output) > 0
    assert torch.equal(shown.output[hole], shown.beside[hole])
    assert system.task(tiny, system.model, system.configs["tiny"]).rival == "Telea"
    example, _ = task.example(torch.device("cpu"))
    assert set(example) == set(batch)
