"""CombCN and the joint network: an independent rewrite, the guidance and its gradient, what may reach the output."""

from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.systems.combcn.test_volume import scattered
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.combcn.network import CONFIGS, CombNet, Config, JointNet, shrink

THIN = CONFIGS["tiny"]


def a_batch(b: int = 2, t: int = 3, h: int = 16, w: int = 24, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Frames and a hole whose edges are no even numbers."""
    masks = torch.zeros(b, t, 1, h, w)
    masks[..., 5:12, 7:16] = 1
    return torch.rand(b, t, 3, h, w, generator=torch.Generator().manual_seed(seed)), masks


# The network against an independent rewrite of its table

# kernel, stride, dilation, channels in, channels out; 13 and 15 are transposed. From the published table.
BY_NUMBER = {
    1: (5, 1, 1, 4, 64),
    2: (3, 2, 1, 64, 128),
    3: (3, 1, 1, 131, 128),
    4: (3, 2, 1, 128, 256),
    5: (3, 1, 1, 256, 256),
    6: (3, 1, 1, 256, 256),
    7: (3, 1, 2, 256, 256),
    8: (3, 1, 4, 256, 256),
    9: (3, 1, 8, 256, 256),
    10: (3, 1, 16, 512, 256),
    11: (3, 1, 1, 512, 256),
    12: (3, 1, 1, 512, 256),
    13: (4, 2, 1, 512, 128),
    14: (3, 1, 1, 256, 128),
    15: (4, 2, 1, 259, 64),
    16: (3, 1, 1, 128, 32),
    17: (3, 1, 1, 32, 3),
}


def rewritten(net: CombNet, x: Tensor, guide: Tensor) -> Tensor:
    found, made = dict(net.named_parameters()) | dict(net.named_buffers()), {}
    for n, (kernel, stride, dilation, _, _) in BY_NUMBER.items():
        name = f"layers.{n - 1}"
        weight, bias = found[f"{name}.conv.weight"], found[f"{name}.conv.bias"]
        if n in (3, 15):
            x = torch.cat([x, guide], dim=1)
        if 10 <= n <= 16:
            x = torch.cat([x, made[17 - n]], dim=1)
        if n in (13, 15):
            x = functional.conv_transpose2d(x, weight, bias, stride=2, padding=1)
        else:
            x = functional.conv2d(x, weight, bias, stride, dilation * ((kernel - 1) // 2), dilation)
        if n < 17:
            stored = [found[f"{name}.norm.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
            x = functional.batch_norm(functional.relu(x), *stored)
        made[n] = x
    return x


def test_the_network_is_its_table():
    net = scattered(CombNet(4))
    x, guide = torch.randn(3, 4, 24, 32), torch.randn(3, 3, 12, 16)
    with torch.no_grad():
        result, expected = net(x, guide), rewritten(net, x, guide)
    assert expected.abs().max() > 0.05
    assert torch.allclose(result, expected, atol=1e-4)


def test_the_gradients_are_those_of_the_table():
    net = scattered(CombNet(2))
    x, guide = torch.randn(2, 4, 16, 16), torch.randn(2, 3, 8, 8, requires_grad=True)
    wanted = [guide, *net.parameters()]
    found = torch.autograd.grad(net(x, guide).square().sum(), wanted)
    expected = torch.autograd.grad(rewritten(net, x, guide).square().sum(), wanted)
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))


def test_channels_and_parameters_at_full_width():
    net = JointNet(CONFIGS["paper"])
    for n, (kernel, _, _, inputs, outputs) in BY_NUMBER.items():
        conv = net.comb.layers[n - 1].conv
        assert (conv.in_channels, conv.out_channels) == (inputs, outputs)
        assert conv.kernel_size == (kernel,) * 2
    assert sum(p.numel() for p in net.volume.parameters()) == 6_836_467
    assert sum(p.numel() for p in net.comb.parameters()) == 8_669_379
    # As many tensors as the re-implementation stores.
    assert len(net.state_dict()) == 193


def test_a_narrower_network_without_normalisation_can_be_shipped():
    assert CONFIGS["small"].norm == "none"
    tensors = JointNet(CONFIGS["small"]).state_dict().values()
    assert 4 * sum(value.numel() for value in tensors) < 20e6


# The joint network


@pytest.mark.parametrize("shrinking", [2, 4])
@pytest.mark.parametrize("size", [(1, 16, 16), (2, 32, 48), (5, 16, 32)])
def test_shapes(size, shrinking):
    t, h, w = size
    net = JointNet(replace(THIN, shrink=shrinking)).eval()
    with torch.no_grad():
        made = net(torch.rand(2, t, 3, h, w), torch.zeros(2, t, 1, h, w))
    assert made.frames.shape == (2, t, 3, h, w)
    assert made.volume.shape == made.guide.shape == (2, t, 3, h // shrinking, w // shrinking)


def test_two_forty_by_four_thirty_two():
    with torch.no_grad():
        made = JointNet(THIN).eval()(torch.rand(1, 2, 3, 240, 432), torch.zeros(1, 2, 1, 240, 432))
    assert made.frames.shape == (1, 2, 3, 240, 432)
    assert torch.isfinite(made.frames).all()


def test_small_cells_by_loop():
    frames, masks = a_batch(b=1, t=2, h=8, w=8)
    masks = (torch.rand(1, 2, 1, 8, 8) > 0.6).float()
    small, hole = shrink(frames, masks, 2)
    for t in range(2):
        for i in range(4):
            for j in range(4):
                cell = (0, t, slice(None), slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2))
                assert torch.allclose(small[0, t, :, i, j], frames[cell].mean(dim=(1, 2)))
                assert hole[0, t, 0, i, j] == masks[cell].max()
    assert 0 < hole.mean() < 1


def test_the_guide_is_the_volume_in_holes_and_the_known_small_pixels_elsewhere():
    net, (frames, masks) = scattered(JointNet(THIN)), a_batch()
    with torch.no_grad():
        made = net(frames * (1 - masks), masks)
    small, hole = shrink(frames, masks, 2)
    assert torch.allclose(made.guide, torch.where(hole > 0, made.volume, small), atol=1e-6)
    assert not torch.allclose(made.volume, small, atol=1e-2)


def test_the_guide_joins_the_encoder_and_the_decoder_and_nothing_else():
    net = scattered(CombNet(2))
    x, guide = torch.randn(1, 4, 16, 16), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        one, other = net.walk(x, guide), net.walk(x, guide + 1)
        assert [n for n in range(1, 18) if torch.equal(one[n - 1], other[n - 1])] == [1, 2]
        # With the encoder's three kernels for it gone, it only comes in at layer 15.
        net.layers[2].conv.weight[:, -3:] = 0
        one, other = net.walk(x, guide), net.walk(x, guide + 1)
        assert [n for n in range(1, 18) if torch.equal(one[n - 1], other[n - 1])] == list(range(1, 15))


def test_nothing_under_the_hole_reaches_the_output_and_the_rest_does():
    net, (frames, masks) = scattered(JointNet(THIN)), a_batch()
    changed = torch.where(masks > 0, torch.rand_like(frames), frames)
    assert not torch.equal(changed, frames)
    with torch.no_grad():
        before, after = net(frames, masks), net(changed, masks)
        assert all(torch.equal(a, b) for a, b in zip(before, after))
        assert not torch.equal(net(frames * 0.9, masks).frames, before.frames)


def test_a_hole_is_grey_not_black_to_both_networks():
    net, (frames, masks) = JointNet(THIN).eval(), a_batch()
    seen = []
    for part in (net.volume, net.comb):
        part.register_forward_hook(lambda module, args, result: seen.append(args[0]))
    with torch.no_grad():
        net(frames, masks)
    for x in seen:
        shown, hole = x[:, :3], x[:, 3:]
        assert set(hole.unique().tolist()) == {0.0, 1.0}
        assert (shown * hole).abs().max() == 0
        assert (shown * (1 - hole)).min() < -0.2
    assert torch.allclose(seen[1][:, 3:], masks.flatten(0, 1))


def test_frames_meet_in_the_volume_only():
    """A frame's neighbours reach it through I; without guidance each frame is alone."""
    frames, masks = a_batch(b=1, t=6)
    changed = frames.clone()
    changed[:, 0] = changed[:, 0] * 0.5
    for guidance in (True, False):
        net = scattered(JointNet(replace(THIN, guidance=guidance)))
        with torch.no_grad():
            before, after = net(frames, masks).frames, net(changed, masks).frames
        differs = [not torch.equal(before[:, t], after[:, t]) for t in range(6)]
        assert differs == [True] + [guidance] * 5


# Guidance and gradients


def test_the_loss_of_the_details_reaches_every_parameter_of_3dcn_through_the_guidance():
    for norm in ("batch", "none"):
        net, (frames, masks) = JointNet(replace(THIN, norm=norm)), a_batch()
        made = net(frames, masks)
        (masks * (made.frames - frames)).abs().sum().backward()
        for name, parameter in net.named_parameters():
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_the_gradient_reaches_3dcn_only_where_the_small_volume_has_its_hole():
    net, (frames, masks) = JointNet(replace(THIN, norm="none")), a_batch(t=2)
    raw: list[Tensor] = []
    net.volume.register_forward_hook(lambda module, args, result: raw.append(result))
    made = net(frames, masks)
    (slopes,) = torch.autograd.grad(made.frames.square().sum(), raw[0])
    hole = shrink(frames, masks, 2)[1].transpose(1, 2)
    assert (slopes * (1 - hole)).abs().max() == 0
    assert (slopes * hole).abs().max() > 0


def test_without_guidance_3dcn_does_not_run_and_the_same_weights_serve():
    (frames, masks), net = a_batch(), scattered(JointNet(THIN))
    blind = JointNet(replace(THIN, guidance=False)).eval()
    blind.load_state_dict(net.state_dict())
    with torch.no_grad():
        made = blind(frames, masks)
        assert made.volume is None
        assert (made.guide == 0.5).all()
        assert not torch.equal(made.frames, net(frames, masks).frames)
    blind.train()(frames, masks).frames.sum().backward()
    assert all(p.grad is None for p in blind.volume.parameters())
    assert all(p.grad is not None for p in blind.comb.parameters())


def test_without_details_3dcn_alone_is_run():
    net, (frames, masks) = JointNet(THIN), a_batch()
    made = net(frames, masks, details=False)
    assert torch.equal(made.frames[..., ::2, ::2], made.guide)
    assert torch.equal(made.frames[..., 1::2, 1::2], made.guide)
    made.frames.sum().backward()
    assert all(p.grad is None for p in net.comb.parameters())
    assert all(p.grad is not None for p in net.volume.parameters())


# Numbers


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("training", [False, True])
def test_bf16_autocast_stays_close_and_gives_float32(norm, training):
    net, (frames, masks) = JointNet(replace(THIN, norm=norm)).train(training), a_batch()
    with torch.no_grad():
        exact = net(frames, masks)
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(frames, masks)
    for a, b in zip(exact, rough):
        assert b.dtype == torch.float32
        assert (a - b).abs().max() < 0.05  # bf16 has 8 bits


def test_training_starts_from_even_grey():
    frames, masks = a_batch(b=1, t=4, h=64, w=64)
    for norm in ("batch", "none"):
        for seed in range(3):
            torch.manual_seed(seed)
            with torch.no_grad():
                made = JointNet(replace(CONFIGS["small"], norm=norm))(frames, masks)
            assert (made.frames - 0.5).abs().mean() < 0.2
            assert (made.volume - 0.5).abs().mean() < 0.2


def test_running_averages_serve_a_single_short_clip():
    """Batch normalisation at test time: stored numbers, so neither the batch nor the clip's length changes a frame's
    normalisation."""
    net, (frames, masks) = scattered(JointNet(replace(THIN, guidance=False))), a_batch(b=2, t=3)
    with torch.no_grad():
        together, alone = net(frames, masks).frames, net(frames[:1, :1], masks[:1, :1]).frames
    assert torch.allclose(together[:1, :1], alone, atol=1e-5)


# Refusals


def test_sizes_and_lengths_that_it_cannot_take_name_the_smallest_that_works():
    net = JointNet(THIN)
    with pytest.raises(UserError, match=r"3DCN \+ CombCN: a frame of 20x45 .* the smallest that works is 24x48"):
        net(torch.zeros(1, 1, 3, 20, 45), torch.zeros(1, 1, 1, 20, 45))
    with pytest.raises(UserError, match=r"a clip of 0 frames .* the smallest that works is 1 frame"):
        net(torch.zeros(1, 0, 3, 16, 16), torch.zeros(1, 0, 1, 16, 16))
    with pytest.raises(UserError, match=r"CombCN: a frame of 10x16 .* 12x16"):
        net.comb(torch.zeros(1, 4, 10, 16), torch.zeros(1, 3, 5, 8))
    with pytest.raises(UserError, match=r"a guide of 16x16 .* it must be 8x8"):
        net.comb(torch.zeros(1, 4, 16, 16), torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"shrink": 3}, "shrink is even, the smallest is 2"),
        ({"frames": 8, "overlap": 8}, "the smallest that works is 9"),
        ({"overlap": -1}, "cannot overlap by -1"),
        ({"norm": "layer"}, "unknown normalisation"),
        ({"comb_width": 0}, "smallest width is 1"),
    ],
)
def test_configurations_that_cannot_be(fields, sentence):
    with pytest.raises(UserError, match=sentence):
        JointNet(replace(THIN, **fields))


def test_a_configuration_survives_a_header():
    for config in CONFIGS.values():
        assert Config(**asdict(config)) == config
