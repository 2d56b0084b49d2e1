"""What a hole holds before the network is asked: known pixels stay, unknown ones are means of known ones."""

import torch

from vinpaint_lib.holes.smooth import push_pull
from vinpaint_lib.systems.vinet import first_guess


def test_known_pixels_stay_and_a_flat_rim_fills_flat():
    picture, known = torch.rand(2, 3, 21, 30) * 2 - 1, torch.ones(2, 1, 21, 30)
    known[:, :, 5:15, 8:25] = 0
    filled = push_pull(picture, known)
    assert torch.equal(filled * known, picture * known)
    flat = push_pull(torch.full_like(picture, 0.3), known)
    torch.testing.assert_close(flat, torch.full_like(picture, 0.3), atol=1e-5, rtol=0)


def test_filled_pixels_lie_between_the_known_ones():
    picture, known = torch.rand(1, 3, 17, 19), (torch.rand(1, 1, 17, 19) > 0.8).float()
    filled = push_pull(picture, known)
    seen = picture[:, :, known[0, 0] > 0]
    assert (filled >= seen.min() - 1e-5).all()
    assert (filled <= seen.max() + 1e-5).all()


def test_an_unknown_pixel_is_the_weighted_mean_of_the_blocks_around_by_hand():
    """A row of four with one unknown, which lies a quarter of the way from its pair to the next."""
    picture = torch.tensor([1.0, 0.0, 3.0, 5.0]).reshape(1, 1, 1, 4)
    known = torch.tensor([1.0, 0.0, 1.0, 1.0]).reshape(1, 1, 1, 4)
    # Pairs: 1 (its one known pixel) and (3 + 5) / 2 = 4.
    expected = 0.75 * 1 + 0.25 * 4
    torch.testing.assert_close(push_pull(picture, known)[0, 0, 0, 1].item(), expected)


def test_nothing_known_is_zero_and_what_is_hidden_does_not_count():
    picture = torch.rand(1, 3, 13, 7)
    assert (push_pull(picture, torch.zeros(1, 1, 13, 7)) == 0).all()
    known = (torch.rand(1, 1, 13, 7) > 0.5).float()
    other = torch.where(known > 0, picture, torch.rand_like(picture))
    assert torch.equal(push_pull(picture, known), push_pull(other, known))


def test_pixels_of_other_frames_by_hand():
    """Two frames, one moved by a pixel, one half hidden: a weighted mean of what shows."""
    pictures, known = torch.rand(1, 2, 3, 6, 8), torch.ones(1, 2, 1, 6, 8)
    known[:, 1, :, :, :4] = 0
    flows = torch.zeros(1, 2, 2, 6, 8)
    flows[:, 0, 0] = 1
    mean, share = first_guess.seen_elsewhere(pictures, known, flows, torch.tensor([0.5, 1.0]))
    for x in range(8):
        first = pictures[0, 0, :, :, x + 1] if x < 7 else None
        second = pictures[0, 1, :, :, x] if x >= 4 else None
        if first is not None and second is not None:
            expected, weight = (0.5 * first + second) / 1.5, 1.0
        else:
            expected, weight = (first, 0.5) if second is None else (second, 1.0)
        torch.testing.assert_close(mean[0, :, :, x], expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(share[0, 0, :, x], torch.full((6,), weight))
    mean, share = first_guess.seen_elsewhere(pictures, known * 0, flows, torch.ones(2))
    assert not mean.any()
    assert not share.any()


def test_gradients_reach_the_flow():
    pictures = torch.rand(1, 1, 3, 6, 8)
    flows = torch.full((1, 1, 2, 6, 8), 0.3, requires_grad=True)
    first_guess.seen_elsewhere(pictures, torch.ones(1, 1, 1, 6, 8), flows, torch.ones(1))[0].sum().backward()
    assert flows.grad.abs().sum() > 0


def test_the_camera_s_motion_is_found_in_spite_of_a_hole():
    """Frames cut out of one picture: what lies at x in the target lies at x - shift in the other."""
    wide = torch.nn.functional.interpolate(torch.rand(1, 3, 30, 30), scale_factor=6, mode="bicubic").clamp(0, 1)
    known = torch.ones(1, 1, 96, 128)
    known[..., 30:70, 40:90] = 0

    def cut(x, y):
        return wide[..., 20 + y : 116 + y, 20 + x : 148 + x] * 2 - 1

    shifts = [(0, 0), (6, -4), (-10, 8)]
    others = [torch.cat([cut(x, y), torch.ones_like(known)], dim=1) for x, y in shifts]
    target = torch.cat([cut(0, 0) * known, known], dim=1)
    flows = first_guess.camera_flows(target, others, 8)
    assert flows.shape == (1, 3, 2, 12, 16)
    for flow, (x, y) in zip(flows[0], shifts, strict=True):
        wanted = torch.tensor([-x / 8, -y / 8]).reshape(2, 1, 1).expand_as(flow)
        torch.testing.assert_close(flow, wanted, atol=0.05, rtol=0)


def test_without_anything_in_common_there_is_no_motion():
    known = torch.zeros(1, 1, 32, 32)
    known[..., :16] = 1
    target, other = (torch.cat([torch.rand(1, 3, 32, 32) * x, x], dim=1) for x in (known, 1 - known))
    assert first_guess.camera_flows(target, [other], 8).abs().max() == 0


def test_a_picture_at_half_size_is_hole_where_any_pixel_is():
    known = torch.ones(1, 1, 6, 4)
    known[..., 3, 1] = 0
    picture, hole = first_guess.halved(torch.full((1, 3, 6, 4), 0.5) * known, known)
    assert hole.nonzero().tolist() == [[0, 0, 1, 0]]
    torch.testing.assert_close(picture, (1 - hole).expand(1, 3, 3, 2) * 0.75)
