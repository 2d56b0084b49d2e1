"""CPNet (Lee, Oh, Won, Kim; ICCV 2019). Read in this order: model, network, layers, recipe."""

from vinpaint_lib.systems.cpnet.model import CPNet
from vinpaint_lib.systems.cpnet.network import CONFIGS
from vinpaint_lib.systems.cpnet.recipe import PRESETS, CPNetTask
from vinpaint_lib.systems.cpnet.released import read_cpnet
from vinpaint_lib.systems.entry import System

SYSTEM = System(
    name="cpnet",
    model=CPNet,
    configs=CONFIGS,
    presets=PRESETS,
    task=CPNetTask,
    variants={
        "cpnet-as-released": {"as_released": True},  # the slips of the released code stay
        "cpnet-one-pass": {"both_ways": False},  # the forward pass alone
    },
    read_released=read_cpnet,
)
