"""Section `machine`: what there is, and the speed of a large matrix product."""

import os
import platform
import time
from functools import partial

import torch

from vinpaint_lib.bench.clocks import synchronise
from vinpaint_lib.bench.gpu.setting import MIB, Cell, Cells, Setting, name_of
from vinpaint_lib.options import use_bf16

SIDE, SMALL_SIDE = 8192, 512  # of the square matrices on an accelerator and on a CPU
ENOUGH = 1.0  # seconds of products
TYPES = {"float32": torch.float32, "float32 with TF32": torch.float32, "bf16": torch.bfloat16}


def cells(setting: Setting) -> Cells:
    yield Cell("hardware", partial(hardware, setting.device))
    for name in TYPES:
        if name != "float32 with TF32" or setting.device.type == "cuda":
            yield Cell(f"matrix product in {name}", partial(product, name, setting.device))


def hardware(device: torch.device) -> dict[str, object]:
    """Device, memory, cores, versions, and whether the device computes bf16 itself."""
    found: dict[str, object] = {
        "name": name_of(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "presets use bf16": use_bf16("auto", device),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        free, whole = torch.cuda.mem_get_info(device)
        found |= {
            "cudnn": torch.backends.cudnn.version(),
            "capability": f"{properties.major}.{properties.minor}",
            "MiB": whole / MIB,
            "MiB free": free / MIB,
            "real bf16": torch.cuda.is_bf16_supported(including_emulation=False),
            "bf16 with emulation": torch.cuda.is_bf16_supported(),
        }
    return found


def product(name: str, device: torch.device) -> dict[str, float]:
    """GFLOP/s of products of square matrices of random numbers, for about a second after one to warm up."""
    side = SMALL_SIDE if device.type == "cpu" else SIDE
    matrix = torch.rand(side, side, device=device).to(TYPES[name])
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = name.endswith("TF32")
    try:
        matrix @ matrix
        synchronise(device)
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < ENOUGH:
            matrix @ matrix
            synchronise(device)
            count += 1
        seconds = time.perf_counter() - began
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return {"GFLOP/s": 2 * side**3 * count / seconds / 1e9, "side": side}
