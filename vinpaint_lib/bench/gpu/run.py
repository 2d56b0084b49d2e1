"""Runs the sections one after another within the minutes given, each cell by itself.

    python -m vinpaint_lib.bench.gpu --minutes 10 --out gpu.jsonl [--resume] [--packages FOLDER]

A machine may lack packages that some sections need. So a section is imported when its turn comes, and this file imports
nothing but torch.
"""

import argparse
import gc
import os
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch

from vinpaint_lib.bench.gpu.budget import Budget, TimeIsOver, at_most
from vinpaint_lib.bench.gpu.needs import add_folder, in_words, missing_packages, stand_in
from vinpaint_lib.bench.gpu.record import DONE, FAILED, LEFT_OUT, Record
from vinpaint_lib.bench.gpu.setting import Cell, LeftOut, Setting, name_of
from vinpaint_lib.errors import DEBUG, UserError, exit_code
from vinpaint_lib.options import choose_device

FILLS = ("numpy", "einops", "cv2", "scipy", "skimage", "safetensors")  # what filling a toy clip takes
TRAINS = (*FILLS, "accelerate")
QUICK_MINUTES = 30.0  # a CPU that has less is measured with the smallest of everything


class Section(NamedTuple):
    """A module of this folder with `cells`, the packages it cannot do without, and its share of the minutes, in full
    and in a quick run."""

    name: str
    needs: tuple[str, ...]
    share: float
    quick_share: float


SECTIONS = (
    Section("machine", (), 0.04, 0.08),
    Section("parity", FILLS, 0.14, 0.22),
    Section("steps", TRAINS, 0.14, 0.14),
    Section("frames", FILLS, 0.20, 0.10),
    Section("speed", TRAINS, 0.23, 0.30),
    Section("training", (*TRAINS, "tensorboard", "tqdm", "PIL"), 0.25, 0.16),
)
AGAIN = ("training",)  # goes on instead of being skipped


def chosen(names: Sequence[str]) -> list[Section]:
    """The sections of these names, in order, their shares scaled up so that together they have all minutes."""
    sections = [section for section in SECTIONS if section.name in names]
    whole, quick = (sum(shares) for shares in zip(*((each.share, each.quick_share) for each in sections)))
    return [each._replace(share=each.share / whole, quick_share=each.quick_share / quick) for each in sections]


def run_section(section: Section, setting: Setting, record: Record, missing: Sequence[str]) -> None:
    """Measure the cells of a section until its time is over, with a line for each."""
    budget = setting.budget
    budget.enter(section.quick_share if setting.quick else section.share)
    lacking = [name for name in section.needs if name in missing]
    if lacking:
        record.write(section.name, "all", LEFT_OUT, budget.spent(), why=f"{', '.join(lacking)} not installed")
        return
    late = []
    for cell in cells_of(section, setting, record):
        if record.has(section.name, cell.name) and section.name not in AGAIN:
            print(f"[{budget.spent():6.1f} s] {section.name}: {cell.name}: done in an earlier run", flush=True)
        elif budget.left() <= 0:
            late.append(cell.name)
        elif cell.guess > budget.left():
            why = f"would take about {cell.guess:.0f} s of the {budget.left():.0f} s that are left"
            record.write(section.name, cell.name, LEFT_OUT, budget.spent(), why=why)
        else:
            run_cell(section, cell, setting, record)
    if late:
        record.write(section.name, "the rest", LEFT_OUT, budget.spent(), why="no time is left", cells=late)


def cells_of(section: Section, setting: Setting, record: Record) -> Iterator[Cell]:
    """The section's cells; what goes wrong between them becomes a line."""
    try:
        with at_most(setting.budget.left()):
            cells = import_module(f"{__package__}.{section.name}").cells(setting)
        while True:
            with at_most(setting.budget.left()):
                cell = next(cells, None)
            if cell is None:
                return
            yield cell
    except TimeIsOver:
        record.write(section.name, "all", LEFT_OUT, setting.budget.spent(), why="no time was left to begin with it")
    except Exception as error:
        record.write(section.name, "all", FAILED, setting.budget.spent(), **in_short(error))


def run_cell(section: Section, cell: Cell, setting: Setting, record: Record) -> None:
    """Measure one cell, and write its line, whatever happens."""
    budget = setting.budget
    began = budget.clock()
    try:
        with at_most(budget.left()):
            values = cell.measure()
        state = DONE
    except TimeIsOver:
        state, values = LEFT_OUT, {"why": "not finished in the time that was left"}
    except LeftOut as reason:
        state, values = LEFT_OUT, {"why": str(reason)}
    except torch.cuda.OutOfMemoryError:
        state, values = LEFT_OUT, {"why": "more memory than the device has"}
    except Exception as error:
        state, values = FAILED, in_short(error)
    record.write(section.name, cell.name, state, budget.spent(), **values, seconds=budget.clock() - began)
    gc.collect()
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()


def in_short(error: Exception) -> dict[str, str]:
    """The kind and text of an error, and the last line of ours that it went through."""
    steps = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(step.filename).name}:{step.lineno}" for step in steps if "vinpaint_lib" in step.filename]
    return {"why": f"{type(error).__name__}: {str(error)[:400]}", "where": ours[-1] if ours else "?"}


def options(words: Sequence[str]) -> argparse.Namespace:
    names = [section.name for section in SECTIONS]
    parser = argparse.ArgumentParser(
        prog="python -m vinpaint_lib.bench.gpu",
        description="Measure this machine's accelerator, compare it with the CPU, and train for the rest of the time.",
        epilog="Training samples lie in the folder VINPAINT_CACHE, or else beside --out, like all other files.",
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="all that the run may take")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines; the run appends to it")
    parser.add_argument("--resume", action="store_true", help="leave out what the file has; go on with its training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    parser.add_argument("--packages", type=Path, help="folder of unpacked packages to import before all others")
    parser.add_argument("--only", default=",".join(names), help=f"sections, among {', '.join(names)}")
    parser.add_argument("--data", default="toy", help="what to train on, as for `vinpaint train`")
    parser.add_argument("--train", default="tgfnet", help="the system to train")
    parser.add_argument("--preset", default="gpu", help="its preset (a quick run on a CPU takes tiny)")
    parser.add_argument("--steps", type=int, help="length of the training's schedule, in place of the preset's")
    parser.add_argument("--start", type=Path, help="weights to begin the training with")
    asked = parser.parse_args(words)
    asked.only = asked.only.split(",")
    unknown = [name for name in asked.only if name not in names]
    if unknown:
        parser.error(f"--only {','.join(unknown)}: is no section; choose among {', '.join(names)}")
    if asked.minutes <= 0:
        parser.error(f"--minutes {asked.minutes}: give a number above 0")
    return asked


def main(words: Sequence[str], begun: float | None = None) -> int:
    """Run all sections; 1 if something failed, 2 for an option that means nothing, else 0.

    `begun`: the time of `time.monotonic()` from which the minutes count, in place of now.
    """
    asked = options([word for word in words if word != DEBUG])
    command = ["python -m vinpaint_lib.bench.gpu", *words]
    return exit_code(lambda: run(asked, Budget(asked.minutes, begun=begun)), command)


def check_training(setting: Setting, record: Record) -> None:
    """Raise UserError for a training that there is not; without it, the mistake would show in the last minutes.

    Any other error becomes a line at once. The sections run all the same.
    """
    try:
        import_module(f"{__package__}.training").check(setting)
    except UserError:
        raise
    except Exception as error:
        record.write("training", "check", FAILED, setting.budget.spent(), **in_short(error))


def run(asked: argparse.Namespace, budget: Budget) -> int:
    """Run all sections; 1 if something failed, else 0. Raises UserError for an option that means nothing."""
    if asked.packages is not None:
        add_folder(asked.packages)
    device = torch.device(choose_device(asked.device))
    missing = missing_packages()
    stand_in(missing)
    quick = device.type == "cpu" and asked.minutes < QUICK_MINUTES
    folder = asked.out.with_name(f"{asked.out.stem}-files")
    os.environ.setdefault("VINPAINT_CACHE", str(folder / "samples"))
    record = Record(asked.out, {"device": name_of(device), "quick": quick}, asked.resume)
    sections = chosen(asked.only)
    said = in_words(missing, {section.name: section.needs for section in sections})
    setting = Setting(
        device, quick, budget, folder, asked.resume, asked.data, asked.train, asked.preset, asked.steps, asked.start
    )
    begin: dict[str, Any] = {"minutes": asked.minutes, "packages": said, "on": str(device)}
    for section in sections:
        if section.name == "training" and not set(section.needs) & set(missing):
            check_training(setting, record)
    record.write("run", "begins", DONE, budget.spent(), **begin)
    for section in sections:
        run_section(section, setting, record, missing)
    counts = record.counts
    print(f"{budget.spent():.0f} s: {counts[FAILED]} failed, {counts[LEFT_OUT]} left out, {counts[DONE]} passed")
    return 1 if counts[FAILED] else 0
