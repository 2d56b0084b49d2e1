"""The systems of the papers, one folder for each, and the baselines."""

from vinpaint_lib.systems.registry import BASELINES, MODELS, SHIPPED, SYSTEMS, VARIANTS, build

__all__ = ["BASELINES", "MODELS", "SHIPPED", "SYSTEMS", "VARIANTS", "build"]
