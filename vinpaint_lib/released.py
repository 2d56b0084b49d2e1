"""Weights as the papers' authors released them, into our networks. Nothing in such a file is run.

These files are Python pickles, so they may hold code; torch reads tensors and plain containers out of them and refuses
the rest. Nothing is loaded unless every name and shape is the expected one.
"""

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vinpaint_lib.checkpoints import check_same
from vinpaint_lib.errors import UserError
from vinpaint_lib.models import Inpainter


def read(name: str, path: Path) -> Inpainter:
    """The system of that name as its authors released it, ready to fill clips.

    Raises UserError: a system without released weights; a file that is missing, damaged, would run code, or holds
    tensors that are missing, extra or of other shapes.
    """
    if name not in RELEASED:
        raise UserError(f"{path}: there are no released weights of {name!r} to read; choose {', '.join(RELEASED)}")
    return RELEASED[name](path)


def read_sttn(path: Path) -> Inpainter:
    """STTN's generator from `sttn.pth` (key `netG`), in the released behaviour."""
    from vinpaint_lib.models.sttn import STTN, Config  # here, because models read their weights with `checkpoints`

    tensors = read_tensors(path, "netG")
    model = STTN(Config(as_released=True))
    check_same(path, tensors, model.net.state_dict())
    model.net.load_state_dict(tensors)
    return model.eval()


def read_vinet(path: Path) -> Inpainter:
    """VINet's generator (key `state_dict`), in the released behaviour; inside of it blue is the first colour.

    The files for frames of 256 and of 512 hold the same names and shapes, and the latter's network halves its frames:
    one with 512 in its name, as in `save_agg_rec_512.pth`, is read as that.
    """
    from vinpaint_lib.models.vinet import Config, VINet  # here, because models read their weights with `checkpoints`

    tensors = read_tensors(path, "state_dict")
    model = VINet(Config(as_released=True, bgr=True, double="512" in path.name))
    check_same(path, tensors, model.net.state_dict())
    model.net.load_state_dict(tensors)
    return model.eval()


RELEASED: dict[str, Callable[[Path], Inpainter]] = {"sttn": read_sttn, "vinet": read_vinet}


def read_tensors(path: Path, key: str) -> dict[str, Tensor]:
    """The tensors under `key` by name, as float32, without the `module.` that training on several GPUs leaves."""
    content = read_pickle(path)
    found = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(found, Mapping):
        there = ", ".join(str(k) for k in list(content)[:5]) if isinstance(content, Mapping) else type(content).__name__
        raise UserError(f"{path}: has no {key!r} with weights in it (but {there}); it is the file of another model")
    prefixed = all(str(name).startswith("module.") for name in found)
    tensors = {}
    for name, value in found.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise UserError(f"{path}: {key}.{name} is no tensor of weights; it is the file of another model")
        tensors[str(name).removeprefix("module.") if prefixed else str(name)] = value.float()
    return tensors


def read_pickle(path: Path) -> Any:
    """What a torch file holds, tensors and plain containers only."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's word on the pickle's age, before it is refused
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
