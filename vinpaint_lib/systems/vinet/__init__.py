"""VINet (Kim, Woo, Lee, Kweon; CVPR 2019). Read in this order: model, network, towers, gated, feature_flow, recipe."""

from vinpaint_lib.systems.entry import System
from vinpaint_lib.systems.vinet.ablation import ABLATION, RETRAINED
from vinpaint_lib.systems.vinet.model import VINet
from vinpaint_lib.systems.vinet.network import CONFIGS
from vinpaint_lib.systems.vinet.recipe import PRESETS, VINetTask
from vinpaint_lib.systems.vinet.released import read_vinet

SYSTEM = System(
    name="vinet",
    model=VINet,
    configs=CONFIGS,
    presets=PRESETS,
    task=VINetTask,
    # Other rules for what is carried from frame to frame.
    variants={
        "vinet-as-released": {"as_released": True},
        "vinet-no-recurrence": {"recurrence": False},
        "vinet-no-memory": {"memory": False},
    },
    read_released=read_vinet,
    ablation=ABLATION,
    retrained=RETRAINED,
)
