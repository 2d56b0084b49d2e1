"""The small experiment with and without guidance: its clips, who sees what, and that it trains."""

import numpy as np
import pytest
import torch

from vinpaint_lib.lessons.experiments import tiny_combcn as tiny


def test_still_scenes_with_a_square_missing_in_every_frame():
    clips = tiny.draw("test", 3, np.random.default_rng(2))
    assert clips.truth.shape == (3, tiny.FRAMES, 3, tiny.SIDE, tiny.SIDE)
    assert torch.equal(clips.truth[:, 0], clips.truth[:, -1])
    assert (clips.mask.sum(dim=(2, 3, 4)) == tiny.SQUARE**2).all()
    assert not torch.equal(clips.mask[:, 0], clips.mask[:, 1])
    assert not set(tiny.TRAIN) & set(tiny.TEST)


@pytest.mark.parametrize("guide", ["volume", "frames", "none"])
def test_which_frames_reach_a_frame(guide):
    clips = tiny.draw("test", 2, np.random.default_rng(3))
    net = tiny.network(guide, seed=1)
    before = tiny.complete(net, guide, clips)
    changed = clips.truth.clone()
    changed[0, 3] = 1 - changed[0, 3]
    after = tiny.complete(net, guide, tiny.Clips(changed, clips.mask))
    hole = clips.mask.expand_as(before) > 0
    moved = [[bool(((before - after).abs() * hole)[b, t].max() > 1e-6) for t in range(tiny.FRAMES)] for b in range(2)]
    assert moved[1] == [False] * tiny.FRAMES
    others = moved[0][:3] + moved[0][4:]
    assert moved[0][3]
    assert any(others) == (guide == "volume")
    assert torch.equal(before * ~hole, clips.truth * ~hole)


def test_the_same_seed_is_the_same_start_and_the_same_clips():
    a, b = tiny.network("volume", 4), tiny.network("none", 4)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert tiny.train_joint(a, "volume", 2, seed=5) == tiny.train_joint(tiny.network("volume", 4), "volume", 2, seed=5)


def test_it_trains():
    net = tiny.network("none", 0, width=2)
    clips = tiny.draw("test", 4, np.random.default_rng(9))
    before = tiny.hole_psnr(tiny.complete(net, "none", clips), clips)
    losses = tiny.train_joint(net, "none", 25, seed=0)
    assert len(losses) == 25
    assert tiny.hole_psnr(tiny.complete(net, "none", clips), clips) > before + 1


def test_psnr_by_hand():
    clips = tiny.draw("test", 1, np.random.default_rng(0))
    assert tiny.hole_psnr(clips.truth + 0.1 * clips.mask, clips) == pytest.approx(20, abs=1e-3)
