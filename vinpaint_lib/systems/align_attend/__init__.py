"""Align-and-Attend (Woo, Kim, Park, Lee, Kweon; BMVC 2020).

Read in this order: model, network, estimator, attention, layers, recipe.
"""

from vinpaint_lib.systems.align_attend.ablation import ABLATION, RETRAINED
from vinpaint_lib.systems.align_attend.model import AlignAttend
from vinpaint_lib.systems.align_attend.network import CONFIGS
from vinpaint_lib.systems.align_attend.recipe import PRESETS, AlignAttendTask
from vinpaint_lib.systems.entry import System

SYSTEM = System(
    name="align_attend",
    model=AlignAttend,
    configs=CONFIGS,
    presets=PRESETS,
    task=AlignAttendTask,
    # Rows of the paper's Table 2.
    variants={
        "align_attend-no-align": {"align": False},
        "align_attend-no-refine": {"refine": False},
        "align_attend-no-flow": {"flow": False},
        "align_attend-entire": {"matching": "entire"},
    },
    ablation=ABLATION,
    retrained=RETRAINED,
)
