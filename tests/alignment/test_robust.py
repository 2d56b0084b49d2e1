"""Robust Gauss-Newton affine alignment: known motion, properties, refusal, and real video."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from einops import rearrange, repeat
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.alignment.learned import mutually_visible, warp_references
from vinpaint_lib.alignment.robust import best_shifts, gradient, masked_median, robust_affine, working_size

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 96, 160


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def picture(name: str) -> Tensor:
    image = rearrange(torch.from_numpy(getattr(skimage.data, name)()), "h w c -> 1 c h w").float() / 255
    return functional.interpolate(image, (240, 400), mode="bilinear", antialias=True)


def box(share: float, y: float, x: float) -> Tensor:
    """A rectangle of the frame's shape that covers `share` of it, centred at (y, x) in [0, 1]."""
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    half = share**0.5 / 2
    top, bottom = round((y - half) * HEIGHT), round((y + half) * HEIGHT)
    left, right = round((x - half) * WIDTH), round((x + half) * WIDTH)
    mask[..., top:bottom, left:right] = 1
    return mask


def known_pair(theta: Tensor, holes: bool = True, front: bool = True) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A background that moves by theta (edge coordinates), 20 % holes in each, 20 % cut-out that moves otherwise."""
    photo, other = picture("astronaut"), picture("coffee")
    zoom = torch.tensor([[[0.6, 0, 0.05], [0, 0.6, -0.1]]])

    def view(image: Tensor, matrix: Tensor) -> Tensor:
        grid = functional.affine_grid(matrix, [1, 3, HEIGHT, WIDTH], align_corners=False)
        return functional.grid_sample(image, grid, padding_mode="reflection", align_corners=False)

    target, reference = view(photo, zoom), view(photo, affine.compose(affine.invert(theta), zoom))
    if front:
        # A window onto another picture, which stays where it is while its content slides against the camera.
        shape = box(0.2, 0.7, 0.7)
        target = target * (1 - shape) + view(other, zoom) * shape
        moved = torch.roll(shape, -20, -1)
        reference = reference * (1 - moved) + torch.roll(view(other, zoom), -20, -1) * moved
    share = 0.2 if holes else 0.0
    return target, box(share, 0.3, 0.3), rearrange(reference, "b c h w -> b 1 c h w"), box(share, 0.4, 0.6)[:, None]


def grid_error(found: Tensor, theta: Tensor) -> float:
    """Mean distance in pixels of HEIGHT x WIDTH; `found` in corner, `theta` in edge coordinates."""
    place = rearrange(affine.cell_centres(12, 20, theta), "i xy -> 1 i xy")
    found = affine.corners_to_edges(rearrange(found, "1 1 i j -> 1 i j"), HEIGHT, WIDTH)
    gap = (affine.apply(found, place) - affine.apply(theta, place)) * torch.tensor([WIDTH / 2, HEIGHT / 2])
    return gap.norm(dim=-1).mean().item()


MOTIONS = {
    "still": [[1, 0, 0], [0, 1, 0]],
    "shift by an eighth": [[1, 0, 0.25], [0, 1, -0.1]],
    "turn and zoom": [[1.06, -0.05, 0.1], [0.13, 1.06, 0.05]],
    "shear": [[0.97, 0.08, -0.15], [-0.03, 1.02, 0.1]],
}


@pytest.mark.parametrize("name", MOTIONS)
def test_known_motion_to_a_fraction_of_a_pixel_despite_holes_and_a_moving_object(name):
    theta = torch.tensor([MOTIONS[name]], dtype=torch.float32)
    assert grid_error(robust_affine(*known_pair(theta)), theta) < 0.3


def test_another_exposure_does_not_move_the_answer():
    theta = torch.tensor([MOTIONS["shear"]], dtype=torch.float32)
    target, mask, references, masks = known_pair(theta, front=False)
    assert grid_error(robust_affine(target, mask, references * 0.9 + 0.08, masks), theta) < 0.5


def test_a_start_near_the_truth_is_refined():
    theta = torch.tensor([MOTIONS["turn and zoom"]], dtype=torch.float32)
    near = theta + torch.tensor([[[0.0, 0.01, 0.04], [-0.01, 0.0, -0.04]]])
    initial = rearrange(affine.edges_to_corners(near, HEIGHT, WIDTH), "1 i j -> 1 1 i j")
    assert grid_error(initial, theta) > 3
    assert grid_error(robust_affine(*known_pair(theta), initial=initial), theta) < 0.3


def test_content_under_holes_does_not_matter():
    theta = torch.tensor([MOTIONS["shear"]], dtype=torch.float32)
    target, mask, references, masks = known_pair(theta)
    torch.manual_seed(0)
    painted = target * (1 - mask) + torch.rand_like(target) * mask
    others = references * (1 - masks) + torch.rand_like(references) * masks
    want = robust_affine(target, mask, references, masks)
    torch.testing.assert_close(robust_affine(painted, mask, others, masks), want, atol=1e-6, rtol=0)


def test_each_reference_is_on_its_own():
    pairs = [known_pair(torch.tensor([MOTIONS[name]], dtype=torch.float32)) for name in ("shear", "still")]
    target, mask = pairs[0][:2]
    references, masks = (torch.cat([pair[k] for pair in pairs], dim=1) for k in (2, 3))
    together = robust_affine(target, mask, references, masks)
    alone = [robust_affine(target, mask, references[:, k : k + 1], masks[:, k : k + 1]) for k in range(2)]
    torch.testing.assert_close(together, torch.cat(alone, dim=1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", ["even wall", "all hole", "tiny"])
def test_without_evidence_nothing_moves(case):
    size = (3, 5) if case == "tiny" else (HEIGHT, WIDTH)
    target, references = torch.full((1, 3, *size), 0.5), torch.full((1, 2, 3, *size), 0.5)
    mask = torch.full((1, 1, *size), float(case == "all hole"))
    found = robust_affine(target, mask, references, torch.zeros(1, 2, 1, *size))
    torch.testing.assert_close(found, repeat(torch.eye(2, 3), "i j -> 1 2 i j"), atol=1e-5, rtol=0)


def test_first_shift_equals_the_slow_loop():
    torch.manual_seed(0)
    target, reference = torch.rand(1, 1, 6, 8), torch.rand(1, 1, 6, 8)
    seen, other_seen = (torch.rand(1, 1, 6, 8) > 0.2).float(), (torch.rand(1, 1, 6, 8) > 0.2).float()
    best = (np.inf, 0, 0)
    for dy in range(-3, 4):
        for dx in range(-4, 5):
            gaps = []
            for y in range(6):
                for x in range(8):
                    v, u = y + dy, x + dx
                    if 0 <= v < 6 and 0 <= u < 8 and seen[0, 0, y, x] and other_seen[0, 0, v, u]:
                        gaps.append((reference[0, 0, v, u] - target[0, 0, y, x]).item())
            if len(gaps) < 0.3 * seen.sum() and (dy, dx) != (0, 0):
                continue
            length = np.hypot(dx * 2 / 8, dy * 2 / 6)
            cost = (np.abs(np.array(gaps) - np.mean(gaps)).mean() + 4 / 255) * (1 + 0.5 * length)
            best = min(best, (cost, dy, dx))
    theta = best_shifts(target * seen, seen, reference * other_seen, other_seen)[0]
    np.testing.assert_allclose(theta[0, :, 2].numpy(), [best[2] * 2 / 8, best[1] * 2 / 6], atol=1e-6)


def test_gradient_of_a_slope_and_where_it_is_known():
    x = repeat(torch.arange(6.0), "w -> 1 1 5 w") / 3  # rises by 2 from edge to edge of coordinates -1 .. 1: slope 1
    seen = torch.ones(1, 1, 5, 6)
    seen[..., 2, 2] = 0
    slope, whole = gradient(x, seen)
    torch.testing.assert_close(slope[:, 0][whole[:, 0] > 0], torch.ones(int(whole.sum())))
    assert (slope[:, 1][whole[:, 0] > 0] == 0).all()
    # The rim and the 3 x 3 around the hole are not known: of the 3 x 4 inside, one column is left.
    assert whole.nonzero()[:, 2:].tolist() == [[1, 4], [2, 4], [3, 4]]


def test_masked_median_leaves_out_what_has_no_weight():
    values = torch.tensor([[1.0, 2, 3, 100, 200], [1, 1, 1, 1, 1]])
    found = masked_median(values, torch.tensor([[1.0, 1, 1, 0, 0], [0] * 5]))
    assert found.tolist() == [2, 0]


def test_working_size_halves_evenly():
    for height, width in ((240, 432), (480, 854), (17, 400), (5, 5), (1, 1)):
        (h, w), levels = working_size(height, width)
        assert h % 2 ** (levels - 1) == 0
        assert w % 2 ** (levels - 1) == 0
        assert min(h, w) >= 1


def test_refuses_shapes_that_disagree():
    target, mask, references, masks = known_pair(torch.tensor([MOTIONS["still"]], dtype=torch.float32))
    with pytest.raises(Exception, match=r"shape|jaxtyp|type"):
        robust_affine(target, mask[..., 1:], references, masks)


@pytest.mark.skipif("VINPAINT_DATA" not in os.environ, reason="VINPAINT_DATA does not name a folder with davis/")
@pytest.mark.parametrize("clip", ["blackswan", "car-roundabout"])
def test_real_video_is_aligned_better_than_not_at_all(clip):
    folder = Path(os.environ["VINPAINT_DATA"]) / "davis" / "JPEGImages" / "480p" / clip
    pictures = [cv2.cvtColor(cv2.imread(str(folder / f"{k:05d}.jpg")), cv2.COLOR_BGR2RGB) for k in (0, 8)]
    small = [cv2.resize(p, (216, 120), interpolation=cv2.INTER_AREA) for p in pictures]
    target, reference = (rearrange(torch.from_numpy(p), "h w c -> 1 c h w").float() / 255 for p in small)
    references, mask = rearrange(reference, "b c h w -> b 1 c h w"), torch.zeros(1, 1, 120, 216)
    mask[..., 40:80, 80:130] = 1
    masks = torch.zeros(1, 1, 1, 120, 216)

    def residual(theta: Tensor) -> float:
        aligned = warp_references(references, masks, theta)
        weight = mutually_visible(mask, aligned.visibility)
        gap = (aligned.frames - rearrange(target, "b c h w -> b 1 c h w")).abs() * weight
        return (gap.sum() / weight.sum() / 3).item()

    still = repeat(torch.eye(2, 3), "i j -> 1 1 i j")
    assert residual(robust_affine(target, mask, references, masks)) < 0.75 * residual(still)
