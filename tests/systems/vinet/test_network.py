"""VINet's generator: released layout, equations by hand, what reaches what, sizes, precision."""

from dataclasses import replace

import pytest
import torch
from einops import rearrange
from torch.nn import functional

from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.vinet import feature_flow, gated
from vinpaint_lib.systems.vinet.network import CONFIGS, REACH, SHIFTS, Config, VINetGenerator

pytestmark = pytest.mark.slow

TINY = CONFIGS["tiny"]
# Released names and shapes, layer by layer; (before, after) of what is repeated at every scale.
SCALES = {"_256": 32, "_128": 64, "_64": 96, "": 128}


def released_layout():
    """Names and shapes of the 166 released tensors."""
    shapes = {}
    encoder = {"ec0": (5, 32), "ec1": (32, 64), "ec2": (64, 64), "ec3_1": (64, 96), "ec3_2": (96, 96)}
    encoder |= {"ec4_1": (96, 128), "ec4": (128, 128), "ec5": (128, 128)}
    for tower in ("encoder1", "encoder2"):
        shapes |= {f"{tower}.{k}.conv.weight": (2 * b, a, 3, 3) for k, (a, b) in encoder.items()}
    bottleneck = {"bt0": (256, 128), "bt1": (128, 128), "bt2": (128, 128), "bt3": (128, 128)}
    shapes |= {f"bottleneck.{k}.conv.weight": (2 * b, a, 3, 3) for k, (a, b) in bottleneck.items()}
    shapes |= {"convlstm.Gates.weight": (512, 256, 3, 3), "convlstm.Gates.bias": (512,)}
    decoder = {"dc0": (128, 128), "dc1": (128, 128), "dc2_1": (192, 96), "dc3_1": (128, 64), "dc3_2": (64, 64)}
    decoder |= {"dc2_bt1": (96, 96), "dc2_bt2": (96, 96), "dc2_bt3": (96, 96), "dc5": (32, 16)}
    shapes |= {f"decoder.{k}.conv.weight": (2 * b, a, 1, 3, 3) for k, (a, b) in decoder.items()}
    ups = {"dc1_1": (128, 96), "dc2_2": (96, 64), "dc4": (64, 32)}
    shapes |= {f"decoder.{k}.conv.1.weight": (2 * b, a, 1, 3, 3) for k, (a, b) in ups.items()}
    shapes["decoder.dc6.weight"] = (3, 16, 1, 3, 3)
    for name, width in SCALES.items():
        sizes = [width + 81 + (2 if name else 0), 128, 128, 96, 64, 32]
        fine = [34, 128, 128, 128, 96, 64, 32, 2]
        layers = {f"convs.{i}.0": (sizes[i], sizes[i + 1]) for i in range(5)} | {"conv1": (32, 2)}
        layers |= {f"convs_fine.convs.{i}.0": (fine[i], fine[i + 1]) for i in range(7)}
        for layer, (a, b) in layers.items():
            shapes[f"flownet{name}.flow_estimator.{layer}.weight"] = (b, a, 3, 3)
            shapes[f"flownet{name}.flow_estimator.{layer}.bias"] = (b,)
        half = width // 2
        for layer, (a, b) in {"0.0": (width, half), "1.0": (half, half), "2": (half, 1)}.items():
            shapes[f"masknet{name}.convs.{layer}.weight"] = (b, a, 3, 3)
            shapes[f"masknet{name}.convs.{layer}.bias"] = (b,)
        if name != "_256":
            shapes[f"st_agg{name}.stAgg.conv.weight"] = (2 * width, width, 5, 3, 3)
    return shapes


def build(config=TINY, seed=0):
    """A tiny generator whose flows and masks are not those of an untrained one."""
    torch.manual_seed(seed)
    net = VINetGenerator(config)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, feature_flow.FlowNet):
                part.flow_estimator.conv1.weight.normal_(0, 0.3)
                part.flow_estimator.convs_fine.last.weight.normal_(0, 0.1)
            elif isinstance(part, feature_flow.MaskNet):
                part.last.weight.normal_(0, 1)
        net.decoder.dc6.weight.mul_(100)
    return net.eval()


def a_sample(targets=2, batch=1, height=16, width=24, seed=1):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.rand(batch, 12 + targets, 3, height, width, generator=generator)
    masks = torch.zeros(batch, 12 + targets, 1, height, width)
    masks[..., 4:12, 6:18] = 1
    return frames, masks


def test_the_paper_s_network_has_the_released_tensors():
    tensors = {name: tuple(value.shape) for name, value in VINetGenerator(Config()).state_dict().items()}
    assert tensors == released_layout()
    assert len(tensors) == 166
    assert sum(torch.Size(shape).numel() for shape in tensors.values()) == 14_115_364


def test_a_gated_convolution_by_hand():
    layer, x = gated.GatedConv(3, 4, stride=2), torch.randn(2, 3, 9, 8)
    both = functional.conv2d(x, layer.conv.weight, stride=2, padding=1)
    expected = torch.sigmoid(both[:, 4:]) * both[:, :4].clamp(min=0)
    torch.testing.assert_close(layer(x), expected)


def test_planar_layers_are_the_released_three_dimensional_ones():
    """As released: volumes of one frame, trilinear upsampling, Conv3d with (1, 3, 3)."""
    x = torch.randn(2, 3, 6, 5)
    volume = rearrange(x, "b c h w -> b c 1 h w")
    plain = gated.GatedConv(3, 4, dilation=2, planar=True)
    both = functional.conv3d(volume, plain.conv.weight, padding=(0, 2, 2), dilation=(1, 2, 2))
    expected = torch.sigmoid(both[:, 4:]) * both[:, :4].clamp(min=0)
    torch.testing.assert_close(plain(x), expected[:, :, 0], atol=1e-5, rtol=1e-5)
    up = gated.GatedUpConv(3, 4)
    wide = functional.interpolate(volume, size=(1, 12, 10), mode="trilinear", align_corners=False)
    both = functional.conv3d(wide, up.conv[1].weight, padding=(0, 1, 1))
    expected = torch.sigmoid(both[:, 4:]) * functional.leaky_relu(both[:, :4], 0.2)
    torch.testing.assert_close(up(x), expected[:, :, 0], atol=1e-5, rtol=1e-5)


def test_aggregation_is_a_convolution_over_five_frames():
    layer, maps = gated.Aggregator(3, 5), torch.randn(2, 5, 3, 6, 7)
    volume = rearrange(maps, "b t c h w -> b c t h w")
    both = functional.conv3d(volume, layer.stAgg.conv.weight, padding=(0, 1, 1))
    expected = torch.sigmoid(both[:, 3:]) * both[:, :3].clamp(min=0)
    assert expected.shape[2] == 1
    torch.testing.assert_close(layer(maps), expected[:, :, 0], atol=1e-5, rtol=1e-5)


def test_the_memory_by_hand():
    memory, x = gated.ConvLSTM(3), torch.randn(1, 3, 4, 4)
    state = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    gates = memory.Gates(torch.cat([x, state[0]], dim=1))
    i, f, o, g = gates[:, :3], gates[:, 3:6], gates[:, 6:9], gates[:, 9:]
    cell = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    hidden, kept = memory(x, state)
    torch.testing.assert_close(kept, cell)
    torch.testing.assert_close(hidden, torch.sigmoid(o) * torch.tanh(cell))
    zeros = torch.zeros_like(x)
    torch.testing.assert_close(memory(x, None), memory(x, (zeros, zeros)))


def test_the_clamped_warp_repeats_the_border_and_the_other_does_not():
    image = torch.rand(1, 2, 5, 6)
    flow = torch.zeros(1, 2, 5, 6)
    flow[:, 0], flow[:, 1] = 2.5, -1
    for y in range(5):
        for x in range(6):
            px, py = min(x + 2.5, 5), max(y - 1, 0)
            left = int(px)
            right, share = min(left + 1, 5), px - left
            expected = (1 - share) * image[0, :, py, left] + share * image[0, :, py, right]
            torch.testing.assert_close(feature_flow.clamped(image, flow)[0, :, y, x], expected, atol=1e-5, rtol=1e-5)
    assert (feature_flow.zero_outside(image, flow)[..., 0, :] == 0).all()
    assert (feature_flow.zero_outside(image, flow)[..., 4:] == 0).all()


def test_a_finer_flow_has_twice_the_pixels_and_twice_the_length():
    flow = torch.zeros(1, 2, 3, 4)
    flow[:, 0], flow[:, 1] = 1.5, -2
    fine = feature_flow.doubled(flow)
    assert fine.shape == (1, 2, 6, 8)
    torch.testing.assert_close(fine[:, 0], torch.full((1, 6, 8), 3.0))
    torch.testing.assert_close(fine[:, 1], torch.full((1, 6, 8), -4.0))


def towers(net, frames, masks, t):
    """What `paint` takes, from a sample."""
    shown = (frames * 2 - 1) * (1 - masks)
    maps = [net.as_source(shown[:, t + shift], masks[:, t + shift]) for shift in SHIFTS[4]]
    return shown[:, t], masks[:, t], maps


def test_one_frame_by_hand():
    """Coarse to fine as the released network does it, one source at a time."""
    net, (frames, masks) = build(), a_sample(1)
    shown, mask, maps = towers(net, frames, masks, REACH)
    previous = torch.rand(1, 3, 16, 24) * 2 - 1
    memory = torch.randn(1, 8, 2, 3), torch.randn(1, 8, 2, 3)
    with torch.no_grad():
        painted = net.paint(shown, mask, maps, previous, memory)
        reference = net.encoder1(torch.cat([shown, mask], dim=1))
        before = net.encoder2(torch.cat([previous, torch.zeros_like(mask)], dim=1))
        all_maps, mixed, flows = [*maps, before], {}, {}
        for scale, name in ((3, ""), (2, "_64"), (1, "_128")):
            estimate, warped = net.get_submodule(f"flownet{name}"), []
            for n, tower in enumerate(all_maps):
                if scale == 3:
                    flow = estimate(reference[3], tower[3])
                else:
                    coarse = 2 * functional.interpolate(flows[scale + 1, n], scale_factor=2, mode="bilinear")
                    at_hand = feature_flow.zero_outside(tower[scale], coarse)
                    flow = estimate(reference[scale], at_hand, coarse) + coarse
                flows[scale, n] = flow
                warped.append(feature_flow.zero_outside(tower[scale], flow))
            gathered = net.get_submodule(f"st_agg{name}")(torch.stack(warped, dim=1))
            m = net.get_submodule(f"masknet{name}")(reference[scale], gathered)
            mixed[scale] = (1 - m) * reference[scale] + m * gathered  # eqs 3-5
            torch.testing.assert_close(painted.masks[scale], m, atol=1e-5, rtol=1e-4)
            for n in range(5):
                torch.testing.assert_close(painted.flows[scale - 1][:, n], flows[scale, n], atol=1e-4, rtol=1e-4)
        deep = net.bottleneck(torch.cat([reference[3], mixed[3]], dim=1))
        hidden, cell = net.convlstm(deep, memory)
        to_half = torch.stack([flows[1, n] for n in range(4)], dim=1)
        raw = net.decoder(hidden, mixed[2], mixed[1], net.guess(shown, mask, maps, painted.flows[0]))
        torch.testing.assert_close(to_half, painted.flows[0][:, :4], atol=1e-4, rtol=1e-4)
        coarse = 2 * functional.interpolate(flows[1, 4], scale_factor=2, mode="bilinear")
        flow = coarse + net.flownet_256(reference[0], feature_flow.clamped(before[0], coarse), coarse)
        m = net.masknet_256(reference[0], feature_flow.clamped(before[0], flow))
        output = (1 - m) * raw + m * feature_flow.clamped(previous, flow)  # eq. 6
    assert flow.abs().max() > 0.1
    assert m.std() > 0.02
    torch.testing.assert_close(painted.memory[1], cell, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(painted.raw, raw, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(painted.flow, flow, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(painted.output, output, atol=1e-4, rtol=1e-4)


def test_unrolling_is_frame_after_frame():
    net, (frames, masks) = build(), a_sample(3, batch=2)
    with torch.no_grad():
        made = net(frames, masks, [6, 7, 8])
        previous, memory = None, None
        for k, t in enumerate((6, 7, 8)):
            shown, mask, maps = towers(net, frames, masks, t)
            painted = net.paint(shown, mask, maps, previous, memory)
            torch.testing.assert_close(made.frames[:, k], painted.output / 2 + 0.5, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(made.raw[:, k], painted.raw / 2 + 0.5, atol=1e-5, rtol=1e-4)
            if k:
                torch.testing.assert_close(made.flow[:, k - 1], painted.flow, atol=1e-4, rtol=1e-4)
            previous = mask * painted.output.clamp(-1, 1) + (1 - mask) * shown
            memory = painted.memory
    assert made.flow.shape == (2, 2, 2, 16, 24)
    assert [m.shape for m in made.compositions] == [(2, 3, 1, 16 >> k, 24 >> k) for k in range(4)]
    assert [f.shape for f in made.flows] == [(2, 3, 5, 2, 8 >> k, 12 >> k) for k in range(3)]


def test_what_is_under_a_hole_reaches_nothing():
    net, (frames, masks) = build(), a_sample(2)
    other = torch.where(masks > 0, 1 - frames, frames)
    with torch.no_grad():
        assert torch.equal(net(frames, masks, [6, 7]).frames, net(other, masks, [6, 7]).frames)


def test_every_source_the_previous_output_and_the_memory_reach_the_output():
    net, (frames, masks) = build(), a_sample(1)
    shown, mask, maps = towers(net, frames, masks, REACH)
    previous = torch.rand(1, 3, 16, 24)
    memory = torch.zeros(1, 8, 2, 3), torch.zeros(1, 8, 2, 3)
    with torch.no_grad():
        plain = net.paint(shown, mask, maps, previous, memory).raw
        for n in range(4):
            changed = [tuple(x + 0.5 for x in m) if k == n else m for k, m in enumerate(maps)]
            assert not torch.allclose(net.paint(shown, mask, changed, previous, memory).raw, plain, atol=1e-5)
        assert not torch.allclose(net.paint(shown, mask, maps, 1 - previous, memory).raw, plain, atol=1e-5)
        other = memory[0], memory[1] + 1
        assert not torch.allclose(net.paint(shown, mask, maps, previous, other).raw, plain, atol=1e-5)


def test_switches_cut_recurrence_and_memory():
    frames, masks = a_sample(1)
    previous = torch.rand(1, 3, 16, 24)
    memory = torch.randn(1, 8, 2, 3), torch.randn(1, 8, 2, 3)
    for changes, cut in (({"memory": False}, "memory"), ({"recurrence": False}, "previous")):
        net = build(replace(TINY, **changes))
        inputs = towers(net, frames, masks, REACH)
        with torch.no_grad():
            both = net.paint(*inputs, previous, memory).output
            without_memory = net.paint(*inputs, previous, None).output
            without_previous = net.paint(*inputs, None, memory)
        assert torch.equal(both, without_memory) == (cut == "memory")
        assert torch.equal(both, without_previous.output) == (cut == "previous")
        assert without_previous.flow is None
        assert torch.equal(without_previous.output, without_previous.raw)


def test_as_released_judges_the_unrefined_flow_and_starts_the_memory_anew():
    frames, masks = a_sample(1)
    ours, released = build(), build(replace(TINY, as_released=True))
    inputs, previous = towers(ours, frames, masks, REACH), torch.rand(1, 3, 16, 24)
    memory = torch.randn(1, 8, 2, 3), torch.randn(1, 8, 2, 3)
    with torch.no_grad():
        a, b = ours.paint(*inputs, previous, None), released.paint(*inputs, previous, memory)
        assert torch.equal(a.raw, b.raw)  # the memory makes no difference
        assert not torch.allclose(a.masks[0], b.masks[0], atol=1e-4)
        coarse = feature_flow.doubled(b.flows[0][:, -1])
        before = released.encode_source(previous, torch.zeros_like(masks[:, 0]))[0]
        reference = released.encoder1(torch.cat([inputs[0], inputs[1]], dim=1))[0]
        m = released.masknet_256(reference, feature_flow.clamped(before, coarse))
    torch.testing.assert_close(b.masks[0], m, atol=1e-5, rtol=1e-4)
    output, mask = torch.full((1, 3, 16, 24), 3.0), masks[:, REACH]
    assert torch.equal(released.fed_back(output, inputs[0], mask), output)
    fed = ours.fed_back(output, inputs[0], mask)
    assert torch.equal(fed, mask + (1 - mask) * inputs[0])
    whole = VINetGenerator(replace(TINY, previous="output")).fed_back(output, inputs[0], mask)
    assert torch.equal(whole, torch.ones_like(output))


def test_the_network_for_512_works_at_half_size_inside():
    net, (frames, masks) = build(replace(TINY, aligned=False, double=True)), a_sample(2, height=32, width=48)
    with torch.no_grad():
        made = net(frames, masks, [6, 7])
    assert made.frames.shape == (1, 2, 3, 32, 48)
    assert made.flow.shape == (1, 1, 2, 32, 48)
    assert [f.shape[-2:] for f in made.flows] == [(8, 12), (4, 6), (2, 3)]
    expected = feature_flow.doubled(made.flows[0][:, 1, -1], 4)
    torch.testing.assert_close(made.flow[:, 0], expected)


def test_gradients_reach_every_parameter():
    net, (frames, masks) = build(), a_sample(3)
    made = net.train()(frames, masks, [6, 7, 8])
    (made.frames.sum() + made.flow.sum() + sum(f.sum() for f in made.flows)).backward()
    missing = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert missing == []


def test_the_fed_back_picture_passes_no_gradient_and_the_memory_does():
    frames, masks = a_sample(2)
    for memory in (True, False):
        net, raws, cells = build(replace(TINY, memory=memory)), [], []

        def keep_raw(module, args, output, raws=raws):
            output.retain_grad()
            raws.append(output)

        def keep_cell(module, args, output, cells=cells):
            output[1].retain_grad()
            cells.append(output[1])

        net.decoder.register_forward_hook(keep_raw)
        net.convlstm.register_forward_hook(keep_cell)
        net(frames, masks, [6, 7]).frames[:, 1].sum().backward()
        # Stacking the outputs leaves zeros where nothing came back.
        raw, cell = ((x.grad is not None and bool(x.grad.any())) for x in (raws[0], cells[0]))
        assert not raw
        assert cell == memory


@pytest.mark.parametrize("size", [(8, 8), (8, 64), (40, 16)])
def test_small_and_narrow_frames_are_filled(size):
    net, (frames, masks) = build(), a_sample(2, height=size[0], width=size[1])
    with torch.no_grad():
        made = net(frames, masks, [6, 7])
    assert made.frames.shape[-2:] == size
    assert torch.isfinite(made.frames).all()


def test_sizes_targets_and_settings_that_do_not_fit_are_sentences():
    net, (frames, masks) = build(), a_sample(1)
    with pytest.raises(UserError, match=r"frames of 24x12: sides must divide by 8; the nearest size is 24x16"):
        net(frames[..., :12, :], masks[..., :12, :], [6])
    with pytest.raises(UserError, match=r"targets \(5,\): have not 6 frames on both sides in a sample of 13"):
        net(frames, masks, [5])
    with pytest.raises(UserError, match="targets"):
        net(frames, masks, [6, 7])
    for wrong in ({"widths": (4, 5, 8, 8)}, {"previous": "all"}, {"start": "zero"}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            replace(TINY, **wrong)


def test_autocast_keeps_flows_masks_and_pictures_in_float32():
    net, (frames, masks) = build(), a_sample(2)
    with torch.no_grad():
        plain = net(frames, masks, [6, 7])
        with torch.autocast("cpu", torch.bfloat16):
            cast = net(frames, masks, [6, 7])
    tensors = [cast.frames, cast.raw, cast.flow, *cast.flows, *cast.compositions]
    assert all(x.dtype == torch.float32 for x in tensors)
    assert all(torch.isfinite(x).all() for x in tensors)
    assert (cast.frames - plain.frames).abs().mean() < 0.1 * plain.frames.std()


def test_a_short_start_is_still_and_keeps_the_size_of_signals():
    net = VINetGenerator(TINY)
    frames, masks = a_sample(2)
    with torch.no_grad():
        made = net(frames, masks, [6, 7])
    assert all((flow == 0).all() for flow in made.flows)
    assert all((m[:, 1:] == 0.5).all() for m in made.compositions)
    lost = {}
    for start in ("short", "released"):
        torch.manual_seed(0)
        with torch.no_grad():
            features = VINetGenerator(replace(TINY, start=start)).encode_source(frames[:, 0] * 2 - 1, masks[:, 0])
        lost[start] = (features[0].std() / features[3].std()).item()
    # Through eight gated layers.
    assert lost["short"] < 10
    assert lost["short"] < 0.5 * lost["released"]


def test_one_source_stands_in_all_four_places():
    net, (frames, masks) = build(), a_sample(1)
    changed = frames.clone()
    changed[:, 9] = 1 - changed[:, 9]
    with torch.no_grad():
        assert torch.equal(net(frames, masks, [6], 1).frames, net(changed, masks, [6], 1).frames)
        assert not torch.equal(net(frames, masks, [6]).frames, net(changed, masks, [6]).frames)
        changed[:, 3] = 1 - changed[:, 3]
        assert not torch.equal(net(frames, masks, [6], 1).frames, net(changed, masks, [6], 1).frames)


def small_and_sample(**changes):
    """The shipped network's switches in a tiny network whose flow estimators add nothing, and an unfilled sample."""
    net = VINetGenerator(replace(TINY, aligned=True, camera=True, **changes))  # start="short": last layers are zero
    frames, masks = a_sample(1, height=64, width=64)
    scene = functional.interpolate(torch.rand(1, 3, 24, 24), size=(96, 96), mode="bicubic").clamp(0, 1)
    for t in range(frames.shape[1]):  # the camera moves 1 pixel right and down a frame
        frames[0, t] = scene[0, :, t : t + 64, t : t + 64]
    masks.zero_()
    masks[..., 24:36, 24:36] = 1
    return net, towers(net, frames, masks, REACH), frames


def test_flows_begin_with_the_motion_of_the_camera():
    net, inputs, frames = small_and_sample()
    with torch.no_grad():
        painted = net.paint(*inputs, frames[:, REACH - 1] * 2 - 1, None)
    for flow, factor in zip(painted.flows, (2, 4, 8)):
        for n, shift in enumerate((*SHIFTS[4], -1)):
            # Frame t + s shows at x - s what frame t shows at x.
            found = flow[0, n, :, 2:-2, 2:-2] * factor
            torch.testing.assert_close(found, torch.full_like(found, -shift), atol=0.15, rtol=0)


def test_the_guess_is_the_sources_pixels_nearer_ones_twice_and_only_in_the_hole():
    net, (shown, mask, maps), frames = small_and_sample()
    flow = torch.stack([torch.full((1, 2, 32, 32), -shift / 2) for shift in (*SHIFTS[4], -1)], dim=1)
    _, aligned, seen = net.guess(shown, mask, maps, flow)
    inner = (slice(None), slice(None), slice(26, 34), slice(26, 34))
    # Three frames off, the hole shows its lower right (or upper left) part; six frames off, more of it.
    assert torch.equal(seen * (1 - mask), torch.zeros_like(seen))
    rows = torch.arange(64)
    total, weight = torch.zeros(3), torch.zeros(1)
    y = x = 30  # only the frame six before shows this place
    for shift, share, picture in zip(SHIFTS[4], (0.5, 1.0, 1.0, 0.5), maps):
        known = picture[0][0, 3, rows[y - shift], rows[x - shift]]
        total += share * known * picture[0][0, :3, y - shift, x - shift]
        weight += share * known
    torch.testing.assert_close(aligned[0, :, y, x], total / weight, atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[0, :, y, x], weight.clamp(max=1), atol=1e-4, rtol=0)
    truth = frames[:, REACH] * 2 - 1
    where = (seen > 0.4).expand_as(truth)[inner]
    assert where.any()
    torch.testing.assert_close(aligned[inner][where], truth[inner][where], atol=1e-3, rtol=0)


def test_correlation_of_directions_finds_a_shifted_copy():
    net = feature_flow.FlowNet(16, 2, 2, refines=False, cosine=True, context=False)
    seen = []
    net.flow_estimator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    one = torch.randn(1, 16, 9, 9)
    net(one, 7 * one.roll((1, -2), dims=(2, 3)))  # the copy lies 1 row down and 2 columns left, and is longer
    costs = seen[0][0, 16:, 3:-3, 3:-3]
    assert (costs.argmax(0) == 3 * 5 + 0).all()  # dy = 1, dx = -2
    torch.testing.assert_close(costs.amax(0), torch.ones(3, 3), atol=1e-4, rtol=0)


def test_a_short_start_remembers_and_a_released_start_is_drawn_otherwise():
    bias = VINetGenerator(TINY).convlstm.Gates.bias
    assert torch.equal(bias, torch.cat([torch.zeros(8), torch.ones(8), torch.zeros(16)]))  # in, forget, out, new
    torch.manual_seed(0)
    net = VINetGenerator(replace(CONFIGS["paper"], widths=(8, 16, 32, 64)))
    estimator = net.flownet.flow_estimator
    for layer in (estimator.conv1, estimator.convs[2][0]):
        fans = 9 * (layer.weight.shape[0] + layer.weight.shape[1])
        assert abs(layer.weight.std().item() / (2 / fans) ** 0.5 - 1) < 0.1  # Xavier
        assert layer.bias.min() >= 0
    assert estimator.convs[2][0].bias.std() > 0.2  # uniform over [0, 1]
    gate = net.encoder1.ec5.conv.weight
    assert abs(gate.std().item() / (2 / (9 * gate.shape[0])) ** 0.5 - 1) < 0.1  # Kaiming, fan out
