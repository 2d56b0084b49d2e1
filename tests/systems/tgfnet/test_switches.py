"""TGF-Net's switches against plain loops: what is passed over is passed over, and the weights stay the same."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from tests.systems.tgfnet.test_network import THIN_SMALL, build, case
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems.tgfnet import fusion


def test_without_the_softmax_the_attention_is_a_slow_mean():
    torch.manual_seed(0)
    attention = fusion.TemporalAttention(4, even=True)
    groups = torch.randn(2, 5, 4, 6, 7)
    fused, score = attention(groups)
    total = torch.zeros(2, 4, 6, 7)
    for n in range(5):
        total += groups[:, n] / 5
    assert torch.allclose(fused, total, atol=1e-6)
    assert torch.equal(score, torch.zeros(2, 5, 1, 6, 7))
    attention.even = False
    assert not torch.allclose(attention(groups)[0], total, atol=1e-3)


def test_a_silent_stream_gives_zeros_to_the_merge():
    torch.manual_seed(0)
    layer = fusion.IntraGroupFusion(4, 3, (1, 3, 5), 1, silent=(3,))
    target, references = torch.randn(2, 4, 6, 7), torch.randn(2, 3, 4, 6, 7)
    made = layer(target, references)
    first, _, last = (stream(target, references) for stream in layer.streams)
    for b in range(2):
        for n in range(3):
            k = b * 3 + n
            both = torch.cat([first[k], torch.zeros(3, 6, 7), last[k]])
            expected = functional.relu(layer.merge(both[None]))[0]
            assert torch.allclose(made[b, n], expected, atol=1e-6)


@pytest.mark.parametrize("used", [(2, 4), (2,)])
def test_scales_that_are_not_used_might_as_well_not_be_there(used):
    whole = build(THIN_SMALL)
    switched = build(replace(THIN_SMALL, used=used))
    switched.load_state_dict(whole.state_dict())
    alone = build(replace(THIN_SMALL, scales=used))
    alone.load_state_dict({key: whole.state_dict()[key] for key in alone.state_dict()})
    inputs = case()
    found, expected = switched(**inputs), alone(**inputs)
    assert torch.equal(found.frame, expected.frame)
    assert len(found.heads) == len(found.scores) == len(used)
    assert not torch.equal(found.frame, whole(**inputs).frame)


@pytest.mark.parametrize("options", [{"softmax": False}, {"silent": (1,)}, {"used": (2,)}])
def test_a_switch_needs_no_other_weights(options):
    whole, switched = build(THIN_SMALL), build(replace(THIN_SMALL, **options))
    shapes = {name: value.shape for name, value in whole.state_dict().items()}
    assert {name: value.shape for name, value in switched.state_dict().items()} == shapes
    switched.load_state_dict(whole.state_dict())
    assert not torch.allclose(switched(**case()).frame, whole(**case()).frame, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"used": (4, 8)}, "used"),
        ({"used": (2, 16)}, "used"),
        ({"used": (2,), "refine": True}, "used"),
        ({"silent": (1, 3, 5)}, "silent"),
        ({"silent": (7,)}, "silent"),
    ],
)
def test_switches_that_leave_no_network_are_refused(options, said):
    with pytest.raises(UserError, match=said):
        replace(THIN_SMALL, **options)
