"""The painter: a network for single pictures (ours), alone and frame by frame.

Read in this order: model, `painting/network.py`, samples, recipe.
"""

from vinpaint_lib.systems.entry import System
from vinpaint_lib.systems.painter.model import PainterModel
from vinpaint_lib.systems.painter.network import CONFIGS
from vinpaint_lib.systems.painter.recipe import PRESETS, PainterTask

SYSTEM = System(name="painter", model=PainterModel, configs=CONFIGS, presets=PRESETS, task=PainterTask)
