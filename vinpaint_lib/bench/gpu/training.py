"""Section `training`: one training for the minutes that are left, which a later run goes on with."""

import json
from pathlib import Path
from typing import Any

from vinpaint_lib.bench.gpu.setting import Cell, Cells, LeftOut, Setting, begin_memory, memory
from vinpaint_lib.checkpoints import load_state
from vinpaint_lib.datasets.parse import parse_source
from vinpaint_lib.errors import UserError
from vinpaint_lib.systems import registry
from vinpaint_lib.train import Training, train, usual_workers
from vinpaint_lib.training.loop import LOG, STATE

QUICK_STEPS = 10000  # more than there is time for: the clock ends a quick run, as it ends all others
STORED = 250  # steps between stored states; the deadline stores one as well
SHOWN = 20  # steps over which the first and the last loss are means


def cells(setting: Setting) -> Cells:
    preset = "tiny" if setting.quick else setting.preset
    yield Cell(f"{setting.model}, {preset}, {setting.data}", lambda: trained(preset, setting))


def check(setting: Setting) -> None:
    """Raise UserError for a system, a preset or data that there are not, before anything is measured."""
    if setting.preset not in registry.presets(setting.model):
        raise UserError(f"--preset {setting.preset}: {setting.model} has {', '.join(registry.presets(setting.model))}")
    parse_source(setting.data, training=True)


def trained(preset: str, setting: Setting) -> dict[str, Any]:
    """Train until the schedule or the time is over; steps, losses and seconds of this run, and where the weights are.

    Raises LeftOut if the time is over already.
    """
    if setting.budget.clock() >= setting.budget.deadline():
        raise LeftOut("no time is left")
    begin_memory(setting.device)
    out = setting.folder / f"{setting.model}-{preset}"
    state = out / STATE
    begun = load_state(state)["step"] if setting.resume and state.exists() else 0
    steps = setting.steps or (QUICK_STEPS if setting.quick else registry.presets(setting.model)[preset].steps)
    overrides = {} if setting.quick else {"checkpoint": STORED}
    asked = Training(
        setting.model,
        preset,
        out,
        data=setting.data,
        steps=steps,
        start=setting.start,
        resume=setting.resume,
        device=str(setting.device),
        workers=0 if setting.quick else usual_workers(str(setting.device)),
        deadline=setting.budget.deadline(),
        overrides=overrides,
    )
    weights = train(asked)
    rows = rows_of(out)
    ran = rows[begun:]
    seconds = sum(row["seconds"] for row in ran)
    found: dict[str, Any] = {"steps": len(ran), "step": len(rows), "of": steps, "weights": weights}
    if ran:
        found |= {
            "steps a second": len(ran) / max(seconds, 1e-3),
            "share waited for samples": sum(row["seconds fed"] for row in ran) / max(seconds, 1e-3),
            f"mean loss of the first {SHOWN} steps": mean_loss(ran[:SHOWN]),
            f"mean loss of the last {SHOWN} steps": mean_loss(ran[-SHOWN:]),
            "skipped": sum(bool(row["skipped"]) for row in ran),
        }
    return found | memory(setting.device)


def rows_of(out: Path) -> list[dict[str, Any]]:
    """The lines of a training's log, one a step."""
    path = out / LOG
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def mean_loss(rows: list[dict[str, Any]]) -> float:
    return sum(row["loss"] for row in rows) / len(rows)
