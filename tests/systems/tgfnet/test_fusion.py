"""Group fusion against a plain 3D convolution, attention against a slow loop, injection and masks."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vinpaint_lib.holes import masks
from vinpaint_lib.systems.tgfnet import fusion, network

SMALLEST = network.Config(channels=(4, 8, 16), sizes=(1, 3), widths=(4, 4, 4), depth=1, tail=4, copy=True)


def randomise_biases(module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)


def target_and_references(b: int = 2, n: int = 3, c: int = 4, h: int = 7, w: int = 9) -> tuple[Tensor, Tensor]:
    return torch.randn(b, c, h, w), torch.randn(b, n, c, h, w)


# Streams and groups


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_a_stream_is_a_3d_convolution_over_the_stacked_pair(size):
    stream = fusion.Stream(4, 5, size, depth=0)
    randomise_biases(stream)
    target, references = target_and_references()
    result = stream(target, references)
    for b, n in itertools.product(range(2), range(3)):
        pair = torch.stack([references[b, n], target[b]], dim=1)[None]  # (1, c, time 2, h, w)
        weight, bias = stream.pair.weight, stream.pair.bias
        assert weight.shape == (5, 4, 2, size, size)
        volume = functional.conv3d(pair, weight, bias, padding=(0, size // 2, size // 2))
        assert volume.shape[2] == 1
        expected = torch.relu(volume[:, :, 0])
        assert torch.allclose(result[b * 3 + n], expected[0], atol=1e-5)


def test_a_stream_goes_on_with_2d_convolutions_and_relu():
    stream = fusion.Stream(4, 5, 3, depth=2)
    randomise_biases(stream)
    target, references = target_and_references()
    bare = fusion.Stream(4, 5, 3, depth=0)
    bare.load_state_dict({k: v for k, v in stream.state_dict().items() if k.startswith("pair")})
    x = bare(target, references)
    for conv in stream.convs:
        assert conv.kernel_size == (3, 3)
        x = torch.relu(functional.conv2d(x, conv.weight, conv.bias, padding=1))
    assert len(stream.convs) == 2
    assert torch.allclose(stream(target, references), x, atol=1e-5)


def test_a_group_is_three_streams_concatenated_and_merged():
    group = fusion.IntraGroupFusion(4, 6, sizes=(1, 3, 5), depth=1)
    randomise_biases(group)
    target, references = target_and_references()
    streams = torch.cat([stream(target, references) for stream in group.streams], dim=1)
    merged = torch.einsum("oi,bihw->bohw", group.merge.weight[:, :, 0, 0], streams)
    expected = torch.relu(merged + group.merge.bias[:, None, None])
    result = group(target, references)
    assert result.shape == references.shape
    assert torch.allclose(result, expected.reshape(2, 3, 4, 7, 9), atol=1e-5)


def test_groups_do_not_see_each_other_and_their_order_does_not_matter():
    group = fusion.IntraGroupFusion(4, 6, sizes=(1, 3, 5), depth=2)
    randomise_biases(group)
    target, references = target_and_references(n=4)
    together = group(target, references)
    for n in range(4):
        assert torch.allclose(together[:, n : n + 1], group(target, references[:, n : n + 1]), atol=1e-5)
    order = [2, 0, 3, 1]
    assert torch.allclose(group(target, references[:, order]), together[:, order], atol=1e-5)


def test_every_group_depends_on_the_target_and_on_its_own_reference():
    group = fusion.IntraGroupFusion(4, 6, depth=1)
    target, references = (x.requires_grad_() for x in target_and_references(b=1))
    result = group(target, references)
    on_target, on_references = torch.autograd.grad(result[0, 1].sum(), (target, references))
    assert on_target.abs().sum() > 0
    assert [gradient.abs().sum().item() > 0 for gradient in on_references[0]] == [False, True, False]


# Attention


def slow_fuse(groups: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """GA_i = exp(WF_i) / sum_j exp(WF_j) and FF = sum_i GA_i GF_i, pixel by pixel."""
    batch, count, channels, height, width = groups.shape
    attention, fused = np.zeros(score.shape), np.zeros((batch, channels, height, width))
    for b, y, x in itertools.product(range(batch), range(height), range(width)):
        below = sum(np.exp(score[b, j, 0, y, x]) for j in range(count))
        for i in range(count):
            attention[b, i, 0, y, x] = np.exp(score[b, i, 0, y, x]) / below
            for c in range(channels):
                fused[b, c, y, x] += attention[b, i, 0, y, x] * groups[b, i, c, y, x]
    return attention, fused


def test_attention_is_the_slow_loop_and_sums_to_one():
    attention = fusion.TemporalAttention(4)
    randomise_biases(attention)
    groups = torch.randn(2, 5, 4, 6, 3)
    fused, score = attention(groups)
    for n in range(5):
        own = functional.conv2d(groups[:, n], attention.score.weight, attention.score.bias, padding=1)
        assert torch.allclose(score[:, n], own, atol=1e-6)
    weights, expected = slow_fuse(groups.double().numpy(), score.detach().double().numpy())
    np.testing.assert_allclose(fused.detach().numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert torch.allclose(score.softmax(dim=1).sum(dim=1), torch.ones(2, 1, 6, 3), atol=1e-6)


def test_order_and_repetition_of_groups_change_nothing():
    attention = fusion.TemporalAttention(4)
    groups = torch.randn(2, 4, 4, 6, 3)
    fused, score = attention(groups)
    order = [3, 1, 0, 2]
    again, shuffled = attention(groups[:, order])
    assert torch.allclose(again, fused, atol=1e-6)
    assert torch.equal(shuffled, score[:, order])
    twice, _ = attention(torch.cat([groups, groups], dim=1))
    assert torch.allclose(twice, fused, atol=1e-6)
    alone, _ = attention(groups[:, :1])
    assert torch.allclose(alone, groups[:, 0], atol=1e-6)


def test_a_large_score_selects_its_group_and_nothing_overflows():
    groups = torch.randn(1, 3, 4, 5, 5)
    score = torch.zeros(1, 3, 1, 5, 5)
    score[:, 1] = 1000
    assert torch.allclose(fusion.fuse(groups, score), groups[:, 1], atol=1e-6)


def test_without_attention_it_is_the_mean():
    groups = torch.randn(2, 3, 4, 5, 6)
    fused, score = fusion.GroupMean()(groups)
    assert torch.allclose(fused, groups.mean(dim=1), atol=1e-6)
    assert score.shape == (2, 3, 1, 5, 6)
    assert score.abs().max() == 0


# Without grouping


def test_all_frames_fusion_is_one_3d_convolution_over_target_and_references():
    module = fusion.AllFramesFusion(4, references=3, size=3, depth=1)
    randomise_biases(module)
    target, references = target_and_references()
    stack = torch.cat([target[:, None], references], dim=1).transpose(1, 2)  # (b, c, time 4, h, w)
    volume = functional.conv3d(stack, module.volume.weight, module.volume.bias, padding=(0, 1, 1))
    assert volume.shape == (2, 4, 1, 7, 9)
    (conv,) = module.convs
    expected = torch.relu(functional.conv2d(torch.relu(volume[:, :, 0]), conv.weight, conv.bias, padding=1))
    assert torch.allclose(module(target, references), expected, atol=1e-5)


def test_all_frames_fusion_refuses_another_number_of_references():
    module = fusion.AllFramesFusion(4, references=3)
    target, references = target_and_references(n=2)
    with pytest.raises(ValueError, match="built for 3 references, got 2"):
        module(target, references)


# Injection and masks


def test_inject_takes_the_hole_from_the_coarser_scale_exactly():
    feature, fused = torch.randn(2, 4, 6, 8), torch.randn(2, 4, 6, 8)
    mask = (torch.rand(2, 1, 6, 8) > 0.5).float()
    result = fusion.inject(feature, fused, mask)
    for b, y, x in itertools.product(range(2), range(6), range(8)):
        source = fused if mask[b, 0, y, x] == 1 else feature
        assert torch.equal(result[b, :, y, x], source[b, :, y, x])


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_max_calls_a_cell_hole_if_any_pixel_is(factor):
    mask = torch.zeros(2, 1, 16, 24)
    for b, y, x in ((0, 3, 5), (0, 15, 23), (1, 0, 0), (1, 8, 16)):
        mask[b, 0, y, x] = 1
    small = masks.shrink_mask(mask, factor)
    assert small.shape == (2, 1, 16 // factor, 24 // factor)
    for b, y, x in itertools.product(range(2), range(16 // factor), range(24 // factor)):
        cell = mask[b, 0, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        assert small[b, 0, y, x] == float(cell.sum() > 0)


def test_max_leaks_nothing_and_nearest_does():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 5:11, 3:14] = 1
    for factor in (2, 4, 8):
        back = functional.interpolate(masks.shrink_mask(mask, factor), scale_factor=factor, mode="nearest")
        assert (mask * (1 - back)).sum() == 0
    nearest = functional.interpolate(masks.shrink_mask(mask, 4, "nearest"), scale_factor=4, mode="nearest")
    assert (mask * (1 - nearest)).sum() > 0
    assert torch.equal(masks.shrink_mask(mask, 4, "nearest"), mask[..., ::4, ::4])


def test_gradient_reaches_every_parameter():
    for module in (
        fusion.IntraGroupFusion(4, 6, depth=2),
        fusion.AllFramesFusion(4, references=3, depth=2),
    ):
        target, references = target_and_references()
        module(target, references).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    attention = fusion.TemporalAttention(4)
    fused, _ = attention(torch.randn(2, 3, 4, 5, 6))
    fused.square().sum().backward()
    assert attention.score.weight.grad.abs().sum() > 0
    # A shift of all scores does not change their softmax, so the bias has no effect and no gradient.
    assert attention.score.bias.grad.abs().max() < 1e-4


# Refinement


def test_an_untrained_refinement_moves_nothing():
    net = network.FusionNet(replace(SMALLEST, refine=True))
    target, references = target_and_references(c=8, h=6, w=6)
    assert net.refinement is not None
    assert torch.equal(net.refinement(target, references), torch.zeros(2, 3, 2, 6, 6))


def test_offsets_stay_within_their_bound_and_reach_every_parameter():
    part = fusion.Refinement(4)
    part.offset.weight.data.normal_(std=5)
    target, references = target_and_references()
    offsets = part(target, references)
    assert offsets.abs().max() <= fusion.FARTHEST
    assert offsets.abs().max() > 1
    part.offset.weight.data.mul_(0.01)
    part(target, references).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_moved_reads_each_map_at_its_own_offset():
    _, maps = target_and_references()
    offsets = torch.zeros(2, 3, 2, 7, 9)
    offsets[0, 1, 0], offsets[1, 2, 1] = 2.0, -1.0
    found = fusion.moved(maps, offsets)
    assert torch.allclose(found[0, 1, :, :, :-2], maps[0, 1, :, :, 2:], atol=1e-5)
    assert not found[0, 1, :, :, -2:].abs().max() > 1e-5
    assert torch.allclose(found[1, 2, :, 1:], maps[1, 2, :, :-1], atol=1e-5)
    assert torch.allclose(found[0, 0], maps[0, 0], atol=1e-5)


def test_enlarged_offsets_are_longer_on_the_finer_grid():
    offsets = torch.full((1, 2, 2, 3, 4), 0.75)
    assert torch.equal(fusion.enlarged(offsets, 4), torch.full((1, 2, 2, 12, 16), 3.0))


def test_moved_pixels_hold_no_share_of_what_is_hidden():
    seen, trust = torch.rand(1, 2, 3, 8, 8) + 0.5, torch.full((1, 2, 1, 8, 8), 0.7)
    trust[..., 4:] = 0
    seen = seen * (trust > 0)
    offsets = torch.zeros(1, 2, 2, 2, 2)
    offsets[:, :, 0] = 0.1  # 0.4 pixels to the right at full size
    found, sure = fusion.moved_pixels(seen, trust, offsets)
    assert torch.allclose(found[..., 3], seen[..., 3], atol=1e-5)  # what lies right of it is hidden, not black
    assert torch.allclose(sure[..., :4], trust[..., :4], atol=1e-5)
    assert not sure[..., 4:].any()


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_the_tail_keeps_a_share_of_negative_numbers(slope):
    torch.manual_seed(0)
    net = network.FusionNet(replace(SMALLEST, slope=slope))
    net.tail_in.bias.data.fill_(-100.0)  # dead, if it can die
    inputs = (
        torch.rand(1, 3, 16, 16),
        torch.ones(1, 1, 16, 16),
        torch.rand(1, 2, 3, 16, 16),
        torch.ones(1, 2, 1, 16, 16),
    )
    net(*inputs).frame.mean().backward()
    alive = net.tail_in.weight.grad is not None and bool(net.tail_in.weight.grad.any())
    assert alive == (slope > 0)
