"""What this machine has, whether the parts work, and what training the systems would take.

Nothing in the report is assumed; everything is read or tried. An encoder that is listed may still not open, and
weights that are there may not load. Times are estimates, and say so: the counted operations of a training step,
divided by this machine's speed in a short training step.
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
from vinpaint_lib.options import choose_device, use_bf16
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.tgfnet.network import CONFIGS, FusionNet
from vinpaint_lib.training.step_cost import step_cost
from vinpaint_lib.training.task import Task

GIB = 2**30
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


class Line(NamedTuple):
    """One line of the report; `good` is False for what needs mending."""

    topic: str
    text: str
    good: bool = True


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
        names = [name for name in registry.SHIPPED if name in registry.SYSTEMS or registry.ready(name)]
        models = {name: registry.build(name) for name in names}
    except UserError as error:
        return Line("weights", str(error), False)
    counts = {name: sum(parameter.numel() for parameter in model.parameters()) for name, model in models.items()}
    said = ", ".join(f"{name} {count / 1e6:.1f}" for name, count in counts.items())
    return Line("weights", f"all load; million parameters: {said}")


def speed(device: torch.device, bf16: bool, repeats: int = 3) -> float:
    """Operations per second of the fastest of a few short training steps of TGF-Net's small network on `device`."""
    config, groups, crop = CONFIGS["small"], 4, 96
    net = FusionNet(config).to(device)
    for part in net.modules():
        if isinstance(part, torch.nn.Conv2d):  # as in the model that is trained
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shapes = (1, 3), (1, 1), (1, groups, 3), (1, groups, 1)  # target, mask, references, trust
    window = [torch.full((*shape, crop, crop), 0.5, device=device) for shape in shapes]

    def step() -> float:
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            result = net(*window).frame
        result.sum().backward()
        net.zero_grad()
        if device.type != "cpu":
            getattr(torch, device.type).synchronize()
        return time.perf_counter() - start

    # The first step allocates memory and chooses kernels. The fastest step was disturbed least by other programs.
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / min(step() for _ in range(repeats))


def duration(seconds: float) -> str:
    """Seconds as people say them: two digits and one unit."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 1):.0f} seconds"


def estimate(topic: str, task: Task, rate: float) -> Line:
    """The time and memory that the preset of `task` takes at `rate` operations per second."""
    need, steps = step_cost(task), task.preset.steps
    return Line(
        topic,
        f"about {duration(steps * need.operations / rate)} for {steps} steps "
        f"of {need.operations / 1e9:.0f} GFLOP and {need.memory / GIB:.1f} GiB",
    )


def training(model: str | None = None) -> Iterator[Line]:
    """This machine's speed, and the time of each preset of `model`, or of the preset laptop of every system if None."""
    chosen = {f"preset {name}": (model, preset) for name, preset in registry.presets(model).items()} if model else {}
    every = {f"{name} laptop": (name, registry.presets(name)["laptop"]) for name in registry.SYSTEMS}
    device = torch.device(choose_device("auto"))
    rates = {bf16: speed(device, bf16) for bf16 in (False, True)}
    tested = f"in a training step of TGF-Net's small network on {device}"
    yield Line("speed", f"{rates[False] / 1e9:.0f} GFLOP/s float32 {tested}")
    used = "the presets use it" if use_bf16("auto", device) else "the presets do not use it here"
    yield Line("bf16", f"{rates[True] / rates[False]:.1f} times the speed of float32; {used}")
    for topic, (name, preset) in (chosen or every).items():
        yield estimate(topic, registry.make_task(name, preset), rates[use_bf16(preset.precision, device)])
    yield Line("", "Times are estimates from counted operations; making the training samples comes on top.")
    busy, processors = psutil.getloadavg()[0], os.cpu_count() or 1
    if busy > processors:
        yield Line("", f"{busy:.0f} programs share {processors} processors now: alone, these times would be shorter.")


CHECKS: tuple[Callable[[], Line | Iterator[Line]], ...] = (machine, versions, video, weights)


def report(model: str | None = None) -> Iterator[Line]:
    """All lines, each as soon as it is known; `model` as for `training`."""
    for check in (*CHECKS, lambda: training(model)):
        lines = check()
        if isinstance(lines, Line):
            yield lines
        else:
            yield from lines
