"""Section `steps`: two training steps of every recipe, with a stored state between them, and the waits of a step.

The preset tiny of each system, and on an accelerator the network and losses of its preset gpu as well, in float32 and
in bf16. The first trainer makes two steps and stores its state between them. A second trainer takes that state and
makes the second step.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from vinpaint_lib.bench.gpu.setting import Cell, Cells, Setting, begin_memory, memory
from vinpaint_lib.bench.gpu.trainers import grey_batch, network_of, shortened, trainer
from vinpaint_lib.bench.waits import Waits
from vinpaint_lib.systems import registry
from vinpaint_lib.training.loop import Trainer

PRECISIONS = ("float32", "bf16")
# Largest relative difference of the loss of the second step, and of the weights' change in it. On a GPU some sums are
# taken in another order every time.
TOLERANCE = {"float32": (1e-3, 0.1), "bf16": (2e-2, 0.5)}


def cells(setting: Setting) -> Cells:
    presets: dict[str, Callable[[str], Any]] = {"tiny": lambda name: registry.presets(name)["tiny"]}
    if not setting.on_cpu:
        presets["network of gpu"] = network_of
    for label, preset_of in presets.items():
        for precision in PRECISIONS:
            for name in registry.SYSTEMS:
                preset = shortened(preset_of(name), 1, precision=precision)
                yield Cell(f"{name}, {label}, {precision}", partial(two_steps, name, preset, setting))


def two_steps(name: str, preset: Any, setting: Setting) -> dict[str, Any]:
    """Waits, loss and memory of a step, and what a resumed run differs by. Raises ValueError beyond TOLERANCE."""
    with TemporaryDirectory() as folder:
        return stored_between(name, preset, setting, Path(folder))


def stored_between(name: str, preset: Any, setting: Setting, out: Path) -> dict[str, Any]:
    """`two_steps`, with the state in the folder `out`."""
    begin_memory(setting.device)
    whole = trainer(name, preset, setting.device, out)
    batches = samples(whole, setting)
    with Waits() as waits:
        whole.one_step(batches[0])
    whole.step += 1
    whole.save()
    before = weights(whole)
    last = whole.one_step(batches[1])
    resumed = trainer(name, preset, setting.device, out)
    resumed.begin(resume=True)
    again = resumed.one_step(batches[1])
    found: dict[str, Any] = {
        "waits": waits.total,
        "loss": last["loss"],
        "loss of the resumed run differs by a share of": abs(again["loss"] - last["loss"]) / abs(last["loss"]),
        "weights differ, as a share of their change": apart(weights(whole), weights(resumed), before),
        "skipped": last["skipped"],
    }
    loss, change = TOLERANCE[preset.precision]
    if not (found["loss of the resumed run differs by a share of"] <= loss):
        raise ValueError(f"the resumed run has another loss: {found}")
    if not (found["weights differ, as a share of their change"] <= change):
        raise ValueError(f"the resumed run has other weights: {found}")
    return found | memory(setting.device)


def samples(trained: Trainer, setting: Setting) -> list[dict[str, Tensor]]:
    """The batches of two steps; in a quick run both are even grey, since samples take seconds to make."""
    if setting.quick:
        return [grey_batch(trained.task, setting.device) for _ in range(2)]
    return list(trained.feed.batches(trained.step, trained.step + 2))


def weights(trained: Trainer) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in trained.plain.parameters()]


def apart(one: list[Tensor], other: list[Tensor], before: list[Tensor]) -> float:
    """Sum of the differences between the weights of both, over the sum of the changes from `before`."""
    difference = sum((a - b).abs().double().sum().item() for a, b in zip(one, other, strict=True))
    change = sum((a - b).abs().double().sum().item() for a, b in zip(one, before, strict=True))
    return difference / change if change else float("inf")
