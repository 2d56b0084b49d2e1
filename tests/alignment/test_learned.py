"""The learned aligner and the affine algebra under it: oracles, properties, gradients, refusals."""

import numpy as np
import pytest
import skimage.data
import torch
from einops import rearrange, repeat
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.alignment.learned import LearnedAffine, mutually_visible, warp_references
from vinpaint_lib.alignment.matching import REACH, correlate_around, peak
from vinpaint_lib.alignment.pair_losses import align_loss, distance, fit_known, losses
from vinpaint_lib.alignment.pairs import CameraRange, make_pairs, project
from vinpaint_lib.motion import warp


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def photo(height: int = 96, width: int = 160) -> Tensor:
    """A real photograph, 1 3 h w."""
    image = rearrange(torch.from_numpy(skimage.data.astronaut()), "h w c -> 1 c h w").float() / 255
    return functional.interpolate(image, (height, width), mode="bilinear", antialias=True)


def scene(n: int = 2, height: int = 60, width: int = 100) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Target, mask, n references that are shifted by 7, 14, ... pixels, and their masks; holes in both."""
    wide = photo(height, width + 8 * n)
    target = wide[..., :width]
    references = torch.stack([wide[..., 7 * k : 7 * k + width] for k in range(1, n + 1)], dim=1)
    target_mask, masks = torch.zeros(1, 1, height, width), torch.zeros(1, n, 1, height, width)
    target_mask[..., 10:30, 20:50] = 1
    masks[..., 25:45, 40:70] = 1
    return target, target_mask, references, masks


def small(gate: float = 1.0) -> LearnedAffine:
    net = LearnedAffine(size=(64, 112), channels=(8, 16, 24))
    net.gate.data.fill_(gate)
    return net


# --- affine algebra


def some_maps(count: int = 3) -> Tensor:
    return affine.identity(count, torch.zeros(())) + 0.2 * torch.randn(count, 2, 3)


def test_compose_and_invert_follow_points():
    first, then, points = some_maps(), some_maps(), torch.rand(3, 5, 2)
    walked = affine.apply(then, affine.apply(first, points))
    torch.testing.assert_close(affine.apply(affine.compose(first, then), points), walked, atol=1e-5, rtol=0)
    back = affine.apply(affine.invert(first), affine.apply(first, points))
    torch.testing.assert_close(back, points, atol=1e-4, rtol=0)


def test_edge_and_corner_coordinates_name_the_same_map():
    theta, (height, width) = some_maps(), (5, 9)
    corners = affine.edges_to_corners(theta, height, width)
    torch.testing.assert_close(affine.corners_to_edges(corners, height, width), theta, atol=1e-6, rtol=0)
    image = torch.rand(3, 2, height, width)
    torch.testing.assert_close(affine.warp_edges(image, theta), warp.by_affine(image, corners), atol=1e-5, rtol=0)
    assert torch.equal(affine.edges_to_corners(affine.identity(2, theta), 7, 3), affine.identity(2, theta))
    assert torch.isfinite(affine.edges_to_corners(theta, 1, 1)).all()


def test_fit_equals_numpy_least_squares():
    start, end = torch.rand(2, 30, 2) * 2 - 1, torch.rand(2, 30, 2) * 2 - 1
    weight = torch.rand(2, 30)
    found = affine.fit(start, end, weight, ridge=1e-9)
    for b in range(2):
        root = weight[b].sqrt().double().numpy()[:, None]
        points = np.concatenate([start[b].double().numpy(), np.ones((30, 1))], axis=1)
        want = np.linalg.lstsq(points * root, end[b].double().numpy() * root, rcond=None)[0].T
        np.testing.assert_allclose(found[b].numpy(), want, atol=2e-5)


def test_fit_without_weights_is_exactly_the_identity():
    start, end = torch.rand(1, 9, 2), torch.rand(1, 9, 2)
    assert torch.equal(affine.fit(start, end, torch.zeros(1, 9)), affine.identity(1, start))


def test_robust_fit_ignores_a_third_of_wrong_matches():
    theta = some_maps(1)
    start = rearrange(affine.cell_centres(8, 12, theta), "i xy -> 1 i xy")
    end = affine.apply(theta, start)
    end[:, :32] += torch.tensor([0.8, -0.5])
    weight = torch.ones(1, 96)
    found = affine.fit_robust(start, end, weight, (64.0, 112.0), (24.0, 12.0, 8.0, 4.0, 2.0))
    assert (affine.fit(start, end, weight) - theta).abs().max() > 0.1
    assert (found - theta).abs().max() < 5e-3  # what is left is the ridge, 1e-4


# --- matching


def test_local_correlation_equals_the_slow_loop():
    one, two = torch.randn(2, 5, 7, 3), torch.randn(2, 5, 7, 3)
    found = correlate_around(one, two)
    side = 2 * REACH + 1
    for b, y, x, dy, dx in np.ndindex(2, 5, 7, side, side):
        v, u = y + dy - REACH, x + dx - REACH
        want = (one[b, y, x] * two[b, v, u]).sum() if 0 <= v < 5 and 0 <= u < 7 else torch.zeros(())
        assert abs(found[b, y * 7 + x, dy * side + dx] - want) < 1e-5


def test_peak_is_the_centre_of_the_best_and_its_neighbours():
    place = affine.cell_centres(3, 4, torch.zeros(())) * torch.tensor([2.0, 1.5])  # in cells
    logits = torch.full((1, 1, 12), -50.0)
    logits[0, 0, [0, 1, 11]] = torch.tensor([2.0, 2.0, 1.9])  # two neighbours share; the far one has no say
    position, share, best = peak(logits, place, 3, 4)
    torch.testing.assert_close(position[0, 0], (place[0] + place[1]) / 2)
    assert best.item() in (0, 1)
    want = 2 * np.exp(2) / (2 * np.exp(2) + np.exp(1.9))
    assert abs(share.exp().item() - want) < 1e-5


# --- the aligner


def test_start_is_exactly_the_identity():
    theta = LearnedAffine()(*scene())
    assert torch.equal(theta, repeat(torch.eye(2, 3), "i j -> 1 2 i j"))


def test_identity_leaves_what_is_seen_and_says_so():
    _, _, references, masks = scene()
    aligned = warp_references(references, masks, repeat(torch.eye(2, 3), "i j -> 1 2 i j"))
    torch.testing.assert_close(aligned.frames, references * (1 - masks), atol=1e-5, rtol=0)
    torch.testing.assert_close(aligned.visibility, 1 - masks, atol=1e-5, rtol=0)


def test_visibility_is_carried_along():
    _, _, references, masks = scene(1)
    theta = torch.eye(2, 3)
    theta[0, 2] = 2 * 30 / 99  # 30 of the pixels to the right
    aligned = warp_references(references, masks, rearrange(theta, "i j -> 1 1 i j"))
    torch.testing.assert_close(aligned.visibility[..., :70], 1 - masks[..., 30:], atol=1e-4, rtol=0)
    assert (aligned.visibility[..., 70:] < 1e-4).all(), "outside of the reference nothing is visible"
    assert (aligned.frames[..., 70:] < 1e-4).all()


def test_l_align_counts_only_what_both_show():
    target_mask = torch.tensor([0.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 4)
    visibility = torch.tensor([1.0, 1.0, 0.5, 0.0]).reshape(1, 1, 1, 1, 4)
    assert mutually_visible(target_mask, visibility).flatten().tolist() == [1, 0, 0, 0]


def test_direction_and_size_of_a_shift_even_without_training():
    """Random features tell patches apart: a cut-out of a wide picture is found where it was cut."""
    target, target_mask, references, masks = scene(1)
    theta = small()(target, target_mask, references, masks)
    matrix = warp.affine_to_pixels(rearrange(theta, "1 n i j -> n i j"), 60, 100)
    # Target pixel x lies at x - 7 in the reference.
    torch.testing.assert_close(matrix[:, 0, 2], torch.tensor([-7.0]), atol=1.5, rtol=0)
    torch.testing.assert_close(matrix[:, 1, 2], torch.zeros(1), atol=1.5, rtol=0)


def test_content_under_holes_does_not_matter():
    target, target_mask, references, masks = scene()
    net = small()
    want = net(target, target_mask, references, masks)
    painted = target * (1 - target_mask) + torch.rand_like(target) * target_mask
    others = references * (1 - masks) + torch.rand_like(references) * masks
    torch.testing.assert_close(net(painted, target_mask, others, masks), want, atol=1e-6, rtol=0)


def test_order_of_references_does_not_matter():
    target, target_mask, references, masks = scene(3)
    net, order = small(), [2, 0, 1]
    want = net(target, target_mask, references, masks)[:, order]
    torch.testing.assert_close(net(target, target_mask, references[:, order], masks[:, order]), want, atol=1e-5, rtol=0)


def test_nothing_seen_gives_the_identity():
    target, target_mask, references, masks = scene()
    theta = small()(target, torch.ones_like(target_mask), references, masks)
    torch.testing.assert_close(theta, repeat(torch.eye(2, 3), "i j -> 1 2 i j"), atol=1e-6, rtol=0)


def test_gradient_opens_the_gate_first_and_reaches_everything_then():
    inputs = scene()
    closed = small(gate=0.0)
    closed(*inputs).square().sum().backward()
    assert closed.gate.grad.abs() > 0
    net = small(gate=0.5)
    (net(*inputs) * torch.randn(1, 2, 2, 3)).sum().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not (p.grad.abs() > 0).any()]
    assert not without


def test_half_precision_encoder_keeps_exact_positions():
    inputs, net = scene(), small()
    with torch.autocast("cpu", torch.bfloat16):
        theta = net(*inputs)
    assert theta.dtype == torch.float32
    # bfloat16 has 3 digits: features move, positions by about half a pixel of 112.
    torch.testing.assert_close(theta, net(*inputs), atol=0.02, rtol=0)


def test_refuses_shapes_that_disagree():
    target, target_mask, references, masks = scene()
    net = small()
    for wrong in (
        (target[..., :-1], target_mask, references, masks),
        (target, target_mask, references, masks[:, :1]),
        (target, target_mask, references[:, :, :, 1:], masks),
    ):
        with pytest.raises(Exception, match=r"shape|jaxtyp|type"):
            net(*wrong)
    with pytest.raises(ValueError, match="divide by 8"):
        LearnedAffine(size=(100, 64))


# --- pretraining


def pairs(seed: int = 0, **motion):
    rng = torch.Generator().manual_seed(seed)
    return make_pairs(repeat(photo(), "1 c h w -> b c h w", b=4), (64, 112), rng, CameraRange(**motion))


def test_the_known_motion_carries_the_reference_onto_the_target():
    pair = pairs(homographies=0.0, shifts=(0.1,))
    theta = fit_known(pair.motion, (64, 112))
    both = torch.cat([pair.reference, (1 - pair.reference_front)], dim=1)
    moved = affine.warp_edges(both, theta)
    plain = (moved[:, 3:] > 0.999) * (1 - pair.target_front)
    right = ((moved[:, :3] - pair.target).abs() * plain).sum() / plain.sum() / 3
    still = ((pair.reference - pair.target).abs() * plain).sum() / plain.sum() / 3
    assert right < 0.5 * still  # not 0: exposure, noise and blur differ


def test_distance_is_the_mean_gap_in_pixels():
    motion = repeat(torch.eye(3), "i j -> 2 i j")
    theta = affine.identity(2, motion)
    theta[1, 0, 2] = 2 * 3 / 112
    torch.testing.assert_close(distance(theta, motion, (64, 112)), torch.tensor([0.0, 3.0]), atol=0.02, rtol=0)


def test_project_divides_by_depth():
    matrix = torch.eye(3)
    matrix[2, 0] = 0.5
    found = project(rearrange(matrix, "i j -> 1 i j"), torch.tensor([[[1.0, 0.6]]]))
    torch.testing.assert_close(found, torch.tensor([[[1 / 1.5, 0.4]]]))


def test_a_few_steps_of_pretraining_teach_both_looks_to_match():
    net = small()
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    pair = pairs(shifts=(0.1,))
    history = []
    for _ in range(8):
        terms = losses(net, pair, torch.Generator().manual_seed(0))
        optimiser.zero_grad()
        sum(terms.values()).backward()
        optimiser.step()
        history.append({k: v.item() for k, v in terms.items()})
    assert history[-1]["cells"] < history[0]["cells"]
    assert history[-1]["fine cells"] < history[0]["fine cells"]


def test_align_loss_has_a_gradient_and_no_reward_for_leaving_the_frame():
    pair, net = pairs(), small(0.5)
    loss = align_loss(net, pair.target, pair.target_mask, pair.reference, pair.reference_mask)
    loss.backward()
    assert loss > 0
    assert net.gate.grad.abs() > 0
