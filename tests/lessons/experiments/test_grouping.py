"""The tasks of the experiment on far frames, and what its two networks can and cannot hear."""

import pytest
import torch

from vinpaint_lib.lessons.experiments import grouping


def sample(task="choose", references=6, batch=5):
    return grouping.draw(task, "train", batch, references, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("task", ["carry", "choose"])
def test_only_the_right_reference_shows_what_the_hole_hides(task):
    drawn = sample(task)
    hole = grouping.mask_of_hole()
    assert not (drawn.target[:, :3] * hole).any()
    assert torch.equal(drawn.target[:, 3:], hole.expand(5, 1, -1, -1))
    for b in range(5):
        assert torch.equal(drawn.references[b, drawn.right[b], :3], drawn.truth[b])
        assert torch.equal(drawn.target[b, :3], drawn.truth[b] * (1 - hole[0]))
        for n in {*range(6)} - {int(drawn.right[b])}:
            if task == "carry":
                assert not drawn.references[b, n, :3].any()
                assert (drawn.references[b, n, 3] == 1).all()
            else:
                assert not torch.equal(drawn.references[b, n, :3], drawn.truth[b])
    assert drawn.references[:, :, 3].any() == (task == "carry")


def test_alone_means_that_no_reference_shows_anything():
    drawn = sample("alone")
    assert not drawn.references[:, :, :3].any()
    assert (drawn.references[:, :, 3] == 1).all()
    assert drawn.truth.std() > 0.1


def test_patches_of_training_and_test_are_busy_and_differ():
    train, test = grouping.patches("train"), grouping.patches("test")
    assert min(len(train), len(test)) > 500
    assert float(train.abs().max()) <= 1
    assert not any(torch.equal(train, patch.expand_as(train)) for patch in test[:5])
    with pytest.raises(ValueError, match="no task is called 'copy'"):
        sample("copy")


def test_the_right_reference_moves_and_the_rest_stays():
    drawn = sample()
    moved = grouping.at_place(drawn, 4)
    assert torch.equal(moved.references[:, 4, :3], drawn.truth)
    for b in range(5):
        assert torch.equal(moved.references[b, drawn.right[b]], drawn.references[b, 4])
        untouched = sorted({*range(6)} - {4, int(drawn.right[b])})
        assert torch.equal(moved.references[b, untouched], drawn.references[b, untouched])


@pytest.mark.parametrize("layers", [2, 3])
def test_a_plain_stack_hears_as_many_frames_as_it_has_layers(layers):
    drawn, plain = sample(references=8), grouping.Plain(8, layers)
    references = drawn.references.requires_grad_()
    (slope,) = torch.autograd.grad(plain(drawn.target, references).sum(), references)
    distance = [4, 3, 2, 1, 1, 2, 3, 4]
    assert [bool(slope[:, n].any()) for n in range(8)] == [d <= layers for d in distance]


@pytest.mark.parametrize("attention", [True, False])
def test_pairs_take_any_number_of_references_in_any_order(attention):
    drawn, pairs = sample(references=5), grouping.Pairs(8, 2, attention)
    output = pairs(drawn.target, drawn.references)
    order = [3, 0, 4, 1, 2]
    assert torch.allclose(pairs(drawn.target, drawn.references[:, order]), output, atol=1e-5)
    assert pairs(drawn.target, drawn.references[:, :2]).shape == (5, 3, grouping.SIDE, grouping.SIDE)
    places = grouping.error_by_place(pairs, "choose", references=5, count=32)
    assert max(places) - min(places) < 1e-5


def test_training_teaches_to_carry_and_a_seed_decides_it():
    def trained():
        pairs = grouping.Pairs(8, 2)
        grouping.start(pairs, 3)
        before = grouping.error_by_place(pairs, "carry", references=4, count=64)
        grouping.train_fusion(pairs, "carry", 60, references=4, batch=8, seed=3)
        return before, grouping.error_by_place(pairs, "carry", references=4, count=64)

    before, after = trained()
    assert after[0] < 0.7 * before[0]
    assert trained() == (before, after)


def test_the_error_is_the_holes_alone():
    truth = torch.zeros(2, 3, grouping.SIDE, grouping.SIDE)
    output = torch.ones_like(truth)
    output[:, :, grouping.HOLE, grouping.HOLE] = 0.5
    assert float(grouping.hole_error(output, truth)) == pytest.approx(0.25)
