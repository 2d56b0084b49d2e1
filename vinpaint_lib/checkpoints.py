"""Weights with provenance (safetensors), the training state that makes a run resumable, and files of other projects.

Every file is written beside its final name and renamed, so that a killed run leaves the last whole file. A torch file
is read as tensors and plain values only, so that no code in it can run.
"""

import json
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of


def save_weights(model: nn.Module, path: Path, provenance: dict[str, Any]) -> None:
    """Write all tensors of `model` as float32; `provenance` goes into the file's header as JSON."""
    tensors = {name: value.detach().float().cpu().contiguous() for name, value in model.state_dict().items()}
    with draft_of(path) as draft:
        save_file(tensors, draft, metadata={"provenance": json.dumps(provenance)})


def read_provenance(path: Path) -> dict[str, Any]:
    """The header that `save_weights` wrote. Raises UserError if the file is no safetensors file of this project."""
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {})["provenance"])
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not a weights file of this project (safetensors with provenance)") from error


def load_weights(model: nn.Module, path: Path) -> dict[str, Any]:
    """Load `path` into `model`, strictly: nothing is loaded unless every name and shape agrees.

    Returns the provenance. Raises UserError naming the first tensor that is missing, extra or of another shape.
    """
    provenance = read_provenance(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no dict
    expected = model.state_dict()
    check_same(path, tensors, expected)
    model.load_state_dict(tensors)
    return provenance


def begin_with(model: nn.Module, path: Path) -> list[str]:
    """Load `path` as the start of a training. Tensors of `model` that the file lacks, or has in another shape, stay.

    Returns the names of these. Raises UserError if they are more than half, or if the model lacks a tensor of the file.
    """
    read_provenance(path)
    with safe_open(path, framework="pt") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no dict
    expected = model.state_dict()
    fits = {name: value for name, value in found.items() if name in expected and value.shape == expected[name].shape}
    if 2 * len(fits) < len(expected) or not set(found) <= set(expected):
        check_same(path, found, expected)
    model.load_state_dict(fits, strict=False)
    return [name for name in expected if name not in fits]


def check_same(path: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise UserError unless both hold the same names and shapes."""
    for name in expected:
        if name not in found:
            raise UserError(
                f"{path}: tensor {name} is missing; these are the weights of another model or configuration"
            )
        if found[name].shape != expected[name].shape:
            raise UserError(
                f"{path}: tensor {name} has shape {tuple(found[name].shape)} instead of {tuple(expected[name].shape)}; "
                "these are the weights of another configuration"
            )
    for name in found:
        if name not in expected:
            raise UserError(f"{path}: tensor {name} is not part of this model; these are the weights of another one")


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a training state atomically."""
    with draft_of(path) as draft:
        torch.save(state, draft)


def load_state(path: Path) -> dict[str, Any]:
    """Read a training state; tensors and plain values only, so that no code in the file can run."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for damaged files
        raise UserError(f"{path}: cannot be read as a training state; delete it to start anew") from error


def read_tensors(path: Path, key: str | None = None, without: str = "") -> dict[str, Tensor]:
    """The tensors that a torch file holds under `key`, or at its top, by name, as float32.

    The prefix `module.`, which training on several GPUs leaves, is removed. Names that end with `without` are left out.
    Raises UserError for a file without them.
    """
    content = read_pickle(path)
    found = content.get(key) if key is not None and isinstance(content, Mapping) else content
    if key is None and not isinstance(found, Mapping):
        raise UserError(f"{path}: has no weights in it, but {type(found).__name__}; it is the file of another model")
    if not isinstance(found, Mapping):
        there = ", ".join(str(k) for k in list(content)[:5]) if isinstance(content, Mapping) else type(content).__name__
        raise UserError(f"{path}: has no {key!r} with weights in it (but {there}); it is the file of another model")
    prefixed = all(str(name).startswith("module.") for name in found)
    tensors = {}
    for name, value in found.items():
        if without and str(name).endswith(without):
            continue
        if not isinstance(value, Tensor) or not value.is_floating_point():
            place = name if key is None else f"{key}.{name}"
            raise UserError(f"{path}: {place} is no tensor of weights; it is the file of another model")
        tensors[str(name).removeprefix("module.") if prefixed else str(name)] = value.float()
    return tensors


def read_pickle(path: Path) -> Any:
    """What a torch file holds. Raises UserError if it holds more than tensors and plain containers, or is damaged."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of an old pickle before it refuses the file
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for damaged files
        code = re.search(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL) (\S+)", str(error))
        if code:
            raise UserError(f"{path}: would run code ({code[1]}) when loaded as a pickle; it was not loaded") from error
        if isinstance(error, pickle.UnpicklingError):
            raise UserError(
                f"{path}: is no plain file of tensors, it could run code when loaded as a pickle; it was not loaded"
            ) from error
        raise UserError(f"{path}: cannot be read as a torch file; download it again") from error
