"""Which group fills which pixel: winners, entropy, shares, credits, against loops over pixels."""

import math

import pytest
import torch

from tests.figures.drawn import clip, groups, hole
from vinpaint_lib.figures import choices, clips, page
from vinpaint_lib.systems.tgfnet import attention_maps


def test_winner_entropy_and_age_equal_loops_over_pixels():
    weights, trust, age = groups()
    weights[:, :, 0, 0] = 0
    winner, spread = choices.winner(weights), choices.entropy(weights)
    nearest, elsewhere = attention_maps.nearest_age(age, trust), attention_maps.shown_elsewhere(trust)
    for y in range(0, 24, 5):
        for x in range(40):
            w = [float(v) for v in weights[:, 0, y, x]]
            assert int(winner[y, x]) == (w.index(max(w)) if max(w) > 0 else choices.NOBODY)
            slow = -sum(v * math.log(v) for v in w if v > 0) / math.log(9)
            assert float(spread[0, y, x]) == pytest.approx(slow, abs=1e-5)
            ages = [float(a) for a, v in zip(age[:, 0, y, x], trust[:, 0, y, x], strict=True) if v >= 0.2]
            assert float(nearest[0, y, x]) == min(ages, default=0)
            assert float(elsewhere[0, y, x]) == float(bool(ages))
    assert (elsewhere[0, :, 20:24] == 0).all(), "the model's own outputs are not given pixels"


def test_entropy_is_one_for_a_tie_and_zero_for_a_decision():
    tie = torch.full((4, 1, 2, 2), 0.25)
    torch.testing.assert_close(choices.entropy(tie), torch.ones(1, 2, 2))
    one = torch.zeros(4, 1, 2, 2)
    one[2] = 1
    assert (choices.entropy(one) == 0).all()
    assert (choices.entropy(torch.ones(1, 1, 2, 2)) == 0).all()


def test_the_guess_is_credited_to_the_most_trusted_group():
    weights, trust, _ = groups()
    names = [*(f"walk {n}" for n in range(8)), "guess"]
    moved = attention_maps.credited(weights, trust, names)
    for y in range(0, 24, 5):
        for x in range(40):
            slow = weights[:, 0, y, x].clone()
            best = int(trust[:-1, 0, y, x].argmax())
            if trust[best, 0, y, x] > 0:
                slow[best] += slow[8]
                slow[8] = 0
            torch.testing.assert_close(moved[:, 0, y, x], slow)
    assert torch.equal(attention_maps.credited(weights, trust, ["walk"] * 9), weights)


def test_shares_count_the_hole_only():
    weights, _, _ = groups()
    mask = hole()
    slow = torch.stack([w[0][mask[0] > 0].mean() for w in weights])
    torch.testing.assert_close(choices.shares(weights, mask), slow)
    assert float(choices.shares(weights, mask).sum()) == pytest.approx(1, abs=1e-5)


def test_a_coarse_map_is_repeated_not_smoothed():
    coarse = torch.rand(2, 1, 3, 5)
    wide = choices.enlarge(coarse, (24, 40))
    assert wide.shape == (2, 1, 24, 40)
    for y, x in ((0, 0), (7, 7), (8, 7), (23, 39)):
        assert torch.equal(wide[:, :, y, x], coarse[:, :, y // 8, x // 8])


def test_painted_uses_colours_in_the_hole_and_stripes_where_nobody_wins():
    weights = torch.zeros(3, 1, 24, 40)
    weights[1, :, :, :20] = 1
    picture = torch.rand(3, 24, 40)
    shown = choices.painted(weights, picture, hole())
    assert torch.allclose(shown[:, 10, 15], torch.tensor([127, 178, 221]) / 255)  # COLOURS[1]
    assert torch.equal(shown[:, 8:16, 20:28], clips.stripes((24, 40))[:, 8:16, 20:28])
    outside = shown[:, :4]
    assert torch.equal(outside[0], outside[1])
    assert torch.equal(outside[0], outside[2])


def test_numbers_stand_inside_of_their_regions():
    weights = torch.zeros(4, 1, 24, 40)
    weights[0, :, :, :20] = 1
    weights[3, :, :, 20:] = 1
    figure = page.blank(2.0, 2.0)
    axis = figure.subplots()
    choices.numbered(axis, weights, hole())
    placed = {text.get_text(): text.get_position() for text in axis.texts}
    assert set(placed) == {"1", "4"}
    for text, (x, y) in placed.items():
        assert hole()[0, y, x] == 1
        assert (x < 20) == (text == "1")


def test_of_numbers_that_stand_close_the_largest_region_keeps_its_own():
    weights = torch.zeros(4, 1, 24, 40)
    weights[0, :, :, :16] = 1
    weights[1, :, :, 16:19] = 1
    weights[3, :, :, 19:] = 1
    axis = page.blank(2.0, 2.0).subplots()
    choices.numbered(axis, weights, hole(), apart=7.0)
    assert [text.get_text() for text in axis.texts] == ["1", "4"]


def test_every_attention_figure_draws_with_any_number_of_groups(shown):
    for n in (1, 9, 12):
        weights, trust, age = groups(n) if n > 1 else (torch.ones(1, 1, 24, 40), *[torch.ones(1, 1, 24, 40)] * 2)
        names = [f"group {i}" for i in range(n)]
        scales = {"full": weights, "1/8": torch.rand(n, 1, 3, 5)}
        choices.overlay(torch.rand(3, 24, 40), scales, hole(), names, "who fills what")
        choices.group_maps(weights, hole(), names, "one map a group")
        near = attention_maps.nearest_age(age, trust)
        choices.sureness(choices.entropy(weights), near, hole(), "how sure")
    inside = hole() > 0
    choices.by_age(near[inside], [{"a": near[inside]}, {"b": near[inside], "c": near[inside]}], "curves")
    clips.error_maps({"a": clip(), "b": clip()}, clip(), 2, "errors")
    clips.panels({name: torch.rand(3, 24, 40) for name in "abcde"}, "five pictures", columns=3)
    assert len(shown) == 12
