"""The systems and baselines by their names on the command line. A new system needs its folder and a name in `NAMES`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch

from vinpaint_lib import checkpoints
from vinpaint_lib.errors import UserError
from vinpaint_lib.interface import Inpainter
from vinpaint_lib.systems.baselines import AlignedMedian, FlowPropagation, Telea, TemporalMedian
from vinpaint_lib.systems.entry import System
from vinpaint_lib.training.task import Task

NAMES = ("tgfnet", "sttn", "combcn", "vinet", "align_attend", "cpnet", "dfvi", "painter")
# Can be trained, and built from weights that are given; no weights of them ship yet.
COMING = ("cpnet", "dfvi", "painter")

KNOWN: dict[str, System] = {name: import_module(f"vinpaint_lib.systems.{name}").SYSTEM for name in NAMES}
SYSTEMS = {name: system for name, system in KNOWN.items() if name not in COMING}
# Systems, and variants that were trained apart. The file of such a variant may not be there yet.
SHIPPED: dict[str, Path] = {name: path for system in KNOWN.values() for name, path in system.weights.items()}
BASELINES: dict[str, Callable[[], Inpainter]] = {
    "telea": Telea,
    "median": TemporalMedian,
    "aligned-median": AlignedMedian,
    "flow": FlowPropagation,
    **{
        name: partial(system.model, system.configs[config])
        for system in KNOWN.values()
        for name, config in system.untrained.items()
    },
}
# Name on the command line -> the system that it is a form of, and the fields of the configuration that it changes.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    variant: (name, options)
    for name, system in KNOWN.items()
    for variant, options in {name: {}, **system.variants}.items()
}
MODELS = (*(name for name, (of, _) in VARIANTS.items() if of in SYSTEMS), *BASELINES)
LARGEST = 1024  # whole number in a configuration; the widest network that a paper names has 256 channels
PICKLES = (".pth", ".pt")  # files that authors released; ours are safetensors


def build(name: str, weights: Path | None = None, **options: Any) -> Inpainter:
    """The model of that name, ready to fill clips. A network gets `weights`, or else the weights that ship.

    A file that ends in .pth or .pt holds weights that the authors released (the system's `released.py`); the network
    then behaves as released. `options` replace fields of the network's configuration that need no new weights (align,
    reach, feedback, ...). Raises UserError for an unknown name and for weights that are missing or of another model.
    """
    if name in BASELINES:
        if weights is not None:
            raise UserError(f"{weights}: the baseline {name} has no weights; leave --weights away")
        return BASELINES[name]()
    if name not in VARIANTS:
        raise UserError(f"unknown model {name!r}: choose among {', '.join(MODELS)}")
    of, changes = VARIANTS[name]
    system = KNOWN[of]
    path = weights or file_of(name)
    if path.suffix in PICKLES:
        return read_released(system, path)
    if not path.exists():
        raise UserError(f"{path}: no such weights file; train one with `vinpaint train {of}` or reinstall the package")
    found = checkpoints.read_provenance(path)
    if found.get("model") != of:
        raise UserError(f"{path}: holds weights of {found.get('model')!r}, not of {of}")
    model = system.model(replace(stored_config(path, found, system), **changes, **options))
    checkpoints.load_weights(model, path)
    return model.eval()


def read_released(system: System, path: Path) -> Inpainter:
    """The system as its authors released it, ready to fill clips.

    Raises UserError for a system without released weights, and for a file that is missing or damaged, that would run
    code, or whose tensors are missing, extra or of other shapes.
    """
    if system.read_released is None:
        readable = ", ".join(name for name, each in SYSTEMS.items() if each.read_released is not None)
        raise UserError(f"{path}: there are no released weights of {system.name!r} to read; choose {readable}")
    return system.read_released(path)


def weights_of(name: str) -> Path | None:
    """The file of the weights that ship for a model or a variant of it; None for a baseline."""
    return file_of(name) if name in VARIANTS else None


def file_of(name: str) -> Path:
    """The weights that ship for a system or a variant: the variant's own, or else those of its system."""
    return SHIPPED[name if name in SHIPPED else VARIANTS[name][0]]


def ready(name: str) -> bool:
    """Whether `build` needs no weights file from the user: not so for a variant whose own weights do not ship yet."""
    path = weights_of(name)
    return path is None or path.exists()


def stored_config(path: Path, provenance: dict[str, Any], system: System) -> Any:
    """The configuration that the weights were trained with, from their header.

    A configuration that is none of the system's own is built without memory first: a header may ask for a network that
    no machine holds. Raises UserError unless it has the shapes of the file.
    """
    kind = type(next(iter(system.configs.values())))
    stored = provenance.get("config")
    try:
        config = as_config(kind, stored)
        if config not in system.configs.values():
            with torch.device("meta"):
                shapes = checkpoints.shapes_of(system.model(config).state_dict())
            checkpoints.check_same(path, checkpoints.stored_shapes(path), shapes)
    except (UserError, ValueError, TypeError, RuntimeError, ArithmeticError, IndexError, KeyError) as error:
        if str(error).startswith(f"{path}: "):
            raise
        reason = f"{error}" if isinstance(error, UserError | ValueError) else f"{stored}"
        raise UserError(
            f"{path}: its header names no configuration of {system.model.card.title} of this version ({reason}); "
            "give other weights"
        ) from error
    return config


def as_config(kind: Any, stored: Any) -> Any:
    """A configuration from a header, whose tuples JSON keeps as lists. Raises ValueError for what is none."""
    if not isinstance(stored, dict):
        raise ValueError("it has none")
    types = get_type_hints(kind)
    values = {}
    for name, value in stored.items():
        values[name] = tuple(value) if isinstance(value, list) else value
        if name not in types:
            raise ValueError(f"{name} is not known")
        if not is_a(values[name], types[name]):
            raise ValueError(f"{name} is {value!r}")
    return kind(**values)


def is_a(value: Any, kind: Any) -> bool:
    """Whether a value of a configuration has this type. Whole numbers beyond LARGEST are none."""
    if get_origin(kind) in (Union, UnionType):
        return any(is_a(value, each) for each in get_args(kind))
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        kinds = inner[:1] * len(value) if inner[-1] is ... and isinstance(value, tuple) else inner
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(is_a, value, kinds))
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind and not (kind is int and abs(value) > LARGEST)


def presets(model: str) -> dict[str, Any]:
    """The presets of a system by name. Raises UserError for a model that is not trained."""
    if model not in KNOWN:
        raise UserError(f"no training recipe for model {model!r}: choose one of {', '.join(KNOWN)}")
    return KNOWN[model].presets


def make_task(model: str, preset: Any, changes: Mapping[str, Any] | None = None) -> Task:
    """The task of training `model` by `preset`, with `changes` of the configuration that it names."""
    return KNOWN[model].make_task(preset, changes)
