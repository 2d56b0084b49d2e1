"""Weights with provenance (safetensors), the training state that makes a run resumable, and files of other projects.

Every file is written beside its final name and renamed, so that a killed run leaves the last whole file. A torch file
is read as tensors and plain values only, so that no code in it can run.
"""

import io
import json
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of


def save_weights(model: nn.Module, path: Path, provenance: dict[str, Any]) -> None:
    """Write all tensors of `model` as float32; `provenance` goes into the file's header as JSON."""
    tensors = {name: value.detach().float().cpu().contiguous() for name, value in model.state_dict().items()}
    write(path, save(tensors, metadata={"provenance": json.dumps(provenance)}))


def write(path: Path, content: bytes | memoryview) -> None:
    """Write a whole file. The libraries of these formats hide what the disk says behind errors of their own."""
    with draft_of(path) as draft:
        draft.write_bytes(content)


def read_provenance(path: Path) -> dict[str, Any]:
    """The header that `save_weights` wrote. Raises UserError if the file is no whole weights file of this project."""
    try:
        with safe_open(path, framework="pt") as file:  # compares the header with the bytes that are there
            about = json.loads((file.metadata() or {})["provenance"])
        check_names(path)
    except KeyError as error:
        raise foreign(path, "its header has no provenance") from error
    except (SafetensorError, ValueError, RecursionError) as error:
        raise foreign(path, str(error)) from error
    except OSError as error:
        raise foreign(path, "it is a folder" if path.is_dir() else error.strerror or "no such file") from error
    if not isinstance(about, dict):
        raise foreign(path, "its provenance is no JSON object")
    return about


def foreign(path: Path, reason: str) -> UserError:
    """The error for what is no whole weights file."""
    return UserError(
        f"{path}: not a weights file of this project ({reason}); give one that `vinpaint train` wrote, or copy it again"
    )


def check_names(path: Path) -> None:
    """Raise ValueError if the header names a tensor twice: readers would not agree on which one counts."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"its header names {next(name for name in names if names.count(name) > 1)} twice")
        return found

    with path.open("rb") as file:
        json.loads(file.read(int.from_bytes(file.read(8), "little")), object_pairs_hook=once)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file. Raises UserError as `read_provenance` does, and for what no training writes: whole
    numbers, NaN and infinite ones."""
    read_provenance(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no dict
    for name, value in tensors.items():
        check_numbers(path, name, value)
    return tensors


def check_numbers(path: Path, name: str, value: Tensor) -> None:
    """Raise UserError unless a tensor holds finite floating-point numbers."""
    if not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        raise UserError(f"{path}: tensor {name} holds {kind} and no weights; it is the file of another model")
    if not value.isfinite().all():
        raise UserError(
            f"{path}: tensor {name} holds NaN or infinite numbers, so its training went wrong or the file is damaged; "
            "give other weights"
        )


def stored_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of a weights file by name, from its header alone."""
    with safe_open(path, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def load_weights(model: nn.Module, path: Path) -> dict[str, Any]:
    """Load `path` into `model`, strictly: nothing is loaded unless every name and shape agrees.

    Returns the provenance. Raises UserError as `read_weights` does, and for the first tensor that is missing, extra or
    of another shape.
    """
    tensors = read_weights(path)
    check_same(path, shapes_of(tensors), shapes_of(model.state_dict()))
    model.load_state_dict(tensors)
    return read_provenance(path)


def begin_with(model: nn.Module, path: Path) -> list[str]:
    """Load `path` as the start of a training. Tensors of `model` that the file lacks, or has in another shape, stay.

    Returns the names of these. Raises UserError as `read_weights` does, and if they are more than half, or if the model
    lacks a tensor of the file.
    """
    found = read_weights(path)
    expected = model.state_dict()
    fits = {name: value for name, value in found.items() if name in expected and value.shape == expected[name].shape}
    if 2 * len(fits) < len(expected) or not set(found) <= set(expected):
        check_same(path, shapes_of(found), shapes_of(expected))
    model.load_state_dict(fits, strict=False)
    return [name for name in expected if name not in fits]


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Name -> shape."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def check_same(path: Path, found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise UserError unless both hold the same names and shapes."""
    for name in expected:
        if name not in found:
            raise UserError(
                f"{path}: tensor {name} is missing; these are the weights of another model or configuration"
            )
        if found[name] != expected[name]:
            raise UserError(
                f"{path}: tensor {name} has shape {found[name]} instead of {expected[name]}; "
                "these are the weights of another configuration"
            )
    for name in found:
        if name not in expected:
            raise UserError(f"{path}: tensor {name} is not part of this model; these are the weights of another one")


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a training state atomically."""
    content = io.BytesIO()
    torch.save(state, content)
    write(path, content.getbuffer())


def load_state(path: Path) -> dict[str, Any]:
    """Read a training state; tensors and plain values only, so that no code in the file can run."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for damaged files
        raise UserError(f"{path}: cannot be read as a training state; delete it to start anew") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds {type(found).__name__} and no training state; delete it to start anew")
    return found


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
        place = name if key is None else f"{key}.{name}"
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise UserError(f"{path}: {place} is no tensor of weights; it is the file of another model")
        check_numbers(path, place, value)
        tensors[str(name).removeprefix("module.") if prefixed else str(name)] = value.float()
    return tensors


def read_pickle(path: Path) -> Any:
    """What a torch file holds. Raises UserError if it holds more than tensors and plain containers, or is damaged."""
    if not path.is_file():
        what = "is no file but a folder; give the file in it" if path.is_dir() else "no such file; check the path"
        raise UserError(f"{path}: {what}")
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
