"""Synthetic pairs: their draws, irregular masks under maps of their own, and every device in the same way."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Generator

from vinpaint_lib.alignment import pair_losses, pairs
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import strokes

SIZE = (32, 56)


def rng_of(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def a_pair(masks: str = "blobs", seed: int = 0, device: str = "cpu") -> pairs.Pair:
    return pairs.make_pairs(torch.full((2, 3, 64, 96), 0.5, device=device), SIZE, rng_of(seed), masks=masks)


def test_without_a_word_the_draws_are_those_that_the_shipped_weights_were_trained_on():
    """Numbers of the first version. A draw that is added or moved changes all that follow it."""
    pair = a_pair()
    motion = torch.tensor([[0.9355, 0.0226, 0.3289], [-0.1216, 1.0097, 0.4693], [-0.0885, 0.0107, 1.0]])
    torch.testing.assert_close(pair.motion[1], motion, atol=1e-4, rtol=0)
    # Two pixels: another processor may round a pixel to the other side of a blob's rim.
    for found, expected in (
        (pair.target_mask, [132, 51]),
        (pair.reference_mask, [269, 129]),
        (pair.target_front, [139, 217]),
        (pair.reference_front, [33, 205]),
    ):
        torch.testing.assert_close(found.sum((1, 2, 3)), torch.tensor(expected).float(), atol=2, rtol=0)
    unlike = pairs.make_pairs(torch.full((2, 3, 64, 96), 0.5), SIZE, rng_of(), masks="irregular")
    assert torch.equal(unlike.motion, pair.motion)
    assert torch.equal(unlike.target_front, pair.target_front)


def test_irregular_masks_are_zeros_and_ones_and_repeat_by_their_seed():
    first, again, other = a_pair("irregular"), a_pair("irregular"), a_pair("irregular", seed=1)
    for name in ("target_mask", "reference_mask"):
        mask = getattr(first, name)
        assert mask.shape == (2, 1, *SIZE)
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(mask, getattr(again, name))
        assert not torch.equal(mask, getattr(other, name))
        assert not torch.equal(mask[0], mask[1])
    assert not torch.equal(first.target_mask, first.reference_mask)


def test_an_irregular_mask_is_its_drawing_under_an_affine_map(monkeypatch):
    """The drawing is all hole, so a pixel is hole just where the map stays in the drawing; against a slow loop."""
    monkeypatch.setattr(strokes, "irregular", lambda size, rng: np.ones(size, np.uint8))
    found, rng = pairs.irregular(3, SIZE, rng_of(5), torch.zeros(())), rng_of(5)
    torch.randint(2**62, (3,), generator=rng)  # the seeds of the drawings
    maps = pairs.random_affine(3, SIZE, rng, shift=0.2, turn=30.0, zoom=0.2, stretch=0.15)
    assert found.mean() < 0.99, "a map brings in what is no hole"
    for mask, theta in zip(found, maps, strict=True):
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                at = torch.tensor([(2 * column + 1) / SIZE[1] - 1, (2 * row + 1) / SIZE[0] - 1, 1.0])
                x, y = (theta @ at).abs().tolist()
                # Near a corner of the drawing both sides weigh in, so the half is elsewhere.
                corner = min(x, y) > 1 - 2 / SIZE[0] and max(x, y) < 1 + 2 / SIZE[0]
                assert corner or mask[0, row, column] == (max(x, y) < 1), (row, column)


def test_an_unknown_kind_of_mask_is_refused():
    with pytest.raises(UserError, match=r"'squares'.*blobs, irregular"):
        a_pair("squares")


@pytest.mark.slow
@pytest.mark.parametrize(("masks", "looks"), [("blobs", 0), ("irregular", 1)])
def test_pairs_and_losses_follow_their_device_and_never_ask_it_for_a_number(monkeypatch, masks, looks):
    """On the device "meta" tensors have no values: to mix it with the CPU, or to read a number, is an error there."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: nullcontext())  # it does not know this device
    net = LearnedAffine(size=SIZE, channels=(4, 8, 8), looks=looks).to("meta")
    here, there = rng_of(), rng_of()
    pairs.make_pairs(torch.zeros(2, 3, 64, 96), SIZE, here, masks=masks)
    pair = pairs.make_pairs(torch.zeros(2, 3, 64, 96, device="meta"), SIZE, there, masks=masks)
    assert torch.equal(here.get_state(), there.get_state()), "the same draws, whatever the device"
    terms = pair_losses.losses(net, pair, rng_of())
    terms["align"] = pair_losses.align_loss(net, pair.target, pair.target_mask, pair.reference, pair.reference_mask)
    sum(terms.values()).backward()
    assert {value.device.type for value in (*pair, *terms.values())} == {"meta"}
