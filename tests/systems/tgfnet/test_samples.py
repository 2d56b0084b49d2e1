"""Training samples: repeatable, without a look behind the hole, made once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.tgfnet import samples
from vinpaint_lib.video.clip import Clip

SPEC = samples.TargetSpec(crop=32, height=(48, 48), length=6, targets=2, crops=1, reach=4, hole=(0.05, 0.15))


@pytest.fixture(scope="module")
def toy():
    return parse_source("toy")


def test_a_block_is_a_function_of_seed_and_number(toy):
    one, same, other = (samples.make_block(toy, 0, number, SPEC) for number in (3, 3, 4))
    for name in samples.FIELDS:
        assert np.array_equal(one[name], same[name])
        assert one[name].dtype == np.uint8
    assert one["truth"].shape == (2, 3, 32, 32)
    assert one["aligned"].shape == (2, 8, 3, 32, 32)
    assert not np.array_equal(one["truth"], other["truth"])


class Altered(ClipSet):
    """A source whose clips differ from another's only inside of given holes."""

    def __init__(self, clip: Clip, holes: torch.Tensor, noise: float) -> None:
        generator = torch.Generator().manual_seed(1)
        random = torch.rand(clip.frames.shape, generator=generator)
        self.clip = replace(
            clip, frames=torch.where(holes > 0, (1 - noise) * clip.frames + noise * random, clip.frames)
        )

    def draw(self, rng):
        return 0

    def load_random(self, i, rng, **_):
        rng.random(3)
        return self.clip


@pytest.mark.parametrize("number", [0, 1, 2])
def test_nothing_behind_the_hole_reaches_the_references(toy, monkeypatch, number):
    """Change the truth inside of all holes: masks, references and trust must not move by a single bit."""
    spec = SPEC
    clip = toy.load(0, size=(48, 80), length=6)
    holes = samples.draw_holes(6, clip.size, np.random.default_rng(number), spec)
    monkeypatch.setattr(samples, "draw_holes", lambda *_: holes)
    # Mirroring and reversing are drawn after loading: keep them out, the holes here do not turn along.
    monkeypatch.setattr(samples, "draw_clip", lambda source, rng, spec: source.load_random(0, rng))
    plain = samples.make_block(Altered(clip, holes, 0.0), 0, number, spec)
    changed = samples.make_block(Altered(clip, holes, 1.0), 0, number, spec)
    assert not np.array_equal(plain["truth"], changed["truth"])
    for name in ("mask", "aligned", "trust"):
        assert np.array_equal(plain[name], changed[name]), name


def test_references_that_are_trusted_show_the_target(toy):
    """On toy clips the median error of trusted pixels is small: a wrong sign of a walk would show."""
    errors = []
    for number in range(3):
        block = samples.make_block(toy, 5, number, SPEC)
        gap = np.abs(block["aligned"].astype(float) - block["truth"][:, None]).mean(axis=2)
        errors.append(np.median(gap[block["trust"][:, :, 0] > 128]))
    assert np.median(errors) < 12  # of 255


def test_the_guess_shows_every_pixel(toy, tmp_path):
    """Known pixels as they are, the most trusted reference where there is one, a smooth membrane elsewhere."""
    sample = samples.TargetPool(toy, tmp_path, 2, 0, replace(SPEC, holes={"blob": 1.0})).whole(0)
    truth, hole, guess, unseen = (sample[name] for name in ("truth", "mask", "guess", "unseen"))
    assert torch.equal(guess * (1 - hole), truth * (1 - hole))
    assert unseen.any()
    assert not (unseen * (sample["trust"].amax(dim=1) > 0)).any()
    for b, y, x in (hole * (1 - unseen))[:, 0].nonzero()[::37]:
        best = sample["trust"][b, :, 0, y, x].argmax()
        assert torch.equal(guess[b, :, y, x], sample["aligned"][b, best, :, y, x])
    values = guess.movedim(1, -1)[unseen[:, 0] > 0]
    assert values.min() >= truth.min() - 1e-3
    assert values.max() <= truth.max() + 1e-3


def test_a_pool_makes_blocks_once_and_batches_repeat(toy, tmp_path, monkeypatch):
    pool = samples.TargetPool(toy, tmp_path, 2, 0, SPEC)
    first = pool.batch(np.random.default_rng(7), 3, 4)
    assert first["truth"].shape == (3, 3, 32, 32)
    assert first["aligned"].shape == (3, 4, 3, 32, 32)
    assert set(np.unique(first["mask"])) <= {0.0, 1.0}
    # A second pool over the same folder must not need to make anything.
    monkeypatch.setattr(samples, "make_block", lambda *_: pytest.fail("made a block that is on disk"))
    again = samples.TargetPool(toy, tmp_path, 2, 0, SPEC).batch(np.random.default_rng(7), 3, 4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not list(tmp_path.rglob("*.tmp"))


def test_only_the_first_blocks_are_drawn_from(toy, tmp_path):
    pool = samples.TargetPool(toy, tmp_path, 50, 0, SPEC)
    pool.batch(np.random.default_rng(0), 6, 2, blocks=1)
    assert list(pool.open) == [0]


def test_other_settings_are_another_pool(toy, tmp_path):
    folders = {
        samples.TargetPool(toy, tmp_path, 1, seed, spec).folder
        for seed in (0, 1)
        for spec in (SPEC, replace(SPEC, crop=40))
    }
    assert len(folders) == 4


def test_an_empty_pool_is_refused(toy, tmp_path):
    with pytest.raises(UserError, match="holds no samples"):
        samples.TargetPool(toy, tmp_path, 0, 0, SPEC)


def test_raw_references_for_the_paper_preset(toy):
    block = samples.make_block(toy, 0, 0, replace(SPEC, walks=("none",), references=5))
    assert block["aligned"].shape == (2, 5, 3, 32, 32)
    assert set(np.unique(block["trust"])) <= {0, 255}
