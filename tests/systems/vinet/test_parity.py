"""VINet as released, written out a second time without modules, against the model that reads the released weights.

The second way takes tensors by their released names and torch's functions alone: towers, flows, masks, decoder, and
the loop of the released demo. Weights are drawn at random, in a narrow network.
"""

from fractions import Fraction

import pytest
import torch
from einops import rearrange
from torch.nn import functional

from vinpaint_lib.inpaint import fill
from vinpaint_lib.systems.vinet.model import Config, VINet
from vinpaint_lib.video.clip import Clip

LENGTH = 9


def twice(x, times=2, mode="bilinear"):
    return functional.interpolate(x, scale_factor=times, mode=mode)


class Written:
    """The released network as functions of its tensors."""

    def __init__(self, tensors, double):
        self.tensors, self.double = tensors, double

    def conv(self, name, x, stride=1, dilation=1):
        weight = self.tensors[f"{name}.weight"]
        weight = weight[:, :, 0] if weight.ndim == 5 else weight
        return functional.conv2d(x, weight, self.tensors.get(f"{name}.bias"), stride, dilation, dilation)

    def gate(self, both, slope=0.0):
        painted, gate = both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]
        return torch.sigmoid(gate) * functional.leaky_relu(painted, slope)

    def gated(self, name, x, stride=1, dilation=1):
        return self.gate(self.conv(f"{name}.conv", x, stride, dilation))

    def up(self, name, x):
        return self.gate(self.conv(f"{name}.conv.1", twice(x)), 0.2)

    def tower(self, name, picture, mask):
        x = torch.cat([picture, torch.ones_like(mask), mask], dim=1)
        whole = self.gated(f"{name}.ec0", x, 2 if self.double else 1)
        half = self.gated(f"{name}.ec2", self.gated(f"{name}.ec1", whole, 2))
        quarter = self.gated(f"{name}.ec3_2", self.gated(f"{name}.ec3_1", half, 2))
        eighth = self.gated(f"{name}.ec5", self.gated(f"{name}.ec4", self.gated(f"{name}.ec4_1", quarter, 2)))
        return {"": eighth, "_64": quarter, "_128": half, "_256": whole}

    def leaky(self, name, x, dilation=1):
        return functional.leaky_relu(self.conv(name, x, dilation=dilation), 0.1)

    def flow(self, scale, one, other, coarse=None):
        height, width = one.shape[-2:]
        wide = functional.pad(other, (4, 4, 4, 4))
        costs = [(one * wide[..., y : y + height, x : x + width]).mean(1) for y in range(9) for x in range(9)]
        x = torch.cat([one, torch.stack(costs, 1), *([] if coarse is None else [coarse])], dim=1)
        name = f"flownet{scale}.flow_estimator"
        for n in range(5):
            x = self.leaky(f"{name}.convs.{n}.0", x)
        first = self.conv(f"{name}.conv1", x)
        y = torch.cat([x, first], dim=1)
        for n, dilation in enumerate((1, 2, 4, 8, 16, 1, 1)):
            y = self.leaky(f"{name}.convs_fine.convs.{n}.0", y, dilation)
        return first + y

    def mask(self, scale, gap):
        x = self.leaky(f"masknet{scale}.convs.1.0", self.leaky(f"masknet{scale}.convs.0.0", gap.abs()))
        return torch.sigmoid(self.conv(f"masknet{scale}.convs.2", x))

    def warp(self, x, flow, outside="zeros"):
        height, width = x.shape[-2:]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        at = torch.stack([(columns + flow[:, 0]) * 2 / (width - 1) - 1, (rows + flow[:, 1]) * 2 / (height - 1) - 1], -1)
        return functional.grid_sample(x, at, padding_mode=outside, align_corners=True)

    def aggregated(self, scale, maps):
        whole = functional.conv3d(
            torch.stack(maps, dim=2), self.tensors[f"st_agg{scale}.stAgg.conv.weight"], padding=(0, 1, 1)
        )
        return self.gate(whole[:, :, 0])

    def frame(self, pictures, masks, before, before_mask, first):
        """`pictures` and `masks`: the five of the window; `before`: what stands for the previous output."""
        own = self.tower("encoder1", pictures[2], masks[2])
        others = [self.tower("encoder2", pictures[n], masks[n]) for n in (0, 1, 3, 4)]
        others.append(self.tower("encoder2", before, before_mask))
        flows, mixed = [None] * 5, {}
        for scale in ("", "_64", "_128"):
            warped = []
            for n, other in enumerate(others):
                if scale == "":
                    flows[n] = self.flow(scale, own[scale], other[scale])
                else:
                    start = 2 * twice(flows[n])
                    flows[n] = start + self.flow(scale, own[scale], self.warp(other[scale], start), start)
                warped.append(self.warp(other[scale], flows[n]))
            together = self.aggregated(scale, warped)
            m = self.mask(scale, own[scale] - together)
            mixed[scale] = (1 - m) * own[scale] + m * together
        x = torch.cat([own[""], mixed[""]], dim=1)
        for n, dilation in enumerate((1, 2, 4, 8)):
            x = self.gated(f"bottleneck.bt{n}", x, dilation=dilation)
        # The memory begins with zeros at every frame.
        put, _, show, new = self.conv("convlstm.Gates", torch.cat([x, torch.zeros_like(x)], dim=1)).chunk(4, dim=1)
        x = torch.sigmoid(show) * torch.tanh(torch.sigmoid(put) * torch.tanh(new))
        x = self.up("decoder.dc1_1", self.gated("decoder.dc1", self.gated("decoder.dc0", x)))
        x = self.gated("decoder.dc2_1", torch.cat([x, mixed["_64"]], dim=1))
        for n, dilation in ((1, 2), (2, 4), (3, 8)):
            x = self.gated(f"decoder.dc2_bt{n}", x, dilation=dilation)
        x = self.up("decoder.dc2_2", x)
        x = self.gated("decoder.dc3_2", self.gated("decoder.dc3_1", torch.cat([x, mixed["_128"]], dim=1)))
        x = self.up("decoder.dc4", x)
        if self.double:
            x = twice(x)
        output = self.conv("decoder.dc6", self.gated("decoder.dc5", x))
        if first:
            return output
        start = 2 * twice(flows[4])
        early = self.warp(others[4]["_256"], start, "border")
        m = self.mask("_256", own["_256"] - early)
        flow = start + self.flow("_256", own["_256"], early, start)
        if self.double:
            m, flow = twice(m, mode="nearest"), 4 * twice(flows[4], 4)
        return (1 - m) * output + m * self.warp(before, flow, "border")

    def clip(self, frames, masks):
        """The demo's loop: frames t 3 h w in [0, 1], red first; raw results likewise."""
        shown = (2 * frames.flip(1) - 1) * (1 - masks)  # the demo's pictures have blue first
        results, output, last = [], None, len(frames) - 1
        for t in range(len(frames)):
            at = [abs(i) if i <= last else 2 * last - i for i in (t - 6, t - 3, t, t + 3, t + 6)]
            five, holes = ([x[i : i + 1] for i in at] for x in (shown, masks))
            if output is None:
                output = self.frame(five, holes, five[2], holes[2], True)
            else:
                beside = masks[t - 1 : t] / 2 if self.double else torch.zeros_like(holes[2])
                output = self.frame(five, holes, output, beside, False)
            results.append(output.flip(1) / 2 + 0.5)
        return torch.cat(results)


@pytest.mark.parametrize("double", [False, True])
def test_the_model_of_released_weights_is_the_released_network(double):
    torch.manual_seed(1)
    narrow = {"widths": (4, 6, 8, 8), "flow_widths": (4,) * 4}
    model = VINet(Config(**narrow, as_released=True, bgr=True, double=double)).eval()
    with torch.no_grad():
        for name, tensor in model.net.named_parameters():
            # So that what is deep inside can be seen in the result.
            tensor.mul_(2.0 if name.startswith(("encoder", "st_agg", "decoder")) else 1.0)
            tensor.mul_(5.0 if name.startswith(("bottleneck", "convlstm", "decoder.dc0", "decoder.dc1")) else 1.0)
            if name.endswith("bias"):
                tensor.uniform_(-0.1, 0.3)
    height, width = (32, 160) if double else (16, 80)  # wider than the largest dilation at 1/8, or 1/16
    frames = torch.rand(LENGTH, 3, height, width)
    masks = torch.zeros(LENGTH, 1, height, width)
    for t in range(LENGTH):
        masks[t, :, height // 4 : height // 2, 3 * t : 3 * t + 8] = 1
    steps = []
    clip = Clip(frames, masks, Fraction(24), "noise")
    with torch.no_grad():
        list(fill(model, clip, on_step=lambda _, output: steps.append(output.frames[0])))
        expected = Written(model.net.state_dict(), double).clip(frames, masks).clamp(0, 1)
    found = torch.stack(steps)
    with torch.no_grad():
        cut = {k: 0 * x if k.startswith("bottleneck") else x for k, x in model.net.state_dict().items()}
        assert (Written(cut, double).clip(frames, masks) - expected).abs().max() > 1e-3, "the bottleneck counts"
    spread = rearrange(found, "t c h w -> (t c h w)").std()
    assert spread > 0.01, "a flat result would hide differences"
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
