"""Section `frames`: seconds a frame and peak memory of every system at three sizes.

The clip is the toy clip of `bench/report.py`. On an accelerator it is filled twice, and the second time counts: the
first one also loads and chooses kernels.
"""

import time
from functools import lru_cache, partial
from typing import Any

from vinpaint_lib.bench import report
from vinpaint_lib.bench.clocks import synchronise
from vinpaint_lib.bench.gpu.setting import Cell, Cells, Setting, begin_memory, memory
from vinpaint_lib.inpaint import fill
from vinpaint_lib.systems import registry

Size = tuple[int, int]
SIZES: dict[str, Size] = {"240x432": (240, 432), "480x854": (480, 854), "1080x1920": (1080, 1920)}
LITTLE: dict[str, Size] = {"60x108": (60, 108)}  # comes first in a quick run, which reaches little more
FRAMES, QUICK_FRAMES = 6, 2
SPLIT = "tgfnet in parts"
NETWORK = ("encoder", "groups", "attention", "decoder")  # how the names of the network's parts begin


def cells(setting: Setting) -> Cells:
    """Small frames first. The time of a size is guessed by its pixels from the last size that was measured."""
    sizes = LITTLE | SIZES if setting.quick else SIZES
    taken: dict[str, tuple[float, int]] = {}
    for label, size in sizes.items():
        pixels = size[0] * size[1]
        for name in (*registry.SYSTEMS, SPLIT):
            seconds, of = taken.get(name, (0.0, pixels))
            yield Cell(f"{label}, {name}", partial(noted, name, size, setting, taken), seconds * pixels / of)


def noted(name: str, size: Size, setting: Setting, taken: dict[str, tuple[float, int]]) -> dict[str, Any]:
    """Measure, and note the seconds and the number of pixels under `name`."""
    began = time.perf_counter()
    found = split(size, setting) if name == SPLIT else measured(name, size, setting)
    taken[name] = time.perf_counter() - began, size[0] * size[1]
    return found


def measured(name: str, size: Size, setting: Setting) -> dict[str, Any]:
    """Seconds a frame of one system, and memory."""
    clip = clip_of(size, setting.quick)
    model = registry.build(name).to(setting.device)
    begin_memory(setting.device)
    seconds = []
    for _ in range(1 if setting.on_cpu else 2):
        began = time.perf_counter()
        for _ in fill(model, clip):
            pass
        synchronise(setting.device)
        seconds.append((time.perf_counter() - began) / len(clip))
    first = {} if setting.on_cpu else {"the first time": seconds[0]}
    return {"seconds a frame": seconds[-1], **first, "frames": len(clip), **memory(setting.device)}


def split(size: Size, setting: Setting) -> dict[str, Any]:
    """Seconds a frame of TGF-Net's small network, and the shares of its CPU part and of its network."""
    rows = report.inference(size, QUICK_FRAMES if setting.quick else FRAMES, str(setting.device))
    network = sum(share for part, share in rows.items() if part.startswith(NETWORK))
    return {"share of the network": network, **rows}


@lru_cache(maxsize=1)
def clip_of(size: Size, quick: bool) -> report.Loop:
    """A toy clip of few different frames: large ones take seconds to draw."""
    length = QUICK_FRAMES if quick else FRAMES
    return report.Loop(length, size, period=2 if quick else 4)
