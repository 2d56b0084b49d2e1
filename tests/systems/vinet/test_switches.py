"""VINet without motion: the network whose flow is off is the one whose every flow is zero."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from vinpaint_lib.systems.vinet.network import CONFIGS, VINetGenerator

pytestmark = pytest.mark.slow


class Still(nn.Module):
    """A flow estimator that finds no motion."""

    def forward(self, reference, other, start=None):
        return torch.zeros_like(reference[:, :2])


def test_no_flow_is_every_flow_zero():
    torch.manual_seed(0)
    config = replace(CONFIGS["small"], camera=False)
    whole, off = VINetGenerator(config), VINetGenerator(replace(config, flow=False, camera=True))
    off.load_state_dict(whole.state_dict())
    frames, masks = torch.rand(1, 15, 3, 32, 32), torch.zeros(1, 15, 1, 32, 32)
    masks[..., 10:20, 8:20] = 1
    with torch.no_grad():
        made = off(frames, masks, [6, 7])
        before = whole(frames, masks, [6, 7])
        for name in ("_256", "_128", "_64", ""):
            setattr(whole, f"flownet{name}", Still())
        expected = whole(frames, masks, [6, 7])
    assert torch.allclose(made.frames, expected.frames, atol=1e-4)  # a warp by zero rounds positions
    assert all(not flow.any() for flow in (*made.flows, made.flow))
    assert before.frames.shape == made.frames.shape
