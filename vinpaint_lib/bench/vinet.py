"""Time and memory of VINet's correlation in three forms, and of the whole network at the paper's size.

    python -m vinpaint_lib.bench.vinet correlation FORM HEIGHT WIDTH THREADS
    python -m vinpaint_lib.bench.vinet network HEIGHT WIDTH THREADS

Each measurement runs in a new process, since the peak memory of a process never falls. `report.py` starts them.
"""

import subprocess
import sys
import time
from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vinpaint_lib.process_memory import peak
from vinpaint_lib.systems.vinet.correlation import correlate
from vinpaint_lib.systems.vinet.network import CONFIGS, VINetGenerator

SIZES = {"256x256": (256, 256), "240x432": (240, 432)}
CHANNELS, RADIUS = 32, 4  # of the finest scale, the largest of the four
LENGTH = 14  # frames of the shortest sample with a previous output: two targets


def by_displacement(first: Float[Tensor, "b c h w"], second: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
    """For one displacement after another, the product with the shifted map and its mean over channels."""
    height, width = first.shape[-2:]
    wide = functional.pad(second, (RADIUS,) * 4)
    reach = range(2 * RADIUS + 1)
    return torch.stack(
        [(first * wide[..., dy : dy + height, dx : dx + width]).mean(dim=1) for dy in reach for dx in reach], dim=1
    )


def all_windows(first: Float[Tensor, "b c h w"], second: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
    """The window of every position is copied out, then one product follows: 81 times the map in memory."""
    side = 2 * RADIUS + 1
    windows = rearrange(
        functional.unfold(second, side, padding=RADIUS), "b (c d) (h w) -> b d c h w", d=side**2, h=first.shape[-2]
    )
    return (windows * rearrange(first, "b c h w -> b 1 c h w")).mean(dim=2)


FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "one displacement at a time": by_displacement,
    "all windows at once": all_windows,
    "library": lambda first, second: correlate(first, second, RADIUS),
}


def maps(size: tuple[int, int], channels: int = CHANNELS) -> tuple[Tensor, Tensor]:
    """Two feature maps of a frame of that size."""
    torch.manual_seed(0)
    return torch.randn(1, channels, *size), torch.randn(1, channels, *size)


def correlation_of(form: str, size: tuple[int, int], channels: int = CHANNELS) -> tuple[float, float]:
    """Seconds (the better of two), and MiB by which the peak of this process rises above the memory of the maps."""
    first, second = maps(size, channels)
    before, seconds = peak(), []
    with torch.inference_mode():
        for _ in range(2):
            began = time.perf_counter()
            FORMS[form](first, second)
            seconds.append(time.perf_counter() - began)
    return min(seconds), peak() - before


def network_of(size: tuple[int, int], config: str = "paper") -> tuple[float, float]:
    """Seconds a frame over two targets in a row, and the peak of this process in MiB, weights and sources included."""
    torch.manual_seed(0)
    net = VINetGenerator(CONFIGS[config]).eval()
    frames, holes = torch.rand(1, LENGTH, 3, *size), torch.zeros(1, LENGTH, 1, *size)
    holes[..., size[0] // 3 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1
    with torch.inference_mode():
        began = time.perf_counter()
        net(frames, holes, (6, 7))
        return (time.perf_counter() - began) / 2, peak()


def measured(*words: object) -> tuple[float, float]:
    """What a new process prints that runs this file with `words`: seconds and MiB."""
    command = [sys.executable, "-m", "vinpaint_lib.bench.vinet", *map(str, words)]
    seconds, mebibytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(mebibytes)


def correlation_rows(size: tuple[int, int], threads: int) -> dict[str, float]:
    """Seconds and memory of every form at that size."""
    rows: dict[str, float] = {}
    for form in FORMS:
        seconds, mebibytes = measured("correlation", form, *size, threads)
        rows |= {f"{form}, seconds": seconds, f"{form}, MiB": mebibytes}
    return rows


def network_rows(size: tuple[int, int], threads: int) -> dict[str, float]:
    """Seconds a frame and peak memory of the paper's network at that size."""
    seconds, mebibytes = measured("network", *size, threads)
    return {"seconds per frame": seconds, "peak memory MiB": mebibytes}


def main() -> None:
    what, *words = sys.argv[1:]
    torch.set_num_threads(int(words[-1]))
    height, width = int(words[-3]), int(words[-2])
    print(*(correlation_of(words[0], (height, width)) if what == "correlation" else network_of((height, width))))


if __name__ == "__main__":
    main()
