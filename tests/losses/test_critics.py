"""T-PatchGAN: the released names and sizes, clips apart or strung together, hinge losses."""

import pytest
import torch

from vinpaint_lib.errors import UserError
from vinpaint_lib.losses.critics import TemporalPatchDiscriminator, critic_hinge, generator_hinge


def build(width=4, strung=False):
    torch.manual_seed(0)
    return TemporalPatchDiscriminator(width, strung)


def test_names_and_numbers_are_the_released_ones():
    state = TemporalPatchDiscriminator().state_dict()
    expected = {"conv.10.weight": (256, 256, 3, 5, 5), "conv.10.bias": (256,)}
    shapes = ((64, 3, 3, 5, 5), (128, 64, 3, 5, 5), (256, 128, 3, 5, 5), (256, 256, 3, 5, 5), (256, 256, 3, 5, 5))
    for n, shape in zip((0, 2, 4, 6, 8), shapes, strict=True):
        columns = shape[1] * 75
        expected |= {
            f"conv.{n}.weight_orig": shape,
            f"conv.{n}.weight_u": shape[:1],
            f"conv.{n}.weight_v": (columns,),
        }
    assert {name: tuple(value.shape) for name, value in state.items()} == expected
    assert sum(p.numel() for p in TemporalPatchDiscriminator().parameters()) == 17_832_256


def test_the_released_size_gives_the_released_scores():
    with torch.no_grad():
        assert build()(torch.rand(1, 2, 3, 240, 432)).shape == (1, 2, 16, 4, 7)
        assert build()(torch.rand(2, 3, 3, 48, 48)).shape == (2, 3, 16, 1, 1)
        assert build(strung=True)(torch.rand(2, 3, 3, 48, 48)).shape == (1, 6, 16, 1, 1)


def test_clips_meet_only_when_strung():
    frames = torch.rand(2, 3, 3, 48, 48)
    other = torch.cat([frames[:1], torch.rand(1, 3, 3, 48, 48)])
    with torch.no_grad():
        apart, strung = build().eval(), build(strung=True).eval()
        assert torch.equal(apart(frames)[0], apart(other)[0])
        alone = apart(frames[:1])
        torch.testing.assert_close(apart(frames)[:1], alone)
        assert not torch.allclose(strung(frames)[0, :3], strung(other)[0, :3])
        # One clip is the same either way.
        torch.testing.assert_close(strung(frames[:1]), alone)


def test_every_layer_but_the_last_has_spectral_norm_one():
    net = build().train()
    for _ in range(60):  # each call brings the estimate of the largest singular value nearer
        net(torch.rand(1, 1, 3, 16, 16))
    for n in (0, 2, 4, 6, 8):
        largest = torch.linalg.matrix_norm(net.conv[n].weight.flatten(1), 2)
        assert largest.item() == pytest.approx(1, abs=0.02)
    assert torch.linalg.matrix_norm(net.conv[10].weight.flatten(1), 2).item() != pytest.approx(1, abs=0.05)


def test_gradient_reaches_every_parameter_and_the_frames():
    net, frames = build(), torch.rand(2, 3, 3, 48, 48, requires_grad=True)
    net(frames).square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())
    assert frames.grad.abs().sum() > 0


def test_a_frame_that_is_too_small_is_a_sentence():
    with pytest.raises(UserError, match="frames of 48x2: 3x3 is the smallest"):
        build()(torch.rand(1, 1, 3, 2, 48))
    assert torch.isfinite(build()(torch.rand(1, 1, 3, 3, 3))).all()


def test_hinge_losses_by_hand():
    truth, output = torch.tensor([[0.5, 2.0], [-1.0, 1.0]]), torch.tensor([[0.5, -2.0], [-1.0, 0.0]])
    assert critic_hinge(truth, output).item() == pytest.approx(0.5 * ((0.5 + 0 + 2 + 0) / 4 + (1.5 + 0 + 0 + 1) / 4))
    assert generator_hinge(output).item() == pytest.approx(2.5 / 4)


def test_the_critic_learns_to_tell_and_its_judgement_turns_the_output():
    """A few steps: real clips score above completed ones, and L_adv moves the output towards higher scores."""
    torch.manual_seed(0)
    net = build()
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.0, 0.99))
    for _ in range(25):
        truth, output = torch.rand(2, 2, 3, 24, 24) * 0.2 + 0.8, torch.rand(2, 2, 3, 24, 24) * 0.2
        optimiser.zero_grad()
        loss = critic_hinge(net(truth), net(output))
        loss.backward()
        optimiser.step()
    output.requires_grad_(True)
    before = generator_hinge(net(output))
    before.backward()
    with torch.no_grad():
        assert net(truth).mean() > net(output).mean() + 0.5
        assert generator_hinge(net(output - 0.2 * output.grad.sign())) < before
