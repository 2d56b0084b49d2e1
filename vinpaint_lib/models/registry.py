"""The systems that are built, by the names of the command line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vinpaint_lib import checkpoints
from vinpaint_lib.errors import UserError
from vinpaint_lib.fusion_net import CONFIGS, Config
from vinpaint_lib.models import Inpainter
from vinpaint_lib.models.classical import AlignedMedian, FlowPropagation, Telea, TemporalMedian
from vinpaint_lib.models.tgfnet import TGFNet

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
SHIPPED = {"tgfnet": WEIGHTS / "tgfnet-small.safetensors"}
BASELINES: dict[str, Callable[[], Inpainter]] = {
    "telea": Telea,
    "median": TemporalMedian,
    "aligned-median": AlignedMedian,
    "flow": FlowPropagation,
}
# Variants of the shipped network that need no other weights: what is aligned how, and what is written back.
VARIANTS: dict[str, dict[str, Any]] = {
    "tgfnet": {},
    "tgfnet-learned": {"align": ("learned",)},
    "tgfnet-robust": {"align": ("robust",)},
    "tgfnet-homography": {"align": ("homography",)},
    "tgfnet-flow": {"align": ("flow",)},
    "tgfnet-unaligned": {"align": ("none",)},
    "tgfnet-no-feedback": {"feedback": "off"},
    "tgfnet-all-feedback": {"feedback": "all"},
}
MODELS = (*VARIANTS, *BASELINES)


def build(name: str, weights: Path | None = None, **options: Any) -> Inpainter:
    """The model of that name, ready to fill clips; networks with the shipped weights or those given.

    `options` replace fields of the network's configuration that need no new weights (align, reach, feedback, ...).
    Raises UserError: unknown name, weights that are missing or of another model.
    """
    if name in BASELINES:
        if weights is not None:
            raise UserError(f"{weights}: the baseline {name} has no weights; leave --weights away")
        return BASELINES[name]()
    if name not in VARIANTS:
        raise UserError(f"unknown model {name!r}: choose among {', '.join(MODELS)}")
    path = weights or SHIPPED["tgfnet"]
    if not path.exists():
        raise UserError(
            f"{path}: no such weights file; train one with `vinpaint train tgfnet` or reinstall the package"
        )
    found = checkpoints.read_provenance(path)
    if found.get("model") != "tgfnet":
        raise UserError(f"{path}: holds weights of {found.get('model')!r}, not of tgfnet")
    model = TGFNet(replace(stored_config(path, found), **VARIANTS[name], **options))
    checkpoints.load_weights(model, path)
    return model.eval()


def stored_config(path: Path, provenance: dict[str, Any]) -> Config:
    """The configuration that the weights were trained with, from their header."""
    stored = provenance.get("config")
    fields = Config.__dataclass_fields__
    if not isinstance(stored, dict) or not set(stored) <= set(fields):
        raise UserError(f"{path}: its header names no configuration of TGF-Net that this version knows")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
    return Config(**values)


__all__ = ["BASELINES", "CONFIGS", "MODELS", "SHIPPED", "VARIANTS", "build"]
