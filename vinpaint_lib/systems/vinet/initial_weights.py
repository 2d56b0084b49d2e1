"""The weights that the training of VINet's generator begins with: as released, or ours for a short training."""

import torch
from torch import nn

from vinpaint_lib.systems.vinet.feature_flow import FlowNet, MaskNet
from vinpaint_lib.systems.vinet.gated import Aggregator, GatedConv, GatedUpConv
from vinpaint_lib.systems.vinet.towers import Config


def initialise(net: nn.Module, config: Config) -> None:
    """Weights as `Config.start` says.

    "released": gated convolutions and the last layer by Kaiming (fan out), flow estimators by Xavier with biases drawn
    from [0, 1], mask nets and memory as torch starts them.
    """
    if config.start == "released":
        estimators = {part for flow in net.modules() if isinstance(flow, FlowNet) for part in flow.modules()}
        for part in net.modules():
            if not isinstance(part, nn.Conv2d | nn.Conv3d):
                continue
            if part.bias is None:
                nn.init.kaiming_normal_(part.weight, mode="fan_out")
            elif part in estimators:
                nn.init.uniform_(part.bias)
                nn.init.xavier_uniform_(part.weight)
        return
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            if part.bias is not None:
                nn.init.zeros_(part.bias)
            nn.init.kaiming_normal_(part.weight, a=0.1 if part.bias is not None else 0.0, mode="fan_out")
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, GatedConv | GatedUpConv | Aggregator):
                start_gated(part)
            elif isinstance(part, FlowNet):
                part.flow_estimator.start_still()
            elif isinstance(part, MaskNet):
                nn.init.zeros_(part.last.weight)
        # The picture starts as grey, or as the first guess itself, not as noise.
        net.get_parameter("decoder.dc6.weight").mul_(0.01 if config.aligned else 0.1)
        # The forget gate starts open, so that the memory keeps its content for some frames.
        keep = config.widths[-1]
        net.get_parameter("convlstm.Gates.bias")[keep : 2 * keep] = 1.0


def start_gated(part: nn.Module) -> None:
    """Gates start half open and so halve the signal; therefore painting weights are twice as large."""
    (weight,) = list(part.parameters())
    phi, gate = weight.chunk(2, dim=0)
    nn.init.kaiming_normal_(phi, mode="fan_in")
    phi.mul_(2)
    nn.init.kaiming_normal_(gate, mode="fan_in")
    gate.mul_(0.5)
