"""What this machine has, whether the parts work, and what training each preset of TGF-Net would take.

Every line is looked up or tried, not assumed: an encoder that is listed may still not open, and weights that
are there may not load. Times are estimates, and say so: the operations of a training step are counted, and
divided by the speed at which this machine does a short one.
"""

import io
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

import vinpaint_lib
from vinpaint_lib.errors import UserError
from vinpaint_lib.fusion_net import CONFIGS, Config, FusionNet
from vinpaint_lib.models import registry
from vinpaint_lib.options import choose_device
from vinpaint_lib.recipes.tgfnet import PRESETS, Preset
from vinpaint_lib.train import use_bf16

GIB = 2**30
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


class Line(NamedTuple):
    """One line of the report; `good` is False for what needs mending."""

    topic: str
    text: str
    good: bool = True


class Cost(NamedTuple):
    """What one training step of a preset needs: floating-point operations, and bytes of memory at its peak."""

    operations: float
    memory: float


def machine() -> Iterator[Line]:
    """Python, torch, threads, memory, disk, accelerator."""
    yield Line("vinpaint", vinpaint_lib.__version__)
    yield Line("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Line("torch", f"{torch.__version__}, {torch.get_num_threads()} threads of {os.cpu_count()} processors")
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(".")
    yield Line("memory", f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} free", memory.available > 2 * GIB)
    yield Line("disk", f"{disk.free / GIB:.1f} GiB free here", disk.free > GIB)
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Line("gpu", f"cuda:{index} {properties.name}, {properties.total_memory / GIB:.1f} GiB")
    if torch.backends.mps.is_available():
        yield Line("gpu", "mps (Apple)")
    if choose_device("auto") == "cpu":
        yield Line("gpu", "none: everything runs on the CPU")


def versions(constraints: Path = CONSTRAINTS) -> Line:
    """The installed packages beside the versions that were tested together."""
    if not constraints.is_file():
        return Line("packages", "not compared: constraints.txt lies in the project's folder, not in the package")
    pins = [line.split("==") for line in constraints.read_text().splitlines() if "==" in line and line[0] != "#"]
    wrong = []
    for name, wanted in pins:
        try:
            found = version(name).split("+")[0]
        except PackageNotFoundError:
            found = "missing"
        if found != wanted:
            wrong.append(f"{name} {found} (tested: {wanted})")
    return Line("packages", ", ".join(wrong) or f"{len(pins)} packages as in constraints.txt", not wrong)


def video() -> Line:
    """Encodes four frames as H.264 in memory and decodes them again."""
    buffer, count = io.BytesIO(), 4
    try:
        with av.open(buffer, "w", format="mp4") as out:
            stream = out.add_stream("libx264", rate=Fraction(24))
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for level in range(count):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 60 * level, np.uint8), format="rgb24")
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
        buffer.seek(0)
        with av.open(buffer, "r") as back:
            decoded = len(list(back.decode(video=0)))
    except (av.error.FFmpegError, ValueError) as error:
        return Line(
            "video", f"PyAV {av.__version__} cannot write H.264 ({error}): write folders of PNGs instead", False
        )
    return Line(
        "video", f"PyAV {av.__version__} writes and reads H.264 ({decoded} of {count} frames)", decoded == count
    )


def weights() -> Line:
    """Whether the weights that ship load."""
    try:
        model = registry.build("tgfnet")
    except UserError as error:
        return Line("weights", str(error), False)
    count = sum(parameter.numel() for parameter in model.parameters())
    return Line("weights", f"tgfnet loads: {count / 1e6:.1f} million parameters")


def cost(config: Config, batch: int, groups: int, crop: int) -> Cost:
    """Counts a training step on tensors without content, so that no time or memory is spent on it.

    Operations: two for each multiplication and addition; memory: what autograd keeps for the backward pass,
    in float32, plus weights, gradients and Adam's two averages.
    """
    with torch.device("meta"):
        net = FusionNet(config)
        window = step_input(batch, groups, crop)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()  # views share one, which counts once
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with FlopCounterMode(display=False) as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        net(*window).frame.sum().backward()
    for parameter in net.parameters():
        kept.pop(parameter.untyped_storage()._cdata, None)
    weights = sum(parameter.nbytes for parameter in net.parameters())
    return Cost(float(counter.get_total_flops()), float(sum(kept.values()) + 4 * weights))


def step_input(batch: int, groups: int, crop: int, device: torch.device | None = None) -> tuple[torch.Tensor, ...]:
    """Target, mask, references and trust of one training step, all grey."""
    shapes = (batch, 3), (batch, 1), (batch, groups, 3), (batch, groups, 1)
    return tuple(torch.full((*shape, crop, crop), 0.5, device=device) for shape in shapes)


def speed(device: torch.device, bf16: bool, repeats: int = 3) -> float:
    """Operations per second of the fastest of a few short training steps of the small network on `device`."""
    config, groups, crop = CONFIGS["small"], 4, 96
    net = FusionNet(config).to(device)
    for part in net.modules():
        if isinstance(part, torch.nn.Conv2d):  # as the trainer does
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    window = step_input(1, groups, crop, device)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            result = net(*window).frame
        result.sum().backward()
        net.zero_grad()
        if device.type != "cpu":
            getattr(torch, device.type).synchronize()
        times.append(time.perf_counter() - start)
    # the first one allocates and chooses its kernels; the fastest was disturbed least by other programs
    return cost(config, 1, groups, crop).operations / min(times[1:])


def duration(seconds: float) -> str:
    """Seconds as people say them: two digits and one unit."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 1):.0f} seconds"


def estimate(name: str, preset: Preset, rate: float) -> Line:
    """What `preset` takes at `rate` operations per second."""
    groups = round(sum(preset.groups) / 2)
    need = cost(CONFIGS[preset.config], preset.batch, groups, preset.spec.crop)
    return Line(
        f"preset {name}",
        f"about {duration(preset.steps * need.operations / rate)} for {preset.steps} steps "
        f"of {need.operations / 1e9:.0f} GFLOP and {need.memory / GIB:.1f} GiB",
    )


def training() -> Iterator[Line]:
    """Speed of the network here, and the time of each preset."""
    device = torch.device(choose_device("auto"))
    rates = {bf16: speed(device, bf16) for bf16 in (False, True)}
    yield Line("speed", f"{rates[False] / 1e9:.0f} GFLOP/s float32 in a training step of the small network on {device}")
    used = "the presets use it" if use_bf16("auto", device) else "the presets do not use it here"
    yield Line("bf16", f"{rates[True] / rates[False]:.1f} times the speed of float32; {used}")
    for name, preset in PRESETS.items():
        yield estimate(name, preset, rates[use_bf16(preset.precision, device)])
    yield Line("", "Times are estimates from counted operations; making the training samples comes on top.")
    busy, processors = psutil.getloadavg()[0], os.cpu_count() or 1
    if busy > processors:
        yield Line("", f"{busy:.0f} programs share {processors} processors now: alone, these times would be shorter.")


CHECKS: tuple[Callable[[], Line | Iterator[Line]], ...] = (machine, versions, video, weights, training)


def report() -> Iterator[Line]:
    """All lines, each as soon as it is known."""
    for check in CHECKS:
        lines = check()
        if isinstance(lines, Line):
            yield lines
        else:
            yield from lines
