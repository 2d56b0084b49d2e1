"""A mix of holes: shares, kinds, sizes, movement, and words that mean nothing."""

from collections import Counter

import numpy as np
import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.holes import masks, mix, outlines

SIZE = (48, 64)
SQUARES = np.stack([outlines.stored(np.ones((40, 20), np.uint8)), outlines.stored(np.tri(30, dtype=np.uint8))])
RANGES = mix.Ranges((0.05, 0.2))


def drawn(kinds: dict[str, float], seed: int, ranges: mix.Ranges = RANGES, length: int = 6) -> mix.Drawn:
    return mix.draw(kinds, length, SIZE, np.random.default_rng(seed), ranges, SQUARES)


def test_kinds_come_by_their_shares():
    """2,000 draws; the tolerance is four standard deviations."""
    kinds = {"rectangle": 1.0, "watermark": 3.0, "irregular": 4.0}
    counts = Counter(drawn(kinds, seed, length=1).kind for seed in range(2000))
    for kind, share in kinds.items():
        expected = share / 8
        assert abs(counts[kind] / 2000 - expected) < 4 * (expected * (1 - expected) / 2000) ** 0.5


@pytest.mark.parametrize("kind", mix.KINDS)
def test_every_kind_gives_holes_that_stay_or_move_as_its_name_says(kind):
    moved = 0
    for seed in range(8):
        hole = drawn({kind: 1.0}, seed).masks
        assert hole.shape == (6, 1, *SIZE)
        assert set(hole.unique().tolist()) == {0.0, 1.0}
        moved += not torch.equal(hole[0], hole[-1])
    assert moved == 0 if kind in mix.STILL else moved >= 7


@pytest.mark.parametrize("kind", [kind for kind in mix.KINDS if kind != "watermark"])
def test_the_area_is_the_one_asked_for(kind):
    ranges = mix.Ranges((0.05, 0.2), moving=(0.1, 0.12))
    for seed in range(10):
        shares = drawn({kind: 1.0}, seed, ranges).masks.mean((1, 2, 3))
        low, high = (0.1, 0.12) if kind in mix.MOVING else (0.05, 0.2)
        slack = 0.6 if kind == "moving object" else 0.8  # an object that turns also shrinks
        assert slack * low < shares.max() < high * 1.15 + 0.01


def test_a_mix_of_blobs_is_the_blobs_of_sttn():
    """The same numbers as before there were mixes: one draw for the kind, then the blob."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        if rng.random() < 0.5:
            expected = masks.stationary_blob(6, SIZE, rng, area=(0.05, 0.2))
        else:
            speed = float(rng.uniform(1.0, 9.0))
            expected = masks.moving_blob(6, SIZE, rng, area=(0.05, 0.2), max_speed=speed)
        assert torch.equal(drawn({"blob": 0.5, "moving blob": 0.5}, seed).masks, expected)


def test_only_objects_need_outlines():
    assert [kind for kind in mix.KINDS if mix.needs_outlines({kind: 1.0})] == ["object", "moving object"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blob", {"blob": 1.0}),
        ("blob, moving object*2", {"blob": 1.0, "moving object": 2.0}),
        ("watermark*.5,irregular * 1e-1", {"watermark": 0.5, "irregular": 0.1}),
    ],
)
def test_words_are_read(text, expected):
    assert mix.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("blobs", "'blobs' is no kind of hole; use blob, object"),
        ("", "'' is no kind of hole"),
        ("blob*0", "blob has the share 0.0; give a number above 0"),
        ("blob*-1", "blob has the share -1.0"),
        ("blob*nan", "blob has the share nan"),
        ("blob*inf", "blob has the share inf"),
        ("blob*two", "'blob\\*two' has no number behind the star; write KIND\\*SHARE"),
        ("blob*", "has no number behind the star"),
        ("blob,blob", "blob is named twice"),
    ],
)
def test_words_that_mean_nothing_are_sentences(text, sentence):
    with pytest.raises(UserError, match=sentence):
        mix.parse(text)


def test_an_empty_mix_is_refused():
    with pytest.raises(UserError, match="the mix is empty"):
        mix.check({})


def test_swelling_grows_and_never_shrinks_the_hole():
    hole = masks.stationary_blob(20, SIZE, np.random.default_rng(0), area=(0.05, 0.1))
    grown = mix.swelling(hole, np.random.default_rng(1))
    assert (grown >= hole).all()
    shares = grown.mean((1, 2, 3))
    assert shares.max() > shares.min() > 0
