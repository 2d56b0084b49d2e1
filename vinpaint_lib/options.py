"""The values of options, from a user's words to the library's types: sizes, frame rates, devices, folders, precision.

For a value that means nothing, a function raises UserError, which names the option.
"""

import csv
import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import torch

from vinpaint_lib.errors import UserError


def parse_size(text: str) -> tuple[int, int]:
    """'432x240' (width x height, as videos are named) -> (240, 432): (height, width), as in the library."""
    found = re.fullmatch(r"(\d+)[xX×](\d+)", text)
    if not found or not int(found[1]) or not int(found[2]):
        raise UserError(f"--size {text}: is no size; write WIDTHxHEIGHT in pixels, as in 432x240")
    return int(found[2]), int(found[1])


def parse_rate(text: str) -> Fraction:
    """'30', '23.976' or '30000/1001' -> frames a second, exactly."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise UserError(f"--fps {text}: is no frame rate; write frames a second, as in 30 or 30000/1001")
    return rate


def choose_device(name: str) -> str:
    """The device in torch's words: for `auto` the accelerator if there is one, else the CPU."""
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise UserError(f"--device {name}: is not known; give auto, cpu, cuda, cuda:1 or mps")
    device = torch.device(name)
    count = {"cpu": 1, "mps": int(has_mps), "cuda": torch.cuda.device_count()}[device.type]
    if (device.index or 0) >= count:
        raise UserError(
            f"--device {name}: this machine has none that torch {torch.__version__} can use; give cpu or auto"
        )
    return name


def parse_names(text: str) -> list[str]:
    """'a, b' -> ['a', 'b']; '"a, b", c' -> ['a, b', 'c']; '' -> []."""
    names = next(csv.reader([re.sub(r"[\r\n]", " ", text)], skipinitialspace=True), [])
    return [name.strip() for name in names if name.strip()]


def spell_names(names: Iterable[str]) -> str:
    """The text that `parse_names` reads these names from."""
    quoted = [name.replace('"', '""') for name in names]
    return ",".join(f'"{name}"' if re.search('[,"]', name) else name for name in quoted)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to use autocast to bf16. "auto" uses it where it helps: on a GPU that has it, on a CPU with AMX or
    AVX512-BF16 units."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return device.type == "cpu" and ("amx_bf16" in flags or "avx512_bf16" in flags)
