"""VINet's released losses against loops over pixels; where their gradients go."""

import math

import pytest
import torch

from vinpaint_lib.systems.vinet.network import Unrolled
from vinpaint_lib.systems.vinet.released_losses import released_terms

BATCH, TARGETS, HEIGHT, WIDTH = 2, 4, 9, 7
NAMES = {"L_1", "L_ssim", "L_hole", "L_F", "L_st", "L_lt"}


def unrolled(frames, flow):
    """What the terms do not read is noise, so that reading it shows."""
    b, k, _, h, w = frames.shape
    flows = tuple(torch.randn(b, k, 5, 2, h >> n, w >> n) for n in (1, 2, 3))
    masks = tuple(torch.rand(b, k, 1, h >> n, w >> n) for n in range(4))
    return Unrolled(frames, torch.rand(b, k, 3, h, w).requires_grad_(), flow, flows, masks)


def a_case():
    """A soft picture that hardly changes, flows of a few pixels that leave the frame too, outputs beyond [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 0.1, HEIGHT), torch.linspace(0.3, 0.6, WIDTH), indexing="ij")
    truth = x + y + 0.02 * torch.randn(BATCH, TARGETS, 3, HEIGHT, WIDTH)
    frames = (truth + 0.4 * torch.randn_like(truth)).requires_grad_()
    flow = torch.randn(BATCH, TARGETS - 1, 2, HEIGHT, WIDTH).requires_grad_()
    batch = {
        "flow": 2 * torch.randn(BATCH, TARGETS - 1, 2, HEIGHT, WIDTH),
        "first_flow": 2 * torch.randn(BATCH, TARGETS - 2, 2, HEIGHT, WIDTH),
    }
    masks = (torch.rand(BATCH, TARGETS, 1, HEIGHT, WIDTH) < 0.3).float()
    return unrolled(frames, flow), truth.clamp(0, 1), masks, batch


def signed(frames):
    """From [0, 1] to [-1, 1], to the last digits of double."""
    return 2 * frames.detach().double() - 1


def pulled(picture, flow):
    """(3 h w) at x + flow(x), pixel by pixel; beyond the border its last pixels."""
    result = torch.zeros_like(picture)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            u = min(max(x + flow[0, y, x].item(), 0.0), WIDTH - 1.0)
            v = min(max(y + flow[1, y, x].item(), 0.0), HEIGHT - 1.0)
            left, top = math.floor(u), math.floor(v)
            right, low = min(left + 1, WIDTH - 1), min(top + 1, HEIGHT - 1)
            upper = (1 - u + left) * picture[:, top, left] + (u - left) * picture[:, top, right]
            lower = (1 - u + left) * picture[:, low, left] + (u - left) * picture[:, low, right]
            result[:, y, x] = (1 - v + top) * upper + (v - top) * lower
    return result


def pixels():
    return ((y, x) for y in range(HEIGHT) for x in range(WIDTH))


def mean_absolute(a, b, weight=None):
    """Mean over all pixels and colours of the frame, `weight` a number for each pixel."""
    total = 0.0
    for y, x in pixels():
        for c in range(3):
            share = 1.0 if weight is None else weight[y][x]
            total += share * abs(a[c, y, x].item() - b[c, y, x].item())
    return total / (3 * HEIGHT * WIDTH)


def occlusion(now, warped):
    """exp(-50 d^2) of each pixel, colours added before they are squared."""
    rows = [
        [sum((now[c, y, x] - warped[c, y, x]).item() for c in range(3)) for x in range(WIDTH)] for y in range(HEIGHT)
    ]
    return [[math.exp(-50 * d * d) for d in row] for row in rows]


def confidence(now, warped):
    """1 for each pixel whose squared differences sum to less than 0.02."""
    return [
        [float(sum((now[c, y, x] - warped[c, y, x]).item() ** 2 for c in range(3)) < 0.02) for x in range(WIDTH)]
        for y in range(HEIGHT)
    ]


def similarity(a, b):
    """Mean SSIM of two frames: at each pixel weighted means of 11 x 11 pixels, those beyond the border zero."""
    kernel = [math.exp(-((n - 5) ** 2) / (2 * 1.5**2)) for n in range(11)]
    norm = sum(kernel) ** 2
    total = 0.0
    for c in range(3):
        for y, x in pixels():
            mx = my = xx = yy = xy = 0.0
            for v in range(max(0, y - 5), min(HEIGHT, y + 6)):
                for u in range(max(0, x - 5), min(WIDTH, x + 6)):
                    share = kernel[v - y + 5] * kernel[u - x + 5] / norm
                    p, q = a[c][v][u], b[c][v][u]
                    mx, my = mx + share * p, my + share * q
                    xx, yy, xy = xx + share * p * p, yy + share * q * q, xy + share * p * q
            upper = (2 * mx * my + 0.01**2) * (2 * (xy - mx * my) + 0.03**2)
            total += upper / ((mx**2 + my**2 + 0.01**2) * (xx - mx**2 + yy - my**2 + 0.03**2))
    return total / (3 * HEIGHT * WIDTH)


def test_the_picture_s_terms_are_loops_over_pixels_summed_over_targets():
    made, truth, masks, batch = a_case()
    found = released_terms(made, truth, masks, batch)
    assert set(found) == NAMES
    l1 = hole = similar = 0.0
    for b in range(BATCH):
        for k in range(TARGETS):
            output, known = signed(made.frames[b, k]), signed(truth[b, k])
            l1 += mean_absolute(output, known) / BATCH
            hole += mean_absolute(output, known, masks[b, k, 0].tolist()) / BATCH
            similar += similarity(output.tolist(), known.tolist()) / BATCH
    assert found["L_1"].item() == pytest.approx(l1, rel=1e-5)
    assert found["L_hole"].item() == pytest.approx(hole, rel=1e-5)
    assert found["L_ssim"].item() == pytest.approx(TARGETS - similar, abs=1e-4)


def test_the_warping_terms_are_loops_over_pixels_summed_over_targets():
    made, truth, masks, batch = a_case()
    found = released_terms(made, truth, masks, batch)
    short = long = 0.0
    seen = []
    for b in range(BATCH):
        for k in range(1, TARGETS):
            output, now = signed(made.frames[b, k]), signed(truth[b, k])
            warped = pulled(signed(truth[b, k - 1]), batch["flow"][b, k - 1])
            weight = occlusion(now, warped)
            seen += [w for row in weight for w in row]
            short += mean_absolute(output, warped, weight) / BATCH
            if k > 1:
                warped = pulled(signed(truth[b, 0]), batch["first_flow"][b, k - 2])
                long += mean_absolute(output, warped, occlusion(now, warped)) / BATCH
    assert 0.1 < sum(seen) / len(seen) < 0.9, "the case tells weights from ones and from zeros"
    assert found["L_st"].item() == pytest.approx(short, rel=1e-4)
    assert found["L_lt"].item() == pytest.approx(long, rel=1e-4)


def test_the_flow_term_is_a_loop_over_pixels_summed_over_targets():
    made, truth, masks, batch = a_case()
    total, seen = 0.0, []
    for b in range(BATCH):
        for k in range(1, TARGETS):
            output, earlier = signed(made.frames[b, k]), signed(made.frames[b, k - 1])
            now, before = signed(truth[b, k]), signed(truth[b, k - 1])
            estimated, pseudo = made.flow[b, k - 1].detach(), batch["flow"][b, k - 1]
            sure = confidence(now, pulled(before, pseudo))
            seen += [w for row in sure for w in row]
            apart = sum(
                sure[y][x] * abs((estimated[n, y, x] - pseudo[n, y, x]).item()) for y, x in pixels() for n in (0, 1)
            )
            total += apart / (2 * HEIGHT * WIDTH) / BATCH
            total += mean_absolute(pulled(before, estimated), now, sure) / BATCH
            total += mean_absolute(output, pulled(earlier, estimated), sure) / BATCH
    assert 0.1 < sum(seen) / len(seen) < 0.9
    assert released_terms(made, truth, masks, batch)["L_F"].item() == pytest.approx(total, rel=1e-4)


def test_the_third_part_of_the_flow_term_teaches_the_output_alone():
    """True frames of one grey and the pseudo-true flow found: all that is left of L_F is its third part."""
    made, truth, masks, batch = a_case()
    batch = batch | {"flow": made.flow.detach().clone()}
    released_terms(made, torch.full_like(truth, 0.5), masks, batch)["L_F"].backward()
    assert made.flow.grad.abs().max() == 0
    assert made.frames.grad[:, 0].abs().max() == 0
    # Each later output learns as the current one alone: the sign of its own gap at every pixel, and nothing more.
    assert (made.frames.grad[:, 1:].abs() - 2 / (BATCH * 3 * HEIGHT * WIDTH)).abs().max() < 1e-8
    assert made.raw.grad is None


def test_the_flow_learns_from_the_first_two_parts():
    """The second alone, where the first is at its minimum: it points from no motion towards the true motion."""
    ramp = torch.linspace(0.2, 0.3, WIDTH).expand(1, 1, 3, HEIGHT, WIDTH)
    step = (ramp[..., 1] - ramp[..., 0]).flatten()[0].item()
    truth = torch.cat([ramp, ramp - step], dim=1)
    still = torch.zeros(1, 1, 2, HEIGHT, WIDTH)
    made = unrolled(truth.clone(), still.clone().requires_grad_())
    released_terms(made, truth, torch.ones(1, 2, 1, HEIGHT, WIDTH), {"flow": still})["L_F"].backward()
    assert (made.flow.grad[:, :, 0, :, 1:-1] > 0).all()
    made = unrolled(truth.clone(), (still + 0.25).requires_grad_())
    flat = torch.full_like(truth, 0.5)
    released_terms(made, flat, torch.ones(1, 2, 1, HEIGHT, WIDTH), {"flow": still})["L_F"].backward()
    assert torch.allclose(made.flow.grad, torch.full_like(still, 1 / (2 * HEIGHT * WIDTH)))


def test_what_was_warped_sends_no_gradient_through_the_warping_terms():
    made, truth, masks, batch = a_case()
    found = released_terms(made, truth, masks, batch)
    found["L_st"].backward(retain_graph=True)
    assert made.frames.grad[:, 0].abs().max() == 0
    assert made.frames.grad[:, 1].abs().max() > 0
    made.frames.grad = None
    found["L_lt"].backward()
    assert made.frames.grad[:, :2].abs().max() == 0
    assert made.frames.grad[:, 2:].abs().max() > 0
    assert made.flow.grad is None


def test_a_perfect_output_of_a_still_clip_costs_nothing():
    _, truth, masks, batch = a_case()
    truth = truth[:, :1].expand_as(truth).contiguous()
    still = {name: torch.zeros_like(flow) for name, flow in batch.items()}
    made = unrolled(truth.clone(), still["flow"].clone())
    for name, value in released_terms(made, truth, masks, still).items():
        assert value.item() == pytest.approx(0, abs=1e-4), name


def test_terms_without_a_target_and_of_a_network_without_recurrence_are_left_out():
    made, truth, masks, batch = a_case()

    def first(count):
        shorter = Unrolled(made.frames[:, :count], made.raw[:, :count], made.flow[:, : count - 1], (), ())
        motion = {"flow": batch["flow"][:, : count - 1], "first_flow": batch["first_flow"][:, : max(0, count - 2)]}
        return shorter, truth[:, :count], masks[:, :count], motion

    single = NAMES - {"L_F", "L_st", "L_lt"}
    assert set(released_terms(*first(1))) == single
    assert set(released_terms(*first(2))) == NAMES - {"L_lt"}
    assert set(released_terms(made._replace(flow=made.flow[:, :0]), truth, masks, batch)) == NAMES - {"L_F"}


def test_autocast_changes_nothing():
    case = a_case()
    plain = released_terms(*case)
    with torch.autocast("cpu", torch.bfloat16):
        cast = released_terms(*case)
    for name, value in plain.items():
        assert cast[name].dtype == torch.float32
        torch.testing.assert_close(cast[name], value, atol=1e-6, rtol=1e-6)
