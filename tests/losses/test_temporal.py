"""The losses between frames against loops over pixels, SSIM against scikit-image."""

import math

import numpy as np
import pytest
import torch
from einops import rearrange
from skimage.metrics import structural_similarity

from vinpaint_lib.losses import temporal
from vinpaint_lib.scoring import metrics


def frames(count=2, height=7, width=9):
    return [torch.rand(2, 3, height, width) for _ in range(count)]


def bilinear(image, x, y):
    """One pixel of (c h w) at (x, y), 0 outside."""
    height, width = image.shape[-2:]
    value, x0, y0 = torch.zeros(len(image)), math.floor(x), math.floor(y)
    for yy, wy in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
        for xx, wx in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
            if 0 <= xx < width and 0 <= yy < height:
                value = value + wy * wx * image[:, yy, xx]
    return value


def warp_loop(image, flow):
    """(c h w) pulled back along (2 h w), pixel by pixel."""
    result = torch.zeros_like(image)
    for y in range(flow.shape[1]):
        for x in range(flow.shape[2]):
            result[:, y, x] = bilinear(image, x + flow[0, y, x].item(), y + flow[1, y, x].item())
    return result


def test_warping_back_is_the_loop():
    (previous,) = frames(1)
    flow = torch.randn(2, 2, 7, 9) * 2
    expected = torch.stack([warp_loop(image, motion) for image, motion in zip(previous, flow, strict=True)])
    torch.testing.assert_close(temporal.warp_back(previous, flow), expected, atol=1e-5, rtol=1e-5)


def test_a_clip_that_moves_by_whole_pixels_is_pulled_onto_itself():
    """What is at x in frame t-1 is at x + (2, 1) in frame t, so the flow t -> t-1 is (-2, -1)."""
    wide = torch.rand(1, 3, 12, 16)
    before, now = wide[..., 2:10, 4:14], wide[..., 1:9, 2:12]
    flow = torch.zeros(1, 2, 8, 10)
    flow[:, 0], flow[:, 1] = -2, -1
    warped = temporal.warp_back(before, flow)
    torch.testing.assert_close(warped[..., 1:, 2:], now[..., 1:, 2:], atol=1e-5, rtol=0)
    assert (temporal.occlusion_weight(now, warped)[..., 1:, 2:] > 0.999).all()
    assert (temporal.flow_confidence(now, warped)[..., 1:, 2:] == 1).all()


def test_weights_by_hand():
    now = torch.tensor([0.5, 0.5, 0.5]).reshape(1, 3, 1, 1)
    same, opposite, darker = now, now + torch.tensor([0.1, -0.1, 0.0]).reshape(1, 3, 1, 1), now - 0.1
    assert temporal.occlusion_weight(now, same).item() == 1
    # Differences of opposite sign cancel in the occlusion weight, not in the confidence.
    assert temporal.occlusion_weight(now, opposite).item() == pytest.approx(1, abs=1e-5)
    assert temporal.flow_confidence(now, opposite).item() == 0
    assert temporal.occlusion_weight(now, darker).item() == pytest.approx(math.exp(-50 * 0.3**2), rel=1e-4)
    assert temporal.flow_confidence(now, now - 0.08).item() == 1
    assert temporal.flow_confidence(now, now - 0.09).item() == 0


def test_the_warping_loss_is_the_loop():
    output, before = frames()
    flow, weight = torch.randn(2, 2, 7, 9), torch.rand(2, 1, 7, 9)
    total = 0.0
    for b in range(2):
        warped = warp_loop(before[b], flow[b])
        for y in range(7):
            for x in range(9):
                for c in range(3):
                    total += weight[b, 0, y, x].item() * abs(output[b, c, y, x] - warped[c, y, x]).item()
    value = temporal.warping_loss(output, before, flow, weight)
    assert value.item() == pytest.approx(total / output.numel(), rel=1e-4)
    assert temporal.warping_loss(output, before, flow, torch.zeros_like(weight)).item() == 0


def test_flow_losses_by_hand_and_where_gradients_go():
    truth, before, output, output_before = frames(4)
    before[:, :, :, :4] = truth[:, :, :, :4]  # the pseudo-truth, no motion, explains the left part only
    pseudo = torch.zeros(2, 2, 7, 9)
    estimated = (torch.randn(2, 2, 7, 9) * 0.5).requires_grad_()
    output.requires_grad_()
    output_before.requires_grad_()
    terms = temporal.flow_losses(estimated, pseudo, truth, before, output, output_before)
    trusted = (((truth - before) ** 2).sum(1, keepdim=True) < 0.02).float()
    assert 0.4 < trusted.mean() < 0.7
    assert terms.flow.item() == pytest.approx((trusted * estimated.abs()).mean().item(), rel=1e-5)
    pulled = torch.stack([warp_loop(i, f) for i, f in zip(before, estimated.detach(), strict=True)])
    assert terms.truth.item() == pytest.approx((truth - pulled).abs().mean().item(), rel=1e-4)
    pulled = torch.stack([warp_loop(i, f) for i, f in zip(output_before.detach(), estimated.detach(), strict=True)])
    assert terms.output.item() == pytest.approx((output - pulled).abs().mean().item(), rel=1e-4)
    terms.flow.backward(retain_graph=True)
    assert (estimated.grad[..., 5:].abs().sum() == 0) == bool((trusted[..., 5:] == 0).all())
    terms.output.backward()
    assert output.grad.abs().sum() > 0
    assert output_before.grad.abs().sum() > 0


def test_the_flow_gradient_points_towards_the_true_motion():
    """A ramp moves by one pixel: the photometric part pulls the estimate from 0 towards -1."""
    ramp = torch.arange(20.0).expand(1, 3, 8, 20) / 20
    now = ramp - 1 / 20
    estimated = torch.zeros(1, 2, 8, 20, requires_grad=True)
    terms = temporal.flow_losses(estimated, torch.zeros(1, 2, 8, 20), now, ramp, now, now)
    terms.truth.backward()
    assert (estimated.grad[:, 0, :, 1:-1] > 0).all()


@pytest.mark.parametrize("size", [(32, 40), (11, 11), (12, 30)])
def test_ssim_is_scikit_images(size):
    truth = torch.rand(3, 3, *size)
    output = (truth + 0.1 * torch.randn_like(truth)).clamp(0, 1)
    expected = []
    for a, b in zip(output, truth, strict=True):
        pair = (rearrange(frame.double(), "c h w -> h w c").numpy() for frame in (a, b))
        kind = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        expected.append(structural_similarity(*pair, win_size=11, data_range=1.0, **kind))
    np.testing.assert_allclose(temporal.ssim(output, truth).numpy(), expected, atol=2e-5)


def test_ssim_of_a_frame_smaller_than_the_window_by_hand():
    """7 x 7: the window is the frame, so each colour has one weighted mean, variance and covariance."""
    truth, output = frames(2, 7, 7)
    at = torch.arange(7) - 3
    gauss = torch.exp(-(at**2) / (2 * 1.5**2))
    window = gauss[:, None] * gauss / gauss.sum() ** 2
    expected = torch.zeros(2)
    for b in range(2):
        for c in range(3):
            x, y = output[b, c], truth[b, c]
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            cov = (window * (x - mx) * (y - my)).sum()
            upper = (2 * mx * my + 0.01**2) * (2 * cov + 0.03**2)
            expected[b] += upper / ((mx**2 + my**2 + 0.01**2) * (vx + vy + 0.03**2)) / 3
    torch.testing.assert_close(temporal.ssim(output, truth), expected, atol=1e-5, rtol=1e-5)


def test_ssim_is_the_measure_of_the_scores():
    truth, output = frames(2, 24, 30)
    torch.testing.assert_close(
        temporal.ssim(output, truth).double(), metrics.ssim(output, truth, "clean"), atol=2e-5, rtol=0
    )


def test_ssim_is_one_for_equal_frames_and_its_gradient_raises_it():
    truth, output = frames(2, 24, 30)
    torch.testing.assert_close(temporal.ssim(truth, truth), torch.ones(2), atol=1e-5, rtol=0)
    output.requires_grad_()
    before = temporal.ssim(output, truth).mean()
    before.backward()
    after = temporal.ssim(output + 20 * output.grad, truth).mean()
    assert after > before


def test_the_second_frame_is_in_the_denominator():
    """Eq. 9 as it is printed has the truth's mean twice: then a black output beside a bright truth would score less."""
    truth, output = torch.full((1, 1, 16, 16), 0.8), torch.full((1, 1, 16, 16), 0.2)
    right = (2 * 0.8 * 0.2 + 1e-4) / (0.8**2 + 0.2**2 + 1e-4)
    assert temporal.ssim(output, truth).item() == pytest.approx(right, rel=1e-4)
    assert temporal.ssim(output, truth).item() == pytest.approx(temporal.ssim(truth, output).item(), rel=1e-6)


def test_autocast_changes_nothing():
    truth, output = frames(2, 24, 30)
    flow, weight = torch.randn(2, 2, 24, 30), torch.rand(2, 1, 24, 30)
    plain = (temporal.ssim(output, truth), temporal.warping_loss(output, truth, flow, weight))
    with torch.autocast("cpu", torch.bfloat16):
        cast = (temporal.ssim(output, truth), temporal.warping_loss(output, truth, flow, weight))
    for a, b in zip(plain, cast, strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)
