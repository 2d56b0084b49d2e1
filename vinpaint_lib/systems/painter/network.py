"""The configurations of the painter. The network stands in `painting/network.py`, where other systems reach it."""

from vinpaint_lib.painting.network import Config, Painter

__all__ = ["CONFIGS", "Config", "Painter"]

CONFIGS = {"small": Config(), "tiny": Config(width=8, dilations=(1, 2), spectral=8, tail=8, margin=16)}
