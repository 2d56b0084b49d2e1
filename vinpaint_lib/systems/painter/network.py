"""The painter's network and its configurations. They stand in `painting/network.py`, where other systems reach them."""

from vinpaint_lib.painting.network import CONFIGS, Config, Painter

__all__ = ["CONFIGS", "Config", "Painter"]
