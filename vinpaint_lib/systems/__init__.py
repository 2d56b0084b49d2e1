"""The systems of the papers, a folder each, and the baselines beside them."""

from vinpaint_lib.systems.registry import BASELINES, MODELS, SHIPPED, SYSTEMS, VARIANTS, build

__all__ = ["BASELINES", "MODELS", "SHIPPED", "SYSTEMS", "VARIANTS", "build"]
