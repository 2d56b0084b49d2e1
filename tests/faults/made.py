"""What the faults are made of: a small place with whole files, and ways to spoil a copy of it."""

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import torch
from einops import repeat
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from vinpaint_lib import checkpoints
from vinpaint_lib.systems.registry import KNOWN
from vinpaint_lib.video.writing import write_video

SIZE = (32, 48)
RAN = "ran"  # the file that code in a pickle would leave


def place(folder: Path) -> Path:
    """`clip/` with three pictures, `mask.png`, `film.mp4`, `sttn.safetensors`, `sttn.pth`, `nb.ipynb`."""
    (folder / "clip").mkdir(parents=True)
    for index, picture in enumerate(np.random.default_rng(0).integers(0, 100, (3, *SIZE, 3), dtype=np.uint8)):
        Image.fromarray(picture).save(folder / "clip" / f"{index}.png")
    Image.fromarray(hole()).save(folder / "mask.png")
    ramp = torch.linspace(0, 0.3, SIZE[1])
    write_video(folder / "film.mp4", iter(repeat(ramp, "w -> t 3 h w", t=4, h=SIZE[0])), Fraction(24))
    weights(folder / "sttn.safetensors", "sttn")
    notebook(folder / "nb.ipynb", "steps: int = 3\nname: str = 'a'", "open('ran', 'w')")
    return folder


def hole(size: tuple[int, int] = SIZE) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 255
    return mask


def weights(path: Path, name: str) -> None:
    """A file as a training of the tiny configuration leaves it."""
    system = KNOWN[name]
    torch.manual_seed(0)
    config = system.configs["tiny"]
    told = json.loads(json.dumps({"model": name, "config": vars(config)}))
    checkpoints.save_weights(system.model(config), path, told)


def notebook(path: Path, *sources: str) -> None:
    """A notebook whose first cell holds the parameters."""
    cells = [new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), path)


# Ways to spoil a file of the place: each gives a function of the folder.
Spoil = Callable[[Path], Any]


def nothing(folder: Path) -> None:
    """The place as it is: the fault is in the command line."""


def wrote(name: str, content: bytes | str) -> Spoil:
    """A file with this content."""

    def spoil(folder: Path) -> None:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def cut(name: str, share: float) -> Spoil:
    """The first part of a file."""

    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return spoil


def emptied(name: str) -> Spoil:
    return cut(name, 0)


def changed(name: str, at: int, to: bytes) -> Spoil:
    """Other bytes at one place; a negative place counts from the end."""

    def spoil(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        start = at % len(content)
        content[start : start + len(to)] = to
        (folder / name).write_bytes(content)

    return spoil


def moved(name: str, to: str) -> Spoil:
    return lambda folder: (folder / name).rename(folder / to)


def linked(name: str, to: str) -> Spoil:
    return lambda folder: (folder / name).symlink_to(to)


def made_folder(name: str) -> Spoil:
    return lambda folder: (folder / name).mkdir(parents=True)


def several(*ways: Spoil) -> Spoil:
    def spoil(folder: Path) -> None:
        for way in ways:
            way(folder)

    return spoil


class Code:
    """Would leave the file RAN when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (RAN, "w")


def pickled(name: str) -> Spoil:
    """A plain pickle that would run code."""
    return lambda folder: (folder / name).write_bytes(pickle.dumps(Code()))


def saved(name: str, content: Callable[[], Any]) -> Spoil:
    """A torch file of what `content` gives."""
    return lambda folder: torch.save(content(), folder / name)


def array(name: str, content: Callable[[], Any]) -> Spoil:
    """A .npy of what `content` gives."""
    return lambda folder: np.save(folder / name, content(), allow_pickle=True)


def lying_npy(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    """A .npy whose header announces what is not there."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(8)


def bomb_npz(name: str, shape: tuple[int, ...]) -> Spoil:
    """A .npz that announces this shape, and whose zeros take a thousandth of it."""

    def spoil(folder: Path) -> None:
        header = lying_npy(shape)[:-8]
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("mask.npy", "w") as file:
            file.write(header)
            for _ in range(64):
                file.write(bytes(1 << 20))

    return spoil


def tensors(change: Callable[[dict[str, torch.Tensor]], Any], name: str = "sttn.safetensors") -> Spoil:
    """The weights with other tensors, written as a whole file."""

    def spoil(folder: Path) -> None:
        _, header, data = parts(folder / name)
        found = {
            key: torch.frombuffer(bytearray(data[slice(*about["data_offsets"])]), dtype=torch.float32).reshape(
                about["shape"]
            )
            for key, about in header.items()
            if key != "__metadata__"
        }
        change(found)
        put(folder / name, found, header["__metadata__"])

    return spoil


def put(path: Path, found: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    header: dict[str, Any] = {"__metadata__": metadata}
    data = b""
    kinds = {torch.float32: "F32", torch.int32: "I32", torch.float64: "F64", torch.bool: "BOOL"}
    for key, value in found.items():
        content = value.contiguous().numpy().tobytes()
        header[key] = {
            "dtype": kinds[value.dtype],
            "shape": list(value.shape),
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def parts(path: Path) -> tuple[int, dict[str, Any], bytes]:
    """The length of the header of a safetensors file, the header, and what follows it."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    return size, json.loads(content[8 : 8 + size]), content[8 + size :]


def header(change: Callable[[dict[str, Any]], Any], name: str = "sttn.safetensors") -> Spoil:
    """The weights with another header over the same bytes."""

    def spoil(folder: Path) -> None:
        _, found, data = parts(folder / name)
        change(found)
        text = json.dumps(found).encode()
        (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)

    return spoil


def told(change: Callable[[dict[str, Any]], Any], name: str = "sttn.safetensors") -> Spoil:
    """The weights with another provenance."""

    def in_header(found: dict[str, Any]) -> None:
        about = json.loads(found["__metadata__"]["provenance"])
        change(about)
        found["__metadata__"]["provenance"] = json.dumps(about)

    return header(in_header, name)


def first_tensor(found: dict[str, Any]) -> dict[str, Any]:
    """What a header says of its first tensor."""
    return next(value for key, value in found.items() if key != "__metadata__")


def doubled_key(folder: Path) -> None:
    """A header that names a tensor twice."""
    file = folder / "sttn.safetensors"
    _, found, data = parts(file)
    name = next(key for key in found if key != "__metadata__")
    text = json.dumps(found)[:-1] + f', "{name}": {json.dumps(found[name])}}}'
    file.write_bytes(struct.pack("<Q", len(text)) + text.encode() + data)


def zipped(name: str, *members: tuple[str, bytes, int]) -> Spoil:
    """A zip of (name, content, mode); the mode says what a member is, 0 for a file."""

    def spoil(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as packed:
            for member, content, mode in members:
                info = zipfile.ZipInfo(member)
                info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, mode << 16
                packed.writestr(info, content)

    return spoil


def tarred(name: str, *members: tuple[str, bytes, str]) -> Spoil:
    """A tar of (type, content, name or "name -> target")."""

    def spoil(folder: Path) -> None:
        with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as packed:
            for kind, content, member in members:
                info = tarfile.TarInfo(member.partition(" -> ")[0])
                info.type, info.linkname, info.size = kind.encode(), member.partition(" -> ")[2], len(content)
                packed.addfile(info, io.BytesIO(content))

    return spoil
