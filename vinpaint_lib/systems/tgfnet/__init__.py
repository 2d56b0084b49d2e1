"""TGF-Net (Liu, Li, Zhu; IEEE TCSVT 2022).

Read in this order: model, groups, network, encoder, fusion, samples, joint, losses, recipe.
"""

from vinpaint_lib.systems.entry import System
from vinpaint_lib.systems.tgfnet.ablation import ABLATION
from vinpaint_lib.systems.tgfnet.model import TGFNet
from vinpaint_lib.systems.tgfnet.network import CONFIGS
from vinpaint_lib.systems.tgfnet.recipe import PRESETS, TGFTask

SYSTEM = System(
    name="tgfnet",
    model=TGFNet,
    configs=CONFIGS,
    presets=PRESETS,
    task=TGFTask,
    # Other alignments, and other rules for the outputs that are written back.
    variants={
        "tgfnet-learned": {"align": ("learned",)},
        "tgfnet-robust": {"align": ("robust",)},
        "tgfnet-homography": {"align": ("homography",)},
        "tgfnet-flow": {"align": ("flow",)},
        "tgfnet-unaligned": {"align": ("none",)},
        "tgfnet-no-feedback": {"feedback": "off"},
        "tgfnet-all-feedback": {"feedback": "all"},
    },
    ablation=ABLATION,
)
