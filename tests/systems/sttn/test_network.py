"""STTN's generator: the released names and numbers, the dropped mask and the mask that works, sizes, gradients."""

from dataclasses import replace

import pytest
import torch
from einops import rearrange

from tests.systems.sttn import sttn_loops
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.sttn.network import CONFIGS, Config, STTNGenerator

pytestmark = pytest.mark.slow

THIN = Config(channels=16, blocks=2)
SIZES = {"240x432": (240, 432), "256x384 padded": (288, 384)}


def build(config=THIN, seed=0, gain=5.0):
    """A generator whose weights are large enough that all of it shows in the output, attention sharp and blunt.

    `gain` is that of the blocks: eight of them with a large one would multiply rounding errors.
    """
    torch.manual_seed(seed)
    net = STTNGenerator(replace(config, start="kaiming"))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.05)
            elif name.endswith(("output_linear.0.weight", "conv.2.weight")):
                parameter.mul_(gain)
            elif name.endswith("decoder.6.weight"):
                parameter.mul_(10)
    net.config = config
    return net.eval()


def case(b=1, t=3, h=48, w=96, seed=1):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(b * t, 3, 6, 6, generator=generator)
    frames = torch.nn.functional.interpolate(coarse, (h, w), mode="bilinear")
    masks = torch.zeros(b, t, 1, h, w)
    masks[..., h // 4 : h // 2, w // 3 : 2 * w // 3] = 1
    masks[:, -1, :, : 3 * h // 4] = 1  # the last frame as a whole counts as hole for the head of one patch
    return rearrange(frames, "(b t) c h w -> b t c h w", b=b), masks


# As released


def expected_tensors():
    """Names and shapes of the released generator, from its published checkpoint."""
    table = {}
    for n in range(8):
        for kind in ("query_embedding", "value_embedding", "key_embedding"):
            table[f"transformer.{n}.attention.{kind}"] = (256, 256, 1, 1)
        for name in ("attention.output_linear.0", "feed_forward.conv.0", "feed_forward.conv.2"):
            table[f"transformer.{n}.{name}"] = (256, 256, 3, 3)
    table |= {"encoder.0": (64, 3, 3, 3), "encoder.2": (64, 64, 3, 3)}
    table |= {"encoder.4": (128, 64, 3, 3), "encoder.6": (256, 128, 3, 3)}
    table |= {"decoder.0.conv": (128, 256, 3, 3), "decoder.2": (64, 128, 3, 3)}
    table |= {"decoder.4.conv": (64, 64, 3, 3), "decoder.6": (3, 64, 3, 3)}
    return {f"{k}.weight": v for k, v in table.items()} | {f"{k}.bias": v[:1] for k, v in table.items()}


def test_names_shapes_and_numbers_are_the_released_ones():
    state = STTNGenerator(CONFIGS["paper"]).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == expected_tensors()
    assert len(state) == 112
    assert sum(value.numel() for value in state.values()) == 16_556_163


@pytest.mark.parametrize("as_released", [True, False])
@pytest.mark.parametrize("size", [(48, 48), (96, 48)])
def test_a_small_generator_equals_loops(as_released, size):
    net = build(replace(THIN, as_released=as_released))
    frames, masks = case(h=size[0], w=size[1])
    shown = (frames * 2 - 1) * (1 - masks)
    holes = None if as_released else masks[0, :, 0, ::4, ::4]
    with torch.no_grad():
        expected = sttn_loops.generator(net.state_dict(), shown[0], holes)
        found = net.paint(shown, masks)[0]
        whole = net(frames, masks)[0]
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(whole, expected / 2 + 0.5, atol=1e-4, rtol=0)


def test_the_released_network_at_the_released_size_equals_loops():
    """All 256 channels and 8 blocks at 240x432, two frames."""
    net = build(replace(CONFIGS["paper"], as_released=True), gain=2.0)
    frames, masks = case(t=2, h=240, w=432)
    shown = (frames * 2 - 1) * (1 - masks)
    with torch.no_grad():
        expected = sttn_loops.generator(net.state_dict(), shown[0])
        found = net.paint(shown, masks)[0]
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_as_released_drops_its_mask():
    net = build(replace(THIN, as_released=True))
    frames, masks = case()
    shown = (frames * 2 - 1) * (1 - masks)
    with torch.no_grad():
        empty, full = (net.paint(shown, torch.full_like(masks, value)) for value in (0.0, 1.0))
        assert torch.equal(empty, full)
        assert torch.equal(empty, net.paint(shown, masks))
        # The blanked frames are the same: only the mask of the keys differs, and by default it matters.
        net.config = THIN
        assert not torch.allclose(net.paint(shown, masks), empty, atol=1e-3)
        torch.testing.assert_close(net.paint(shown, torch.ones_like(masks)), empty)


# Holes


def test_nothing_under_a_hole_reaches_the_output():
    net = build()
    frames, masks = case()
    changed = torch.where(masks > 0, torch.rand_like(frames), frames)
    assert not torch.equal(frames, changed)
    with torch.no_grad():
        assert torch.equal(net(frames, masks), net(changed, masks))
        assert not torch.equal(net(frames * 0.9, masks), net(frames, masks))


def test_masks_are_looked_at_every_fourth_pixel():
    masks = (torch.rand(3, 1, 48, 96) > 0.5).float()
    expected = torch.nn.functional.interpolate(masks, scale_factor=0.25, mode="nearest")
    net = build()
    assert torch.equal(net.key_masks(masks[None])[0], expected)
    net.config = replace(THIN, as_released=True)
    assert net.key_masks(masks[None]) is None


def test_features_of_a_hole_reach_no_other_patch_through_attention():
    net = build()
    attention = net.transformer[0].attention
    maps = torch.randn(1, 3, 16, 12, 24)
    masks = torch.zeros(1, 3, 1, 12, 24)
    masks[:, 1] = 1  # one frame is hole for every head
    noise = masks * torch.randn_like(maps) * 10
    with torch.no_grad():
        before, after = attention(maps, masks), attention(maps + noise, masks)
        unmasked = attention(maps + noise)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.allclose(unmasked[:, [0, 2]], after[:, [0, 2]], atol=1e-3)


def test_a_clip_of_holes_only_gives_numbers():
    net = build()
    frames, masks = case()
    with torch.no_grad():
        assert torch.isfinite(net(frames, torch.ones_like(masks))).all()


# Sizes


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("t", [1, 3])
def test_sizes_and_lengths(size, t):
    frames, masks = case(t=t, h=size[0], w=size[1])
    with torch.no_grad():
        result = build()(frames, masks)
    assert result.shape == frames.shape
    assert result.dtype == torch.float32
    assert 0 <= result.min() < result.max() <= 1


@pytest.mark.parametrize("size", [(40, 48), (48, 50), (256, 384)])
def test_other_sizes_are_refused_with_the_ones_that_work(size):
    frames, masks = case(h=size[0], w=size[1])
    nearest = {(40, 48): "48x48", (48, 50): "48x48", (256, 384): "384x240"}[size]
    with pytest.raises(
        UserError, match=f"frames of {size[1]}x{size[0]}.*smallest size is 48x48, the nearest {nearest}"
    ):
        build()(frames, masks)


def test_the_order_of_frames_does_not_matter():
    net, (frames, masks) = build(), case(t=4)
    order = [3, 1, 0, 2]
    with torch.no_grad():
        expected = net(frames, masks)[:, order]
        torch.testing.assert_close(net(frames[:, order], masks[:, order]), expected, atol=1e-4, rtol=0)


def test_a_frame_twice_counts_twice():
    """Softmax over keys: a repeated frame has two votes, so repeating all of them changes nothing."""
    net, (frames, masks) = build(), case(t=2)
    with torch.no_grad():
        once, twice = net(frames, masks), net(frames.repeat(1, 2, 1, 1, 1), masks.repeat(1, 2, 1, 1, 1))
    torch.testing.assert_close(twice[:, :2], once, atol=1e-4, rtol=0)
    torch.testing.assert_close(twice[:, 2:], once, atol=1e-4, rtol=0)


def test_sharpness_stays_as_in_training():
    plain, same = build(), build()
    same.config = replace(THIN, trained=(96, 96))
    frames, masks = case(h=96, w=96)
    with torch.no_grad():
        torch.testing.assert_close(plain(frames, masks), same(frames, masks))
    assert plain.sharpness(60, 108) == 1
    # d grows with the area, scores of alike patches with its root.
    assert same.sharpness(48, 48) == pytest.approx(0.5)


# Training


@pytest.mark.parametrize("config", [THIN, CONFIGS["tiny"], CONFIGS["small"]], ids=["normal", "tiny", "small"])
def test_gradient_reaches_every_parameter(config):
    torch.manual_seed(0)
    net = STTNGenerator(config)
    frames, masks = case(b=2, h=48, w=48)
    net(frames, masks).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # The key's bias adds the same to all scores of a query: the softmax cancels it, up to rounding.
        if not name.endswith("key_embedding.bias"):
            assert parameter.grad.abs().sum() > 0, name


def test_gradient_at_a_hole_comes_from_other_frames():
    net = build()
    frames, masks = case(t=3)
    frames.requires_grad_(True)
    result = net(frames, masks)
    (result[:, 0] * masks[:, 0]).sum().backward()
    of_frames = frames.grad.abs().sum(dim=(0, 2, 3, 4))
    assert (of_frames > 0).all()
    assert (frames.grad * masks).abs().max() == 0


def test_training_starts_from_grey_and_released_weights_from_their_normal_distribution():
    torch.manual_seed(0)
    frames, masks = case()
    with torch.no_grad():
        assert (STTNGenerator(CONFIGS["small"])(frames, masks) - 0.5).abs().mean() < 0.1
    released = STTNGenerator(CONFIGS["paper"])
    assert released.transformer[3].feed_forward.conv[0].weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert all(p.abs().max() == 0 for name, p in released.named_parameters() if name.endswith("bias"))


def test_bf16_autocast_stays_close_and_gives_float32():
    net, (frames, masks) = build(), case()
    with torch.no_grad():
        exact = net(frames, masks)
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(frames, masks)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.02  # bf16 has 8 bits


def test_look_is_the_row_of_the_asked_patch():
    net = build()
    frames, masks = case(t=3)
    seen = []
    net.transformer[1].attention.register_forward_pre_hook(lambda module, args: seen.append(args))
    with torch.no_grad():
        net(frames, masks)
        maps, keys, sharpness = seen[0]
        expected = net.transformer[1].attention.attention_row(maps, keys, 3, (0, 4, 5), sharpness)
        found = net.attention_row(frames, masks, block=1, head=3, query=(0, 4, 5))
    torch.testing.assert_close(found, expected)
    assert found.shape == (1, 3, 12, 12)
    hole = masks[0, :, 0, ::4, ::4].unflatten(1, (12, 1)).unflatten(3, (12, 2)).mean(dim=(2, 4)) > 0.5
    assert found[0][hole].abs().max() == 0
