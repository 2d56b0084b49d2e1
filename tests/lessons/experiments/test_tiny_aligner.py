"""The lesson's small aligners: identity at the start, known motion, gradients from L_align, a few steps that help."""

import pytest
import skimage.data
import torch
from einops import rearrange, repeat
from torch.nn import functional

from vinpaint_lib.alignment import affine
from vinpaint_lib.alignment.learned import warp_with_mask
from vinpaint_lib.lessons.experiments import tiny_aligner
from vinpaint_lib.lessons.experiments.tiny_aligner import TinyAligner, distance, self_supervised, views
from vinpaint_lib.systems.tgfnet import losses

SIZE = (24, 40)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def photos():
    image = rearrange(torch.from_numpy(skimage.data.astronaut().copy()), "h w c -> 1 c h w").float() / 255
    return functional.interpolate(image, (72, 120), mode="bilinear", antialias=True)


def drawn(photos, seed=0, count=6):
    return views(photos, count, SIZE, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sees", ["stack", "correlation"])
def test_the_start_is_exactly_the_identity_and_everything_learns(photos, sees):
    view, net = drawn(photos), TinyAligner(sees, SIZE, width=8)
    theta = net(*view[:4])
    assert torch.equal(theta, affine.identity(6, theta))
    torch.nn.init.normal_(net.regressor[-1].weight, std=0.01)
    self_supervised(net(*view[:4]), view).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


@pytest.mark.parametrize("sees", ["stack", "correlation"])
def test_what_lies_under_a_hole_does_not_matter(photos, sees):
    view, net = drawn(photos), TinyAligner(sees, SIZE, width=8)
    torch.nn.init.normal_(net.regressor[-1].weight, std=0.1)
    painted = view.target + view.target_mask * torch.rand_like(view.target)
    assert torch.equal(net(painted, *view[1:4]), net(*view[:4]))


def test_the_known_motion_carries_the_reference_onto_the_target(photos):
    view = drawn(photos, count=12)
    still = affine.identity(12, view.motion)
    assert self_supervised(view.motion, view) < 0.5 * self_supervised(still, view)
    assert not (view.target * view.target_mask).any()
    assert not (view.reference * view.reference_mask).any()


def test_the_loss_is_l_align_over_what_both_show(photos):
    view = drawn(photos, count=2)
    frame, gone = warp_with_mask(view.reference, view.reference_mask, view.motion)
    wanted = torch.zeros(())
    for k in range(2):
        both = (view.target_mask[k, 0] == 0) & (gone[k, 0] == 0)
        wanted += (frame[k] - view.target[k]).abs()[:, both].mean() / 2
    torch.testing.assert_close(self_supervised(view.motion, view), wanted, atol=1e-6, rtol=1e-5)
    assert losses.alignment_loss(repeat(frame, "b c h w -> b 1 c h w") * 0, repeat(gone, "b c h w -> b 1 c h w") * 0,
                                 view.target, view.target_mask) == 0  # fmt: skip


def test_distance_is_the_mean_gap_in_pixels():
    theta = affine.identity(2, torch.zeros(()))
    moved = theta.clone()
    moved[1, 0, 2] = 2 * 3 / SIZE[1]
    torch.testing.assert_close(distance(moved, theta, SIZE), torch.tensor([0.0, 3.0]))


def test_some_steps_on_few_pairs_bring_the_error_down(photos):
    view, net = drawn(photos, count=8), TinyAligner("correlation", SIZE, width=8)
    history = [float(loss) for _, loss in tiny_aligner.train_aligner(net, lambda: view, 40, rate=2e-3)]
    assert len(history) == 40
    assert history[-1] < 0.9 * history[0]
