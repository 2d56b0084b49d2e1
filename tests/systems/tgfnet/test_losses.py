"""Losses against slow float64 loops, the corrections of the note's equations."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from vinpaint_lib.losses import pixels
from vinpaint_lib.systems.tgfnet import losses

BATCH, CHANNELS, HEIGHT, WIDTH = 2, 3, 8, 12


def doubles(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture
def output() -> Tensor:
    return doubles(BATCH, CHANNELS, HEIGHT, WIDTH)


@pytest.fixture
def truth() -> Tensor:
    return doubles(BATCH, CHANNELS, HEIGHT, WIDTH)


@pytest.fixture
def mask() -> Tensor:
    """Holes of unequal size in the two samples, one of them a single pixel."""
    mask = torch.zeros(BATCH, 1, HEIGHT, WIDTH, dtype=torch.float64)
    mask[0, 0, 1:6, 3:8] = 1
    mask[1, 0, 7, 11] = 1
    return mask


# The slow loops


def slow_masked_l1(output: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> float:
    samples = []
    for b in range(len(output)):
        total, count = 0.0, 0
        for c, y, x in itertools.product(*(range(side) for side in output.shape[1:])):
            if mask[b, 0, y, x] == 1:
                total += abs(output[b, c, y, x] - truth[b, c, y, x])
                count += 1
        samples.append(total / count if count else 0.0)
    return sum(samples) / len(samples)


def slow_pixel_loss(outputs: list[np.ndarray], truth: np.ndarray, mask: np.ndarray, lambda_hole: float) -> float:
    total = 0.0
    for output in outputs:
        _, _, height, width = output.shape
        factor = truth.shape[-1] // width
        small, hole = np.zeros(output.shape), np.zeros((len(output), 1, height, width))
        for y, x in itertools.product(range(height), range(width)):
            cell = (..., slice(y * factor, (y + 1) * factor), slice(x * factor, (x + 1) * factor))
            small[..., y, x] = truth[cell].mean((-2, -1))
            hole[..., y, x] = mask[cell].max((-2, -1))
        total += slow_masked_l1(output, small, 1 - hole) + lambda_hole * slow_masked_l1(output, small, hole)
    return total


def slow_gram(feature: np.ndarray) -> np.ndarray:
    batch, channels, height, width = feature.shape
    gram = np.zeros((batch, channels, channels))
    for b, i, j in itertools.product(range(batch), range(channels), range(channels)):
        for y, x in itertools.product(range(height), range(width)):
            gram[b, i, j] += feature[b, i, y, x] * feature[b, j, y, x]
    return gram / (channels * height * width)


def slow_alignment(aligned: np.ndarray, visible: np.ndarray, target: np.ndarray, mask: np.ndarray) -> float:
    batch, count = aligned.shape[:2]
    total = 0.0
    for b, n in itertools.product(range(batch), range(count)):
        gap, known = 0.0, 0
        for y, x in itertools.product(range(HEIGHT), range(WIDTH)):
            if mask[b, 0, y, x] == 0 and visible[b, n, 0, y, x] == 1:
                known += 1
                gap += sum(abs(aligned[b, n, c, y, x] - target[b, c, y, x]) for c in range(3)) / 3
        total += gap / known if known else 0.0
    return total / batch


# Equal to the loops


def test_composite_keeps_the_known_pixels(output, truth, mask):
    result = pixels.composite(output, truth, mask)
    for b, y, x in itertools.product(range(BATCH), range(HEIGHT), range(WIDTH)):
        source = output if mask[b, 0, y, x] == 1 else truth
        assert torch.equal(result[b, :, y, x], source[b, :, y, x])


def test_masked_l1_is_the_loop(output, truth, mask):
    expected = slow_masked_l1(output.numpy(), truth.numpy(), mask.numpy())
    assert pixels.masked_l1(output, truth, mask).item() == pytest.approx(expected, rel=1e-12)


def test_masked_l1_of_a_batch_is_the_mean_of_its_samples(output, truth, mask):
    # So two processes with half a batch each have the loss of one with all of it.
    parts = [pixels.masked_l1(output[b : b + 1], truth[b : b + 1], mask[b : b + 1]).item() for b in range(BATCH)]
    assert pixels.masked_l1(output, truth, mask).item() == pytest.approx(np.mean(parts), rel=1e-12)


@pytest.mark.parametrize("factors", [(1,), (2,), (1, 2, 4), (4, 1)])
def test_pixel_loss_is_the_loop(truth, mask, factors):
    outputs = [doubles(BATCH, CHANNELS, HEIGHT // f, WIDTH // f) for f in factors]
    expected = slow_pixel_loss([o.numpy() for o in outputs], truth.numpy(), mask.numpy(), 3.0)
    assert losses.pixel_loss(outputs, truth, mask).item() == pytest.approx(expected, rel=1e-12)


def test_perceptual_loss_is_the_loop():
    ours = [doubles(2, 4, 6, 5), doubles(2, 7, 3, 2)]
    theirs = [doubles(2, 4, 6, 5), doubles(2, 7, 3, 2)]
    expected = 0.0
    for a, b in zip(ours, theirs):
        gaps = [abs(p - q) for p, q in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)]
        expected += sum(gaps) / len(gaps)  # N_i is the number of elements of layer i
    assert losses.perceptual_loss(ours, theirs).item() == pytest.approx(expected, rel=1e-12)


def test_gram_is_the_loop():
    feature = doubles(2, 5, 4, 3)
    result = losses.gram(feature)
    assert result.shape == (2, 5, 5)
    np.testing.assert_allclose(result.numpy(), slow_gram(feature.numpy()), rtol=1e-12)
    assert torch.allclose(result, result.mT)


def test_style_loss_is_the_loop_and_a_mean_over_layers():
    ours = [doubles(2, 4, 6, 5), doubles(2, 7, 3, 2)]
    theirs = [doubles(2, 4, 6, 5), doubles(2, 7, 3, 2)]
    per_layer = [np.abs(slow_gram(a.numpy()) - slow_gram(b.numpy())).mean() for a, b in zip(ours, theirs)]
    assert losses.style_loss(ours, theirs).item() == pytest.approx(np.mean(per_layer), rel=1e-12)
    assert losses.style_loss(ours[:1] * 3, theirs[:1] * 3).item() == pytest.approx(per_layer[0], rel=1e-12)


def test_total_variation_is_the_loop(output):
    along_x = [
        abs(output[b, c, y, x + 1].item() - output[b, c, y, x].item())
        for b, c, y, x in itertools.product(range(BATCH), range(CHANNELS), range(HEIGHT), range(WIDTH - 1))
    ]
    along_y = [
        abs(output[b, c, y + 1, x].item() - output[b, c, y, x].item())
        for b, c, y, x in itertools.product(range(BATCH), range(CHANNELS), range(HEIGHT - 1), range(WIDTH))
    ]
    expected = np.mean(along_x) + np.mean(along_y)
    assert losses.total_variation(output).item() == pytest.approx(expected, rel=1e-12)


def test_total_variation_of_ramps_by_hand():
    ramp = torch.arange(6.0).expand(1, 3, 4, 6)
    assert losses.total_variation(2 * ramp).item() == pytest.approx(2)
    assert losses.total_variation(0.5 * ramp.mT).item() == pytest.approx(0.5)
    assert losses.total_variation(torch.full((1, 3, 4, 6), 7.0)).item() == 0


def test_alignment_loss_is_the_loop(truth, mask):
    aligned = doubles(BATCH, 3, 3, HEIGHT, WIDTH)
    visible = (torch.rand(BATCH, 3, 1, HEIGHT, WIDTH) > 0.4).double()
    visible[1, 2] = 0
    expected = slow_alignment(aligned.numpy(), visible.numpy(), truth.numpy(), mask.numpy())
    assert losses.alignment_loss(aligned, visible, truth, mask).item() == pytest.approx(expected, rel=1e-12)


def test_log_error_is_the_loop(output, truth, mask):
    logs = []
    for b in range(BATCH):
        squares = [
            (output[b, c, y, x] - truth[b, c, y, x]).item() ** 2
            for c, y, x in itertools.product(range(CHANNELS), range(HEIGHT), range(WIDTH))
            if mask[b, 0, y, x] == 1
        ]
        logs.append(np.log(np.mean(squares) + 1e-4))
    assert pixels.log_error(output, truth, mask).item() == pytest.approx(np.mean(logs), rel=1e-12)


# The corrections of the printed equations


def test_perceptual_loss_compares_features_not_the_feature_of_a_difference(truth):
    # Printed: phi(a - b). With phi = ReLU and b = a + 1 that is ReLU(-1) = 0: a blind loss.
    assert torch.relu(truth - (truth + 1)).abs().max() == 0
    assert losses.perceptual_loss([torch.relu(truth)], [torch.relu(truth + 1)]).item() > 0.3
    # And where phi sees no difference there is none, though the pictures differ.
    dark = -truth.abs()
    assert torch.relu(dark - 2 * dark).max() > 0
    assert losses.perceptual_loss([torch.relu(dark)], [torch.relu(2 * dark)]).item() == 0


def test_gram_is_channels_by_channels_and_does_not_grow_with_the_picture():
    feature = doubles(1, 4, 6, 10)
    twice = torch.cat([feature, feature.flip(2)], dim=2)
    assert torch.allclose(losses.gram(twice), losses.gram(feature), rtol=1e-12)
    # All ones: the sum over h w is H W, and 1 / (C H W) of it is 1 / C.
    assert torch.allclose(losses.gram(torch.ones(1, 4, 6, 10)), torch.full((1, 4, 4), 0.25))


def test_style_does_not_see_where_things_are():
    feature = doubles(1, 4, 6, 10)
    shuffled = feature.flatten(2)[..., torch.randperm(60)].reshape(1, 4, 6, 10)
    assert losses.style_loss([shuffled], [feature]).item() < 1e-14
    assert losses.perceptual_loss([shuffled], [feature]).item() > 0.1


def test_lambda_hole_weighs_the_hole_of_every_scale_and_nothing_else(truth, mask):
    outputs = [doubles(BATCH, CHANNELS, HEIGHT // f, WIDTH // f) for f in (1, 2, 4)]

    def at(weight: float) -> float:
        return losses.pixel_loss(outputs, truth, mask, float(weight)).item()

    known = slow_pixel_loss([o.numpy() for o in outputs], truth.numpy(), mask.numpy(), 0.0)
    assert at(0) == pytest.approx(known, rel=1e-12)
    assert at(3) - at(0) == pytest.approx(3 * (at(1) - at(0)), rel=1e-12)
    # Brackets around both terms: each scale brings its own hole term.
    single = [losses.pixel_loss([o], truth, mask, 1.0) - losses.pixel_loss([o], truth, mask, 0.0) for o in outputs]
    assert all(part > 0.1 for part in single)
    assert at(1) - at(0) == pytest.approx(sum(single).item(), rel=1e-12)
    assert losses.pixel_loss(outputs, truth, mask).item() == pytest.approx(at(3), rel=1e-15)


def test_norms_are_means_so_a_larger_crop_changes_nothing(output, truth, mask):
    def larger(x: Tensor) -> Tensor:
        return torch.cat([x, x], dim=-1)

    for loss in (pixels.masked_l1, pixels.log_error, lambda o, t, m: losses.pixel_loss([o], t, m)):
        expected = loss(output, truth, mask).item()
        assert loss(larger(output), larger(truth), larger(mask)).item() == pytest.approx(expected, rel=1e-12)


def test_alignment_ignores_what_the_reference_does_not_show(truth, mask):
    aligned = doubles(BATCH, 2, 3, HEIGHT, WIDTH)
    visible = (torch.rand(BATCH, 2, 1, HEIGHT, WIDTH) > 0.5).double()
    expected = losses.alignment_loss(aligned, visible, truth, mask)
    garbage = aligned + 100 * (1 - visible)
    assert torch.equal(losses.alignment_loss(garbage, visible, truth, mask), expected)
    under_the_hole = truth + 100 * mask
    assert torch.equal(losses.alignment_loss(aligned, visible, under_the_hole, mask), expected)
    # The note's form, without visibility, would count the garbage.
    assert losses.alignment_loss(garbage, torch.ones_like(visible), truth, mask) > 10 * expected


def test_the_paper_s_weights():
    assert losses.LAMBDA_HOLE == 3
    assert losses.PAPER_WEIGHTS == {"L_py": 1, "L_perc": 0.01, "L_style": 24, "L_tv": 0.1, "L_align": 2}
