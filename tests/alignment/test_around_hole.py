"""The window around a hole, the looks at it, and the agreement around it."""

import pytest
import torch
from einops import rearrange
from torch import Tensor

from tests.alignment.test_learned import photo
from vinpaint_lib.alignment import affine, around_hole
from vinpaint_lib.alignment.learned import LearnedAffine
from vinpaint_lib.motion import warp
from vinpaint_lib.systems import registry


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def holes(height: int, width: int, *boxes: tuple[int, int, int, int]) -> Tensor:
    """A mask for each box (top, bottom, left, right)."""
    masks = torch.zeros(len(boxes), 1, height, width)
    for mask, (top, bottom, left, right) in zip(masks, boxes, strict=True):
        mask[:, top:bottom, left:right] = 1
    return masks


def window_by_hand(mask: Tensor) -> tuple[float, float, float]:
    """Top, left and side in pixels."""
    height, width = mask.shape[-2:]
    rows = [y for y in range(height) if any(mask[0, y, x] > 0 for x in range(width))] or [0, height - 1]
    cols = [x for x in range(width) if any(mask[0, y, x] > 0 for y in range(height))] or [0, width - 1]
    side = around_hole.GROW * max(rows[-1] + 1 - rows[0], cols[-1] + 1 - cols[0])
    side = min(max(side, min(height, width) * around_hole.LEAST), min(height, width))
    middle = (rows[-1] + 1 + rows[0]) / 2, (cols[-1] + 1 + cols[0]) / 2
    top, left = (min(max(at - side / 2, 0), room - side) for at, room in zip(middle, (height, width), strict=True))
    return top, left, side


@pytest.mark.parametrize("size", [(48, 80), (80, 48)])
def test_the_window_is_that_of_a_loop(size):
    """Inside, at a corner, larger than the frame is high, no hole at all, a single pixel."""
    height, width = size
    masks = holes(height, width, (20, 30, 15, 29), (0, 6, 40, 48), (4, 44, 0, 48), (0, 0, 0, 0), (31, 32, 20, 21))
    windows = around_hole.window_around(masks)
    for mask, window in zip(masks, windows, strict=True):
        top, left, side = window_by_hand(mask)
        corners = torch.tensor([[[-1.0, -1.0], [1.0, 1.0]]])
        found = (affine.apply(rearrange(window, "i j -> 1 i j"), corners)[0] + 1) / 2 * torch.tensor([width, height])
        want = torch.tensor([[left, top], [left + side, top + side]])
        torch.testing.assert_close(found, want, atol=1e-4, rtol=0)
    back = affine.compose(windows, around_hole.out_of(windows))
    torch.testing.assert_close(back, affine.identity(len(masks), back), atol=1e-6, rtol=0)


def test_a_box_map_cuts_the_box_out():
    image = torch.rand(2, 3, 20, 31)
    place = torch.tensor([[4.0, 2.0], [0.0, 9.0]])
    found = warp.by_affine(image, around_hole.box_map(place, (8, 12), (20, 31)), (8, 12))
    want = torch.stack([image[0, :, 2:10, 4:16], image[1, :, 9:17, 0:12]])
    torch.testing.assert_close(found, want, atol=1e-5, rtol=0)


def two_planes(move: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The left three quarters of the reference stand still; the rest, with the hole, is `move` pixels further left."""
    picture = photo(120, 200 + move)
    target, reference = picture[..., :200], picture[..., :200].clone()
    reference[..., 144:] = picture[..., 144 + move :]
    mask = holes(120, 200, (45, 75, 160, 184))
    return target, mask, rearrange(reference, "b c h w -> b 1 c h w"), torch.zeros(1, 1, 1, 120, 200)


def shift_at_the_hole(theta: Tensor) -> float:
    """How far theta (corner coordinates) moves the middle of the hole along x, in pixels."""
    middle = torch.tensor([[[2 * 172 / 199 - 1, 2 * 60 / 119 - 1]]])
    return float((affine.apply(theta[:, 0], middle) - middle)[0, 0, 0]) * 199 / 2


def test_closer_looks_find_the_plane_behind_the_hole():
    """The map of the whole frame follows the larger plane. The hole's surroundings have moved by -4 pixels."""
    shipped = registry.build("tgfnet").affine
    net = LearnedAffine(closer=(160, 160))
    net.load_state_dict(shipped.state_dict())
    with torch.no_grad():
        whole, close = (shift_at_the_hole(each(*two_planes())) for each in (shipped, net))
    assert abs(whole + 4) > 1
    assert abs(close + 4) < 0.5


def test_closer_looks_teach_every_part_and_see_nothing_under_holes():
    net = LearnedAffine(size=(64, 112), channels=(8, 16, 24), closer=(64,))
    net.gate.data.fill_(1.0)
    target, mask, references, masks = two_planes()
    masks[..., 40:60, 30:60] = 1
    theta = net(target, mask, references, masks)
    other = net(target * (1 - mask) + 0.3 * mask, mask, references * (1 - masks) + 0.8 * masks, masks)
    assert torch.equal(theta, other)
    theta.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_high_frames_are_reduced_before_a_window_is_cut():
    frames, masks = torch.rand(1, 3, 2 * around_hole.TALLEST, 400), holes(2 * around_hole.TALLEST, 400, (0, 9, 0, 9))
    assert around_hole.reduced(frames, masks)[0].shape == (1, 3, around_hole.TALLEST, 200)
    assert around_hole.reduced(frames[..., :100, :], masks[..., :100, :])[0].shape == (1, 3, 100, 400)


def test_agreement_is_high_where_the_reference_fits():
    """A reference that differs on its right half is believed less there, also inside of the hole."""
    target = photo(96, 160)
    wrong = target.clone()
    wrong[..., 80:] = (wrong[..., 80:] + 0.3).clamp(max=1)
    references = torch.stack([target, wrong], dim=1)
    mask, hidden = holes(96, 160, (40, 56, 100, 130)), torch.zeros(1, 2, 1, 96, 160)
    theta = affine.identity(2, target)
    found = around_hole.agreement(target, mask, references, hidden, rearrange(theta, "n i j -> 1 n i j"))
    assert found.shape == (1, 2, 1, 96, 160)
    assert found[0, 0].min() > 0.99
    assert found[0, 1, 0, 48, 115] < 0.3
    assert found[0, 1, 0, 48, 5] > 0.95
    assert found.min() >= around_hole.LEFT
    under = target * (1 - mask) + 0.5 * mask
    again = around_hole.agreement(under, mask, references, hidden, rearrange(theta, "n i j -> 1 n i j"))
    assert torch.equal(found, again)


def test_without_a_common_pixel_there_is_a_finite_agreement():
    target, everything = photo(48, 80), torch.ones(1, 1, 1, 48, 80)
    theta = rearrange(affine.identity(1, target), "n i j -> 1 n i j")
    found = around_hole.agreement(
        target, torch.zeros(1, 1, 48, 80), rearrange(target, "b c h w -> b 1 c h w"), everything, theta
    )
    assert torch.isfinite(found).all()


def test_sides_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"\(66,\).*divide by 4"):
        LearnedAffine(closer=(66,))
