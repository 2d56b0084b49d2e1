"""3DCN + CombCN without the volume's structure, and without the gradient that joins both networks."""

from dataclasses import replace

import torch

from tests.systems.combcn.test_network import THIN, a_batch
from vinpaint_lib.systems.combcn.network import JointNet, shrink
from vinpaint_lib.systems.combcn.recipe import compute_losses


def nets(**options):
    torch.manual_seed(0)
    whole = JointNet(THIN).eval()
    other = JointNet(replace(THIN, **options)).eval()
    other.load_state_dict(whole.state_dict())
    return whole, other


def test_without_structure_the_guide_has_grey_in_the_hole():
    whole, off = nets(structure=False)
    frames, masks = a_batch()
    made, guide = off.structure(frames * (1 - masks), masks)
    small, hole = shrink(frames * (1 - masks), masks, THIN.shrink)
    for b in range(2):
        for t in range(3):
            for y in range(guide.shape[-2]):
                for x in range(guide.shape[-1]):
                    known = hole[b, t, 0, y, x] == 0
                    expected = small[b, t, :, y, x] if known else torch.full((3,), 0.5)
                    assert torch.allclose(guide[b, t, :, y, x], expected, atol=1e-6)
    assert torch.equal(made, whole.structure(frames * (1 - masks), masks)[0])
    assert not torch.allclose(off(frames, masks).frames, whole(frames, masks).frames, atol=1e-5)


def test_not_joint_fills_alike_and_3dcn_learns_from_its_own_loss_alone():
    whole, apart = nets(joint=False)
    frames, masks = a_batch()
    batch = {"truth": frames, "mask": masks}
    assert torch.equal(apart(frames, masks).frames, whole(frames, masks).frames)

    def gradients(net, weights):
        net.zero_grad(set_to_none=True)
        sum(compute_losses(net, batch, weights).terms.values()).backward()
        return {
            name: None if p.grad is None else p.grad.clone()
            for name, p in net.named_parameters()
            if name.startswith("volume")
        }

    assert all(grad is None for grad in gradients(apart, {"L_local": 1.0}).values())
    assert any(grad is not None and grad.any() for grad in gradients(whole, {"L_local": 1.0}).values())
    both, alone = gradients(apart, {"L_local": 1.0, "L_3D": 1.0}), gradients(apart, {"L_3D": 1.0})
    assert all(torch.equal(both[name], alone[name]) for name in both)
    assert any(grad.any() for grad in alone.values())
