"""STTN (Zeng, Fu, Chao; ECCV 2020). Read in this order: model, network, attention, recipe."""

from vinpaint_lib.systems.entry import System
from vinpaint_lib.systems.sttn.ablation import ABLATION, RETRAINED
from vinpaint_lib.systems.sttn.model import STTN
from vinpaint_lib.systems.sttn.network import CONFIGS
from vinpaint_lib.systems.sttn.recipe import PRESETS, STTNTask
from vinpaint_lib.systems.sttn.released import read_sttn

SYSTEM = System(
    name="sttn",
    model=STTN,
    configs=CONFIGS,
    presets=PRESETS,
    task=STTNTask,
    variants={
        "sttn-as-released": {"as_released": True},  # keys inside holes count, as in the released code
        "sttn-aligned": {"first_guess": "aligned"},  # holes begin with what flow finds: ours
    },
    own_weights={"sttn-aligned": "sttn-small-aligned.safetensors"},
    read_released=read_sttn,
    ablation=ABLATION,
    retrained=RETRAINED,
)
