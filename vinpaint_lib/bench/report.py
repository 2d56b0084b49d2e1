"""Speed and memory of TGF-Net and of STTN's attention on this machine, as ratios inside of one run (`make bench`).

    python -m vinpaint_lib.bench [--quick] [--threads N] [--out bench.json]

No test asserts a time, since other machines have other numbers. The script asserts only that all forms of a
comparison compute the same result.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vinpaint_lib.bench import clocks, feeding, forms, vinet
from vinpaint_lib.errors import DEBUG_HELP, run_program
from vinpaint_lib.files import draft_of
from vinpaint_lib.holes import masks
from vinpaint_lib.inpaint import fill
from vinpaint_lib.motion.links import Links
from vinpaint_lib.options import use_bf16
from vinpaint_lib.process_memory import peak
from vinpaint_lib.systems import registry
from vinpaint_lib.systems.tgfnet.model import TGFNet
from vinpaint_lib.systems.tgfnet.network import CONFIGS
from vinpaint_lib.toy.clip import Shot, toy_clip

SIZES = {"240x432": (240, 432), "480x854": (480, 854)}
MEMORY_FRAMES = (25, 100, 400)
ATTENTION_FRAMES = (10, 20, 40)


class Loop:
    """A toy clip played back and forth for any length; it holds few frames, so the engine needs most of the memory."""

    def __init__(self, length: int, size: tuple[int, int], period: int = 12) -> None:
        self.length = length
        self.frames = toy_clip("astronaut", Shot(length=period, size=size, objects=1, seed=0)).clip.frames
        self.hole = masks.stationary_blob(1, size, np.random.default_rng(0), area=(0.08, 0.10))[0]

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        period = len(self.frames)
        for t in range(self.length):
            turn = t % (2 * period - 2)
            yield self.frames[turn if turn < period else 2 * period - 2 - turn], self.hole


def timed(function: Callable[[], Any], repeats: int = 3) -> float:
    """Seconds of the fastest of `repeats` calls, after one call to warm up."""
    function()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def a_model() -> TGFNet:
    torch.manual_seed(0)
    return TGFNet(CONFIGS["small"]).eval()


def inference(size: tuple[int, int], frames: int, device: str = "cpu") -> dict[str, float]:
    """Seconds per frame in all, of the network and of the rest, and the share of each part, for one clip.

    The rest is what the CPU does on any machine but for sampling: reading, links between frames, walks along them, the
    guess, composition. It grows until the clip is as long as a window, 49 frames.
    """
    model = a_model().to(device)
    clock = clocks.clock_on(torch.device(device))
    spent: dict[str, float] = defaultdict(float)
    in_network: dict[str, float] = defaultdict(float)
    clocks.watch({"network": model.net}, in_network, clock)
    parts = {"encoder": model.net.encoder, **{f"groups 1/{2 ** (int(k) + 1)}": m for k, m in model.net.groups.items()}}
    parts |= {f"attention 1/{2 ** (int(k) + 1)}": m for k, m in model.net.attention.items()}
    clocks.watch(parts, spent, clock)
    clocks.watch_method(model, "align", "alignment", spent, clock)
    clocks.watch_method(model.net, "decode", "decoder", spent, clock)
    began = clock()
    for _ in fill(model, Loop(frames, size)):
        pass
    total = clock() - began
    shares = {name: seconds / total for name, seconds in spent.items()}
    seconds = {"in all": total, "network": in_network["network"], "motion, references": total - in_network["network"]}
    per_frame = {f"seconds per frame, {name}": value / frames for name, value in seconds.items()}
    return per_frame | shares | {"rest": 1 - sum(shares.values())}


def peak_memory(frames: int, threads: int) -> float:
    """Peak memory in MiB of a process that fills `frames` frames at 240x432.

    The peak rises slowly with the length, although no more tensors are alive. Not all freed memory can be given back,
    since memory that is still in use lies between the freed parts.
    """
    command = [sys.executable, "-m", "vinpaint_lib.bench", "--memory-of", str(frames), "--threads", str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of(frames: int) -> float:
    for _ in fill(a_model(), Loop(frames, SIZES["240x432"])):
        pass
    return peak()


def attention_cost(frames: int, threads: int) -> dict[str, float]:
    """Seconds and MiB of one attention layer of STTN at 240x432 for so many frames, plain form and library.

    Each form runs in a new process, since the peak memory of a process never falls.
    """
    rows: dict[str, float] = {}
    for form in forms.ATTENTION_FORMS:
        command = [sys.executable, "-m", "vinpaint_lib.bench", "--attention-of", form, str(frames)]
        command += ["--threads", str(threads)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        rows |= {f"{form}, seconds": float(printed[0]), f"{form}, MiB beside the input": float(printed[1])}
    return rows


def attention_of(form: str, frames: int) -> tuple[float, float]:
    """Seconds, and MiB by which the peak of this process rises above the memory of the input and the layer."""
    layer, maps, masks = forms.attention_layer(256, (60, 108), frames)
    run = forms.ATTENTION_FORMS[form]
    before = peak()
    with torch.inference_mode():
        seconds = timed(lambda: run(layer, maps, masks), 2)
    return seconds, peak() - before


def shared_work(frames: int) -> dict[str, float]:
    """Seconds per frame with the motion between frames kept from step to step, and measured anew in every step.

    The encoder's work on references cannot be kept: they are aligned to the target before they are encoded, and
    every target aligns them differently. Some work is the same for all groups of a step, the target's features and
    the target's half of the first convolution. It is done once (`forms.pair_convolution` compares).
    """
    seconds = {}
    for name in ("kept", "measured anew"):
        model = a_model()
        if name == "measured anew":
            plain = model.align
            setattr(model, "align", partial(forgetful, plain))  # noqa: B010 - a method of one object, on purpose
        began = time.perf_counter()
        for _ in fill(model, Loop(frames, SIZES["240x432"])):
            pass
        seconds[name] = (time.perf_counter() - began) / frames
    return seconds


def forgetful(align: Callable[..., Any], window: Any, target: int, box: Any, state: dict[str, Any]) -> Any:
    """The model's alignment without what it remembers from the steps before."""
    return align(window, target, box, {"links": Links()})


def training(name: str, bf16: bool) -> dict[str, float]:
    """Steps per second of a system's laptop preset, network and losses, and achieved GFLOP/s beside a large product of
    matrices."""
    task = registry.make_task(name, registry.presets(name)["laptop"])
    torch.manual_seed(0)
    model = task.trained(task.network().train())
    optimiser = task.optimiser(list(model.parameters()))
    batch, choice = task.example(torch.device("cpu"))
    weights = task.weights_at(task.preset.steps)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            terms, _ = task.losses(model, batch, weights, choice)
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    with FlopCounterMode(display=False) as counter:
        step()
    seconds = timed(step, 3)
    matrix = torch.rand(2048, 2048, dtype=torch.bfloat16 if bf16 else torch.float32)
    product = 2 * 2048**3 / timed(lambda: matrix @ matrix, 5)
    achieved = counter.get_total_flops() / seconds
    return {
        "steps per second": 1 / seconds,
        "GFLOP per step": counter.get_total_flops() / 1e9,
        "GFLOP/s": achieved / 1e9,
        "large matrix product GFLOP/s": product / 1e9,
        "share": achieved / product,
    }


def report(quick: bool, threads: int) -> dict[str, Any]:
    """All measurements, printed as they come."""
    result: dict[str, Any] = {"threads": threads, "torch": torch.__version__}
    for name, size in SIZES.items():
        title = f"inference {name}, {6 if quick else 16} frames"
        result[title] = show(title, inference(size, 6 if quick else 16))
    result["motion between steps"] = show("motion kept from step to step, s/frame", shared_work(6 if quick else 16))
    frames = MEMORY_FRAMES[:2] if quick else MEMORY_FRAMES
    result["peak memory MiB"] = show("peak memory MiB", {f"{n} frames": peak_memory(n, threads) for n in frames})
    values = list(result["peak memory MiB"].values())
    print(f"  longest over shortest: {values[-1] / values[0]:.2f}")
    for length in ATTENTION_FRAMES[:2] if quick else ATTENTION_FRAMES:
        title = f"attention layer of STTN, {length} frames of 240x432"
        result[title] = show(title, attention_cost(length, threads))
    for name, size in vinet.SIZES.items():
        title = f"correlation of VINet, 32 channels, 81 displacements, {name}"
        result[title] = show(title, vinet.correlation_rows(size, threads))
    for name, size in () if quick else vinet.SIZES.items():
        title = f"VINet as in the paper, {name}"
        result[title] = show(title, vinet.network_rows(size, threads))
    for name in ("tgfnet",) if quick else registry.SYSTEMS:
        for bf16 in (False, True) if use_bf16("auto", torch.device("cpu")) else (False,):
            title = f"training {name} {'bf16' if bf16 else 'float32'}"
            result[title] = show(title, training(name, bf16))
    for name in ("sttn",) if quick else registry.SYSTEMS:
        title = f"feeding {name}, preset laptop"
        result[title] = show(title, feeding.feeding(name))
    result["forms"] = forms.compare(timed)
    for title, rows in result["forms"].items():
        show(f"{title} (seconds; equal outputs asserted)", rows)
    return result


def show(title: str, rows: dict[str, float]) -> dict[str, float]:
    print(title)
    for name, value in rows.items():
        print(f"  {name:<38} {value:>10.4g}")
    return rows


def main() -> None:
    run_program(work, None, name="python -m vinpaint_lib.bench")


def work(arguments: Sequence[str]) -> None:
    """What `main` does with its words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=DEBUG_HELP)
    parser.add_argument("--quick", action="store_true", help="fewer frames: about two minutes instead of fifteen")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="write all numbers as JSON")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--attention-of", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    if options.memory_of:
        print(memory_of(options.memory_of))
        return
    if options.attention_of:
        print(*attention_of(options.attention_of[0], int(options.attention_of[1])))
        return
    result = report(options.quick, options.threads)
    if options.out:
        with draft_of(options.out) as draft:
            draft.write_text(json.dumps(result, indent=1))
