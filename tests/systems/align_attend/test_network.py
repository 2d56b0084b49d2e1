"""Align-and-Attend's network: aggregation by hand, the recursion, parts switched off, empty cases, gradients."""

from dataclasses import replace

import pytest
import torch
from einops import rearrange

from vinpaint_lib.alignment import affine
from vinpaint_lib.holes.smooth import spread
from vinpaint_lib.motion import warp
from vinpaint_lib.systems.align_attend.layers import FlowEstimator, Merge, aggregate, known_cells, weighed
from vinpaint_lib.systems.align_attend.network import CONFIGS, AlignAttendNet, Config, Parts

pytestmark = pytest.mark.slow

PAPER = Config(channels=(4, 6), working=(32, 32), matching_channels=(4, 4, 8))
COMBINATIONS = [Parts(bool(n & 4), bool(n & 2), bool(n & 1)) for n in range(8)]


def build(config=CONFIGS["tiny"], loud=True):
    torch.manual_seed(0)
    net = AlignAttendNet(config).eval()
    if loud:  # far from the start, where much is 0
        net.decoder.last.weight.data.mul_(10)
        if net.merge is not None:
            net.merge.last.weight.data.normal_(std=0.05)
        net.flow.last.weight.data.normal_(std=0.05)
    return net


def a_sample(b=2, t=7, size=32, seed=0):
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(b, 3, 6, 6, generator=rng)
    still = torch.nn.functional.interpolate(coarse, (size + t, size + t), mode="bicubic").clamp(0, 1)
    frames = torch.stack([still[..., k : k + size, :size] for k in range(t)], dim=1)
    masks = torch.zeros(b, t, 1, size, size)
    for k in range(t):
        masks[:, k, :, 8:18, 2 * k : 2 * k + 12] = 1
    return frames * (1 - masks), masks


def test_aggregation_by_hand():
    b, r, c, h, w = 2, 3, 4, 3, 5
    rng = torch.Generator().manual_seed(0)
    aligned, target = torch.randn(b, r, c, h, w, generator=rng), torch.randn(b, c, h, w, generator=rng)
    visible = (torch.rand(b, r, 1, h, w, generator=rng) < 0.7).float()
    known = (torch.rand(b, 1, h, w, generator=rng) < 0.7).float()
    found, _, distance = aggregate(aligned, visible, target, known, torch.tensor(1.7))
    for s in range(b):
        far = []
        for n in range(r):
            gaps = [
                (aligned[s, n, :, y, x] - target[s, :, y, x]).square()
                for y in range(h)
                for x in range(w)
                if visible[s, n, 0, y, x] and known[s, 0, y, x]
            ]
            far.append(torch.stack(gaps).mean().sqrt())
        torch.testing.assert_close(distance[s], torch.stack(far), atol=1e-4, rtol=1e-4)
        for y in range(h):
            for x in range(w):
                shares = [(-1.7 * far[n]).exp() * visible[s, n, 0, y, x] for n in range(r)]
                total = sum(shares)
                expected = sum(p / total * aligned[s, n, :, y, x] for n, p in enumerate(shares)) if total > 0 else 0
                torch.testing.assert_close(found[s, :, y, x], torch.zeros(c) + expected, atol=1e-4, rtol=1e-4)


def test_a_nearer_reference_weighs_more_and_a_hidden_one_nothing():
    target = torch.zeros(1, 2, 2, 2)
    aligned = torch.stack([torch.full((2, 2, 2), far) for far in (0.1, 0.5, 0.1)])[None]
    visible = torch.ones(1, 3, 1, 2, 2)
    visible[0, 2, 0, 0, 0] = 0
    weights = aggregate(aligned, visible, target, torch.ones(1, 1, 2, 2), torch.tensor(5.0))[1][0, :, 0]
    assert weights[0, 1, 1] > 3 * weights[1, 1, 1]
    assert weights[2, 0, 0] == 0
    torch.testing.assert_close(weights.sum(0), torch.ones(2, 2))


def test_references_that_share_nothing_with_the_target():
    aligned, target = torch.randn(1, 2, 3, 4, 4), torch.randn(1, 3, 4, 4)
    _, weights, distance = aggregate(
        aligned, torch.ones(1, 2, 1, 4, 4), target, torch.zeros(1, 1, 4, 4), torch.tensor(5.0)
    )
    assert distance.abs().max() == 0
    torch.testing.assert_close(weights, torch.full_like(weights, 0.5))
    nothing = aggregate(aligned, torch.zeros(1, 2, 1, 4, 4), target, torch.ones(1, 1, 4, 4), torch.tensor(5.0))
    assert nothing[0].abs().max() == 0
    assert nothing[1].abs().max() == 0


def test_pixels_are_weighed_as_features_are():
    pixels, distance = torch.rand(1, 2, 3, 4, 4), torch.tensor([[0.1, 0.4]])
    visible = torch.ones(1, 2, 1, 4, 4, dtype=torch.bool)
    visible[0, :, 0, 0, 0] = False
    visible[0, 0, 0, 1, 1] = False
    found, there = weighed(pixels, visible, distance, torch.tensor(10.0))
    share = torch.softmax(torch.tensor([-1.0, -4.0]), 0)
    torch.testing.assert_close(found[0, :, 2, 2], share[0] * pixels[0, 0, :, 2, 2] + share[1] * pixels[0, 1, :, 2, 2])
    torch.testing.assert_close(found[0, :, 1, 1], pixels[0, 1, :, 1, 1])
    assert found[0, :, 0, 0].abs().max() == 0
    assert there[0, 0, 0, 0] == 0
    assert there.sum() == 15


def test_cells_with_any_hole_are_not_known():
    masks = torch.zeros(1, 1, 8, 8)
    masks[0, 0, 3, 4] = 1
    assert torch.equal(known_cells(masks, 4)[0, 0], torch.tensor([[1.0, 0.0], [1.0, 1.0]]))


def test_spread_keeps_what_is_known_and_continues_it():
    picture = torch.full((1, 3, 13, 22), 0.3)
    known = (torch.rand(1, 1, 13, 22) < 0.2).float()
    result = spread(picture * known, known)
    torch.testing.assert_close(result, picture)
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32).clone()
    known = torch.ones(1, 1, 32, 32)
    known[..., 12:20, 12:20] = 0
    filled = spread(torch.where(known > 0, ramp, torch.full_like(ramp, 9.0)), known)
    assert torch.equal(filled * known, ramp * known)
    assert (filled - ramp).abs().max() < 0.12
    assert spread(picture, torch.zeros(1, 1, 13, 22)).abs().max() == 0


@pytest.mark.parametrize("config", [CONFIGS["tiny"], PAPER], ids=["tiny", "paper"])
def test_the_recursion_is_frame_after_frame(config):
    net = build(config)
    frames, masks = a_sample()
    with torch.no_grad():
        filled = net(frames, masks, 4)
        known = net.encode_references(frames[:, :4], masks[:, :4])
        first = net.fill(frames[:, 4], masks[:, 4], known, [])
        one = masks[:, 4] * first.output.clamp(0, 1) + (1 - masks[:, 4]) * frames[:, 4]
        second = net.fill(frames[:, 5], masks[:, 5], known, [one])
        two = masks[:, 5] * second.output.clamp(0, 1) + (1 - masks[:, 5]) * frames[:, 5]
        third = net.fill(frames[:, 6], masks[:, 6], known, [two, one])
    for n, painted in enumerate((first, second, third)):
        torch.testing.assert_close(filled.outputs[:, n], painted.output)
        torch.testing.assert_close(filled.raw[:, n], painted.raw)
        torch.testing.assert_close(filled.own[:, n], painted.own)
        assert torch.equal(painted.own, painted.raw) == (not config.copy)
    assert first.steady is None
    torch.testing.assert_close(filled.flows[:, 1], third.steady.flow)
    torch.testing.assert_close(filled.compositions[:, 0], second.steady.mask)
    blend = (1 - third.steady.mask) * third.raw + third.steady.mask * third.steady.warped
    torch.testing.assert_close(third.output, blend)
    assert (third.output - third.raw).abs().max() > 1e-3


def test_raw_outputs_are_carried_where_asked():
    frames, masks = a_sample()
    outputs = {}
    for previous in ("completed", "output"):
        net = build(replace(CONFIGS["tiny"], previous=previous))
        outputs[previous] = net(frames, masks, 4).outputs
        carried = net.carried(torch.full((1, 3, 8, 8), 2.0), torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))
        assert carried.max() == (1 if previous == "output" else 0)
    assert torch.equal(outputs["completed"][:, 0], outputs["output"][:, 0])
    assert not torch.equal(outputs["completed"][:, 1], outputs["output"][:, 1])


@pytest.mark.parametrize("parts", COMBINATIONS)
def test_parts_that_are_off_have_no_say(parts):
    """Each combination runs, differs from all parts, and takes nothing from what is off."""
    net = build()
    frames, masks = a_sample(t=6)
    filled = net(frames, masks, 4, parts)
    assert torch.isfinite(filled.outputs).all()
    assert filled.flows.shape[1] == int(parts.flow)
    other = frames.clone()
    other[:, :4] = torch.rand(2, 4, 3, 32, 32) * (1 - masks[:, :4])
    changed = not torch.equal(net(other, masks, 4, parts).outputs, filled.outputs)
    assert changed == (parts.align or parts.refine)
    if parts != Parts():
        assert not torch.equal(net(frames, masks, 4).outputs, filled.outputs)
    same = build(replace(CONFIGS["tiny"], **parts._asdict()))
    assert torch.equal(same(frames, masks, 4).outputs, filled.outputs), "the configuration says the same"


def test_without_refine_only_aligned_content_comes_in_and_copies_arrive_in_place():
    """References that are the target moved by whole pixels, a known motion: the rough fill is the truth."""
    net = build(loud=False)
    size, shift = 32, 4
    wide = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), (48, 48), mode="bicubic").clamp(0, 1)
    target, reference = wide[..., 8:40, 8:40], wide[..., 8:40, 8 + shift : 40 + shift]
    mask = torch.zeros(1, 1, size, size)
    mask[..., 10:20, 12:22] = 1
    theta = affine.identity(1, mask)[:, None]
    theta[..., 0, 2] = -shift * 2 / (size - 1)  # target x is found at x - shift
    net.estimator.forward = lambda *args: theta
    known = net.encode_references(reference[:, None], torch.zeros(1, 1, 1, size, size))
    painted = net.fill(target * (1 - mask), mask, known, [])
    assert (painted.maps["covered"] * mask).sum() == mask.sum()
    torch.testing.assert_close(painted.maps["rough"] * mask, target * mask, atol=1e-4, rtol=1e-4)
    visible = rearrange(painted.maps["visible"], "1 1 1 h w -> h w")
    assert visible[:, 0].max() == 0, "one cell of the target lies outside of the reference"
    assert visible[:, 2:].min() == 1


def test_features_move_with_the_picture_at_every_scale():
    """Maps in edge coordinates hold for features: a picture moved by a cell gives features moved by a cell, and one
    mirrored gives mirrored positions (an odd kernel with stride 2 would sit half a pixel aside)."""
    encoder = build().encoder
    wide, mask = torch.rand(1, 3, 96, 100), torch.zeros(1, 1, 96, 96)
    one, two = encoder(wide[..., :96], mask), encoder(wide[..., 4:], mask)
    torch.testing.assert_close(one[..., 8:-8, 9:-8], two[..., 8:-8, 8:-9], atol=1e-4, rtol=1e-3)
    dot = torch.zeros(1, 3, 96, 96)
    dot[..., 47:49, 47:49] = 1  # around the very middle
    for layer in encoder.layers.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data.fill_(0.01)
    seen = encoder(dot, mask) - encoder(dot * 0, mask)
    torch.testing.assert_close(seen, seen.flip(-1), atol=1e-6, rtol=1e-4)


def test_entire_matching_changes_more_than_the_hole():
    frames, masks = a_sample(t=5)
    net = build(replace(CONFIGS["tiny"], matching="entire"))
    hole = build()
    assert not torch.equal(net(frames, masks, 4).outputs, hole(frames, masks, 4).outputs)
    with pytest.raises(ValueError, match="entire"):
        Config(matching="some")
    with pytest.raises(ValueError, match="previous"):
        Config(previous="truth")


@pytest.mark.parametrize("config", [CONFIGS["tiny"], PAPER], ids=["tiny", "paper"])
def test_what_is_under_holes_cannot_matter(config):
    """Frames come with zeros in their holes; the network blanks them itself wherever it looks."""
    net = build(config)
    frames, masks = a_sample()
    noisy = torch.where(masks > 0, torch.rand_like(frames), frames)
    known = net.encode_references(frames[:, :4], masks[:, :4])._replace(frames=noisy[:, :4])
    same = net.encode_references(noisy[:, :4], masks[:, :4]).features
    torch.testing.assert_close(same, known.features)
    clean = net.fill(frames[:, 4], masks[:, 4], net.encode_references(frames[:, :4], masks[:, :4]), [])
    torch.testing.assert_close(net.fill(frames[:, 4], masks[:, 4], known, []).output, clean.output)


@pytest.mark.parametrize("case", ["no references", "target hidden", "references hidden", "all hidden", "no hole"])
@pytest.mark.parametrize("bf16", [False, True])
def test_empty_cases_are_finite_and_so_are_gradients(case, bf16):
    net = build()
    frames, masks = a_sample(t=6)
    if case in ("target hidden", "all hidden"):
        masks[:, 4:] = 1
    if case in ("references hidden", "all hidden"):
        masks[:, :4] = 1
    if case == "no hole":
        masks[:] = 0
    references = 4
    if case == "no references":
        frames, masks, references = frames[:, 4:], masks[:, 4:], 0
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        filled = net(frames * (1 - masks), masks, references)
    assert filled.outputs.dtype == filled.flows.dtype == torch.float32
    assert all(torch.isfinite(x).all() for x in filled)
    (filled.outputs.square().mean() + filled.flows.abs().mean()).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_half_precision_is_near_full_precision():
    net = build(loud=False)
    frames, masks = a_sample()
    full = net(frames, masks, 4).outputs
    with torch.autocast("cpu", torch.bfloat16):
        half = net(frames, masks, 4).outputs
    assert (full - half).abs().mean() < 0.01


def test_gradients_reach_everything_but_the_estimator():
    net = build().train()
    frames, masks = a_sample()
    filled = net(frames, masks, 4)
    (filled.outputs.square().mean() + filled.flows.abs().mean()).backward()
    for name, parameter in net.named_parameters():
        if name.startswith("estimator."):
            assert not parameter.requires_grad
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_nothing_is_carried_with_a_gradient():
    net = build().train()
    painted, fill = [], net.fill

    def watched(*args):
        painted.append(fill(*args))
        return painted[-1]

    net.fill = watched
    frames, masks = a_sample(t=6)
    outputs = net(frames, masks, 4).outputs
    assert outputs[:, 1].requires_grad
    (back,) = torch.autograd.grad(outputs[:, 1].sum(), painted[0].output)
    assert back.abs().max() == 0


def test_the_flow_starts_where_it_is_told_and_the_mask_low():
    estimator = FlowEstimator(8)
    frame, mask = torch.rand(2, 3, 16, 24), torch.zeros(2, 1, 16, 24)
    previous = torch.rand(2, 3, 16, 24)
    begin = torch.full((2, 2, 16, 24), 1.0)
    plain, moved = (estimator(frame, mask, previous, previous, flow) for flow in (None, begin))
    assert plain.flow.abs().max() == 0
    torch.testing.assert_close(plain.warped, previous)
    torch.testing.assert_close(moved.flow, begin)
    torch.testing.assert_close(moved.warped[..., :-1, :-1], previous[..., 1:, 1:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain.mask, torch.full_like(mask, torch.tensor(-2.0).sigmoid().item()))
    assert moved.mask[..., -1].max() == 0, "beyond the previous frame there is nothing to blend"


def test_the_merge_starts_with_three_quarters_of_the_copy():
    merge = Merge(4)
    features, own, base, mask = (
        torch.rand(1, 4, 8, 8),
        torch.rand(1, 3, 8, 8),
        torch.rand(1, 3, 8, 8),
        torch.ones(1, 1, 8, 8),
    )
    torch.testing.assert_close(merge(features, own, base, mask, mask), 0.75 * base + 0.25 * own, atol=1e-3, rtol=1e-3)


def test_the_camera_s_motion_is_the_map_in_pixels():
    net = build()
    theta = torch.tensor([[[[0.9, 0.05, 0.1], [-0.1, 1.1, -0.2]]]])
    net.estimator.forward = lambda *args: theta
    frame = torch.rand(1, 3, 16, 24)
    flow = net.motion_of_camera(frame, frame[:, :1] * 0, frame)
    torch.testing.assert_close(warp.by_flow(frame, flow), warp.by_affine(frame, theta[:, 0]), atol=1e-4, rtol=1e-4)
