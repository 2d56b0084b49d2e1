"""What Align-and-Attend's stages hand to one another, position by position: who is shown what, and in which place."""

import math
from dataclasses import replace

import pytest
import torch

from vinpaint_lib.systems.align_attend.estimator import AffineCorrelation
from vinpaint_lib.systems.align_attend.layers import FlowEstimator, aggregate
from vinpaint_lib.systems.align_attend.network import CONFIGS, AlignAttendNet

SIDE, CELL = 32, 4
CELLS = SIDE // CELL
REFERENCES = 3


def build(**settings):
    torch.manual_seed(0)
    net = AlignAttendNet(replace(CONFIGS["tiny"], **settings)).eval()
    net.flow.last.weight.data.normal_(std=0.05)  # at the start all flows are 0
    return net


def a_scene():
    """Target (frame, mask), references (frames, masks) and two outputs before; 0 in the holes."""
    rng = torch.Generator().manual_seed(0)
    frames = torch.rand(1, REFERENCES + 3, 3, SIDE, SIDE, generator=rng)
    masks = torch.zeros(1, REFERENCES + 1, 1, SIDE, SIDE)
    masks[:, -1, :, 8:24, 8:28] = 1  # the target's hole
    masks[:, :-1, :, 12:20, 10:18] = 1  # hidden in all references: a part of the target's hole stays empty
    masks[:, 0, :, 3, 20] = 1  # one pixel is enough to hide its cell
    masks[:, 1, :, :20, 22:] = 1
    frames[:, : REFERENCES + 1] *= 1 - masks
    target, known = (frames[:, REFERENCES], masks[:, -1]), (frames[:, :REFERENCES], masks[:, :-1])
    return target, known, (frames[:, -2], frames[:, -1])


def some_maps():
    """Corner coordinates, as the estimator gives them: shifts in pixels, the second with a zoom."""
    theta = torch.eye(2, 3).repeat(1, REFERENCES, 1, 1)
    theta[0, :, 0, 2] = torch.tensor([4.0, -9.0, 0.0]) * 2 / (SIDE - 1)
    theta[0, :, 1, 2] = torch.tensor([0.0, 2.0, -4.0]) * 2 / (SIDE - 1)
    theta[0, 1, 0, 0] = 0.9
    return theta


def cells_known(mask):
    """(cells, cells): 1 where no pixel of the cell is missing."""
    found = torch.zeros(CELLS, CELLS)
    for y in range(CELLS):
        for x in range(CELLS):
            found[y, x] = float(mask[y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL].sum() == 0)
    return found


def where_to(theta, y, x):
    """The position among a reference's cells at which the middle of the target's cell (y, x) is found."""
    middle = [CELL * place + (CELL - 1) / 2 for place in (x, y)]  # in pixels
    corner = torch.tensor([2 * p / (SIDE - 1) - 1 for p in middle] + [1.0])
    u, v = ((theta @ corner + 1) / 2 * (SIDE - 1)).tolist()
    return (v - (CELL - 1) / 2) / CELL, (u - (CELL - 1) / 2) / CELL


def look_up(values, v, u):
    """Bilinear look-up in (c h w); 0 outside."""
    found = torch.zeros(len(values))
    for row in (math.floor(v), math.floor(v) + 1):
        for col in (math.floor(u), math.floor(u) + 1):
            if 0 <= row < values.shape[1] and 0 <= col < values.shape[2]:
                found = found + (1 - abs(v - row)) * (1 - abs(u - col)) * values[:, row, col]
    return found


def slow_alignment(own, hole, features, seen, theta, sharpness):
    """Sec. 3.1.2 in loops: the target's features with the hole filled, and where any reference shows something."""
    moved, shown = torch.zeros_like(features), torch.zeros(REFERENCES, CELLS, CELLS)
    places = [(y, x) for y in range(CELLS) for x in range(CELLS)]
    distance = []
    for n in range(REFERENCES):
        for y, x in places:
            at = where_to(theta[n], y, x)
            moved[n, :, y, x] = look_up(features[n] * seen[n], *at)
            shown[n, y, x] = float(look_up(seen[n : n + 1], *at) > 0.99)
        gaps = [(moved[n, :, y, x] - own[:, y, x]).square() for y, x in places if shown[n, y, x] and not hole[y, x]]
        distance.append((torch.stack(gaps).mean() + 1e-6).sqrt())
    path = own.clone()
    for y, x in places:
        if hole[y, x] and shown[:, y, x].any():
            shares = [(-sharpness * distance[n]).exp() * shown[n, y, x] for n in range(REFERENCES)]
            path[:, y, x] = sum(share * moved[n, :, y, x] for n, share in enumerate(shares)) / sum(shares)
    return path, shown.amax(0)


def slow_attention(path, asking, features, seen, scale):
    """What each asking position finds among the visible positions of the references, which are not moved."""
    found = torch.zeros_like(path)
    keys = [features[n, :, v, u] for n, v, u in torch.nonzero(seen).tolist()]
    for y, x in torch.nonzero(asking).tolist():
        query = path[:, y, x]
        weights = torch.stack([(scale * (query @ key) / (query.norm() * key.norm())).exp() for key in keys])
        found[:, y, x] = sum(weight * key for weight, key in zip(weights / weights.sum(), keys, strict=True))
    return found


def test_the_decoder_is_handed_what_the_stages_make():
    net, theta = build(), some_maps()
    (frame, mask), (frames, masks), previous = a_scene()
    net.estimator.forward = lambda *args: theta[:, : args[2].shape[1]]
    handed, joined, flowed = [], [], []
    net.decoder.register_forward_pre_hook(lambda module, args: handed.append(args))
    net.decoder.coarse.register_forward_pre_hook(lambda module, args: joined.append(args[0]))
    net.flow.register_forward_pre_hook(lambda module, args: flowed.append(args))
    with torch.no_grad():
        known = net.encode_references(frames, masks)
        net.fill(frame, mask, known, list(previous))
        own = net.encoder(frame, mask)
        features, sharpness = known.features[0], net.sharpness.exp()
        seen = torch.stack([cells_known(masks[0, n, 0]) for n in range(REFERENCES)])
        hole = 1 - cells_known(mask[0, 0])
        aligned, filled = slow_alignment(own[0], hole, features, seen, theta[0], sharpness)
        asking = hole * filled
        assert 0 < asking.sum() < hole.sum(), "a part of the hole is filled"
        assert (filled * (1 - hole)).sum() > 0, "references show more than the hole"
        path = aligned + slow_attention(aligned, asking, features, seen, net.config.scale)
        residual = net.residual(own)
    torch.testing.assert_close(handed[0][0][0], path, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(handed[0][1], residual)
    assert torch.equal(handed[0][2][0, 0], hole)
    assert torch.equal(handed[0][3][0, 0], filled)
    steady = handed[0][4]
    flags = torch.stack([hole, asking, torch.ones_like(hole)])
    expected = torch.cat([handed[0][0][0], residual[0], steady.features[0], flags])
    assert torch.equal(joined[0][0], expected), "a position that both stages left empty has a flag of its own"
    assert flowed[0][2] is previous[0], "the latest output comes first"
    assert flowed[0][3] is previous[1]


def test_without_an_output_before_the_decoder_is_told_so():
    net = build()
    (frame, mask), (frames, masks), _ = a_scene()
    joined = []
    net.decoder.coarse.register_forward_pre_hook(lambda module, args: joined.append(args[0]))
    net.fill(frame, mask, net.encode_references(frames, masks), [])
    carried = net.flow.carried
    assert joined[0][:, -3 - carried : -3].abs().max() == 0
    assert joined[0][:, -1].abs().max() == 0


def test_the_camera_s_motion_is_found_outside_of_the_target_s_hole_and_everywhere_before():
    net = build()
    (frame, mask), _, (previous, _) = a_scene()
    flow = net.motion_of_camera(frame, mask, previous)
    noise = torch.rand_like(frame)
    assert torch.equal(net.motion_of_camera(torch.where(mask > 0, noise, frame), mask, previous), flow)
    assert not torch.equal(net.motion_of_camera(torch.where(mask > 0, frame, noise), mask, previous), flow)
    # The output before is whole: what was painted into its hole counts too.
    assert not torch.equal(net.motion_of_camera(frame, mask, torch.where(mask > 0, noise, previous)), flow)


def test_a_reference_that_shares_nothing_is_as_far_as_the_farthest():
    rng = torch.Generator().manual_seed(0)
    target = torch.randn(2, 4, 3, 5, generator=rng)
    aligned = target[:, None] + torch.tensor([0.2, 0.0, 0.7])[:, None, None, None]
    known, visible = torch.ones(2, 1, 3, 5), torch.ones(2, 3, 1, 3, 5)
    known[..., :2] = 0
    visible[:, 1, ..., 2:] = 0  # equal to the target, but nobody can know
    _, weights, distance = aggregate(aligned, visible, target, known, torch.tensor(3.0))
    torch.testing.assert_close(distance, torch.tensor([[0.2, 0.7, 0.7]] * 2), atol=1e-4, rtol=0)
    near, far = math.exp(-3 * 0.2), math.exp(-3 * 0.7)
    total = near + 2 * far
    expected = torch.tensor([near / total, far / total, far / total])
    torch.testing.assert_close(weights[0, :, 0, 0, 0], expected, atol=1e-4, rtol=0)


def test_carried_features_move_with_the_flow():
    torch.manual_seed(0)
    estimator = FlowEstimator(8)  # its last layer has no weights yet: its bias is the flow
    frame, mask, previous, before = (
        torch.rand(1, 3, SIDE, SIDE),
        torch.zeros(1, 1, SIDE, SIDE),
        *torch.rand(2, 1, 3, SIDE, SIDE),
    )
    with torch.no_grad():
        still = estimator(frame, mask, previous, before, None).features
        estimator.last.bias[:2] = torch.tensor([2.0 * CELL, 1.0 * CELL])
        moved = estimator(frame, mask, previous, before, None)
    assert moved.flow[0, :, 0, 0].tolist() == [8.0, 4.0]
    for y in range(CELLS - 1):
        for x in range(CELLS - 2):
            torch.testing.assert_close(moved.features[..., y, x], still[..., y + 1, x + 2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", ["target", "reference"])
def test_the_regressor_reads_nothing_of_hidden_cells(side):
    torch.manual_seed(0)
    net = AffineCorrelation(size=(32, 48), channels=(4, 8, 8), looks=0, head="regress")
    read = []
    net.regressor.register_forward_pre_hook(lambda module, args: read.append(args[0]))
    frame, reference = torch.rand(1, 3, 32, 48), torch.rand(1, 1, 3, 32, 48)
    mask = torch.zeros(1, 1, 32, 48)
    mask[..., 8:24, 16:32] = 1
    mask[..., 0:4, 0:8] = 1  # half of the first cell: it counts as visible
    mask[..., 0:5, 8:16] = 1  # more than half of the second
    none = torch.zeros_like(mask)
    net(frame, mask if side == "target" else none, reference, (mask if side == "reference" else none)[:, None])
    (shares,) = read
    for cell in range(4 * 6):
        y, x = divmod(cell, 6)
        visible = mask[..., 8 * y : 8 * y + 8, 8 * x : 8 * x + 8].mean() <= 0.5
        if side == "target":
            torch.testing.assert_close(shares[0, cell].sum(), torch.tensor(float(visible)))
        else:
            assert (shares[0, :, cell].max() > 0) == visible
    assert (shares.sum(-1) > 0.99).sum() == (24 - 5 if side == "target" else 24)
