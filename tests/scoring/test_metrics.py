"""Metrics against scikit-image, hand-computed cases and slow loops."""

import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from vinpaint_lib.motion import warp
from vinpaint_lib.scoring import metrics


def noisy_pair(t: int = 3, h: int = 72, w: int = 80, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(t, 3, h, w, generator=generator)
    return (truth + 0.1 * torch.randn(t, 3, h, w, generator=generator)).clamp(0, 1), truth


def hole_of(t: int, h: int, w: int) -> Tensor:
    hole = torch.zeros(t, 1, h, w)
    hole[:, :, h // 4 : h // 2, w // 3 : w // 2] = 1
    return hole


def picture(frame: Tensor) -> np.ndarray:
    return frame.double().permute(1, 2, 0).numpy()


# PSNR


def test_psnr_is_scikit_image_s():
    output, truth = noisy_pair()
    expected = [peak_signal_noise_ratio(picture(b), picture(a), data_range=1) for a, b in zip(output, truth)]
    assert metrics.psnr(output, truth).tolist() == pytest.approx(expected, abs=1e-9)


def test_psnr_by_hand():
    truth = torch.zeros(2, 3, 4, 5)
    output = torch.stack([torch.full((3, 4, 5), 0.1), torch.full((3, 4, 5), 1.0)])
    assert metrics.psnr(output, truth).tolist() == pytest.approx([20.0, 0.0], abs=1e-5)  # 0.1 is a float32


def test_hole_psnr_is_the_loop_over_hole_pixels():
    output, truth = noisy_pair(2, 9, 11)
    hole = hole_of(2, 9, 11)
    hole[1, 0, 8, 10] = 1
    expected = []
    for t in range(2):
        total, count = 0.0, 0
        for c in range(3):
            for y in range(9):
                for x in range(11):
                    if hole[t, 0, y, x] == 1:
                        total += (float(output[t, c, y, x]) - float(truth[t, c, y, x])) ** 2
                        count += 1
        expected.append(10 * math.log10(count / total))
    assert metrics.psnr(output, truth, hole).tolist() == pytest.approx(expected, abs=1e-9)


def test_hole_psnr_does_not_see_known_pixels():
    output, truth = noisy_pair()
    hole = hole_of(3, 72, 80)
    assert torch.equal(metrics.psnr(output, truth, hole), metrics.psnr(output * hole, truth * hole, hole))


def test_composited_full_frame_and_hole_psnr_differ_by_the_hole_s_share():
    output, truth = noisy_pair()
    hole = hole_of(3, 72, 80)
    composited = output * hole + truth * (1 - hole)
    gain = -10 * math.log10(float(hole.mean()))
    difference = metrics.psnr(composited, truth) - metrics.psnr(composited, truth, hole)
    assert difference.tolist() == pytest.approx([gain] * 3, abs=1e-6)


def test_equal_frames_are_infinite_and_a_frame_without_hole_is_undefined():
    output, truth = noisy_pair()
    output[1] = truth[1]
    hole = hole_of(3, 72, 80)
    hole[2] = 0
    assert metrics.psnr(output, truth)[1] == math.inf
    assert math.isnan(metrics.psnr(output, truth, hole)[2])


def test_mean_says_what_it_left_out():
    values = torch.tensor([30.0, math.inf, 20.0, math.nan], dtype=torch.float64)
    assert metrics.mean(values) == metrics.Mean(25.0, 2, 1, 1)
    assert metrics.mean(torch.full((2,), math.inf, dtype=torch.float64)) == metrics.Mean(math.inf, 0, 2, 0)
    nothing = metrics.mean(torch.tensor([math.nan], dtype=torch.float64))
    assert math.isnan(nothing.value)
    assert nothing.finite == 0


def test_sums_are_float64():
    # In float32 the mean of 7 million squares of 0.1 drifts in the sixth digit.
    truth = torch.zeros(1, 3, 1200, 2000)
    value = float(np.float32(0.1))
    assert metrics.psnr(truth + 0.1, truth).item() == pytest.approx(-20 * math.log10(value), abs=1e-12)


# SSIM


def test_clean_ssim_is_wang_s_by_scikit_image():
    output, truth = noisy_pair()
    expected = [
        structural_similarity(
            picture(a),
            picture(b),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=2,
        )
        for a, b in zip(output, truth)
    ]
    assert metrics.ssim(output, truth, "clean").tolist() == pytest.approx(expected, abs=1e-12)


def test_clean_ssim_is_the_slow_loop():
    output, truth = noisy_pair(1, 14, 13)
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    scores = []
    for c in range(3):
        a, b = output[0, c].double().numpy(), truth[0, c].double().numpy()
        for y in range(5, 14 - 5):
            for x in range(5, 13 - 5):
                p, q = a[y - 5 : y + 6, x - 5 : x + 6], b[y - 5 : y + 6, x - 5 : x + 6]
                mp, mq = (kernel * p).sum(), (kernel * q).sum()
                vp, vq = (kernel * (p - mp) ** 2).sum(), (kernel * (q - mq) ** 2).sum()
                vpq = (kernel * (p - mp) * (q - mq)).sum()
                scores.append((2 * mp * mq + 1e-4) * (2 * vpq + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    assert metrics.ssim(output, truth).item() == pytest.approx(np.mean(scores), abs=1e-9)


def test_paper_ssim_is_the_evaluators_call_on_255():
    output, truth = noisy_pair(2)
    output, truth = metrics.to_8bit(output), metrics.to_8bit(truth)
    expected = [
        structural_similarity(picture(a) * 255, picture(b) * 255, win_size=65, data_range=255, channel_axis=2)
        for a, b in zip(output, truth)
    ]
    assert metrics.ssim(output, truth, "paper").tolist() == pytest.approx(expected, abs=1e-9)
    assert metrics.ssim(output, truth, "clean")[0] != pytest.approx(expected[0], abs=1e-4)


@pytest.mark.parametrize(
    "size, clean, paper", [((240, 432), 11, 65), ((48, 64), 11, 47), ((8, 9), 7, 7), ((1, 5), 1, 1)]
)
def test_small_frames_get_a_smaller_window(size, clean, paper):
    assert (metrics.ssim_window("clean", *size), metrics.ssim_window("paper", *size)) == (clean, paper)
    output, truth = noisy_pair(1, *size)
    for protocol in ("clean", "paper"):
        assert metrics.ssim(output, truth, protocol).item() < 1
        assert metrics.ssim(truth, truth, protocol).item() == pytest.approx(1, abs=1e-12)


@pytest.mark.slow  # one case is refused by the shape types, which `make quick` leaves out
def test_unknown_protocol_and_other_shapes_are_refused():
    output, truth = noisy_pair()
    with pytest.raises(ValueError, match="'wang' is not one of clean, paper"):
        metrics.ssim(output, truth, "wang")
    with pytest.raises(ValueError, match=r"output \(3, 3, 72, 80\) and truth \(1, 3, 72, 80\) differ in shape"):
        metrics.must_agree(output, truth[:1])  # what the checked signatures of the three scores say while tests run
    for score in (metrics.psnr, metrics.ssim, metrics.warping_error):
        with pytest.raises(TypeCheckError):
            score(output, truth[:1])


def test_to_8bit_rounds():
    frames = torch.tensor([-0.2, 0.5 / 255 - 1e-4, 0.5 / 255 + 1e-4, 1.4]).reshape(1, 1, 1, 4).repeat(1, 3, 1, 1)
    assert metrics.to_8bit(frames)[0, 0, 0].mul(255).tolist() == pytest.approx([0, 0, 1, 255])


# Warping error


def smooth_still(h: int, w: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(h) / h, torch.arange(w) / w, indexing="ij")
    return torch.stack([0.5 + 0.4 * torch.sin(6 * x), 0.5 + 0.4 * torch.cos(5 * y), x * y])


def shifted_sequence(t: int = 4, h: int = 40, w: int = 48, dx: int = 3, dy: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """A picture that moves by whole pixels, with its exact flows."""
    wide = smooth_still(h + t * dy, w + t * dx)
    frames = torch.stack([wide[:, (t - i) * dy : (t - i) * dy + h, (t - i) * dx : (t - i) * dx + w] for i in range(t)])
    forward = torch.tensor([dx, dy]).float().reshape(1, 2, 1, 1).expand(t - 1, 2, h, w).contiguous()
    return frames, forward, -forward


def test_a_sequence_moved_by_exact_flow_has_no_warping_error():
    frames, forward, backward = shifted_sequence()
    motion = metrics.exact_motion(forward, backward)
    assert motion.estimator == "exact"
    assert metrics.warping_error(frames, frames, motion).max() < 1e-10
    # Three columns and one row leave the frame; nothing else is hidden.
    assert motion.scored.mean().item() == pytest.approx((40 - 1) * (48 - 3) / (40 * 48), abs=1e-6)


def test_flicker_is_a_positive_warping_error_of_the_expected_size():
    frames, forward, backward = shifted_sequence()
    flicker = frames.clone()
    flicker[1::2] += 0.1
    error = metrics.warping_error(flicker, frames, metrics.exact_motion(forward, backward))
    assert error.tolist() == pytest.approx([0.01] * 3, abs=1e-6)


def test_the_wrong_direction_of_flow_is_an_error():
    frames, forward, backward = shifted_sequence()
    assert metrics.warping_error(frames, frames, metrics.exact_motion(backward, forward)).min() > 1e-3


def moving_square(t: int = 3, size: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """A square that moves by 4 pixels over a still ground, with exact flows both ways."""
    frames = smooth_still(size, size).repeat(t, 1, 1, 1)
    forward, backward = torch.zeros(t - 1, 2, size, size), torch.zeros(t - 1, 2, size, size)
    for i in range(t):
        frames[i, :, 10:20, 5 + 4 * i : 15 + 4 * i] = 1
    for i in range(t - 1):
        forward[i, 0, 10:20, 5 + 4 * i : 15 + 4 * i] = 4
        backward[i, 0, 10:20, 9 + 4 * i : 19 + 4 * i] = -4
    return frames, forward, backward


def test_covered_pixels_and_motion_boundaries_do_not_count():
    frames, forward, backward = moving_square()
    motion = metrics.exact_motion(forward, backward)
    # Ground right of the square is covered next: its flow 0 meets the square's flow -4 there.
    assert motion.scored[0, 0, 10:20, 15:19].sum() == 0
    # The square's last column and the ground's column before its first jump by 4 to the right neighbour.
    assert motion.scored[0, 0, 10:20, 14].sum() == 0
    assert motion.scored[0, 0, 10:20, 4].sum() == 0
    assert motion.scored[0, 0, 11:19, 5:14].min() == 1
    assert metrics.warping_error(frames, frames, motion).max() < 1e-10
    everything = metrics.ScoredMotion(forward, torch.ones_like(motion.scored), "exact")
    assert metrics.warping_error(frames, frames, everything).min() > 1e-3


def test_hidden_is_the_slow_loop_of_the_rule():
    generator = torch.Generator().manual_seed(1)
    # The first pair moves fast and unevenly, the second by less than a pixel, so that it leaves the frame unnoticed.
    base = torch.tensor([[2.3, -1.6], [0.4, -0.3]]).reshape(2, 2, 1, 1)
    spread = torch.tensor([0.8, 0.05]).reshape(2, 1, 1, 1)
    coarse = base + spread * torch.randn(2, 2, 4, 5, generator=generator)
    forward = torch.nn.functional.interpolate(coarse, (16, 20), mode="bilinear")
    backward = -forward
    backward[..., :10, 8:] += 1.5 * torch.randn(2, 2, 10, 12, generator=generator)

    def at(plane: np.ndarray, x: float, y: float) -> float:
        x0, y0 = math.floor(x), math.floor(y)
        total = 0.0
        for yy, xx in ((y0, x0), (y0, x0 + 1), (y0 + 1, x0), (y0 + 1, x0 + 1)):
            if 0 <= xx < 20 and 0 <= yy < 16:
                total += plane[yy, xx] * (1 - abs(x - xx)) * (1 - abs(y - yy))
        return total

    expected, alone = np.zeros((2, 16, 20), bool), np.zeros(3)
    for p, y, x in np.ndindex(2, 16, 20):
        f, b = forward[p].double().numpy(), backward[p].double().numpy()
        u, v = f[:, y, x]
        bu, bv = at(b[0], x + u, y + v), at(b[1], x + u, y + v)
        covered = (u + bu) ** 2 + (v + bv) ** 2 > 0.01 * (u * u + v * v + bu * bu + bv * bv) + 0.5
        slope = 0.0
        for plane in f:
            if x < 19:
                slope += (plane[y, x + 1] - plane[y, x]) ** 2
            if y < 15:
                slope += (plane[y + 1, x] - plane[y, x]) ** 2
        jumps = slope > 0.01 * (u * u + v * v) + 0.002
        gone = at(np.ones((16, 20)), x + u, y + v) < 0.999
        expected[p, y, x] = covered or jumps or gone
        if covered + jumps + gone == 1:
            alone += (covered, jumps, gone)
    result = metrics.hidden(forward, backward)[:, 0].numpy()
    assert expected.mean() < 0.9
    assert alone.min() >= 3, "each part of the rule must decide somewhere by itself"
    assert np.argwhere(result != expected).tolist() == []


def test_hole_warping_error_is_the_loop_over_the_union_of_holes():
    frames, forward, backward = shifted_sequence(3, 20, 24, dx=2, dy=1)
    output = (frames + 0.1 * torch.randn(frames.shape)).clamp(0, 1)
    hole = torch.zeros(3, 1, 20, 24)
    hole[0, 0, 4:9, 3:8] = 1
    hole[1, 0, 10:14, 8:13] = 1
    hole[2, 0, 2:5, 15:19] = 1
    expected = []
    for t in range(2):
        total, count = 0.0, 0
        for y in range(20 - 1):
            for x in range(24 - 2):
                if hole[t, 0, y, x] == 1 or hole[t + 1, 0, y + 1, x + 2] == 1:
                    count += 1
                    for c in range(3):
                        total += (float(output[t + 1, c, y + 1, x + 2]) - float(output[t, c, y, x])) ** 2
        expected.append(total / (3 * count))
    result = metrics.warping_error(output, frames, metrics.exact_motion(forward, backward), hole)
    assert result.tolist() == pytest.approx(expected, rel=1e-4)  # positions are float32, so values mix by 1e-6


def test_hole_warping_error_ignores_what_no_hole_touches():
    frames, forward, backward = shifted_sequence()
    motion = metrics.exact_motion(forward, backward)
    hole = hole_of(4, 40, 48)
    far = frames.clone()
    far[1, :, 30:, :] += 0.3
    assert metrics.warping_error(far, frames, motion, hole).max() < 1e-10
    assert metrics.warping_error(far, frames, motion).max() > 1e-3
    hole[1:] = 0
    result = metrics.warping_error(frames, frames, motion, hole)
    assert torch.isnan(result).tolist() == [False, True, True]


def test_one_frame_has_no_pairs():
    frames, _, _ = shifted_sequence()
    assert metrics.warping_error(frames[:1], frames[:1]).shape == (0,)
    assert math.isnan(metrics.mean(metrics.warping_error(frames[:1], frames[:1])).value)


def test_motion_of_another_length_is_refused():
    frames, forward, backward = shifted_sequence()
    with pytest.raises(ValueError, match="4 frames have 3 pairs, the motion has 2"):
        metrics.warping_error(frames, frames, metrics.exact_motion(forward[:2], backward[:2]))


def test_dis_measures_the_truth_and_orders_models():
    generator = torch.Generator().manual_seed(0)
    texture = torch.rand(1, 3, 34, 40, generator=generator)
    wide = torch.nn.functional.interpolate(texture, (136, 160), mode="bicubic").clamp(0, 1)
    at = warp.pixel_grid(96, 128)
    frames = torch.cat(
        [warp.sample(wide, at[None] + torch.tensor([3.0 * (3 - t), 8.0]).reshape(1, 2, 1, 1)) for t in range(4)]
    )
    motion = metrics.truth_motion(frames)
    assert motion.estimator.startswith("DIS")
    middle = motion.forward[:, :, 20:-20, 20:-20]
    assert middle.mean((0, 2, 3)).tolist() == pytest.approx([3.0, 0.0], abs=0.1)
    steady = metrics.mean(metrics.warping_error(frames, frames, motion)).value
    flicker = frames + 0.05 * torch.randn(frames.shape, generator=generator)
    assert steady < 2e-3
    assert metrics.mean(metrics.warping_error(flicker, frames)).value > steady + 2e-3
