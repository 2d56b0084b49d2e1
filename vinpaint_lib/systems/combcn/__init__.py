"""3DCN + CombCN (Wang, Huang, Han, Wang; AAAI 2019).

Read in this order: model, network, volume, layer_table, recipe.
"""

from vinpaint_lib.systems.combcn.ablation import ABLATION, RETRAINED
from vinpaint_lib.systems.combcn.model import CombCN
from vinpaint_lib.systems.combcn.network import CONFIGS
from vinpaint_lib.systems.combcn.recipe import PRESETS, CombTask
from vinpaint_lib.systems.entry import System

SYSTEM = System(
    name="combcn",
    model=CombCN,
    configs=CONFIGS,
    presets=PRESETS,
    task=CombTask,
    variants={
        "combcn-no-guidance": {"guidance": False},  # frame by frame: even grey instead of 3DCN's frame
        "combcn-aligned": {"first_guess": "aligned"},  # holes begin with what flow finds: ours
    },
    own_weights={"combcn-aligned": "combcn-small-aligned.safetensors"},
    ablation=ABLATION,
    retrained=RETRAINED,
)
