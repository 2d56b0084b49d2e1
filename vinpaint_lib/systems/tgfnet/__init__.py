"""TGF-Net (Liu, Li, Zhu; IEEE TCSVT 2022).

Read in this order: model, groups, network, encoder, fusion, samples, joint, losses, recipe.
"""

from vinpaint_lib.systems.entry import System
from vinpaint_lib.systems.tgfnet.ablation import ABLATION, RETRAINED
from vinpaint_lib.systems.tgfnet.model import TGFNet
from vinpaint_lib.systems.tgfnet.network import CONFIGS
from vinpaint_lib.systems.tgfnet.recipe import FURTHER, PRESETS, TGFTask

SYSTEM = System(
    name="tgfnet",
    model=TGFNet,
    configs=CONFIGS,
    presets=PRESETS | FURTHER,
    task=TGFTask,
    # The form for PSNR, which paints nothing; other alignments, and other rules for the outputs that are written back.
    variants={
        "tgfnet-fidelity": {"paint": False},
        "tgfnet-learned": {"align": ("learned",), "paint": False},
        "tgfnet-robust": {"align": ("robust",), "paint": False},
        "tgfnet-homography": {"align": ("homography",), "paint": False},
        "tgfnet-flow": {"align": ("flow",), "paint": False},
        "tgfnet-unaligned": {"align": ("none",), "paint": False},
        "tgfnet-no-feedback": {"feedback": "off", "paint": False},
        "tgfnet-all-feedback": {"feedback": "all", "paint": False},
    },
    ablation=ABLATION,
    retrained=RETRAINED,
)
