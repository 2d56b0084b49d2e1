"""Clips with holes for training: the frame rule, repeatable blocks, masks of exactly 0 and 1, wrong words."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vinpaint_lib.datasets.clip_set import ClipSet
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks
from vinpaint_lib.systems.sttn.recipe import STTNTask
from vinpaint_lib.training import clip_samples
from vinpaint_lib.video.clip import Clip

pytestmark = pytest.mark.slow

SPEC = clip_samples.ClipSpec(
    frames="sttn", crop=(24, 40), height=(48, 48), length=8, crops=2, hole=(0.05, 0.3), count=3
)
RULES = STTNTask.rules


@pytest.fixture(scope="module")
def toy():
    return parse_source("toy")


class Numbered(ClipSet):
    """One clip whose frame t is the constant grey t / 255."""

    def __init__(self, length: int, size=(48, 80)) -> None:
        self.length, self.shape = length, size

    def __len__(self):
        return 1

    def name(self, i):
        return "numbered"

    def frames(self, i):
        return self.length

    def size(self, i):
        return self.shape

    def describe(self):
        return {"kind": "numbered", "length": self.length, "size": self.shape}

    def read(self, i, size, chosen):
        frames = torch.tensor([t / 255 for t in chosen])[:, None, None, None].expand(-1, 3, *size)
        return Clip(frames, torch.zeros_like(frames[:, :1]), name="numbered")


def test_a_block_is_a_function_of_seed_and_number(toy):
    one, same, other = (clip_samples.make_block(toy, 0, number, SPEC, objects=False)["truth"] for number in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert (one.shape, one.dtype) == ((2, 8, 3, 24, 40), np.uint8)


def test_crops_are_windows_of_the_clip(toy, monkeypatch):
    """Every crop is found again in the stretch, at one place for all frames; a loop looks for it."""
    seen = []
    draw = clip_samples.draw_stretch

    def kept(*arguments):
        seen.append(draw(*arguments))
        return seen[-1]

    monkeypatch.setattr(clip_samples, "draw_stretch", kept)
    crops = clip_samples.make_block(toy, 1, 0, SPEC, objects=False)["truth"]
    whole = (seen[0].frames * 255).round().byte().numpy()
    for crop in crops:
        places = [
            (y, x)
            for y in range(whole.shape[2] - 23)
            for x in range(whole.shape[3] - 39)
            if np.array_equal(crop, whole[:, :, y : y + 24, x : x + 40])
        ]
        assert len(places) == 1


@pytest.mark.parametrize("rule", ["sttn", "consecutive"])
def test_frames_are_chosen_by_the_rule(tmp_path, rule):
    """Frame t of the clip is the grey t. Consecutive: neighbours; STTN: in order, half of the time neighbours."""
    spec = replace(SPEC, frames=rule, count=4, length=30)
    pool = clip_samples.ClipPool(Numbered(60), tmp_path, 3, 0, spec, rule=RULES[spec.frames])
    neighbours = 0
    for draw in range(200):
        rng = np.random.default_rng(draw)
        stretch = pool.block(draw % 3)["truth"][0]
        values = [int(frame[0, 0, 0]) for frame in stretch]
        step = values[1] - values[0]  # the stretch may be slower or reversed
        assert values == [values[0] + k * step for k in range(30)]
        truth, mask = pool.sample(stretch, rng)
        assert truth.shape == (4, 3, 24, 40)
        places = [values.index(int(frame[0, 0, 0])) for frame in truth]
        assert places == sorted(set(places))
        near = places == list(range(places[0], places[0] + 4))
        neighbours += near
        again = np.random.default_rng(draw)
        chosen = RULES[rule](30, again, 4)
        assert places == list(chosen)
        # The hole moves through all frames of the stretch, also through those that are not taken.
        still = again.random() < spec.holes["blob"]
        hole = (
            masks.stationary_blob(30, spec.size, again, area=spec.hole)
            if still
            else masks.moving_blob(30, spec.size, again, area=spec.hole, max_speed=again.uniform(*spec.speed))
        )
        assert torch.equal(mask, hole[list(chosen)] > 0)
    assert neighbours == 200 if rule == "consecutive" else 70 < neighbours < 130


def test_batches_repeat_and_masks_are_exactly_0_or_1(toy, tmp_path, monkeypatch):
    pool = clip_samples.ClipPool(toy, tmp_path, 2, 0, SPEC, rule=RULES[SPEC.frames])
    first = pool.batch(np.random.default_rng(7), 6)
    assert (first["truth"].shape, first["mask"].shape) == ((6, 3, 3, 24, 40), (6, 3, 1, 24, 40))
    assert set(np.unique(first["mask"])) == {0.0, 1.0}
    assert (first["mask"].sum((-1, -2)) > 0).all()
    assert 0 <= first["truth"].min() < first["truth"].max() <= 1
    assert first["mask"].mean((-1, -2)).max() <= 0.31
    # A second pool over the same folder must not need to make anything.
    monkeypatch.setattr(clip_samples, "make_block", lambda *_, **__: pytest.fail("made a block that is on disk"))
    again = clip_samples.ClipPool(toy, tmp_path, 2, 0, SPEC, rule=RULES[SPEC.frames]).batch(np.random.default_rng(7), 6)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = clip_samples.ClipPool(toy, tmp_path, 2, 0, SPEC, rule=RULES[SPEC.frames]).batch(np.random.default_rng(8), 6)
    assert not torch.equal(first["mask"], other["mask"])


def test_a_whole_block_is_always_the_same_and_untouched(toy, tmp_path):
    pool = clip_samples.ClipPool(toy, tmp_path, 2, 0, SPEC, rule=RULES[SPEC.frames])
    one, same = pool.whole(1), clip_samples.ClipPool(toy, tmp_path, 2, 0, SPEC, rule=RULES[SPEC.frames]).whole(1)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert one["truth"].shape == (2, 3, 3, 24, 40)
    stored = pool.block(1)["truth"]
    for crop, truth in zip(stored, one["truth"], strict=True):
        for frame in (truth * 255).round().byte().numpy():
            assert any(np.array_equal(frame, kept) for kept in crop)


def test_only_the_first_blocks_are_drawn_from(toy, tmp_path):
    pool = clip_samples.ClipPool(toy, tmp_path, 50, 0, SPEC, rule=RULES[SPEC.frames])
    pool.batch(np.random.default_rng(0), 6, blocks=1)
    assert list(pool.open) == [0]


def test_workers_make_the_same_blocks(toy, tmp_path):
    pool = clip_samples.ClipPool(toy, tmp_path / "workers", 2, 0, SPEC, rule=RULES[SPEC.frames])
    executor = pool.prepare(1)
    try:
        made = [pool.block(number)["truth"] for number in range(2)]
    finally:
        executor.shutdown(cancel_futures=True)
    alone = clip_samples.ClipPool(toy, tmp_path / "alone", 2, 0, SPEC, rule=RULES[SPEC.frames])
    assert all(np.array_equal(block, alone.block(number)["truth"]) for number, block in enumerate(made))


def test_a_clip_that_is_short_gives_all_it_has(tmp_path):
    pool = clip_samples.ClipPool(Numbered(4), tmp_path, 1, 0, SPEC, rule=RULES[SPEC.frames])
    assert 3 <= pool.block(0)["truth"].shape[1] <= 4
    with pytest.raises(UserError, match="no clip of at least 3 frames and 40x24 pixels"):
        clip_samples.ClipPool(Numbered(2), tmp_path, 1, 0, SPEC, rule=RULES[SPEC.frames]).block(0)
    with pytest.raises(UserError, match="no clip of at least 3 frames and 40x24 pixels"):
        clip_samples.ClipPool(Numbered(9, (48, 32)), tmp_path, 1, 0, SPEC, rule=RULES[SPEC.frames]).block(0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"count": 9}, "count 9: a stretch of 8 frames"),
        ({"height": (16, 16)}, r"heights up to 24 or more"),
        ({"height": (48, 40)}, r"height \(48, 40\)"),
    ],
)
def test_a_spec_that_cannot_be_met_is_refused(toy, tmp_path, change, sentence):
    with pytest.raises(UserError, match=sentence):
        clip_samples.ClipPool(toy, tmp_path, 1, 0, replace(SPEC, **change), rule=RULES["sttn"])


def test_other_settings_are_another_pool(toy, tmp_path):
    folders = {
        clip_samples.ClipPool(toy, tmp_path, 1, seed, spec, rule=RULES[spec.frames]).folder
        for seed in (0, 1)
        for spec in (SPEC, replace(SPEC, crop=40))
    }
    assert len(folders) == 4


def test_sttns_own_ranges_are_far_larger(toy, tmp_path):
    """Without a range of areas the blobs are those of the paper: boxes from a third of each side on."""
    pool = clip_samples.ClipPool(toy, tmp_path, 1, 0, replace(SPEC, crop=48, hole=None), rule=RULES["sttn"])
    shares = [float(pool.batch(np.random.default_rng(n), 1)["mask"].mean()) for n in range(40)]
    assert np.mean(shares) > 0.2
    assert min(shares) > 0.04
