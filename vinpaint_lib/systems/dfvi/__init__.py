"""DFVI (Xu, Li, Zhou, Loy; CVPR 2019). Read: model, completed_links, leftovers, network, resnet, recipe."""

from vinpaint_lib.systems.dfvi.model import DFVI
from vinpaint_lib.systems.dfvi.network import CONFIGS
from vinpaint_lib.systems.dfvi.recipe import PRESETS, DFVITask
from vinpaint_lib.systems.dfvi.released import read_dfvi
from vinpaint_lib.systems.entry import System

SYSTEM = System(
    name="dfvi",
    model=DFVI,
    configs=CONFIGS,
    presets=PRESETS,
    task=DFVITask,
    variants={"dfvi-telea": {"leftovers": "telea"}},  # what no flow reaches is filled by Telea's method
    untrained={"dfvi-membrane": "membrane"},
    read_released=read_dfvi,
)
