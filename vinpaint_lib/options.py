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

LONGEST_SIDE = 32767  # pixels; OpenCV counts no further
SLOWEST, FASTEST = Fraction(1, 1000), Fraction(1000)  # frames a second


def parse_size(text: str) -> tuple[int, int]:
    """'432x240' (width x height, as videos are named) -> (240, 432): (height, width), as in the library."""
    found = re.fullmatch(r"(\d+)[xX×](\d+)", text)
    if not found or not found[1].strip("0") or not found[2].strip("0"):
        raise UserError(f"--size {text}: is no size; write WIDTHxHEIGHT in pixels, as in 432x240")
    if max(len(found[1]), len(found[2])) > 9 or max(int(found[1]), int(found[2])) > LONGEST_SIDE:
        raise UserError(f"--size {text[:40]}: is too large; give sides of at most {LONGEST_SIDE} pixels")
    return int(found[2]), int(found[1])


def parse_rate(text: str) -> Fraction:
    """'30', '23.976' or '30000/1001' -> frames a second, exactly."""
    plain = re.fullmatch(r"\d{0,12}\.?\d{0,12}(/\d{1,12})?", text)  # 1e999999999 has too many digits to count
    try:
        rate = Fraction(text) if plain else Fraction(0)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate and not SLOWEST <= rate <= FASTEST:
        raise UserError(f"--fps {text}: no player shows that; give {SLOWEST} to {FASTEST} frames a second")
    if rate <= 0:
        raise UserError(f"--fps {text}: is no frame rate; write frames a second, as in 30 or 30000/1001")
    return rate


def check_seed(seed: int) -> int:
    """Raises UserError for a seed that some generator does not take."""
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed {seed}: is no seed; give a whole number from 0 to 2^63 - 1")
    return seed


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
